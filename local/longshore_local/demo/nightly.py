"""Scheduled tasks in a scenario: the schedules of a team, and which image their next run takes."""

from typing import Any

from longshore_local.demo.stage import CLUSTER, Stage

_LAUNCH = {"LaunchType": "FARGATE", "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-1"]}}}


class Nightly:
    """EventBridge Scheduler on a scenario's stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._scheduler = stage.client("scheduler")

    def create(self, name: str, image: str, policy: str) -> None:
        """Creates a schedule in a tagged group, lets it run once, and tells it."""
        bundle, ecs = self._stage.bundle, self._stage.client("ecs")
        bundle.ecs.fail(name, "exit-0")  # it does its work and exits
        ecs.create_cluster(clusterName=CLUSTER)
        made = ecs.register_task_definition(
            family=name,
            containerDefinitions=[{"name": name, "image": image}],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )
        definition = made["taskDefinition"]["taskDefinitionArn"]
        target: dict[str, Any] = {
            "Arn": f"arn:aws:ecs:{bundle.region}:{bundle.account}:cluster/{CLUSTER}",
            "RoleArn": f"arn:aws:iam::{bundle.account}:role/workloads/starter",
            "EcsParameters": {**_LAUNCH, "TaskDefinitionArn": definition},
            "Input": '{"containerOverrides": []}',
        }
        tags = [{"Key": "longshore:policy", "Value": policy}]
        self._scheduler.create_schedule_group(Name="jobs", Tags=tags)
        self._scheduler.create_schedule(
            Name=name,
            GroupName="jobs",
            ScheduleExpression="rate(10 minutes)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target=target,
        )
        self._stage.wait(minutes=70)  # a sweep: Scheduler sends no events of schedules
        self._stage.narrator.speak()
        told = (
            f"have the schedule jobs/{name}, whose group is tagged longshore:policy = {policy}: {self.describe(name)}"
        )
        self._stage.narrator.say("You", told)

    def declared(self, name: str) -> str:
        """The image that the next run takes, without its registry."""
        ecs = self._stage.client("ecs")
        found = ecs.describe_task_definition(taskDefinition=self._definition(name))["taskDefinition"]
        return str(found["containerDefinitions"][0]["image"]).partition("/")[2]

    def target(self, name: str) -> dict[str, Any]:
        """The schedule's target without the revision that it names."""
        found = dict(self._scheduler.get_schedule(Name=name, GroupName="jobs")["Target"])
        kept = {key: value for key, value in found["EcsParameters"].items() if key != "TaskDefinitionArn"}
        return {**found, "EcsParameters": kept}

    def _definition(self, name: str) -> str:
        target = self._scheduler.get_schedule(Name=name, GroupName="jobs")["Target"]
        return str(target["EcsParameters"]["TaskDefinitionArn"])

    def describe(self, name: str) -> str:
        """What its target names, in words."""
        revision = self._definition(name).rpartition("/")[2]
        return f"its target names {revision}, which is {self.declared(name)[:40]}"

    def conclude(self, name: str) -> None:
        """Tells where the schedule ended."""
        self._stage.narrator.say("Now", f"jobs/{name}: {self.describe(name)}")
