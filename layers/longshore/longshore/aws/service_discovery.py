"""Cloud Map, and the ECS services that register their tasks with it (recover 5 O6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError
from longshore.recover.hosts import Registration, Registry, Service
from longshore.tasks import pairs

_GONE = ("ServiceNotFound", "NamespaceNotFound")
_NOT_THERE = ("InstanceNotFound", "DuplicateRequest")
_TASK_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_UNKNOWN = 2  # where the count is not told, it may be more than one
_NEWEST = ("PRIMARY", "ACTIVE")


class CloudMap:
    """Cloud Map's services of an account and Region; `base` is how ARNs of ECS begin there."""

    def __init__(self, servicediscovery: Callable[[], Any], base: str) -> None:
        self._client = servicediscovery
        self._base = base

    def all(self) -> Sequence[Registry]:
        """ListServices."""
        found = []
        with aws_errors():
            for page in self._client().get_paginator("list_services").paginate():
                found += [
                    Registry(
                        str(each["Id"]), str(each["Arn"]), str(each["Name"]), int(each.get("InstanceCount", _UNKNOWN))
                    )
                    for each in page.get("Services", [])
                ]
        return found

    def registrations(self, registry: str) -> Sequence[Registration]:
        """ListInstances: ECS writes cluster and service into the attributes, and names an instance by its task."""
        found = []
        with aws_errors(gone=_GONE):
            for page in self._client().get_paginator("list_instances").paginate(ServiceId=registry):
                for each in page.get("Instances", []):
                    attributes: Mapping[str, str] = each.get("Attributes") or {}
                    cluster, service = attributes.get("ECS_CLUSTER_NAME"), attributes.get("ECS_SERVICE_NAME")
                    if cluster and service and _TASK_ID.fullmatch(str(each["Id"])):
                        found.append(Registration(str(each["Id"]), f"{self._base}:cluster/{cluster}", service))
        return found

    def deregister(self, registry: str, id: str) -> None:
        """DeregisterInstance."""
        try:
            with aws_errors(gone=(*_GONE, *_NOT_THERE)):
                self._client().deregister_instance(ServiceId=registry, InstanceId=id)
        except GoneError as error:
            if not any(code in str(error) for code in _NOT_THERE):
                raise


class EcsServiceFacts:
    """ECS services, as far as recover asks about them."""

    def __init__(self, ecs: Any) -> None:
        self._ecs = ecs

    def get(self, cluster: str, name: str) -> Service | None:
        """DescribeServices, with tags."""
        try:
            with aws_errors():
                answer = self._ecs.describe_services(cluster=cluster, services=[name], include=["TAGS"])
        except GoneError:
            return None
        found = next(iter(answer.get("services", [])), None)
        return None if found is None else _service(found)


def _service(found: Mapping[str, Any]) -> Service:
    sets = found.get("taskSets") or []
    standing = [*(found.get("deployments") or []), *sets]
    begun = [each["createdAt"] for each in standing if each.get("status") in _NEWEST and each.get("createdAt")]
    primary = (each.get("taskDefinition") for each in sets if each.get("status") == "PRIMARY")
    controller = str((found.get("deploymentController") or {}).get("type") or "ECS")
    return Service(
        arn=str(found["serviceArn"]),
        active=found.get("status") == "ACTIVE",
        controller="EXTERNAL" if sets and controller == "ECS" else controller,
        definition=str(found.get("taskDefinition") or next(primary, None) or ""),
        tags=pairs(found.get("tags")),
        registries=tuple(
            str(each["registryArn"]) for each in found.get("serviceRegistries") or [] if each.get("registryArn")
        ),
        deployed=max(begun, default=None),
    )
