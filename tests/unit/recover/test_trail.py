"""CloudTrail tells how a task was asked for, minutes late: before its own events, after them, or after its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from longshore.errors import BadEventError
from longshore.recover.facts import Irrelevant, LaunchRefused, TaskLaunched
from longshore.recover.reading import Message
from longshore.recover.recipe import LaunchRecipe, Network, Provider
from longshore.recover.recovery import RecoveryState
from longshore.settings import Mode
from tests.fake_tasks import ARN, CLUSTER
from tests.recover_world import AUTO, IDEMPOTENT, RecoverWorld, running

NETWORK = {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}
ASKED: dict[str, Any] = {
    "cluster": "shop",
    "taskDefinition": "etl:1",
    "capacityProviderStrategy": [
        {"capacityProvider": "FARGATE_SPOT", "weight": 3},
        {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
    ],
    "networkConfiguration": {"awsvpcConfiguration": NETWORK},
    "placementStrategy": [{"type": "spread", "field": "attribute:ecs.availability-zone"}],
    "propagateTags": "TASK_DEFINITION",
    "overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "K", "value": "s3cr3t-value"}]}]},
}
WHOLE = LaunchRecipe(
    source="request+task",
    strategy=(Provider("FARGATE_SPOT", 3), Provider("FARGATE", 1, 1)),
    network=Network(("subnet-a", "subnet-b"), ("sg-1",), True),
    platform_version="",
    group="family:etl",
    started_by="",
    propagate_tags="TASK_DEFINITION",
    managed_tags=False,
    execute_command=False,
    placement_constraints=(),
    placement_strategy=({"type": "spread", "field": "attribute:ecs.availability-zone"},),
    tags={},
    volumes=(),
)
ENI = "Timeout waiting for network interface provisioning to complete"
SPOT: dict[str, Any] = {"capacityProviderName": "FARGATE_SPOT"}


def record(world: RecoverWorld, *arns: str, failures: tuple[str, ...] = (), **asked: Any) -> dict[str, Any]:
    """CloudTrail's record of a RunTask that started these tasks; a member that is None was not asked for."""
    request = {key: value for key, value in {**ASKED, **asked}.items() if value is not None}
    detail = {
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "eventID": "e-1",
        "requestParameters": request,
        "responseElements": {
            "tasks": [{"taskArn": arn, "clusterArn": CLUSTER} for arn in arns],
            "failures": [{"reason": each} for each in failures],
        },
    }
    return world.envelope("AWS API Call via CloudTrail", detail)


def lost(world: RecoverWorld, arn: str) -> None:
    """It fails before its interface was made: nothing but the request tells its network."""
    world.tasks.end(arn, code="TaskFailedToStart", reason=ENI, exit_code=None, started=False)


def unseen(tags: dict[str, str] | None = None, **members: Any) -> tuple[RecoverWorld, str]:
    """A task of which no event was seen yet, and which has no interface."""
    world = RecoverWorld(**{name: members.pop(name) for name in ("mode",) if name in members})
    world.sending = False
    arn = world.tasks.run(world.tasks.define(tags=AUTO if tags is None else tags), attachments=[], **members)
    world.sending = True
    return world, arn


def test_what_was_chosen_gives_way_to_what_was_asked_for() -> None:
    world, arn = running(**SPOT)
    seen = world.recipes.get(arn)
    assert seen is not None
    assert seen.network == Network(("subnet-a",), ("sg-1",), False, chosen=True)
    world.send(record(world, arn))
    world.run(1)
    assert world.recipes.get(arn) == WHOLE
    assert "s3cr3t-value" not in str(world.recipes.kept)


def test_it_may_come_before_the_tasks_own_events() -> None:
    world, arn = unseen(**SPOT)
    world.send(record(world, arn))
    world.run(1)
    assert world.recipes.get(arn) == WHOLE
    world.task_changed(arn)
    world.run(1)
    assert world.recipes.get(arn) == WHOLE


def test_a_duplicate_changes_nothing() -> None:
    world, arn = running(**SPOT)
    for _ in range(2):
        world.send(record(world, arn))
    world.run(1)
    assert world.recipes.get(arn) == WHOLE


