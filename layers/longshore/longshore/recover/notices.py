"""Events about services, instances and the platform, diagnosed without a task (recover 2, 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.recover.case import Case
from longshore.recover.catalogue import UNKNOWN, entry
from longshore.recover.diagnose import NO_CLASS
from longshore.recover.diagnosis import Diagnosis, Owner, Remedy
from longshore.recover.evidence import told
from longshore.recover.grounds import Ground
from longshore.recover.starting import STARTING
from longshore.tasks import Task

if TYPE_CHECKING:
    from longshore.recover.entry import Entry

_AWAITS_NOBODY = frozenset({"INFO", ""})
_PLACEMENT = "SERVICE_TASK_PLACEMENT_FAILURE"
_START_IMPAIRED = "SERVICE_TASK_START_IMPAIRED"
_SERVICE_EVENTS = {
    "SERVICE_TASK_CONFIGURATION_FAILURE": "K1",
    "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED": "C3",
    "ECS_OPERATION_THROTTLED": "C5",
    "SERVICE_DISCOVERY_OPERATION_THROTTLED": "C5",
    "SERVICE_DISCOVERY_INSTANCE_UNHEALTHY": "H1",
    "VPC_LATTICE_TARGET_UNHEALTHY": "H2",
}
"""Service action events and the class that each tells by its name alone."""
_FAILED_DEPLOYMENTS = frozenset({"SERVICE_DEPLOYMENT_FAILED"})
_FAILED_DAEMONS = frozenset({"DAEMON_DEPLOYMENT_ROLLBACK_FAILED", "DAEMON_DEPLOYMENT_ROLLBACK_IN_PROGRESS"})
_FAILED_HOOKS = frozenset({"HOOK_FAILED", "HOOK_TIMED_OUT"})
_MENDED_BY_ECS = ("ACCELERATED_COMPUTE", "DAEMON")
"""Health checks that only Managed Instances have, which ECS repairs by itself."""


_IMPAIRED = UNKNOWN._replace(
    name="tasks do not start", hint="The service cannot start tasks: the stop events of its tasks say why."
)
_DEPLOYMENT = UNKNOWN._replace(
    name="deployment failed", hint="The stop events of its tasks, its alarms and its hooks say why."
)
_HOOK = UNKNOWN._replace(
    name="hook failed", hint="A lifecycle hook failed or was not answered in time: look at its function, or continue."
)
_HEALTH = UNKNOWN._replace(name="AWS Health event", hint="Read it in the AWS Health Dashboard.")
_RETIREMENT = entry("I2")._replace(
    hint="AWS retires the hosts under these tasks at the time that it names: start them anew before."
)
_POD = entry("I2")._replace(
    hint="AWS retires the host under this pod and could not evict it: look at its disruption budget, or restart it."
)
_INTERRUPTION = entry("S1")._replace(
    hint="EC2 takes this Spot instance away: what runs there moves before; ECS_ENABLE_SPOT_INSTANCE_DRAINING helps."
)


def of_reason(reason: str) -> Entry:
    """The class that a reason alone tells: of a placement, or of a task that did not start. Z where it tells none."""
    case = Case(_nameless(reason), Owner.SERVICE)
    return next((each for each in STARTING if each.asks and each.asks(case)), UNKNOWN)


def by_hope(reasons: Iterable[str]) -> Sequence[str]:
    """The reasons of `failures[]`, each once, those first after which another try can help.

    Each instance has a failure of its own, so that a try helps where it would for any of them.
    """
    return sorted(dict.fromkeys(filter(None, reasons)), key=lambda each: of_reason(each).alone is not Remedy.REPLACE)


def refused_launch(reasons: Sequence[str], owner: Owner = Owner.STANDALONE, secrets: Iterable[str] = ()) -> Diagnosis:
    """The diagnosis of a RunTask that started nothing: `reasons` are those of its `failures[]`, or its error's text.

    Nothing ran, so what nobody else starts may be tried again wherever another try can help. `secrets` are of what
    was to be launched.
    """
    reasons = by_hope(reasons)
    found = of_reason(reasons[0]) if reasons else UNKNOWN
    evidence = told((f"failures[].reason: {each}" for each in reasons), secrets)
    if not owner.nobody:
        remedy, ground = Remedy.NONE, Ground.OWNED_ELSEWHERE
    elif found.alone is Remedy.REPLACE:
        remedy, ground = Remedy.REPLACE, Ground.NEVER_STARTED
    else:
        remedy, ground = Remedy.NOTIFY, found.ground or Ground.NOT_MENDED
    return Diagnosis(owner, found.cls, found.name, remedy, ground.value, evidence, found.hint)


def of_service(name: str, severity: str, reason: str, owner: Owner, evidence: Iterable[str]) -> Diagnosis:
    """`ECS Service Action`: what ECS tells of a service."""
    if name == "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED":
        owner = Owner.DAEMON
    if name in _SERVICE_EVENTS:
        found = entry(_SERVICE_EVENTS[name])
    elif severity in _AWAITS_NOBODY:
        return informational(owner, evidence)
    else:
        found = of_reason(reason)
        if found is UNKNOWN:
            found = entry("C2") if name == _PLACEMENT else _IMPAIRED if name == _START_IMPAIRED else UNKNOWN
    if found.service is Remedy.NONE:
        return made(found, owner, Remedy.NONE, Ground.ECS_REPLACES, evidence)
    return made(found, owner, Remedy.NOTIFY, found.ground or Ground.NEEDS_HELP, evidence)


def of_deployment(name: str, severity: str, owner: Owner, evidence: Iterable[str]) -> Diagnosis:
    """`ECS Deployment State Change`: a failure is told; its tasks' own events say why."""
    if name in _FAILED_DEPLOYMENTS or severity == "ERROR":
        return made(_DEPLOYMENT, owner, Remedy.NOTIFY, Ground.NEEDS_HELP, evidence)
    return informational(owner, evidence)


