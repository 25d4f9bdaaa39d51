"""Services on fakes beside recover's tasks: they crash, lose their images, are steady again; an event in, the end out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import ConflictError
from longshore.images import is_digest
from longshore.recover.care import recoverer
from longshore.recover.crash_loops import Act, CrashLoopPolicy
from longshore.recover.service_ports import Page, ServicePorts
from longshore.recover.services import Service
from longshore.recover.troubles import Trouble
from tests.fake_tasks import ARN, CLUSTER, FakeRecipes, FakeTasks
from tests.recover_world import AUTO, RecoverWorld

if TYPE_CHECKING:
    from longshore.images import Digest, Repository

SERVICE = f"{ARN}:service/shop/web"
DEPLOYMENT = "ecs-svc/1"
FOLLOWED = {"longshore:policy": "digest:prod"}
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
IMAGE = f"{HOST}/shop/web:prod"
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
NOT_FOUND = f"CannotPullContainerError: failed to resolve ref {HOST}/shop/web@{OLD}: not found"


class FakeServices:
    """Services by ARN, as DescribeServices tells them."""

    def __init__(self) -> None:
        self.described: dict[str, dict[str, Any]] = {}

    def get(self, arn: str) -> Service | None:
        """See `service_ports.Services.get`."""
        return self.survey([arn]).get(arn)

    def survey(self, arns: Sequence[str]) -> Mapping[str, Service]:
        """See `service_ports.Services.survey`."""
        return {arn: Service.read(self.described[arn]) for arn in arns if arn in self.described}


class FakeImages:
    """Digests by repository and tag; a digest is there as long as `kept` has it. `error` is raised instead."""

    def __init__(self) -> None:
        self.tags: dict[tuple[str, str], Digest] = {}
        self.kept: set[Digest] = set()
        self.error: Exception | None = None

    def digest(self, repository: Repository, reference: str) -> Digest | None:
        """See `service_ports.Images.digest`."""
        if self.error is not None:
            raise self.error
        if is_digest(reference):
            return reference if reference in self.kept else None
        return self.tags.get((repository.name, reference))


class FakeTroubles:
    """Troubles as JSON, by subject and key."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[str, int]] = {}

    def get(self, subject: str, key: str) -> Trouble:
        """See `service_ports.Troubles.get`."""
        if (subject, key) not in self._kept:
            return Trouble(subject, key)
        text, version = self._kept[subject, key]
        return Trouble.read(json.loads(text), version)

    def of(self, subject: str) -> Sequence[Trouble]:
        """See `service_ports.Troubles.of`."""
        return [self.get(*each) for each in sorted(self._kept) if each[0] == subject]

    def save(self, trouble: Trouble) -> Trouble:
        """See `service_ports.Troubles.save`."""
        if self.get(trouble.subject, trouble.key).version != trouble.version:
            raise ConflictError(f"version {trouble.version} of {trouble.subject} {trouble.key} is outdated")
        saved = replace(trouble, version=trouble.version + 1)
        self._kept[trouble.subject, trouble.key] = json.dumps(trouble.as_json()), saved.version
        return saved

    def open(self) -> Iterable[tuple[str, str]]:
        """See `service_ports.Troubles.open`."""
        return [each for each in sorted(self._kept) if self.get(*each).is_open]


class FakeInventory:
    """Clusters and their tasks in pages; `page` is how many are on one."""

    def __init__(self, tasks: FakeTasks) -> None:
        self._tasks = tasks
        self.others: list[str] = []
        self.page = 100

    def clusters(self, after: str) -> Page:
        """See `service_ports.Inventory.clusters`."""
        return Page((CLUSTER, *self.others))

    def tasks(self, cluster: str, desired: str, after: str) -> Page:
        """See `service_ports.Inventory.tasks`."""
        found = [each.arn for each in self._tasks.survey(cluster, self._tasks.arns) if each.desired_status == desired]
        start = int(after or 0)
        more = str(start + self.page) if start + self.page < len(found) else ""
        return Page(tuple(found[start : start + self.page]), more)


class FakeWatched:
    """The tasks that have a recipe, less those that were dropped."""

    def __init__(self, recipes: FakeRecipes) -> None:
        self._recipes = recipes
        self.dropped: set[str] = set()

    def all(self) -> Iterable[str]:
        """See `service_ports.Watched.all`."""
        return [each for each in self._recipes.kept if each not in self.dropped]

    def drop(self, task: str) -> None:
        """See `service_ports.Watched.drop`."""
        self.dropped.add(task)