def test_tags_of_the_task_are_kept_with_those_that_were_propagated() -> None:
    world, arn = running(**SPOT)
    world.recipes.forget(arn)
    world.tasks.become(arn, tags=[{"key": "team", "value": "data"}, {"key": "longshore:recover", "value": "auto"}])
    world.run(1)
    world.send(record(world, arn, tags=[{"key": "team", "value": "data"}]))
    world.run(1)
    kept = world.recipes.get(arn)
    assert kept is not None
    assert kept.tags == {"team": "data", "longshore:recover": "auto"}


def test_each_task_of_a_request_is_recorded() -> None:
    world, first = running(**SPOT)
    second = world.tasks.run(f"{ARN}:task-definition/etl:1", **SPOT)
    world.send(record(world, first, second, failures=("RESOURCE:MEMORY",)))
    world.run(1)
    assert world.recipes.get(first) == world.recipes.get(second) == WHOLE


@pytest.mark.parametrize(
    ("members", "asked"),
    [
        ({"group": "service:web"}, {"group": "service:web"}),
        ({"startedBy": "AWS Step Functions"}, {"startedBy": "AWS Step Functions"}),
        ({"startedBy": "airflow"}, {"startedBy": "airflow"}),
        ({}, {"startedBy": "somebody-else"}),
        ({}, {"group": "another"}),
        ({}, {"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}),
        ({}, {"networkConfiguration": {"awsvpcConfiguration": {**NETWORK, "subnets": ["subnet-z"]}}}),
        ({}, {"networkConfiguration": {"awsvpcConfiguration": {**NETWORK, "securityGroups": ["sg-open"]}}}),
        ({}, {"clientToken": f"ls-{'0' * 40}"}),
        ({}, {"tags": [{"key": "longshore:root-task", "value": "x"}]}),
    ],
)
def test_what_is_not_ours_or_cannot_be_its_request_is_not_believed(
    members: dict[str, Any], asked: dict[str, Any]
) -> None:
    world, arn = running(**{**SPOT, **members})
    before = dict(world.recipes.kept)
    world.send(record(world, arn, **asked))
    world.run(1)
    assert world.recipes.kept == before


@pytest.mark.parametrize("tags", [{}, {"longshore:recover": "off"}])
def test_what_did_not_opt_in_is_not_recorded(tags: dict[str, str]) -> None:
    world, arn = running(tags, **SPOT)
    world.send(record(world, arn))
    world.run(1)
    assert world.recipes.kept == {}


def test_what_ended_well_stays_forgotten() -> None:
    world, arn = running(**SPOT)
    world.tasks.end(arn, exit_code=0)
    world.run(1)
    world.send(record(world, arn))
    world.run(1)
    assert (world.recipes.kept, world.told) == ({}, [])


def test_what_is_not_known_to_ecs_is_nothing() -> None:
    world, arn = running(**SPOT)
    world.tasks.forget(arn)
    world.send(record(world, arn))
    world.run(1)
    assert (world.told, world.failures) == ([], [])


def test_the_request_is_what_the_replacement_is_launched_with() -> None:
    world, arn = running(IDEMPOTENT, **SPOT)
    world.send(record(world, arn, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 3}]))
    world.run(1)
    world.tasks.end(arn, exit_code=137, container_reason="OutOfMemoryError: Container killed due to memory usage")
    world.run(30)
    (request,) = world.tasks.requests
    assert request["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 3}]
    assert request["networkConfiguration"]["awsvpcConfiguration"] == NETWORK
    assert request["propagateTags"] == "TASK_DEFINITION"
    assert request["placementStrategy"] == ASKED["placementStrategy"]


def test_a_known_request_is_enough_where_no_interface_was_made() -> None:
    world, arn = unseen(**SPOT)
    world.send(record(world, arn))
    world.run(1)
    lost(world, arn)
    world.run(30)
    assert world.told == ["Task Failed", "Task Replaced"]
    assert len(world.replacements) == 1


# -- late, after a refusal ------------------------------------------------------------------------------------------


def refused(**members: Any) -> tuple[RecoverWorld, str]:
    """A task whose replacement was refused because its network was not known."""
    world, arn = unseen(**SPOT, **members)
    lost(world, arn)
    world.run(10)
    assert world.told == ["Task Failed", "Task Replacement Refused"]
    assert world.detail()["reason"] == "network-unknown"
    return world, arn


def test_what_was_refused_for_want_of_it_is_replaced_after_all() -> None:
    world, arn = refused()
    for _ in range(2):
        world.send(record(world, arn))
    world.run(30)
    assert world.told == ["Task Failed", "Task Replacement Refused", "Task Failed", "Task Replaced"]
    assert len(world.replacements) == 1
    assert {each.detail["root_task"] for each in world.publisher.published} == {arn}


def test_it_is_only_told_where_that_is_observed() -> None:
    world, arn = refused(mode=Mode.OBSERVE)
    world.send(record(world, arn))
    world.run(30)
    assert world.replacements == []
    assert (world.told[-1], world.detail()["would"]) == ("Task Failed", "never-started")


@pytest.mark.parametrize("hours", [7, 30])
def test_it_is_not_when_it_comes_too_late(hours: int) -> None:
    world, arn = refused()
    world.clock.advance(timedelta(hours=hours).total_seconds())
    world.send(record(world, arn))
    world.run(30)
    assert (world.replacements, world.detail()["reason"]) == ([], "too-old")


def test_another_refusal_stands() -> None:
    world, arn = running(passable=(), definition={"taskRoleArn": "arn:aws:iam::123456789012:role/etl"}, **SPOT)
    lost(world, arn)
    world.run(10)
    assert world.detail()["reason"] == "pass-role-not-granted"
    world.send(record(world, arn))
    world.run(30)
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert (world.told, recovery.state) == (["Task Failed", "Task Replacement Refused"], RecoveryState.REFUSED)


def steps_after_refusal() -> int:
    world, arn = refused()
    begun = len(world.steps)
    world.send(record(world, arn))
    world.run(60)
    return len(world.steps) - begun


@pytest.mark.parametrize("step", range(1, steps_after_refusal() + 1))
def test_it_is_replaced_once_wherever_the_process_ends(step: int) -> None:
    world, arn = refused()
    world.crash_after(step)
    world.send(record(world, arn))
    world.run(30)
    world.sweep()
    world.run(30)
    assert len(world.failures) == 1
    assert len(world.replacements) == 1
    assert world.told[-1] == "Task Replaced"


# -- reading --------------------------------------------------------------------------------------------------------


def parsed(**detail: Any) -> object:
    world, arn = running()
    body = record(world, arn)
    return Message.parse({**body, "detail": {**body["detail"], **detail}}).fact


def test_a_launch_is_read_without_its_overrides() -> None:
    fact = parsed()
    assert isinstance(fact, TaskLaunched)
    assert (fact.cluster, len(fact.tasks)) == (CLUSTER, 1)
    assert fact.recipe.network == WHOLE.network
    assert "s3cr3t-value" not in str(fact)


def test_a_launch_that_was_partly_refused_is_both() -> None:
    world, arn = running()
    fact = Message.parse(record(world, arn, failures=("RESOURCE:MEMORY",))).fact
    assert isinstance(fact, LaunchRefused)
    assert fact.launched is not None
    assert fact.launched.tasks == (arn,)


@pytest.mark.parametrize(
    "answer", [None, {}, {"tasks": []}, {"tasks": [{}]}, {"tasks": [{"taskArn": f"{ARN}:task/x"}]}]
)
def test_a_record_that_names_no_task_is_nothing(answer: object) -> None:
    assert isinstance(parsed(responseElements=answer), Irrelevant)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("networkConfiguration", []),
        ("networkConfiguration", {"awsvpcConfiguration": {"subnets": "subnet-a"}}),
        ("networkConfiguration", {"awsvpcConfiguration": {"subnets": [1]}}),
        ("networkConfiguration", {"awsvpcConfiguration": {"subnets": ["s"], "securityGroups": "sg-1"}}),
        ("capacityProviderStrategy", [{}]),
        ("capacityProviderStrategy", [{"capacityProvider": "FARGATE", "weight": "1"}]),
        ("capacityProviderStrategy", "FARGATE"),
        ("tags", [{"value": "x"}]),
        ("tags", [{"key": "x", "value": 1}]),
        ("volumeConfigurations", ["data"]),
        ("placementConstraints", [{"expression": "x"}]),
        ("startedBy", 7),
        ("launchType", ["FARGATE"]),
    ],
)
def test_a_request_of_another_shape_is_refused_by_name(member: str, value: object) -> None:
    with pytest.raises(BadEventError) as refusal:
        parsed(requestParameters={**ASKED, member: value})
    assert refusal.value.field.startswith(f"detail.requestParameters.{member}")
