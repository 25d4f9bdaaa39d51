"""A CloudFormation stack in a scenario: a team declares its service there, and deploys it again."""

import json

from longshore_local.demo.stage import BREAKER, CLUSTER, Stage

_NAME = "shop-web"


class Stack:
    """A stack with one Fargate service; the image is its parameter."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._client = stage.client("cloudformation")
        self._size = 256

    def create(self, image: str, policy: str) -> None:
        """Creates the stack, waits until its service is steady, and opens the story with it."""
        self._stage.client("ecs").create_cluster(clusterName=CLUSTER)
        template = json.dumps(_template(policy))
        self._client.create_stack(StackName=_NAME, TemplateBody=template, Parameters=self._given(image))
        self._stage.wait(minutes=2)
        self._stage.narrator.speak()
        told = f"declare the service {CLUSTER}/web in the stack {_NAME}, tagged longshore:policy = {policy}"
        self._stage.narrator.say("You", f"{told}: {self._stage.describe()}")

    def deploy(self, image: str, note: str) -> None:
        """The team deploys its stack, for another reason than the image, and it is told."""
        self._size = 768 - self._size
        self._stage.narrator.say("You", f"deploy the stack {_NAME} ({note})")
        self._client.update_stack(StackName=_NAME, UsePreviousTemplate=True, Parameters=self._given(image))

    def _given(self, image: str) -> list[dict[str, str]]:
        given = {"WebImage": image, "Size": str(self._size)}
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]


def _template(policy: str) -> dict[str, object]:
    breaker = BREAKER["deploymentCircuitBreaker"]
    service = {
        "Cluster": CLUSTER,
        "ServiceName": "web",
        "TaskDefinition": {"Ref": "Definition"},
        "DesiredCount": 2,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"], "SecurityGroups": ["sg-1"]}},
        "DeploymentConfiguration": {
            "DeploymentCircuitBreaker": {"Enable": breaker["enable"], "Rollback": breaker["rollback"]}
        },
        "Tags": [{"Key": "longshore:policy", "Value": policy}],
    }
    definition = {
        "Family": "web",
        "ContainerDefinitions": [{"Name": "web", "Image": {"Ref": "WebImage"}}],
        "RequiresCompatibilities": ["FARGATE"],
        "NetworkMode": "awsvpc",
        "Cpu": {"Ref": "Size"},
        "Memory": "1024",
    }
    return {
        "Parameters": {"WebImage": {"Type": "String"}, "Size": {"Type": "String"}},
        "Resources": {
            "Definition": {"Type": "AWS::ECS::TaskDefinition", "Properties": definition},
            "Service": {"Type": "AWS::ECS::Service", "Properties": service},
        },
    }