class FakeMachines:
    """The container instances that were seen, by cluster."""

    def __init__(self) -> None:
        self.known: set[tuple[str, str]] = set()

    def seen(self, cluster: str, instances: Sequence[str]) -> None:
        """See `service_ports.Machines.seen`."""
        self.known |= {(cluster, each) for each in instances}


class ServiceWorld(RecoverWorld):
    """A world with the service `web`, which a deployment changed an hour ago, and one task definition of it."""

    def __init__(
        self,
        *,
        crash_loop: CrashLoopPolicy | None = None,
        definition_tags: Mapping[str, str] | None = None,
        definition: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.services, self.images, self.troubles = FakeServices(), FakeImages(), FakeTroubles()
        self.inventory, self.watched = FakeInventory(self.tasks), FakeWatched(self.recipes)
        self.machines = FakeMachines()
        self.care = ServicePorts(
            self._port(self.services),
            self._port(self.images),
            self._port(self.troubles),
            self._port(self.inventory),
            self._port(self.watched),
            self._port(self.machines),
        )
        policy = crash_loop or CrashLoopPolicy(act=Act.ROLLBACK)
        self.recoverer = recoverer(self.ports, self.care, self.rules, policy)
        containers = [{"name": "app", "image": IMAGE, "essential": True}]
        tags = AUTO if definition_tags is None else definition_tags
        members = {"containerDefinitions": containers, **(definition or {})}
        self.definition = self.tasks.define("web", tags, **members)
        self.describe()

    def describe(self, **members: Any) -> None:
        """The service is as it is, but for these members."""
        at = self.clock.now() - timedelta(hours=1)
        primary = {"id": DEPLOYMENT, "status": "PRIMARY", "rolloutState": "COMPLETED", "createdAt": at}
        self.services.described[SERVICE] = {
            "serviceArn": SERVICE,
            "serviceName": "web",
            "clusterArn": CLUSTER,
            "status": "ACTIVE",
            "desiredCount": 2,
            "runningCount": 1,
            "schedulingStrategy": "REPLICA",
            "taskDefinition": self.definition,
            "deployments": [primary],
            "tags": [{"key": key, "value": value} for key, value in FOLLOWED.items()],
            **members,
        }

    def tagged(self, tags: Mapping[str, str]) -> None:
        """The service has these tags alone."""
        self.describe(tags=[{"key": key, "value": value} for key, value in tags.items()])

    def started(self, deployment: str = DEPLOYMENT, **members: Any) -> str:
        """ECS starts a task of the service."""
        return self.tasks.run(self.definition, group="service:web", startedBy=deployment, **members)

    def crash(self, times: int = 1, *, after: float = 60, exit_code: int = 1, **members: Any) -> list[str]:
        """Tasks that run one after the other, each ended by itself after so many seconds."""
        ended = []
        for _ in range(times):
            arn = self.started(**members)
            self.run(after / 60)
            self.tasks.end(arn, exit_code=exit_code)
            self.run()
            ended.append(arn)
        return ended

    def unpullable(self, reason: str = NOT_FOUND, **members: Any) -> str:
        """A task that does not find its image."""
        arn = self.started(**members)
        self.tasks.end(arn, code="TaskFailedToStart", reason=reason, exit_code=None, started=False)
        self.run()
        return arn

    def acts(self, event: str, severity: str = "INFO", reason: str = "", *providers: str) -> None:
        """ECS tells something of the service."""
        detail: dict[str, Any] = {"eventType": severity, "eventName": event, "clusterArn": CLUSTER}
        if reason:
            detail["reason"] = reason
        if providers:
            detail["capacityProviderArns"] = [f"{ARN}:capacity-provider/{each}" for each in providers]
        self.send(self.envelope("ECS Service Action", detail, SERVICE))
        self.run()

    def steady(self) -> None:
        """The service has what it wants, and ECS says so."""
        self.describe(**{**self.services.described[SERVICE], "runningCount": 2, "desiredCount": 2})
        self.acts("SERVICE_STEADY_STATE")

    def sweeps(self, minutes: float = 5) -> None:
        """Sweeps every five minutes for a time."""
        for _ in range(max(1, round(minutes / 5))):
            self.run(5)
            self.sweep()
            self.run()

    @property
    def asked(self) -> list[str]:
        """What redeploy was asked for."""
        return [str(each.detail["reason"]) for each in self.publisher.published if each.kind == "Redeploy Requested"]


__all__ = ["DEPLOYMENT", "FOLLOWED", "IMAGE", "NEW", "NOT_FOUND", "OLD", "SERVICE", "ServiceWorld"]
