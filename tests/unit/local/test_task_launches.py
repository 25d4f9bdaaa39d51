"""Tasks that rules and schedules run, what CloudTrail says of refused ones, and what AWS announces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest

from longshore_local import task_launches
from longshore_local.bus import LocalBus
from longshore_local.deliveries import Deliveries
from longshore_local.schedules import Schedules
from tests.functional.local.ecs_account import ACCOUNT, NETWORK, REGION, EcsAccount, opened

CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shop"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/events"
LAUNCH: dict[str, Any] = {
    "LaunchType": "FARGATE",
    "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-1"], "AssignPublicIp": "ENABLED"}},
    "PropagateTags": "TASK_DEFINITION",
    "EnableECSManagedTags": True,
}


class Cron:
    """An account whose schedules fire."""

    def __init__(self, shop: EcsAccount) -> None:
        self.shop = shop
        deliveries = Deliveries(shop.timeline, lambda _arn, _text: None)
        self.schedules = Schedules(shop.timeline, LocalBus(shop.timeline, deliveries), deliveries, ACCOUNT, REGION)
        task_launches.connect(deliveries, lambda: shop.simulator, ACCOUNT, REGION)
        self.definition = shop.ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]["taskDefinitionArn"]
        self.events = boto3.client("events", region_name=REGION)
        self.scheduler = boto3.client("scheduler", region_name=REGION)
        self.sqs = boto3.client("sqs", region_name=REGION)

    def rule(self, name: str = "nightly", **target: Any) -> None:
        self.events.put_rule(Name=name, ScheduleExpression="rate(1 hour)")
        entry = {"Id": "1", "Arn": CLUSTER, "RoleArn": ROLE, **target}
        entry.setdefault("EcsParameters", {**LAUNCH, "TaskDefinitionArn": self.definition})
        self.events.put_targets(Rule=name, Targets=[entry])

    def fire(self) -> list[dict[str, Any]]:
        """Lets an hour pass and what is due fire; the tasks that this started."""
        self.schedules.next_due()
        self.shop.run(3600)
        self.schedules.fire_due()
        self.shop.run(30)
        arns = self.shop.ecs.list_tasks(cluster="shop")["taskArns"]
        if not arns:
            return []
        tasks: list[dict[str, Any]] = self.shop.ecs.describe_tasks(cluster="shop", tasks=arns, include=["TAGS"])[
            "tasks"
        ]
        return tasks


@pytest.fixture
def cron() -> Iterator[Cron]:
    with opened() as account:
        yield Cron(account)


def test_a_rule_runs_its_task(cron: Cron) -> None:
    overrides = {"containerOverrides": [{"name": "web", "command": ["nightly"]}]}
    cron.rule(Input=json.dumps(overrides))
    (task,) = cron.fire()
    assert (task["startedBy"], task["lastStatus"], task["group"]) == ("events-rule/nightly", "RUNNING", "family:web")
    assert task["overrides"]["containerOverrides"] == overrides["containerOverrides"]
    assert {"key": "aws:ecs:clusterName", "value": "shop"} in task["tags"]
    assert len(cron.fire()) == 2


def test_a_schedule_runs_its_tasks(cron: Cron) -> None:
    parameters = {
        **LAUNCH, "TaskDefinitionArn": cron.definition, "TaskCount": 2, "Group": "jobs", "Tags": [{"key": "a", "value": "b"}],
    }  # fmt: skip
    target = {"Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": parameters, "Input": "not json"}
    cron.scheduler.create_schedule(
        Name="report", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    tasks = cron.fire()
    assert [(task["startedBy"], task["group"]) for task in tasks] == [("chronos-schedule/report", "jobs")] * 2
    assert {"key": "a", "value": "b"} in tasks[0]["tags"]


def test_the_universal_target_runs_tasks_too(cron: Cron) -> None:
    request = {
        "TaskDefinition": "web", "Cluster": "shop", "LaunchType": "FARGATE", "NetworkConfiguration": NETWORK,
    }  # fmt: skip
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "RoleArn": ROLE, "Input": json.dumps(request)}
    cron.scheduler.create_schedule(
        Name="direct", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    (task,) = cron.fire()
    assert task["lastStatus"] == "RUNNING"
    assert not task.get("startedBy")


def test_a_refused_launch_is_seen_by_the_trail_alone(cron: Cron) -> None:
    cron.shop.simulator.use_trail()
    cron.shop.simulator.fail_next("web", "capacity")
    environment = [{"name": "TOKEN", "value": "secret"}]
    overrides = {"containerOverrides": [{"name": "web", "environment": environment}]}
    cron.rule(Input=json.dumps({**overrides, "noise": 1}))
    assert cron.fire() == []
    (event,) = cron.shop.of_type("AWS API Call via CloudTrail")
    detail = event["detail"]
    assert (event["source"], detail["eventName"], detail["userIdentity"]["invokedBy"]) == (
        "aws.ecs", "RunTask", "events.amazonaws.com",
    )  # fmt: skip
    assert detail["responseElements"]["failures"][0]["reason"].startswith("Capacity is unavailable")
    assert detail["requestParameters"]["startedBy"] == "events-rule/nightly"
    assert detail["requestParameters"]["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-1"]
    assert detail["requestParameters"]["overrides"].keys() == overrides.keys()
    assert "secret" not in json.dumps(event)
    (task,) = cron.fire()
    told = cron.shop.of_type("AWS API Call via CloudTrail")[-1]["detail"]["responseElements"]["tasks"]
    assert [each["taskArn"] for each in told] == [task["taskArn"]]


def test_what_ecs_does_not_take_is_dead(cron: Cron) -> None:
    queue = cron.sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = cron.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}]}
    cron.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    cron.shop.simulator.use_trail()
    cron.shop.ecs.deregister_task_definition(taskDefinition=cron.definition)
    cron.rule(DeadLetterConfig={"Arn": arn})
    assert cron.fire() == []
    assert len(cron.sqs.receive_message(QueueUrl=queue)["Messages"]) == 1
    (event,) = cron.shop.of_type("AWS API Call via CloudTrail")
    assert (event["detail"]["errorCode"], event["detail"]["responseElements"]) == ("ClientException", None)


def test_without_a_trail_nothing_tells(cron: Cron) -> None:
    cron.shop.simulator.fail_next("web", "capacity")
    cron.rule()
    assert cron.fire() == []
    assert cron.shop.events == []


def test_aws_services_may_start_tasks_in_their_own_way(cron: Cron) -> None:
    request = {"taskDefinition": "web", "launchType": "FARGATE", "networkConfiguration": NETWORK}
    answer = cron.shop.simulator.run_task(
        ACCOUNT, REGION, invoked_by="states.amazonaws.com", cluster="shop", startedBy="AWS Step Functions", **request
    )
    assert answer["tasks"][0]["startedBy"] == "AWS Step Functions"


def test_retirements_and_pods_are_announced(cron: Cron) -> None:
    task = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/shop/{'0' * 32}"
    cron.shop.simulator.announce_retirement(ACCOUNT, REGION, task, "shop | web", days=3)
    (event,) = cron.shop.of_type("AWS Health Event")
    assert (event["source"], event["resources"]) == ("aws.health", [task, "shop | web"])
    detail = event["detail"]
    assert detail["eventTypeCode"] == "AWS_ECS_TASK_PATCHING_RETIREMENT"
    assert [each["entityValue"] for each in detail["affectedEntities"]] == event["resources"]
    starts = (cron.shop.timeline.now() + timedelta(days=3)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert detail["startTime"] == starts
    cron.shop.simulator.announce_pod_termination(ACCOUNT, REGION, "kube", "web-1")
    (pod,) = cron.shop.of_type("EKS Fargate Pod Scheduled Termination")
    assert (pod["resources"], pod["detail"]["podName"]) == (["default/web-1"], "web-1")
    assert pod["detail"]["scheduledTerminationTime"].endswith("Z[UTC]")


def test_announcements_look_like_the_documented_ones(cron: Cron, documented: dict[str, dict[str, Any]]) -> None:
    simulator = cron.shop.simulator
    simulator.announce_retirement(ACCOUNT, REGION, f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/shop/1")
    simulator.announce_pod_termination(ACCOUNT, REGION, "kube", "web-1")
    simulator.hosts.interrupt(simulator.hosts.add(ACCOUNT, REGION, "shop"))
    for kind, sample in documented.items():
        (event,) = [each for each in cron.shop.events if each["detail-type"] == kind]
        assert event["detail"].keys() == sample["detail"].keys(), kind
        assert event.keys() == sample.keys()


@pytest.fixture
def documented() -> dict[str, dict[str, Any]]:
    """AWS's samples by detail-type."""
    from longshore_local.bundle import ROOT

    names = ("health/ecs-task-retirement-standalone", "eks/fargate-pod-scheduled-termination",
             "ec2/spot-interruption-warning")  # fmt: skip
    samples = [json.loads((ROOT / "events" / f"{name}.json").read_text()) for name in names]
    return {sample["detail-type"]: sample for sample in samples}
