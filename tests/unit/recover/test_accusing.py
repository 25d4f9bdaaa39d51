"""Instances that failures of services point at: drained at the second accusation within an hour (recover 2.4 P5)."""

from __future__ import annotations

from typing import Any

from longshore.recover.care import recoverer
from longshore.recover.crash_loops import CrashLoopPolicy
from longshore.recover.service_ports import ServicePorts
from longshore.settings import Mode
from tests.platform_world import PlatformWorld
from tests.recover_world import AUTO
from tests.service_world import FakeImages, FakeInventory, FakeMachines, FakeServices, FakeTroubles, FakeWatched

FULL = "CannotPullContainerError: failed to register layer: write /usr/lib/x: no space left on device"


def built(count: int = 4, mode: Mode = Mode.AUTO, **members: Any) -> tuple[PlatformWorld, list[Any]]:
    """The whole of recover above instances; the services are gone by now, so that no crash loop is told."""
    world = PlatformWorld(mode=mode)
    care = ServicePorts(
        FakeServices(),
        FakeImages(),
        FakeTroubles(),
        FakeInventory(world.tasks),
        FakeWatched(world.recipes),
        FakeMachines(),
    )
    world.recoverer = recoverer(
        world.ports,
        care,
        world.rules,
        CrashLoopPolicy(),
        world.platform.handlers,
        accuse=world.platform.accusations.stopped,
    )
    return world, world.fleet(count, **members)


def full(world: PlatformWorld, instance: Any, service: str = "web", *, reason: str = FULL, **tags: str) -> str:
    """A task of a service that finds no space on its instance."""
    definition = world.tasks.define(service, {**AUTO, **tags}, networkMode="bridge")
    members = {"launchType": "EC2", "containerInstanceArn": instance.arn, "attachments": []}
    task = world.tasks.run(definition, group=f"service:{service}", startedBy="ecs-svc/1", **members)
    world.tasks.end(task, code="TaskFailedToStart", reason=reason, exit_code=None, started=False)
    world.run(1)
    return task


def test_one_accusation_is_only_remembered() -> None:
    world, fleet = built()
    task = full(world, fleet[0])
    world.send(world.event(task))
    world.run(1)
    assert (world.told, world.instances.drained) == ([], [])
    assert "accused-once" in world.reasons


def test_a_second_task_has_the_instance_drained_and_told_once() -> None:
    for second in ("web", "api"):
        world, fleet = built()
        tasks = [full(world, fleet[0]), full(world, fleet[0], second), full(world, fleet[0])]
        assert world.instances.drained == [fleet[0].arn]
        assert world.told == ["Task Failed"]
        told = world.detail()
        assert (told["class"], told["reason"], told["root_task"]) == ("P5", "suspect-instance", fleet[0].arn)
        assert f"tasks: {tasks[0]}, {tasks[1]}" in told["evidence"]


def test_other_instances_and_older_accusations_do_not_add_up() -> None:
    world, fleet = built()
    full(world, fleet[0])
    full(world, fleet[1])
    world.run(61)
    full(world, fleet[0])
    assert (world.told, world.instances.drained) == ([], [])
    full(world, fleet[0])
    assert world.instances.drained == [fleet[0].arn]


def test_failures_that_are_not_the_instances_accuse_nobody() -> None:
    world, fleet = built()
    for _ in range(3):
        full(world, fleet[0], reason="CannotPullContainerError: pull access denied")
        full(world, fleet[1], **{"longshore:recover": "off"})
    assert (world.told, world.instances.drained) == ([], [])


def test_it_is_drained_where_that_is_wanted() -> None:
    for mode, tags, reason in (
        (Mode.AUTO, {}, "not-opted-in"),
        (Mode.OBSERVE, AUTO, "observe-only"),
    ):
        world, fleet = built(mode=mode, tags=tags)
        full(world, fleet[0])
        full(world, fleet[0])
        assert (world.told, world.detail()["reason"], world.instances.drained) == (["Task Failed"], reason, [])
        assert world.detail()["would"] == "suspect-instance"


def test_the_blast_radius_holds_and_what_waits_is_decided_again() -> None:
    world, fleet = built()
    for instance in fleet[:2]:
        full(world, instance)
        full(world, instance)
    assert world.instances.drained == [fleet[0].arn]
    assert world.detail()["reason"] == "blast-radius"
    world.run(20)
    assert world.instances.drained == [fleet[0].arn, fleet[1].arn]


def test_while_paused_it_waits() -> None:
    world, fleet = built()
    world.switches.reason = "maintenance"
    full(world, fleet[0])
    full(world, fleet[0])
    assert (world.instances.drained, world.detail()["reason"]) == ([], "paused")
    world.switches.reason = None
    world.run(20)
    assert world.instances.drained == [fleet[0].arn]
