"""Later looks at a mirror: of each mirror one is waiting, however many reasons there are for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from longshore.mirror.messages import MirrorDue, message, waiting

if TYPE_CHECKING:
    from longshore.mirror.stores import Leases
    from longshore.ports import Postponer

_FIRST: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(hours=1)
"""The sweep comes as often."""


class LaterLooks:
    """Puts looks off. What they would have looked at (tags that were pushed) is part of the one that waits: of all.

    Two invocations at once may leave two: the first to be put off once more is the last.
    """

    def __init__(self, leases: Leases, postponer: Postponer, *, forgets: bool = False) -> None:
        """`forgets`: of what is put off nothing comes."""
        self._forgets = forgets
        self._leases = leases
        self._postponer = postponer

    def pending(self, mirror: str, now: datetime, downstreams: tuple[str, ...] = ()) -> datetime | None:
        """When the mirror (or some downstreams of it, by themselves) is looked at again, if that was put off."""
        until = self._leases.last(_key(mirror, downstreams))
        return until if until is not None and until > now else None

    def put_off(self, correlation: str, due: MirrorDue, now: datetime, until: datetime) -> datetime:
        """Has the mirror looked at then, unless that is to come anyway; answers when."""
        pending = self.pending(due.mirror, now, due.downstreams)
        if pending is not None:
            return pending
        self._postponer.postpone(waiting(message(due._replace(tags=()), correlation, now), until), until)
        if not self._forgets:
            self._leases.done(_key(due.mirror, due.downstreams), until)
        return until


def backed_off(due: MirrorDue, asked: float) -> timedelta:
    """How long to leave a registry alone that asked for it for `asked` seconds: each time longer, up to an hour."""
    return max(timedelta(seconds=asked), min(_FIRST * (1 << min(due.tries, 10)), _LONGEST))


def _key(mirror: str, downstreams: tuple[str, ...]) -> str:
    return " ".join(["again", mirror, *downstreams])
