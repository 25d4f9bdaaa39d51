"""A stack without scan: nobody judges a gate, which is no pass; and nothing is sent to a queue that nobody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.functional.stage import Stage

PARAMETERS = {"ScanMode": "off"}
CONFIG = """
profiles:
  gated: {policy: "digest:prod", write: digest, soak: 0s, cooldown: 0s, gates: [scan]}
  willing: {policy: "digest:prod", write: digest, soak: 0s, cooldown: 0s, gates: {scan: {no_result: {"off": deploy}}}}
"""


def test_a_gate_that_nobody_judges_holds(stage: Stage) -> None:
    before = stage.push("prod", "one")
    stage.service(policy="profile:gated")
    stage.push("prod", "two")
    stage.run(minutes=150)
    assert stage.running() == before
    assert [each["reason"] for each in stage.events("Deployment Held")] == ["gate-no-result"]
    assert (stage.depth("ScanQueue"), stage.failures(), stage.dead_letters()) == (0, [], 0)


def test_terms_may_do_without(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(policy="profile:willing")
    second = stage.push("prod", "two")
    stage.run(minutes=60)
    assert stage.running() == second
