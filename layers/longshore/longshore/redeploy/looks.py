"""When the watch looks at a deployment again: at its deadline, and in between where the platform sends no events."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.workloads import DeploymentStatus, WorkloadId

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.workloads import Deployment

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
