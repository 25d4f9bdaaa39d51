"""Digests and acceptances on the bundle: each team hears at its time and once, and what was accepted comes back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from longshore_cli.main import main
from tests.functional.scan_stage import CRITICAL, LOW, ScanStage

if TYPE_CHECKING:
    from longshore_local.bundle import Bundle

PARAMETERS = {"ScanMode": "auto", "RedeployMode": "observe"}
CONFIG = """
profiles: {}
scan:
  digest:
    at: "14:00"
    on: [mon, tue, wed, thu, fri, sat, sun]
    zone: Europe/Berlin
    teams: {shop: {at: "18:00", on: [tue]}}
"""
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def stage(deployed: Bundle, clients: dict[str, Any]) -> ScanStage:
    """Services of the team shop and of nobody; what they run has a grave and a mild finding."""
    deployed.clear()
    stage = ScanStage(deployed, clients, "enhanced")
    stage.push_with("prod", "one", [CRITICAL, LOW])
    stage.service(policy="digest")
    stage.service("till", policy="digest", more_tags={"longshore:team": "shop"})
    stage.settle(90)
    stage.forget()
    return stage


def digests(stage: ScanStage) -> list[dict[str, Any]]:
    """The digests so far."""
    return [each for each in stage.events("Findings Reported") if each["report"] == "digest"]


def test_each_team_has_its_digest_at_its_time_and_once(stage: ScanStage) -> None:
    stage.days(7)
    others, shop = (
        [datetime.fromisoformat(e["due"]) for e in digests(stage) if e["team"] == t] for t in (None, "shop")
    )
    assert (len(others), len(set(others)), len(shop)) == (7, 7, 1)
    assert {each.astimezone(BERLIN).hour for each in others} == {14}
    assert [(each.astimezone(BERLIN).weekday(), each.astimezone(BERLIN).hour) for each in shop] == [(1, 18)]
    stage.fine()


def test_a_digest_counts_what_is_open(stage: ScanStage) -> None:
    stage.days(1)
    digest = digests(stage)[0]
    assert (digest["counts"]["P2"], digest["images"]) == (1, 1)


def test_a_digest_that_could_not_be_told_is_told_later_and_once(stage: ScanStage) -> None:
    stage.faults.add("events", "PutEvents", "InternalFailure", count=2, function="ScanFunction")
    stage.days(1)
    assert len([each for each in digests(stage) if each["team"] is None]) == 1
    assert stage.dead_letters() == 0


def test_what_was_accepted_is_announced_before_it_ends_and_comes_back(stage: ScanStage) -> None:
    ends = (stage.bundle.timeline.now() + timedelta(days=9)).date().isoformat()
    accepted = ["suppress", CRITICAL.id, "--expires", ends, "--owner", "ann", "--reason", "no network", "--json"]
    result = CliRunner().invoke(main, accepted)
    assert result.exit_code == 0, result.output
    stage.days(1.5)
    assert stage.events("Findings Resolved")[0]["reason"] == "accepted"
    stage.days(2)
    (expiring,) = [each for each in stage.events("Findings Reported") if each["report"] == "expiring"]
    assert [each["vulnerability"] for each in expiring["acceptances"]] == [CRITICAL.id]
    assert stage.reports() == []
    stage.days(7.5)
    (report,) = stage.reports()
    assert (report["reopened"], report["findings"][0]["accepted_by"]) == (1, "ann")
    stage.fine()
