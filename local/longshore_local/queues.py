"""Event source mappings: SQS queues polled the way Lambda polls them, on the bundle's clock."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from moto.awslambda.models import EventSourceMapping
from moto.awslambda.utils import get_backend
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.sqs import models as sqs_models
from moto.sqs.models import Message, Queue, SQSBackend, sqs_backends

from longshore_local.overriding import override
from longshore_local.patterns import Pattern, compile_pattern
from longshore_local.timeline import Timeline

_TICK = timedelta(milliseconds=1)  # moto shows a message again one tick after its visibility timeout
_RECEIVE_MAX = 10


class BatchResult(Protocol):
    """How an invocation ended, as far as a poller needs to know."""

    @property
    def error(self) -> object | None: ...
    @property
    def result(self) -> object: ...


Invoke = Callable[[str, dict[str, Any]], BatchResult]


class Queues:
    """Polls every enabled SQS event source mapping of one account and Region; one invocation at a time.

    One at a time is within every `ScalingConfig.MaximumConcurrency`, whose least value is 2.
    """

    def __init__(self, timeline: Timeline, invoke: Invoke, account: str, region: str) -> None:
        self._timeline = timeline
        self._invoke = invoke
        self._account = account
        self._region = region
        self._gathering: dict[str, datetime] = {}

    def poll(self) -> int:
        """Gives each mapping at most one batch; says how many batches were taken."""
        return sum(self._poll(mapping, queue) for mapping, queue in self._mappings())

    def next_visible(self) -> datetime | None:
        """The earliest moment at which a watched queue will have something to deliver; None when all are empty."""
        moments = [when for mapping, queue in self._mappings() if (when := self._next(mapping, queue)) is not None]
        return min(moments, default=None)

    def _mappings(self) -> Iterator[tuple[EventSourceMapping, Queue]]:
        queues = sqs_backends[self._account][self._region].queues
        for mapping in list(get_backend(self._account, self._region)._event_source_mappings.values()):
            queue = queues.get(mapping.event_source_arn.rpartition(":")[2])
            if queue is not None and mapping.enabled:
                yield mapping, queue

    def _poll(self, mapping: EventSourceMapping, queue: Queue) -> bool:
        visible = len(queue.messages)
        if not visible:
            self._gathering.pop(mapping.uuid, None)
            return False
        if visible < mapping.batch_size and self._timeline.now() < self._window_end(mapping):
            return False
        self._gathering.pop(mapping.uuid, None)
        messages = self._receive(mapping, queue)
        if messages:
            self._hand_over(mapping, queue, messages)
        return True

    def _window_end(self, mapping: EventSourceMapping) -> datetime:
        begun = self._gathering.setdefault(mapping.uuid, self._timeline.now())
        return begun + timedelta(seconds=int(mapping.max_batch_window or 0))

    def _receive(self, mapping: EventSourceMapping, queue: Queue) -> list[Message]:
        backend = sqs_backends[self._account][self._region]
        received: list[Message] = []
        while len(received) < mapping.batch_size:
            count = min(_RECEIVE_MAX, mapping.batch_size - len(received))
            messages = backend.receive_message(queue.name, count, 0, queue.visibility_timeout, ["All"])  # type: ignore[attr-defined]
            if not messages:
                break
            received += messages
        return [message for message in received if self._passes_filter(mapping, queue, message)]

    def _passes_filter(self, mapping: EventSourceMapping, queue: Queue, message: Message) -> bool:
        filters = [entry["Pattern"] for entry in (mapping.filter_criteria or {}).get("Filters", [])]
        if not filters:
            return True
        event = _filterable(_record(message, queue))
        if any(_compiled(raw).matches(event) for raw in filters):
            return True
        queue.delete_message(str(message.receipt_handle))  # Lambda deletes what its filters refuse
        return False

    def _hand_over(self, mapping: EventSourceMapping, queue: Queue, messages: list[Message]) -> None:
        outcome = self._invoke(mapping.function_arn, {"Records": [_record(message, queue) for message in messages]})
        failed = _failed_ids(mapping, messages, outcome)
        for message in messages:
            if message.id not in failed:
                queue.delete_message(str(message.receipt_handle))

    def _next(self, mapping: EventSourceMapping, queue: Queue) -> datetime | None:
        moments = [_visible_from(message) for message in queue._messages]
        if not moments:
            return None
        if mapping.uuid in self._gathering and len(queue.messages) < mapping.batch_size:
            ahead = [moment for moment in moments if moment > self._timeline.now()]
            return min([self._window_end(mapping), *ahead])
        return min(moments)

    @contextmanager
    def installed(self, *, waits: bool) -> Iterator[None]:
        """While open, moto's SQS keeps the bundle's time and leaves the polling to this class.

        `waits`: whether long polling may wait; on virtual time nothing would ever end the wait.
        """

        def seconds(_moment: object = None) -> float:
            return self._timeline.now().timestamp()

        receive_message = SQSBackend.receive_message

        def receive_now(backend: SQSBackend, queue_name: str, count: int, _wait: int, *rest: Any) -> list[Message]:
            return receive_message(backend, queue_name, count, 0, *rest)

        with ExitStack() as stack:
            stack.enter_context(override(sqs_models, "unix_time", seconds))
            stack.enter_context(override(sqs_models, "unix_time_millis", lambda _moment=None: seconds() * 1000))
            stack.enter_context(override(LambdaSimpleBackend, "send_sqs_batch", lambda *_: False))
            stack.enter_context(override(Queue, "add_message", _add_message))
            if not waits:
                stack.enter_context(override(SQSBackend, "receive_message", receive_now))
            yield


_add_to_queue = Queue.add_message


def _add_message(queue: Queue, message: Message) -> None:
    """Adds without moto's synchronous delivery, which would count a receive that no one made."""
    mappings, queue.lambda_event_source_mappings = queue.lambda_event_source_mappings, {}
    try:
        _add_to_queue(queue, message)
    finally:
        queue.lambda_event_source_mappings = mappings


