"""From the AWS calls about Express services and daemons to the IAM requests that AWS makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tests.template.iam import Request

if TYPE_CHECKING:
    from tests.template.requests import Place

Requests = Iterator[Request]
Mapped = Callable[[Mapping[str, Any], "Place"], Requests]

_PART = re.compile(r"(?P<prefix>arn:.*):daemon-(?:deployment|revision)/(?P<path>[^/]+/[^/]+)/[^/]+")


def _on(action: str, member: str) -> Mapped:
    """On what a member names by its ARN."""

    def of(params: Mapping[str, Any], place: Place) -> Requests:
        yield Request(f"ecs:{action}", params[member], place.tagged(params[member]))

    return of


def _part(action: str, member: str) -> Mapped:
    """Of a daemon's deployment or revision: on itself and on its daemon, as ECS has it for those of services."""

    def of(params: Mapping[str, Any], place: Place) -> Requests:
        for arn in params[member]:
            found = _PART.fullmatch(arn)
            assert found, arn
            owner = f"{found['prefix']}:daemon/{found['path']}"
            yield Request(f"ecs:{action}", arn, place.tagged(owner))
            yield Request(f"ecs:{action}", owner, place.tagged(owner))

    return of


def _definition(params: Mapping[str, Any], place: Place) -> Requests:
    name = params["daemonTaskDefinition"]
    arn = name if name.startswith("arn:") else place.arn("ecs", f"daemon-task-definition/{name}:*")
    yield Request("ecs:DescribeDaemonTaskDefinition", arn)


def _registered(params: Mapping[str, Any], place: Place) -> Requests:
    arn = place.arn("ecs", f"daemon-task-definition/{params['family']}:*")
    yield Request("ecs:RegisterDaemonTaskDefinition", arn)
    if params.get("tags"):
        yield Request("ecs:TagResource", arn, {"ecs:CreateAction": "RegisterDaemonTaskDefinition"})
    for member in ("taskRoleArn", "executionRoleArn"):
        if params.get(member):
            yield Request("iam:PassRole", params[member], {"iam:PassedToService": "ecs-tasks.amazonaws.com"})


def _anything(action: str) -> Mapped:
    def of(_params: Mapping[str, Any], _place: Place) -> Requests:
        yield Request(f"ecs:{action}", "*")

    return of


def _tagged(params: Mapping[str, Any], place: Place) -> Requests:
    (tag,) = params["tags"]  # the evaluator compares one value
    keys = {**place.tagged(params["resourceArn"]), "aws:TagKeys": tag["key"]}
    yield Request("ecs:TagResource", params["resourceArn"], keys)


def _express(params: Mapping[str, Any], place: Place) -> Requests:
    """ECS registers the task definition in the caller's name, who therefore passes its roles."""
    arn = params["serviceArn"]
    yield Request("ecs:UpdateExpressGatewayService", arn, place.tagged(arn))
    if "primaryContainer" in params:
        yield Request("ecs:RegisterTaskDefinition", place.arn("ecs", "task-definition/express:*"))
        for role in place.roles.get(arn, {}).values():
            yield Request("iam:PassRole", role, {"iam:PassedToService": "ecs-tasks.amazonaws.com"})


EXPRESS_AND_DAEMONS: Mapping[tuple[str, str], Mapped] = {
    ("ecs", "DescribeExpressGatewayService"): _on("DescribeExpressGatewayService", "serviceArn"),
    ("ecs", "UpdateExpressGatewayService"): _express,
    ("ecs", "TagResource"): _tagged,
    ("ecs", "ListTagsForResource"): _on("ListTagsForResource", "resourceArn"),
    ("ecs", "ListDaemons"): _anything("ListDaemons"),
    ("ecs", "DescribeDaemon"): _on("DescribeDaemon", "daemonArn"),
    ("ecs", "UpdateDaemon"): _on("UpdateDaemon", "daemonArn"),
    ("ecs", "ListDaemonDeployments"): _on("ListDaemonDeployments", "daemonArn"),
    ("ecs", "DescribeDaemonDeployments"): _part("DescribeDaemonDeployments", "daemonDeploymentArns"),
    ("ecs", "DescribeDaemonRevisions"): _part("DescribeDaemonRevisions", "daemonRevisionArns"),
    ("ecs", "DescribeDaemonTaskDefinition"): _definition,
    ("ecs", "RegisterDaemonTaskDefinition"): _registered,
}
