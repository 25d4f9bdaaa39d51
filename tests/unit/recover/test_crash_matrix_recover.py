"""The process may end at any call, before it or after it: never two replacements, never none (recover 3.2; issue 4).

Each case kills one invocation at one boundary, has the queue deliver the message again, and looks at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from longshore.recover.breaker import BreakerLimits
from longshore.recover.recovery import RecoveryState
from longshore.recover.retry import RetryPolicy
from tests.fake_tasks import refusal
from tests.recover_world import IDEMPOTENT, RecoverWorld, running

PULL = "CannotPullContainerError: pull image manifest has been retried 5 times: i/o timeout"
Scenario = Callable[[int | None], tuple[RecoverWorld, str]]


def never_started(step: int | None) -> tuple[RecoverWorld, str]:
    """An image that could not be pulled: replaced at once."""
    world, arn = running()
    begin(world, step)
    world.tasks.end(arn, code="TaskFailedToStart", reason=PULL, exit_code=None, started=False)
    world.run(40)
    return world, arn


def put_off(step: int | None) -> tuple[RecoverWorld, str]:
    """Out of memory, and idempotent: replaced after a while, once its log was waited for."""
    world, arn = running(IDEMPOTENT)
    begin(world, step)
    world.tasks.end(arn, exit_code=137, container_reason="OutOfMemoryError: Container killed due to memory usage")
    world.run(40)
    return world, arn


def spot(step: int | None) -> tuple[RecoverWorld, str]:
    """A Spot task with notice: replaced before it is taken, and not again when it is."""
    world, arn = running(IDEMPOTENT, capacityProviderName="FARGATE_SPOT")
    begin(world, step)
    world.tasks.notice(arn)
    world.clock.advance(120)
    world.tasks.end(arn, code="SpotInterruption", reason="Your Spot Task was interrupted.", exit_code=137)
    world.run(40)
    return world, arn


def no_capacity(step: int | None) -> tuple[RecoverWorld, str]:
    """RunTask starts nothing at first, for which there is no event."""
    world, arn = running()
    world.tasks.refusals = [refusal("RESOURCE:MEMORY")]
    begin(world, step)
    world.tasks.end(arn, code="TaskFailedToStart", reason=PULL, exit_code=None, started=False)
    world.run(60)
    return world, arn


def begin(world: RecoverWorld, step: int | None) -> None:
    if step is not None:
        world.crash_after(step)


SCENARIOS: dict[str, Scenario] = {
    "never-started": never_started,
    "put-off": put_off,
    "spot": spot,
    "no-capacity": no_capacity,
}


def boundaries(scenario: Scenario) -> int:
    counted, _ = running()
    whole, _ = scenario(None)
    return len(whole.steps) - len(counted.steps)


CASES = [(name, step) for name in SCENARIOS for step in range(1, boundaries(SCENARIOS[name]) + 1)]


@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_failed_task_is_replaced_once_whatever_dies(name: str, step: int) -> None:
    undisturbed, _ = SCENARIOS[name](None)
    world, arn = SCENARIOS[name](step)
    assert len(world.failures) == 1, "the process did not end"
    recovery = world.recoveries.get(arn)
    assert len(world.replacements) == 1
    assert recovery is not None
    assert recovery.tasks == (arn, *world.replacements)
    assert recovery.state is RecoveryState.OPEN
    assert world.recipes.get(world.replacements[0]) is not None
    assert set(world.told) == set(undisturbed.told) == {"Task Failed", "Task Replaced"}
    assert Counter(world.told)["Task Replaced"] <= 2
    assert world.queue.waiting == []


@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_replacement_is_identical_whoever_launched_it(name: str, step: int) -> None:
    undisturbed, _ = SCENARIOS[name](None)
    world, _ = SCENARIOS[name](step)
    for request in world.tasks.requests:
        assert request in undisturbed.tasks.requests


@pytest.mark.parametrize("step", range(1, boundaries(never_started) + 1))
def test_with_no_message_left_the_sweep_goes_on(step: int) -> None:
    """The queue gave up: what was begun is found in the ledger; what was not is nobody's promise yet."""
    world, arn = running()
    world.crash_after(step)
    world.tasks.end(arn, code="TaskFailedToStart", reason=PULL, exit_code=None, started=False)
    world.run(0)
    assert len(world.failures) == 1
    while world.queue.next_due() is not None:
        world.clock.advance_to(world.queue.waiting[0][0])
        world.queue.receive(world.clock.now())
    begun = world.recoveries.get(arn) is not None
    world.sweep()
    world.run(1)
    assert len(world.replacements) == begun


@pytest.mark.parametrize("step", range(1, boundaries(never_started) + 1))
def test_a_duplicate_during_the_recovery_changes_nothing(step: int) -> None:
    world, arn = running()
    world.crash_after(step)
    world.tasks.end(arn, code="TaskFailedToStart", reason=PULL, exit_code=None, started=False)
    for _ in range(3):
        world.send(world.event(arn))
    world.run(40)
    assert len(world.replacements) == 1