def of_hook(name: str, owner: Owner, evidence: Iterable[str]) -> Diagnosis:
    """`ECS Hook State Change`: a hook that failed or was not answered stops a deployment."""
    if name in _FAILED_HOOKS:
        return made(_HOOK, owner, Remedy.NOTIFY, Ground.NEEDS_HELP, evidence)
    return informational(owner, evidence)


def of_daemon(name: str, severity: str, reason: str, evidence: Iterable[str]) -> Diagnosis:
    """Events of daemons on Managed Instances, which ECS repairs: only ever told."""
    if severity in _AWAITS_NOBODY and name not in _FAILED_DAEMONS:
        return informational(Owner.DAEMON, evidence)
    return made(of_reason(_after_lead(reason)), Owner.DAEMON, Remedy.NOTIFY, Ground.AWS_REPAIRS, evidence)


def of_instance(connected: object, status: str, on_premises: bool, evidence: Iterable[str]) -> Diagnosis:
    """`ECS Container Instance State Change`: a lost agent, once; it is looked at again before anything is done."""
    if connected is not False or status != "ACTIVE":
        return informational(Owner.STANDALONE, evidence)
    if on_premises:
        return made(entry("E2"), Owner.STANDALONE, Remedy.NOTIFY, Ground.ON_PREMISES, evidence)
    return made(entry("E1"), Owner.STANDALONE, Remedy.DRAIN, Ground.AGENT_LOST, evidence)


def of_instance_health(overall: str, failing: Iterable[str], evidence: Iterable[str]) -> Diagnosis:
    """`ECS Container Instance Health Change`: a dead runtime is drained; what ECS repairs by itself is told."""
    checks = sorted(failing)
    if overall != "IMPAIRED":
        return informational(Owner.STANDALONE, evidence)
    if "CONTAINER_RUNTIME" in checks:
        return made(entry("E3"), Owner.STANDALONE, Remedy.DRAIN, Ground.IMPAIRED_INSTANCE, evidence)
    repaired = bool(checks) and all(check in _MENDED_BY_ECS for check in checks)
    ground = Ground.AWS_REPAIRS if repaired else Ground.AGENT_LOST if checks else Ground.IMPAIRED_INSTANCE
    return made(entry("E3"), Owner.STANDALONE, Remedy.NOTIFY, ground, evidence)


def of_interruption(evidence: Iterable[str]) -> Diagnosis:
    """EC2's notice that a Spot instance ends, or may: its tasks move before it does."""
    return made(_INTERRUPTION, Owner.STANDALONE, Remedy.DRAIN, Ground.INSTANCE_ENDS, evidence)


def of_retirement(of_tasks: bool, owner: Owner, idempotent: bool, evidence: Iterable[str]) -> Diagnosis:
    """AWS Health's notice that Fargate tasks are retired, of standalone tasks or of services."""
    if of_tasks:
        remedy, ground = (Remedy.REPLACE, Ground.IDEMPOTENT) if idempotent else (Remedy.NOTIFY, Ground.NOT_IDEMPOTENT)
        return made(_RETIREMENT, owner, remedy, ground, evidence)
    if owner is Owner.CONTROLLER:
        return made(_RETIREMENT, owner, Remedy.NOTIFY, Ground.OWNED_ELSEWHERE, evidence)
    return made(_RETIREMENT, owner, Remedy.REDEPLOY, Ground.RETIREMENT, evidence)


def of_health(owner: Owner, evidence: Iterable[str]) -> Diagnosis:
    """AWS Health about ECS in any other matter: told."""
    return made(_HEALTH, owner, Remedy.NOTIFY, Ground.NEEDS_HELP, evidence)


def of_pod(evidence: Iterable[str]) -> Diagnosis:
    """EKS's notice that a pod on Fargate is ended: its controller replaces it, so it is told."""
    return made(_POD, Owner.CONTROLLER, Remedy.NOTIFY, Ground.OWNED_ELSEWHERE, evidence)


def made(found: Entry, owner: Owner, remedy: Remedy, ground: Ground, evidence: Iterable[str]) -> Diagnosis:
    """A diagnosis of what is no task."""
    return Diagnosis(owner, found.cls, found.name, remedy, ground.value, told(evidence), found.hint)


def informational(owner: Owner, evidence: Iterable[str]) -> Diagnosis:
    """That nothing failed."""
    return Diagnosis(owner, NO_CLASS, "informational", Remedy.NONE, Ground.INFORMATIONAL.value, told(evidence))


def instance_on_premises(detail: Mapping[str, Any]) -> bool:
    """Whether a container instance is a machine of ECS Anywhere."""
    attributes = detail.get("attributes")
    listed = attributes if isinstance(attributes, list | tuple) else ()
    names = {each.get("name") for each in listed if isinstance(each, Mapping)}
    return str(detail.get("ec2InstanceId", "")).startswith("mi-") or "ecs.capability.external" in names


def _after_lead(reason: str) -> str:
    return re.sub(r"^Task failed to reach RUNNING status:\s*", "", reason)


def _nameless(reason: str) -> Task:
    """A task that did not start, of which only the reason is known."""
    return Task("", "", "", "", "", last_status="STOPPED", stop_code="TaskFailedToStart", stopped_reason=reason)
