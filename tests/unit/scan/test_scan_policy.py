"""The section `scan`, schedules in their zone, the clock of the SLA, and what is told however long it is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import ConfigurationError
from longshore.events import Kind
from longshore.scan.findings import Finding, Fix, Severity
from longshore.scan.memory import Memory
from longshore.scan.ports import Reported, Runner
from longshore.scan.priority import Priority, rank
from longshore.scan.rules import ScanPolicy, Schedule, read_scan_policy
from longshore.scan.sla import Pause, due
from tests.fakes import START
from tests.scan_world import HIGH, ONE, WEB, ScanWorld, running_world

DAY = timedelta(days=1)
FULL: dict[str, Any] = {
    "report": "P2",
    "unknown_as": "high",
    "epss": 0.2,
    "sla": {"P1": 3600},
    "restart_on_reopen": True,
    "suppressions": [{"vulnerability": "CVE-1"}],
    "vex": [{}],
    "digest": {"at": "08:30", "on": ["mon", "fri"], "zone": "Europe/Berlin", "teams": {"payments": {"at": "07:00"}}},
}


def test_nothing_is_everything_by_default() -> None:
    assert read_scan_policy(None) == read_scan_policy({}) == ScanPolicy()
    assert ScanPolicy().sla == {Priority(f"P{n}"): days * DAY for n, days in ((1, 7), (2, 30), (3, 90), (4, 120))}
    assert ScanPolicy().schedule_of("payments") is None


def test_the_whole_section_is_read() -> None:
    policy = read_scan_policy(FULL)
    assert (policy.report, policy.unknown_as, policy.epss) == (Priority.P2, Severity.HIGH, 0.2)
    assert (policy.sla[Priority.P1], policy.sla[Priority.P2]) == (timedelta(hours=1), 30 * DAY)
    assert policy.restart_on_reopen
    assert (policy.suppressions, policy.vex) == (({"vulnerability": "CVE-1"},), ({},))
    everybody, payments = policy.schedule_of("shop"), policy.schedule_of("payments")
    assert everybody is not None
    assert payments is not None
    assert (everybody.at.hour, everybody.at.minute, everybody.days, everybody.zone) == (
        8,
        30,
        frozenset({0, 4}),
        "Europe/Berlin",
    )
    assert (payments.at.hour, payments.days, payments.zone) == (7, frozenset({0, 4}), "Europe/Berlin")


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ([], "scan"),
        ({"report": "P5"}, "scan.report"),
        ({"unknown_as": "severe"}, "scan.unknown_as"),
        ({"epss": 2}, "scan.epss"),
        ({"epss": True}, "scan.epss"),
        ({"sla": {"P9": 1}}, "scan.sla"),
        ({"sla": {"P1": "7d"}}, "scan.sla.P1"),
        ({"sla": {"P1": 0}}, "scan.sla.P1"),
        ({"restart_on_reopen": "yes"}, "scan.restart_on_reopen"),
        ({"suppressions": {"a": 1}}, "scan.suppressions"),
        ({"vex": [1]}, "scan.vex[0]"),
        ({"digest": 1}, "scan.digest"),
        ({"digest": {"at": "25:00"}}, "scan.digest.at"),
        ({"digest": {"on": ["monday"]}}, "scan.digest.on"),
        ({"digest": {"on": []}}, "scan.digest.on"),
        ({"digest": {"zone": "Europe/Atlantis"}}, "scan.digest.zone"),
        ({"digest": {"zone": "../etc/passwd"}}, "scan.digest.zone"),
        ({"digest": {"teams": {"a": {"at": "noon"}}}}, "scan.digest.teams.a.at"),
    ],
)
def test_what_is_wrong_is_named(section: object, key: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_scan_policy(section)
    assert error.value.key == key
    assert error.value.fix


# -- schedules ------------------------------------------------------------------------------------------------------

BERLIN = Schedule(datetime(2026, 1, 1, 9, 0).time(), frozenset({0}), "Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "moment"),
    [
        ("2026-11-23T07:59:59", "2026-11-16T08:00:00"),
        ("2026-11-23T08:00:00", "2026-11-23T08:00:00"),  # winter
        ("2026-11-29T23:00:00", "2026-11-23T08:00:00"),
        ("2026-07-06T07:00:00", "2026-07-06T07:00:00"),  # summer
        ("2026-07-06T06:59:00", "2026-06-29T07:00:00"),
    ],
)
def test_a_digest_is_due_by_the_clock_on_the_wall(now: str, moment: str) -> None:
    read = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (now, moment))
    at, last = read
    assert BERLIN.last(at) == last


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)), st.frozensets(st.integers(0, 6), min_size=1))
def test_the_last_moment_is_past_and_within_eight_days(naive: datetime, days: frozenset[int]) -> None:
    now = naive.replace(tzinfo=UTC)
    last = replace(BERLIN, days=days).last(now)
    assert last is not None
    assert now - 8 * DAY < last <= now


# -- the clock ------------------------------------------------------------------------------------------------------

KEV = Finding("CVE-1", "p", kev=True, kev_due=date(2026, 12, 5))
CRITICAL = Finding("CVE-1", "p", severity=Severity.CRITICAL, fix=Fix.YES)


def by(finding: Finding, pause: Pause = Pause(), **members: Any) -> datetime | None:  # noqa: B008
    policy = ScanPolicy(**members)
    return due(rank(finding, policy, running=True), START, policy, pause)


def test_the_clock_of_each_priority_starts_at_the_first_sight() -> None:
    assert by(CRITICAL) == START + 30 * DAY
    assert by(HIGH) == START + 90 * DAY
    assert by(replace(KEV, kev_due=None)) == START + 7 * DAY


def test_what_cisa_lists_is_due_on_its_day_unless_that_was_over_before() -> None:
    assert by(KEV) == datetime(2026, 12, 5, 23, 59, 59, tzinfo=UTC)
    assert by(replace(KEV, kev_due=date(2022, 5, 3))) == START + 7 * DAY


def test_acceptance_stops_the_clock_or_starts_it_anew() -> None:
    paused = Pause().accept(START + DAY)
    assert by(CRITICAL, paused) is None
    assert paused.accept(START + 2 * DAY) == paused
    lapsed = paused.lapse(START + 11 * DAY)
    assert by(CRITICAL, lapsed) == START + 40 * DAY
    assert by(CRITICAL, lapsed, restart_on_reopen=True) == START + 41 * DAY
    twice = lapsed.accept(START + 20 * DAY).lapse(START + 25 * DAY)
    assert by(CRITICAL, twice) == START + 45 * DAY
    assert Pause().lapse(START) == Pause()


# -- memory, and what is told ---------------------------------------------------------------------------------------


def test_memory_is_read_as_it_was_written() -> None:
    world = running_world(CRITICAL, HIGH)
    told = world.reports.get(WEB, ONE)
    memory = Memory.of(told)
    assert told is not None
    assert memory is not None
    memory = replace(memory, pauses={"a": Pause(START, DAY, START + DAY), "b": Pause()}, behind={"fixed": 1})
    kept = json.loads(json.dumps(memory.as_json()))
    assert Memory.of(replace(told, summary=kept)) == memory
    assert Memory.of(Reported(WEB, ONE, "", False, START, "", {})) == Memory()
    assert Memory.of(None) is None


LONG = "x" * 5000


def test_an_event_is_bounded_whatever_scanners_say() -> None:
    """EventBridge takes 256 kB."""
    world = ScanWorld()
    worst = replace(HIGH, version=LONG, fixed_in=LONG, path=LONG, title=LONG, url=LONG, layer=LONG, epss=0.5, score=9.9)
    many = [replace(worst, vulnerability=f"{n}{LONG}", package=f"{n}{LONG}") for n in range(500)]
    world.push(ONE, *many, tag="prod", tags=tuple(f"{n}{'t' * 120}" for n in range(200)))
    world.deploy(ONE, *(Runner(f"{n}{'n' * 250}", "arn" * 100, "c" * 250, f"t{n}") for n in range(500)))
    world.send(world.scanned(ONE))
    world.run()
    (detail,) = world.details(Kind.FINDINGS_REPORTED)
    assert len(json.dumps(detail)) < 60_000
    assert (len(detail["findings"]), detail["more"], detail["running_count"]) == (10, 490, 500)
    told = world.reports.get(WEB, ONE)
    assert told is not None
    assert len(json.dumps(told.summary)) < 60_000


@pytest.mark.parametrize("count", [5000])
def test_the_memory_of_an_image_fits_an_item(count: int) -> None:
    world = running_world(*(replace(HIGH, package=f"p{n}") for n in range(count)))
    told = world.reports.get(WEB, ONE)
    assert told is not None
    assert len(json.dumps(told.summary)) < 300_000
    before = list(world.told)
    world.send(world.scanned(ONE))
    world.run()
    assert world.told == before
