"""What Longshore does to a workload that somebody else declares: in place, by the stack's parameter, or not at all.

The rules are those of redeploy 8.14, narrowed by design 6.1. A refresh drifts from nothing, so it is always in place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.decisions import Decision, Reason
from longshore.owners import Drift, Owner, OwnerKind
from longshore.workloads import Action, DeploymentStatus, PlatformKind, WorkloadId

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.ports import Record
    from longshore.workloads import Change, Observation, Plan, Workload

_PARAMETER = re.compile(r"[A-Za-z0-9]{1,255}", re.ASCII)  # the name of a parameter, AWS::CloudFormation
_BUSY = "_IN_PROGRESS"
_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
_PROPERTIES = {
    PlatformKind.ECS_SERVICE: "TaskDefinition.ContainerDefinitions[{}].Image",
    PlatformKind.LAMBDA_FUNCTION: "Code.ImageUri",
    PlatformKind.EKS_WORKLOAD: "spec.template.spec.containers[{}].image",
}
_ELSEWHERE = "image of {}"


class Owned(StrEnum):
    """How what an owner declares is brought to another image."""

    IN_PLACE = "in-place"
    """Beside the owner; the drift is recorded and told."""
    STACK_PARAMETER = "stack-parameter"
    """By the owner's CloudFormation stack, whose image parameter is set."""
    NOTIFY = "notify"
    """Not at all: the owner's people are told what would be deployed."""


class OnRevert(StrEnum):
    """What follows when the owner deploys an older image over Longshore's."""

    HOLD = "hold"
    REAPPLY = "reapply"


@dataclass(frozen=True, slots=True)
class Ownership:
    """The members of a profile that concern owners.

    `owner` is one that leaves no mark, so it is declared. `parameters` names the stack's parameter of each container.
    """

    owned: Owned = Owned.IN_PLACE
    owner: OwnerKind | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    on_revert: OnRevert = OnRevert.HOLD


class Stack(NamedTuple):
    """A CloudFormation stack, as far as it matters to whoever wants to set one of its parameters.

    `role`: the stack has a service role, with whose rights it is updated. `nested`: another stack updates it.
    `resolved` are the parameters that hold the name of an SSM parameter, whose value CloudFormation then takes.
    """

    name: str
    status: str
    parameters: frozenset[str]
    role: bool = False
    nested: bool = False
    resolved: frozenset[str] = frozenset()


def read_ownership(raw: Mapping[str, Any]) -> Ownership:
    """The members of a profile. Raises ValueError as ``(member, problem)``."""
    owner = raw.get("owner")
    if owner not in (None, OwnerKind.TERRAFORM.value):
        problem = f"is {str(owner)[:40]!r}; write terraform, the only owner that leaves no mark of its own"
        raise ValueError("owner", problem)
    owned = _choice("owned", raw.get("owned", Owned.IN_PLACE.value), Owned)
    parameters = _parameters(raw.get("image_parameters") or {})
    if owned is Owned.STACK_PARAMETER and not parameters:
        problem = "is missing; name the stack's parameter of each container, as in {app: WebImage}"
        raise ValueError("image_parameters", problem)
    revert = _choice("iac_revert", raw.get("iac_revert", OnRevert.HOLD.value), OnRevert)
    return Ownership(Owned(owned), OwnerKind(owner) if owner else None, parameters, OnRevert(revert))


def _choice(name: str, value: object, choices: type[StrEnum]) -> StrEnum:
    if not isinstance(value, str) or value not in list(choices):
        raise ValueError(name, f"is {str(value)[:40]!r}; write one of " + ", ".join(choices))
    return choices(value)


def _parameters(raw: object) -> Mapping[str, str]:
    if not isinstance(raw, Mapping):
        raise ValueError("image_parameters", "is not a mapping; write the stack's parameter of each container")
    for container, name in raw.items():
        if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
            problem = f"is {str(name)[:40]!r}; write the name of a parameter: letters and digits"
            raise ValueError(f"image_parameters.{str(container)[:64]}", problem)
    return {str(container): str(name) for container, name in raw.items()}


