"""Following a deployment from step to step: success only when my deployment won (redeploy 8.9)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import GoneError
from longshore.events import COMPLETE, Kind
from longshore.outcomes import Outcome
from longshore.redeploy import telling
from longshore.redeploy.looks import UNPROVEN, overtaken
from longshore.redeploy.noticing import OUTSIDE
from longshore.redeploy.telling import ended as told
from longshore.workloads import Deployment, DeploymentStatus, RolloutStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.images import Digest
    from longshore.redeploy.ports import Platform
    from longshore.workloads import Observation, Rollout

_LOOK_AGAIN = timedelta(minutes=5)

Step = tuple[Deployment, Outcome | None]
"""A deployment as it stands now, and what is to be told of it."""


class Follower:
    """Looks where a deployment stands. It writes nothing and tells nothing."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def step(self, deployment: Deployment, now: datetime) -> Step:
        """Where an active deployment stands. Whoever deletes its workload meanwhile supersedes it."""
        try:
            return self._step(deployment, now)
        except GoneError:
            if self._observed(deployment) is not None:
                raise
            return _superseded(deployment, "workload-gone", {}, now)

    def _step(self, deployment: Deployment, now: datetime) -> Step:
        if deployment.status is DeploymentStatus.STARTING:
            return self._starting(deployment, now)
        if deployment.status is DeploymentStatus.SOAKING:
            return self._soaking(deployment, now)
        if deployment.rollout is None:
            return self._adopt(deployment, now)
        return self._rolling(deployment, self._platform.rollout(deployment.plan.workload, deployment.rollout), now)

    def _rolling(self, deployment: Deployment, rollout: Rollout, now: datetime) -> Step:
        match rollout.status:
            case RolloutStatus.RUNNING | RolloutStatus.READY:
                return self._ongoing(deployment, rollout, now)
            case RolloutStatus.ROLLING_BACK:
                late = now >= deployment.deadline  # no event need come of its end
                return (replace(deployment, deadline=now + _LOOK_AGAIN) if late else deployment), None
            case RolloutStatus.WAITING:
                return self._waiting(deployment, rollout, now)
            case RolloutStatus.REPLACED:
                return _superseded(deployment, OUTSIDE, {"why": rollout.reason}, now)
            case RolloutStatus.SUCCEEDED:
                return self._succeeded(deployment, rollout, now)
            case RolloutStatus.ROLLED_BACK:
                by = "longshore" if deployment.status is DeploymentStatus.STOPPING else "platform"
                return self._rolled_back(deployment, rollout, by, now)
            case RolloutStatus.STOPPED | RolloutStatus.FAILED | RolloutStatus.GONE | RolloutStatus.ROLLBACK_FAILED:
                return self._failed_or_superseded(deployment, rollout, now)

    def _starting(self, deployment: Deployment, now: datetime) -> Step:
        if deployment.lease and now < deployment.lease:
            return deployment, None  # whoever began it is still at it
        return self._adopt(deployment, now)

    def _adopt(self, deployment: Deployment, now: datetime) -> Step:
        """Finds the platform's deployment of one whose beginner did not live to record it."""
        rollout = self._platform.find(deployment.plan.workload, deployment.began, deployment.before)
        if rollout:
            adopted = replace(deployment, status=DeploymentStatus.STARTED, rollout=rollout)
            return adopted, telling.begun(adopted)
        if now < deployment.deadline:
            return deployment, None
        return failed(deployment, "never-started", {}, now)

    def _ongoing(self, deployment: Deployment, rollout: Rollout, now: datetime) -> Step:
        ready = rollout.status is RolloutStatus.READY
        if now < deployment.deadline:  # what is ready is asked for until it is done
            return deployment, request(deployment, COMPLETE) if ready else None
        if ready:
            return failed(deployment, "not-completed", {}, now)
        if deployment.status is DeploymentStatus.STOPPING:
            return failed(deployment, "not-stopped", {}, now)
        grace = deployment.deadline - deployment.began
        return replace(deployment, status=DeploymentStatus.STOPPING, deadline=now + grace), request(deployment, "stop")

    def _waiting(self, deployment: Deployment, rollout: Rollout, now: datetime) -> Step:
        """What only runs now and then is done when it is declared; that no run has proven it yet is said."""
        if now < deployment.deadline:
            return deployment, None
        ended = deployment.ends(DeploymentStatus.VERIFIED, now, UNPROVEN)
        return ended, told(ended, Kind.DEPLOYMENT_SUCCEEDED, UNPROVEN, why=rollout.reason)

    def _succeeded(self, deployment: Deployment, rollout: Rollout, now: datetime) -> Step:
        if not as_decided(deployment, rollout.digests):
            return _superseded(deployment, "raced", {"resolved": dict(rollout.digests)}, now)
        if deployment.soak_seconds == 0:
            return self._soaking(replace(deployment, status=DeploymentStatus.SOAKING, deadline=now, soaking=now), now)
        soaked = now + timedelta(seconds=deployment.soak_seconds)
        soaks = replace(deployment, status=DeploymentStatus.SOAKING, deadline=soaked, soaking=now)
        return soaks, telling.soaking(soaks)

    def _soaking(self, deployment: Deployment, now: datetime) -> Step:
        if now < deployment.deadline or deployment.rollout is None:
            return deployment, None
        observation = self._observed(deployment)
        if observation is None or not observation.active:
            return _superseded(deployment, "workload-gone", {}, now)
        rollout = self._platform.rollout(deployment.plan.workload, deployment.rollout)
        if rollout.status in (RolloutStatus.ROLLING_BACK, RolloutStatus.ROLLED_BACK):
            return self._taken_back(deployment, rollout, now)
        if observation.rollout not in (deployment.rollout, None) or not _runs_as_decided(deployment, observation):
            return _superseded(deployment, OUTSIDE, {"running": dict(observation.running)}, now)
        if rollout.alarms:
            return failed(deployment, "alarms", {"alarms": list(rollout.alarms)}, now)
        if observation.steady:
            ended = deployment.ends(DeploymentStatus.VERIFIED, now, "verified")
            return _as_it_runs(ended, observation), told(ended, Kind.DEPLOYMENT_SUCCEEDED, "verified")
        patience = (deployment.soaking or now) + 4 * timedelta(seconds=max(deployment.soak_seconds, 300))
        if now < patience:  # too few tasks is no proof of failure: look again, then tell (redeploy 8.9: inconclusive)
            return replace(deployment, deadline=now + timedelta(seconds=max(deployment.soak_seconds, 60))), None
        ended = deployment.ends(DeploymentStatus.FAILED, now, "not-steady")
        return ended, told(ended, Kind.DEPLOYMENT_FAILED, "not-steady", desired=observation.desired)

    def _observed(self, deployment: Deployment) -> Observation | None:
        try:
            return self._platform.observe(deployment.plan.workload)
        except GoneError:
            return None

    def _taken_back(self, deployment: Deployment, rollout: Rollout, now: datetime) -> Step:
        """CodeDeploy may roll back what succeeded, until the tasks that were replaced have ended."""
        if rollout.status is RolloutStatus.ROLLED_BACK:
            return self._rolled_back(deployment, rollout, "platform", now)
        return replace(deployment, deadline=now + _LOOK_AGAIN), None

    def _rolled_back(self, deployment: Deployment, rollout: Rollout, by: str, now: datetime) -> Step:
        ended = deployment.ends(DeploymentStatus.ROLLED_BACK, now, f"rolled-back-by-{by}")
        return ended, told(
            ended, Kind.DEPLOYMENT_ROLLED_BACK, ended.outcome, by=by, why=rollout.reason, **_evidence(rollout)
        )

    def _failed_or_superseded(self, deployment: Deployment, rollout: Rollout, now: datetime) -> Step:
        observation = self._observed(deployment)
        if observation is None:
            return _superseded(deployment, "workload-gone", {}, now)
        if rollout.status is not RolloutStatus.ROLLBACK_FAILED and observation.rollout not in (
            deployment.rollout,
            None,
        ):
            return _superseded(deployment, OUTSIDE, {"by": observation.rollout}, now)
        if (
            rollout.status is RolloutStatus.GONE
            and observation.rollout == deployment.rollout
            and now < deployment.deadline
        ):
            return deployment, None  # ECS answers are eventually consistent: it is there
        return failed(deployment, rollout.status.value, {"why": rollout.reason, **_evidence(rollout)}, now)


