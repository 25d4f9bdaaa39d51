"""What a report lives through: its image vanishes and is back, runs where nobody follows, is only observed for a while."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from longshore.events import Kind
from longshore.scan.compare import short
from longshore.scan.findings import Assessment, Finding, Fix, ScanState, Severity
from longshore.scan.memory import MOST, Memory
from longshore.scan.ports import Runner
from longshore.scan.report import Look, report
from longshore.scan.rules import ScanPolicy
from longshore.scan.suppressions import Origin, Suppression
from tests.scan_world import ARM, CRITICAL, HIGH, ONE, SERVICE, SHOP, THREE, TWO, WEB, ScanWorld, running_world

if TYPE_CHECKING:
    from longshore.workloads import Workload

REPORTED, RESOLVED = Kind.FINDINGS_REPORTED, Kind.FINDINGS_RESOLVED
KEV = replace(HIGH, kev=True, kev_due=date(2026, 12, 5))
PODS = Runner("shop/web", "", "kube", units=12)


def look(world: ScanWorld, digest: str = ONE) -> list[str]:
    before = len(world.told)
    world.send(world.scanned(digest))
    world.run(1)
    return world.told[before:]


def deployed(world: ScanWorld, digest: str) -> list[str]:
    before = len(world.told)
    world.deploy(digest)
    world.send(world.succeeded())
    world.run(5)
    return world.told[before:]


def swept(world: ScanWorld) -> list[str]:
    before = len(world.told)
    world.sweep()
    world.run(5)
    return world.told[before:]


def remembered(world: ScanWorld, digest: str = ONE) -> Memory:
    memory = Memory.of(world.reports.get(WEB, digest))
    assert memory is not None
    return memory


# -- what runs again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [False, True])
def test_an_image_that_vanished_and_runs_again_is_told_again(before: bool) -> None:
    world = running_world(CRITICAL)
    if before:
        world.push(TWO, CRITICAL, tag="v0")
        deployed(world, TWO)
        assert deployed(world, ONE) == []
    else:
        assert world.told == [REPORTED]
    vanishing = ONE
    world.runners.running[WEB] = {}
    swept(world)
    assert deployed(world, vanishing)[-1:] == [REPORTED]
    assert world.details(REPORTED)[-1]["new"] == 1
    assert remembered(world, vanishing).opened is not None
    assert swept(world) == []


def test_an_image_of_which_nothing_was_told_against_one_is_told_against_another() -> None:
    world = running_world(HIGH)
    world.push(TWO, HIGH, tag="v2")
    assert look(world, TWO) == []
    assert deployed(world, TWO) == [RESOLVED]
    world.push(THREE, tag="v3")
    assert deployed(world, THREE) == []
    assert deployed(world, TWO) == [REPORTED]


def test_what_was_scanned_before_anybody_followed_it_is_told_when_it_runs() -> None:
    world = ScanWorld()
    world.index.followed.clear()
    world.push(ONE, HIGH, tag="prod")
    assert look(world) == []
    world.index.followed.add(WEB)
    assert deployed(world, ONE) == [REPORTED]


# -- what is gone ---------------------------------------------------------------------------------------------------


def test_an_image_that_is_gone_and_runs_is_not_mended_but_unscanned() -> None:
    world = running_world(CRITICAL)
    del world.scans.assessments[WEB, ONE]
    assert swept(world) == []
    memory = remembered(world)
    assert (memory.runs, memory.scanned, memory.tags) == (True, "gone", ("prod",))
    assert memory.opened is not None
    world.push(TWO, tag="prod")
    assert deployed(world, TWO) == [RESOLVED]
    assert world.details(RESOLVED)[0]["reason"] == "replaced"


def test_an_index_that_is_gone_runs_where_a_platform_names_its_image() -> None:
    world = ScanWorld()
    world.push(ARM, CRITICAL)
    world.push(ONE, CRITICAL, tag="prod", images=(ARM,))
    world.runners.running[WEB] = {ARM: [SHOP]}
    assert look(world) == [REPORTED]
    del world.scans.assessments[WEB, ONE]
    assert look(world) == []
    assert remembered(world).images == (ARM,)


def test_an_image_that_is_gone_and_does_not_run_is_over() -> None:
    world = running_world()
    world.push(TWO, CRITICAL, tag="v2")
    assert look(world, TWO) == [REPORTED]
    del world.scans.assessments[WEB, TWO]
    assert look(world, TWO) == [RESOLVED]
    assert world.details(RESOLVED)[0]["reason"] == "gone"


def test_what_runs_and_is_never_scanned_to_the_end_is_remembered_as_such_and_told_when_it_is() -> None:
    world = ScanWorld()
    world.push(ONE, HIGH, tag="prod", state=ScanState.PENDING)
    assert deployed(world, ONE) == []
    memory = remembered(world)
    assert (memory.runs, memory.scanned, memory.teams, memory.tags) == (True, "pending", ("shop",), ("prod",))
    assert memory.opened is None
    version = world.reports.kept[WEB, ONE].version
    assert (swept(world), world.reports.kept[WEB, ONE].version) == ([], version)
    world.find(ONE, HIGH)
    assert look(world) == [REPORTED]
    world.find(ONE, HIGH, state=ScanState.PENDING)
    assert look(world) == []
    world.find(ONE, HIGH)
    assert look(world) == []


def test_what_does_not_run_and_is_not_scanned_yet_is_not_remembered() -> None:
    world = running_world()
    world.push(TWO, tag="v2", state=ScanState.PENDING)
    assert (look(world, TWO), len(world.reports.kept)) == ([], 1)


# -- what only Inspector sees ---------------------------------------------------------------------------------------


def test_what_only_inspector_sees_running_is_told_as_running_and_ends_when_it_does_not() -> None:
    world = ScanWorld()
    world.index.followed.clear()
    world.runners.seen = [PODS]
    exploited = replace(HIGH, exploit=True)
    world.push(ONE, exploited, tag="prod")
    assert look(world) == [REPORTED]
    (detail,) = world.details(REPORTED)
    assert (detail["priority"], detail["running_count"]) == ("P1", 1)
    assert [(each["name"], each["units"]) for each in detail["running"]] == [("shop/web", 12)]
    assert (swept(world), look(world)) == ([], [])
    world.runners.seen = []
    assert swept(world) == [RESOLVED]
    assert world.details(RESOLVED)[0]["reason"] == "replaced"


def test_of_what_is_followed_the_platforms_word_counts() -> None:
    world = running_world(CRITICAL)
    world.index._workloads[SERVICE] = cast("Workload", "web")
    world.runners.seen = [Runner("web", SERVICE, "prod", units=4)]
    world.push(TWO, tag="prod")
    assert deployed(world, TWO) == [RESOLVED]


def test_inspector_is_not_asked_about_an_image_without_findings() -> None:
    world = ScanWorld()
    world.index.followed.clear()
    world.runners.seen = [PODS]
    world.push(ONE, tag="prod")
    assert look(world) == []
    assert world.reports.kept == {}


# -- what is only observed for a while ------------------------------------------------------------------------------


def test_what_was_told_before_is_not_told_again_after_observing() -> None:
    world = running_world(HIGH)
    world.observe = True
    assert look(world) == []
    world.observe = False
    assert look(world) == []
    assert world.told == [REPORTED]


def test_what_is_mended_while_only_observing_ends_once_reports_are_on() -> None:
    world = running_world(HIGH)
    world.observe = True
    world.find(ONE)
    assert look(world) == []
    world.observe = False
    assert look(world) == [RESOLVED]
    assert (world.details(RESOLVED)[0]["reason"], look(world)) == ("fixed", [])


def test_what_is_replaced_while_only_observing_ends_once_reports_are_on_and_its_successor_is_silent() -> None:
    world = running_world(HIGH)
    world.observe = True
    world.push(TWO, HIGH, tag="prod")
    assert look(world, TWO) == []
    assert deployed(world, TWO) == []
    world.observe = False
    assert swept(world) == [RESOLVED]
    assert world.details(RESOLVED)[0]["reason"] == "replaced"
    assert swept(world) == []


def test_what_is_new_while_only_observing_is_logged_once_and_told_once_reports_are_on() -> None:
    world = running_world(HIGH)
    world.observe = True
    world.find(ONE, HIGH, CRITICAL)
    for _ in range(3):
        assert look(world) == []
    assert [each.reason for each in world.outcomes].count("observe-only") == 1
    world.observe = False
    assert look(world) == [REPORTED]
    assert [each["id"] for each in world.details(REPORTED)[-1]["findings"]] == [CRITICAL.vulnerability]


def test_an_end_is_logged_once_while_only_observing() -> None:
    world = running_world(HIGH)
    world.observe = True
    world.runners.running[WEB] = {}
    for _ in range(3):
        assert swept(world) == []
    assert [each.reason for each in world.outcomes].count("observe-only") == 1


# -- what is kept ---------------------------------------------------------------------------------------------------


def test_images_that_are_pushed_and_neither_told_nor_deployed_are_not_remembered() -> None:
    world = running_world(HIGH)
    world.push(TWO, HIGH, tag="v2")
    assert (look(world, TWO), look(world, TWO)) == ([], [])
    assert {digest for _, digest in world.reports.kept} == {ONE}


def test_what_a_scanner_kept_back_for_once_is_no_news_when_it_is_told_again() -> None:
    world = running_world(KEV)
    world.find(ONE, HIGH, state=ScanState.FAILED)
    assert look(world) == []
    world.find(ONE, KEV, CRITICAL)
    assert look(world) == [REPORTED]
    assert (world.details(REPORTED)[-1]["new"], world.details(REPORTED)[-1]["worsened"]) == (1, 0)
    world.find(ONE, replace(KEV, exploited=True), state=ScanState.FAILED)
    assert look(world) == [REPORTED]


@pytest.mark.parametrize("state", [ScanState.COMPLETE, ScanState.FAILED])
def test_what_is_remembered_of_an_image_has_an_end(state: ScanState) -> None:
    """An item of the ledger holds 400 kB."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    by = Suppression("a", Origin.SWITCH, "CVE-1", expires=now + timedelta(days=30), owner="shop")
    memory = None
    for part in "ab":
        many = [
            Finding(f"CVE-{part}-{number}", "openssl", "3", severity=Severity(3 + number % 2), fix=Fix.YES)
            for number in range(3 * MOST)
        ]
        told, accepted = many[: MOST + 1000], many[MOST + 1000 :]
        made = Look(
            assessment=Assessment(WEB, ONE, state, findings=tuple(many)),
            open=tuple(told),
            suppressed=tuple((each, by) for each in accepted),
            runners=(SHOP,),
            since={},
            now=now,
            memory=memory,
        )
        memory = report(made, ScanPolicy()).memory
    assert memory is not None
    assert (len(memory.findings), len(memory.pauses)) == (MOST, MOST)
    grave = {short(each.key) for each in accepted if each.severity is Severity.CRITICAL}
    assert set(memory.pauses) >= set(sorted(grave)[:MOST])
    assert len(json.dumps(memory.as_json())) < 390_000
