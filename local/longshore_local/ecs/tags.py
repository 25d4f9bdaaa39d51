"""Tags of ECS resources, and the event that each change of them sends."""

from collections.abc import Callable
from typing import Any

from moto.ecs.models import EC2ContainerServiceBackend

from longshore_local.ecs import errors, events
from longshore_local.ecs.daemons import tagged
from longshore_local.ecs.engine import Engine

MOST_TAGS = 50


def managed_tags(cluster: str, service: str | None = None) -> list[dict[str, str]]:
    """The tags that ECS adds to tasks where it is told to."""
    tags = [{"key": "aws:ecs:clusterName", "value": cluster}]
    return tags + ([{"key": "aws:ecs:serviceName", "value": service}] if service else [])


class Tags:
    """TagResource and UntagResource, on services without walking through all of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._versions: dict[str, int] = {}

    def tag(self, backend: EC2ContainerServiceBackend, arn: str, tags: dict[str, str]) -> None:
        """Adds and replaces tags."""
        self._change(backend, arn, lambda before: before | tags)

    def untag(self, backend: EC2ContainerServiceBackend, arn: str, keys: list[str]) -> None:
        """Removes tags by key."""
        self._change(backend, arn, lambda before: {key: value for key, value in before.items() if key not in keys})

    @staticmethod
    def of(backend: EC2ContainerServiceBackend, arn: str) -> list[dict[str, str]]:
        """A resource's tags as ECS lists them."""
        tags: list[dict[str, str]] = _resource(backend, arn).tags or []
        return tags

    def _change(
        self, backend: EC2ContainerServiceBackend, arn: str, change: Callable[[dict[str, str]], dict[str, str]]
    ) -> None:
        resource = _resource(backend, arn)
        before = {tag["key"]: tag.get("value", "") for tag in resource.tags or []}
        after = change(before)
        if len(after) > MOST_TAGS:
            raise errors.invalid_parameter(f"A resource can have at most {MOST_TAGS} tags, asked for {len(after)}.")
        resource.tags = [{"key": key, "value": value} for key, value in after.items()]
        changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        if changed:
            version = self._versions[arn] = self._versions.get(arn, 1) + 1
            self._engine.send(events.tag_change(arn, changed, after, version, self._engine.now()))


def _resource(backend: EC2ContainerServiceBackend, arn: str) -> Any:
    if (daemon := tagged(backend, arn)) is not None:
        return daemon
    parsed = backend._parse_resource_arn(arn)
    if parsed["service"] == "service":
        service = backend.services.get(f"{parsed.get('cluster_id')}:{parsed['id']}")
        if service is None or service.status == "INACTIVE":
            raise errors.resource_not_found(arn)
        return service
    resource = backend._get_resource(arn, parsed)
    if resource is None:
        raise errors.resource_not_found(arn)
    return resource
