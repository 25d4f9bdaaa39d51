"""Service revisions, deployments and service deployments, as the ECS API shows them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.ecs.models import TaskDefinition

from longshore_local.ecs.breaker import breaker_of, failure_threshold
from longshore_local.ecs.tasks import Task
from longshore_local.timeline import Timer

if TYPE_CHECKING:
    from longshore_local.ecs.services import Service

REVISION_MEMBERS = (
    "capacityProviderStrategy",
    "launchType",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "networkConfiguration",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
)
"""Members of a service that a service revision records."""

DEPLOYMENT_MEMBERS = (
    "capacityProviderStrategy",
    "launchType",
    "networkConfiguration",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
)

_SHOWN_STAGES = {"PRE_PRODUCTION_TRAFFIC_SHIFT": "POST_TEST_TRAFFIC_SHIFT"}
"""A stage that hooks can name and `ServiceDeployment.lifecycleStage` cannot."""

ONGOING = frozenset({"PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
"""Statuses of a service deployment that is not over."""


@dataclass(slots=True, eq=False)
class ServiceRevision:
    """What one deployment deploys; `digests` (container name to digest) are fixed by its first task."""

    arn: str
    service_arn: str
    cluster_arn: str
    definition: TaskDefinition
    settings: dict[str, Any]
    created_at: datetime
    digests: dict[str, str] = field(default_factory=dict)
    failed_resolutions: int = 0

    def view(self) -> dict[str, Any]:
        """The revision as `ServiceRevision` in the ECS API."""
        images = [
            {"containerName": container["name"], "image": container["image"]}
            | ({"imageDigest": self.digests[container["name"]]} if container["name"] in self.digests else {})
            for container in self.definition.container_definitions
        ]
        return {
            "serviceRevisionArn": self.arn,
            "serviceArn": self.service_arn,
            "clusterArn": self.cluster_arn,
            "taskDefinition": self.definition.arn,
            "createdAt": self.created_at,
            "guardDutyEnabled": False,
            **({"containerImages": images} if self.digests else {}),
            **{name: self.settings[name] for name in REVISION_MEMBERS if name in self.settings},
            **platform_of(self.settings),
        }


@dataclass(slots=True, eq=False)
class Deployment:
    """One entry of a service's `deployments`: a revision being kept at a number of tasks."""

    id: str
    revision: ServiceRevision
    created_at: datetime
    updated_at: datetime
    status: str = "PRIMARY"
    desired: int = 0
    failed: int = 0
    impaired: bool = False
    launching: bool = False
    rollout_state: str = "IN_PROGRESS"
    rollout_reason: str = ""
    tasks: list[Task] = field(default_factory=list)
    launch_timer: Timer | None = None
    external_id: str = ""

    @property
    def running(self) -> int:
        """Tasks that are RUNNING, those about to stop included, as ECS counts them."""
        return sum(task.last_status == "RUNNING" for task in self.tasks)

    @property
    def pending(self) -> int:
        """Tasks on their way to RUNNING."""
        return sum(not task.stopping and task.last_status != "RUNNING" for task in self.tasks)

    @property
    def kept(self) -> list[Task]:
        """Tasks that nobody has told to stop."""
        return [task for task in self.tasks if not task.stopping]

    @property
    def healthy(self) -> int:
        """Tasks that are kept, RUNNING and pass their checks."""
        return sum(task.healthy for task in self.kept)

    def view(self) -> dict[str, Any]:
        """The deployment as `Deployment` in the ECS API."""
        settings = self.revision.settings
        return {
            "id": self.id,
            "status": self.status,
            "taskDefinition": self.revision.definition.arn,
            "desiredCount": self.desired,
            "pendingCount": self.pending,
            "runningCount": self.running,
            "failedTasks": self.failed,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "rolloutState": self.rollout_state,
            "rolloutStateReason": self.rollout_reason,
            **platform_of(settings),
            **{name: settings[name] for name in DEPLOYMENT_MEMBERS if name in settings},
        }


@dataclass(slots=True, eq=False)
class LifecycleHook:
    """A hook that a service deployment has reached."""

    id: str
    configured: dict[str, Any]
    status: str
    expires_at: datetime
    timeout_action: str
    stage: str
    details: dict[str, Any] = field(default_factory=dict)
    timer: Timer | None = None

    def view(self) -> dict[str, Any]:
        """The hook as `DeploymentLifecycleHookDetail` in the ECS API."""
        view = {
            "hookId": self.id,
            "targetType": self.configured.get("targetType", "AWS_LAMBDA"),
            "status": self.status,
            "expiresAt": self.expires_at,
            "timeoutAction": self.timeout_action,
        }
        function = self.configured.get("hookTargetArn")
        return view | ({"targetArn": function} if function else {})


