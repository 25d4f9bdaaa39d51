"""Instances and retirements on the local bundle (recover 2.4 E1, 5 O4, O5)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.jobs import Jobs
from tests.functional.stage import ACCOUNT, CLUSTER, REGION, uri

if TYPE_CHECKING:
    from tests.functional.stage import Stage

PARAMETERS = {"RecoverMode": "auto"}
AUTO = [{"key": "longshore:recover", "value": "auto"}]
IDEMPOTENT = [*AUTO, {"key": "longshore:retry", "value": "idempotent"}]


@pytest.fixture
def fleet(stage: Stage) -> list[str]:
    """Four instances that opted in."""
    return [stage.bundle.ecs.hosts.add(ACCOUNT, REGION, CLUSTER, tags=AUTO) for _ in range(4)]


def status(stage: Stage, arn: str) -> str:
    found = stage.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=[arn])
    return str(found["containerInstances"][0]["status"])


def job(stage: Stage, tags: list[dict[str, str]], **members: Any) -> str:
    stage.push("prod", "first", repository="job")
    return stage.register("job", uri("job:prod"), tags=tags, **members)


def test_an_instance_whose_machine_is_dead_is_drained_and_told_once(stage: Stage, fleet: list[str]) -> None:
    hosts = stage.bundle.ecs.hosts
    hosts.fail_status_checks(fleet[0])
    hosts.disconnect(fleet[0])
    hosts.repeat(fleet[0])
    stage.run(minutes=4)
    assert status(stage, fleet[0]) == "ACTIVE"
    stage.run(minutes=3)
    assert status(stage, fleet[0]) == "DRAINING"
    (told,) = stage.events("Task Failed")
    assert (told["class"], told["reason"], told["root_task"]) == ("E1", "agent-lost", fleet[0])
    stage.run(minutes=40)
    assert len(stage.events("Task Failed")) == 1
    assert stage.failures() == []


def test_an_agent_that_comes_back_provokes_nothing(stage: Stage, fleet: list[str]) -> None:
    stage.bundle.ecs.hosts.disconnect(fleet[0])
    stage.run(minutes=2)
    stage.bundle.ecs.hosts.reconnect(fleet[0])
    stage.run(minutes=20)
    assert stage.told() == []
    assert {status(stage, each) for each in fleet} == {"ACTIVE"}


def test_a_spot_notice_moves_what_nobody_else_moves(stage: Stage, fleet: list[str]) -> None:
    definition = job(stage, IDEMPOTENT, requiresCompatibilities=["EC2"], networkMode="bridge")
    task = stage.ecs.run_task(cluster=CLUSTER, taskDefinition=definition, launchType="EC2")["tasks"][0]["taskArn"]
    stage.run(minutes=2)
    host = stage.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]["containerInstanceArn"]
    stage.bundle.ecs.hosts.interrupt(host)
    stage.run(minutes=1.5)
    assert status(stage, host) == "DRAINING"
    (replaced,) = stage.events("Task Replaced")
    new = stage.ecs.describe_tasks(cluster=CLUSTER, tasks=[replaced["replacement"]])["tasks"][0]
    assert new["containerInstanceArn"] != host
    stage.run(minutes=30)
    assert len(stage.events("Task Replaced")) == 1
    assert [each["class"] for each in stage.events("Retirement Announced")] == ["S1"]


def test_a_retired_task_is_handed_over(stage: Stage) -> None:
    jobs = Jobs(stage)
    old = jobs.run(jobs.family())
    stage.run(minutes=3)
    starts = stage.bundle.timeline.now() + timedelta(hours=1)
    detail = {
        "eventArn": f"arn:aws:health:{REGION}::event/ECS/AWS_ECS_TASK_PATCHING_RETIREMENT/one",
        "service": "ECS",
        "eventTypeCode": "AWS_ECS_TASK_PATCHING_RETIREMENT",
        "statusCode": "upcoming",
        "eventRegion": REGION,
        "startTime": starts.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "affectedEntities": [{"entityValue": old}],
    }
    for _ in range(2):
        stage.emit("aws.health", "AWS Health Event", detail, old)
    stage.run(minutes=10)
    assert [each["task"] for each in stage.events("Retirement Announced")] == [old]
    (replaced,) = stage.events("Task Replaced")
    tasks = stage.ecs.describe_tasks(cluster=CLUSTER, tasks=[old, replaced["replacement"]])["tasks"]
    states = {each["taskArn"]: (each["lastStatus"], each.get("stoppedReason")) for each in tasks}
    assert states == {old: ("STOPPED", "longshore: retirement"), replaced["replacement"]: ("RUNNING", None)}
    stage.run(minutes=60)
    assert len(stage.events("Task Replaced")) == 1
    assert stage.failures() == []
