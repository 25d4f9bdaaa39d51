"""Simulated services, as the ECS API shows them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from longshore_local.ecs.deployments import Deployment, ServiceDeployment, ServiceRevision, platform_of
from longshore_local.ecs.task_set_view import task_set


@dataclass(slots=True, eq=False)
class Service:
    """A service; the attribute names that moto reads (tags, task sets, CloudFormation) are moto's."""

    arn: str
    name: str
    account: str
    region: str
    cluster_name: str
    cluster_arn: str
    created_at: datetime
    created_by: str
    settings: dict[str, Any]
    desired_count: int
    tags: list[dict[str, str]] = field(default_factory=list)
    status: str = "ACTIVE"
    deployments: list[Deployment] = field(default_factory=list)
    history: list[ServiceDeployment] = field(default_factory=list)
    revisions: dict[str, ServiceRevision] = field(default_factory=dict)
    last_completed: ServiceRevision | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    task_sets: list[Any] = field(default_factory=list)
    steady: bool = False
    task_definition: str | None = None
    express: dict[str, Any] | None = None

    @property
    def physical_resource_id(self) -> str:
        """The ARN, by the name that moto's tagging and CloudFormation know it."""
        return self.arn

    @property
    def launch_type(self) -> str | None:
        """The launch type; None with a capacity provider strategy."""
        return self.settings.get("launchType")

    @property
    def scheduling_strategy(self) -> str:
        """REPLICA or DAEMON."""
        return str(self.settings["schedulingStrategy"])

    @property
    def propagate_tags(self) -> str:
        """NONE, SERVICE or TASK_DEFINITION."""
        return str(self.settings["propagateTags"])

    @property
    def controller(self) -> str:
        """ECS, CODE_DEPLOY or EXTERNAL."""
        return str(self.settings["deploymentController"]["type"])

    @property
    def primary(self) -> Deployment | None:
        """The deployment that the service is kept at."""
        return next((entry for entry in self.deployments if entry.status == "PRIMARY"), None)

    @property
    def ongoing(self) -> ServiceDeployment | None:
        """The newest service deployment while it is not over."""
        return self.history[-1] if self.history and self.history[-1].ongoing else None

    def tell(self, message: str, now: datetime, event_id: str) -> None:
        """Adds a line to the service's own events, newest first, a hundred at most."""
        self.events.insert(0, {"id": event_id, "createdAt": now, "message": f"(service {self.name}) {message}"})
        del self.events[100:]

    def view(self, *, tags: bool = False) -> dict[str, Any]:
        """The service as `Service` in the ECS API."""
        ecs, sets = self.controller == "ECS", self.controller == "CODE_DEPLOY"
        running = sum(entry.running for entry in self.deployments)
        view: dict[str, Any] = {
            **platform_of(self.settings),
            **self.settings,
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": self.cluster_arn,
            "status": self.status,
            "desiredCount": self.desired_count,
            "runningCount": running,
            "pendingCount": sum(entry.pending for entry in self.deployments),
            "taskDefinition": self.task_definition,
            "taskSets": [task_set(self, entry) for entry in self.deployments] if sets else self.task_sets,
            "deployments": [entry.view() for entry in self.deployments] if ecs else [],
            "events": self.events,
            "createdAt": self.created_at,
            "createdBy": self.created_by,
            "resourceManagementType": "CUSTOMER" if self.express is None else "ECS",
        }
        if self.express is not None:
            del view["taskDefinition"]  # its deployments and revisions name it
        if self.history:
            view["currentServiceDeployment"] = self.history[-1].arn
        if ecs:
            arns = dict.fromkeys(entry.revision.arn for entry in self.deployments)
            view["currentServiceRevisions"] = [self.counts(arn) for arn in arns]
        if tags:
            view["tags"] = self.tags
        return view

    def counts(self, revision_arn: str) -> dict[str, Any]:
        """How many tasks of a revision are wanted, run, and are on their way."""
        entries = [entry for entry in self.deployments if entry.revision.arn == revision_arn]
        return {
            "arn": revision_arn,
            "requestedTaskCount": sum(entry.desired for entry in entries),
            "runningTaskCount": sum(entry.running for entry in entries),
            "pendingTaskCount": sum(entry.pending for entry in entries),
        }
