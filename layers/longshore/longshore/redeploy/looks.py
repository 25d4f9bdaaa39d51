"""Looking where a platform sends no events: at deployments again and again, and at what somebody else changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.workloads import DeploymentStatus, WorkloadId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from longshore.envelopes import Envelope
    from longshore.images import Digest
    from longshore.ports import Record
    from longshore.workloads import Deployment, Observation, Plan

UNPROVEN = "not-run"
"""How a deployment ended that nothing ran of before its deadline: it is declared, and no last known good."""

_SOONEST = timedelta(seconds=10)
_PROOF, _PROOF_GIVEN_UP = timedelta(hours=1), timedelta(days=35)
"""How often and how long a first run is looked for: ECS keeps a stopped task for an hour, few run less than monthly."""
_LATEST = timedelta(minutes=5)
_SOMEBODY_ELSE, _LEFT_TO_THE_SWEEP = timedelta(minutes=1), timedelta(hours=1)


def next_look(deployment: Deployment, now: datetime) -> datetime:
    """A silent platform is looked at after as long again as the deployment has taken so far, and when it has to end.

    While it soaks, nothing is waited for but the end of the soak.
    """
    silent = deployment.silent or WorkloadId.parse(deployment.plan.workload).platform.is_silent
    if deployment.status is DeploymentStatus.SOAKING or not silent:
        return deployment.deadline
    soon = now + min(max(now - deployment.began, _SOONEST), _LATEST)
    return min(soon, deployment.deadline) if now < deployment.deadline else deployment.deadline


def look_again(event: Envelope, reason: str, now: datetime) -> datetime | None:
    """What nothing tells of is looked at after as long again as it was waited for for `reason`.

    Somebody else's Deployment may be paused for weeks, or a platform fail as long: after an hour only sweeps and
    pushes look, and each begins anew.
    """
    before = event.waited(reason)
    waited = now - before.first if before else timedelta()
    return now + max(waited, _SOMEBODY_ELSE) if waited < _LEFT_TO_THE_SWEEP else None


def next_proof(deployment: Deployment, now: datetime) -> datetime | None:
    """When to look again for the first run of what ended unproven; None when it is not looked for.

    A reminder that was left over from before the end begins no second row of looks.
    """
    ended = deployment.ended or now
    passed = now - ended
    if timedelta() < passed < _PROOF or passed > _PROOF_GIVEN_UP:
        return None
    return now + _PROOF


def changed_unseen(record: Record, observation: Observation) -> bool:
    """Whether a silent platform runs, steadily, what nobody has seen there before: no event told of it."""
    if not observation.is_silent or not observation.steady or not record.goods:
        return False
    if record.deployment and record.deployment.status.active:
        return False
    followed = {c: d for c, d in observation.running.items() if c in observation.workload.followed}
    return not followed.items() <= record.goods[0].digests.items() and not is_unproven(record, followed)


def is_unproven(record: Record, digests: Mapping[str, Digest]) -> bool:
    """Whether these digests are what Longshore itself deployed last, though no run has proven them yet."""
    last = record.deployment
    if last is None or last.outcome != UNPROVEN:
        return False
    good = record.goods[0].digests if record.goods else {}
    return digests.items() <= {**good, **last.plan.digests}.items()


def overtaken(observation: Observation, plan: Plan) -> bool:
    """Whether a container declares neither what it did when the plan was made nor what the plan wants of it."""
    images, followed = observation.workload.images, observation.workload.followed
    for change in plan.changes:
        declared = {images.get(change.container, ""), str(followed.get(change.container, ""))}
        if change.declared and not declared & {change.declared, change.image}:
            return True
    return False
