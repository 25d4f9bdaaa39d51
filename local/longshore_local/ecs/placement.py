"""Where a task of EC2 or ECS Anywhere goes: the least busy instance that is fit for it, or why there is none."""

from collections.abc import Iterable
from typing import Any

from moto.ecs.models import ecs_backends

from longshore_local.ecs.constraints import satisfies
from longshore_local.ecs.instances import Instance, needs
from longshore_local.ecs.tasks import Task

Failure = dict[str, str]
"""A `Failure` of the ECS API."""


class LaunchRefusedError(Exception):
    """Nothing was started; `failures` are what RunTask answers."""

    def __init__(self, failures: list[Failure]) -> None:
        super().__init__(", ".join(failure["reason"] for failure in failures))
        self.failures = failures


def instances_of(account: str, region: str, cluster: str) -> list[Instance]:
    """The simulator's container instances of a cluster."""
    held: Any = ecs_backends[account][region].container_instances.get(cluster, {})
    return [instance for instance in held.values() if isinstance(instance, Instance)]


def place(task: Task) -> list[Failure]:
    """Gives a task its instance; answers why none could take it, instance by instance, empty when one did."""
    candidates = [each for each in instances_of(task.account, task.region, task.cluster_name) if _suits(each, task)]
    if not candidates:
        provided = task.capacity_provider_name is not None
        return [{"arn": task.cluster_arn, "reason": "EMPTY CAPACITY PROVIDER" if provided else "NO ACTIVE INSTANCES"}]
    failures: list[Failure] = []
    fit: list[Instance] = []
    for instance in candidates:
        reason = _refusal(instance, task)
        if reason is None:
            fit.append(instance)
        else:
            failures.append({"arn": instance.container_instance_arn, "reason": reason})
    if not fit:
        return failures
    put(task, min(fit, key=lambda instance: len(instance.tasks)))
    return []


def put(task: Task, instance: Instance) -> None:
    """Puts a task onto an instance."""
    task.container_instance_arn = instance.container_instance_arn
    task.host = instance.ec2_instance_id
    task.zone = instance.zone
    task.unplaced = False


def pin(task: Task) -> None:
    """Completes a task that was ordered onto one instance, as StartTask does."""
    for instance in instances_of(task.account, task.region, task.cluster_name):
        if instance.container_instance_arn == task.container_instance_arn:
            put(task, instance)


def _suits(instance: Instance, task: Task) -> bool:
    if instance.status != "ACTIVE" or instance.external != (task.launch_type == "EXTERNAL"):
        return False
    return task.capacity_provider_name in (None, instance.capacity_provider_name)


def _refusal(instance: Instance, task: Task) -> str | None:
    if not instance.agent_connected:
        return "AGENT"
    for constraint in _constraints(task):
        if constraint.get("type") == "memberOf" and not satisfies(instance, str(constraint.get("expression"))):
            return "MemberOf placement constraint unsatisfied."
        if constraint.get("type") == "distinctInstance" and any(each.group == task.group for each in instance.tasks):
            return "DistinctInstance placement constraint unsatisfied."
    (cpu, memory), (free_cpu, free_memory) = needs(task), instance.free
    if memory > free_memory:
        return "RESOURCE:MEMORY"
    return "RESOURCE:CPU" if cpu > free_cpu else None


def _constraints(task: Task) -> Iterable[dict[str, Any]]:
    return [*(task.settings.get("placementConstraints") or []), *(task.definition.placement_constraints or [])]
