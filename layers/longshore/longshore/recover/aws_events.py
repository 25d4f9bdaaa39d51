"""AWS's events that recover reads, a small reader for each (recover 2.1, 5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from longshore.envelopes import Envelope, json_object, optional_text, parse_time, text
from longshore.errors import BadEventError
from longshore.recover.checks import (
    DAEMON,
    LONGEST_NAME,
    MOST,
    SERVICE,
    TASK,
    cluster_arn,
    container_instance_arn,
    free_text,
    named,
    number,
    resource,
    texts,
)
from longshore.recover.facts import (
    DaemonActed,
    Fact,
    InstanceChanged,
    InstanceHealthChanged,
    InstanceInterrupted,
    Irrelevant,
    PodTerminating,
    RetirementPlanned,
    ServiceActed,
    TaskChanged,
)
from longshore.recover.trail_events import api_call

RETIREMENT = "AWS_ECS_TASK_PATCHING_RETIREMENT"

_INSTANCE = re.compile(r"i-[0-9a-f]{8,32}", re.ASCII)
_TASK_STATUS = re.compile(r"[A-Z_]{1,32}", re.ASCII)


def _task(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    return TaskChanged(
        task=named(detail, "taskArn", TASK, "the ARN of an ECS task"),
        cluster=cluster_arn(detail),
        last_status=named(detail, "lastStatus", _TASK_STATUS, "a status of a task"),
        desired_status=free_text(detail, "desiredStatus", 32),
        stop_code=free_text(detail, "stopCode", 64),
        group=free_text(detail, "group", 300),
        version=number(detail, "version"),
    )


def _service_action(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    return ServiceActed(
        service=resource(envelope, SERVICE, "an ECS service"),
        cluster=cluster_arn(detail),
        event=text(detail, "eventName", where="detail", limit=128),
        severity=text(detail, "eventType", where="detail", limit=16),
        reason=free_text(detail, "reason"),
        capacity_providers=texts(detail, "capacityProviderArns"),
    )


def _daemon(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    return DaemonActed(
        daemon=resource(envelope, DAEMON, "an ECS daemon"),
        event=text(detail, "eventName", where="detail", limit=128),
        severity=free_text(detail, "eventType", 16),
        failure=free_text(detail, "failureType", 64),
        reason=free_text(detail, "reason"),
    )


def _instance(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    connected = detail.get("agentConnected")
    if connected is not None and not isinstance(connected, bool):
        raise BadEventError("detail.agentConnected", "must be true or false")
    return InstanceChanged(
        instance=container_instance_arn(detail),
        cluster=cluster_arn(detail),
        ec2_instance=free_text(detail, "ec2InstanceId", 64),
        status=free_text(detail, "status", 32),
        connected=connected,
        version=number(detail, "version"),
    )


def _instance_health(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    """The members are those of ContainerInstanceHealthStatus in the API, at the top or under `healthStatus`."""
    told = detail.get("healthStatus", detail)
    health = json_object(told, "detail.healthStatus")
    checks = health.get("details", [])
    if not isinstance(checks, list):
        raise BadEventError("detail.healthStatus.details", "must be a list")
    failing = [free_text(c, "type", 64) for c in checks if isinstance(c, dict) and c.get("status") not in (None, "OK")]
    overall = optional_text(health, "overallStatus", "detail.healthStatus")
    return InstanceHealthChanged(container_instance_arn(detail), cluster_arn(detail), overall or "", tuple(failing))


def _interrupted(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    instance = named(detail, "instance-id", _INSTANCE, "the id of an EC2 instance")
    return InstanceInterrupted(instance, free_text(detail, "instance-action", 32), certain=True)


def _rebalance(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    return InstanceInterrupted(named(detail, "instance-id", _INSTANCE, "the id of an EC2 instance"), "", certain=False)


def _health(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    event = text(detail, "eventTypeCode", where="detail", limit=128)
    if event != RETIREMENT:
        return Irrelevant(f"{event[:64]} is not the retirement of tasks")
    named = [each["entityValue"] for each in _affected(detail) if isinstance(each.get("entityValue"), str)]
    things = tuple(dict.fromkeys([*envelope.resources, *named]))
    if not things or len(things) > MOST or any(len(t) > LONGEST_NAME or not t.isprintable() for t in things):
        raise BadEventError("resources", f"must name 1 to {MOST} tasks or services")
    times = [_http_time(detail, key) for key in ("startTime", "endTime")]
    return RetirementPlanned(
        things, text(detail, "eventArn", where="detail"), free_text(detail, "statusCode", 32), *times
    )


def _affected(detail: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    entities = detail.get("affectedEntities", [])
    return [each for each in entities if isinstance(each, dict)] if isinstance(entities, list) else []


def _http_time(detail: Mapping[str, Any], key: str) -> datetime | None:
    value = optional_text(detail, key, "detail")
    if value is None:
        return None
    try:
        time = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError, TypeError):
        return parse_time(value, f"detail.{key}")
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _pod(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    at = optional_text(detail, "scheduledTerminationTime", "detail")
    return PodTerminating(
        cluster=text(detail, "clusterName", where="detail", limit=128),
        namespace=text(detail, "podNamespace", where="detail", limit=256),
        pod=text(detail, "podName", where="detail", limit=256),
        profile=free_text(detail, "fargateProfileName", 128),
        reason=free_text(detail, "evictErrorMessage"),
        at=parse_time(at.removesuffix("[UTC]"), "detail.scheduledTerminationTime") if at else None,
    )


READERS: Mapping[str, Callable[[Envelope, Mapping[str, Any]], Fact]] = {
    "ECS Task State Change": _task,
    "ECS Service Action": _service_action,
    "ECS Daemon Service Action": _daemon,
    "ECS Container Instance State Change": _instance,
    "ECS Container Instance Health Change": _instance_health,
    "EC2 Spot Instance Interruption Warning": _interrupted,
    "EC2 Instance Rebalance Recommendation": _rebalance,
    "AWS Health Event": _health,
    "AWS API Call via CloudTrail": api_call,
    "EKS Fargate Pod Scheduled Termination": _pod,
}
