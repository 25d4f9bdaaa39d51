"""What is only told says what `auto` would do: the same decision about the same failure (design 6.2, 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from longshore.recover.recipe import Network
from longshore.recover.retry import RetryPolicy
from longshore.settings import Mode
from tests.fake_tasks import ARN, CLUSTER
from tests.recover_world import AUTO, IDEMPOTENT, RecoverWorld, running

OOM = "OutOfMemoryError: Container killed due to memory usage"
ENI = "Timeout waiting for network interface provisioning to complete"
Ending = Callable[[RecoverWorld, str], None]


def unpulled(world: RecoverWorld, arn: str) -> None:
    world.tasks.end(arn, code="TaskFailedToStart", reason="CannotPullContainerError: i/o timeout", exit_code=None,
                    started=False)  # fmt: skip


def out_of_memory(world: RecoverWorld, arn: str) -> None:
    world.tasks.end(arn, exit_code=137, container_reason=OOM)


def taken(world: RecoverWorld, arn: str) -> None:
    world.tasks.end(arn, code="SpotInterruption", reason="Your Spot Task was interrupted.", exit_code=137)


def without_interface(world: RecoverWorld, arn: str) -> None:
    world.sending = False
    world.tasks.become(arn, attachments=[])
    world.sending = True
    world.recipes.kept.clear()
    world.tasks.end(arn, code="TaskFailedToStart", reason=ENI, exit_code=None, started=False)


def crashed(world: RecoverWorld, arn: str) -> None:
    world.tasks.end(arn, exit_code=1)


CASES: dict[str, tuple[Ending, dict[str, str], dict[str, Any]]] = {
    "never started": (unpulled, AUTO, {}),
    "out of memory": (out_of_memory, IDEMPOTENT, {}),
    "out of memory, not idempotent": (out_of_memory, AUTO, {}),
    "Spot": (taken, IDEMPOTENT, {"capacityProviderName": "FARGATE_SPOT"}),
    "no network": (without_interface, AUTO, {}),
    "exit code 1": (crashed, IDEMPOTENT, {}),
    "scheduled": (out_of_memory, IDEMPOTENT, {"startedBy": "chronos-schedule/nightly"}),
}
SUBNETS = ["subnet-a", "subnet-b"]
TARGET = {
    "Arn": CLUSTER,
    "EcsParameters": {
        "TaskDefinitionArn": f"{ARN}:task-definition/etl",
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": SUBNETS, "SecurityGroups": ["sg-1"]}},
    },
}


def told(name: str, tags: Mapping[str, str], mode: Mode, **options: Any) -> tuple[RecoverWorld, Mapping[str, Any]]:
    """What was told first of a failure; nothing else may be told of what is left alone."""
    end, _, members = CASES[name]
    world, arn = running(tags, mode=mode, **members, **options)
    world.launchers.of_schedules["nightly"] = [TARGET]
    end(world, arn)
    world.run(30)
    return world, world.detail(0)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.OBSERVE])
def test_what_did_not_opt_in_is_told_with_what_would_have_been_done(name: str, mode: Mode) -> None:
    tags = CASES[name][1]
    untagged = {key: value for key, value in tags.items() if key != "longshore:recover"}
    _, done = told(name, tags, Mode.AUTO)
    world, detail = told(name, untagged, mode)
    assert (world.told, world.replacements, world.recipes.kept) == (["Task Failed"], [], {})
    assert detail["verdict"] == "notify"
    if done["verdict"] == "notify":
        assert (detail["reason"], detail.get("would")) == (done["reason"], None)
    else:
        assert (detail["reason"], detail["would"]) == ("not-opted-in", done["reason"])
    assert ("next" in detail) is ("next" in done)
    if "next" in done:
        assert detail["next"] == done["next"]


@pytest.mark.parametrize("name", CASES)
def test_observing_tells_the_same_of_what_opted_in(name: str) -> None:
    _, done = told(name, CASES[name][1], Mode.AUTO)
    world, detail = told(name, CASES[name][1], Mode.OBSERVE)
    assert world.replacements == []
    assert detail.get("would", detail["reason"]) == done["reason"]
    assert detail.get("next") == done.get("next")


def test_the_operators_network_is_what_would_have_been_used() -> None:
    policy = RetryPolicy(networks=(("etl", Network(("subnet-x", "subnet-y"), ("sg-9",), False)),))
    world, detail = told("no network", {}, Mode.AUTO, policy=policy)
    assert (detail["would"], world.tasks.requests) == ("never-started", [])
    world, detail = told("no network", AUTO, Mode.AUTO, policy=policy)
    network = world.tasks.requests[0]["networkConfiguration"]["awsvpcConfiguration"]
    assert sorted(network["subnets"]) == ["subnet-x", "subnet-y"]
    assert network["securityGroups"] == ["sg-9"]


def test_a_healthy_task_of_a_family_that_did_not_opt_in_costs_a_look_and_no_more() -> None:
    world, _ = running({})
    names = {step.removesuffix(" before").removesuffix(" after") for step in world.steps}
    assert names == {"FakeTasks.get", "FakeTasks.definition"}


def test_a_failure_that_another_try_would_not_mend_asks_for_no_more() -> None:
    world, arn = running({})
    world.steps.clear()
    crashed(world, arn)
    world.run(30)
    assert world.detail()["reason"] == "not-mended"
    assert not [step for step in world.steps if step.startswith(("FakeBreakers", "FakeLaunchers", "FakeNetwork"))]
