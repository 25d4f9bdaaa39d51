"""What notify's queue holds: Longshore's own events, and word that a thread of a destination has something to tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.envelopes import DEFERRAL, SOURCE, parse_time
from longshore.errors import BadEventError

if TYPE_CHECKING:
    from longshore.ports import Postponer

NOTICE_DUE = "Notice Due"
DESTINATION = "longshore-destination"
"""The member of an event that goes to one destination alone: a dead letter that is put back."""

_LONGEST = 2048


class Due(NamedTuple):
    """That a thread of a destination has something to tell. `wake` names the copy that a delivery waits for."""

    destination: str
    thread: str
    correlation: str = ""
    wake: datetime | None = None

    def body(self, now: datetime, reason: str = "") -> dict[str, Any]:
        """The message, shaped as an event."""
        detail = {"destination": self.destination, "thread": self.thread}
        body: dict[str, Any] = {
            "version": "0",
            "id": self.correlation,
            "detail-type": NOTICE_DUE,
            "source": SOURCE,
            "time": now.isoformat(),
            "resources": [],
            "detail": detail | ({"wake": self.wake.isoformat()} if self.wake else {}),
        }
        if self.wake:
            body[DEFERRAL] = {"not_before": self.wake.isoformat(), "reason": reason}
        return body

    def send(self, postponer: Postponer, now: datetime, after: timedelta = timedelta()) -> None:
        """Sends it, to arrive after a while."""
        postponer.postpone(self.body(now), now + after)


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the queue, read. `only` is the destination that a put-back event is for."""

    body: Mapping[str, Any]
    correlation: str
    due: Due | None = None
    only: str | None = None

    @classmethod
    def parse(cls, body: object) -> Message:
        """Reads a message. Raises BadEventError with the path of the first offending field."""
        if not isinstance(body, Mapping):
            raise BadEventError("event", f"must be an object, not {type(body).__name__}")
        if body.get("source") != SOURCE:
            raise BadEventError("source", f"must be {SOURCE}")
        kind, detail = _text(body, "detail-type", ""), body.get("detail")
        if not isinstance(detail, Mapping):
            raise BadEventError("detail", "must be an object")
        if kind == NOTICE_DUE:
            wake = parse_time(_text(detail, "wake", "detail."), "detail.wake") if "wake" in detail else None
            correlation = str(body.get("id") or "")
            due = Due(_text(detail, "destination", "detail."), _text(detail, "thread", "detail."), correlation, wake)
            return cls(body, correlation, due)
        only = _text(body, DESTINATION, "") if DESTINATION in body else None
        return cls(body, str(detail.get("correlation") or _text(body, "id", "")), only=only)


def _text(container: Mapping[str, Any], key: str, where: str) -> str:
    value = container.get(key)
    if not isinstance(value, str) or not value or len(value) > _LONGEST:
        raise BadEventError(f"{where}{key}", f"must be a string of 1 to {_LONGEST} characters")
    return value