def reapplying(profiles: object) -> frozenset[str]:
    """The names of the profiles that deploy again what an owner reverted, in the compiled configuration."""
    named = profiles.items() if isinstance(profiles, Mapping) else ()
    again = OnRevert.REAPPLY.value
    return frozenset(name for name, raw in named if isinstance(raw, Mapping) and raw.get("iac_revert") == again)


def owner_of(workload: Workload, ownership: Ownership) -> Owner | None:
    """Who owns a workload: by its marks, else as the profile declares."""
    declared = Owner(ownership.owner) if ownership.owner else None
    return workload.owner or declared


def as_owned(plan: Plan, workload: Workload, ownership: Ownership, record: Record, now: datetime) -> Plan:
    """The same plan, by the way that the profile asks for, and with what its owner then declares otherwise."""
    owner = owner_of(workload, ownership)
    if owner is None:
        return plan
    owned = replace(plan, subject=replace(plan.subject, owner=owner.kind.value, stack=owner.stack))
    if plan.action is not Action.REVISE or owner.kind.undoes:
        return owned
    known = {drift.container: drift for drift in (*record.drifts, *_begun(record, workload))}
    changed = {change.container for change in plan.changes}
    others = tuple(drift for drift in record.drifts if drift.container not in changed)
    if ownership.owned is Owned.STACK_PARAMETER and not plan.rollback:
        names = ownership.parameters
        parameters = {names[c.container]: c.image for c in plan.changes if c.container in names}
        return replace(owned, action=Action.STACK, parameters=parameters, drifts=others)
    drifts = (_drift(change, workload, owner, known.get(change.container), now) for change in plan.changes)
    return replace(owned, drifts=(*others, *(each for each in drifts if each.was != each.now)))


def _begun(record: Record, workload: Workload) -> list[Drift]:
    """The drifts of a deployment that failed, where what it declared stayed: the way back drifts from the owner too."""
    last = record.deployment
    if last is None or last.status is DeploymentStatus.VERIFIED:
        return []
    return [drift for drift in last.plan.drifts if workload.images.get(drift.container) == drift.now]


def _drift(change: Change, workload: Workload, owner: Owner, known: Drift | None, now: datetime) -> Drift:
    where = _PROPERTIES.get(workload.platform, _ELSEWHERE).format(change.container)
    if known:  # the owner still declares what it did when the first drift began
        return known._replace(now=change.image)
    return Drift(change.container, where, change.declared, change.image, owner.kind.value, owner.stack, now)


def objection(
    plan: Plan, workload: Workload, ownership: Ownership, stack: Stack | None, updatable: Sequence[str]
) -> Decision | None:
    """What ownership has against a plan; `stack` is None while nobody looked at it. See `as_owned`."""
    owner = owner_of(workload, ownership)
    if owner is None or not plan.changes:
        return None
    if ownership.owned is Owned.NOTIFY and not plan.rollback:
        return Decision(Reason.OWNED, {"fix": f"deploy it by {owner.stack or owner.kind.label}, which owns it"})
    if plan.action is not Action.STACK:
        return None
    problem = _unmapped(plan, ownership) or _unreachable(workload, owner, updatable)
    if problem is None and stack is not None:
        if stack.status.endswith(_BUSY):
            return Decision(Reason.STACK_BUSY, {"status": stack.status})
        problem = _unfit(stack, plan.parameters)
    return Decision(Reason.STACK_NOT_UPDATABLE, {"why": problem[0], "fix": problem[1]}) if problem else None


def _unmapped(plan: Plan, ownership: Ownership) -> tuple[str, str] | None:
    missing = sorted(c.container for c in plan.changes if c.container not in ownership.parameters)
    if not missing:
        return None
    return (f"no parameter is named for {', '.join(missing)}", "name one in the profile's image_parameters")


