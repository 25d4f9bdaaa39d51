"""Healing of services whose image is gone, and what ECS tells of services (recover 2.4 P2, O10)."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.errors import AccessDeniedError
from longshore.settings import Mode
from tests.recover_world import Crash
from tests.service_world import DEPLOYMENT, FOLLOWED, HOST, IMAGE, NEW, NOT_FOUND, OLD, SERVICE, ServiceWorld

OPENED, RESOLVED, ASKED = "Crash Loop Opened", "Crash Loop Resolved", "Redeploy Requested"
TAG_MISSING = f"CannotPullContainerError: pull image manifest has been retried 5 times: {HOST}/shop/web:prod: not found"


def moved(**options: Any) -> ServiceWorld:
    """The tag names another image than the one that ECS pinned, which was deleted."""
    world = ServiceWorld(**options)
    world.images.tags["shop/web", "prod"] = NEW
    world.images.kept.add(NEW)
    return world


def declared(image: str) -> dict[str, Any]:
    return {"definition": {"containerDefinitions": [{"name": "app", "image": image, "essential": True}]}}


def test_a_digest_that_is_gone_is_healed_at_the_first_failure() -> None:
    world = moved()
    task = world.unpullable()
    assert world.told == [OPENED, ASKED]
    opened, asked = (each.detail for each in world.publisher.published)
    assert (opened["class"], opened["container"], opened["digest"], opened["image"]) == ("P2", "app", OLD, IMAGE)
    assert (opened["verdict"], opened["reason"], opened["task"]) == ("redeploy", "heal", task)
    assert (asked["workload"], asked["reason"]) == (SERVICE, "heal")


def test_it_is_asked_for_once_for_each_digest() -> None:
    world = moved()
    for _ in range(5):
        world.unpullable()
        world.run(1)
    assert world.asked == ["heal"]
    world.run(60)
    world.steady()
    world.run(30)
    world.unpullable()
    assert world.told == [OPENED, ASKED, RESOLVED]
    world.unpullable(NOT_FOUND.replace("a" * 64, "c" * 64))
    assert world.asked == ["heal", "heal"]


def test_without_the_tag_there_is_only_the_way_back() -> None:
    world = ServiceWorld()
    for _ in range(3):
        world.unpullable()
    assert (world.told, world.asked) == ([OPENED, ASKED], ["rollback"])


@pytest.mark.parametrize("image", [f"{HOST}/shop/web@{OLD}", f"{HOST}/shop/web:prod@{OLD}"])
def test_an_image_that_is_written_by_digest_can_only_go_back(image: str) -> None:
    world = ServiceWorld(**declared(image))
    world.images.tags["shop/web", "prod"] = NEW
    world.unpullable()
    assert world.asked == ["rollback"]


def test_a_tag_that_is_gone_can_only_go_back() -> None:
    world = ServiceWorld()
    world.unpullable(TAG_MISSING)
    assert (world.asked, world.detail(0)["class"]) == (["rollback"], "P2")


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("ghcr.io/acme/web:1", f"CannotPullContainerError: failed to resolve ref ghcr.io/acme/web@{OLD}: not found"),
        ("nginx:1", f"CannotPullContainerError: failed to resolve ref docker.io/library/nginx@{OLD}: not found"),
        (
            f"{HOST.replace('eu-west-1', 'us-east-1')}/shop/web:prod",
            NOT_FOUND.replace("eu-west-1", "us-east-1"),
        ),
    ],
)
def test_an_image_that_lies_elsewhere_is_told(image: str, reason: str) -> None:
    world = ServiceWorld(**declared(image))
    world.unpullable(reason)
    world.unpullable(reason)
    assert (world.told, world.detail()["reason"]) == ([OPENED], "image-elsewhere")


def test_a_registry_that_refuses_is_told() -> None:
    world = ServiceWorld()
    world.images.error = AccessDeniedError("DescribeImages")
    world.unpullable()
    assert (world.told, world.detail()["reason"]) == ([OPENED], "image-elsewhere")


def test_an_image_that_is_there_is_a_failure_like_others() -> None:
    world = moved()
    world.images.kept.add(OLD)
    for _ in range(2):
        world.unpullable()
    assert world.told == []
    world.unpullable()
    assert (world.told[0], world.detail(0)["count"]) == (OPENED, 3)


@pytest.mark.parametrize(
    ("options", "service", "reason"),
    [
        ({"mode": Mode.OBSERVE}, {}, "observe-only"),
        ({"definition_tags": {}}, {}, "not-opted-in"),
        ({}, {"tags": []}, "no-policy"),
        ({}, {"deploymentController": {"type": "CODE_DEPLOY"}}, "owned-elsewhere"),
    ],
)
def test_it_is_only_told_and_says_why(options: dict[str, Any], service: dict[str, Any], reason: str) -> None:
    world = moved(**options)
    world.describe(**service)
    for _ in range(3):
        world.unpullable()
    assert (world.told, world.detail()["reason"]) == ([OPENED], reason)
    assert world.detail().get("would") == (None if reason == "owned-elsewhere" else "redeploy")


def test_a_silenced_service_is_left_alone() -> None:
    world = moved()
    world.tagged({**FOLLOWED, "longshore:recover": "off"})
    world.unpullable()
    assert world.told == []


def test_the_sidecar_that_lost_its_image_is_named() -> None:
    containers = [
        {"name": "app", "image": f"{HOST}/shop/other:prod", "essential": True},
        {"name": "side", "image": IMAGE, "essential": False},
    ]
    world = moved(definition={"containerDefinitions": containers})
    world.unpullable()
    assert (world.detail(0)["container"], world.asked) == ("side", ["heal"])


def healed(step: int | None) -> ServiceWorld:
    world = moved()
    if step is not None:
        world.crash_after(step)
    world.unpullable()
    world.run(40)
    return world


@pytest.mark.parametrize("step", range(1, len(healed(None).steps) + 1))
def test_whatever_dies_it_is_told_and_asked_at_most_twice(step: int) -> None:
    world = healed(step)
    assert any(isinstance(each, Crash) for each in world.failures), "the process did not end"
    assert 1 <= world.told.count(OPENED) <= 2
    assert world.asked in (["heal"], ["heal"] * 2)
    claimed = world.troubles.get(SERVICE, f"IMAGE#{OLD}").acted
    assert claimed is not None


# -- what ECS tells of services -------------------------------------------------------------------------------------

PLACEMENT, IMPAIRED = "SERVICE_TASK_PLACEMENT_FAILURE", "SERVICE_TASK_START_IMPAIRED"


def test_spot_must_lack_for_a_while() -> None:
    world = ServiceWorld()
    world.acts(PLACEMENT, "ERROR", "RESOURCE:FARGATE", "FARGATE_SPOT")
    world.run(6)
    world.acts(PLACEMENT, "ERROR", "RESOURCE:FARGATE", "FARGATE_SPOT")
    assert world.told == []
    world.run(4)
    world.acts(PLACEMENT, "ERROR", "RESOURCE:FARGATE", "FARGATE_SPOT")
    assert (world.told, world.detail()["class"], world.detail()["workload"]) == ([OPENED], "C1", SERVICE)
    assert "capacity provider strategy" in world.detail()["hint"]
    assert world.detail()["verdict"] == "notify"


@pytest.mark.parametrize(
    ("event", "severity", "reason", "cls"),
    [
        (PLACEMENT, "ERROR", "RESOURCE:MEMORY", "C2"),
        (PLACEMENT, "ERROR", "RESOURCE:FARGATE", "C1"),
        (IMPAIRED, "WARN", "", "Z"),
        ("SERVICE_TASK_CONFIGURATION_FAILURE", "ERROR", "", "K1"),
        ("SERVICE_DISCOVERY_INSTANCE_UNHEALTHY", "WARN", "", "H1"),
        ("VPC_LATTICE_TARGET_UNHEALTHY", "WARN", "", "H2"),
    ],
)
def test_what_ecs_tells_is_told_once_until_it_is_over(event: str, severity: str, reason: str, cls: str) -> None:
    world = ServiceWorld()
    for _ in range(4):
        world.acts(event, severity, reason)
        world.run(30)
    assert (world.told, world.detail()["class"], world.detail()["event"]) == ([OPENED], cls, event)
    world.steady()
    assert world.told == [OPENED, RESOLVED]
    world.describe()
    world.run(30)
    world.acts(event, severity, reason)
    assert world.told == [OPENED, RESOLVED]
    world.run(6 * 60)
    world.acts(event, severity, reason)
    assert world.told == [OPENED, RESOLVED, OPENED]


def test_good_news_is_no_trouble() -> None:
    world = ServiceWorld()
    world.acts("SERVICE_DESIRED_COUNT_UPDATED")
    world.acts("CAPACITY_PROVIDER_STEADY_STATE")
    assert (world.told, world.steps) == ([], [])


def test_what_passed_before_it_was_looked_at_is_not_told() -> None:
    world = ServiceWorld()
    world.describe(runningCount=2)
    world.acts(PLACEMENT, "ERROR", "RESOURCE:MEMORY")
    assert world.told == []


def test_a_crash_loop_says_already_why_tasks_do_not_start() -> None:
    world = ServiceWorld()
    world.crash(3)
    world.acts(IMPAIRED, "WARN")
    assert world.told == [OPENED, ASKED]


@pytest.mark.parametrize(
    ("event", "reason", "told"),
    [
        (IMPAIRED, "", []),
        (PLACEMENT, "RESOURCE:MEMORY", []),
        ("SERVICE_TASK_CONFIGURATION_FAILURE", "", [OPENED]),
    ],
)
def test_why_a_deployment_cannot_start_its_tasks_is_its_own_story(event: str, reason: str, told: list[str]) -> None:
    """With the circuit breaker on; once it is complete, the same is told."""
    world = ServiceWorld()
    at = world.clock.now()
    under_way = {"id": DEPLOYMENT, "status": "PRIMARY", "rolloutState": "IN_PROGRESS", "createdAt": at}
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    world.describe(deployments=[under_way], deploymentConfiguration=breaker)
    world.acts(event, "ERROR", reason)
    assert world.told == told
    world.describe(deploymentConfiguration=breaker)
    world.acts(event, "ERROR", reason)
    assert world.told == [OPENED]


def test_a_forged_event_names_no_service_that_is_not_there() -> None:
    world = ServiceWorld()
    world.services.described.clear()
    world.acts(PLACEMENT, "ERROR", "RESOURCE:MEMORY")
    assert world.told == []


def test_the_sweep_ends_what_is_steady_though_no_event_told() -> None:
    world = ServiceWorld()
    world.acts(PLACEMENT, "ERROR", "RESOURCE:MEMORY")
    world.describe(runningCount=2)
    world.sweeps(10)
    assert world.told == [OPENED]
    world.sweeps(10)
    assert (world.told, world.detail()["reason"]) == ([OPENED, RESOLVED], "steady")


def action(step: int | None) -> ServiceWorld:
    world = ServiceWorld()
    if step is not None:
        world.crash_after(step)
    world.acts(PLACEMENT, "ERROR", "RESOURCE:MEMORY")
    world.run(30)
    return world


@pytest.mark.parametrize("step", range(1, len(action(None).steps) + 1))
def test_whatever_dies_an_event_is_told_at_most_twice(step: int) -> None:
    world = action(step)
    assert any(isinstance(each, Crash) for each in world.failures), "the process did not end"
    assert 1 <= world.told.count(OPENED) <= 2