def request(deployment: Deployment, reason: str) -> Outcome:
    """What redeploy is asked for: the watch itself changes no workload (design 3)."""
    plan = deployment.plan
    return Outcome("deploy", reason, plan.correlation, plan.workload, Kind.REDEPLOY_REQUESTED)


def _superseded(deployment: Deployment, reason: str, detail: Mapping[str, Any], now: datetime) -> Step:
    ended = deployment.ends(DeploymentStatus.SUPERSEDED, now, reason)
    return ended, told(ended, Kind.DEPLOYMENT_SUPERSEDED, reason, **detail)


def failed(deployment: Deployment, reason: str, detail: Mapping[str, Any], now: datetime) -> Step:
    """The deployment ends so."""
    ended = deployment.ends(DeploymentStatus.FAILED, now, reason)
    return ended, told(ended, Kind.DEPLOYMENT_FAILED, reason, **detail)


def _as_it_runs(deployment: Deployment, observation: Observation) -> Deployment:
    """With the digests that run: a function runs one image of the index that was decided, and goes back to that.

    What drifts, does so in the revision that runs now.
    """
    running, revision = observation.running, observation.workload.task_definition
    drifts = tuple(drift._replace(revision=revision) for drift in deployment.plan.drifts)
    changes = (replace(each, digest=running.get(each.container, each.digest)) for each in deployment.plan.changes)
    return replace(deployment, plan=replace(deployment.plan, changes=tuple(changes), drifts=drifts))


def _evidence(rollout: Rollout) -> dict[str, Any]:
    """What the platform answered beside its reason: what it counted, and the alarms that went off."""
    found = {"alarms": list(rollout.alarms), "evidence": list(rollout.evidence)}
    return {name: each for name, each in found.items() if each}


def as_decided(deployment: Deployment, digests: Mapping[str, Digest]) -> bool:
    """Whether what the platform resolved is what was decided; a platform that cannot tell is believed."""
    return all(
        change.container not in digests or change.satisfied_by(digests[change.container])
        for change in deployment.plan.changes
    )


def _runs_as_decided(deployment: Deployment, observation: Observation) -> bool:
    """The same; where a platform tells no digests (`since`), at least nobody declares another image by now."""
    unknown = observation.since is not None and not observation.running
    return as_decided(deployment, observation.running) and not (unknown and overtaken(observation, deployment.plan))
