"""What a task is started from, and the task that comes of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.ecs.models import TaskDefinition, ecs_backends
from moto.moto_api._internal import mock_random

from longshore_local.ecs import identifiers
from longshore_local.ecs.deployments import Deployment
from longshore_local.ecs.services import Service
from longshore_local.ecs.tasks import Container, Task


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """What a task is started from."""

    account: str
    region: str
    cluster_name: str
    cluster_arn: str
    definition: TaskDefinition
    group: str
    launch_type: str
    settings: dict[str, Any]
    started_by: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    container_instance_arn: str | None = None
    service: Service | None = None
    deployment: Deployment | None = None


def new_task(order: LaunchOrder, now: datetime) -> Task:
    """The task of an order, PROVISIONING."""
    identifier = identifiers.hexadecimal()
    path = f"{order.cluster_name}/{identifier}"
    providers = order.settings.get("capacityProviderStrategy") or []
    provider = providers[0]["capacityProvider"] if providers else None
    fargate = order.launch_type == "FARGATE"
    task_arn = identifiers.arn(order.region, order.account, f"task/{path}")
    task = Task(
        task_arn=task_arn,
        account=order.account,
        region=order.region,
        cluster_arn=order.cluster_arn,
        definition=order.definition,
        group=order.group,
        launch_type=order.launch_type,
        created_at=now,
        containers=[
            _container(definition, task_arn, identifiers.arn(order.region, order.account, f"container/{path}"))
            for definition in order.definition.container_definitions
        ],
        started_by=order.started_by,
        capacity_provider_name=provider or ("FARGATE" if fargate else None),
        platform_version="1.4.0" if fargate else None,
        container_instance_arn=None if fargate else order.container_instance_arn or _instance(order),
        overrides=order.overrides,
        tags=order.tags,
        enable_execute_command=bool(order.settings.get("enableExecuteCommand")),
        service=order.service,
        deployment=order.deployment,
    )
    _attach_interface(task, order.settings)
    return task


def _container(definition: dict[str, Any], task_arn: str, arn: str) -> Container:
    memory, reservation = definition.get("memory"), definition.get("memoryReservation")
    return Container(
        arn=f"{arn}/{identifiers.uuid()}",
        task_arn=task_arn,
        name=definition["name"],
        image=definition["image"],
        cpu=str(definition.get("cpu", 0)),
        memory=None if memory is None else str(memory),
        memory_reservation=None if reservation is None else str(reservation),
        health_check="healthCheck" in definition,
    )


def _instance(order: LaunchOrder) -> str | None:
    backend = ecs_backends[order.account][order.region]
    for instance in backend.container_instances.get(order.cluster_name, {}).values():
        if instance.status == "ACTIVE":
            return instance.container_instance_arn
    return None


def _attach_interface(task: Task, settings: dict[str, Any]) -> None:
    network = (settings.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if task.definition.network_mode != "awsvpc" or not network:
        return
    attachment = identifiers.uuid()
    host = [mock_random.randint(1, 254) for _ in range(3)]
    address = f"10.{host[0]}.{host[1]}.{host[2]}"
    details = {
        "subnetId": network["subnets"][0],
        "networkInterfaceId": f"eni-{identifiers.hexadecimal(17)}",
        "macAddress": "0e:" + ":".join(identifiers.hexadecimal(2) for _ in range(5)),
        "privateDnsName": f"ip-{address.replace('.', '-')}.ec2.internal",
        "privateIPv4Address": address,
    }
    pairs = [{"name": name, "value": value} for name, value in details.items()]
    task.attachments.append(
        {"id": attachment, "type": "ElasticNetworkInterface", "status": "ATTACHED", "details": pairs}
    )
    for container in task.containers:
        container.interfaces = [{"attachmentId": attachment, "privateIpv4Address": address}]
