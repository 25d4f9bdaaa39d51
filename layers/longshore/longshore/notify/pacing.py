"""Pacing: how often each kind of channel may be used, and by what its users are told apart (notify 3.1, 3.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from longshore.notify.steps import Act

if TYPE_CHECKING:
    from longshore.notify.routes import Destination

SECOND = timedelta(seconds=1)
EDITS = timedelta(seconds=1.2)
"""chat.update is Tier 3: fifty in a minute, for a whole workspace."""

_EVERY: Mapping[str, timedelta] = {"sns": timedelta(), "amazonq": timedelta()}


def gate(destination: Destination, act: Act) -> tuple[str, timedelta]:
    """The name of what limits an act, and how far apart its uses must be.

    Posts are limited for each Slack channel, whoever posts there and in whatever thread; edits for each token.
    """
    if act is Act.EDIT:
        return _name("edit", destination.secret or destination.name), EDITS
    place = f"{destination.secret}/{destination.place}".strip("/") or destination.name
    return _name("post", place), _EVERY.get(destination.type, SECOND)


def _name(kind: str, place: str) -> str:
    return f"{kind}#{hashlib.sha256(place.encode()).hexdigest()[:32]}"


SLACKNESS = 1.1
"""How much further apart those in line stand than the gate demands: queues deliver to the second, not better."""


class Gate(NamedTuple):
    """What may only be used so often: when it opens, and where the line of those who wait ends."""

    opens: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    line: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def turn(self, every: timedelta, now: datetime, *, waited: bool) -> tuple[datetime | None, Gate]:
        """When it is one's turn, None: now; and the gate from then on.

        Who has waited passes as soon as the gate is open, and stays nearby when somebody else was a moment faster.
        """
        if now >= self.opens and (waited or now >= self.line):
            return None, Gate(now + every, self.line)
        if waited and self.opens - now <= 2 * every:
            return self.opens, self
        until = max(self.opens, self.line, now)
        return until, Gate(self.opens, until + SLACKNESS * every)

    def shut(self, until: datetime) -> Gate:
        """Nobody passes before `until`."""
        return Gate(max(self.opens, until), self.line)


_BACKOFF = (5, 15, 45, 120, 300)
"""Seconds to wait after each failure in a row; after one more the channel counts as unreachable."""


def backoff(failures: int) -> timedelta | None:
    """How long to wait after this many failures in a row; None: no longer."""
    return timedelta(seconds=_BACKOFF[failures - 1]) if failures <= len(_BACKOFF) else None


GROUP_WAIT = timedelta(seconds=5)
"""How long good news waits for what may follow it at once: opened and resolved within it are one message."""

BUSY = timedelta(seconds=3)
"""When to look again at a thread that another delivery holds."""

PATIENCE = timedelta(hours=6)
"""A notice that could not be told for so long, whatever the channel promised, is told elsewhere."""