def _unreachable(workload: Workload, owner: Owner, updatable: Iterable[str]) -> tuple[str, str] | None:
    if not owner.stack:
        return (f"{owner.kind.label} has no CloudFormation stack here", "write owned: in-place, or owned: notify")
    if workload.platform is not PlatformKind.ECS_SERVICE:
        return (
            f"how a stack deploys a {workload.platform.value} cannot be followed",
            "write owned: in-place, or owned: notify",
        )
    id = WorkloadId.parse(workload.arn)
    place = f"arn:{id.partition}:cloudformation:{id.region}:{id.account}:stack/{owner.stack}/"
    arn = owner.stack_id or f"{place}unknown"
    if any(fnmatchcase(arn, pattern.strip().replace("[", "[[]")) for pattern in updatable):
        return None
    return (f"UpdatableStackArns lacks {place}*", "add it to the parameter of Longshore's stack")


def _unfit(stack: Stack, parameters: Mapping[str, str]) -> tuple[str, str] | None:
    if missing := sorted(set(parameters) - stack.parameters):
        return (
            f"the stack {stack.name} has no parameter {', '.join(missing)}",
            "add it to the stack's template, or correct image_parameters",
        )
    if named := sorted(set(parameters) & stack.resolved):
        return (
            f"the parameter {', '.join(named)} of the stack {stack.name} takes the name of an SSM parameter, no image",
            "give it the type String, or write owned: in-place and let the stack read the truth",
        )
    if stack.nested:
        return (
            f"the stack {stack.name} is nested in another",
            "write owned: in-place, or pass the image from the root",
        )
    if stack.status not in _UPDATABLE:
        return (f"the stack {stack.name} is {stack.status}", "repair the stack; it cannot be updated as it is")
    if not stack.role:
        return (
            f"the stack {stack.name} has no service role",
            "update it once with a role (--role-arn) that may change what is in it: Longshore has no such rights",
        )
    return None


def standing(drifts: Sequence[Drift], record: Record, observation: Observation) -> tuple[Drift, ...]:
    """The drifts that are still there: what its owner deployed since, declares what the owner wants.

    What Longshore's last deployment declared counts as its own, for it may have failed half-way.
    """
    last = record.deployment
    ours = {(c.container, c.image) for c in last.plan.changes} if last else set()
    workload = observation.workload

    def stands(drift: Drift) -> bool:
        declared = workload.images.get(drift.container, "")
        if declared == drift.was:
            return False
        same = not drift.revision or workload.task_definition == drift.revision
        return (declared == drift.now and same) or (declared != drift.now and (drift.container, declared) in ours)

    return tuple(drift for drift in drifts if stands(drift))


def put_in_line(record: Record, observation: Observation) -> bool:
    """Whether an owner seems to have deployed over a drift, which nobody has noticed yet."""
    if not record.drifts or not observation.steady or (record.deployment and record.deployment.status.active):
        return False
    return standing(record.drifts, record, observation) != record.drifts


def reverted(drifts: Sequence[Drift], workload: Workload) -> list[str]:
    """The containers that declare again what their owner declares, though Longshore had brought a newer image."""
    return [drift.container for drift in drifts if workload.images.get(drift.container) == drift.was]


def truth(workload: Workload) -> dict[str, str]:
    """The SSM parameters that tell what a workload runs, and what each is to hold (design 6.1).

    ``/longshore/<cluster>/<name>/image`` for what has one container that is followed, else one for each container,
    under its name. A kind that this could mistake for another has its own name in front.
    """
    told = (PlatformKind.ECS_SERVICE, PlatformKind.LAMBDA_FUNCTION, PlatformKind.EKS_WORKLOAD)
    kind = "" if workload.platform in told else workload.platform.value
    whole = "/".join(filter(None, ("/longshore", kind, workload.cluster, workload.name)))
    path = re.sub(r"[^A-Za-z0-9_./-]", "-", whole)
    followed = sorted(workload.followed)
    if len(followed) == 1:
        return {f"{path}/image": workload.images[followed[0]]}
    return {f"{path}/{container}/image": workload.images[container] for container in followed}
