"""Following deployments to their end: success only when my deployment won (redeploy 8.9), and what failure leads to.

The watch reads and remembers; whatever must be done to a workload it asks of redeploy (design 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import GoneError
from longshore.events import COMPLETE, PENDING, DeploymentChanged, Event, Kind, WatchDue
from longshore.outcomes import Outcome, announcements
from longshore.ports import Good, Record
from longshore.redeploy import telling
from longshore.redeploy.looks import next_look
from longshore.redeploy.telling import ended as told
from longshore.workloads import Deployment, DeploymentStatus, Hold, Observation, Rollout, RolloutStatus, WorkloadId

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.ports import Clock, Index, Postponer, Publisher, Record, Records
    from longshore.redeploy.ports import Platform

_GOODS_KEPT = 5
_QUARANTINES_A_DAY = 3
_INCONCLUSIVE = ("never-started", "not-completed", "not-steady", "refused")
"""Ends that say nothing against the image: told, never undone (redeploy 8.9)."""
_OUTSIDE = "changed-outside"
_ROLLED_BACK = "rolled back outside Longshore"
_FINISHED = ("SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED")

_LOOK_AGAIN = timedelta(minutes=5)

Step = tuple[Deployment, Outcome | None]


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
        clock: Clock,
    ) -> None:
        self._platform = platform
        self._index = index
        self._records = records
        self._reminder = reminder
        self._publisher = publisher
        self._clock = clock

    def handle(self, event: Event) -> list[Outcome]:
        """Looks at the workload that an event names, writes what is so, and tells it. Idempotent."""
        fact = event.fact
        if not isinstance(fact, DeploymentChanged | WatchDue):
            return []
        record = self._records.get(fact.arn)
        if record.deployment and record.deployment.status.active:
            return self._follow(event, record, record.deployment)
        if isinstance(fact, WatchDue):
            return self._late(event, record)
        return self._notice(event, record) if fact.name in _FINISHED else []

    def _tell(self, outcomes: list[Outcome]) -> list[Outcome]:
        self._publisher.publish(announcements(outcomes))
        return outcomes

    # -- deployments that Longshore began ---------------------------------------------------------------------------

    def _follow(self, event: Event, record: Record, deployment: Deployment) -> list[Outcome]:
        """Told before written: a crash in between tells twice and loses nothing."""
        now = self._clock.now()
        stepped, outcome = self._step(deployment, now)
        changed = stepped != deployment
        look = next_look(stepped, now) if stepped.status.active else None
        if look and (changed or isinstance(event.fact, WatchDue)) and (changed or look > now):
            self._reminder.postpone(event.message("Watch Due", {"workload": record.arn}, now), look)
        outcomes = self._tell([outcome] if outcome else [])
        if not changed:
            return outcomes
        outcomes += self._consequences(record, stepped, now)
        self._records.advance(stepped)
        if stepped.status.active:
            return outcomes
        return outcomes + self._next(event, self._records.get(record.arn))

    def _step(self, deployment: Deployment, now: datetime) -> Step:
        if deployment.status is DeploymentStatus.STARTING:
            return self._starting(deployment, now)
        if deployment.status is DeploymentStatus.SOAKING:
            return self._soaking(deployment, now)
        if deployment.rollout is None:
            return self._adopt(deployment, now)
        rollout = self._platform.rollout(deployment.plan.workload, deployment.rollout)
        match rollout.status:
            case RolloutStatus.RUNNING | RolloutStatus.READY:
                return self._ongoing(deployment, rollout, now)
            case RolloutStatus.ROLLING_BACK:
                late = now >= deployment.deadline  # no event need come of its end
                return (replace(deployment, deadline=now + _LOOK_AGAIN) if late else deployment), None
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
        return self._failed(deployment, "never-started", {}, now)

    def _ongoing(self, deployment: Deployment, rollout: Rollout, now: datetime) -> Step:
        ready = rollout.status is RolloutStatus.READY
        if now < deployment.deadline:  # what is ready is asked for until it is done
            return deployment, self._request(deployment, COMPLETE) if ready else None
        if ready:
            return self._failed(deployment, "not-completed", {}, now)
        if deployment.status is DeploymentStatus.STOPPING:
            return self._failed(deployment, "not-stopped", {}, now)
        grace = deployment.deadline - deployment.began
        return replace(deployment, status=DeploymentStatus.STOPPING, deadline=now + grace), self._request(
            deployment, "stop"
        )

    def _succeeded(self, deployment: Deployment, rollout: Rollout, now: datetime) -> Step:
        if not _as_decided(deployment, rollout.digests):
            return self._superseded(deployment, "raced", {"resolved": dict(rollout.digests)}, now)
        if deployment.soak_seconds == 0:
            return self._soaking(replace(deployment, status=DeploymentStatus.SOAKING, deadline=now, soaking=now), now)
        soaked = now + timedelta(seconds=deployment.soak_seconds)
        soaks = replace(deployment, status=DeploymentStatus.SOAKING, deadline=soaked, soaking=now)
        return soaks, telling.soaking(soaks)

    def _soaking(self, deployment: Deployment, now: datetime) -> Step:
        if now < deployment.deadline or deployment.rollout is None:
            return deployment, None
        try:
            observation = self._platform.observe(deployment.plan.workload)
        except GoneError:
            return self._superseded(deployment, "workload-gone", {}, now)
        if not observation.active:
            return self._superseded(deployment, "workload-gone", {}, now)
        rollout = self._platform.rollout(deployment.plan.workload, deployment.rollout)
        if observation.rollout not in (deployment.rollout, None) or not _as_decided(deployment, observation.running):
            return self._superseded(deployment, _OUTSIDE, {"running": dict(observation.running)}, now)
        if rollout.alarms:
            return self._failed(deployment, "alarms", {"alarms": list(rollout.alarms)}, now)
        if observation.steady:
            ended = deployment.ends(DeploymentStatus.VERIFIED, now, "verified")
            return _as_it_runs(ended, observation), told(ended, Kind.DEPLOYMENT_SUCCEEDED, "verified")
        patience = (deployment.soaking or now) + 4 * timedelta(seconds=max(deployment.soak_seconds, 300))
        if now < patience:  # too few tasks is no proof of failure: look again, then tell (redeploy 8.9: inconclusive)
            return replace(deployment, deadline=now + timedelta(seconds=max(deployment.soak_seconds, 60))), None
        ended = deployment.ends(DeploymentStatus.FAILED, now, "not-steady")
        return ended, told(ended, Kind.DEPLOYMENT_FAILED, "not-steady", desired=observation.desired)

    def _rolled_back(self, deployment: Deployment, rollout: Rollout, by: str, now: datetime) -> Step:
        ended = deployment.ends(DeploymentStatus.ROLLED_BACK, now, f"rolled-back-by-{by}")
        return ended, told(
            ended, Kind.DEPLOYMENT_ROLLED_BACK, ended.outcome, by=by, why=rollout.reason, **_evidence(rollout)
        )

    def _failed_or_superseded(self, deployment: Deployment, rollout: Rollout, now: datetime) -> Step:
        try:
            observation = self._platform.observe(deployment.plan.workload)
        except GoneError:
            return self._superseded(deployment, "workload-gone", {}, now)
        if rollout.status is not RolloutStatus.ROLLBACK_FAILED and observation.rollout not in (
            deployment.rollout,
            None,
        ):
            return self._superseded(deployment, _OUTSIDE, {"by": observation.rollout}, now)
        if (
            rollout.status is RolloutStatus.GONE
            and observation.rollout == deployment.rollout
            and now < deployment.deadline
        ):
            return deployment, None  # ECS answers are eventually consistent: it is there
        return self._failed(deployment, rollout.status.value, {"why": rollout.reason, **_evidence(rollout)}, now)

    def _superseded(self, deployment: Deployment, reason: str, detail: Mapping[str, Any], now: datetime) -> Step:
        ended = deployment.ends(DeploymentStatus.SUPERSEDED, now, reason)
        return ended, told(ended, Kind.DEPLOYMENT_SUPERSEDED, reason, **detail)

    def _failed(self, deployment: Deployment, reason: str, detail: Mapping[str, Any], now: datetime) -> Step:
        ended = deployment.ends(DeploymentStatus.FAILED, now, reason)
        return ended, told(ended, Kind.DEPLOYMENT_FAILED, reason, **detail)

    # -- what an end leads to ---------------------------------------------------------------------------------------

    def _consequences(self, record: Record, deployment: Deployment, now: datetime) -> list[Outcome]:
        """Written before the end itself, so that a crash in between repeats them and loses none."""
        if deployment.status is DeploymentStatus.VERIFIED:
            self._good(record, {**_newest(record), **deployment.plan.digests}, now)
        if deployment.status in (DeploymentStatus.FAILED, DeploymentStatus.ROLLED_BACK):
            return self._blame(record, deployment, now)
        return []

    def _blame(self, record: Record, deployment: Deployment, now: datetime) -> list[Outcome]:
        if deployment.outcome in _INCONCLUSIVE:
            return []
        plan = deployment.plan
        if plan.rollback:
            hold = Hold("the last known good image failed as well", "longshore", now)
            return self._hold(plan.correlation, plan.workload, hold, plan.subject.members())
        self._records.quarantine(plan.workload, sorted(plan.brought), deployment.outcome, now)
        recent = {d for d, at in record.quarantined.items() if now - at < timedelta(days=1)}
        if len(recent | plan.brought) < _QUARANTINES_A_DAY:
            return []
        hold = Hold(f"{_QUARANTINES_A_DAY} images failed within a day", "longshore", now)
        return self._hold(plan.correlation, plan.workload, hold, plan.subject.members())

    def _hold(self, correlation: str, arn: str, hold: Hold, detail: Mapping[str, Any]) -> list[Outcome]:
        """Told before written, like an end."""
        told_of = {**detail, "why": hold.reason, "by": hold.actor}
        outcomes = self._tell([Outcome("hold", "held", correlation, arn, Kind.HOLD_SET, told_of)])
        self._records.hold(arn, hold)
        return outcomes

    def _next(self, event: Event, record: Record) -> list[Outcome]:
        """What redeploy is asked for once a deployment is over: the way back, or what was pushed meanwhile."""
        deployment = record.deployment
        if deployment and deployment.outcome == _OUTSIDE:
            return self._notice(event, record)
        if deployment and _undone(deployment):
            return self._tell([self._request(deployment, "rollback")])
        return self._tell([self._request(deployment, PENDING)] if deployment and record.pending else [])

    def _late(self, event: Event, record: Record) -> list[Outcome]:
        """Nothing is under way: what an end leads to, for a crash may have come in between; or somebody else's change.

        Of those, a silent platform tells nothing: redeploy saw it and asks for this look.
        """
        last = record.deployment
        leads_on = last is not None and (last.outcome == _OUTSIDE or _undone(last))
        if WorkloadId.parse(record.arn).platform.is_silent and not leads_on:
            return self._notice(event, record)
        return self._next(event, record)

    def _request(self, deployment: Deployment, reason: str) -> Outcome:
        return Outcome("deploy", reason, deployment.plan.correlation, deployment.plan.workload, Kind.REDEPLOY_REQUESTED)

    # -- deployments that Longshore did not begin -------------------------------------------------------------------

    def _notice(self, event: Event, record: Record) -> list[Outcome]:
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
        if record.pending:
            asked = Outcome("deploy", PENDING, event.correlation, record.arn, Kind.REDEPLOY_REQUESTED)
            outcomes += self._tell([asked])
        return outcomes

    def _foreign(self, event: Event, record: Record, observation: Observation) -> list[Outcome]:
        """A steady state that somebody else made: good to know, and a hold when it is a way back (redeploy 8.10)."""
        now = self._clock.now()
        newest = _newest(record)
        followed = {c: d for c, d in observation.running.items() if c in observation.workload.followed}
        tried, earlier = _history(record)
        if not followed or (followed.items() <= newest.items() and not tried):
            return []
        back = {c: d for c, d in followed.items() if any(good.get(c) == d for good in earlier)}
        returned = {c: d for c, d in back.items() if not tried or tried.get(c, d) != d}
        outcomes: list[Outcome] = []
        if returned and not (record.hold and record.hold.stands(now)):
            hold = Hold(_ROLLED_BACK, "unknown", now)
            told_of = {**observation.workload.subject.members(), "to": returned}
            outcomes = self._hold(event.correlation, record.arn, hold, told_of)
        self._good(record, {**newest, **followed}, now)
        return outcomes

    def _good(self, record: Record, digests: Mapping[str, Digest], now: datetime) -> None:
        kept = [good for good in record.goods if good.digests != digests]
        self._records.good(record.arn, [Good(digests, now), *kept][:_GOODS_KEPT])


def _as_it_runs(deployment: Deployment, observation: Observation) -> Deployment:
    """With the digests that run: a function runs one image of the index that was decided, and goes back to that."""
    running = observation.running
    changes = (replace(each, digest=running.get(each.container, each.digest)) for each in deployment.plan.changes)
    return replace(deployment, plan=replace(deployment.plan, changes=tuple(changes)))


def _evidence(rollout: Rollout) -> dict[str, Any]:
    """What the platform answered beside its reason: what it counted, and the alarms that went off."""
    found = {"alarms": list(rollout.alarms), "evidence": list(rollout.evidence)}
    return {name: each for name, each in found.items() if each}


def _undone(deployment: Deployment) -> bool:
    """Whether a failure left the workload on an image that must be taken back."""
    failed = deployment.status is DeploymentStatus.FAILED and deployment.outcome not in _INCONCLUSIVE
    return failed and not deployment.plan.rollback


def _history(record: Record) -> tuple[Mapping[str, Digest], list[Mapping[str, Digest]]]:
    """What Longshore was deploying when somebody else changed the workload, and all that had worked before."""
    deployment = record.deployment
    if deployment is None or deployment.outcome != _OUTSIDE:
        return {}, [good.digests for good in record.goods[1:]]
    return deployment.plan.digests, [good.digests for good in record.goods if good.since <= deployment.began]


def _newest(record: Record) -> Mapping[str, Digest]:
    return record.goods[0].digests if record.goods else {}


def _as_decided(deployment: Deployment, digests: Mapping[str, Digest]) -> bool:
    """Whether what the platform resolved is what was decided; a platform that cannot tell is believed."""
    return all(
        change.container not in digests or change.satisfied_by(digests[change.container])
        for change in deployment.plan.changes
    )
