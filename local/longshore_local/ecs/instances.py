"""Container instances: EC2 instances and servers of one's own (ECS Anywhere) that tasks are placed on."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.ecs.models import Task as MotoTask
from moto.ecs.models import ecs_backends

from longshore_local.ecs import identifiers
from longshore_local.ecs.fargate_sizes import units
from longshore_local.ecs.tasks import Task, mebibytes

EXTERNAL_PREFIX = "mi-"
_PORTS = ["22", "2376", "2375", "51678", "51679"]


@dataclass(slots=True, eq=False)
class Instance:
    """One container instance; the attribute names that moto reads are moto's."""

    id: str
    account: str
    region: str
    cluster_name: str
    cluster_arn: str
    ec2_instance_id: str
    zone: str
    cpu: int
    memory: int
    registered_at: datetime
    attributes: dict[str, str | None]
    capacity_provider_name: str | None = None
    status: str = "ACTIVE"
    status_reason: str | None = None
    agent_connected: bool = True
    version: int = 0
    health: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)

    @property
    def container_instance_arn(self) -> str:
        """The ARN, in the long format."""
        return identifiers.arn(self.region, self.account, f"container-instance/{self.cluster_name}/{self.id}")

    @property
    def external(self) -> bool:
        """Whether it is a server registered through SSM, not an EC2 instance."""
        return self.ec2_instance_id.startswith(EXTERNAL_PREFIX)

    @property
    def tasks(self) -> list[Task]:
        """The tasks placed on it that are not STOPPED."""
        held: dict[str, Any] = ecs_backends[self.account][self.region].tasks.get(self.cluster_name, {})
        arn = self.container_instance_arn
        live = (task for task in held.values() if not isinstance(task, MotoTask) and task.last_status != "STOPPED")
        return [task for task in live if task.container_instance_arn == arn]

    @property
    def running_tasks_count(self) -> int:
        """Tasks that are RUNNING."""
        return sum(task.last_status == "RUNNING" for task in self.tasks)

    @property
    def free(self) -> tuple[int, int]:
        """CPU units and MiB that are left."""
        needed = [needs(task) for task in self.tasks]
        return self.cpu - sum(cpu for cpu, _ in needed), self.memory - sum(memory for _, memory in needed)

    def view(self, *, tags: bool = False, health: bool = False) -> dict[str, Any]:
        """The instance as `ContainerInstance` in the ECS API."""
        running = self.running_tasks_count
        view: dict[str, Any] = {
            "containerInstanceArn": self.container_instance_arn,
            "ec2InstanceId": self.ec2_instance_id,
            "version": self.version,
            "versionInfo": {
                "agentVersion": "1.90.0",
                "agentHash": "0123abcd",
                "dockerVersion": "DockerVersion: 25.0.8",
            },
            "remainingResources": _resources(*self.free),
            "registeredResources": _resources(self.cpu, self.memory),
            "status": self.status,
            "agentConnected": self.agent_connected,
            "runningTasksCount": running,
            "pendingTasksCount": len(self.tasks) - running,
            "attributes": [
                {"name": name} | ({} if value is None else {"value": value}) for name, value in self.attributes.items()
            ],
            "registeredAt": self.registered_at,
            "attachments": [],
        }
        if self.capacity_provider_name:
            view["capacityProviderName"] = self.capacity_provider_name
        if self.status_reason:
            view["statusReason"] = self.status_reason
        if tags:
            view["tags"] = self.tags
        if health:
            view["healthStatus"] = self.health_view()
        return view

    def health_view(self) -> dict[str, Any]:
        """The health checks as `ContainerInstanceHealthStatus` in the ECS API."""
        details = list(self.health.values())
        impaired = any(check["status"] == "IMPAIRED" for check in details)
        return {"overallStatus": "IMPAIRED" if impaired else "OK", "details": details}


def needs(task: Task) -> tuple[int, int]:
    """CPU units and MiB that a task reserves: its own sizes where stated, else those of its containers together."""
    stated = (task.overrides.get("cpu") or task.definition.cpu, task.overrides.get("memory") or task.definition.memory)
    cpu = sum(int(container.cpu) for container in task.containers)
    memory = sum(int(container.memory_reservation or container.memory or 0) for container in task.containers)
    return units(stated[0]) if stated[0] else cpu, mebibytes(stated[1]) if stated[1] else memory


def _resources(cpu: int, memory: int) -> list[dict[str, Any]]:
    return [
        {"name": "CPU", "type": "INTEGER", "integerValue": cpu},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": memory},
        {"name": "PORTS", "type": "STRINGSET", "stringSetValue": _PORTS},
        {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
    ]
