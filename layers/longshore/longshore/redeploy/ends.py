"""What the end of a deployment leads to (redeploy 8.10): a last known good, a quarantine, a hold, the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.events import PENDING
from longshore.redeploy.following import request
from longshore.redeploy.looks import UNPROVEN
from longshore.redeploy.noticing import OUTSIDE, Noticer
from longshore.workloads import Action, DeploymentStatus, Hold

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.events import Event
    from longshore.outcomes import Outcome
    from longshore.ports import Record, Records
    from longshore.redeploy.keeping import Keeper
    from longshore.redeploy.truth import TruthTeller
    from longshore.workloads import Deployment

_QUARANTINES_A_DAY = 3
_INCONCLUSIVE = ("never-started", "not-completed", "not-steady", "refused")
"""Ends that say nothing against the image: told, never undone (redeploy 8.9)."""


class Ends:
    """Writes what an end leads to, and asks redeploy for what comes next."""

    def __init__(self, records: Records, keeper: Keeper, noticer: Noticer, truth: TruthTeller) -> None:
        self._records = records
        self._keeper = keeper
        self._noticer = noticer
        self._truth = truth

    def write(self, event: Event, record: Record, deployment: Deployment, now: datetime) -> list[Outcome]:
        """Written before the end itself, so that a crash in between repeats it and loses nothing."""
        if deployment.status is DeploymentStatus.VERIFIED:
            if deployment.plan.action is not Action.REFRESH and deployment.plan.drifts != record.drifts:
                self._records.drift(record.arn, deployment.plan.drifts)
            if deployment.outcome == UNPROVEN:
                return []
            self._keeper.good(record, deployment.plan.digests, deployment.plan.tags, now)
            return self._keeper.tell(self._truth.publish(event, record, deployment))
        if deployment.status in (DeploymentStatus.FAILED, DeploymentStatus.ROLLED_BACK):
            return self._blame(record, deployment, now)
        return []

    def _blame(self, record: Record, deployment: Deployment, now: datetime) -> list[Outcome]:
        if deployment.outcome in _INCONCLUSIVE:
            return []
        plan = deployment.plan
        if plan.rollback:
            hold = Hold("the last known good image failed as well", "longshore", now)
            return self._keeper.hold(plan.correlation, plan.workload, hold, plan.subject.members())
        self._records.quarantine(plan.workload, sorted(plan.brought), deployment.outcome, now)
        recent = {d for d, at in record.quarantined.items() if now - at < timedelta(days=1)}
        if len(recent | plan.brought) < _QUARANTINES_A_DAY:
            return []
        hold = Hold(f"{_QUARANTINES_A_DAY} images failed within a day", "longshore", now)
        return self._keeper.hold(plan.correlation, plan.workload, hold, plan.subject.members())

    def next(self, event: Event, record: Record) -> list[Outcome]:
        """What redeploy is asked for once a deployment is over: the way back, or what was pushed meanwhile."""
        deployment = record.deployment
        if deployment and deployment.outcome == OUTSIDE:
            return self._noticer.notice(event, record)
        if deployment and undone(deployment):
            return self._keeper.tell([request(deployment, "rollback")])
        return self._keeper.tell([request(deployment, PENDING)] if deployment and record.pending else [])


def undone(deployment: Deployment) -> bool:
    """Whether a failure left the workload on an image that must be taken back."""
    failed = deployment.status is DeploymentStatus.FAILED and deployment.outcome not in _INCONCLUSIVE
    return failed and not deployment.plan.rollback
