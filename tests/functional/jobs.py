"""What the tests of recover say: who runs tasks that no service keeps, how they end, and what then lives in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.functional.stage import CLUSTER, ROLE, Stage, uri

OPTED_IN = {"longshore:recover": "auto"}
IDEMPOTENT = {**OPTED_IN, "longshore:retry": "idempotent"}
LINEAGE = ("longshore:root-task", "longshore:parent-task", "longshore:attempt", "longshore:class")
OF_ONE_LIFE = frozenset(
    {
        "attachments",
        "availabilityZone",
        "connectivity",
        "connectivityAt",
        "containers",
        "createdAt",
        "desiredStatus",
        "executionStoppedAt",
        "healthStatus",
        "lastStatus",
        "pullStartedAt",
        "pullStoppedAt",
        "startedAt",
        "stopCode",
        "stoppedAt",
        "stoppedReason",
        "stoppingAt",
        "taskArn",
        "version",
    }
)
"""Members of a task that tell of its life, not of how it was launched."""


class Jobs:
    """A family of tasks in a network of three zones, and those who run and stop them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.ecs, self.faults = stage.ecs, stage.bundle.ecs
        stage.push("v1", "job")
        ec2 = stage.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [f"{stage.bundle.region}{letter}" for letter in "abc"]
        self.subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for number, zone in enumerate(zones)
        ]
        self.groups = [ec2.create_security_group(GroupName="jobs", Description="jobs", VpcId=vpc)["GroupId"]]
        self.ecs.put_cluster_capacity_providers(
            cluster=CLUSTER, capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=[]
        )

    # -- what people do ---------------------------------------------------------------------------------------------

    def family(self, tags: Mapping[str, str] = IDEMPOTENT, name: str = "etl", **members: Any) -> str:
        """A task definition with these tags; answers its ARN."""
        given = [{"key": key, "value": value} for key, value in tags.items()]
        request = {"executionRoleArn": ROLE, "taskRoleArn": ROLE, **members}
        return self.stage.register(name, uri("web:v1"), **({"tags": given} if given else {}), **request)

    def run(self, definition: str, **members: Any) -> str:
        """Somebody runs one task; answers its ARN."""
        network = {"subnets": self.subnets, "securityGroups": self.groups, "assignPublicIp": "ENABLED"}
        request: dict[str, Any] = {"networkConfiguration": {"awsvpcConfiguration": network}, **members}
        if "capacityProviderStrategy" not in request:
            request.setdefault("launchType", "FARGATE")
        answer = self.ecs.run_task(cluster=CLUSTER, taskDefinition=definition, **request)
        assert answer["failures"] == [], answer["failures"]
        return str(answer["tasks"][0]["taskArn"])

    def minutes(self, minutes: float) -> None:
        """Lets time pass."""
        self.stage.run(minutes=minutes)

    # -- what came of it --------------------------------------------------------------------------------------------

    def task(self, arn: str) -> dict[str, Any]:
        """One task with its tags as a mapping."""
        (found,) = self.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn], include=["TAGS"])["tasks"]
        return {**found, "tags": {tag["key"]: tag["value"] for tag in found.get("tags", [])}}

    def tasks(self, status: str | None = None) -> list[str]:
        """Every task of the cluster that ECS still shows, or those meant to be so."""
        wanted = [status] if status else ["RUNNING", "STOPPED"]
        return [arn for each in wanted for arn in self.ecs.list_tasks(cluster=CLUSTER, desiredStatus=each)["taskArns"]]

    def replacements(self, of: str) -> list[dict[str, Any]]:
        """The tasks that were launched in place of one, in order of their attempts."""
        found = [self.task(arn) for arn in self.tasks() if arn != of]
        ours = [each for each in found if each["tags"].get("longshore:root-task") == of]
        return sorted(ours, key=lambda each: int(each["tags"]["longshore:attempt"]))

    def replacement(self, of: str) -> dict[str, Any]:
        """The only one."""
        (found,) = self.replacements(of)
        return found

    def launch(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """How a task was launched: all that it tells but of its own life, its lineage apart."""
        told = {key: value for key, value in task.items() if key not in OF_ONE_LIFE and key != "tags"}
        interface = {each["name"]: each["value"] for each in (task["attachments"] or [{"details": []}])[0]["details"]}
        tags = {key: value for key, value in task["tags"].items() if key not in LINEAGE}
        return {**told, "subnet": interface.get("subnetId"), "tags": tags}

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The details of what Longshore told of one kind."""
        return self.stage.events(kind)

    def launches(self) -> int:
        """How many tasks functions asked ECS to run."""
        return self.stage.bundle.recorder.count("ecs", "RunTask")
