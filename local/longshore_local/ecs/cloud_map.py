"""Cloud Map instances of service tasks, in moto's service discovery, as ECS registers them."""

from typing import Any

from moto.servicediscovery.models import servicediscovery_backends

from longshore_local.ecs import interfaces
from longshore_local.ecs.tasks import Task


class CloudMap:
    """Registers tasks that run and takes them out when they stop, unless it is told to forget that."""

    def __init__(self) -> None:
        self._kept: set[str] = set()

    def keep(self, task_arn: str) -> None:
        """Leaves the instance of this task behind when it stops, as a missed deregistration does (recover O6)."""
        self._kept.add(task_arn)

    def register(self, task: Task) -> None:
        """Adds an instance, whose id is the task's, to each registry of the task's service that exists."""
        address = interfaces.address_of(task)
        for registry in _registries(task):
            service = _service(task, registry)
            if service is not None:
                attributes = {
                    "AVAILABILITY_ZONE": task.zone or f"{task.region}a",
                    "REGION": task.region,
                    "ECS_CLUSTER_NAME": task.cluster_name,
                    "ECS_SERVICE_NAME": task.group.removeprefix("service:"),
                    "ECS_TASK_DEFINITION_FAMILY": task.definition.family,
                    "AWS_INIT_HEALTH_STATUS": "HEALTHY",
                }
                if address is not None:
                    attributes["AWS_INSTANCE_IPV4"] = address
                port = registry.get("port") or registry.get("containerPort")
                if port is not None:
                    attributes["AWS_INSTANCE_PORT"] = str(port)
                _backend(task).register_instance(service.id, task.id, task.id, attributes)

    def deregister(self, task: Task) -> None:
        """Takes the task's instances out."""
        if task.task_arn in self._kept:
            return
        for registry in _registries(task):
            service = _service(task, registry)
            if service is not None and any(each.instance_id == task.id for each in service.instances):
                _backend(task).deregister_instance(service.id, task.id)


def _registries(task: Task) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = task.settings.get("serviceRegistries") or []
    return found if task.service is not None else []


def _backend(task: Task) -> Any:
    return servicediscovery_backends[task.account][task.region]


def _service(task: Task, registry: dict[str, Any]) -> Any:
    return _backend(task).services.get(str(registry.get("registryArn")).rpartition("/")[2])
