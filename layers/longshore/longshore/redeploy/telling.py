"""What redeploy tells: outcomes from proposals and deployments, published before they are recorded (design 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from longshore.decisions import Reason, Verdict
from longshore.errors import EndpointPrivateError
from longshore.events import Kind
from longshore.outcomes import Outcome, announcements

if TYPE_CHECKING:
    from longshore.decisions import Decision
    from longshore.errors import LongshoreError
    from longshore.events import Event, ImageMoved
    from longshore.ports import Record
    from longshore.redeploy.arrivals import UnreachableError
    from longshore.redeploy.plan import Proposal
    from longshore.redeploy.ports import Ports
    from longshore.workloads import Deployment, Subject, Workload

_SHOWN = 20  # candidates in one event


class Teller:
    """Publishes outcomes; what stays true is told once."""

    def __init__(self, ports: Ports) -> None:
        self._publisher = ports.publisher
        self._records = ports.records

    def tell(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Publishes what concerns somebody, and answers all of it."""
        if found := announcements(outcomes):
            self._publisher.publish(found)
        return outcomes

    def tell_once(self, record: Record, outcome: Outcome, what: str) -> list[Outcome]:
        """Tells what stays true until something changes; a sweep would otherwise repeat it every hour."""
        if record.told == what:
            return [replace(outcome, kind=None)]
        self.tell([outcome])
        self._records.tell(record.arn, what)
        return [outcome]

    def tell_unasked(
        self, event: Event, workload: Workload, moved: ImageMoved, error: UnreachableError
    ) -> list[Outcome]:
        """Tells that an image cannot be followed, as its registry does not answer; once, until something is decided."""
        reason = Reason.REGISTRY_UNREACHABLE
        return self.tell_held(event, workload, reason, str(error), f"{reason} {moved.repository}"[:512])

    def tell_held(self, event: Event, workload: Workload, reason: Reason, why: str, what: str) -> list[Outcome]:
        """Tells that a workload gets no image, though nothing was decided on; once for the same `what`."""
        detail: dict[str, Any] = {**workload.subject.members(), "why": why[:1000], "candidates": []}
        outcome = Outcome(
            reason.verdict.value, reason.value, event.correlation, workload.arn, Kind.DEPLOYMENT_HELD, detail
        )
        return self.tell_once(self._records.get(workload.arn), outcome, what)

    def refuse(self, event: Event, arn: str, subject: Subject, error: LongshoreError) -> list[Outcome]:
        """Tells that a workload could not be handled, once for the same error."""
        return self.tell_once(self._records.get(arn), failed(event, arn, subject, error), f"refused {error}"[:512])


def skipped(event: Event, moved: ImageMoved, reason: Reason) -> Outcome:
    """An image that no workload is asked about."""
    detail = {"repository": str(moved.repository), "tag": moved.tag, "digest": moved.digest}
    return Outcome(reason.verdict.value, reason.value, event.correlation, detail=detail)


def failed(event: Event, arn: str, subject: Subject, error: LongshoreError) -> Outcome:
    """A workload that the platform refused to deploy, or even to show; or whose cluster cannot be reached."""
    if isinstance(error, EndpointPrivateError):
        reason = Reason.CLUSTER_ENDPOINT_PRIVATE
        held: dict[str, Any] = {**subject.members(), "why": str(error)[:1000], "candidates": []}
        return Outcome(reason.verdict.value, reason.value, event.correlation, arn, Kind.DEPLOYMENT_HELD, held)
    detail = {**subject.members(), "why": str(error)[:1000], "error": type(error).__name__}
    return Outcome("hold", "refused", event.correlation, arn, Kind.DEPLOYMENT_FAILED, detail)


def decided(event: Event, tag: str | None, subject: Subject, proposal: Proposal, decision: Decision) -> Outcome:
    """The leading decision, and beside it what was decided on the tag that the event named."""
    shown = [
        {"container": container, "tag": candidate.tag, "digest": candidate.digest, "reason": each.reason.value}
        for container, candidate, each in proposal.decisions
        if candidate and (each.verdict is not Verdict.SKIP or candidate.tag == tag)
    ]
    detail = {**decision.detail, **subject.members(), "candidates": shown[:_SHOWN]}
    return Outcome(decision.verdict.value, decision.reason.value, event.correlation, proposal.workload, detail=detail)


def begun(deployment: Deployment) -> Outcome:
    """A deployment that the platform accepted."""
    detail = {
        **described(deployment),
        "stage": "rolling",
        "rollout": deployment.rollout,
        "deadline": deployment.deadline.isoformat(),
    }
    plan = deployment.plan
    return Outcome("deploy", plan.reason, plan.correlation, plan.workload, Kind.DEPLOYMENT_STARTED, detail)


@dataclass(frozen=True, slots=True)
class _Unreached(Outcome):
    """A spoke that could not be looked into: counted by a metric of its own, on which an alarm stands."""

    @property
    def metric(self) -> str:
        """The name of the metric that counts it."""
        return "SpokeUnreached"


def unreached(event: Event, place: str, error: LongshoreError) -> Outcome:
    """A sweep that could not look into a spoke."""
    return _Unreached("skip", "spoke-unreached", event.correlation, detail={"spoke": place, "why": str(error)[:1000]})


@dataclass(frozen=True, slots=True)
class _Unasked(Outcome):
    """A kind of platform that a sweep could not ask: counted by a metric of its own, on which an alarm stands."""

    @property
    def metric(self) -> str:
        """The name of the metric that counts it."""
        return "PlatformUnreached"


def unasked(event: Event, platform: str, why: str) -> Outcome:
    """A sweep that could not ask one kind of platform who opted in; what is known of it stays known."""
    detail = {"platform": platform, "why": why[:1000], "place": f"{event.account}/{event.region}"}
    return _Unasked("skip", "platform-unreached", event.correlation, detail=detail)


@dataclass(frozen=True, slots=True)
class _Progress(Outcome):
    """A later stage of a deployment: told as its beginning was, and not counted as another one."""

    @property
    def metric(self) -> str:
        """The name of the metric that counts it."""
        return "DeploymentSoaking"


def soaking(deployment: Deployment) -> Outcome:
    """A deployment whose images run everywhere, and are watched until its deadline."""
    detail = {
        **described(deployment),
        "stage": "soaking",
        "rollout": deployment.rollout,
        "began": deployment.began.isoformat(),
        "soaks_until": deployment.deadline.isoformat(),
    }
    plan = deployment.plan
    return _Progress("deploy", plan.reason, plan.correlation, plan.workload, Kind.DEPLOYMENT_STARTED, detail)


def ended(deployment: Deployment, kind: Kind, reason: str, **detail: Any) -> Outcome:
    """A deployment that is over; `reason` says how."""
    times = {
        "began": deployment.began.isoformat(),
        "ended": deployment.ended.isoformat() if deployment.ended else None,
    }
    plan = deployment.plan
    return Outcome(
        "deploy", reason, plan.correlation, plan.workload, kind, {**described(deployment), **times, **detail}
    )


def described(deployment: Deployment) -> dict[str, Any]:
    """What a deployment changes: the members that all of its events share."""
    plan = deployment.plan
    return {
        **plan.subject.members(),
        "action": plan.action.value,
        "decision": plan.reason,
        "rollback": plan.rollback,
        "drift": [drift.told() for drift in plan.drifts],
        "changes": [
            {"container": c.container, "tag": c.tag, "digest": c.digest, "image": c.image, "previous": c.previous}
            for c in plan.changes
            if plan.rollback or not c.keeps
        ],
    }
