"""RecoverFunction dies, or AWS fails, at every call: one replacement in the end, never two and never none (recover 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest

from longshore import wiring
from longshore_local.functions import Functions
from longshore_local.overriding import override
from longshore_local.recorder import Recorder
from tests.functional.jobs import OPTED_IN, Jobs
from tests.functional.stage import Stage

if TYPE_CHECKING:
    from longshore_local.bundle import Bundle

PARAMETERS = {"RecoverMode": "auto"}
CONFIG = """
recover:
  attempts: {app: 1}
  backoff: {base: 60s, max: 60s}
"""
FUNCTION = "RecoverFunction"
SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
ENDS = {"Task Replaced": 1, "Task Given Up": 1}
READS = ("Get", "Describe", "List", "Query", "BatchGet")
When = Literal["before", "after"]


class Killed(BaseException):
    """The function's process ends: nothing of it may catch this, and no code of it runs any more."""


@dataclass
class Calls:
    """The AWS calls of the function, in order; it dies at the one that is chosen, once.

    They count from when it is recorded how the task was launched: what dies before that may take with it what only the
    living task tells. They count until `over`: what the sweep looks at later is no part of the story.
    """

    kill_at: int = 0
    when: When = "before"
    operations: list[str] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    fresh: bool = True
    killed: bool = False
    recorded: bool = False
    over: bool = False

    def made(self, operation: str) -> int:
        """Another call is made; its number, from 1."""
        self.operations.append(operation)
        if self.fresh:
            self.firsts.append(len(self.operations))
        self.fresh = False
        return len(self.operations)

    def boundaries(self) -> list[tuple[int, When]]:
        """Where the world differs if it dies: before an invocation does anything, and after each of its writes.

        To die before or after a call that only reads is to die after the write, or the beginning, that it follows.
        """
        writes = [n for n, each in enumerate(self.operations, 1) if not each.partition(":")[2].startswith(READS)]
        return sorted([*((n, "before") for n in self.firsts), *((n, "after") for n in writes)])

    def step(self, number: int, when: When) -> None:
        """A boundary is reached."""
        if (number, when) == (self.kill_at, self.when):
            self.killed = True
            raise Killed


@contextmanager
def watched(calls: Calls) -> Iterator[Calls]:
    """While open, every call of the function counts."""

    def record(own: Recorder, function: str, client: Any, operation: str, params: Any, make_call: Any) -> Any:
        if function != FUNCTION or calls.over or not calls.recorded:
            answer = former_record(own, function, client, operation, params, make_call)
            calls.recorded = calls.recorded or (operation == "PutItem" and params["Item"]["sk"] == {"S": "RECIPE"})
            return answer
        number = calls.made(f"{client.meta.service_model.service_name}:{operation}")
        calls.step(number, "before")
        answer = former_record(own, function, client, operation, params, make_call)
        calls.step(number, "after")
        return answer

    def handler(own: Functions, function: Any) -> Any:
        handle = former_handler(own, function)

        def run(event: Any, context: Any) -> Any:
            calls.fresh = True
            try:
                return handle(event, context)
            except Killed as death:
                wiring.reset()  # the next invocation is another process, which remembers nothing
                raise RuntimeError("Runtime exited") from death

        return run

    with (
        override(Recorder, "_record", record) as former_record,
        override(Functions, "_handler", handler) as former_handler,
    ):
        yield calls


# -- what happens -----------------------------------------------------------------------------------------------------


def never_started(jobs: Jobs) -> str:
    """An image that could not be pulled for once: replaced at once."""
    jobs.faults.fail_next("etl", "P1", after=20)
    return jobs.run(jobs.family(OPTED_IN))


def out_of_memory(jobs: Jobs) -> str:
    """Out of memory: replaced after a while, with more."""
    jobs.faults.fail_next("etl", "oom", after=20)
    return jobs.run(jobs.family())


def spot(jobs: Jobs) -> str:
    """Spot capacity is taken, with notice: replaced before it is gone, and not again when it is."""
    jobs.faults.fail_next("etl", "spot", after=20)
    return jobs.run(jobs.family(), capacityProviderStrategy=SPOT)


def given_up(jobs: Jobs) -> str:
    """It runs out of memory whatever is done: tried once more, and given up once."""
    jobs.faults.fail("etl", "oom", after=20)
    return jobs.run(jobs.family())


