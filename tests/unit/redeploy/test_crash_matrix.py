"""The process may end at any call, before it or after it: the end state is the same (redeploy 8.2, 8.16; design 5).

Each case kills one invocation at one boundary, has the queue deliver the message again, and looks at the end.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from longshore.workloads import DeploymentStatus, RolloutStatus
from tests.world import WEB, World, digest, image, one_service

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")


def crashed_at(world: World, step: int) -> None:
    world.crash_at = len(world.steps) + step


def pushed_and_verified(step: int | None, *, extra: bool = False) -> tuple[World, str]:
    """A push, its deployment and its soak; the handling of it dies at `step`."""
    world, arn = one_service()
    world.push("prod", TWO)
    if step is not None:
        crashed_at(world, step)
    world.run(14)
    if extra:
        world.push("prod", THREE)
    for _ in range(4):
        if world.platform.observe(arn).rollout_active:
            world.platform.succeed(arn)
        world.run(40)
    return world, arn


def boundaries() -> int:
    world, _ = one_service()
    before = len(world.steps)
    world.push("prod", TWO)
    world.run(1)
    return len(world.steps) - before


BOUNDARIES = boundaries()


@pytest.mark.parametrize("step", range(1, BOUNDARIES + 1))
def test_a_push_survives_the_end_of_the_process_anywhere(step: int) -> None:
    world, arn = pushed_and_verified(step)
    assert len(world.failures) == 1, "the process did not end"
    record = world.records.get(arn)
    assert world.platform.running(arn) == TWO
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO}]
    assert record.deployment is not None
    assert record.deployment.status is DeploymentStatus.VERIFIED
    assert record.pending == {}
    assert record.goods[0].digests == {"app": TWO}
    told = Counter(world.told)
    assert set(told) == {"Deployment Started", "Deployment Succeeded"}
    assert told["Deployment Started"] <= 2
    assert (world.queue.waiting, world.watch_queue.waiting) == ([], [])


@pytest.mark.parametrize("step", range(1, BOUNDARIES + 1))
def test_a_duplicate_that_comes_while_the_claim_of_the_dead_still_stands_loses_nothing(step: int) -> None:
    """Standard queues may deliver a message twice; whoever receives the second copy deletes it for both."""
    world, arn = one_service()
    world.visibility = timedelta(seconds=1)
    world.push("prod", TWO)
    crashed_at(world, step)
    for _ in range(4):
        world.run(15)
        if world.platform.observe(arn).rollout_active:
            world.platform.succeed(arn)
    assert len(world.failures) == 1
    assert world.platform.running(arn) == TWO
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO}]
    assert world.records.get(arn).pending == {}


@pytest.mark.parametrize("step", range(1, BOUNDARIES + 1))
def test_a_push_during_the_recovery_wins(step: int) -> None:
    world, arn = pushed_and_verified(step, extra=True)
    assert world.platform.running(arn) == THREE
    assert world.records.get(arn).pending == {}
    assert [plan.digests["app"] for plan in world.platform.applied].count(THREE) == 1


@pytest.mark.parametrize("step", range(1, BOUNDARIES + 1))
@pytest.mark.parametrize("stopped", ["untagged", "paused", "observing"])
def test_what_is_forbidden_in_between_is_not_begun(step: int, stopped: str) -> None:
    world, arn = one_service()
    world.push("prod", TWO)
    crashed_at(world, step)
    world.run(1)
    begun = len(world.platform.applied)
    if stopped == "untagged":
        world.platform.retag(arn, {})
    elif stopped == "paused":
        world.switches.reason = "incident"
    else:
        object.__setattr__(world.rules, "observe_only", True)
    for _ in range(3):
        if world.platform.observe(arn).rollout_active:
            world.platform.succeed(arn)
        world.run(60)
    assert len(world.platform.applied) == begun
    deployment = world.records.get(arn).deployment
    assert deployment is None or not deployment.status.active


def watched(step: int | None, ending: str) -> tuple[World, str]:
    """A deployment, and its end seen by the watch, which dies at `step` of that."""
    world, arn = one_service()
    world.push("prod", TWO)
    world.run(1)
    world.push("prod", THREE)
    world.run(1)
    if step is not None:
        crashed_at(world, step)
    if ending == "verified":
        world.platform.succeed(arn)
    elif ending == "rolled-back":
        world.platform.roll_back(arn)
    else:
        world.platform.end(arn, RolloutStatus.FAILED)
        world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    for _ in range(8):
        world.run(40)
        if world.platform.observe(arn).rollout_active:
            world.platform.succeed(arn)
    return world, arn


ENDINGS = {
    "verified": ([TWO, THREE], {"Deployment Started", "Deployment Succeeded"}),
    "rolled-back": ([TWO, THREE], {"Deployment Started", "Deployment Succeeded", "Deployment Rolled Back"}),
    "failed": ([TWO, ONE, THREE], {"Deployment Started", "Deployment Succeeded", "Deployment Failed"}),
}


def watched_steps() -> list[tuple[str, int]]:
    cases = []
    for ending in sorted(ENDINGS):
        counted, _ = one_service()
        counted.push("prod", TWO)
        counted.run(1)
        counted.push("prod", THREE)
        counted.run(1)
        whole, _ = watched(None, ending)
        cases += [(ending, step) for step in range(1, len(whole.steps) - len(counted.steps) + 1)]
    return cases


@pytest.mark.parametrize(("ending", "step"), watched_steps())
def test_the_end_of_a_deployment_survives_the_end_of_the_process_anywhere(ending: str, step: int) -> None:
    world, arn = watched(step, ending)
    assert len(world.failures) == 1, "the process did not end"
    deployed, told = ENDINGS[ending]
    applied = [plan.digests["app"] for plan in world.platform.applied]
    record = world.records.get(arn)
    assert world.platform.running(arn) == THREE
    assert record.pending == {}
    assert set(world.told) == told
    assert len(applied) == len(set(applied)), "one deployment for one digest"
    assert set(applied) <= set(deployed)
    assert {TWO, THREE} <= set(applied)
    assert (TWO in record.quarantined) == (ending != "verified")
    assert record.deployment is not None
    assert record.deployment.status is DeploymentStatus.VERIFIED
    assert (world.queue.waiting, world.watch_queue.waiting) == ([], [])


def rolled_back_by_hand(step: int | None) -> tuple[World, str, int]:
    world, arn = one_service()
    world.push("prod", TWO)
    world.run(1)
    world.platform.succeed(arn)
    world.run(30)
    world.forget_telling()
    before = len(world.steps)
    if step is not None:
        crashed_at(world, step)
    world.platform.deploy(arn, app=image(WEB, "prod").replace(":prod", f"@{ONE}"))
    world.platform.succeed(arn)
    world.run(120)
    return world, arn, len(world.steps) - before


@pytest.mark.parametrize("step", range(1, rolled_back_by_hand(None)[2] + 1))
def test_a_way_back_by_hand_is_held_and_told_whatever_dies(step: int) -> None:
    world, arn, _ = rolled_back_by_hand(step)
    assert len(world.failures) == 1, "the process did not end"
    hold = world.records.get(arn).hold
    assert hold is not None
    assert set(world.told) == {"Hold Set"}
    assert world.records.get(arn).goods[0].digests == {"app": ONE}
