"""Spot notices and draining: what is moved, what is left, and what gets stuck (recover 5 O4)."""

from __future__ import annotations

from typing import Any

from longshore.errors import AccessDeniedError, UpstreamError
from longshore.recover.upkeep import UpkeepPolicy
from longshore.settings import Mode
from tests.platform_world import PlatformWorld
from tests.recover_world import AUTO, IDEMPOTENT


def spot_world(mode: Mode = Mode.AUTO, **members: Any) -> tuple[PlatformWorld, Any]:
    world = PlatformWorld(mode=mode)
    instance = world.fleet(2, **members)[0]
    return world, instance


def on(world: PlatformWorld, instance: Any, tags: dict[str, str] | None = None, **members: Any) -> str:
    """A task on an instance."""
    definition = world.tasks.define(tags=IDEMPOTENT if tags is None else tags, networkMode="bridge")
    return world.tasks.run(definition, launchType="EC2", containerInstanceArn=instance.arn, attachments=[], **members)


def test_a_spot_instance_is_drained_at_once_and_its_tasks_start_elsewhere() -> None:
    world, instance = spot_world()
    task = on(world, instance)
    world.run(0)
    world.send(world.spot_event(instance))
    world.run(0)
    assert world.instances.drained == [instance.arn]
    assert world.told == ["Retirement Announced", "Task Failed", "Task Replaced"]
    announced = world.detail(0)
    assert (announced["class"], announced["reason"]) == ("S1", "instance-ends")
    assert announced["due"] == "2026-11-23T09:02:00+00:00"
    assert len(world.replacements) == 1
    assert world.tasks.described(task)["lastStatus"] == "RUNNING"
    world.clock.advance(120)
    world.tasks.end(task, code="", reason=f"Host EC2 (instance {instance.id}) terminated.", exit_code=None)
    world.run(30)
    assert len(world.replacements) == 1


def test_two_notices_move_a_task_once() -> None:
    world, instance = spot_world()
    on(world, instance)
    event = world.spot_event(instance)
    for _ in range(3):
        world.send(event)
    world.run(30)
    assert len(world.replacements) == 1
    assert world.told.count("Retirement Announced") == 1


def test_what_ecs_drained_before_us_is_still_moved() -> None:
    world, instance = spot_world(status="DRAINING")
    on(world, instance)
    world.send(world.spot_event(instance))
    world.run(1)
    assert world.instances.drained == []
    assert len(world.replacements) == 1


def test_what_may_not_run_twice_or_belongs_to_others_is_left() -> None:
    world, instance = spot_world()
    on(world, instance, AUTO)
    on(world, instance, {})
    on(world, instance, group="service:web")
    on(world, instance, startedBy="AWS Step Functions")
    world.send(world.spot_event(instance))
    world.run(10)
    assert world.replacements == []
    assert world.told == ["Retirement Announced"]


def test_where_nothing_is_drained_nothing_is_moved() -> None:
    """ECS might place the replacement on the very instance that ends."""
    world, instance = spot_world(tags={})
    on(world, instance)
    world.send(world.spot_event(instance))
    world.run(10)
    assert (world.instances.drained, world.replacements) == ([], [])
    assert (world.detail()["reason"], world.detail()["would"]) == ("not-opted-in", "instance-ends")


def test_observe_moves_nothing() -> None:
    for status in ("ACTIVE", "DRAINING"):
        world, instance = spot_world(Mode.OBSERVE, status=status)
        on(world, instance)
        world.send(world.spot_event(instance))
        world.run(10)
        assert (world.instances.drained, world.replacements) == ([], [])
        assert world.told == (["Retirement Announced"] if status == "ACTIVE" else [])


def test_where_the_drain_is_refused_nothing_is_moved() -> None:
    world, instance = spot_world()
    on(world, instance)
    world.instances.error = AccessDeniedError("UpdateContainerInstancesState")
    world.send(world.spot_event(instance))
    world.run(10)
    assert world.replacements == []
    assert [each.detail["reason"] for each in world.publisher.published] == ["instance-ends", "not-permitted"]


