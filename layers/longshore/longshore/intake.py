"""How a function takes a batch from its queue: each message on its own, bad ones counted, failed ones given back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from aws_lambda_powertools.metrics import MetricUnit

from longshore.errors import BadEventError
from longshore.redaction import redact

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from longshore.outcomes import Outcome
    from longshore.ports import Clock, Postponer

_TIME_NEEDED = timedelta(seconds=20)
_SHOWN = 500


class Message(Protocol):
    """A message as its use case reads it."""

    @property
    def body(self) -> Mapping[str, Any]:
        """As it came."""
        ...

    @property
    def correlation(self) -> str:
        """The id of the event that everything began with."""
        ...


Read = TypeVar("Read", bound=Message)


class Intake(Generic[Read]):
    """Takes SQS batches for one use case and answers as ReportBatchItemFailures wants it."""

    def __init__(
        self,
        parse: Callable[[object], Read],
        handle: Callable[[Read], list[Outcome]],
        postponer: Postponer,
        clock: Clock,
        logger: Logger,
        metrics: Metrics,
        time_needed: timedelta = _TIME_NEEDED,
    ) -> None:
        """`parse` raises BadEventError for a message that names nothing usable.

        `time_needed` is the longest that `handle` may take: with less time left before the function's timeout, a
        message is put back as a new copy, which costs it no receive (design 4).
        """
        self._parse = parse
        self._handle = handle
        self._postponer = postponer
        self._clock = clock
        self._logger = logger
        self._metrics = metrics
        self._time_needed_ms = time_needed / timedelta(milliseconds=1)

    def take(self, batch: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Handles every record; answers the ids of those that must be tried again."""
        failed = []
        self._metrics.add_metric("Messages", MetricUnit.Count, len(batch["Records"]))
        for record in batch["Records"]:
            try:
                self._one(record["body"], context)
            except Exception as error:  # whatever it was, the other messages are not to blame
                self._logger.exception(str(error)[:1000], extra={"message_id": record["messageId"]})
                self._metrics.add_metric("MessagesFailed", MetricUnit.Count, 1)
                failed.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failed}

    def _one(self, text: str, context: LambdaContext) -> None:
        self._logger.append_keys(correlation_id=None)  # the message before had another
        try:
            body = _body(text)
            event = self._parse(body)
        except BadEventError as error:
            told = {"field": error.field, "problem": error.problem, "event": text}
            extra = {name: redact(each).text[:_SHOWN] for name, each in told.items()}
            self._logger.error(f"BadEventError: {extra['field']}: {extra['problem']}", extra=extra)
            self._metrics.add_metric("BadEvents", MetricUnit.Count, 1)
            return
        if context.get_remaining_time_in_millis() < self._time_needed_ms:
            self._postponer.postpone(event.body, self._clock.now())
            return
        self._logger.append_keys(correlation_id=event.correlation)
        for outcome in self._handle(event):
            self._logger.info(outcome.reason, extra={"outcome": outcome.to_log()})
            self._metrics.add_metric(outcome.metric, MetricUnit.Count, outcome.count)


def _body(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadEventError("body", f"is not JSON: {str(error)[:200]}") from None
