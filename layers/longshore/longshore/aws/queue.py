"""Waiting without sleeping: a later copy of a message, by SQS delay or by a one-time schedule (design 4)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.errors import ConflictError

if TYPE_CHECKING:
    from longshore.ports import Clock

_LONGEST_DELAY = timedelta(minutes=15)  # SQS DelaySeconds


class QueuePostponer:
    """Postpones to one queue; `scheduler` builds its client only when a wait is too long for SQS."""

    def __init__(
        self,
        sqs: Any,
        scheduler: Callable[[], Any],
        clock: Clock,
        *,
        queue_url: str,
        queue_arn: str,
        group: str,
        role_arn: str,
    ) -> None:
        self._sqs = sqs
        self._scheduler = scheduler
        self._clock = clock
        self._queue_url = queue_url
        self._queue_arn = queue_arn
        self._group = group
        self._role_arn = role_arn

    def postpone(self, body: Mapping[str, Any], until: datetime) -> None:
        """Sends `body` so that it arrives at `until`, never before it."""
        text = json.dumps(body, default=str)
        wait = until - self._clock.now()
        if wait > _LONGEST_DELAY:
            self._schedule(text, until)
            return
        with aws_errors():
            self._sqs.send_message(
                QueueUrl=self._queue_url, MessageBody=text, DelaySeconds=max(0, math.ceil(wait.total_seconds()))
            )

    def _schedule(self, text: str, until: datetime) -> None:
        at = (until.astimezone(UTC) + timedelta(microseconds=999_999)).strftime("%Y-%m-%dT%H:%M:%S")
        name = hashlib.sha256(f"{at}{text}".encode()).hexdigest()[:48]
        try:
            with aws_errors():
                self._scheduler().create_schedule(
                    Name=name,
                    GroupName=self._group,
                    ScheduleExpression=f"at({at})",
                    ScheduleExpressionTimezone="UTC",
                    FlexibleTimeWindow={"Mode": "OFF"},
                    ActionAfterCompletion="DELETE",
                    Target={"Arn": self._queue_arn, "RoleArn": self._role_arn, "Input": text},
                )
        except ConflictError:
            return  # the same copy at the same time is already on its way
