"""Looking where a platform sends no events: at deployments again and again, and at what somebody else changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.workloads import DeploymentStatus, WorkloadId

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.ports import Record
    from longshore.workloads import Deployment, Observation

_SOONEST = timedelta(seconds=10)
_LATEST = timedelta(minutes=5)


def next_look(deployment: Deployment, now: datetime) -> datetime:
    """A silent platform is looked at after as long again as the deployment has taken so far, and when it has to end.

    While it soaks, nothing is waited for but the end of the soak.
    """
    soaks = deployment.status is DeploymentStatus.SOAKING
    if soaks or not WorkloadId.parse(deployment.plan.workload).platform.is_silent:
        return deployment.deadline
    soon = now + min(max(now - deployment.began, _SOONEST), _LATEST)
    return min(soon, deployment.deadline) if now < deployment.deadline else deployment.deadline


def changed_unseen(record: Record, observation: Observation) -> bool:
    """Whether a silent platform runs, steadily, what nobody has seen there before: no event told of it."""
    if not observation.workload.platform.is_silent or not observation.steady or not record.goods:
        return False
    if record.deployment and record.deployment.status.active:
        return False
    followed = {c: d for c, d in observation.running.items() if c in observation.workload.followed}
    return not followed.items() <= record.goods[0].digests.items()
