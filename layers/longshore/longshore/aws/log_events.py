"""The last lines of a log stream of CloudWatch Logs (recover O7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longshore.aws.errors import aws_errors


class LogStreams:
    """Log streams of any Region; `logs` makes the client of one."""

    def __init__(self, logs: Callable[[str], Any]) -> None:
        self._logs = logs

    def tail(self, group: str, stream: str, region: str, limit: int) -> tuple[str, ...]:
        """The last lines, the newest last. Raises GoneError without group or stream, AccessDeniedError."""
        with aws_errors(gone=("ResourceNotFoundException",)):
            answer = self._logs(region).get_log_events(
                logGroupName=group, logStreamName=stream, limit=limit, startFromHead=False
            )
        return tuple(str(each.get("message", "")) for each in answer.get("events", []))
