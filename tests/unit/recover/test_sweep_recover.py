"""The sweep: stuck tasks, unhealthy ones, missed events, in pages (recover 2.4, W1 to W8)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.errors import UpstreamError
from longshore.recover.care import recoverer
from longshore.recover.crash_loops import CrashLoopPolicy
from longshore.settings import Mode
from tests.fake_tasks import ARN, CLUSTER
from tests.recover_world import AUTO, IDEMPOTENT, Crash
from tests.service_world import FOLLOWED, SERVICE, ServiceWorld

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.reading import Message

OPENED, RESOLVED = "Crash Loop Opened", "Crash Loop Resolved"
FAILED, REPLACED, REFUSED = "Task Failed", "Task Replaced", "Task Replacement Refused"


def standalone(tags: dict[str, str], **members: Any) -> tuple[ServiceWorld, str]:
    options = {name: members.pop(name) for name in ("mode",) if name in members}
    world = ServiceWorld(**options)
    arn = world.tasks.run(world.tasks.define(tags=tags), **members)
    world.run(1)
    return world, arn


def waiting(tags: dict[str, str], status: str = "PENDING", **members: Any) -> tuple[ServiceWorld, str]:
    """A task that does not get on: it was made a minute ago, and never started."""
    world, arn = standalone(tags, **members)
    containers = [{"name": "app", "lastStatus": "PENDING"}]
    world.tasks.become(arn, lastStatus=status, startedAt=None, containers=containers)
    world.run()
    return world, arn


def of_service(world: ServiceWorld, status: str = "PENDING") -> str:
    arn = world.started()
    world.tasks.become(arn, lastStatus=status, startedAt=None, containers=[{"name": "app", "lastStatus": "PENDING"}])
    return arn


# -- standalone tasks -----------------------------------------------------------------------------------------------


def test_a_stuck_pending_task_is_stopped_and_run_again_once() -> None:
    world, arn = waiting(AUTO)
    world.sweeps(15)
    assert world.told == []
    world.sweeps(30)
    assert world.told == [FAILED, REPLACED]
    assert len(world.replacements) == 1
    assert world.detail(0)["class"] == "W2"
    (stopped,) = world.tasks.survey(CLUSTER, [arn])
    assert (stopped.last_status, stopped.stopped_reason) == ("STOPPED", "longshore: W2 stuck pending")
    tags = world.tasks.tags(world.replacements[0])
    assert (tags["longshore:root-task"], tags["longshore:class"]) == (arn, "W2")


@pytest.mark.parametrize(
    ("tags", "mode", "reason"), [({}, Mode.AUTO, "not-opted-in"), (AUTO, Mode.OBSERVE, "observe-only")]
)
def test_what_may_not_be_touched_is_told_once(tags: dict[str, str], mode: Mode, reason: str) -> None:
    world, arn = waiting(tags, mode=mode)
    world.sweeps(50)
    assert (world.told, world.replacements) == ([FAILED], [])
    assert (world.detail()["verdict"], world.detail()["reason"]) == ("notify", reason)
    assert world.detail()["task"] == arn
    assert world.detail()["would"] == "never-started"


def test_a_stuck_task_that_began_to_run_before_it_was_stopped_is_not_run_again() -> None:
    world, arn = waiting(AUTO)
    began = {"lastStatus": "RUNNING", "containers": [{"name": "app", "lastStatus": "RUNNING", "runtimeId": "f00d-1"}]}

    def begin(step: str) -> None:
        if step == "FakeTasks.stop before":
            world.tasks.become(arn, **began, startedAt=world.clock.now())

    world.interrupt = begin
    world.sweeps(60)
    assert world.replacements == []
    assert world.told[-1] == REFUSED
    assert (world.detail()["class"], world.detail()["reason"]) == ("W2", "not-idempotent")
    assert world.told.count(REFUSED) == 1


@pytest.mark.parametrize(
    ("status", "minutes", "cls"), [("PROVISIONING", 35, "W1"), ("PENDING", 20, "W2"), ("ACTIVATING", 10, "W3")]
)
def test_each_state_has_its_time(status: str, minutes: int, cls: str) -> None:
    world, _ = waiting({}, status)
    world.sweeps(minutes - 5)
    assert world.told == []
    world.sweeps(10)
    assert (world.told, world.detail()["class"]) == ([FAILED], cls)


@pytest.mark.parametrize("status", ["STOPPING", "DEPROVISIONING"])
def test_what_does_not_end_is_found_among_those_that_are_to_be_stopped(status: str) -> None:
    world, arn = standalone({})
    world.tasks.become(arn, lastStatus=status, desiredStatus="STOPPED", stoppingAt=world.clock.now())
    world.sweeps(30)
    assert (world.told, world.detail()["class"]) == ([FAILED], "W4" if status == "STOPPING" else "W5")


def test_what_moved_on_may_be_told_again_when_it_is_stuck_again() -> None:
    world, arn = waiting({}, "ACTIVATING")
    world.sweeps(15)
    world.tasks.become(arn, lastStatus="RUNNING")
    world.sweeps(5)
    assert world.told == [FAILED]
    assert "moved-on" in world.reasons
    world.tasks.become(arn, lastStatus="DEACTIVATING", stoppingAt=world.clock.now())
    world.sweeps(30)
    assert world.told == [FAILED]
    world.sweeps(60)
    assert world.told == [FAILED, FAILED]


@pytest.mark.parametrize(
    "members",
    [
        {"startedBy": "AWS Step Functions"},
        {"startedBy": "airflow"},
        {"tags": [{"key": "dagster/run_id", "value": "1"}]},
    ],
)
def test_what_belongs_to_others_is_theirs(members: dict[str, Any]) -> None:
    world, arn = waiting(AUTO)
    world.tasks.become(arn, **members)
    world.sweeps(60)
    assert world.told == []


def test_what_was_stuck_and_moved_on_is_told_when_it_fails() -> None:
    world, arn = waiting(AUTO, mode=Mode.OBSERVE)
    world.sweeps(30)
    world.tasks.become(arn, lastStatus="RUNNING", startedAt=world.clock.now())
    world.sweeps(5)
    world.tasks.end(arn, exit_code=1)
    world.run(5)
    assert [each.detail["class"] for each in world.publisher.published] == ["W2", "G4"]


def test_a_silenced_family_is_left_alone() -> None:
    world, _ = waiting({"longshore:recover": "off"})
    world.sweeps(60)
    assert world.told == []


# -- unhealthy tasks ------------------------------------------------------------------------------------------------


def test_a_task_that_is_unhealthy_three_times_is_replaced() -> None:
    world, arn = standalone(IDEMPOTENT, healthStatus="UNHEALTHY")
    world.sweeps(10)
    assert world.told == []
    world.sweeps(5)
    world.run(30)
    assert (world.told, len(world.replacements)) == ([FAILED, REPLACED], 1)
    assert world.tasks.survey(CLUSTER, [arn])[0].stopped_reason == "longshore: W6 unhealthy"


def test_three_times_means_in_a_row() -> None:
    world, arn = standalone(IDEMPOTENT, healthStatus="UNHEALTHY")
    for health in ("UNHEALTHY", "UNHEALTHY", "HEALTHY", "UNHEALTHY", "HEALTHY", "UNHEALTHY", "UNHEALTHY"):
        world.tasks.become(arn, healthStatus=health)
        world.sweeps(5)
    assert world.told == []


def test_a_sweep_that_comes_twice_counts_once() -> None:
    world, _ = standalone(IDEMPOTENT, healthStatus="UNHEALTHY")
    for _ in range(5):
        world.sweep()
        world.run(0.1)
    assert world.told == []


def test_an_unhealthy_task_that_ran_is_only_told_unless_it_may_run_twice() -> None:
    world, _ = standalone(AUTO, healthStatus="UNHEALTHY")
    world.sweeps(40)
    assert (world.told, world.replacements) == ([FAILED], [])
    assert (world.detail()["class"], world.detail()["reason"]) == ("W6", "not-idempotent")


def test_unhealthy_tasks_of_services_are_ecs_s_own() -> None:
    world = ServiceWorld()
    world.started(healthStatus="UNHEALTHY")
    world.sweeps(40)
    assert world.told == []


# -- services -------------------------------------------------------------------------------------------------------


def stopped(world: ServiceWorld) -> list[str]:
    found = world.tasks.survey(CLUSTER, world.tasks.arns)
    return [each.arn for each in found if each.stopped_reason == "longshore: W2 stuck pending"]


def test_stuck_tasks_of_a_service_are_told_once_and_stopped_one_by_one() -> None:
    world = ServiceWorld()
    for _ in range(3):
        of_service(world)
    world.sweeps(25)
    assert (world.told, len(stopped(world))) == ([OPENED], 1)
    assert (world.detail()["workload"], world.detail()["class"], world.detail()["verdict"]) == (SERVICE, "W2", "stop")
    world.sweeps(5)
    assert len(stopped(world)) == 1
    world.sweeps(5)
    assert len(stopped(world)) == 2
    world.sweeps(10)
    assert (world.told, len(stopped(world))) == ([OPENED], 3)
    world.sweeps(5)
    assert (world.told, world.detail()["reason"]) == ([OPENED, RESOLVED], "moved-on")
    assert world.asked == []


def test_many_stuck_tasks_of_a_service_cost_few_calls() -> None:
    world = ServiceWorld()
    for _ in range(40):
        of_service(world)
    world.sweeps(25)
    before = len(world.steps)
    world.sweeps(5)
    assert world.steps[before:].count("FakeServices.get before") == 0


@pytest.mark.parametrize(
    ("options", "service", "reason"),
    [
        ({"mode": Mode.OBSERVE}, {}, "observe-only"),
        ({"definition_tags": {}}, {}, "not-opted-in"),
        ({}, {"deploymentController": {"type": "CODE_DEPLOY"}}, "owned-elsewhere"),
    ],
)
def test_stuck_tasks_that_may_not_be_touched_are_told(
    options: dict[str, Any], service: dict[str, Any], reason: str
) -> None:
    world = ServiceWorld(**options)
    world.describe(**service)
    of_service(world)
    world.sweeps(60)
    assert (world.told, stopped(world), world.detail()["reason"]) == ([OPENED], [], reason)


def test_a_silenced_service_is_left_alone() -> None:
    world = ServiceWorld()
    world.tagged({**FOLLOWED, "longshore:recover": "off"})
    of_service(world)
    world.sweeps(60)
    assert (world.told, stopped(world)) == ([], [])


def test_what_is_stuck_at_the_load_balancer_is_told_until_it_moves_on() -> None:
    world = ServiceWorld()
    arn = of_service(world, "ACTIVATING")
    world.sweeps(30)
    assert (world.told, world.detail()["class"], world.detail()["verdict"]) == ([OPENED], "W3", "notify")
    world.steady()
    assert world.told == [OPENED]
    world.tasks.become(arn, lastStatus="RUNNING", startedAt=world.clock.now())
    world.sweeps(10)
    assert world.told == [OPENED, RESOLVED]


# -- missed events --------------------------------------------------------------------------------------------------


def test_an_end_that_was_missed_is_gone_on_with() -> None:
    world, arn = standalone(AUTO)
    world.sending = False
    world.tasks.end(
        arn, code="TaskFailedToStart", reason="CannotPullContainerError: EOF", exit_code=None, started=False
    )
    world.sending = True
    world.run(1)
    world.sweep()
    world.run(1.5)
    assert world.told == []  # its event may still be on its way
    world.sweeps(20)
    assert (world.told, len(world.replacements)) == ([FAILED, REPLACED], 1)


def test_a_success_that_was_missed_is_none_of_our_business() -> None:
    world, arn = standalone(AUTO)
    world.sending = False
    world.tasks.end(arn, exit_code=0)
    world.sweeps(20)
    assert (world.told, list(world.watched.all())) == ([], [])


def test_what_ecs_has_forgotten_is_told_once() -> None:
    world, arn = standalone(AUTO)
    world.sending = False
    world.tasks.end(arn)
    world.tasks.forget(arn)
    world.sweeps(20)
    assert world.told == [FAILED, REFUSED]
    assert {(each.detail["class"], each.detail["reason"]) for each in world.publisher.published} == {
        ("W8", "task-gone")
    }


def test_what_was_dealt_with_is_not_looked_at_for_ever() -> None:
    world, arn = standalone(AUTO)
    world.tasks.end(arn, exit_code=1)
    world.run(5)
    told = list(world.told)
    world.sweeps(10)
    assert world.told == told == [FAILED]
    assert list(world.watched.all()) == []


def test_what_was_dealt_with_and_is_forgotten_is_not_told_again() -> None:
    world, arn = standalone(AUTO)
    world.tasks.end(arn, exit_code=1)
    world.run(5)
    world.tasks.forget(arn)
    world.sweeps(10)
    assert world.told == [FAILED]
    assert list(world.watched.all()) == []


def test_a_start_that_was_missed_is_recorded() -> None:
    world = ServiceWorld()
    world.sending = False
    mine = world.tasks.run(world.tasks.define(tags=AUTO))
    other = world.tasks.run(world.tasks.define("other"))
    service = world.started()
    world.sweeps(5)
    assert world.recipes.get(mine) is not None
    assert (world.recipes.get(other), world.recipes.get(service)) == (None, None)


def test_open_recoveries_are_gone_on_with() -> None:
    world, arn = standalone(AUTO)
    world.tasks.end(
        arn, code="TaskFailedToStart", reason="CannotPullContainerError: EOF", exit_code=None, started=False
    )
    world.crash_after(12)
    while world.queue.waiting and not world.failures:
        world.run(1)
    world.queue._waiting.clear()
    world.sweeps(20)
    assert len(world.replacements) == 1


# -- pages ----------------------------------------------------------------------------------------------------------


def test_a_large_cluster_is_swept_in_pages_of_several_messages() -> None:
    world = ServiceWorld()
    world.inventory.page = 1
    arns = [of_service(world, "ACTIVATING") for _ in range(25)]
    world.inventory.others = [f"{ARN}:cluster/{name}" for name in ("other", "third")]
    world.run(60)
    first = len(world.steps)
    world.sweep()
    world.run()
    reads = [each for each in world.steps[first:] if each in ("FakeInventory.tasks before", "FakeTasks.survey before")]
    assert len(reads) <= 22
    ((until, body),) = world.queue.waiting
    assert body["detail-type"] == "Sweep Due"
    assert until == world.clock.now() + timedelta(seconds=5)
    world.run(5)
    assert world.queue.waiting == []
    seen = world.troubles.get(SERVICE, "STUCK#W3")
    assert sorted(each.id for each in seen.signs) == sorted(arns)
    assert world.told == [OPENED]


def test_what_fails_keeps_nothing_else_from_being_looked_at() -> None:
    world, _ = waiting({}, "ACTIVATING")
    seen: list[str] = []

    def fails(message: Message) -> list[Outcome]:
        raise UpstreamError("no answer")

    def also(message: Message) -> list[Outcome]:
        seen.append(message.kind)
        return []

    world.recoverer = recoverer(world.ports, world.care, world.rules, CrashLoopPolicy(), also=(fails, also))
    world.run(15)
    world.sweep()
    world.run()
    assert (seen, world.told) == (["Sweep Due"], [FAILED])
    assert world.failures == []
    assert [(each.reason, each.detail["error"]) for each in world.outcomes if each.verdict == "fail"] == [
        ("upstream", "no answer")
    ]


@pytest.mark.parametrize("detail", [{"after": 7}, {"desired": "EVERYTHING"}, {"missed": "yes"}, {"after": "x" * 9}])
def test_a_strange_message_begins_anew(detail: dict[str, Any]) -> None:
    world = ServiceWorld()
    if isinstance(detail.get("after"), str):
        detail = {"missed": True, **detail}
    world.deliver(world.envelope("Sweep Due", detail))
    assert world.told == []


# -- whatever dies --------------------------------------------------------------------------------------------------


def swept(step: int | None, *, tags: dict[str, str]) -> ServiceWorld:
    """A stuck task of nobody's and one of the service, a sweep that dies, and the sweeps after it."""
    world, _ = waiting(tags)
    of_service(world)
    world.run(25)
    if step is not None:
        world.crash_after(step)
    world.sweeps(5)
    world.sweeps(20)
    return world


def steps(tags: dict[str, str]) -> int:
    world, _ = waiting(tags)
    of_service(world)
    world.run(25)
    before = len(world.steps)
    world.sweeps(5)
    return len(world.steps) - before


@pytest.mark.parametrize("step", range(1, steps(AUTO) + 1))
def test_whatever_dies_it_is_told_at_most_twice_and_stopped_at_most_once(step: int) -> None:
    world = swept(step, tags=AUTO)
    assert any(isinstance(each, Crash) for each in world.failures), "the process did not end"
    assert 1 <= world.told.count(OPENED) <= 2
    assert 1 <= world.told.count(FAILED) <= 2
    assert len(world.replacements) == 1
    assert len(stopped(world)) == 2


@pytest.mark.parametrize("step", range(1, steps({}) + 1))
def test_whatever_dies_what_is_only_told_is_told_at_most_twice(step: int) -> None:
    world = swept(step, tags={})
    assert 1 <= world.told.count(FAILED) <= 2
    assert world.replacements == []
