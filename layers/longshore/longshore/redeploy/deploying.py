"""Beginning a deployment exactly once, though the function may die at any line (redeploy 8.2, design 5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.decisions import Decision, Reason
from longshore.errors import PermanentError, TransientError
from longshore.events import PENDING
from longshore.redeploy.looks import next_look, overtaken
from longshore.redeploy.plan import pacing_of
from longshore.redeploy.telling import begun, failed
from longshore.workloads import Action, Deployment, DeploymentStatus, RolloutStatus

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.events import Event
    from longshore.outcomes import Outcome
    from longshore.ports import Record
    from longshore.redeploy.plan import Facts
    from longshore.redeploy.ports import Ports
    from longshore.redeploy.telling import Teller
    from longshore.workloads import Observation, Plan

_RETRY = timedelta(minutes=1)
_LEASE = timedelta(seconds=150)  # longer than the function may run


class Deployer:
    """Claims a workload, asks the platform, and records. It decides nothing."""

    def __init__(self, ports: Ports, teller: Teller) -> None:
        self._platform = ports.platform
        self._stacks = ports.stacks
        self._records = ports.records
        self._switches = ports.switches
        self._postponer = ports.postponer
        self._reminder = ports.reminder
        self._clock = ports.clock
        self._teller = teller

    def begin(self, event: Event, facts: Facts, plan: Plan) -> list[Outcome]:
        """Claims the workload, sets the alarm clock, asks the platform, and records: in this order.

        Raises ConflictError when somebody else claimed it since `facts` were read.
        """
        now = self._clock.now()
        pacing = pacing_of(facts)
        previous = facts.record.deployment
        deployment = Deployment(
            plan,
            DeploymentStatus.STARTING,
            began=now,
            deadline=now + timedelta(seconds=pacing.timeout),
            soak_seconds=pacing.soak,
            lease=now + _LEASE,
            version=previous.version + 1 if previous else 1,
            before=facts.observation.rollout,
            silent=facts.observation.is_silent,
        )
        self._records.begin(deployment, previous)
        watch = event.message("Watch Due", {"workload": plan.workload}, now)
        self._reminder.postpone(watch, next_look(deployment, now))
        return self._apply(event, facts.observation, deployment, facts.record, resumed=False)

    def resume(self, event: Event, observation: Observation, record: Record, *, forbidden: bool) -> list[Outcome]:
        """Goes on where another invocation died: adopts what it asked for, or asks for it (the same plan).

        `forbidden`: it may not be asked for any more, only adopted. Nor may it where somebody else declared another
        image since: that is decided on anew.
        """
        deployment, now = record.deployment, self._clock.now()
        assert deployment is not None  # `abandoned` said so
        deadline = now + (deployment.deadline - deployment.began)
        claimed = self._records.advance(replace(deployment, lease=now + _LEASE, deadline=deadline))
        watch = event.message("Watch Due", {"workload": deployment.plan.workload}, now)
        self._reminder.postpone(watch, next_look(claimed, now))
        rollout = self._platform.find(deployment.plan.workload, deployment.began, deployment.before)
        if rollout:
            return self._started(replace(claimed, rollout=rollout), record)
        if forbidden or overtaken(observation, deployment.plan):
            self._records.advance(claimed.ends(DeploymentStatus.FAILED, now, "never-started"))
            return []
        return self._apply(event, observation, claimed, record, resumed=True)

    def capped(self, begun_before: int, facts: Facts) -> Decision | None:
        """The blast radius: how many deployments one push, one hour and one cluster may begin (design 10)."""
        pacing = pacing_of(facts)
        cluster = facts.observation.workload.cluster
        if begun_before >= pacing.per_push:
            until = facts.now + timedelta(minutes=1)
        elif not all(
            self._switches.count(counter, facts.now, pacing.per_hour)
            for counter in ("all", *([f"cluster/{cluster}"] if cluster else []))
        ):
            until = facts.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        else:
            return None
        return Decision(Reason.RATE_CAPPED, {"until": until.isoformat()})

    def _apply(
        self, event: Event, observation: Observation, deployment: Deployment, record: Record, *, resumed: bool
    ) -> list[Outcome]:
        now = self._clock.now()
        try:
            rollout = self._ask(observation, deployment, resumed)
        except TransientError:
            self._records.advance(replace(deployment, lease=now))  # whoever retries need not wait for us
            if not resumed:  # this message itself returns only when its visibility ends
                again = {"workload": deployment.plan.workload, "reason": PENDING}
                self._postponer.postpone(event.message("Redeploy Requested", again, now), now + _RETRY)
            raise
        except PermanentError as error:
            return self._refused(event, deployment, record, error)
        return self._started(replace(deployment, rollout=rollout), record)

    def _ask(self, observation: Observation, deployment: Deployment, resumed: bool) -> str | None:
        """The platform, or the owner's stack, which has the platform deploy; the watch then finds that deployment."""
        plan = deployment.plan
        if plan.action is not Action.STACK:
            return self._platform.apply(observation, plan, resumed=resumed)
        request = f"{plan.workload} {plan.correlation} {deployment.began.isoformat()}"
        self._stacks.update(plan.workload, plan.subject.stack, plan.parameters, request, resumed=resumed)
        return None

    def complete(self, event: Event, record: Record) -> list[Outcome]:
        """Does the last step of a deployment that the platform has prepared; how it ends, the watch sees."""
        deployment = record.deployment
        if deployment is None or deployment.rollout is None or deployment.status is not DeploymentStatus.STARTED:
            return []
        workload, rollout = deployment.plan.workload, deployment.rollout
        if self._platform.rollout(workload, rollout).status is not RolloutStatus.READY:
            return []  # asked twice, or somebody else did it
        try:
            self._platform.complete(workload, rollout)
        except PermanentError as error:
            return self._refused(event, deployment, record, error)
        return []

    def _refused(self, event: Event, deployment: Deployment, record: Record, error: PermanentError) -> list[Outcome]:
        """Told once for the same images and the same error: a sweep would have it told again."""
        outcome = failed(event, deployment.plan.workload, deployment.plan.subject, error)
        what = f"refused {sorted(deployment.plan.digests.values())} {error}"[:512]
        outcomes = self._teller.tell_once(record, outcome, what)
        self._records.advance(deployment.ends(DeploymentStatus.FAILED, self._clock.now(), "refused"))
        return outcomes

    def _started(self, deployment: Deployment, record: Record) -> list[Outcome]:
        outcomes = self._teller.tell([begun(deployment)])
        self._records.advance(replace(deployment, status=DeploymentStatus.STARTED))
        return outcomes


def abandoned(record: Record, now: datetime) -> bool:
    """Whether a deployment was claimed by somebody who can no longer be at it."""
    deployment = record.deployment
    if deployment is None or deployment.status is not DeploymentStatus.STARTING:
        return False
    return deployment.lease is None or now >= deployment.lease
