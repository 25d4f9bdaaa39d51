"""Statements that are attached to an image, where the configuration lets them open the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from longshore_local import images
from tests.functional.scan_stage import CRITICAL, ScanStage
from tests.functional.stage import ACCOUNT, REGION

if TYPE_CHECKING:
    from longshore_local.bundle import Bundle

PARAMETERS = {"ScanMode": "auto"}
CONFIG = """
scan: {attached_vex: gates}
profiles:
  gated: {policy: "digest:prod", write: digest, soak: 0s, cooldown: 0s, gates: {scan: {wait: 30m}}}
"""


@pytest.fixture
def stage(deployed: Bundle, clients: dict[str, Any]) -> ScanStage:
    """A gated service that runs a clean image."""
    deployed.clear()
    stage = ScanStage(deployed, clients, "enhanced")
    stage.bundle.ecr.serve(ACCOUNT, REGION)
    stage.push("prod", "one")
    stage.service(policy="profile:gated")
    stage.settle(90)
    stage.forget()
    return stage


def test_a_statement_that_comes_after_the_scan_opens_the_gate_within_minutes(stage: ScanStage) -> None:
    image = images.single("two")
    stage.found(image, CRITICAL)
    stage.push("prod", image)
    stage.settle(60)
    assert [each["reason"] for each in stage.events("Gate Closed")] == ["findings"]
    stage.attach(image, CRITICAL.id)
    assert stage.run(minutes=10, until=lambda: "Deployment Started" in stage.told())
    stage.settle(20)
    assert stage.running() == image.digest
    stage.fine()
