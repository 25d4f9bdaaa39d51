"""ECS services that CodeDeploy rolls out, on a stage: who makes them and deploys there, and what they run."""

from __future__ import annotations

import json
from typing import Any

from tests.functional.stage import ACCOUNT, CLUSTER, NETWORK, PASSABLE, REGION, Stage, uri

__all__ = ["APPLICATION", "CONFIGURATION", "GROUP", "PASSABLE", "CodeDeployed"]

APPLICATION = "shop"
GROUP = "web"
CONFIGURATION = "CodeDeployDefault.ECSAllAtOnce"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/codedeploy"
BLUE = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/blue/0123456789abcdef"


class CodeDeployed:
    """What people do with such services beside Longshore."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.client = stage.client("codedeploy")

    def create(
        self, image: str = "web:prod", policy: str | None = "profile:steady", *, group: bool = True, **members: Any
    ) -> str:
        """A steady service of two tasks with its group, which keeps replaced tasks for a minute. Answers its ARN.

        What led there is forgotten.
        """
        settings = {key: members.pop(key) for key in list(members) if key[0].islower() and key in _GROUP_MEMBERS}
        definition = members.pop("definition", None) or self._stage.register("web", uri(image), **members)
        arn = self._stage.service(
            "web",
            policy=policy,
            definition=definition,
            deploymentConfiguration=None,
            networkConfiguration=NETWORK,
            deploymentController={"type": "CODE_DEPLOY"},
            loadBalancers=[{"targetGroupArn": BLUE, "containerName": "app", "containerPort": 80}],
        )
        if group:
            self.group(**settings)
        self._stage.run(minutes=6)  # a search for groups is believed for five
        self._stage.forget()
        return arn

    def group(self, name: str = GROUP, application: str = APPLICATION, **settings: Any) -> None:
        """A deployment group that names the service; its application is made where there is none."""
        if application not in self.client.list_applications()["applications"]:
            self.client.create_application(applicationName=application, computePlatform="ECS")
        request: dict[str, Any] = {
            "deploymentConfigName": CONFIGURATION,
            "serviceRoleArn": ROLE,
            "ecsServices": [{"clusterName": CLUSTER, "serviceName": "web"}],
            "blueGreenDeploymentConfiguration": waits(),
            **settings,
        }
        self.client.create_deployment_group(applicationName=application, deploymentGroupName=name, **request)

    def deploy(self, image: str, **spec: Any) -> str:
        """A person deploys an image; `spec` adds to the AppSpec. Answers the deployment's id."""
        properties = {
            "TaskDefinition": self._stage.register("web", uri(image)),
            "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 80},
        }
        resource = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
        content = json.dumps({"version": 0.0, "Resources": [resource], **spec})
        answer = self.client.create_deployment(
            applicationName=APPLICATION,
            deploymentGroupName=GROUP,
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
        )
        return str(answer["deploymentId"])

    def primary(self) -> dict[str, Any]:
        """The task set that serves."""
        (found,) = [each for each in self._stage.described()["taskSets"] if each["status"] == "PRIMARY"]
        return dict(found)

    def running(self) -> str:
        """The digest that the tasks of the primary task set run; they must agree."""
        ecs, primary = self._stage.ecs, self.primary()["id"]
        arns = ecs.list_tasks(cluster=CLUSTER, serviceName="web")["taskArns"]
        tasks = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
        mine = [task for task in tasks if task["startedBy"] == primary]
        (digest,) = {container["imageDigest"] for task in mine for container in task["containers"]}
        return str(digest)

    def deployments(self) -> list[dict[str, Any]]:
        """Every deployment of the group, the oldest first."""
        ids = self.client.list_deployments(applicationName=APPLICATION, deploymentGroupName=GROUP)["deployments"]
        return [self.client.get_deployment(deploymentId=id)["deploymentInfo"] for id in reversed(ids)]

    def spec(self, deployment: dict[str, Any]) -> dict[str, Any]:
        """The AppSpec of a deployment."""
        answer = self.client.get_application_revision(
            applicationName=deployment["applicationName"], revision=deployment["revision"]
        )
        spec: dict[str, Any] = json.loads(answer["revision"]["appSpecContent"]["content"])
        return spec

    def writes(self) -> list[str]:
        """What functions of the stack did to CodeDeploy, refused calls left out."""
        calls = [call for call in self._stage.bundle.recorder.calls if call.service == "codedeploy" and not call.error]
        changing = ("CreateDeployment", "StopDeployment", "ContinueDeployment")
        return [call.operation for call in calls if call.operation in changing]


_GROUP_MEMBERS = ("blueGreenDeploymentConfiguration", "deploymentConfigName", "alarmConfiguration")


def waits(termination: int = 1, *, ready: int | None = None) -> dict[str, Any]:
    """How long replaced tasks are kept, and how long somebody may take to move the traffic; both in minutes."""
    option = {"actionOnTimeout": "CONTINUE_DEPLOYMENT"}
    if ready is not None:
        option = {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": ready}  # type: ignore[dict-item]
    return {
        "terminateBlueInstancesOnDeploymentSuccess": {
            "action": "TERMINATE",
            "terminationWaitTimeInMinutes": termination,
        },
        "deploymentReadyOption": option,
    }
