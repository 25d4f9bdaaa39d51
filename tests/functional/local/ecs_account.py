"""An account with one cluster on the simulated ECS, for the tests of the simulator."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from longshore_local import moto_ecs
from longshore_local.timeline import VirtualTimeline

ACCOUNT = "123456789012"
REGION = "eu-west-1"
IMAGE = "registry.example/web:prod"
A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}


class EcsAccount:
    """Clients, the clock, the simulator and the events that came out of it."""

    def __init__(self) -> None:
        self.timeline = VirtualTimeline()
        self.events: list[dict[str, Any]] = []
        self.simulator = moto_ecs.install(self.timeline, self.events.append)
        self.ecs = boto3.client("ecs", region_name=REGION)
        self.tagging = boto3.client("resourcegroupstaggingapi", region_name=REGION)
        self.ecs.create_cluster(clusterName="shop")
        self.simulator.add_image(IMAGE, A)
        self.register()

    def register(self, family: str = "web", **members: Any) -> str:
        container = {"name": "web", "image": IMAGE, **members.pop("container", {})}
        request = {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"}
        answer = self.ecs.register_task_definition(family=family, containerDefinitions=[container], **request | members)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def create(self, name: str = "web", **members: Any) -> dict[str, Any]:
        request: dict[str, Any] = {
            "taskDefinition": "web",
            "desiredCount": 2,
            "launchType": "FARGATE",
            "networkConfiguration": NETWORK,
            **members,
        }
        given = {key: value for key, value in request.items() if value is not None}
        created: dict[str, Any] = self.ecs.create_service(cluster="shop", serviceName=name, **given)["service"]
        return created

    def steady(self, name: str = "web", **members: Any) -> dict[str, Any]:
        """A service whose first deployment is over, and whose events are forgotten."""
        self.create(name, **members)
        self.run(60)
        self.events.clear()
        return self.service(name)

    def update(self, name: str = "web", **members: Any) -> dict[str, Any]:
        updated: dict[str, Any] = self.ecs.update_service(cluster="shop", service=name, **members)["service"]
        return updated

    def push(self, digest: str) -> None:
        self.simulator.add_image(IMAGE, digest)

    def run(self, seconds: float) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(seconds=seconds))

    def service(self, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = self.ecs.describe_services(cluster="shop", services=[name], include=["TAGS"])[
            "services"
        ][0]
        return found

    def deployment(self, name: str = "web", index: int = 0) -> dict[str, Any]:
        """A service deployment, the newest by default."""
        briefs = self.ecs.list_service_deployments(cluster="shop", service=name)["serviceDeployments"]
        arns = [briefs[index]["serviceDeploymentArn"]]
        found: dict[str, Any] = self.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"][
            0
        ]
        return found

    def statuses(self, name: str = "web") -> list[str]:
        briefs = self.ecs.list_service_deployments(cluster="shop", service=name)["serviceDeployments"]
        return [brief["status"] for brief in briefs]

    def running_digests(self, name: str = "web") -> list[str]:
        """What DescribeServiceRevisions says of the current revisions."""
        arns = [revision["arn"] for revision in self.service(name)["currentServiceRevisions"]]
        revisions = self.ecs.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"]
        return [image["imageDigest"] for revision in revisions for image in revision.get("containerImages", [])]

    def tasks(self, name: str = "web", **filters: Any) -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster="shop", serviceName=name, **filters)["taskArns"]
        if not arns:
            return []
        found: list[dict[str, Any]] = self.ecs.describe_tasks(cluster="shop", tasks=arns, include=["TAGS"])["tasks"]
        return found

    def told(self, detail_type: str = "ECS Deployment State Change") -> list[str]:
        return [
            e["detail"]["eventName"].removeprefix("SERVICE_") for e in self.events if e["detail-type"] == detail_type
        ]

    def of_type(self, detail_type: str) -> list[dict[str, Any]]:
        return [json.loads(json.dumps(event)) for event in self.events if event["detail-type"] == detail_type]

    def error(self, operation: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as raised:
            getattr(self.ecs, operation)(**request)
        error = raised.value.response["Error"]
        return str(error["Code"]), str(error["Message"])


@contextmanager
def opened() -> Iterator[EcsAccount]:
    """An account for as long as the block lasts."""
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        account = EcsAccount()
        try:
            yield account
        finally:
            account.simulator.uninstall()
