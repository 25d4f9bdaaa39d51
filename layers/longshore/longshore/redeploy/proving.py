"""The proof of what ended before anything had run of it: its first run, however late that comes (redeploy 8.9)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.errors import GoneError
from longshore.redeploy.following import as_decided, failed
from longshore.redeploy.looks import next_proof
from longshore.workloads import RolloutStatus

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.events import Event
    from longshore.outcomes import Outcome
    from longshore.ports import Clock, Postponer, Record, Records
    from longshore.redeploy.ends import Ends
    from longshore.redeploy.keeping import Keeper
    from longshore.redeploy.ports import Platform
    from longshore.workloads import Deployment


class Prover:
    """Looks for first runs, in one row of looks for each deployment."""

    def __init__(
        self, platform: Platform, records: Records, reminder: Postponer, keeper: Keeper, ends: Ends, clock: Clock
    ) -> None:
        self._platform = platform
        self._records = records
        self._reminder = reminder
        self._keeper = keeper
        self._ends = ends
        self._clock = clock

    def look(self, event: Event, record: Record, last: Deployment) -> list[Outcome] | None:
        """What the first run proved, however late it came; None while it proves nothing, or is no longer ours."""
        now = self._clock.now()
        try:
            rollout = self._platform.rollout(record.arn, last.rollout or "")
        except GoneError:
            return None
        if rollout.status is RolloutStatus.SUCCEEDED and as_decided(last, rollout.digests):
            proven = replace(last, outcome="verified")
            outcomes = self._ends.write(event, record, proven, now)
            self._records.advance(proven)
            return outcomes
        if rollout.status is RolloutStatus.FAILED:
            over, outcome = failed(last, rollout.status.value, {"why": rollout.reason}, now)
            outcomes = self._keeper.tell([outcome] if outcome else []) + self._ends.write(event, record, over, now)
            self._records.advance(over)
            return outcomes + self._ends.next(event, self._records.get(record.arn))
        if rollout.status is RolloutStatus.WAITING:
            self.expect(event, last, now)
        return None

    def expect(self, event: Event, deployment: Deployment, now: datetime) -> None:
        """Sets the alarm clock for the next look at what ended unproven."""
        if look := next_proof(deployment, now):
            self._reminder.postpone(event.message("Watch Due", {"workload": deployment.plan.workload}, now), look)
