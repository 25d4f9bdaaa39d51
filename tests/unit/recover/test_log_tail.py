"""The last lines of a failed container: where they lie, what is shown, what is said where there are none (recover O7)."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.errors import AccessDeniedError, ThrottledError, UnsupportedError
from longshore.recover.log_tail import LINES, Place, last_lines, place_of, shown_container
from longshore.tasks import Task
from tests.fake_tasks import ARN, CLUSTER, REGION, FakeLogs

ID = "0" * 31 + "7"


def task(*containers: dict[str, Any], **members: Any) -> Task:
    return Task.read(
        {
            "taskArn": f"{ARN}:task/shop/{ID}",
            "clusterArn": CLUSTER,
            "taskDefinitionArn": f"{ARN}:task-definition/etl:1",
            "lastStatus": "STOPPED",
            "containers": list(containers or ({"name": "app", "runtimeId": "f00d", "exitCode": 1},)),
            **members,
        }
    )


def container(driver: str = "awslogs", name: str = "app", /, **options: str) -> dict[str, Any]:
    named = {option.replace("_", "-") if driver == "awslogs" else option: text for option, text in options.items()}
    return {"name": name, "logConfiguration": {"logDriver": driver, "options": named}}


PLACES: dict[str, tuple[dict[str, Any], Place]] = {
    "with a prefix": (
        container(awslogs_group="/ecs/etl", awslogs_stream_prefix="ecs"),
        Place("/ecs/etl", f"ecs/app/{ID}", REGION),
    ),
    "without a prefix, on EC2": (container(awslogs_group="/ecs/etl"), Place("/ecs/etl", "f00d", REGION)),
    "in another Region": (
        container(awslogs_group="/ecs/etl", awslogs_stream_prefix="p", awslogs_region="us-east-1"),
        Place("/ecs/etl", f"p/app/{ID}", "us-east-1"),
    ),
    "FireLens to CloudWatch": (
        container("awsfirelens", Name="cloudwatch_logs", log_group_name="/fire", log_stream_prefix="from-"),
        Place("/fire", f"from-app-firelens-{ID}", REGION),
    ),
    "FireLens to CloudWatch, the older plugin": (
        container("awsfirelens", Name="cloudwatch", log_group_name="/fire", log_stream_name="all", region="us-east-1"),
        Place("/fire", "all", "us-east-1"),
    ),
}

NOTES: dict[str, tuple[dict[str, Any], str]] = {
    "no configuration": ({"name": "app"}, "no log configuration"),
    "another driver": (container("splunk"), "go to splunk"),
    "no group": (container(awslogs_stream_prefix="ecs"), "names no group"),
    "FireLens elsewhere": (container("awsfirelens", Name="datadog"), "FireLens sends its lines to datadog"),
    "FireLens by a file of its own": (container("awsfirelens"), "elsewhere"),
    "FireLens to a name made there": (
        container("awsfirelens", Name="cloudwatch_logs", log_group_name="/fire/$(ecs_cluster)", log_stream_prefix="p"),
        "under a name made there",
    ),
    "FireLens without a stream": (
        container("awsfirelens", Name="cloudwatch_logs", log_group_name="/fire"),
        "under a name made there",
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_lines_lie(name: str) -> None:
    declared, place = PLACES[name]
    assert place_of(task(), declared) == place


@pytest.mark.parametrize("name", NOTES)
def test_where_lines_cannot_be_read_it_is_said(name: str) -> None:
    declared, note = NOTES[name]
    tail = last_lines(FakeLogs(), task(), {"containerDefinitions": [declared]}, "app")
    assert note in tail.note
    assert (tail.lines, tail.place.group, tail.empty) == ((), "", False)


def test_a_container_that_never_ran_has_no_stream_of_its_own() -> None:
    never = task({"name": "app"})
    tail = last_lines(FakeLogs(), never, {"containerDefinitions": [container(awslogs_group="/ecs/etl")]}, "app")
    assert "never ran" in tail.note


DEFINITION = {"containerDefinitions": [container(awslogs_group="/ecs/etl", awslogs_stream_prefix="ecs")]}
STREAM = "/ecs/etl", f"ecs/app/{ID}"


def test_the_last_lines_are_shown_without_their_secrets() -> None:
    logs = FakeLogs()
    logs.lines[STREAM] = [f"line {number}" for number in range(30)] + ["key AKIAIOSFODNN7EXAMPLE used\n"]
    tail = last_lines(logs, task(), DEFINITION, "app")
    assert len(tail.lines) == LINES
    assert tail.lines[-2] == "line 29"
    assert "AKIA" not in str(tail.members())
    assert tail.members()["group"] == "/ecs/etl"


@pytest.mark.parametrize(
    ("error", "note", "empty"),
    [
        (None, "does not exist", True),
        (AccessDeniedError("GetLogEvents"), "may not read", False),
        (UnsupportedError("InvalidParameterException"), "could not be read", False),
    ],
)
def test_what_cannot_be_read_is_said(error: Exception | None, note: str, empty: bool) -> None:
    logs = FakeLogs()
    logs.error = error
    tail = last_lines(logs, task(), DEFINITION, "app")
    assert note in tail.note
    assert (tail.lines, tail.empty) == ((), empty)


def test_an_empty_stream_may_be_too_early() -> None:
    logs = FakeLogs()
    logs.lines[STREAM] = []
    assert last_lines(logs, task(), DEFINITION, "app").empty


def test_a_throttled_read_is_tried_again() -> None:
    logs = FakeLogs()
    logs.error = ThrottledError("Rate exceeded")
    with pytest.raises(ThrottledError):
        last_lines(logs, task(), DEFINITION, "app")


def test_the_router_speaks_where_firelens_sends_lines_elsewhere() -> None:
    router = {
        **container("awslogs", "router", awslogs_group="/ecs/etl", awslogs_stream_prefix="ecs"),
        "firelensConfiguration": {"type": "fluentbit"},
    }
    logs = FakeLogs()
    logs.lines["/ecs/etl", f"ecs/router/{ID}"] = ["[error] connection refused"]
    definition = {"containerDefinitions": [container("awsfirelens", Name="datadog"), router]}
    tail = last_lines(logs, task(), definition, "app")
    assert tail.lines == ("[error] connection refused",)
    assert "FireLens sends its lines to datadog" in tail.note
    assert "router" in tail.note


@pytest.mark.parametrize(
    ("containers", "culprit", "shown"),
    [
        ([{"name": "app", "exitCode": 0}, {"name": "side", "exitCode": 1}], "side", "side"),
        ([{"name": "app", "exitCode": 0}, {"name": "side", "exitCode": 1}], "", "side"),
        ([{"name": "app"}, {"name": "side"}], "", "app"),
        ([{"name": "app"}], "unheard-of", "app"),
    ],
)
def test_the_container_that_tells_most_is_shown(containers: list[dict[str, Any]], culprit: str, shown: str) -> None:
    definition = {
        "containerDefinitions": [container(), container("awslogs", "side"), {"name": "x", "essential": False}]
    }
    assert shown_container(task(*containers), definition, culprit) == shown


def test_without_its_definition_nothing_is_known() -> None:
    assert shown_container(task(), {}, "") == ""
    assert last_lines(FakeLogs(), task(), {}, "").note == "no container is known to have failed"


def test_secrets_of_the_environment_are_not_shown() -> None:
    """They have no shape by which they could be known: that they were given to the task tells."""
    logs, secret = FakeLogs(), "Tr0ub4dor and 3"
    logs.lines["/ecs/etl", f"ecs/app/{ID}"] = [
        f"cannot log in with {secret}\n",
        "pin 4242 of 42420, 1 of 1 {",
        "BEGIN KEY\n",
        "a1b2c3d4e5",
    ]
    environment = [{"name": "PIN", "value": "4242"}, {"name": "AUTH", "value": "1"}]
    environment.append({"name": "KEY", "value": "{\nBEGIN KEY\na1b2c3d4e5"})
    defined = container(awslogs_group="/ecs/etl", awslogs_stream_prefix="ecs") | {"environment": environment}
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "LOGIN", "value": secret}]}]}
    found = last_lines(logs, task(overrides=overrides), {"containerDefinitions": [defined]}, "app")
    assert found.lines == (
        "cannot log in with [redacted]",
        "pin [redacted] of 42420, 1 of 1 {",
        "[redacted]",
        "[redacted]",
    )
