"""Services that a CloudFormation stack declares, on a stage: who makes and updates the stack, and what it holds."""

from __future__ import annotations

import json
from typing import Any

from tests.functional.stage import ACCOUNT, BREAKER, CLUSTER, NETWORK, Stage, uri

NAME = "shop-web"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploys-shop-web"
ARN = f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stack/{NAME}/"


def _capital(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: _capital(each) for key, each in value.items()}
    return value


def template(policy: str, **service: Any) -> dict[str, Any]:
    """One service and its task definition; the image is a parameter, the size another."""
    properties = {
        "Cluster": CLUSTER,
        "ServiceName": "web",
        "TaskDefinition": {"Ref": "Definition"},
        "DesiredCount": 2,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": _capital(NETWORK),
        "DeploymentConfiguration": _capital(BREAKER),
        "Tags": [{"Key": "longshore:policy", "Value": policy}],
        **service,
    }
    definition = {
        "Family": "web",
        "ContainerDefinitions": [{"Name": "app", "Image": {"Ref": "WebImage"}}],
        "RequiresCompatibilities": ["FARGATE"],
        "NetworkMode": "awsvpc",
        "Cpu": {"Ref": "Size"},
        "Memory": "512",
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {"WebImage": {"Type": "String"}, "Size": {"Type": "String", "Default": "256"}},
        "Resources": {
            "Definition": {"Type": "AWS::ECS::TaskDefinition", "Properties": definition},
            "Service": {"Type": "AWS::ECS::Service", "Properties": properties},
        },
    }


def create(client: Any, image: str, policy: str, role: str | None = ROLE, **service: Any) -> None:
    """Creates the stack."""
    given = {"RoleARN": role} if role else {}
    client.create_stack(
        StackName=NAME,
        TemplateBody=json.dumps(template(policy, **service)),
        Parameters=[
            {"ParameterKey": "WebImage", "ParameterValue": image},
            {"ParameterKey": "Size", "ParameterValue": "512"},
        ],
        Capabilities=["CAPABILITY_IAM"],
        **given,
    )


class Stacks:
    """What a team does with its stack beside Longshore."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.client = stage.client("cloudformation")

    def create(self, image: str, policy: str, *, role: str | None = ROLE, **service: Any) -> None:
        """Creates the stack; its service becomes steady, and what led there is forgotten."""
        create(self.client, uri(image), policy, role, **service)
        self._stage.run(minutes=15, until=self._stage.steady)
        self._stage.run(minutes=2)
        self._stage.forget()

    def update(self, image: str, size: str = "256") -> None:
        """The team deploys the stack with an image, and with a size: CloudFormation refuses an update of nothing."""
        self.client.update_stack(
            StackName=NAME,
            UsePreviousTemplate=True,
            Parameters=[
                {"ParameterKey": "WebImage", "ParameterValue": uri(image)},
                {"ParameterKey": "Size", "ParameterValue": size},
            ],
            Capabilities=["CAPABILITY_IAM"],
        )

    def parameters(self) -> dict[str, str]:
        """The stack's parameters."""
        found = self.client.describe_stacks(StackName=NAME)["Stacks"][0]["Parameters"]
        return {each["ParameterKey"]: each["ParameterValue"] for each in found}
