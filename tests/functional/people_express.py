"""Express Mode services on a stage: who makes and updates them, and what they run."""

from __future__ import annotations

from typing import Any

from tests.functional.stage import ACCOUNT, CLUSTER, ROLE, Stage, uri

INFRASTRUCTURE = f"arn:aws:iam::{ACCOUNT}:role/infrastructure"


class Express:
    """What people do with Express services beside Longshore."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._arns: dict[str, str] = {}

    def create(
        self, name: str = "web", image: str = "web:prod", policy: str | None = "profile:steady", **members: Any
    ) -> str:
        """A steady service, tagged with a policy unless it is None; what led there is forgotten. Answers its ARN."""
        tags = [{"key": "longshore:policy", "value": policy}] if policy is not None else []
        made: dict[str, Any] = {"primaryContainer": {"image": uri(image)}, "executionRoleArn": ROLE}
        given = {key: value for key, value in {**made, **members}.items() if value is not None}
        answer = self._stage.ecs.create_express_gateway_service(
            serviceName=name, cluster=CLUSTER, infrastructureRoleArn=INFRASTRUCTURE, tags=tags, **given
        )
        self._arns[name] = answer["service"]["serviceArn"]
        self._stage.run(minutes=15, until=lambda: self._stage.steady(name))
        self._stage.run(minutes=2)
        self._stage.forget()
        return self._arns[name]

    def update(self, image: str, name: str = "web", **container: Any) -> None:
        """A person deploys an image."""
        container = {"image": uri(image), **container}
        self._stage.ecs.update_express_gateway_service(serviceArn=self._arns[name], primaryContainer=container)

    def described(self, name: str = "web") -> dict[str, Any]:
        """The configuration of the newest revision, as DescribeExpressGatewayService tells it."""
        answer = self._stage.ecs.describe_express_gateway_service(serviceArn=self._arns[name])
        found: dict[str, Any] = answer["service"]["activeConfigurations"][0]
        return found

    def writes(self) -> list[str]:
        """How functions of the stack asked for deployments."""
        asked = ("UpdateService", "UpdateExpressGatewayService")
        return [c.operation for c in self._stage.bundle.recorder.calls if c.operation in asked and not c.error]