@pytest.mark.parametrize("step", range(1, boundaries(never_started) + 1))
def test_a_lost_answer_is_found_without_the_token(step: int) -> None:
    """How long ECS remembers a client token is not documented: the lineage's tags are asked first (recover 3.2)."""
    world, arn = running()
    world.crash_after(step)
    world.tasks.end(arn, code="TaskFailedToStart", reason=PULL, exit_code=None, started=False)
    world.run(2)
    world.tasks.forget_tokens()
    world.run(40)
    assert len(world.replacements) == 1


def ending(step: int | None) -> tuple[RecoverWorld, str]:
    """The replacement ends well."""
    world, arn = never_started(None)
    begin(world, step)
    world.tasks.end(world.replacements[0], exit_code=0)
    world.run(40)
    return world, arn


ENDING = len(ending(None)[0].steps) - len(never_started(None)[0].steps)


@pytest.mark.parametrize("step", range(1, ENDING + 1))
def test_a_success_ends_the_recovery_whatever_dies(step: int) -> None:
    world, arn = ending(step)
    assert len(world.failures) == 1
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert recovery.state is RecoveryState.SUCCEEDED
    assert list(world.recoveries.open()) == []
    assert len(world.replacements) == 1


def late(step: int | None) -> tuple[RecoverWorld, str]:
    """What brought it back fails in its turn, hours later."""
    world, arn = put_off(None)
    world.sweep()
    world.run(120)
    begin(world, step)
    world.tasks.end(world.replacements[0], exit_code=137, container_reason="OutOfMemoryError: Container killed")
    world.run(40)
    return world, arn


def before_late() -> int:
    world, _ = put_off(None)
    world.sweep()
    world.run(120)
    return len(world.steps)


LATE = len(late(None)[0].steps) - before_late()


@pytest.mark.parametrize("step", range(1, LATE + 1))
def test_a_late_failure_goes_on_with_its_recovery_whatever_dies(step: int) -> None:
    world, arn = late(step)
    assert len(world.failures) == 1
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert recovery.state is RecoveryState.OPEN
    assert recovery.tasks == (arn, *world.replacements)
    assert [each.number for each in recovery.attempts] == [1, 2]
    assert list(world.recoveries.open()) == [arn]
    assert 2 <= Counter(world.told)["Task Replaced"] <= 3
    assert {each.detail["root_task"] for each in world.publisher.published} == {arn}


@pytest.mark.parametrize("step", range(1, LATE + 1))
def test_a_late_failure_is_gone_on_with_by_the_sweep(step: int) -> None:
    """The queue gave up: what was opened again is found in the ledger."""
    world, _ = put_off(None)
    world.sweep()
    world.run(120)
    world.crash_after(step)
    world.tasks.end(world.replacements[0], exit_code=137, container_reason="OutOfMemoryError: Container killed")
    world.run(0.2)
    while world.queue.next_due() is not None:
        world.clock.advance_to(world.queue.waiting[0][0])
        world.queue.receive(world.clock.now())
    begun = bool(list(world.recoveries.open()))
    for _ in range(4):
        world.sweep()
        world.run(5)
    assert len(world.replacements) == 1 + begun


POLICY = RetryPolicy(breaker=BreakerLimits(failures=50))


def always_failing(step: int | None) -> tuple[RecoverWorld, str]:
    """Every replacement fails at once, until no attempt is left."""
    world, arn = running(policy=POLICY)
    begin(world, step)
    failing = arn
    for _ in range(8):
        world.tasks.end(failing, code="TaskFailedToStart", reason=PULL, exit_code=None, started=False)
        world.run(60)
        alive = [each for each in world.replacements if not world.tasks.described(each).get("stoppedAt")]
        if not alive:
            break
        failing = alive[0]
    return world, arn


ALWAYS = len(always_failing(None)[0].steps) - len(running(policy=POLICY)[0].steps)


@pytest.mark.parametrize("step", range(1, ALWAYS + 1))
def test_what_always_fails_is_given_up_once_whatever_dies(step: int) -> None:
    undisturbed, _ = always_failing(None)
    world, arn = always_failing(step)
    assert len(world.failures) == 1
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert recovery.state is RecoveryState.GIVEN_UP
    assert len(world.replacements) == len(undisturbed.replacements) == 3
    assert 1 <= Counter(world.told)["Task Given Up"] <= 2


def rejected(step: int | None) -> tuple[RecoverWorld, str]:
    world, arn = running()
    world.tasks.refusals = [refusal("ATTRIBUTE"), refusal("ATTRIBUTE")]
    begin(world, step)
    world.tasks.end(arn, code="TaskFailedToStart", reason=PULL, exit_code=None, started=False)
    world.run(60)
    return world, arn


REJECTED = len(rejected(None)[0].steps) - len(running()[0].steps)


@pytest.mark.parametrize("step", range(1, REJECTED + 1))
def test_a_launch_that_is_refused_is_told_and_closed_whatever_dies(step: int) -> None:
    world, arn = rejected(step)
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert recovery.state is RecoveryState.REFUSED
    assert 1 <= Counter(world.told)["Task Replacement Refused"] <= 2
    assert world.replacements == []