def _visible_from(message: Message) -> datetime:
    millis = max(message.visible_at, message.delayed_until)
    return datetime.fromtimestamp(millis / 1000, UTC) + _TICK


def _failed_ids(mapping: EventSourceMapping, messages: list[Message], outcome: BatchResult) -> set[str]:
    """The ids that stay on the queue; an unreadable report fails the whole batch, as on Lambda."""
    every = {message.id for message in messages}
    if outcome.error is not None:
        return every
    if "ReportBatchItemFailures" not in (mapping.function_response_types or []):
        return set()
    if not outcome.result:
        return set()
    if not isinstance(outcome.result, Mapping):
        return every
    failures = outcome.result.get("batchItemFailures") or []
    named = {failure.get("itemIdentifier") if isinstance(failure, Mapping) else None for failure in failures}
    return {str(name) for name in named} if named <= every else every


def _record(message: Message, queue: Queue) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
            **({"MessageGroupId": message.group_id} if message.group_id else {}),
        },
        "messageAttributes": {name: _attribute(value) for name, value in message.message_attributes.items()},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.queue_arn,
        "awsRegion": queue.region,
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    present = {"stringValue": value.get("StringValue"), "binaryValue": value.get("BinaryValue")}
    return {
        **{name: text for name, text in present.items() if text is not None},
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value.get("DataType"),
    }


def _filterable(record: dict[str, Any]) -> dict[str, Any]:
    """The record as filters see it: a JSON body is an object, any other stays text."""
    try:
        return {**record, "body": json.loads(record["body"])}
    except (ValueError, RecursionError):
        return record


@lru_cache(maxsize=256)
def _compiled(raw: str) -> Pattern:
    return compile_pattern(json.loads(raw))
