"""Longshore's own bus: an adapter of EventBridge PutEvents."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.envelopes import SOURCE
from longshore.errors import UpstreamError

if TYPE_CHECKING:
    from longshore.events import Announcement
    from longshore.ports import Clock

_ENTRIES = 10  # PutEvents takes at most ten entries


class Bus:
    """Publishes announcements to one event bus."""

    def __init__(self, events: Callable[[], Any], name: str, clock: Clock) -> None:
        """`events` answers the boto3 client, which is made with the first announcement."""
        self._events = events
        self._name = name
        self._clock = clock

    def publish(self, announcements: Sequence[Announcement]) -> None:
        """Puts all of them, ten at a time. Raises UpstreamError when the bus refused one."""
        for start in range(0, len(announcements), _ENTRIES):
            entries = [self._entry(each) for each in announcements[start : start + _ENTRIES]]
            with aws_errors():
                answer = self._events().put_events(Entries=entries)
            refused = [e for e in answer.get("Entries", []) if e.get("ErrorCode")]
            if refused:
                raise UpstreamError(f"PutEvents refused {len(refused)} entries: {refused[0]}")

    def _entry(self, announcement: Announcement) -> dict[str, Any]:
        detail = {**announcement.detail, "correlation": announcement.correlation}
        return {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": announcement.kind.value,
            "Detail": json.dumps(detail, default=str),
            "Resources": list(announcement.resources),
            "Time": self._clock.now(),
        }
