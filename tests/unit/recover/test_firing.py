"""When what started a task starts it again, and that a replacement which comes later is dropped (recover 4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.recover.firing import Timetable
from longshore.recover.recovery import RecoveryState
from tests.fake_tasks import ARN, CLUSTER
from tests.recover_world import AUTO, IDEMPOTENT, RecoverWorld, running

NOW = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)
FIRED = NOW - timedelta(minutes=7)
OOM = "OutOfMemoryError: Container killed due to memory usage"
TARGET = {
    "Arn": CLUSTER,
    "EcsParameters": {
        "TaskDefinitionArn": f"{ARN}:task-definition/etl",
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-a"], "SecurityGroups": ["sg-1"]}},
    },
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (Timetable((), "cron(0 10 * * ? *)"), at("2026-11-23T10:00:00")),
        (Timetable((), "cron(0 8 * * ? *)", zone="Asia/Tokyo"), at("2026-11-23T23:00:00")),
        (Timetable((), "cron(0 10 * * ? *)", window=timedelta(minutes=15)), at("2026-11-23T10:15:00")),
        (Timetable((), "cron(0 10 * * ? *)", starts=at("2026-12-01T12:00:00")), at("2026-12-02T10:00:00")),
        (Timetable((), "rate(10 minutes)"), FIRED + timedelta(minutes=10)),
        (Timetable((), "rate(5 minutes)"), FIRED + timedelta(minutes=10)),
        (Timetable((), "rate(10 minutes)", window=timedelta(minutes=4)), FIRED + timedelta(minutes=24)),
        (Timetable((), "at(2026-12-24T18:00:00)"), at("2026-12-24T18:00:00")),
        (Timetable((), "at(2026-11-23T09:20:00)"), None),
        (Timetable((), "cron(0 10 * * ? *)", enabled=False), None),
        (Timetable((), "cron(0 10 * * ? *)", ends=at("2026-11-23T09:59:00")), None),
        (Timetable((), "rate(10 minutes)", starts=at("2026-11-24T00:00:00")), None),
        (Timetable((), "cron(0 10 * * ? *)", zone="Nowhere"), None),
        (Timetable((), "every now and then"), None),
    ],
)
def test_the_next_firing(times: Timetable, expected: datetime | None) -> None:
    assert times.next(FIRED, NOW) == expected


@given(st.integers(2, 2000), st.integers(0, 90), st.integers(1, 5000), st.integers(0, 10**6))
def test_a_rate_has_fired_by_then_whatever_the_window_was_used_for(
    every: int, window: int, since: int, used: int
) -> None:
    """The task began up to the window after its firing; the next firing starts its own within the window."""
    begun = NOW - timedelta(minutes=since)
    fired = begun - timedelta(minutes=used % (window + 1))
    times = Timetable((), f"rate({every} minutes)", window=timedelta(minutes=window))
    by = times.next(begun, NOW)
    assert by is not None
    rate = timedelta(minutes=every)
    next_firing = fired + rate * ((NOW - fired) // rate + 1)
    assert by >= next_firing + timedelta(minutes=window)
    assert by > NOW


def scheduled(times: Timetable | None, prefix: str = "chronos-schedule/", **members: Any) -> tuple[RecoverWorld, str]:
    """A world in which a task that a schedule started runs."""
    world, arn = running(IDEMPOTENT, startedBy=f"{prefix}nightly", **members)
    world.launchers.of_schedules["nightly"] = world.launchers.of_rules["nightly"] = [TARGET]
    if times is not None:
        world.launchers.times["nightly"] = times
    return world, arn


def late_in_the_minute(world: RecoverWorld) -> None:
    """Eight seconds are waited for the log, and up to fifteen for the replacement: it is the next minute then."""
    world.clock.advance((40 - world.clock.now().second) % 60)


def out_of_memory(world: RecoverWorld, arn: str) -> None:
    world.tasks.end(arn, exit_code=137, container_reason=OOM)
    world.run(30)


@pytest.mark.parametrize("prefix", ["chronos-schedule/", "events-rule/"])
def test_a_replacement_that_comes_after_the_next_firing_is_dropped(prefix: str) -> None:
    world, arn = scheduled(Timetable((), "cron(* * * * ? *)"), prefix, chance=0.999)
    late_in_the_minute(world)
    out_of_memory(world, arn)
    assert world.told == ["Task Failed", "Task Replacement Refused"]
    assert (world.detail()["reason"], world.replacements) == ("next-firing", [])
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert recovery.state is RecoveryState.REFUSED


@pytest.mark.parametrize(
    "times",
    [Timetable((), "cron(0 3 * * ? *)"), Timetable((), "cron(* * * * ? *)", enabled=False), Timetable((), "?"), None],
    ids=["tonight", "disabled", "not understood", "gone"],
)
def test_a_replacement_that_comes_before_it_is_made(times: Timetable | None) -> None:
    world, arn = scheduled(times, chance=0.999)
    out_of_memory(world, arn)
    assert len(world.replacements) == 1
    assert world.launchers.asked_times == 1


def test_another_familys_schedule_does_not_count() -> None:
    world, arn = scheduled(Timetable((), "cron(* * * * ? *)"), chance=0.999)
    other = {**TARGET["EcsParameters"], "TaskDefinitionArn": f"{ARN}:task-definition/other"}  # type: ignore[dict-item]
    world.launchers.of_schedules["nightly"] = [{**TARGET, "EcsParameters": other}]
    out_of_memory(world, arn)
    assert len(world.replacements) == 1


def test_what_is_replaced_at_once_asks_for_no_schedule() -> None:
    world, arn = running(AUTO, startedBy="chronos-schedule/nightly")
    world.launchers.times["nightly"] = Timetable((), "cron(* * * * ? *)")
    world.tasks.end(arn, code="TaskFailedToStart", reason="Timeout waiting for network interface provisioning",
                    exit_code=None, started=False)  # fmt: skip
    world.run(5)
    assert (len(world.replacements), world.launchers.asked_times) == (1, 0)


def test_rates_are_counted_from_the_root_which_the_schedule_started() -> None:
    """A replacement begins when Longshore says so; the schedule does not wait for it."""
    world, arn = scheduled(Timetable((), "rate(60 minutes)"), chance=0.999)
    begun = world.clock.now()
    out_of_memory(world, arn)
    (child,) = world.replacements
    world.clock.advance_to(begun + timedelta(minutes=58, seconds=50))
    out_of_memory(world, child)
    assert len(world.replacements) == 1
    assert (world.told[-1], world.detail()["reason"]) == ("Task Given Up", "next-firing")


def test_what_is_only_observed_says_so_too() -> None:
    world, arn = scheduled(Timetable((), "cron(* * * * ? *)"), chance=0.999)
    world.tasks.retag(f"{ARN}:task-definition/etl:1", {"longshore:retry": "idempotent"})
    late_in_the_minute(world)
    out_of_memory(world, arn)
    detail = world.detail()
    assert (world.told, detail["reason"], detail["would"]) == (["Task Failed"], "not-opted-in", "next-firing")
    assert "next" not in detail
