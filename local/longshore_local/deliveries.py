"""Deliveries to a rule's or schedule's destination, with retries and the dead-letter queue."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from moto.core.exceptions import ServiceException
from moto.logs.models import logs_backends
from moto.sns.models import sns_backends
from moto.sqs.models import Queue, sqs_backends
from werkzeug.exceptions import HTTPException

from longshore_local.queue_policies import allows_send
from longshore_local.timeline import Timeline

_LONGEST_BACKOFF = timedelta(minutes=15)


class DeliveryError(Exception):
    """A destination did not take a delivery; `code` is EventBridge's ERROR_CODE, permanent ones are not retried."""

    def __init__(self, code: str, message: str, permanent: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Delivery:
    """One text on its way from a sender (the ARN of a rule or schedule) to a destination (an ARN)."""

    sender: str
    service: str
    destination: str
    body: str
    options: Mapping[str, Any] = field(default_factory=dict)
    dead_letter_arn: str | None = None
    attempts: int = 185
    max_age: timedelta = timedelta(hours=24)


Destination = Callable[[Delivery], None]


class Deliveries:
    """Hands deliveries to destinations by the service in their ARN; what they refuse is retried, then dead."""

    def __init__(self, timeline: Timeline, invoke: Callable[[str, str], None]) -> None:
        """`invoke` starts a function (its ARN, the event's text) without waiting for the answer."""
        self._timeline = timeline
        self.destinations: dict[str, Destination] = {
            "sqs": _to_queue,
            "sns": _to_topic,
            "logs": self._to_log_group,
            "lambda": lambda delivery: invoke(delivery.destination, delivery.body),
        }

    def start(self, delivery: Delivery) -> None:
        """Makes the first attempt now; further ones follow on the timeline."""
        self._attempt(delivery, self._timeline.now(), 0)

    def _attempt(self, delivery: Delivery, begun: datetime, retries: int) -> None:
        try:
            self._deliver(delivery)
        except DeliveryError as error:
            self._failed(delivery, begun, retries, error)

    def _deliver(self, delivery: Delivery) -> None:
        service = delivery.destination.split(":")[2] if delivery.destination.count(":") >= 5 else ""
        destination = self.destinations.get(service)
        if destination is None:
            raise DeliveryError("INVALID_PARAMETER", f"no delivery to {delivery.destination} in the local bundle")
        try:
            destination(delivery)
        except (ServiceException, HTTPException) as error:
            raise DeliveryError("NO_RESOURCE", f"{delivery.destination}: {error}") from error

    def _failed(self, delivery: Delivery, begun: datetime, retries: int, error: DeliveryError) -> None:
        wait = min(timedelta(seconds=2 ** min(retries, 10)), _LONGEST_BACKOFF)
        when = self._timeline.now() + wait
        exhausted = None
        if not error.permanent:
            if retries >= delivery.attempts:
                exhausted = "MaximumRetryAttempts"
            elif when > begun + delivery.max_age:
                exhausted = "MaximumEventAgeInSeconds"
            else:
                self._timeline.at(when, lambda: self._attempt(delivery, begun, retries + 1))
                return
        if delivery.dead_letter_arn:
            self._bury(delivery, delivery.dead_letter_arn, retries, error, exhausted)

    def _bury(self, delivery: Delivery, queue: str, retries: int, error: DeliveryError, exhausted: str | None) -> None:
        attributes = {
            "RULE_ARN": delivery.sender,
            "TARGET_ARN": delivery.destination,
            "ERROR_CODE": error.code,
            "ERROR_MESSAGE": str(error),
            "RETRY_ATTEMPTS": str(retries),
        }
        if exhausted:
            attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
        dead = replace(delivery, destination=queue, options={}, dead_letter_arn=None)
        try:
            _send(dead, _string_attributes(attributes))
        except DeliveryError:
            return  # as on AWS: without a usable dead-letter queue the event is gone

    def _to_log_group(self, delivery: Delivery) -> None:
        account, region, group = _parts(delivery.destination)
        name = group.removeprefix("log-group:").removesuffix(":*")
        backend = logs_backends[account][region]
        stream = str(uuid.uuid4())
        backend.create_log_stream(name, stream)
        moment = int(self._timeline.now().timestamp() * 1000)
        backend.put_log_events(name, stream, [{"timestamp": moment, "message": delivery.body}])


def _to_queue(delivery: Delivery) -> None:
    _send(delivery, None)


def _send(delivery: Delivery, attributes: dict[str, Any] | None) -> None:
    account, region, name = _parts(delivery.destination)
    queue: Queue | None = sqs_backends[account][region].queues.get(name)
    if queue is None:
        raise DeliveryError("NO_RESOURCE", f"the queue {delivery.destination} does not exist")
    if delivery.service == "events.amazonaws.com" and not allows_send(queue.policy, queue.queue_arn, delivery.sender):
        raise DeliveryError("NO_PERMISSIONS", f"the policy of {queue.queue_arn} does not let {delivery.sender} send")
    group = delivery.options.get("SqsParameters", {}).get("MessageGroupId")
    sqs_backends[account][region].send_message(name, delivery.body, message_attributes=attributes, group_id=group)


def _to_topic(delivery: Delivery) -> None:
    account, region, _ = _parts(delivery.destination)
    sns_backends[account][region].publish(delivery.body, arn=delivery.destination)


def _string_attributes(attributes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}


def _parts(arn: str) -> tuple[str, str, str]:
    _, _, _, region, account, resource = arn.split(":", 5)
    return account, region, resource


def compact_json(value: object) -> str:
    """JSON without blanks, as AWS services write it into messages."""
    return json.dumps(value, separators=(",", ":"))
