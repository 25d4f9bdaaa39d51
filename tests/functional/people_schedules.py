"""Scheduled tasks on a stage: who makes rules and schedules, and what their runs run."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from tests.functional.stage import ACCOUNT, CLUSTER, REGION, Stage, uri

if TYPE_CHECKING:
    from longshore_local.ecs.endings import FailureMode

CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/workloads/starter"
LAUNCH: dict[str, Any] = {
    "LaunchType": "FARGATE",
    "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-1"]}},
}
_STAGES = count(1)
RUNTIME = {"runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}}


class Scheduled:
    """What people do with scheduled tasks beside Longshore. Every run of an image ends well unless it is told to fail."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._families: set[str] = set()
        self._family = f"nightly-{next(_STAGES)}"  # no two revisions ever share an ARN
        self.events, self.scheduler = stage.client("events"), stage.client("scheduler")

    def definition(self, image: str, family: str = "", **members: Any) -> str:
        """A revision that declares an image by its tag; of the stage's own family unless another is named."""
        family = family or self._family
        self._ends_well(family)
        self._stage.run(minutes=1)  # what was pushed before is what its tag stands for
        return self._stage.register(family, uri(image), **{**RUNTIME, **members})

    def written(self, image: str, family: str = "") -> str:
        """A revision as Longshore leaves it with `write: digest`: the digest, and what people call it."""
        repository, _, tag = image.partition(":")
        found = self._stage.ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
        tags = [{"key": "longshore:tag", "value": f"app={tag}"}]
        return self.definition(f"{repository}@{found['imageDetails'][0]['imageDigest']}", family, tags=tags)

    def _ends_well(self, family: str) -> None:
        """Its tasks do their work and exit, unless a later order makes them fail."""
        if family not in self._families:
            self._stage.bundle.ecs.fail(family, "exit-0")
            self._families.add(family)

    def fail(self, digest: str, mode: FailureMode = "exit-1") -> None:
        """Tasks of this image fail."""
        self._stage.bundle.ecs.fail(digest, mode)

    def running(self, definition: str) -> str:
        """The digest that a revision's runs get: the one that is written, or that of the last run."""
        image = self.image(definition)
        if "@" in image:
            return image.partition("@")[2]
        arns = []
        for status in ("RUNNING", "STOPPED"):
            arns += self._stage.ecs.list_tasks(cluster=CLUSTER, desiredStatus=status)["taskArns"]
        tasks = self._stage.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
        runs = [task for task in tasks if task["taskDefinitionArn"] == definition]
        newest = max(runs, key=lambda task: task["createdAt"])
        return str(newest["containers"][0]["imageDigest"])

    def rule(
        self,
        definition: str,
        policy: str | None,
        name: str = "nightly",
        *,
        expression: str = "rate(5 minutes)",
        **members: Any,
    ) -> str:
        """A rule with one ECS target, or with `targets`. Answers its ARN; what led there is forgotten."""
        targets = members.pop("targets", [self.target(definition)])
        tags = [{"Key": "longshore:policy", "Value": policy}] if policy is not None else []
        when = {} if "EventPattern" in members else {"ScheduleExpression": expression}
        arn = str(self.events.put_rule(Name=name, Tags=tags, **when, **members)["RuleArn"])
        bus = {"EventBusName": members["EventBusName"]} if "EventBusName" in members else {}
        self.events.put_targets(Rule=name, Targets=targets, **bus)
        self._settle("events", "rule", arn, policy)
        return arn

    def target(self, definition: str, id: str = "run", **members: Any) -> dict[str, Any]:
        """An ECS target of a rule."""
        parameters = {**LAUNCH, "TaskDefinitionArn": definition}
        return {"Id": id, "Arn": CLUSTER_ARN, "RoleArn": ROLE, "EcsParameters": parameters, **members}

    def schedule(
        self, definition: str, policy: str | None, name: str = "nightly", group: str = "jobs", **members: Any
    ) -> str:
        """A schedule in a group of its own, which carries the policy."""
        tags = [{"Key": "longshore:policy", "Value": policy}] if policy is not None else []
        if group not in {g["Name"] for g in self.scheduler.list_schedule_groups()["ScheduleGroups"]}:
            self.scheduler.create_schedule_group(Name=group, Tags=tags)
        target = self.target(definition)
        del target["Id"]
        request = {
            "ScheduleExpression": "rate(5 minutes)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": target,
            **members,
        }
        arn = self.scheduler.create_schedule(Name=name, GroupName=group, **request)["ScheduleArn"]
        group_arn = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{group}"
        self._settle("scheduler", "schedule-group", group_arn, policy)
        return str(arn)

    def _settle(self, service: str, kind: str, arn: str, policy: str | None) -> None:
        """AWS tells of the tags, and the first run takes place."""
        if policy is not None:
            tags = {"longshore:policy": policy}
            detail = {
                "changed-tag-keys": list(tags),
                "service": service,
                "resource-type": kind,
                "version": 1,
                "tags": tags,
            }
            self._stage.emit("aws.tag", "Tag Change on Resource", detail, arn)
        self._stage.run(minutes=7)
        self._stage.forget()

    def moved(self) -> list[str]:
        """How often functions of the stack moved a rule or a schedule."""
        calls = self._stage.bundle.recorder.calls
        return [c.operation for c in calls if c.operation in ("PutTargets", "UpdateSchedule") and not c.error]

    def rule_target(self, name: str = "nightly", **bus: str) -> dict[str, Any]:
        """The rule's only target."""
        (target,) = self.events.list_targets_by_rule(Rule=name, **bus)["Targets"]
        return dict(target)

    def image(self, definition: str) -> str:
        """The image that a revision declares, without its registry."""
        found = self._stage.ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
        return str(found["containerDefinitions"][0]["image"]).partition("/")[2]

    def scheduled_target(self, name: str = "nightly", group: str = "jobs") -> dict[str, Any]:
        """The schedule's target."""
        return dict(self.scheduler.get_schedule(Name=name, GroupName=group)["Target"])
