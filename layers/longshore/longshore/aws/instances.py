"""Container instances and the machines behind them: ECS, EC2's status checks, Systems Manager's ping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from longshore.aws.errors import aws_errors
from longshore.errors import AccessDeniedError, GoneError, UnsupportedError
from longshore.recover.hosts import Cluster, ContainerInstance, HostState
from longshore.tasks import pairs

_CLUSTERS = 100  # DescribeClusters takes at most a hundred
_PROTECTED = 100  # GetTaskProtection too
_MOST = 1000
_SEARCHED = 10
_EXTERNAL = "ecs.capability.external"
_STOPPED = frozenset({"shutting-down", "terminated", "stopping", "stopped"})
_NOT_FOUND = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")


class EcsInstances:
    """The container instances of an account and Region."""

    def __init__(self, ecs: Any, known: Callable[[str], tuple[str, str] | None] = lambda id: None) -> None:
        """`known` answers the cluster and container instance that an EC2 instance was seen to be."""
        self._ecs = ecs
        self._known = known

    def get(self, cluster: str, arn: str) -> ContainerInstance | None:
        """DescribeContainerInstances, with tags and health."""
        try:
            with aws_errors():
                answer = self._ecs.describe_container_instances(
                    cluster=cluster, containerInstances=[arn], include=["TAGS", "CONTAINER_INSTANCE_HEALTH"]
                )
        except GoneError:
            return None
        found = next(iter(answer.get("containerInstances", [])), None)
        return None if found is None or found.get("status") == "INACTIVE" else _instance(cluster, found)

    def find(self, id: str) -> ContainerInstance | None:
        """What is known to be it; else ListContainerInstances by the EC2 id in a few clusters that have instances.

        EC2 tells of all of an account's instances, and most run no tasks of ECS: a search costs a few calls, no more.
        """
        if (known := self._known(id)) is not None and (found := self.get(*known)) is not None:
            return found
        for arn in self._hosting():
            listed = self._listed(arn, f"ec2InstanceId == {id}")
            if listed and (found := self.get(arn, listed[0])) is not None:
                return found
        return None

    def cluster(self, arn: str) -> Cluster | None:
        """DescribeClusters, and ListContainerInstances of those whose agent is away."""
        try:
            with aws_errors():
                answer = self._ecs.describe_clusters(clusters=[arn], include=["TAGS"])
        except GoneError:
            return None
        found = next((each for each in answer.get("clusters", []) if each.get("status") != "INACTIVE"), None)
        if found is None:
            return None
        count = int(found.get("registeredContainerInstancesCount", 0))
        away = len(self._listed(arn, "agentConnected == false", status="ACTIVE")) if count else 0
        return Cluster(arn, count, away, pairs(found.get("tags")))

    def repaired(self, provider: str) -> bool:
        """DescribeCapacityProviders: Managed Instances whose auto repair is on."""
        with aws_errors():
            answer = self._ecs.describe_capacity_providers(capacityProviders=[provider])
        managed = (each.get("managedInstancesProvider") or {} for each in answer.get("capacityProviders", []))
        return any((each.get("autoRepairConfiguration") or {}).get("actionsStatus") == "ENABLED" for each in managed)

    def tasks(self, cluster: str, arn: str) -> Sequence[str]:
        """ListTasks of an instance."""
        pages = self._ecs.get_paginator("list_tasks").paginate(
            cluster=cluster, containerInstance=arn, PaginationConfig={"MaxItems": _MOST}
        )
        try:
            with aws_errors():
                return [str(task) for page in pages for task in page.get("taskArns", [])]
        except GoneError:
            return []

    def protected(self, cluster: str, tasks: Sequence[str]) -> Sequence[str]:
        """GetTaskProtection, for a hundred at a time; where it may not be asked, nothing is known to be protected."""
        found: list[str] = []
        for start in range(0, len(tasks), _PROTECTED):
            try:
                with aws_errors():
                    answer = self._ecs.get_task_protection(
                        cluster=cluster, tasks=list(tasks[start : start + _PROTECTED])
                    )
            except (AccessDeniedError, GoneError, UnsupportedError):
                return found
            found += [
                str(each["taskArn"]) for each in answer.get("protectedTasks", []) if each.get("protectionEnabled")
            ]
        return found

    def drain(self, cluster: str, arn: str) -> None:
        """UpdateContainerInstancesState; ECS does not answer for an instance that it does not know."""
        with aws_errors():
            answer = self._ecs.update_container_instances_state(
                cluster=cluster, containerInstances=[arn], status="DRAINING"
            )
        for failure in answer.get("failures") or []:
            reason = str(failure.get("reason", ""))
            raise (GoneError if reason == "MISSING" else UnsupportedError)(f"{arn} is not drained: {reason}")

    def _listed(self, cluster: str, query: str, **more: str) -> list[str]:
        pages = self._ecs.get_paginator("list_container_instances").paginate(
            cluster=cluster, filter=query, PaginationConfig={"MaxItems": _MOST}, **more
        )
        try:
            with aws_errors():
                return [str(arn) for page in pages for arn in page.get("containerInstanceArns", [])]
        except GoneError:
            return []

    def _hosting(self) -> Sequence[str]:
        """Of the first hundred clusters a few that have instances."""
        with aws_errors():
            arns = self._ecs.list_clusters(maxResults=_CLUSTERS).get("clusterArns", [])
            found = self._ecs.describe_clusters(clusters=arns).get("clusters", []) if arns else []
        return [str(each["clusterArn"]) for each in found if each.get("registeredContainerInstancesCount")][:_SEARCHED]


class Machines:
    """EC2 instances, and servers of ECS Anywhere; clients are built when one is first asked."""

    def __init__(self, ec2: Callable[[], Any], ssm: Callable[[], Any]) -> None:
        self._ec2 = ec2
        self._ssm = ssm

    def state(self, id: str) -> HostState:
        """DescribeInstanceStatus, or DescribeInstanceInformation for ``mi-…``."""
        if id.startswith("mi-"):
            return self._ping(id)
        if not id.startswith("i-"):
            return HostState.UNKNOWN
        try:
            with aws_errors(gone=_NOT_FOUND):
                answer = self._ec2().describe_instance_status(
                    InstanceIds=[id], IncludeAllInstances=True, IncludeManagedResources=True
                )
        except GoneError:
            return HostState.STOPPED  # EC2 forgets an instance an hour after its end
        found = next(iter(answer.get("InstanceStatuses", [])), None)
        return HostState.UNKNOWN if found is None else _checked(found)

    def _ping(self, id: str) -> HostState:
        with aws_errors():
            answer = self._ssm().describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [id]}])
        found = next(iter(answer.get("InstanceInformationList", [])), None)
        if found is None:
            return HostState.UNKNOWN
        return HostState.WELL if found.get("PingStatus") == "Online" else HostState.SILENT


def _checked(found: Mapping[str, Any]) -> HostState:
    if (found.get("InstanceState") or {}).get("Name") in _STOPPED:
        return HostState.STOPPED
    checks = {(found.get(name) or {}).get("Status") for name in ("InstanceStatus", "SystemStatus", "AttachedEbsStatus")}
    if "impaired" in checks:
        return HostState.IMPAIRED
    return HostState.WELL if "ok" in checks else HostState.UNKNOWN


def _instance(cluster: str, found: Mapping[str, Any]) -> ContainerInstance:
    health = found.get("healthStatus") or {}
    names = {each.get("name") for each in found.get("attributes") or []}
    return ContainerInstance(
        arn=str(found["containerInstanceArn"]),
        cluster=cluster,
        id=str(found.get("ec2InstanceId") or ""),
        status=str(found.get("status") or ""),
        connected=bool(found.get("agentConnected")),
        failing=tuple(
            sorted(str(each.get("type")) for each in health.get("details") or [] if each.get("status") == "IMPAIRED")
        ),
        provider=str(found.get("capacityProviderName") or ""),
        tasks=int(found.get("runningTasksCount", 0)) + int(found.get("pendingTasksCount", 0)),
        tags=pairs(found.get("tags")),
        external=_EXTERNAL in names,
    )