Scenario = Callable[[Jobs], str]
SCENARIOS: Mapping[str, Scenario] = {each.__name__: each for each in (never_started, out_of_memory, spot, given_up)}
TOLD: Mapping[str, set[str]] = {
    "never_started": {"Task Failed", "Task Replaced"},
    "out_of_memory": {"Task Failed", "Task Replaced"},
    "spot": {"Task Failed", "Task Replaced"},
    "given_up": {"Task Failed", "Task Replaced", "Task Given Up"},
}


@pytest.fixture(scope="module")
def account(deployed: Bundle, clients: dict[str, Any]) -> Callable[[], Jobs]:
    """An account as new each time."""

    def anew() -> Jobs:
        deployed.clear()
        wiring.reset()
        jobs = Jobs(Stage(deployed, clients))
        jobs.stage.forget()
        return jobs

    return anew


def played(account: Callable[[], Jobs], name: str, calls: Calls) -> tuple[Jobs, str]:
    """What happens, and enough time for messages to come back after a crash."""
    with watched(calls):
        jobs = account()
        arn = SCENARIOS[name](jobs)
        jobs.minutes(4)
        calls.over = True
        jobs.minutes(15 if calls.killed else 1)
    return jobs, arn


def is_right(jobs: Jobs, name: str, arn: str) -> None:
    """Asserts the end: one replacement, all told, nothing lost, nothing left over."""
    stage = jobs.stage
    replaced, told = jobs.replacements(arn), stage.told()
    assert len(replaced) == 1, told
    assert len(jobs.tasks()) == len(replaced) + 1
    assert (replaced[0]["lastStatus"] == "RUNNING") is (name != "given_up")
    assert set(told) == TOLD[name]
    assert all(told.count(kind) <= 1 + most for kind, most in ENDS.items()), told
    assert {each["root_task"] for each in stage.events()} == {arn}
    assert stage.dead_letters() == 0
    assert stage.depth("RecoverQueue") == 0


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_may_die_at_any_call(account: Callable[[], Jobs], name: str) -> None:
    clean = Calls()
    jobs, arn = played(account, name, clean)
    is_right(jobs, name, arn)
    assert jobs.stage.failures() == []
    assert len(clean.firsts) >= len(TOLD[name]) - 1, "the story is over when it is stopped being watched"
    for number, when in clean.boundaries():
        calls = Calls(number, when)
        jobs, arn = played(account, name, calls)
        where = f"killed {when} call {number}, {calls.operations[number - 1]}"
        assert calls.killed, where
        try:
            is_right(jobs, name, arn)
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from error


def test_dying_before_it_was_recorded_is_no_worse_than_not_knowing(account: Callable[[], Jobs]) -> None:
    """What only the living task tells is lost with it: then its replacement is refused, told once, and not guessed."""
    calls = Calls(1, recorded=True)
    with watched(calls):
        jobs = account()
        arn = never_started(jobs)
        jobs.minutes(19)
    assert calls.killed
    assert jobs.replacements(arn) == []
    assert jobs.stage.told() == ["Task Failed", "Task Replacement Refused"]
    assert jobs.told("Task Replacement Refused")[0]["reason"] == "network-unknown"
    assert (jobs.stage.dead_letters(), jobs.stage.depth("RecoverQueue")) == (0, 0)


@pytest.mark.parametrize(("error", "when"), [("ThrottlingException", "before"), ("InternalServerError", "after")])
def test_one_failure_of_a_call_changes_nothing_in_the_end(account: Callable[[], Jobs], error: str, when: When) -> None:
    clean = Calls()
    played(account, "out_of_memory", clean)
    assert {"ecs:RunTask", "events:PutEvents", "sqs:SendMessage"} <= set(clean.operations)
    for each in sorted(set(clean.operations)):
        service, _, operation = each.partition(":")
        with watched(Calls()) as calls:
            jobs = account()
            arn = out_of_memory(jobs)
            assert jobs.stage.run(minutes=1, until=partial(getattr, calls, "recorded"))
            fault = jobs.stage.faults.add(service, operation, error, when=when, function=FUNCTION)
            jobs.minutes(18)
        try:
            assert fault.struck == 1
            is_right(jobs, "out_of_memory", arn)
        except AssertionError as failure:
            raise AssertionError(f"{error} {when} {each}: {failure}") from failure
