"""What tells how tasks were asked for, and when they are started anyway, on the local bundle (recover 3.1, 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from longshore import wiring
from tests.functional.jobs import IDEMPOTENT, OPTED_IN, Jobs
from tests.functional.stage import ACCOUNT, CLUSTER, REGION

if TYPE_CHECKING:
    from tests.functional.stage import Stage

PARAMETERS = {"RecoverMode": "auto", "FollowCloudTrail": "true"}
CONFIG = """
recover:
  backoff: {base: 10m, max: 10m}
  networks:
    declared-*: {subnets: [subnet-0123456789abcdef0], security_groups: [sg-0123456789abcdef0], public_ip: true}
"""
ROLE = f"arn:aws:iam::{ACCOUNT}:role/scheduler"
STRATEGY = [
    {"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 0},
    {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
]


@pytest.fixture
def jobs(stage: Stage) -> Iterator[Jobs]:
    """A cluster in an account with a trail."""
    made = Jobs(stage)
    stage.forget()
    stage.bundle.ecs.use_trail()
    yield made
    stage.bundle.ecs.use_trail(on=False)


def asked(jobs: Jobs) -> dict[str, Any]:
    """What functions asked RunTask for, once."""
    (call,) = [each for each in jobs.stage.bundle.recorder.calls if each.operation == "RunTask"]
    return call.params


def test_a_replacement_is_asked_for_as_its_task_was(jobs: Jobs) -> None:
    """All subnets, the strategy with its weights, and propagation: no task tells these, CloudTrail does."""
    jobs.faults.fail_next("etl", "oom", after=20)
    definition = jobs.family(tags={**IDEMPOTENT, "team": "data"})
    jobs.run(definition, capacityProviderStrategy=STRATEGY, propagateTags="TASK_DEFINITION")
    jobs.minutes(12)
    request = asked(jobs)
    network = request["networkConfiguration"]["awsvpcConfiguration"]
    assert request["capacityProviderStrategy"] == STRATEGY
    assert request["propagateTags"] == "TASK_DEFINITION"
    assert network["assignPublicIp"] == "ENABLED"
    assert sorted(network["subnets"]) == sorted(jobs.subnets)
    assert network["securityGroups"] == jobs.groups


def test_what_had_no_interface_is_replaced_once_the_trail_tells(jobs: Jobs) -> None:
    jobs.faults.fail_next("etl", "N1", after=1)
    arn = jobs.run(jobs.family(OPTED_IN))
    jobs.minutes(30)
    assert len(jobs.replacements(arn)) == 1
    assert jobs.stage.told()[-1] == "Task Replaced"
    assert jobs.stage.failures() == []
    assert jobs.stage.dead_letters() == 0


def test_the_trail_tells_nothing_of_what_others_start_again(jobs: Jobs) -> None:
    definition = jobs.family()
    network = {"awsvpcConfiguration": {"subnets": jobs.subnets, "securityGroups": jobs.groups}}
    jobs.faults.run_task(
        ACCOUNT,
        REGION,
        invoked_by="states.amazonaws.com",
        cluster=CLUSTER,
        taskDefinition=definition,
        launchType="FARGATE",
        networkConfiguration=network,
        startedBy="AWS Step Functions",
    )
    jobs.minutes(5)
    table = jobs.stage.bundle.stack.physical_ids["Ledger"]
    recipes = [each for each in jobs.stage.client("dynamodb").scan(TableName=table)["Items"] if "recipe" in each]
    assert all("request" not in str(each["recipe"]) for each in recipes)


def test_a_family_may_have_a_network_of_last_resort(jobs: Jobs) -> None:
    jobs.stage.bundle.ecs.use_trail(on=False)
    jobs.faults.fail_next("declared-etl", "N1", after=1)
    jobs.run(jobs.family(OPTED_IN, name="declared-etl"))
    jobs.minutes(10)
    network = {
        "subnets": ["subnet-0123456789abcdef0"],
        "securityGroups": ["sg-0123456789abcdef0"],
        "assignPublicIp": "ENABLED",
    }
    assert asked(jobs)["networkConfiguration"]["awsvpcConfiguration"] == network


# -- the next firing --------------------------------------------------------------------------------------------------


def scheduled(jobs: Jobs, expression: str, *, by_rule: bool = False) -> None:
    """A schedule or rule that starts a task which runs out of memory the first time."""
    network = {"Subnets": jobs.subnets, "SecurityGroups": jobs.groups, "AssignPublicIp": "ENABLED"}
    parameters = {
        "TaskDefinitionArn": jobs.family(IDEMPOTENT),
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"awsvpcConfiguration": network},
    }
    jobs.faults.fail_next("etl", "oom", after=20)
    cluster = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
    to = {"Arn": cluster, "RoleArn": ROLE, "EcsParameters": parameters}
    if by_rule:
        events = jobs.stage.client("events")
        events.put_rule(Name="nightly", ScheduleExpression=expression)
        events.put_targets(Rule="nightly", Targets=[{"Id": "1", **to}])
    else:
        jobs.stage.client("scheduler").create_schedule(
            Name="nightly", ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"}, Target=to
        )


@pytest.fixture
def _long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance draws nearly the longest back-off."""
    monkeypatch.setattr("random.SystemRandom.random", lambda _: 0.9)
    wiring.reset()


@pytest.mark.usefixtures("_long_waits")
@pytest.mark.parametrize(
    ("by_rule", "operation"), [(False, "GetSchedule"), (True, "DescribeRule")], ids=["schedule", "rule"]
)
def test_what_is_started_again_before_its_replacement_is_not_replaced(
    jobs: Jobs, by_rule: bool, operation: str
) -> None:
    scheduled(jobs, "rate(2 minutes)", by_rule=by_rule)
    jobs.minutes(8)
    assert jobs.stage.told() == ["Task Failed", "Task Replacement Refused"]
    assert jobs.told("Task Replacement Refused")[0]["reason"] == "next-firing"
    assert (jobs.launches(), jobs.stage.failures()) == (0, [])
    assert jobs.stage.bundle.recorder.count("events" if by_rule else "scheduler", operation) > 0


@pytest.mark.usefixtures("_long_waits")
def test_what_is_started_again_much_later_is_replaced(jobs: Jobs) -> None:
    scheduled(jobs, "rate(20 minutes)")
    jobs.minutes(35)
    assert jobs.launches() == 1
    assert jobs.stage.told() == ["Task Failed", "Task Replaced"]
