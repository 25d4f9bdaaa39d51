"""Noticing what Longshore did not begin: somebody else's images become known, and a way back is a hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.errors import GoneError
from longshore.events import PENDING, Kind
from longshore.outcomes import Outcome
from longshore.redeploy.keeping import Keeper, newest
from longshore.redeploy.looks import is_unproven
from longshore.redeploy.ownership import put_in_line, reverted, standing
from longshore.redeploy.telling import ended as told
from longshore.workloads import Hold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.events import Event
    from longshore.images import Digest
    from longshore.ports import Clock, Index, Record, Records
    from longshore.redeploy.ports import Platform
    from longshore.workloads import Observation

OUTSIDE = "changed-outside"
"""How a deployment ended in whose place somebody else put another."""
IAC_REVERT = "iac-revert"
"""An owner's deployment brought back the older image that it still declares (redeploy 8.14)."""
_ROLLED_BACK = "rolled back outside Longshore"


class Noticer:
    """Looks at workloads that somebody else changed."""

    def __init__(
        self,
        platform: Platform,
        index: Index,
        records: Records,
        keeper: Keeper,
        clock: Clock,
        reapplies: frozenset[str],
    ) -> None:
        """`reapplies` names the profiles that deploy again what an owner reverted."""
        self._platform = platform
        self._index = index
        self._records = records
        self._keeper = keeper
        self._clock = clock
        self._reapplies = reapplies

    def notice(self, event: Event, record: Record) -> list[Outcome]:
        """Brings up to date what is known of a workload, and asks for what was remembered meanwhile."""
        if self._index.get(record.arn) is None:
            return []
        try:
            observation = self._platform.observe(record.arn)
        except GoneError:
            self._index.remove(record.arn)
            return []
        if observation.workload.policy is None:
            self._index.remove(record.arn)
            return []
        self._index.put(observation.workload)
        outcomes = self._foreign(event, record, observation) if observation.steady and observation.running else []
        if put_in_line(record, observation):
            self._records.drift(record.arn, standing(record.drifts, record, observation))
        if record.pending:
            asked = Outcome("deploy", PENDING, event.correlation, record.arn, Kind.REDEPLOY_REQUESTED)
            outcomes += self._keeper.tell([asked])
        return outcomes

    def _foreign(self, event: Event, record: Record, observation: Observation) -> list[Outcome]:
        """A steady state that somebody else made: good to know, and a hold when it is a way back (redeploy 8.10)."""
        now = self._clock.now()
        known = newest(record)
        followed = {c: d for c, d in observation.running.items() if c in observation.workload.followed}
        tried, earlier = _history(record)
        if not followed or (followed.items() <= known.items() and not tried) or is_unproven(record, followed):
            return []
        back = {c: d for c, d in followed.items() if any(good.get(c) == d for good in earlier)}
        returned = {c: d for c, d in back.items() if not tried or tried.get(c, d) != d}
        outcomes: list[Outcome] = []
        by_owner = {c: followed[c] for c in reverted(record.drifts, observation.workload) if c in followed}
        if by_owner:
            outcomes = self._reverted(event, record, observation, by_owner)
        elif returned and not (record.hold and record.hold.stands(now)):
            hold = Hold(_ROLLED_BACK, "unknown", now)
            told_of = {**observation.workload.subject.members(), "to": returned}
            outcomes = self._keeper.hold(event.correlation, record.arn, hold, told_of)
        self._keeper.good(record, followed, observation.tags, now)
        return outcomes

    def _reverted(
        self, event: Event, record: Record, observation: Observation, to: Mapping[str, Digest]
    ) -> list[Outcome]:
        """Its owner deployed the older image that it still declares (redeploy 8.14): held, or deployed again."""
        now, workload = self._clock.now(), observation.workload
        drift = record.drifts[0]
        owned = {**workload.subject.members(), "owner": drift.owner, "stack": drift.stack or None}
        profile = (workload.policy or "").strip().removeprefix("profile:")
        if profile not in self._reapplies:
            if record.hold and record.hold.stands(now):
                return []
            hold = Hold(f"{drift.stack or drift.owner} brought back an older image", drift.owner, now)
            return self._keeper.hold(event.correlation, record.arn, hold, {**owned, "to": to}, IAC_REVERT)
        again = Outcome("deploy", PENDING, event.correlation, record.arn, Kind.REDEPLOY_REQUESTED)
        if record.deployment is None:
            return self._keeper.tell([again])
        over = told(record.deployment, Kind.DEPLOYMENT_SUPERSEDED, IAC_REVERT, **owned, running=dict(to))
        return self._keeper.tell([over, again])


def _history(record: Record) -> tuple[Mapping[str, Digest], list[Mapping[str, Digest]]]:
    """What Longshore was deploying when somebody else changed the workload, and all that had worked before."""
    deployment = record.deployment
    if deployment is None or deployment.outcome != OUTSIDE:
        return {}, [good.digests for good in record.goods[1:]]
    return deployment.plan.digests, [good.digests for good in record.goods if good.since <= deployment.began]
