"""A stack that only observes what is scanned: gates are judged, because redeploy waits for them, reports only logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.scan_stage import CRITICAL, ScanStage

if TYPE_CHECKING:
    from longshore_local.bundle import Bundle

PARAMETERS = {"ScanMode": "observe"}
CONFIG = """
profiles:
  gated: {policy: "digest:prod", write: digest, soak: 0s, cooldown: 0s, gates: [scan]}
"""


@pytest.fixture
def stage(deployed: Bundle, clients: dict[str, Any]) -> ScanStage:
    """A gated service that runs a clean image."""
    deployed.clear()
    stage = ScanStage(deployed, clients, "enhanced")
    stage.push("prod", "one")
    stage.service(policy="profile:gated")
    stage.settle(90)
    stage.forget()
    return stage


def test_reports_are_logged_and_told_nobody(stage: ScanStage) -> None:
    stage.push_with("next", "two", [CRITICAL])
    stage.settle()
    assert stage.told() == []
    (logged,) = [each for each in stage.outcomes() if each["reason"] == "observe-only"]
    assert logged["detail"]["findings"][0]["id"] == CRITICAL.id
    stage.fine()


def test_gates_are_judged_all_the_same(stage: ScanStage) -> None:
    before = stage.running()
    stage.push_with("prod", "two", [CRITICAL])
    stage.settle()
    assert stage.running() == before
    clean = stage.push_with("prod", "three")
    stage.settle()
    assert stage.running() == clean
    stage.fine()
