"""From the AWS calls of recover to the IAM requests that AWS makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tests.template.iam import Request

if TYPE_CHECKING:
    from tests.template.requests import Place

Requests = Iterator[Request]
Mapped = Callable[[Mapping[str, Any], "Place"], Requests]


def _name(cluster: str) -> str:
    return cluster.rpartition("/")[2] or "default"


def _of_cluster(kind: str, action: str, member: str) -> Mapped:
    """On tasks or container instances, by ARN or id."""

    def of(params: Mapping[str, Any], place: Place) -> Requests:
        for each in params[member] if isinstance(params[member], list) else [params[member]]:
            arn = each if each.startswith("arn:") else place.arn("ecs", f"{kind}/{_name(params['cluster'])}/{each}")
            yield Request(f"ecs:{action}", arn, place.tagged(arn))

    return of


def _clusters(action: str, member: str) -> Mapped:
    def of(params: Mapping[str, Any], place: Place) -> Requests:
        for each in params[member] if isinstance(params[member], list) else [params[member]]:
            yield Request(f"ecs:{action}", each if each.startswith("arn:") else place.arn("ecs", f"cluster/{each}"))

    return of


def _run_task(params: Mapping[str, Any], place: Place) -> Requests:
    definition = params["taskDefinition"]
    yield Request("ecs:RunTask", definition, place.tagged(definition))
    if params.get("tags"):
        path = f"task/{_name(params['cluster'])}/*"
        yield Request("ecs:TagResource", place.arn("ecs", path), {"ecs:CreateAction": "RunTask"})
    own = place.roles.get(definition, {})
    for member in ("taskRoleArn", "executionRoleArn"):
        if role := params.get("overrides", {}).get(member) or own.get(member):
            yield Request("iam:PassRole", role, {"iam:PassedToService": "ecs-tasks.amazonaws.com"})


def _list_tasks(params: Mapping[str, Any], place: Place) -> Requests:
    instance = params.get("containerInstance")
    yield Request("ecs:ListTasks", instance if instance and instance.startswith("arn:") else "*")


def _providers(params: Mapping[str, Any], place: Place) -> Requests:
    for each in params["capacityProviders"]:
        arn = each if each.startswith("arn:") else place.arn("ecs", f"capacity-provider/{each}")
        yield Request("ecs:DescribeCapacityProviders", arn)


def _log_stream(params: Mapping[str, Any], place: Place) -> Requests:
    path = f"log-group:{params['logGroupName']}:log-stream:{params['logStreamName']}"
    yield Request("logs:GetLogEvents", place.arn("logs", path))


def _schedule(params: Mapping[str, Any], place: Place) -> Requests:
    path = f"schedule/{params.get('GroupName', 'default')}/{params['Name']}"
    yield Request("scheduler:GetSchedule", place.arn("scheduler", path))


def _rule(action: str, member: str) -> Mapped:
    def of(params: Mapping[str, Any], place: Place) -> Requests:
        yield Request(f"events:{action}", place.arn("events", f"rule/{params[member]}"))

    return of


def _discovery(action: str) -> Mapped:
    def of(params: Mapping[str, Any], place: Place) -> Requests:
        yield Request(f"servicediscovery:{action}", place.arn("servicediscovery", f"service/{params['ServiceId']}"))

    return of


def _anything(action: str) -> Mapped:
    def of(_params: Mapping[str, Any], _place: Place) -> Requests:
        yield Request(action, "*")

    return of


CALLS: Mapping[tuple[str, str], Mapped] = {
    ("ecs", "RunTask"): _run_task,
    ("ecs", "StopTask"): _of_cluster("task", "StopTask", "task"),
    ("ecs", "DescribeTasks"): _of_cluster("task", "DescribeTasks", "tasks"),
    ("ecs", "GetTaskProtection"): _of_cluster("task", "GetTaskProtection", "tasks"),
    ("ecs", "ListTasks"): _list_tasks,
    ("ecs", "ListClusters"): _anything("ecs:ListClusters"),
    ("ecs", "DescribeClusters"): _clusters("DescribeClusters", "clusters"),
    ("ecs", "ListContainerInstances"): _clusters("ListContainerInstances", "cluster"),
    ("ecs", "DescribeContainerInstances"): _of_cluster(
        "container-instance", "DescribeContainerInstances", "containerInstances"
    ),
    ("ecs", "UpdateContainerInstancesState"): _of_cluster(
        "container-instance", "UpdateContainerInstancesState", "containerInstances"
    ),
    ("ecs", "DescribeCapacityProviders"): _providers,
    ("ec2", "DescribeNetworkInterfaces"): _anything("ec2:DescribeNetworkInterfaces"),
    ("ec2", "DescribeInstanceStatus"): _anything("ec2:DescribeInstanceStatus"),
    ("ssm", "DescribeInstanceInformation"): _anything("ssm:DescribeInstanceInformation"),
    ("logs", "GetLogEvents"): _log_stream,
    ("scheduler", "GetSchedule"): _schedule,
    ("scheduler", "ListSchedules"): _anything("scheduler:ListSchedules"),
    ("events", "ListTargetsByRule"): _rule("ListTargetsByRule", "Rule"),
    ("events", "DescribeRule"): _rule("DescribeRule", "Name"),
    ("servicediscovery", "ListServices"): _anything("servicediscovery:ListServices"),
    ("servicediscovery", "ListInstances"): _discovery("ListInstances"),
    ("servicediscovery", "DeregisterInstance"): _discovery("DeregisterInstance"),
}
