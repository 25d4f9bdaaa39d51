"""The App Runner of the bundle: services and their operations on the timeline (aws A4, H)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.core.exceptions import ServiceException

from longshore_local.ecs import identifiers
from longshore_local.ecs.events import Event, envelope
from longshore_local.timeline import Timeline

Resolver = Callable[[str, str, str], str | None]
"""(image, account, region) -> the digest that a pull yields, None for an image that cannot be pulled."""

DEPLOYS = timedelta(minutes=3)
"""How long a deployment takes that succeeds, and how long App Runner tries one that fails."""
ROLLS_BACK = timedelta(minutes=2)
TURNS = timedelta(minutes=1)
"""How long a service takes to pause, to resume, or to be deleted."""

RUNNING, BUSY, PAUSED = "RUNNING", "OPERATION_IN_PROGRESS", "PAUSED"
_NAMES = {
    "CREATE_SERVICE": "CreateService",
    "START_DEPLOYMENT": "Deployment",
    "UPDATE_SERVICE": "UpdateService",
    "PAUSE_SERVICE": "PauseService",
    "RESUME_SERVICE": "ResumeService",
    "DELETE_SERVICE": "DeleteService",
}
"""What events call the types of operations."""


class AppRunnerError(ServiceException):
    """A refusal of App Runner's API: one of the error codes in botocore's model, and a text."""

    __module__ = "moto.apprunner.exceptions"  # by which moto finds that model


@dataclass(slots=True)
class Operation:
    """One operation on a service; `before` is what a rollback puts back."""

    type: str
    started: datetime
    before: dict[str, Any] = field(default_factory=dict)
    status: str = "IN_PROGRESS"
    ended: datetime | None = None
    id: str = field(default_factory=identifiers.uuid)


@dataclass(slots=True)
class Service:
    """A service: what it is to be, its tags, its operations (the newest first), and the digest that runs."""

    account: str
    region: str
    name: str
    created: datetime
    configuration: dict[str, Any]
    tags: dict[str, str]
    status: str = BUSY
    running: str | None = None
    updated: datetime | None = None
    operations: list[Operation] = field(default_factory=list)
    is_stale: bool = False
    tag_version: int = 0
    id: str = field(default_factory=identifiers.hexadecimal)

    @property
    def arn(self) -> str:
        """Its name is followed by its id."""
        return f"arn:aws:apprunner:{self.region}:{self.account}:service/{self.name}/{self.id}"

    @property
    def image(self) -> str:
        """The identifier; empty for a service that is built from code."""
        repository = self.configuration["SourceConfiguration"].get("ImageRepository", {})
        return str(repository.get("ImageIdentifier", ""))

    @property
    def deploys_itself(self) -> bool:
        """Whether it follows its tag without anybody's help."""
        return bool(self.configuration["SourceConfiguration"].get("AutoDeploymentsEnabled"))


