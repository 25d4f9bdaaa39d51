"""What fails late, again and again, uses up its attempts; what fails once in a while does not (recover 4; issue 4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from longshore.recover.breaker import BreakerLimits
from longshore.recover.recovery import Recovery, RecoveryState
from longshore.recover.retry import RetryPolicy
from tests.recover_world import IDEMPOTENT, RecoverWorld, running
from tests.service_world import ServiceWorld

OOM = "OutOfMemoryError: Container killed due to memory usage"
CALM = RetryPolicy(breaker=BreakerLimits(failures=50))


def out_of_memory(world: RecoverWorld, arn: str) -> None:
    world.tasks.end(arn, exit_code=137, container_reason=OOM)


def live(world: RecoverWorld, minutes: int) -> None:
    """Time passes, with a sweep every quarter of an hour."""
    for _ in range(minutes // 15):
        world.run(15)
        world.sweep()
    world.run(minutes % 15 + 1)


def newest(world: RecoverWorld) -> str:
    return world.tasks.arns[-1]


def recovery_of(world: RecoverWorld, root: str) -> Recovery:
    recovery = world.recoveries.get(root)
    assert recovery is not None
    return recovery


def well_again(policy: RetryPolicy = CALM) -> tuple[RecoverWorld, str]:
    """It failed, and its replacement has run for long enough."""
    world, arn = running(IDEMPOTENT, policy=policy)
    live(world, 31)
    out_of_memory(world, arn)
    live(world, 31)
    assert recovery_of(world, arn).state is RecoveryState.SUCCEEDED
    return world, arn


@pytest.mark.parametrize("minutes", [31, 180])
def test_what_always_fails_late_is_given_up_once(minutes: int) -> None:
    world, arn = running(IDEMPOTENT, policy=CALM)
    for _ in range(8):
        live(world, minutes)
        if "stoppedAt" not in world.tasks.described(newest(world)):
            out_of_memory(world, newest(world))
    live(world, 60)
    assert len(world.replacements) == 3
    assert world.told.count("Task Given Up") == 1
    assert {each.detail["root_task"] for each in world.publisher.published} == {arn}
    assert recovery_of(world, arn).state is RecoveryState.GIVEN_UP
    assert [world.tasks.tags(each)["longshore:attempt"] for each in world.replacements] == ["1", "2", "3"]
    detail = world.detail()
    assert (detail["reason"], detail["attempt"]) == ("attempts-spent", 3)
    assert [row["task"] for row in detail["attempts"]] == world.tasks.arns
    assert list(world.recoveries.open()) == []


def test_what_fails_now_and_then_goes_on_for_ever() -> None:
    """Three attempts of its own a day, whatever day; each has a token that no other had."""
    world, arn = running(IDEMPOTENT, policy=CALM._replace(memory=CALM.memory._replace(percent=0)))
    for _ in range(12):
        live(world, 9 * 60)
        out_of_memory(world, newest(world))
    live(world, 60)
    assert len(world.replacements) == 12
    assert "Task Given Up" not in world.told
    assert {each.detail["root_task"] for each in world.publisher.published} == {arn}
    assert len({each["clientToken"] for each in world.tasks.requests}) == 12
    assert len(recovery_of(world, arn).attempts) == 3, "the ledger keeps those that count"


def test_what_fails_after_a_month_begins_anew() -> None:
    world, arn = well_again()
    worker = newest(world)
    world.run(30 * 24 * 60)
    out_of_memory(world, worker)
    live(world, 31)
    assert len(world.replacements) == 2
    assert world.tasks.tags(newest(world))["longshore:root-task"] == worker
    assert world.tasks.tags(newest(world))["longshore:attempt"] == "1"
    assert recovery_of(world, arn).state is RecoveryState.SUCCEEDED
    world.send(world.event(worker))
    live(world, 31)
    assert len(world.replacements) == 2


def test_the_deadline_is_counted_from_the_failure_that_opened_it_again() -> None:
    world, arn = well_again(CALM._replace(deadline=3600))
    live(world, 5 * 60)
    out_of_memory(world, newest(world))
    world.run(10)
    recovery = recovery_of(world, arn)
    assert recovery.state is RecoveryState.OPEN
    assert world.clock.now() - recovery.opened < timedelta(minutes=11)
    assert len(world.replacements) == 2
    assert [each.number for each in recovery.attempts] == [1, 2]


def test_one_that_waits_for_a_budget_is_not_forgotten() -> None:
    world, arn = well_again(CALM._replace(family_per_hour=1))
    live(world, 60)
    assert world.switches.count("replace#shop/etl", world.clock.now(), 1)
    out_of_memory(world, newest(world))
    world.run(1)
    assert world.reasons[-1] == "family-budget"
    assert recovery_of(world, arn).state is RecoveryState.OPEN
    world.run(60)
    assert len(world.replacements) == 2


def test_success_stays_final() -> None:
    world, arn = well_again()
    child = newest(world)
    world.tasks.end(child, exit_code=0)
    world.run(5)
    kept, told = dict(world.recoveries.kept), list(world.told)
    for _ in range(3):
        world.send(world.event(child))
        live(world, 30)
    assert (world.recoveries.kept, world.told) == (kept, told)
    assert recovery_of(world, arn).state is RecoveryState.SUCCEEDED
    assert list(world.recoveries.open()) == []


def test_somebodys_stop_changes_nothing() -> None:
    world, arn = well_again()
    told = list(world.told)
    world.tasks.end(newest(world), code="UserInitiated", reason="enough", exit_code=143)
    live(world, 60)
    assert (world.told, len(world.replacements)) == (told, 1)
    assert recovery_of(world, arn).state is RecoveryState.SUCCEEDED


def test_a_late_duplicate_of_an_earlier_replacement_does_nothing() -> None:
    world, arn = running(IDEMPOTENT, policy=CALM)
    for _ in range(2):
        out_of_memory(world, newest(world))
        world.run(2)
    live(world, 31)
    assert recovery_of(world, arn).state is RecoveryState.SUCCEEDED
    told = list(world.told)
    for each in world.tasks.arns[:-1]:
        world.send(world.event(each))
    live(world, 31)
    assert (world.told, len(world.replacements)) == (told, 2)


def test_the_sweep_goes_on_with_one_whose_end_was_missed() -> None:
    world, arn = swept()
    out_of_memory(world, newest(world))
    world.sending = True
    world.sweeps(30)
    assert len(world.replacements) == 2
    assert recovery_of(world, arn).state in (RecoveryState.OPEN, RecoveryState.SUCCEEDED)
    assert world.tasks.tags(newest(world))["longshore:root-task"] == arn


def test_one_that_ecs_has_forgotten_is_told_once() -> None:
    world, _ = swept()
    told = list(world.told)
    out_of_memory(world, newest(world))
    world.tasks.forget(newest(world))
    world.sweeps(30)
    assert world.told == [*told, "Task Failed", "Task Replacement Refused"]
    assert world.detail()["reason"] == "task-gone"
    world.sweeps(30)
    assert len(world.told) == len(told) + 2


def swept() -> tuple[ServiceWorld, str]:
    """It was brought back, and no event comes any more."""
    world = ServiceWorld()
    arn = world.tasks.run(world.tasks.define(tags=IDEMPOTENT))
    world.run(1)
    out_of_memory(world, arn)
    world.sweeps(30)
    assert recovery_of(world, arn).state is RecoveryState.SUCCEEDED
    world.sending = False
    return world, arn
