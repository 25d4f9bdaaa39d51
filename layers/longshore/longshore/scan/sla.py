"""Until when a finding is to be mended: the clock of its key in the repository, which acceptance stops (notify 2.2)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from longshore.scan.priority import Ranked
    from longshore.scan.rules import ScanPolicy


class Pause(NamedTuple):
    """How acceptance stops the clock: since when it does now, for how long it did before, and when it last ended."""

    since: datetime | None = None
    before: timedelta = timedelta()
    ended: datetime | None = None

    def accept(self, at: datetime) -> Pause:
        """Accepted; if it is already, nothing changes."""
        return self if self.since else self._replace(since=at)

    def lapse(self, at: datetime) -> Pause:
        """No longer accepted."""
        if self.since is None:
            return self
        return Pause(None, self.before + max(at - self.since, timedelta()), at)


NEVER = Pause()


def due(ranked: Ranked, since: datetime, policy: ScanPolicy, pause: Pause = NEVER) -> datetime | None:
    """By when it is to be mended; None while it is accepted.

    `since` is the first sight of its key in the repository: a new digest does not start the clock anew. What CISA lists
    is due on CISA's day, unless that was over before it was seen here.
    """
    if pause.since is not None:
        return None
    start = pause.ended if policy.restart_on_reopen and pause.ended else since
    held = timedelta() if policy.restart_on_reopen else pause.before
    if ranked.finding.kev and ranked.finding.kev_due:
        cisa = datetime.combine(ranked.finding.kev_due, time.max, UTC).replace(microsecond=0)
        if cisa >= start:
            return cisa + held
    return start + held + policy.sla[ranked.priority]
