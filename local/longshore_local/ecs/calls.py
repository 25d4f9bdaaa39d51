"""One ECS API call as the simulator sees it, and where it finds clusters, services and task definitions."""

from dataclasses import dataclass
from typing import Any

from moto.ecs.models import Cluster, EC2ContainerServiceBackend, TaskDefinition, ecs_backends

from longshore_local.ecs import errors
from longshore_local.ecs.services import Service


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, where, with which parameters."""

    account: str
    region: str
    params: dict[str, Any]

    @property
    def backend(self) -> EC2ContainerServiceBackend:
        """moto's ECS of this account and Region."""
        return ecs_backends[self.account][self.region]

    @property
    def with_tags(self) -> bool:
        """Whether `include` asks for tags."""
        return "TAGS" in (self.params.get("include") or [])

    def cluster(self) -> Cluster:
        """The cluster named by the call, "default" when it names none."""
        name = str(self.params.get("cluster") or "default").rpartition("/")[2]
        cluster = self.backend.clusters.get(name)
        if cluster is None or cluster.status == "INACTIVE":
            raise errors.cluster_not_found()
        return cluster

    def find_service(self, name_or_arn: str) -> Service | None:
        """A service of the call's cluster, INACTIVE ones included."""
        name = name_or_arn.rpartition("/")[2]
        service: Any = self.backend.services.get(f"{self.cluster().name}:{name}")
        if service is None or ("/" in name_or_arn and service.arn != name_or_arn):
            return None
        held: Service = service
        return held

    def service(self) -> Service:
        """The service that the call names; raises ServiceNotFoundException."""
        service = self.find_service(str(self.params["service"]))
        if service is None:
            raise errors.service_not_found()
        return service

    def services(self) -> list[Service]:
        """All services of this account and Region."""
        held: Any = self.backend.services
        return list(held.values())

    def service_of(self, arn: str) -> Service | None:
        """The service that a service deployment or revision ARN belongs to."""
        parts = arn.split(":", 5)[-1].split("/")
        if len(parts) != 4:
            return None
        held: Any = self.backend.services
        service: Service | None = held.get(f"{parts[1]}:{parts[2]}")
        return service

    def definition(self, name: str) -> TaskDefinition | None:
        """A task definition by ARN, family:revision or family (its newest ACTIVE revision)."""
        family, _, revision = name.rpartition("/")[2].partition(":")
        revisions = self.backend.task_definitions.get(family, {})
        if revision:
            return revisions.get(int(revision)) if revision.isdigit() else None
        active = [number for number, held in revisions.items() if held.status == "ACTIVE"]
        return revisions[max(active)] if active else None

    def active_definition(self, name: str) -> TaskDefinition:
        """As `definition`; raises ClientException when it is missing or INACTIVE."""
        definition = self.definition(name)
        if definition is None:
            raise errors.client("TaskDefinition not found.")
        if definition.status != "ACTIVE":
            raise errors.client("TaskDefinition is inactive")
        return definition


def page(call: Call, items: list[Any], *, default: int, key: str) -> dict[str, Any]:
    """One page of `items` under `key`, with nextToken where there are more."""
    token = str(call.params.get("nextToken") or "0")
    if not token.isdigit() or int(token) > len(items):
        raise errors.invalid_parameter("Invalid token.")
    start = int(token)
    end = start + int(call.params.get("maxResults") or default)
    return {key: items[start:end]} | ({"nextToken": str(end)} if end < len(items) else {})
