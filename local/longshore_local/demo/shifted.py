"""Services under CodeDeploy in a scenario: what a team has in ECS and CodeDeploy, and what users get."""

from longshore_local.demo.sentences import short
from longshore_local.demo.stage import CLUSTER, Stage

_APPLICATION = "shop"


class Shifted:
    """ECS and CodeDeploy on a scenario's stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ecs = stage.client("ecs")
        self._code_deploy = stage.client("codedeploy")

    def create(self, name: str, image: str, policy: str) -> None:
        """Creates a tagged service of two tasks with its deployment group, and tells it."""
        self._ecs.create_cluster(clusterName=CLUSTER)
        self._ecs.register_task_definition(
            family=name,
            containerDefinitions=[{"name": name, "image": image, "portMappings": [{"containerPort": 80}]}],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )
        where = f"{self._stage.bundle.region}:{self._stage.bundle.account}"
        blue = f"arn:aws:elasticloadbalancing:{where}:targetgroup/blue/0123456789abcdef"
        self._ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=name,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}},
            deploymentController={"type": "CODE_DEPLOY"},
            loadBalancers=[{"targetGroupArn": blue, "containerName": name, "containerPort": 80}],
            tags=[{"key": "longshore:policy", "value": policy}],
        )
        self._group(name)
        self._stage.wait(minutes=2)
        self._stage.narrator.speak()
        told = f"have the service {CLUSTER}/{name} rolled out by CodeDeploy, tagged longshore:policy = {policy}"
        self._stage.narrator.say("You", f"{told}: {self.describe(name)}")

    def running(self, name: str) -> str:
        """The digest that users get: that of the primary task set's tasks."""
        service = self._ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]
        primary = next(each["id"] for each in service["taskSets"] if each["status"] == "PRIMARY")
        arns = self._ecs.list_tasks(cluster=CLUSTER, serviceName=name)["taskArns"]
        tasks = self._ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
        (digest,) = {task["containers"][0]["imageDigest"] for task in tasks if task["startedBy"] == primary}
        return str(digest)

    def describe(self, name: str) -> str:
        """What users get, in words."""
        return f"its primary task set runs {short(self.running(name))}"

    def conclude(self, name: str) -> None:
        """Tells where the service ended."""
        self._stage.narrator.say("Now", f"{name}: {self.describe(name)}")

    def _group(self, name: str) -> None:
        self._code_deploy.create_application(applicationName=_APPLICATION, computePlatform="ECS")
        self._code_deploy.create_deployment_group(
            applicationName=_APPLICATION,
            deploymentGroupName=name,
            deploymentConfigName="CodeDeployDefault.ECSAllAtOnce",
            serviceRoleArn=f"arn:aws:iam::{self._stage.bundle.account}:role/codedeploy",
            ecsServices=[{"clusterName": CLUSTER, "serviceName": name}],
        )
