"""What a task is started from, and the task that comes of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.ecs.models import TaskDefinition

from longshore_local.ecs import identifiers, interfaces
from longshore_local.ecs.deployments import Deployment
from longshore_local.ecs.services import Service
from longshore_local.ecs.strategy import next_provider
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
    capacity_provider: str | None = None
    service: Service | None = None
    deployment: Deployment | None = None


def new_task(order: LaunchOrder, now: datetime) -> Task:
    """The task of an order, PROVISIONING."""
    identifier = identifiers.hexadecimal()
    path = f"{order.cluster_name}/{identifier}"
    provider = order.capacity_provider or next_provider(order.settings.get("capacityProviderStrategy") or [])
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
            _container(
                definition, order.overrides, task_arn, identifiers.arn(order.region, order.account, f"container/{path}")
            )
            for definition in order.definition.container_definitions
        ],
        started_by=order.started_by,
        capacity_provider_name=provider or ("FARGATE" if fargate else None),
        platform_version=_platform_version(order.settings) if fargate else None,
        container_instance_arn=None if fargate else order.container_instance_arn,
        overrides=order.overrides,
        tags=order.tags,
        enable_execute_command=bool(order.settings.get("enableExecuteCommand")),
        service=order.service,
        deployment=order.deployment,
        settings=order.settings,
        unplaced=not fargate and order.container_instance_arn is None,
    )
    interfaces.place(task)
    return task


def _platform_version(settings: dict[str, Any]) -> str:
    stated = str(settings.get("platformVersion") or "LATEST")
    return "1.4.0" if stated == "LATEST" else stated


def _container(definition: dict[str, Any], overrides: dict[str, Any], task_arn: str, arn: str) -> Container:
    named = {each.get("name"): each for each in overrides.get("containerOverrides") or []}
    stated = {**definition, **named.get(definition["name"], {})}
    memory, reservation = stated.get("memory"), stated.get("memoryReservation")
    return Container(
        arn=f"{arn}/{identifiers.uuid()}",
        task_arn=task_arn,
        name=definition["name"],
        image=definition["image"],
        cpu=str(stated.get("cpu", 0)),
        memory=None if memory is None else str(memory),
        memory_reservation=None if reservation is None else str(reservation),
        health_check="healthCheck" in definition,
        definition=definition,
    )