@dataclass(slots=True, eq=False)
class ServiceDeployment:
    """One change of a service, from the request to its end, rollback included."""

    arn: str
    service: "Service"
    target: Deployment
    sources: list[Deployment]
    configuration: dict[str, Any]
    created_at: datetime
    status: str = "PENDING"
    status_reason: str | None = None
    stage: str | None = None
    stages: list[str] = field(default_factory=list)
    hooks: list[LifecycleHook] = field(default_factory=list)
    weight: float = 0.0
    test_weight: float = 0.0
    rollback: dict[str, Any] | None = None
    rolled_back_to: Deployment | None = None
    breaker_status: str = "MONITORING"
    triggered_alarms: list[str] = field(default_factory=list)
    failures: int = 0
    moments: dict[str, datetime] = field(default_factory=dict)
    timer: Timer | None = None

    @property
    def ongoing(self) -> bool:
        """Whether the deployment, or its rollback, still moves."""
        return self.status in ONGOING

    @property
    def strategy(self) -> str:
        """ROLLING, BLUE_GREEN, LINEAR or CANARY."""
        return str(self.configuration.get("strategy", "ROLLING"))

    @property
    def rolling_back(self) -> bool:
        """Whether the deployment is on its way back."""
        return self.status in ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")

    def brief(self) -> dict[str, Any]:
        """The deployment as `ServiceDeploymentBrief` in the ECS API."""
        return {
            "serviceDeploymentArn": self.arn,
            "serviceArn": self.service.arn,
            "clusterArn": self.service.cluster_arn,
            "createdAt": self.created_at,
            "targetServiceRevisionArn": self.target.revision.arn,
            "status": self.status,
            **({"statusReason": self.status_reason} if self.status_reason else {}),
            **{name: self.moments[name] for name in ("startedAt", "finishedAt") if name in self.moments},
        }

    def view(self) -> dict[str, Any]:
        """The deployment as `ServiceDeployment` in the ECS API."""
        view = {
            **self.brief(),
            "updatedAt": self.created_at,
            **self.moments,
            "sourceServiceRevisions": [
                self._weighed(source.revision, 100.0 - self.weight, 0.0) for source in self.sources
            ],
            "targetServiceRevision": self._weighed(self.target.revision, self.weight, self.test_weight),
            "deploymentConfiguration": self.configuration,
            "lifecycleHookDetails": [hook.view() for hook in self.hooks],
            "deploymentCircuitBreaker": self._breaker(),
            "alarms": self._alarms(),
        }
        del view["targetServiceRevisionArn"]
        if self.rollback:
            view["rollback"] = self.rollback
        if self.stage and self.ongoing:
            view["lifecycleStage"] = _SHOWN_STAGES.get(self.stage, self.stage)
        return view

    def _weighed(self, revision: ServiceRevision, weight: float, test_weight: float) -> dict[str, Any]:
        weights = {"requestedProductionTrafficWeight": weight, "requestedTestTrafficWeight": test_weight}
        return self.service.counts(revision.arn) | weights

    def _breaker(self) -> dict[str, Any]:
        settings = breaker_of(self.configuration)
        if not settings:
            return {"status": "DISABLED", "failureCount": 0, "threshold": 0}
        threshold = failure_threshold(settings, self.service.desired_count)
        return {"status": self.breaker_status, "failureCount": self.failures, "threshold": threshold}

    def _alarms(self) -> dict[str, Any]:
        alarms = self.configuration.get("alarms") or {}
        names = alarms.get("alarmNames", [])
        if not alarms.get("enable"):
            return {"status": "DISABLED", "alarmNames": names, "triggeredAlarmNames": []}
        status = "TRIGGERED" if self.triggered_alarms else "MONITORING" if self.ongoing else "MONITORING_COMPLETE"
        return {"status": status, "alarmNames": names, "triggeredAlarmNames": self.triggered_alarms}


def platform_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Platform version and family as ECS fills them in for Fargate, nothing elsewhere."""
    providers = {item["capacityProvider"] for item in settings.get("capacityProviderStrategy") or []}
    if settings.get("launchType") != "FARGATE" and not providers & {"FARGATE", "FARGATE_SPOT"}:
        return {}
    return {"platformVersion": "1.4.0", "platformFamily": "Linux"}
