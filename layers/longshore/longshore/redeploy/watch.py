"""Following deployments to their end, and noticing those that Longshore did not begin (redeploy 8.9, 8.10).

The watch reads and remembers; whatever must be done to a workload it asks of redeploy (design 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.events import DeploymentChanged, WatchDue
from longshore.redeploy.ends import Ends, undone
from longshore.redeploy.following import Follower
from longshore.redeploy.keeping import Keeper
from longshore.redeploy.looks import UNPROVEN, next_look
from longshore.redeploy.noticing import OUTSIDE, Noticer
from longshore.redeploy.proving import Prover
from longshore.redeploy.truth import TruthTeller
from longshore.workloads import WorkloadId

if TYPE_CHECKING:
    from longshore.events import Event
    from longshore.outcomes import Outcome
    from longshore.ports import Clock, Index, Postponer, Publisher, Record, Records
    from longshore.redeploy.ports import Platform, Truths
    from longshore.workloads import Deployment

_FINISHED = (
    "SERVICE_DEPLOYMENT_COMPLETED",
    "SERVICE_DEPLOYMENT_FAILED",
    "DAEMON_DEPLOYMENT_SUCCESSFUL",
    "DAEMON_DEPLOYMENT_STOPPED",
    "DAEMON_DEPLOYMENT_ROLLBACK_SUCCESSFUL",
    "DAEMON_DEPLOYMENT_ROLLBACK_FAILED",
    "DeploymentCompletedSuccessfully",
    "DeploymentFailed",
    "UpdateServiceCompletedSuccessfully",
    "UpdateServiceFailed",
    "ResumeServiceCompletedSuccessfully",
    "SUCCESS",
    "FAILURE",
    "STOP",
)
"""What ECS and CodeDeploy call the ends of their deployments, and App Runner those of its operations."""


class Watcher:
    """Follows each deployment that Longshore began, and notices those that it did not begin."""

    def __init__(
        self,
        *,
        platform: Platform,
        index: Index,
        records: Records,
        reminder: Postponer,
        publisher: Publisher,
        truths: Truths,
        clock: Clock,
        reapplies: frozenset[str] = frozenset(),
    ) -> None:
        """`reapplies` names the profiles that deploy again what an owner reverted."""
        self._records = records
        self._reminder = reminder
        self._clock = clock
        self._truth = TruthTeller(truths, index, records, reminder, clock)
        self._keeper = Keeper(records, publisher)
        self._follower = Follower(platform)
        self._noticer = Noticer(platform, index, records, self._keeper, clock, reapplies)
        self._ends = Ends(records, self._keeper, self._noticer, self._truth)
        self._prover = Prover(platform, records, reminder, self._keeper, self._ends, clock)

    def handle(self, event: Event) -> list[Outcome]:
        """Looks at the workload that an event names, writes what is so, and tells it. Idempotent."""
        fact = event.fact
        if not isinstance(fact, DeploymentChanged | WatchDue):
            return []
        return self.look(event, fact)

    def look(self, event: Event, fact: DeploymentChanged | WatchDue) -> list[Outcome]:
        """What `handle` does for a fact of which the event itself does not name the workload."""
        record = self._records.get(fact.arn)
        if record.deployment and record.deployment.status.active:
            return self._follow(event, record, record.deployment)
        if isinstance(fact, WatchDue):
            return self._late(event, record, fact)
        return self._noticer.notice(event, record) if fact.name in _FINISHED else []

    def _follow(self, event: Event, record: Record, deployment: Deployment) -> list[Outcome]:
        """Told before written: a crash in between tells twice and loses nothing."""
        now = self._clock.now()
        stepped, outcome = self._follower.step(deployment, now)
        changed = stepped != deployment
        look = next_look(stepped, now) if stepped.status.active else None
        if look and (changed or isinstance(event.fact, WatchDue)) and (changed or look > now):
            self._reminder.postpone(event.message("Watch Due", {"workload": record.arn}, now), look)
        outcomes = self._keeper.tell([outcome] if outcome else [])
        if not changed:
            return outcomes
        if stepped.outcome == UNPROVEN:
            self._prover.expect(event, stepped, now)
        outcomes += self._ends.write(event, record, stepped, now)
        self._records.advance(stepped)
        if stepped.status.active:
            return outcomes
        return outcomes + self._ends.next(event, self._records.get(record.arn))

    def _late(self, event: Event, record: Record, due: WatchDue) -> list[Outcome]:
        """Nothing is under way: what an end leads to, for a crash may have come in between; or somebody else's change.

        Of those, a silent platform tells nothing: redeploy saw it and asks for this look.
        """
        last = record.deployment
        if last and last.outcome == UNPROVEN and (found := self._prover.look(event, record, last)) is not None:
            return found
        outcomes = self._keeper.tell(self._truth.again(event, record))
        leads_on = last is not None and (last.outcome == OUTSIDE or undone(last))
        seen = due.changed or record.drifts or WorkloadId.parse(record.arn).platform.is_silent
        if seen and not leads_on:
            return outcomes + self._noticer.notice(event, record)
        return outcomes + self._ends.next(event, record)