def test_a_spot_notice_is_not_bounded_by_the_blast_radius() -> None:
    world = PlatformWorld()
    fleet = world.fleet(4)
    for instance in fleet:
        world.send(world.spot_event(instance))
    world.run(1)
    assert len(world.instances.drained) == 4


def test_an_instance_that_is_none_of_ecs_is_nothing() -> None:
    world, instance = spot_world()
    world.send(world.spot_event(instance._replace(id="i-ffffffffffffffff0")))
    world.run(1)
    assert (world.told, world.reasons) == ([], ["gone"])


def test_one_task_that_fails_keeps_none_of_the_others() -> None:
    world, instance = spot_world()
    on(world, instance)
    on(world, instance)
    world.run(0)
    world.tasks.refusals = [UpstreamError("no answer")]
    world.send(world.spot_event(instance))
    world.run(0)
    assert len(world.failures) == 1
    assert len(world.replacements) == 1
    world.run(30)
    assert len(world.replacements) == 2


def test_a_rebalance_is_told_or_drained_by_configuration() -> None:
    world, instance = spot_world()
    world.send(world.spot_event(instance, certain=False))
    world.run(1)
    assert (world.instances.drained, world.detail()["reason"]) == ([], "may-end")
    other = PlatformWorld(upkeep=UpkeepPolicy(rebalance_drains=True))
    instance = other.fleet(1)[0]
    other.send(other.spot_event(instance, certain=False))
    other.run(1)
    assert other.instances.drained == [instance.arn]


# -- stuck ----------------------------------------------------------------------------------------------------------


def test_a_drain_that_gets_stuck_is_told_once_with_what_is_in_its_way() -> None:
    world, instance = spot_world()
    held = on(world, instance, group="service:web", startedBy="ecs-svc/1")
    alone = on(world, instance, AUTO)
    world.instances.held.add(held)
    world.send(world.spot_event(instance))
    world.run(29)
    assert "Task Given Up" not in world.told
    world.instances.become(instance.arn, tasks=2)
    world.run(60)
    assert world.told.count("Task Given Up") == 1
    told = world.detail()
    assert (told["reason"], told["services"], told["protected"]) == ("drain-stuck", ["web"], [held.rpartition("/")[2]])
    assert told["root_task"] == instance.arn
    assert f"tasks of no service: {alone.rpartition('/')[2]}" in told["evidence"]


def test_two_looks_at_a_stuck_drain_tell_it_once() -> None:
    world, instance = spot_world(status="DRAINING", tasks=1)
    on(world, instance, AUTO)
    detail = {
        "containerInstanceArn": instance.arn,
        "clusterArn": instance.cluster,
        "since": "2026-11-23T08:00:00+00:00",
    }
    for _ in range(2):
        world.send(world.envelope("Drain Check Due", detail))
    world.run(0)
    assert world.told == ["Task Given Up"]
    assert world.reasons == ["drain-stuck", "told-before"]


def test_a_drain_that_ends_is_not_told() -> None:
    world, instance = spot_world()
    world.send(world.spot_event(instance))
    world.run(60)
    assert world.told == ["Retirement Announced"]
    assert world.reasons[-1] == "drained"


def test_a_drain_that_others_began_is_followed_too() -> None:
    world, instance = spot_world(status="DRAINING", tasks=1)
    on(world, instance, AUTO)
    for _ in range(3):
        world.send(world.instance_event(instance.arn))
    world.run(20)
    assert world.told == []
    assert len(world.queue.waiting) == 1
    world.run(20)
    assert world.told == ["Task Given Up"]


def test_an_instance_that_was_put_back_to_work_is_not_stuck() -> None:
    world, instance = spot_world(status="DRAINING", tasks=1)
    world.send(world.instance_event(instance.arn))
    world.run(5)
    world.instances.become(instance.arn, status="ACTIVE")
    world.run(60)
    assert world.told == []
