"""A simulated task and its containers, as DescribeTasks and the task events show them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.ecs.models import TaskDefinition

from longshore_local.ecs.endings import Ending

if TYPE_CHECKING:
    from longshore_local.ecs.deployments import Deployment
    from longshore_local.ecs.services import Service


@dataclass(slots=True, eq=False)
class Container:
    """One container of a task."""

    arn: str
    task_arn: str
    name: str
    image: str
    cpu: str
    memory: str | None
    memory_reservation: str | None
    health_check: bool
    last_status: str = "PENDING"
    digest: str | None = None
    runtime_id: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    health: str = "UNKNOWN"
    interfaces: list[dict[str, Any]] = field(default_factory=list)
    definition: dict[str, Any] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """The container as `Container` in the ECS API."""
        return _present(
            containerArn=self.arn,
            taskArn=self.task_arn,
            name=self.name,
            image=self.image,
            imageDigest=self.digest,
            runtimeId=self.runtime_id,
            lastStatus=self.last_status,
            exitCode=self.exit_code,
            reason=self.reason,
            networkBindings=[],
            networkInterfaces=self.interfaces,
            healthStatus=self.health,
            cpu=self.cpu,
            memory=self.memory,
            memoryReservation=self.memory_reservation,
        )


@dataclass(slots=True, eq=False)
class Task:
    """One task, of a service or on its own; the attribute names that moto reads are moto's."""

    task_arn: str
    account: str
    region: str
    cluster_arn: str
    definition: TaskDefinition
    group: str
    launch_type: str
    created_at: datetime
    containers: list[Container]
    started_by: str | None = None
    capacity_provider_name: str | None = None
    platform_version: str | None = None
    container_instance_arn: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    enable_execute_command: bool = False
    service: "Service | None" = None
    deployment: "Deployment | None" = None
    version: int = 0
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    healthy: bool = False
    host: str | None = None
    unplaced: bool = False
    cut_off: bool = False
    protected_until: datetime | None = None
    zone: str = ""
    subnet: str | None = None
    ending: Ending | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    moments: dict[str, datetime] = field(default_factory=dict)
    stop_code: str | None = None
    stopped_reason: str | None = None

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.task_arn.rpartition("/")[2]

    @property
    def task_definition_arn(self) -> str:
        """The revision that the task runs."""
        return self.definition.arn

    @property
    def cluster_name(self) -> str:
        """The cluster without its ARN."""
        return self.cluster_arn.rpartition("/")[2]

    @property
    def connectivity(self) -> str | None:
        """Whether ECS hears from the task; None before it ever did."""
        if "connectivityAt" not in self.moments:
            return None
        return "DISCONNECTED" if self.cut_off else "CONNECTED"

    @property
    def usable_memory(self) -> int:
        """How many MiB its main container may use: the task's or the container's limit, whichever is lower."""
        main = essential(self)
        stated = (self.overrides.get("memory"), self.definition.memory, main.memory)
        limits = [stated[0] or stated[1], stated[2]]
        return min((mebibytes(limit) for limit in limits if limit), default=0)

    @property
    def running(self) -> bool:
        """Whether the task is RUNNING and meant to go on."""
        return self.last_status == "RUNNING" and self.desired_status == "RUNNING"

    @property
    def stopping(self) -> bool:
        """Whether the task is stopping or stopped."""
        return self.desired_status == "STOPPED"

    def advance(self) -> None:
        """Nothing: tasks move on the timeline, not because moto is asked about them."""

    def view(self, *, tags: bool = False) -> dict[str, Any]:
        """The task as `Task` in the ECS API."""
        definition = self.definition
        view = _present(
            attachments=self.attachments,
            attributes=[{"name": "ecs.cpu-architecture", "value": _architecture(definition)}],
            availabilityZone=self.zone or f"{self.region}a",
            capacityProviderName=self.capacity_provider_name,
            clusterArn=self.cluster_arn,
            connectivity=self.connectivity,
            containerInstanceArn=self.container_instance_arn,
            containers=[container.view() for container in self.containers],
            cpu=self.overrides.get("cpu") or definition.cpu or "0",
            createdAt=self.created_at,
            desiredStatus=self.desired_status,
            enableExecuteCommand=self.enable_execute_command,
            ephemeralStorage=self._storage() if self.launch_type == "FARGATE" else None,
            group=self.group,
            healthStatus=self._health(),
            lastStatus=self.last_status,
            launchType=self.launch_type,
            memory=self.overrides.get("memory") or definition.memory or "0",
            overrides=self._overrides(),
            platformVersion=self.platform_version,
            platformFamily="Linux" if self.launch_type == "FARGATE" else None,
            startedBy=self.started_by,
            stopCode=self.stop_code,
            stoppedReason=self.stopped_reason,
            taskArn=self.task_arn,
            taskDefinitionArn=definition.arn,
            version=self.version,
            tags=self.tags if tags else None,
        )
        return view | self.moments

    def _storage(self) -> dict[str, Any]:
        storage: dict[str, Any] = (
            self.overrides.get("ephemeralStorage") or self.definition.ephemeral_storage or {"sizeInGiB": 20}
        )
        return storage

    def _health(self) -> str:
        checked = {container.health for container in self.containers if container.health_check}
        if not checked:
            return "UNKNOWN"
        return "UNHEALTHY" if "UNHEALTHY" in checked else "HEALTHY" if checked == {"HEALTHY"} else "UNKNOWN"

    def _overrides(self) -> dict[str, Any]:
        named = {entry.get("name"): entry for entry in self.overrides.get("containerOverrides", [])}
        containers = [named.get(container.name, {"name": container.name}) for container in self.containers]
        return {"inferenceAcceleratorOverrides": [], **self.overrides, "containerOverrides": containers}


def essential(task: Task) -> Container:
    """The first essential container, the one that a task stands and falls with."""
    return next((each for each in task.containers if each.definition.get("essential", True)), task.containers[0])


def mebibytes(size: object) -> int:
    """MiB of a memory size as task definitions state it: `512`, `1GB`, `0.5 GB`."""
    text = str(size).strip().upper()
    return int(float(text.removesuffix("GB")) * 1024) if text.endswith("GB") else int(float(text))


def _architecture(definition: TaskDefinition) -> str:
    platform = definition.runtime_platform or {}
    return "arm64" if platform.get("cpuArchitecture") == "ARM64" else "x86_64"


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
