"""Scan from message to event: one report per image and news, gates judged and judged again, digests (design 6.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.events import Kind
from longshore.gates import GateReason, GateTerms
from longshore.scan.findings import Fix, ScanState, Severity
from longshore.scan.memory import Memory
from longshore.scan.messages import Message
from longshore.scan.ports import Runner
from longshore.scan.priority import Priority
from longshore.scan.rules import ScanPolicy, read_scan_policy
from longshore.scan.suppressions import Origin, Suppression
from tests.scan_world import (
    AMD,
    ARM,
    CRITICAL,
    HIGH,
    MINOR,
    ONE,
    SERVICE,
    SHOP,
    THREE,
    TWO,
    WEB,
    ScanWorld,
    running_world,
)

DAY = timedelta(days=1)
REPORTED, RESOLVED = Kind.FINDINGS_REPORTED, Kind.FINDINGS_RESOLVED
OPENED, CLOSED = Kind.GATE_OPENED, Kind.GATE_CLOSED


def accepted(world: ScanWorld, days: float = 30) -> Suppression:
    ends = world.clock.now() + timedelta(days=days)
    suppression = Suppression("a", Origin.SWITCH, CRITICAL.vulnerability, expires=ends, owner="shop")
    world.acceptances.put(suppression)
    return suppression


def look(world: ScanWorld, digest: str = ONE) -> list[str]:
    """A scan event and what was told because of it."""
    before = len(world.told)
    world.send(world.scanned(digest))
    world.run()
    return world.told[before:]


# -- reports --------------------------------------------------------------------------------------------------------


def test_findings_of_what_runs_are_reported_with_what_runs_them() -> None:
    world = running_world(MINOR, HIGH, CRITICAL)
    assert world.told == [REPORTED]
    (detail,) = world.details(REPORTED)
    assert (detail["report"], detail["priority"], detail["reason"]) == ("scan", "P2", "new")
    assert (detail["repository"], detail["digest"], detail["tags"]) == (WEB.name, ONE, ["prod"])
    assert detail["why"] == "P2: critical, and it runs"
    assert [(each["id"], each["priority"], each["change"]) for each in detail["findings"]] == [
        (CRITICAL.vulnerability, "P2", "new"),
        (HIGH.vulnerability, "P3", "new"),
    ]
    assert detail["counts"] == {"P2": 1, "P3": 1, "P4": 1}
    assert (detail["new"], detail["fixable"], detail["suppressed"], detail["compared_to"]) == (2, 2, 0, None)
    assert [each["name"] for each in detail["running"]] == ["web"]
    assert (detail["team"], detail["channel"], detail["environment"]) == ("shop", "shop-alerts", "prod")
    assert detail["correlation"] == "event-1"


def test_what_was_told_is_not_told_again_however_often_it_comes_in_whatever_order() -> None:
    world = running_world(CRITICAL, HIGH)
    noise = replace(HIGH, title="another title", score=7.7, epss=0.01, first_seen=world.clock.now())
    world.find(ONE, noise, replace(CRITICAL, url="https://example.org"))
    for _ in range(5):
        assert look(world) == []
    world.clock.advance(40 * 86400)
    assert look(world) == []


@pytest.mark.parametrize(
    "worse",
    [
        replace(HIGH, severity=Severity.CRITICAL),
        replace(HIGH, exploit=True),
        replace(HIGH, exploited=True),
        replace(HIGH, kev=True, kev_due=date(2026, 12, 5)),
        replace(HIGH, epss=0.4),
    ],
)
def test_what_worsened_is_told(worse: object) -> None:
    world = running_world(HIGH)
    world.find(ONE, worse)  # type: ignore[arg-type]
    assert look(world) == [REPORTED]
    detail = world.details(REPORTED)[-1]
    assert (detail["reason"], detail["worsened"], detail["new"]) == ("worsened", 1, 0)


def test_a_fix_that_appears_is_told() -> None:
    world = running_world(replace(HIGH, fix=Fix.NO, fixed_in=""))
    world.find(ONE, HIGH)
    assert look(world) == [REPORTED]
    assert world.details(REPORTED)[-1]["findings"][0]["fixed_in"] == "8.1"


def test_four_hundred_events_make_one_look_and_one_report() -> None:
    world = running_world()
    world.find(ONE, *(replace(HIGH, package=f"p{n}") for n in range(400)))
    looks = world.scans.looks
    for _ in range(400):
        world.send(world.finding(ONE))
    world.run(30)
    assert world.told == [REPORTED]
    (detail,) = world.details(REPORTED)
    assert (detail["new"], len(detail["findings"]), detail["more"]) == (400, 10, 390)
    assert world.scans.looks - looks <= 2
    assert len(str(detail)) < 20_000


def test_events_at_the_same_time_in_two_processes_make_one_report() -> None:
    """Both find nothing on record and send a message: whoever comes second to it finds the look done."""
    world = running_world()
    world.find(ONE, HIGH)
    world.send(world.finding(ONE))
    world.run()
    (_, body) = world.queue.waiting[0]
    world.queue.postpone(body, world.queue.waiting[0][0])
    looks = world.scans.looks
    world.run(10)
    assert world.told == [REPORTED]
    assert world.scans.looks - looks <= 2


def test_what_is_mended_closes_the_report() -> None:
    world = running_world(CRITICAL, HIGH)
    world.clock.advance(3600)
    world.find(ONE, HIGH)
    assert look(world) == []
    world.find(ONE, MINOR)
    assert look(world) == [RESOLVED]
    (detail,) = world.details(RESOLVED)
    assert (detail["reason"], detail["digest"], detail["open_seconds"]) == ("fixed", ONE, 3600)
    assert look(world) == []
    world.find(ONE, CRITICAL)
    assert look(world) == [REPORTED]


def test_what_vanishes_with_the_scan_is_not_mended() -> None:
    world = running_world(CRITICAL)
    for state in (ScanState.EXPIRED, ScanState.ARCHIVED, ScanState.PENDING, ScanState.NOT_SCANNED):
        world.find(ONE, state=state)
        assert look(world) == []
    world.find(ONE, CRITICAL)
    assert look(world) == []


def test_another_image_is_compared_with_what_runs() -> None:
    world = running_world(CRITICAL, HIGH)
    world.push(TWO, HIGH, replace(CRITICAL, vulnerability="CVE-2026-9"), tag="v2")
    assert look(world, TWO) == [REPORTED]
    detail = world.details(REPORTED)[-1]
    assert detail["compared_to"] == ONE
    assert (detail["new"], detail["unchanged"], detail["fixed"]) == (1, 1, 1)
    assert [each["id"] for each in detail["findings"]] == ["CVE-2026-9"]


def test_an_image_without_news_against_what_runs_is_silent_and_stays_so_when_it_runs() -> None:
    world = running_world(CRITICAL, HIGH)
    world.push(TWO, HIGH, tag="prod")
    assert look(world, TWO) == []
    world.deploy(TWO)
    world.send(world.succeeded())
    world.run(5)
    assert world.told == [REPORTED, RESOLVED]
    (detail,) = world.details(RESOLVED)
    assert (detail["reason"], detail["digest"]) == ("replaced", ONE)
    assert detail["by"] == {"digest": TWO, "tags": ["prod"]}


def test_a_rollback_to_an_image_with_findings_is_told_again() -> None:
    world = running_world(CRITICAL)
    world.push(TWO, tag="prod")
    for digest in (TWO, ONE):
        world.deploy(digest)
        world.send(world.succeeded())
        world.run(5)
    assert world.told == [REPORTED, RESOLVED, REPORTED]
    assert world.details(REPORTED)[-1]["digest"] == ONE


def test_an_image_that_comes_to_run_is_graver_than_before() -> None:
    world = running_world()
    world.push(TWO, replace(CRITICAL, exploit=True), tag="prod")
    assert look(world, TWO) == [REPORTED]
    assert world.details(REPORTED)[-1]["priority"] == "P3"
    world.deploy(TWO)
    world.send(world.succeeded())
    world.run(5)
    assert world.told == [REPORTED, REPORTED]
    assert world.details(REPORTED)[-1]["priority"] == "P1"


def test_what_neither_runs_nor_is_followed_is_not_told() -> None:
    world = ScanWorld()
    world.index.followed.clear()
    world.push(ONE, CRITICAL, tag="prod")
    assert look(world) == []


def test_old_images_that_nothing_runs_are_not_told() -> None:
    world = running_world()
    world.push(TWO, CRITICAL, tag="v0")
    world.clock.advance(4 * 86400)
    assert look(world, TWO) == []


def test_only_what_is_grave_enough_is_told() -> None:
    world = running_world(HIGH, policy=ScanPolicy(report=Priority.P2))
    assert world.told == []
    world.find(ONE, HIGH, CRITICAL)
    assert look(world) == [REPORTED]
    assert (world.details(REPORTED)[0]["new"], world.details(REPORTED)[0]["counts"]) == (1, {"P2": 1, "P3": 1})


def test_an_index_is_one_report_whichever_image_was_scanned() -> None:
    world = ScanWorld()
    world.push(ARM, HIGH)
    world.push(AMD, HIGH)
    world.push(ONE, HIGH, tag="prod", images=(ARM, AMD))
    world.runners.running[WEB] = {ONE: [SHOP], ARM: [SHOP]}
    world.send(world.scanned(ARM), world.scanned(AMD), world.finding(AMD))
    world.run(10)
    assert [each["digest"] for each in world.details(REPORTED)] == [ONE]
    world.push(ONE, HIGH, images=(ARM, AMD))  # the tag moved on, and the index is found by what was looked at before
    world.sweep()
    world.send(world.scanned(ARM))
    world.run(10)
    assert [each["digest"] for each in world.details(REPORTED)] == [ONE]


def test_images_of_an_index_that_are_scanned_at_the_same_time_make_one_report() -> None:
    """Both processes see the same news; the other one looks when this one is about to tell."""
    world = ScanWorld()
    world.push(ARM, HIGH)
    world.push(ONE, HIGH, tag="prod", images=(ARM, AMD))
    world.deploy(ONE)
    other = world.scanned(AMD)

    def meanwhile(step: str) -> None:
        if step == "FakePublisher.publish before" and other:
            message = Message.parse(dict(other))
            other.clear()
            world.service().handle(message)

    world.interrupt = meanwhile
    world.send(world.scanned(ARM))
    world.run(10)
    assert not other
    assert world.told == [REPORTED]


def test_a_newer_image_that_lacks_the_findings_is_named() -> None:
    world = running_world(CRITICAL, HIGH)
    world.clock.advance(60)
    world.push(TWO, HIGH, tag="v2")
    world.clock.advance(60)
    world.push(THREE, tag="v3")
    world.find(ONE, replace(CRITICAL, kev=True), HIGH)
    assert look(world) == [REPORTED]
    cure = world.details(REPORTED)[-1]["cure"]
    assert cure == {"digest": THREE, "tags": ["v3"], "fixed": 2, "of": 2}
    world.find(THREE, state=ScanState.PENDING)
    world.find(ONE, replace(CRITICAL, kev=True, exploited=True), HIGH)
    look(world)
    assert world.details(REPORTED)[-1]["cure"]["tags"] == ["v2"]


def test_what_inspector_sees_in_clusters_is_named_beside_the_rest() -> None:
    world = ScanWorld()
    world.runners.seen = [Runner("batch", cluster="batch", units=1), Runner("web", SERVICE, "prod")]
    world.push(ONE, HIGH, tag="prod")
    world.deploy(ONE)
    look(world)
    assert [each["name"] for each in world.details(REPORTED)[0]["running"]] == ["web", "batch"]


def test_mode_observe_reports_nothing_and_judges_gates() -> None:
    world = running_world(CRITICAL, observe=True)
    world.ask(ONE)
    world.run()
    assert world.told == [CLOSED]
    assert "observe-only" in {each.reason for each in world.outcomes}


def test_what_was_only_observed_is_told_once_reports_are_on() -> None:
    world = running_world(CRITICAL, observe=True)
    assert look(world) == []
    world.observe = False
    assert look(world) == [REPORTED]
    assert look(world) == []
    world = running_world(CRITICAL, observe=True)
    world.observe = False
    world.push(TWO, tag="prod")
    world.deploy(TWO)
    world.send(world.succeeded())
    world.run(5)
    assert world.told == []


EVENTS = st.lists(
    st.sampled_from(["index", "arm", "amd", "finding-arm", "finding-amd", "sweep"]), min_size=1, max_size=12
)


@given(EVENTS, st.lists(st.integers(0, 400), min_size=12, max_size=12))
def test_events_reordered_and_repeated_make_one_report(names: list[str], seconds: list[int]) -> None:
    world = ScanWorld()
    world.push(ARM, HIGH)
    world.push(AMD, CRITICAL)
    world.push(ONE, CRITICAL, HIGH, tag="prod", images=(AMD, ARM))
    world.runners.running[WEB] = {ONE: [SHOP], ARM: [SHOP], AMD: [SHOP]}
    for name, pause in zip(names, seconds, strict=False):
        digest = {"arm": ARM, "amd": AMD}.get(name.removeprefix("finding-"), ONE)
        if name == "sweep":
            world.sweep()
        else:
            world.send(world.finding(digest) if name.startswith("finding") else world.scanned(digest))
        world.run(pause / 60)
    world.run(30)
    assert world.told == [REPORTED]
    assert [each["id"] for each in world.details(REPORTED)[0]["findings"]] == [
        CRITICAL.vulnerability,
        HIGH.vulnerability,
    ]


def test_a_push_with_four_hundred_findings_makes_one_report() -> None:
    world = ScanWorld()
    world.push(ONE, *(replace(HIGH, package=f"p{n}") for n in range(400)), tag="prod")
    world.deploy(ONE)
    for _ in range(200):
        world.send(world.finding(ONE))
    world.send(world.scanned(ONE))
    for _ in range(200):
        world.send(world.finding(ONE))
    world.run(30)
    assert world.told == [REPORTED]


# -- acceptances ----------------------------------------------------------------------------------------------------


def test_what_is_accepted_is_counted_and_not_told() -> None:
    world = ScanWorld()
    accepted(world, days=6)
    world.push(ONE, CRITICAL, HIGH, tag="prod")
    world.deploy(ONE)
    look(world)
    (detail,) = world.details(REPORTED)
    assert (detail["suppressed"], detail["suppressed_ending"], detail["new"]) == (1, 1, 1)
    assert [each["id"] for each in detail["findings"]] == [HIGH.vulnerability]


def test_accepting_all_closes_the_report_and_the_end_of_it_reopens_it() -> None:
    world = running_world(CRITICAL)
    accepted(world)
    assert look(world) == [RESOLVED]
    assert world.details(RESOLVED)[0]["reason"] == "accepted"
    world.clock.advance(30 * 86400)
    assert look(world) == [REPORTED]
    detail = world.details(REPORTED)[-1]
    assert (detail["reason"], detail["reopened"], detail["new"]) == ("reopened", 1, 0)
    assert (detail["findings"][0]["change"], detail["findings"][0]["accepted_by"]) == ("reopened", "shop")


@pytest.mark.parametrize(("restart", "days"), [(False, 30 + 20), (True, 20 + 10 + 30)])
def test_acceptance_stops_the_clock_of_the_sla(restart: bool, days: int) -> None:
    world = running_world(CRITICAL, policy=ScanPolicy(restart_on_reopen=restart))
    first = world.clock.now()
    assert world.details(REPORTED)[0]["findings"][0]["due"] == (first + 30 * DAY).isoformat()
    world.clock.advance(10 * 86400)
    accepted(world, days=20)
    look(world)
    world.clock.advance(20 * 86400)
    look(world)
    assert world.details(REPORTED)[-1]["findings"][0]["due"] == (first + timedelta(days=days)).isoformat()


def test_another_image_inherits_what_was_accepted() -> None:
    world = running_world(CRITICAL)
    accepted(world, days=10)
    look(world)
    world.clock.advance(9 * 86400)
    world.push(TWO, CRITICAL, tag="prod")
    world.deploy(TWO)
    world.send(world.succeeded())
    world.run(5)
    before = len(world.told)
    world.clock.advance(2 * 86400)
    assert look(world, TWO) == [REPORTED]
    assert len(world.told) == before + 1
    assert world.details(REPORTED)[-1]["reason"] == "reopened"


def test_acceptances_that_end_are_announced_once() -> None:
    world = running_world()
    accepted(world, days=10)
    for _ in range(9):
        world.sweep()
        world.run(24 * 60)
    expiring = [each for each in world.details(REPORTED) if each["report"] == "expiring"]
    assert len(expiring) == 1
    assert [(each["vulnerability"], each["owner"]) for each in expiring[0]["acceptances"]] == [
        (CRITICAL.vulnerability, "shop")
    ]


def test_statements_that_are_attached_suppress_and_bad_ones_do_not() -> None:
    world = ScanWorld()
    statement = {
        "vulnerability": {"name": CRITICAL.vulnerability},
        "status": "not_affected",
        "justification": "vulnerable_code_not_present",
    }
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/vex-1",
        "author": "shop",
        "timestamp": "2026-11-01T00:00:00Z",
        "version": 1,
        "statements": [statement],
    }
    world.attestations.documents[ONE] = [{"@context": "nonsense"}, document]
    world.push(ONE, CRITICAL, tag="prod")
    world.deploy(ONE)
    assert look(world) == []
    memory = Memory.of(world.reports.get(WEB, ONE))
    assert memory is not None
    assert memory.suppressed == 1


# -- gates ----------------------------------------------------------------------------------------------------------


def verdict(world: ScanWorld, digest: str = TWO, workload: str = SERVICE) -> GateReason | None:
    gate = world.gates.get(WEB, workload, digest)
    return gate.verdict.reason if gate and gate.verdict else None


def test_a_question_is_answered_once() -> None:
    world = running_world()
    world.push(TWO, CRITICAL, tag="prod")
    world.ask(TWO, ONE)
    world.run()
    assert world.told == [CLOSED]
    (detail,) = world.details(CLOSED)
    assert (detail["result"], detail["reason"], detail["workload"]) == ("fail", "findings", SERVICE)
    assert (detail["workload_name"], detail["team"], detail["counts"]) == ("web", "shop", {"P2": 1})
    assert (detail["correlation"], detail["gate"], detail["tags"]) == ("push", "scan", ["prod"])
    world.send(world.own("Gate Due", {"repository": str(WEB), "workload": SERVICE, "digest": TWO}))
    world.run()
    assert world.told == [CLOSED]


def test_a_closed_gate_opens_when_the_findings_go_and_closes_when_they_come_back() -> None:
    world = running_world()
    world.push(TWO, CRITICAL, tag="prod")
    world.ask(TWO, ONE)
    world.run()
    gates = [CLOSED]
    for findings, kind in (((), OPENED), ((CRITICAL,), CLOSED), ((), OPENED)):
        world.clock.advance(60)
        world.find(TWO, *findings)
        look(world, TWO)
        gates.append(kind)
        assert [each for each in world.told if each.startswith("Gate")] == gates


def test_a_gate_waits_for_the_scan() -> None:
    world = running_world()
    world.push(TWO, tag="prod", state=ScanState.PENDING)
    world.ask(TWO, ONE)
    world.run(10)
    assert (world.told, verdict(world)) == ([], GateReason.SCANNING)
    world.find(TWO)
    look(world, TWO)
    assert (world.told, verdict(world)) == ([OPENED], GateReason.CLEAN)
    assert world.details(OPENED)[0]["result"] == "pass"
    world.run(60)
    assert world.told == [OPENED]


@pytest.mark.parametrize("admitted", [False, True])
def test_no_result_in_time_is_no_pass(admitted: bool) -> None:
    terms = GateTerms(no_result=frozenset({GateReason.TIMED_OUT} if admitted else ()))
    world = running_world()
    world.push(TWO, tag="prod", state=ScanState.PENDING)
    world.ask(TWO, ONE, terms=terms)
    world.run(29)
    assert world.told == []
    world.run(2)
    kind = OPENED if admitted else CLOSED
    assert world.told == [kind]
    assert (world.details(kind)[0]["result"], verdict(world)) == ("no-result", GateReason.TIMED_OUT)


def test_an_event_that_was_lost_is_made_up_for_when_the_time_is_up() -> None:
    world = running_world()
    world.push(TWO, tag="prod", state=ScanState.PENDING)
    world.ask(TWO, ONE)
    world.run(10)
    world.find(TWO)
    world.run(21)
    assert world.told == [OPENED]


def test_accepting_the_finding_opens_the_gate_with_the_next_look() -> None:
    world = running_world()
    world.push(TWO, CRITICAL, tag="prod")
    world.ask(TWO, ONE)
    world.run()
    accepted(world)
    world.sweep()
    world.run(5)
    assert [each for each in world.told if each.startswith("Gate")] == [CLOSED, OPENED]


def test_what_runs_already_does_not_count_unless_all_does() -> None:
    world = running_world(CRITICAL)
    world.push(TWO, CRITICAL, tag="prod")
    world.ask(TWO, ONE)
    world.ask(TWO, ONE, terms=GateTerms(new_only=False), workload=SERVICE + "2")
    world.run()
    assert verdict(world) is GateReason.NOT_NEW
    assert verdict(world, workload=SERVICE + "2") is GateReason.FINDINGS


def test_a_deployed_image_has_no_gate_any_more() -> None:
    world = running_world()
    world.push(TWO, tag="prod")
    world.ask(TWO, ONE)
    world.run()
    world.deploy(TWO)
    world.find(TWO, CRITICAL)
    look(world, TWO)
    assert [each for each in world.told if each.startswith("Gate")] == [OPENED]


def test_many_gates_of_a_repository_are_judged_by_messages_of_their_own() -> None:
    world = running_world()
    world.push(TWO, tag="prod", state=ScanState.PENDING)
    for number in range(90):
        world.ask(TWO, ONE, workload=f"{SERVICE}-{number}")
    world.run()
    world.find(TWO)
    world.send(world.scanned(TWO))
    body = world.queue.receive(world.clock.now())
    assert body is not None
    world.send(body)
    world.run(5)
    assert world.told.count(OPENED) == 90
    assert len({each["workload"] for each in world.details(OPENED)}) == 90


def test_asked_anew_it_is_answered_anew() -> None:
    world = running_world()
    world.push(TWO, tag="prod")
    for _ in range(2):
        world.ask(TWO, ONE)
        world.run()
        world.clock.advance(86400)
    assert world.told == [OPENED, OPENED]


# -- sweep and digest -----------------------------------------------------------------------------------------------


def test_the_sweep_finds_what_events_missed() -> None:
    world = running_world()
    world.find(ONE, CRITICAL)
    world.sweep()
    world.run(5)
    assert world.told == [REPORTED]
    world.push(TWO, tag="v2")
    world.deploy(TWO)
    world.sweep()
    world.run(5)
    assert world.told == [REPORTED, RESOLVED]


WEEKDAYS = read_scan_policy({"digest": {"at": "10:00", "on": ["mon"], "zone": "Europe/Berlin"}})


def tick(world: ScanWorld, hours: int) -> None:
    for _ in range(hours):
        world.send(world.own("Digest Due", {}))
        world.run(60)


def test_a_team_has_its_digest_when_it_is_due_and_once() -> None:
    """10:00 in Berlin is 09:00 UTC in winter, on a Monday: the day that the world begins on."""
    world = running_world(CRITICAL, HIGH, policy=WEEKDAYS)
    world.clock.advance(31 * 86400)  # a Thursday
    tick(world, 24 * 3)
    assert [each["report"] for each in world.details(REPORTED)] == ["scan"]
    world.sweep()
    tick(world, 24 * 4)
    digests = [each for each in world.details(REPORTED) if each["report"] == "digest"]
    assert len(digests) == 1
    (detail,) = digests
    assert (detail["team"], detail["counts"], detail["images"]) == ("shop", {"P2": 1, "P3": 1}, 1)
    assert detail["due"] == "2026-12-28T09:00:00+00:00"
    assert (detail["overdue"], [each["id"] for each in detail["worst"]]) == (1, [CRITICAL.vulnerability])
    assert detail["trend"] is None
    world.find(ONE, HIGH)
    look(world)
    tick(world, 24 * 7)
    digests = [each for each in world.details(REPORTED) if each["report"] == "digest"]
    assert [each["trend"] for each in digests] == [None, {"P2": -1}]


def test_the_digest_names_what_is_not_scanned_and_what_is_behind() -> None:
    world = ScanWorld(WEEKDAYS)
    world.push(ONE, HIGH, tag="prod")
    world.runners.running[WEB] = {ONE: [SHOP], TWO: [SHOP._replace(name="batch", team="data")]}
    world.push(TWO, tag="batch", state=ScanState.UNSUPPORTED, why="scratch image")
    world.clock.advance(60)
    world.push(THREE, tag="v3")
    world.sweep()
    world.run(5)
    world.clock.advance_to(world.clock.now() + 7 * DAY - timedelta(minutes=10))
    tick(world, 2)
    digests = {each["team"]: each for each in world.details(REPORTED) if each["report"] == "digest"}
    assert digests.keys() == {"shop", "data"}
    assert [each["why"] for each in digests["data"]["unscanned"]] == ["scratch image"]
    assert [each["clean"]["tags"] for each in digests["shop"]["behind"]] == [["v3"]]
    assert (digests["shop"]["unscanned_count"], digests["data"]["behind_count"]) == (0, 0)


def test_a_team_without_anything_to_do_has_no_digest() -> None:
    world = running_world(policy=WEEKDAYS)
    tick(world, 24 * 8)
    assert world.told == []
