"""Spokes in a scenario: what a team runs in another account, or in another Region."""

from collections.abc import Mapping
from typing import Any

from longshore_local.demo.sentences import short
from longshore_local.demo.stage import CLUSTER, Stage
from longshore_local.spokes import Spoke


class Branch:
    """ECS of one spoke on a scenario's stage."""

    def __init__(self, stage: Stage, spoke: Spoke) -> None:
        self._stage = stage
        self._where = f"{spoke.account}/{spoke.region}"
        self._ecs = spoke.client("ecs")

    def create(self, image: str, policy: str, name: str = "web") -> None:
        """Creates a tagged Fargate service of two tasks there, and tells it."""
        self._ecs.create_cluster(clusterName=CLUSTER)
        definition = self._ecs.register_task_definition(
            family=name,
            containerDefinitions=[{"name": name, "image": image}],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )["taskDefinition"]["taskDefinitionArn"]
        self._ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=definition,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            tags=[{"key": "longshore:policy", "value": policy}],
        )
        self._stage.wait(minutes=2)
        self._stage.narrator.speak()
        told = f"run {CLUSTER}/{name} in {self._where} too, tagged longshore:policy = {policy}: "
        self._stage.narrator.say("You", told + short(self.running(name)))

    def running(self, name: str = "web") -> str:
        """The digest that its container runs."""
        service = self._ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]
        current: Mapping[str, Any] = max(service["currentServiceRevisions"], key=lambda r: int(r["runningTaskCount"]))
        answer = self._ecs.describe_service_revisions(serviceRevisionArns=[current["arn"]])
        return str(answer["serviceRevisions"][0]["containerImages"][0]["imageDigest"])

    def conclude(self, name: str = "web") -> None:
        """Tells where the service ended."""
        self._stage.narrator.say("Now", f"{CLUSTER}/{name} in {self._where} runs {short(self.running(name))}")
