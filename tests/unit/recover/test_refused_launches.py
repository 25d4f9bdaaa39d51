"""Refused launches of schedules and rules: tried again as tasks that never started, exactly once (recover 0.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longshore.settings import Mode
from tests.fake_tasks import ARN, CLUSTER, refusal
from tests.platform_world import PlatformWorld
from tests.recover_world import AUTO

ROOT = f"{ARN}:task/shop/refused-e-1-0"
SECRET = {"containerOverrides": [{"name": "app", "environment": [{"name": "TOKEN", "value": "hunter2hunter2"}]}]}


def refused_world(
    tags: dict[str, str] | None = None, mode: Mode = Mode.AUTO, **target: Any
) -> tuple[PlatformWorld, str, str]:
    world = PlatformWorld(mode=mode)
    definition = world.tasks.define(tags=AUTO if tags is None else tags)
    return world, definition, world.schedule(definition, **target)


def test_a_refused_launch_is_made_again_with_what_its_schedule_says() -> None:
    world, definition, started_by = refused_world(
        Input=json.dumps(SECRET),
        parameters={
            "PropagateTags": "TASK_DEFINITION",
            "EnableExecuteCommand": True,
            "Tags": [{"Key": "a", "Value": "b"}],
        },
    )
    world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY"))
    world.run(30)
    assert len(world.replacements) == 1
    request = dict(world.tasks.requests[-1])
    tags = {each["key"]: each["value"] for each in request.pop("tags")}
    assert request.pop("clientToken").startswith("ls-")
    assert request == {
        "cluster": CLUSTER,
        "taskDefinition": definition,
        "count": 1,
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"]}},
        "overrides": SECRET,
        "group": "family:etl",
        "startedBy": started_by,
        "propagateTags": "TASK_DEFINITION",
        "enableExecuteCommand": True,
    }
    assert tags["a"] == "b"
    assert tags["longshore:root-task"] == ROOT
    assert world.told == ["Task Failed", "Task Replaced"]
    assert (world.detail(0)["class"], world.detail(0)["owner"], world.detail(0)["reason"]) == (
        "C2",
        "scheduled",
        "never-started",
    )


def test_no_secret_of_a_schedule_rests_anywhere() -> None:
    world, definition, started_by = refused_world(Input=json.dumps(SECRET))
    world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY"))
    world.run(30)
    kept = [world.refused.kept, world.recipes.kept, world.recoveries.kept, world.watches.kept]
    told = [each.detail for each in world.publisher.published], [each.to_log() for each in world.outcomes]
    assert "hunter2" not in json.dumps([kept, told], default=str)


def test_a_record_that_comes_twice_is_one_launch() -> None:
    world, definition, started_by = refused_world()
    event = world.trail_event(definition, started_by, "RESOURCE:MEMORY")
    for _ in range(3):
        world.send(event)
    world.run(60)
    assert len(world.replacements) == 1
    assert world.told.count("Task Replaced") == 1


def test_a_launch_that_is_refused_again_keeps_its_story() -> None:
    world, definition, started_by = refused_world()
    world.tasks.refusals = [refusal("RESOURCE:MEMORY"), refusal("RESOURCE:MEMORY")]
    world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY"))
    world.run(180)
    assert len(world.replacements) == 1
    recovery = world.recoveries.get(ROOT)
    assert recovery is not None
    assert [each.failure.cls for each in recovery.attempts] == ["C2", "C2", "C2"]


def test_the_replacement_that_fails_later_belongs_to_the_same_root() -> None:
    world, definition, started_by = refused_world()
    world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY"))
    world.run(30)
    world.tasks.end(
        world.replacements[0],
        code="TaskFailedToStart",
        reason="Timeout waiting for network interface provisioning to complete.",
        exit_code=None,
        started=False,
    )
    world.run(30)
    assert len(world.replacements) == 2
    assert world.tasks.tags(world.replacements[1])["longshore:root-task"] == ROOT


def test_of_several_tasks_only_those_that_are_missing_are_started() -> None:
    world, definition, started_by = refused_world(parameters={"TaskCount": 3})
    world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY", tasks=1))
    world.run(60)
    assert len(world.replacements) == 2


@pytest.mark.parametrize(
    "asked",
    [
        {"clientToken": "ls-" + "a" * 40},
        {"tags": [{"key": "longshore:root-task", "value": ROOT}]},
    ],
)
def test_our_own_launches_are_known_already(asked: dict[str, Any]) -> None:
    world, definition, started_by = refused_world()
    world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY", asked=asked))
    world.run(60)
    assert (world.replacements, world.told, world.reasons) == ([], [], ["ours"])


@pytest.mark.parametrize("started_by", ["", "AWS Step Functions", "ecs-svc/1", "me"])
def test_who_called_itself_has_had_the_answer(started_by: str) -> None:
    world, definition, _ = refused_world()
    world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY"))
    world.run(60)
    assert (world.replacements, world.told) == ([], [])


@pytest.mark.parametrize("code", ["ThrottlingException", "ServerException", "RequestLimitExceeded", "InternalError"])
def test_what_eventbridge_tries_again_is_left_to_it(code: str) -> None:
    world, definition, started_by = refused_world()
    event = world.trail_event(definition, started_by, errorCode=code, errorMessage="later", responseElements=None)
    world.send(event)
    world.run(60)
    assert (world.replacements, world.told) == ([], [])


def test_an_error_that_stays_is_told_and_not_tried_again() -> None:
    world, definition, started_by = refused_world()
    event = world.trail_event(
        definition, started_by, errorCode="AccessDenied", errorMessage="not allowed", responseElements=None
    )
    world.send(event)
    world.run(60)
    assert world.replacements == []
    assert world.told == ["Task Failed"]


@pytest.mark.parametrize(
    ("target", "known"),
    [
        ({"Input": json.dumps({"x": "<aws.scheduler.execution-id>"})}, True),
        ({"Input": "not json"}, True),
        ({"Input": "[]"}, True),
        ({"InputPath": "$.detail"}, True),
        ({"InputTransformer": {"InputTemplate": "{}"}}, True),
        ({}, False),
    ],
)
def test_what_cannot_be_known_is_told_once(target: dict[str, Any], known: bool) -> None:
    world, definition, started_by = refused_world(**target)
    if not known:
        world.launchers.of_schedules.clear()
    for _ in range(2):
        world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY"))
    world.run(60)
    assert world.replacements == []
    assert world.told == ["Task Failed"]
    assert world.detail()["reason"] == "launcher-unknown"


def test_two_targets_that_fit_are_one_too_many() -> None:
    world, definition, started_by = refused_world()
    world.launchers.of_schedules["nightly"] *= 2
    world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY"))
    world.run(60)
    assert (world.replacements, world.detail()["reason"]) == ([], "launcher-unknown")


def test_a_rule_is_as_good_as_a_schedule() -> None:
    world, definition, _ = refused_world()
    world.launchers.of_rules["hourly"] = world.launchers.of_schedules.pop("nightly")
    world.send(world.trail_event(definition, "events-rule/hourly", "AGENT"))
    world.run(60)
    assert len(world.replacements) == 1


@pytest.mark.parametrize(
    ("tags", "mode", "reason"),
    [({}, Mode.AUTO, "not-opted-in"), (AUTO, Mode.OBSERVE, "observe-only")],
)
def test_what_is_only_told(tags: dict[str, str], mode: Mode, reason: str) -> None:
    world, definition, started_by = refused_world(tags, mode)
    for _ in range(2):
        world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY"))
    world.run(60)
    assert world.replacements == []
    assert world.told == ["Task Failed"]
    assert world.detail()["reason"] == reason


def test_a_cluster_by_its_name_alone_is_found() -> None:
    world, definition, started_by = refused_world()
    event = world.trail_event(definition, started_by, "RESOURCE:MEMORY", asked={"cluster": "shop"})
    world.send(event)
    world.run(30)
    assert len(world.replacements) == 1


def test_a_record_that_is_old_is_told_only() -> None:
    world, definition, started_by = refused_world()
    event = world.trail_event(definition, started_by, "RESOURCE:MEMORY")
    event["time"] = "2026-11-23T01:00:00+00:00"
    world.send(event)
    world.run(30)
    assert world.replacements == []
    assert world.detail()["reason"] == "too-old"


def test_an_error_that_quotes_a_secret_is_kept_and_told_without_it() -> None:
    world, definition, started_by = refused_world(Input=json.dumps(SECRET))
    world.send(world.trail_event(definition, started_by, "vCPU limit: hunter2hunter2 is too much"))
    world.run(30)
    kept = json.dumps([world.refused.kept, world.recoveries.kept], default=str)
    told = json.dumps([each.detail for each in world.publisher.published], default=str)
    assert "hunter2" not in kept + told
    assert "[redacted]" in kept
    assert "[redacted]" in told


def test_several_failures_of_one_launch_are_made_again_where_one_may_pass() -> None:
    world, definition, started_by = refused_world()
    world.send(world.trail_event(definition, started_by, "ATTRIBUTE", "AGENT"))
    world.run(60)
    assert (len(world.replacements), world.detail(0)["class"]) == (1, "C4")