class AppRunner:
    """The services of every account and Region. Images that cannot run fail deployments, which are rolled back."""

    def __init__(self, timeline: Timeline, emit: Callable[[Event], None], resolve: Resolver) -> None:
        self._timeline = timeline
        self._emit = emit
        self._resolve = resolve
        self._failing: dict[str, bool] = {}
        self.services: dict[str, Service] = {}

    def fail(self, digest: str, *, rolls_back: bool = True) -> None:
        """Lets deployments of an image fail; where the rollback fails as well, the image stays."""
        self._failing[digest] = rolls_back

    def mend(self, digest: str) -> None:
        """Lets deployments of an image succeed again."""
        self._failing.pop(digest, None)

    def clear(self) -> None:
        """Forgets every service."""
        self.services.clear()
        self._failing.clear()

    def now(self) -> datetime:
        """The bundle's time."""
        return self._timeline.now()

    def create(self, service: Service) -> Operation:
        """Begins the life of a service."""
        self.services[service.arn] = service
        self.tell_tags(service, {})
        return self.deploy(service, "CREATE_SERVICE")

    def deploy(self, service: Service, type: str, configuration: dict[str, Any] | None = None) -> Operation:
        """Begins an operation that pulls the image; what is wrong with it shows only then."""
        before = service.configuration
        service.configuration = configuration or before
        operation = self._begin(service, type, before)
        digest = self._resolve(service.image, service.account, service.region) if service.image else ""
        service.is_stale = False
        if digest is None or digest in self._failing:
            failed = self._failed_first if type == "CREATE_SERVICE" else self._roll_back
            self._after(DEPLOYS, service, lambda: failed(service, operation, digest))
            return operation

        def deployed() -> None:
            service.running = digest
            self._end(service, operation, "SUCCEEDED", RUNNING)

        self._after(DEPLOYS, service, deployed)
        return operation

    def turn(self, service: Service, type: str, status: str) -> Operation:
        """Begins an operation that pulls nothing: pausing, resuming, deleting."""
        operation = self._begin(service, type, service.configuration)
        self._after(TURNS, service, lambda: self._end(service, operation, "SUCCEEDED", status))
        return operation

    def pushed(self, account: str, region: str, name: str, tag: str) -> None:
        """A tag of a private repository moved: who follows it by itself deploys it, after what goes on."""
        image = f"{account}.dkr.ecr.{region}.amazonaws.com/{name}"
        for service in list(self.services.values()):
            if service.deploys_itself and service.image in (f"{image}:{tag}", image if tag == "latest" else ""):
                service.is_stale = True
                self._catch_up(service)

    def tell_tags(self, service: Service, before: dict[str, str]) -> None:
        """Announces a change of tags, if there is one."""
        changed = sorted(key for key in before.keys() | service.tags.keys() if before.get(key) != service.tags.get(key))
        if not changed:
            return
        service.tag_version += 1
        detail = {
            "changed-tag-keys": changed,
            "service": "apprunner",
            "resource-type": "service",
            "version": service.tag_version,
            "tags": dict(service.tags),
        }
        self._emit(envelope("aws.tag", "Tag Change on Resource", service.arn, self.now(), detail))

    def _catch_up(self, service: Service) -> None:
        if service.is_stale and service.status == RUNNING:
            self.deploy(service, "START_DEPLOYMENT")

    def _after(self, delay: timedelta, service: Service, step: Callable[[], None]) -> None:
        def still_there() -> None:
            if self.services.get(service.arn) is service:
                step()

        self._timeline.at(self.now() + delay, still_there)

    def _begin(self, service: Service, type: str, before: dict[str, Any]) -> Operation:
        operation = Operation(type, self.now(), before)
        service.operations.insert(0, operation)
        self._become(service, BUSY)
        self._tell(service, operation, "Started")
        return operation

    def _failed_first(self, service: Service, operation: Operation, digest: str | None) -> None:
        self._end(service, operation, "FAILED", "CREATE_FAILED")

    def _roll_back(self, service: Service, operation: Operation, digest: str | None) -> None:
        operation.status = "ROLLBACK_IN_PROGRESS"
        well = digest is None or self._failing.get(digest, True)

        def rolled_back() -> None:
            if well:
                service.configuration = operation.before
            else:
                service.running = digest
            self._end(service, operation, "ROLLBACK_SUCCEEDED" if well else "ROLLBACK_FAILED", RUNNING)

        self._after(ROLLS_BACK, service, rolled_back)

    def _end(self, service: Service, operation: Operation, outcome: str, status: str) -> None:
        operation.status, operation.ended = outcome, self.now()
        self._become(service, status)
        self._tell(service, operation, "CompletedSuccessfully" if outcome == "SUCCEEDED" else "Failed")
        self._catch_up(service)

    def _become(self, service: Service, status: str) -> None:
        before, service.status, service.updated = service.status, status, self.now()
        if before != status:
            detail = {"previousServiceStatus": before, "currentServiceStatus": status}
            self._send(
                service, "AppRunner Service Status Change", detail, f"Service status is set to {status}.", "INFO"
            )

    def _tell(self, service: Service, operation: Operation, how: str) -> None:
        name = f"{_NAMES[operation.type]}{how}"
        severity = "ERROR" if how == "Failed" else "INFO"
        self._send(
            service, "AppRunner Service Operation Status Change", {"operationStatus": name}, f"{name}.", severity
        )

    def _send(self, service: Service, kind: str, detail: dict[str, Any], message: str, severity: str) -> None:
        whole = {**detail, "serviceName": service.name, "serviceId": service.id, "message": message}
        whole["severity"] = severity
        self._emit(envelope("aws.apprunner", kind, service.arn, self.now(), whole))
