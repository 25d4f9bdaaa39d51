"""What notify needs besides the ledger: its dead-letter queue, and who listens to a topic."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors

if TYPE_CHECKING:
    from longshore.ports import Clock

_KEEP = timedelta(minutes=5)


class DeadLetterQueue:
    """Messages that are given up at once, with the reason as an attribute, beside those that SQS gave up."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def put(self, body: Mapping[str, Any], attributes: Mapping[str, str]) -> None:
        """Sends it there."""
        members = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items() if text}
        with aws_errors():
            self._sqs.send_message(
                QueueUrl=self._url, MessageBody=json.dumps(body, default=str), MessageAttributes=members
            )


class Subscribers:
    """How many have confirmed that they listen to a topic; asked at most every five minutes."""

    def __init__(self, sns: Callable[[], Any], arn: str, clock: Clock) -> None:
        """`sns` answers the boto3 client, which is made when first asked."""
        self._sns = sns
        self._arn = arn
        self._clock = clock
        self._known: tuple[datetime, int] | None = None

    def __call__(self) -> int:
        """The number of confirmed subscriptions."""
        now = self._clock.now()
        if self._known is None or self._known[0] <= now:
            with aws_errors():
                attributes = self._sns().get_topic_attributes(TopicArn=self._arn)["Attributes"]
            self._known = (now + _KEEP, int(attributes.get("SubscriptionsConfirmed", 0)))
        return self._known[1]
