"""Simulated daemons, their deployments and task definitions, as the ECS API shows them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.ecs.models import EC2ContainerServiceBackend, TaskDefinition

from longshore_local.ecs.deployments import Deployment, ServiceRevision
from longshore_local.ecs.instances import Instance
from longshore_local.ecs.placement import instances_of
from longshore_local.ecs.tasks import Task

BREAKER_SHARE = 50  # percent of the instances whose daemon tasks may fail
ONGOING = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_IN_PROGRESS")
OF_REVISION = ("propagateTags", "enableECSManagedTags", "enableExecuteCommand", "critical")


@dataclass(slots=True, eq=False)
class DaemonDefinition:
    """A daemon task definition; `task_definition` is what its tasks are started from."""

    arn: str
    family: str
    revision: int
    request: dict[str, Any]
    registered_at: datetime
    task_definition: TaskDefinition
    tags: list[dict[str, str]] = field(default_factory=list)
    status: str = "ACTIVE"

    def view(self) -> dict[str, Any]:
        """The definition as `DaemonTaskDefinition` in the ECS API."""
        stated = {name: value for name, value in self.request.items() if name not in ("tags", "family")}
        return {
            **stated,
            "daemonTaskDefinitionArn": self.arn,
            "family": self.family,
            "revision": self.revision,
            "status": self.status,
            "registeredAt": self.registered_at,
            "registeredBy": f"arn:aws:iam::{self.arn.split(':')[4]}:root",
        }


@dataclass(slots=True, eq=False)
class DaemonRevision:
    """What one deployment deploys, kept in a `ServiceRevision`, whose digests the first task fixes."""

    held: ServiceRevision
    providers: list[str]

    @property
    def arn(self) -> str:
        """The ARN of the revision."""
        return self.held.arn

    def view(self) -> dict[str, Any]:
        """The revision as `DaemonRevision` in the ECS API."""
        known = self.held.digests
        images = [
            {"containerName": each["name"], "image": each["image"]}
            | ({"imageDigest": known[each["name"]]} if each["name"] in known else {})
            for each in self.held.definition.container_definitions
        ]
        return {
            "daemonRevisionArn": self.arn,
            "clusterArn": self.held.cluster_arn,
            "daemonArn": self.held.service_arn,
            "daemonTaskDefinitionArn": self.held.definition.arn,
            "createdAt": self.held.created_at,
            "containerImages": images,
            **self.held.settings,
        }


@dataclass(slots=True, eq=False)
class DaemonDeployment:
    """One change of a daemon, from the request to its end, rollback included."""

    arn: str
    daemon: "Daemon"
    target: DaemonRevision
    source: DaemonRevision | None
    configuration: dict[str, Any]
    created_at: datetime
    status: str = "PENDING"
    reason: str = ""
    failures: int = 0
    breaker: str = "MONITORING"
    alarms: list[str] = field(default_factory=list)
    rollback: dict[str, Any] | None = None
    moments: dict[str, datetime] = field(default_factory=dict)

    @property
    def ongoing(self) -> bool:
        """Whether the deployment, or its rollback, still moves."""
        return self.status in ONGOING

    @property
    def threshold(self) -> int:
        """How many failed tasks trip the breaker."""
        return max(3, len(self.daemon.instances) * BREAKER_SHARE // 100)

    def brief(self) -> dict[str, Any]:
        """The deployment as `DaemonDeploymentSummary` in the ECS API."""
        return {
            "daemonDeploymentArn": self.arn,
            "daemonArn": self.daemon.arn,
            "clusterArn": self.daemon.cluster_arn,
            "status": self.status,
            "targetDaemonRevisionArn": self.target.arn,
            "createdAt": self.created_at,
            **({"statusReason": self.reason} if self.reason else {}),
            **self.moments,
        }

    def view(self) -> dict[str, Any]:
        """The deployment as `DaemonDeployment` in the ECS API."""
        view = {key: value for key, value in self.brief().items() if not key.startswith(("daemonArn", "targetDaemon"))}
        alarms = self.configuration.get("alarms") or {}
        watched = "MONITORING" if self.ongoing else "MONITORING_COMPLETE"
        view |= {
            "targetDaemonRevision": self.daemon.counted(self.target, "Instance"),
            "sourceDaemonRevisions": [self.daemon.counted(self.source, "Instance")] if self.source else [],
            "circuitBreaker": {"failureCount": self.failures, "status": self.breaker, "threshold": self.threshold},
            "alarms": {
                "status": ("TRIGGERED" if self.alarms else watched) if alarms.get("enable") else "DISABLED",
                "alarmNames": alarms.get("alarmNames", []),
                "triggeredAlarmNames": self.alarms,
            },
            "deploymentConfiguration": self.configuration,
        }
        return view | ({"rollback": self.rollback} if self.rollback else {})


@dataclass(slots=True, eq=False)
class Daemon:
    """A daemon, and the task that it keeps on each instance."""

    arn: str
    name: str
    account: str
    region: str
    cluster_name: str
    cluster_arn: str
    created_at: datetime
    tags: list[dict[str, str]] = field(default_factory=list)
    status: str = "ACTIVE"
    updated_at: datetime | None = None
    kept: DaemonRevision | None = None
    completed: DaemonRevision | None = None
    history: list[DaemonDeployment] = field(default_factory=list)
    revisions: dict[str, DaemonRevision] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)

    @property
    def ongoing(self) -> DaemonDeployment | None:
        """The newest deployment while it is not over."""
        return self.history[-1] if self.history and self.history[-1].ongoing else None

    @property
    def instances(self) -> list[Instance]:
        """Where its tasks belong: the active instances of its capacity providers."""
        names = {arn.rpartition("/")[2] for arn in self.kept.providers} if self.kept else set()
        held = instances_of(self.account, self.region, self.cluster_name)
        return [each for each in held if each.status == "ACTIVE" and each.capacity_provider_name in names]

    def runs(self, instance: Instance, revision: DaemonRevision) -> bool:
        """Whether an instance runs this revision."""
        task = self.tasks.get(instance.container_instance_arn)
        return task is not None and task.running and revision_of(task) is revision.held

    def counted(self, revision: DaemonRevision, infix: str = "") -> dict[str, Any]:
        """A revision with its tasks: `DaemonRevisionDetail`, or what deployments say with their own names."""
        here = [each for each in self.instances if self.runs(each, revision)]
        bare = [each for each in self.instances if not self._covered(each)] if revision is self.kept else []
        providers = [
            {"arn": arn, f"running{infix}Count": sum(e.capacity_provider_name == arn.rpartition("/")[2] for e in here)}
            for arn in revision.providers
        ]
        return {
            "arn": revision.arn,
            "capacityProviders": providers,
            f"totalRunning{infix}Count": len(here),
            f"totalWithoutDaemon{infix}Count": len(bare),
        }

    def view(self) -> dict[str, Any]:
        """The daemon as `DaemonDetail` in the ECS API."""
        held = [each for each in self.revisions.values() if any(self.runs(i, each) for i in self.instances)]
        current = held or ([self.kept] if self.kept else [])
        return {
            **self.brief(),
            "clusterArn": self.cluster_arn,
            "currentRevisions": [self.counted(each) for each in current],
            "deploymentArn": self.history[-1].arn,
        }

    def brief(self) -> dict[str, Any]:
        """The daemon as `DaemonSummary` in the ECS API."""
        moment = {"updatedAt": self.updated_at} if self.updated_at else {}
        return {"daemonArn": self.arn, "status": self.status, "createdAt": self.created_at, **moment}

    def _covered(self, instance: Instance) -> bool:
        task = self.tasks.get(instance.container_instance_arn)
        return task is not None and task.running


def revision_of(task: Task) -> ServiceRevision | None:
    """The revision that a daemon's task was started from."""
    entry: Deployment | None = task.deployment
    return entry.revision if entry else None


def daemons_of(backend: EC2ContainerServiceBackend) -> dict[str, Daemon]:
    """The daemons of an account and Region by ARN; they go when moto's backend is reset."""
    held: dict[str, Daemon] = vars(backend).setdefault("simulated_daemons", {})
    return held


def definitions_of(backend: EC2ContainerServiceBackend) -> dict[str, list[DaemonDefinition]]:
    """The daemon task definitions by family, the oldest first."""
    held: dict[str, list[DaemonDefinition]] = vars(backend).setdefault("simulated_daemon_definitions", {})
    return held


def tagged(backend: EC2ContainerServiceBackend, arn: str) -> Daemon | DaemonDefinition | None:
    """The daemon or daemon task definition of an ARN."""
    if daemon := daemons_of(backend).get(arn):
        return daemon
    every = (each for family in definitions_of(backend).values() for each in family)
    return next((each for each in every if each.arn == arn), None)
