"""The events of ECS and of tagging, as AWS puts them on the default bus (aws A3; samples under events/)."""

from datetime import UTC, datetime
from typing import Any

from longshore_local.ecs import identifiers
from longshore_local.ecs.instances import Instance
from longshore_local.ecs.tasks import Task

Event = dict[str, Any]

_SEVERITIES = {"SERVICE_TASK_START_IMPAIRED": "WARN", "SERVICE_TASK_PLACEMENT_FAILURE": "ERROR"}


def iso(moment: datetime) -> str:
    """Milliseconds and a Z, as in the details of ECS events."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(source: str, detail_type: str, arn: str, now: datetime, detail: dict[str, Any]) -> Event:
    """A complete EventBridge event about the resource `arn`, which also names account and Region."""
    _, _, _, region, account, _ = arn.split(":", 5)
    return {
        "version": "0",
        "id": identifiers.uuid(),
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [arn],
        "detail": detail,
    }


def deployment_state_change(service_arn: str, deployment_id: str, name: str, reason: str, now: datetime) -> Event:
    """`ECS Deployment State Change`; `name` is the eventName."""
    detail = {
        "eventType": "ERROR" if name == "SERVICE_DEPLOYMENT_FAILED" else "INFO",
        "eventName": name,
        "deploymentId": deployment_id,
        "updatedAt": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": reason,
    }
    return envelope("aws.ecs", "ECS Deployment State Change", service_arn, now, detail)


def daemon_deployment_change(
    daemon_arn: str, cluster_arn: str, deployment_arn: str, revision_arn: str, status: str, now: datetime
) -> Event:
    """`ECS Daemon Deployment State Change`; the name follows from the status."""
    detail = {
        "eventType": "ERROR" if status == "ROLLBACK_FAILED" else "INFO",
        "eventName": f"DAEMON_DEPLOYMENT_{status}",
        "clusterArn": cluster_arn,
        "daemonArn": daemon_arn,
        "daemonDeploymentArn": deployment_arn,
        "targetDaemonRevisionArn": revision_arn,
        "updatedAt": iso(now),
    }
    return envelope("aws.ecs", "ECS Daemon Deployment State Change", daemon_arn, now, detail)


def service_action(service_arn: str, cluster_arn: str, name: str, now: datetime, **members: Any) -> Event:
    """`ECS Service Action`; the type follows from the name."""
    kind = _SEVERITIES.get(name, "INFO")
    detail = {"eventType": kind, "eventName": name, "clusterArn": cluster_arn, "createdAt": iso(now), **members}
    return envelope("aws.ecs", "ECS Service Action", service_arn, now, detail)


def task_state_change(task: Task, now: datetime) -> Event:
    """`ECS Task State Change`: DescribeTasks' answer without health and tags, with text for moments."""
    detail = plain(task.view())
    detail.pop("healthStatus", None)
    detail.pop("platformFamily", None)
    detail["updatedAt"] = iso(now)
    for container in detail["containers"]:
        container.pop("healthStatus", None)
        if not container["networkBindings"]:
            del container["networkBindings"]
    detail["overrides"].pop("inferenceAcceleratorOverrides", None)
    for attachment in detail["attachments"]:
        attachment["type"] = "eni" if attachment["type"] == "ElasticNetworkInterface" else attachment["type"]
    return envelope("aws.ecs", "ECS Task State Change", task.task_arn, now, detail)


def instance_state_change(instance: Instance, now: datetime) -> Event:
    """`ECS Container Instance State Change`: DescribeContainerInstances' answer, with text for moments."""
    detail = plain(instance.view())
    del detail["attachments"]
    detail |= {"clusterArn": instance.cluster_arn, "updatedAt": iso(now)}
    arn = instance.container_instance_arn
    return envelope("aws.ecs", "ECS Container Instance State Change", arn, now, detail)


def instance_health_change(instance: Instance, now: datetime) -> Event:
    """`ECS Container Instance Health Change`: which instance, and its health as the API tells it."""
    detail = {
        "clusterArn": instance.cluster_arn,
        "containerInstanceArn": instance.container_instance_arn,
        "ec2InstanceId": instance.ec2_instance_id,
        "version": instance.version,
        "updatedAt": iso(now),
        "healthStatus": plain(instance.health_view()),
    }
    arn = instance.container_instance_arn
    return envelope("aws.ecs", "ECS Container Instance Health Change", arn, now, detail)


def tag_change(arn: str, keys: list[str], tags: dict[str, str], version: int, now: datetime) -> Event:
    """`Tag Change on Resource` about an ECS resource."""
    detail = {
        "changed-tag-keys": sorted(keys),
        "service": "ecs",
        "resource-type": arn.split(":", 5)[5].partition("/")[0],
        "version": version,
        "tags": dict(tags),
    }
    return envelope("aws.tag", "Tag Change on Resource", arn, now, detail)


def plain(value: Any) -> Any:
    """A copy that JSON can hold, with text for moments."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value
