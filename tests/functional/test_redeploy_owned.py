"""A service that a CloudFormation stack declares: in place with the drift told, by the stack's parameter, or reverted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.people_stacks import ARN, NAME, ROLE, Stacks
from tests.functional.stage import Stage, uri

PARAMETERS = {"UpdatableStackArns": f"{ARN}*"}
CONFIG = """
profiles:
  moved: {policy: digest, soak: 1m, cooldown: 0s}
  plain: {policy: "semver:minor", soak: 1m, cooldown: 0s}
  again: {policy: "semver:minor", iac_revert: reapply, soak: 1m, cooldown: 0s}
  stack: {policy: "semver:minor", owned: stack-parameter, image_parameters: {app: WebImage}, soak: 1m, cooldown: 0s}
  unknown: {policy: "semver:minor", owned: stack-parameter, image_parameters: {app: Image}, soak: 1m, cooldown: 0s}
"""
TRUTH = "/longshore/shop/web/image"


@pytest.fixture(autouse=True)
def _nothing_left(stage: Stage) -> Iterator[None]:
    yield
    Stacks(stage).client.delete_stack(StackName=NAME)


def owned(stage: Stage, policy: str, tag: str = "1.0.0", **members: Any) -> Stacks:
    stage.push(tag, "web 1")
    stacks = Stacks(stage)
    stacks.create(f"web:{tag}", f"profile:{policy}", **members)
    return stacks


def truth(stage: Stage) -> str:
    return str(stage.client("ssm").get_parameter(Name=TRUTH)["Parameter"]["Value"])


def image(stage: Stage) -> str:
    (container,) = stage.definition()["containerDefinitions"]
    return str(container["image"])


def test_a_tag_that_moved_drifts_from_nothing(stage: Stage) -> None:
    owned(stage, "moved", "prod")
    before = stage.described()["taskDefinition"]
    digest = stage.push("prod", "web 2")
    stage.run(minutes=30)
    (ended,) = stage.events("Deployment Succeeded")
    assert (ended["owner"], ended["stack"], ended["drift"]) == ("cloudformation", NAME, [])
    assert (stage.running(), stage.described()["taskDefinition"]) == (digest, before)
    assert truth(stage) == uri("web:prod")


def test_another_tag_drifts_and_is_told_and_the_stack_can_read_it(stage: Stage) -> None:
    stacks = owned(stage, "plain")
    stage.push("1.1.0", "web 2")
    stage.run(minutes=30)
    (ended,) = stage.events("Deployment Succeeded")
    assert [(each["was"], each["now"]) for each in ended["drift"]] == [(uri("web:1.0.0"), uri("web:1.1.0"))]
    assert truth(stage) == uri("web:1.1.0")
    stacks.update("web:1.1.0")  # the stack takes up what runs
    stage.run(minutes=30)
    stage.push("1.2.0", "web 3")
    stage.run(minutes=30)
    drift = stage.events("Deployment Succeeded")[-1]["drift"]
    assert [(each["was"], each["now"]) for each in drift] == [(uri("web:1.1.0"), uri("web:1.2.0"))]
    assert stage.events("Hold Set") == []


def test_a_stack_that_brings_back_an_older_image_is_held(stage: Stage) -> None:
    stacks = owned(stage, "plain")
    first = stage.running()
    stage.push("1.1.0", "web 2")
    stage.run(minutes=30)
    stacks.update("web:1.0.0")
    stage.run(minutes=30)
    (held,) = stage.events("Hold Set")
    assert (held["reason"], held["by"], held["stack"], held["to"]) == (
        "iac-revert",
        "cloudformation",
        NAME,
        {"app": first},
    )
    assert stage.running() == first


def test_a_profile_may_have_it_deployed_again(stage: Stage) -> None:
    stacks = owned(stage, "again")
    second = stage.push("1.1.0", "web 2")
    stage.run(minutes=30)
    stacks.update("web:1.0.0")
    stage.run(minutes=30)
    assert stage.running() == second
    assert [each["reason"] for each in stage.events("Deployment Superseded")] == ["iac-revert"]
    assert stage.events("Hold Set") == []


def test_the_stacks_parameter_is_set_and_everything_else_of_it_kept(stage: Stage) -> None:
    stacks = owned(stage, "stack")
    digest = stage.push("1.1.0", "web 2")
    stage.run(minutes=30)
    assert stacks.parameters() == {"WebImage": uri("web:1.1.0"), "Size": "512"}
    (call,) = [each for each in stage.bundle.recorder.calls if each.operation == "UpdateStack"]
    assert call.params["UsePreviousTemplate"] is True
    assert {"ParameterKey": "Size", "UsePreviousValue": True} in call.params["Parameters"]
    assert "RoleARN" not in call.params  # the stack keeps the one that it has
    assert stacks.client.describe_stacks(StackName=NAME)["Stacks"][0]["RoleARN"] == ROLE
    assert stage.writes() == []
    assert (stage.running(), image(stage), truth(stage)) == (digest, uri("web:1.1.0"), uri("web:1.1.0"))
    (ended,) = stage.events("Deployment Succeeded")
    assert (ended["action"], ended["drift"]) == ("stack", [])


def test_a_stack_without_the_parameter_holds_with_the_fix(stage: Stage) -> None:
    owned(stage, "unknown")
    stage.push("1.1.0", "web 2")
    stage.run(minutes=30)
    (held,) = stage.events("Deployment Held")
    assert held["reason"] == "stack-not-updatable"
    assert "no parameter Image" in held["why"]
    assert stage.writes() == []


def test_a_stack_without_a_service_role_holds_with_the_fix(stage: Stage) -> None:
    owned(stage, "stack", role=None)
    stage.push("1.1.0", "web 2")
    stage.run(minutes=30)
    (held,) = stage.events("Deployment Held")
    assert (held["reason"], "--role-arn" in held["fix"]) == ("stack-not-updatable", True)


def test_a_truth_that_cannot_be_written_is_tried_again(stage: Stage) -> None:
    owned(stage, "plain")
    stage.faults.add("ssm", "PutParameter", "InternalServerError", count=1)
    stage.push("1.1.0", "web 2")
    stage.run(minutes=40)
    assert stage.told() == ["Deployment Started", "Deployment Succeeded"]
    assert truth(stage) == uri("web:1.1.0")
    assert "parameter-not-written" in stage.reasons()
