"""The sweep on a bad day: what fails is told and keeps nothing else from its turn, and every message does a little."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import AccessDeniedError, ThrottledError, TransientError
from longshore.recover.reading import Message
from longshore.recover.recipe import LaunchRecipe
from longshore.recover.recovery import Recovery, RecoveryState
from longshore.recover.retry import RetryPolicy
from tests.fake_tasks import ARN, CLUSTER
from tests.recover_world import AUTO, IDEMPOTENT
from tests.service_world import ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

DENIED = AccessDeniedError("ecs:StopTask is denied")


def handled(world: ServiceWorld, most: int = 100) -> int:
    """Delivers what comes within half an hour, each message at most five times, as the queue does."""
    end, count = world.clock.now() + timedelta(minutes=30), 0
    while (due := world.queue.next_due()) is not None and due <= end and count < most:
        world.clock.advance_to(due)
        body = dict(world.queue.receive(world.clock.now()) or {})
        received = body.pop("received", 1)
        count += 1
        try:
            world.outcomes += world.recoverer.handle(Message.parse(json.loads(json.dumps(body))))
        except TransientError:
            if received < 5:
                world.queue.postpone({**body, "received": received + 1}, world.clock.now() + timedelta(minutes=6))
    return count


def failing(
    monkeypatch: pytest.MonkeyPatch, port: object, name: str, bad: Callable[..., bool], error: Exception
) -> None:
    """A call to a fake fails for some arguments."""
    real = getattr(port, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if bad(*args):
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(port, name, call)


def living(count: int, page: int, tags: dict[str, str] | None = None) -> ServiceWorld:
    world = ServiceWorld()
    world.inventory.page = page
    definition = world.tasks.define("plain", tags or {})
    for _ in range(count):
        world.tasks.run(definition)
    world.run(0.1)
    world.outcomes.clear()
    return world


def failures(world: ServiceWorld) -> list[tuple[str, str]]:
    return [(each.detail["subject"], each.reason) for each in world.outcomes if each.verdict == "fail"]


# -- living tasks ---------------------------------------------------------------------------------------------------


def test_tasks_that_fail_do_not_multiply_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    world = living(150, 10)
    bad = world.tasks.arns[::10]
    failing(monkeypatch, world.recoverer.recorder, "seen", lambda task: task.arn in bad, ThrottledError("slow down"))
    monkeypatch.setattr(world.watched, "all", list)  # nothing is recorded, so that every one is looked at anew
    world.sweep()
    assert handled(world) == 2
    assert failures(world) == [(arn, "throttled") for arn in bad]
    assert {each.metric for each in world.outcomes if each.verdict == "fail"} == {"DecisionFail"}


def test_a_task_that_may_not_be_stopped_is_told_and_the_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    world = living(3, 100, AUTO)
    for arn in world.tasks.arns:
        world.tasks.become(arn, lastStatus="PENDING", startedAt=None, containers=[])
    world.run(30)
    world.outcomes.clear()
    first, *others = world.tasks.arns
    failing(monkeypatch, world.tasks, "stop", lambda cluster, arn, reason: arn == first, DENIED)
    world.sweep()
    world.run()
    assert failures(world) == [(first, "access-denied")]
    assert world.failures == []
    assert [world.tasks.described(arn)["lastStatus"] for arn in (first, *others)] == ["PENDING", "STOPPED", "STOPPED"]


def test_a_cluster_that_fails_does_not_hide_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    world = living(1, 100, AUTO)
    world.inventory.others = [f"{ARN}:cluster/a"]
    failing(monkeypatch, world.inventory, "tasks", lambda cluster, *_: cluster != CLUSTER, ThrottledError("slow down"))
    monkeypatch.setattr(world.watched, "all", list)
    world.recipes.kept.clear()
    world.sweep()
    assert handled(world) == 1
    assert failures(world) == [(f"{ARN}:cluster/a", "throttled")]
    assert list(world.recipes.kept) == world.tasks.arns


# -- open recoveries ------------------------------------------------------------------------------------------------


def opened(count: int, **members: Any) -> ServiceWorld:
    """Recoveries whose task ECS has forgotten."""
    world = ServiceWorld()
    for number in range(count):
        root = f"{ARN}:task/shop/{number:032x}"
        world.recoveries.save(Recovery(root, "etl", CLUSTER, world.clock.now(), **members))
    return world


def test_open_recoveries_come_a_few_with_each_message() -> None:
    world = opened(25)
    world.sweep()
    body = world.queue.receive(world.clock.now())
    assert body is not None
    world.deliver(body)
    assert len(list(world.recoveries.open())) == 15
    assert handled(world) == 2
    assert list(world.recoveries.open()) == []


def test_a_recovery_that_fails_is_not_tried_at_every_receive(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(12)
    bad = f"{ARN}:task/shop/{3:032x}"
    failing(monkeypatch, world.recoveries, "get", lambda root: root == bad, ThrottledError("slow down"))
    world.sweep()
    assert handled(world) == 2
    assert failures(world) == [(bad, "throttled")]
    assert list(world.recoveries.open()) == [bad]


def test_what_waits_for_a_time_to_come_is_left_until_then() -> None:
    world = opened(1, waits=ServiceWorld().clock.now() + timedelta(minutes=7))
    for minutes, left in ((0, 1), (5, 1), (5, 0)):
        world.run(minutes)
        world.sweep()
        world.run()
        assert len(list(world.recoveries.open())) == left


def test_those_that_wait_for_a_budget_cost_a_sweep_nothing() -> None:
    world = ServiceWorld(policy=RetryPolicy(family_per_hour=1))
    definition = world.tasks.define("nightly", IDEMPOTENT)
    tasks = [world.tasks.run(definition) for _ in range(30)]
    world.run(1)
    for arn in tasks:
        world.tasks.end(arn, exit_code=137)
    world.run(5)
    waiting = [each for root in tasks if (each := world.recoveries.get(root)) and each.state is RecoveryState.OPEN]
    assert len(waiting) > 20
    assert all(each.due and each.due > world.clock.now() for each in waiting if not each.attempts)
    begun = len(world.steps)
    world.sweep()
    world.run()
    calls = [each.removesuffix(" before") for each in world.steps[begun:] if each.endswith(" before")]
    assert calls.count("FakeTasks.definition") <= 1
    assert calls.count("FakeLogs.tail") <= 1
    assert calls.count("FakeSwitches.count") <= 1


def test_the_log_is_read_when_something_is_told() -> None:
    world = ServiceWorld(policy=RetryPolicy(family_per_hour=1))
    definition = world.tasks.define("nightly", IDEMPOTENT)
    tasks = [world.tasks.run(definition) for _ in range(6)]
    world.run(1)
    for arn in tasks:
        world.tasks.end(arn, exit_code=137)
    world.run(5)
    begun, told, looked = len(world.steps), len(world.told), len(world.outcomes)
    world.run(120)
    kept_waiting = [each for each in world.outcomes[looked:] if each.verdict == "wait"]
    assert len(kept_waiting) >= 4
    launched = len(world.told) - told
    assert 0 < world.steps[begun:].count("FakeLogs.tail before") <= 2 * launched < len(kept_waiting) + launched


# -- ends that were missed (W8) -------------------------------------------------------------------------------------


def missed(count: int, ended: list[int]) -> tuple[ServiceWorld, list[str]]:
    """Recorded tasks that live, but for those that ended while no event came."""
    world = ServiceWorld()
    world.sending = False
    definition = world.tasks.define("nightly", AUTO)
    arns = [world.tasks.run(definition) for _ in range(count)]
    for arn in arns:
        world.ports.recipes.put(arn, LaunchRecipe(source="task"))
    for number in ended:
        world.tasks.end(arns[number], exit_code=1)
    world.run(5)
    return world, arns


def test_an_end_that_fails_does_not_hide_the_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    world, arns = missed(2100, [0, 2050])
    failing(monkeypatch, world.watched, "drop", lambda arn: arn == arns[0], ThrottledError("slow down"))
    world.send(world.envelope("Sweep Due", {"missed": True, "after": ""}))
    assert handled(world) == 2
    assert failures(world) == [(arns[0], "throttled")]
    assert arns[2050] in [each.detail["task"] for each in world.publisher.published]


def test_many_missed_ends_come_some_with_each_message() -> None:
    world, arns = missed(50, list(range(50)))
    world.send(world.envelope("Sweep Due", {"missed": True, "after": ""}))
    body = world.queue.receive(world.clock.now())
    assert body is not None
    world.deliver(body)
    assert 0 < len(world.watched.dropped) < 30
    handled(world)
    assert world.watched.dropped >= set(arns)
    assert {each.detail["task"] for each in world.publisher.published} == set(arns)


# -- instances ------------------------------------------------------------------------------------------------------


def test_the_sweep_sees_which_machines_are_container_instances() -> None:
    world = ServiceWorld()
    host = f"{ARN}:container-instance/shop/{1:032x}"
    world.tasks.run(world.tasks.define("plain", {}), containerInstanceArn=host)
    world.sweeps(5)
    assert world.machines.known == {(CLUSTER, host)}
