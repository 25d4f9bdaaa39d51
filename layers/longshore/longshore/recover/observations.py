"""Any event of AWS that tells of tasks, services, instances or the platform under them, diagnosed (design 8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from longshore.envelopes import parse_time
from longshore.errors import BadEventError
from longshore.recover import notices
from longshore.recover.diagnose import IDEMPOTENT, case_of, diagnose
from longshore.recover.diagnosis import Diagnosis, Owner
from longshore.recover.owner import owner_of_service
from longshore.recover.stuck import diagnose_stuck
from longshore.tasks import RETRY_TAG, Task

RETIREMENT = "AWS_ECS_TASK_PATCHING_RETIREMENT"
_REPLAY = "longshore.replay"
_TASK_ARN = re.compile(r"arn:aws[a-z-]*:ecs:[^:]*:[^:]*:task/", re.ASCII)


class Facts(NamedTuple):
    """What an event does not tell and only an API knows; empty where it was not asked."""

    definition: Mapping[str, Any]
    service: Mapping[str, Any]
    tags: Mapping[str, str]
    definition_tags: Mapping[str, str]

    @property
    def idempotent(self) -> bool:
        """Whether what ran may be run again."""
        return {**self.tags, **self.definition_tags}.get(RETRY_TAG) == IDEMPOTENT


def diagnose_event(
    body: object,
    definition: Mapping[str, Any] | None = None,
    service: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    definition_tags: Mapping[str, str] | None = None,
) -> Diagnosis:
    """The diagnosis of an EventBridge event. The other arguments are those of `diagnose`.

    Raises BadEventError naming the field when it is no event, or none that tells of ECS.
    """
    event = _object(body, "event")
    kind = _text(event, "detail-type", "detail-type")
    known = _KINDS.get(kind)
    if known is None:
        raise BadEventError("detail-type", f"{kind[:64]!r} is none that tells of ECS")
    source, reader = known
    if event.get("source", source) not in (source, _REPLAY):
        raise BadEventError("source", f"{kind!r} comes from {source}, not from {str(event['source'])[:64]!r}")
    detail = _object(event.get("detail"), "detail")
    return reader(event, detail, Facts(definition or {}, service or {}, tags or {}, definition_tags or {}))


def _task(event: Mapping[str, Any], detail: Mapping[str, Any], facts: Facts) -> Diagnosis:
    task = _read_task(detail)
    own = {**(task.tags or {}), **facts.tags}
    allowing = {**own, **facts.definition_tags}
    known: dict[str, Any] = {
        "definition": facts.definition,
        "service": facts.service,
        "tags": own,
        "definition_tags": allowing,
    }
    if not task.final and isinstance(event.get("time"), str):
        stuck = diagnose_stuck(case_of(task, **known), parse_time(event["time"], "time"))
        if stuck is not None:
            found = diagnose(task, **known)
            return found if found.cls else stuck
    return diagnose(task, **known)


def _read_task(detail: Mapping[str, Any]) -> Task:
    try:
        return Task.read(detail)
    except ValueError as error:
        member, _, problem = str(error).partition(" ")
        raise BadEventError(f"detail.{member}", problem) from None


def _service_action(event: Mapping[str, Any], detail: Mapping[str, Any], facts: Facts) -> Diagnosis:
    name = _text(detail, "eventName", "detail.eventName")
    evidence = _lines(event, detail, "eventName", "reason", "capacityProviderArns")
    severity, reason = _string(detail, "eventType"), _string(detail, "reason")
    return notices.of_service(name, severity, reason, owner_of_service(facts.service), evidence)


def _deployment(event: Mapping[str, Any], detail: Mapping[str, Any], facts: Facts) -> Diagnosis:
    name = _text(detail, "eventName", "detail.eventName")
    evidence = _lines(event, detail, "eventName", "reason")
    return notices.of_deployment(name, _string(detail, "eventType"), owner_of_service(facts.service), evidence)


def _hook(event: Mapping[str, Any], detail: Mapping[str, Any], facts: Facts) -> Diagnosis:
    name = _text(detail, "eventName", "detail.eventName")
    evidence = _lines(event, detail, "eventName", "lifecycleStage", "reason")
    return notices.of_hook(name, owner_of_service(facts.service), evidence)


def _daemon(event: Mapping[str, Any], detail: Mapping[str, Any], _: Facts) -> Diagnosis:
    name = _text(detail, "eventName", "detail.eventName")
    evidence = _lines(event, detail, "eventName", "failureType", "reason")
    return notices.of_daemon(name, _string(detail, "eventType"), _string(detail, "reason"), evidence)


def _instance(_: Mapping[str, Any], detail: Mapping[str, Any], __: Facts) -> Diagnosis:
    arn = _text(detail, "containerInstanceArn", "detail.containerInstanceArn")
    connected, status = detail.get("agentConnected"), _string(detail, "status")
    evidence = (f"agentConnected: {str(connected).lower()}", f"status: {status}", f"containerInstanceArn: {arn}")
    return notices.of_instance(connected, status, notices.instance_on_premises(detail), evidence)


def _instance_health(_: Mapping[str, Any], detail: Mapping[str, Any], __: Facts) -> Diagnosis:
    arn = _text(detail, "containerInstanceArn", "detail.containerInstanceArn")
    nested = detail.get("healthStatus")  # where the API has it; at the top level in other accounts of this event
    health = nested if isinstance(nested, Mapping) else detail
    overall = _string(health, "overallStatus")
    listed = _listed(health.get("details")) or _listed(health.get("healthChecks"))
    checks = [each for each in listed if each.get("status") == "IMPAIRED"]
    said = {str(each.get("type")): _string(each, "statusReason") for each in checks}
    failing = (f"healthChecks[{kind}]: IMPAIRED {reason}".rstrip() for kind, reason in sorted(said.items()))
    evidence = (f"overallStatus: {overall}", *failing, f"containerInstanceArn: {arn}")
    return notices.of_instance_health(overall, said, evidence)


def _health(_: Mapping[str, Any], detail: Mapping[str, Any], facts: Facts) -> Diagnosis:
    service = _text(detail, "service", "detail.service")
    if service != "ECS":
        raise BadEventError("detail.service", f"{service[:64]!r} is not ECS")
    code = _text(detail, "eventTypeCode", "detail.eventTypeCode")
    things = [_string(each, "entityValue") for each in _listed(detail.get("affectedEntities"))]
    evidence = (f"eventTypeCode: {code}", f"startTime: {_string(detail, 'startTime')}", *sorted(filter(None, things)))
    of_tasks = any(_TASK_ARN.match(thing) for thing in things)
    owner = Owner.STANDALONE if of_tasks else owner_of_service(facts.service)
    if detail.get("statusCode") == "closed":
        return notices.informational(owner, evidence)
    if code != RETIREMENT:
        return notices.of_health(owner, evidence)
    return notices.of_retirement(of_tasks, owner, facts.idempotent, evidence)


def _interruption(event: Mapping[str, Any], detail: Mapping[str, Any], _: Facts) -> Diagnosis:
    instance = _text(detail, "instance-id", "detail.instance-id")
    action = _string(detail, "instance-action")
    told = (f"instance-action: {action}",) if action else ()
    return notices.of_interruption((f"detail-type: {event['detail-type']}", f"instance-id: {instance}", *told))


def _pod(_: Mapping[str, Any], detail: Mapping[str, Any], __: Facts) -> Diagnosis:
    pod = _text(detail, "podName", "detail.podName")
    members = ("podNamespace", "scheduledTerminationTime", "evictErrorMessage")
    lines = (f"{member}: {text}" for member in members if (text := _string(detail, member)))
    return notices.of_pod((f"podName: {pod}", *lines))


_Reader = Callable[[Mapping[str, Any], Mapping[str, Any], Facts], Diagnosis]
_KINDS: Mapping[str, tuple[str, _Reader]] = {
    "ECS Task State Change": ("aws.ecs", _task),
    "ECS Service Action": ("aws.ecs", _service_action),
    "ECS Deployment State Change": ("aws.ecs", _deployment),
    "ECS Hook State Change": ("aws.ecs", _hook),
    "ECS Daemon Service Action": ("aws.ecs", _daemon),
    "ECS Daemon Deployment State Change": ("aws.ecs", _daemon),
    "ECS Container Instance State Change": ("aws.ecs", _instance),
    "ECS Container Instance Health Change": ("aws.ecs", _instance_health),
    "AWS Health Event": ("aws.health", _health),
    "EC2 Spot Instance Interruption Warning": ("aws.ec2", _interruption),
    "EC2 Instance Rebalance Recommendation": ("aws.ec2", _interruption),
    "EKS Fargate Pod Scheduled Termination": ("aws.eks", _pod),
}
KINDS = tuple(_KINDS)
"""The detail-types that are read."""


def _lines(event: Mapping[str, Any], detail: Mapping[str, Any], *members: str) -> Iterator[str]:
    """Members of a detail as evidence, and the thing it is about.

    A service is named in `resources`, in `serviceName` or in `service`: which of them depends on what was done to it.
    """
    for member in members:
        value = detail.get(member)
        text = ", ".join(sorted(map(str, value))) if isinstance(value, list) else value
        if isinstance(text, str) and text:
            yield f"{member}: {text}"
    named = ((member, _string(detail, member)) for member in ("serviceName", "service", "serviceArn", "daemonArn"))
    resources = event.get("resources")
    first = str(resources[0]) if isinstance(resources, list) and resources else ""
    yield from (f"{where}: {text}" for where, text in (("resources[0]", first), *named) if text)


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadEventError(where, f"must be an object, not {type(value).__name__}")
    return value


def _text(container: Mapping[str, Any], key: str, where: str) -> str:
    value = container.get(key)
    if not isinstance(value, str) or not value:
        raise BadEventError(where, "must be a string that is not empty" if key in container else "is missing")
    return value


def _string(container: Mapping[str, Any], key: str) -> str:
    value = container.get(key)
    return value if isinstance(value, str) else ""


def _listed(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
