"""Daemons of Managed Instances (recover 2.2)."""

from __future__ import annotations

from longshore.recover.diagnosis import Owner
from tests.platform_world import PlatformWorld

DAEMON = "arn:aws:ecs:eu-west-1:123456789012:daemon/shop/agent"
IMPAIRED = {
    "eventType": "WARN",
    "eventName": "DAEMON_TASK_START_IMPAIRED",
    "failureType": "TASK_FAILED_TO_RUN",
    "reason": "CannotPullContainerError: pull access denied",
}


def acted(world: PlatformWorld, **members: str) -> None:
    world.send(world.envelope("ECS Daemon Service Action", {**IMPAIRED, **members}, DAEMON))
    world.run(1)


def test_a_daemon_that_does_not_start_is_told_once_while_ecs_repeats_itself() -> None:
    world = PlatformWorld()
    for _ in range(3):
        acted(world)
    assert world.told == ["Task Failed"]
    told = world.detail()
    assert (told["workload_name"], told["cluster"], told["root_task"]) == ("agent", "shop", DAEMON)
    assert (told["owner"], told["verdict"], told["reason"]) == (Owner.DAEMON.value, "notify", "aws-repairs")
    assert "failureType: TASK_FAILED_TO_RUN" in told["evidence"]


def test_it_is_told_again_when_it_goes_on_for_hours() -> None:
    world = PlatformWorld()
    acted(world)
    world.clock.advance(6 * 3600)
    acted(world)
    assert world.told == ["Task Failed"] * 2


def test_good_news_is_only_logged() -> None:
    world = PlatformWorld()
    acted(world, eventType="INFO", eventName="DAEMON_STEADY_STATE", reason="", failureType="")
    assert world.told == []
