"""The gate on the bundle: what redeploy asks, scan judges, and only the digest that was judged is deployed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from longshore_local import images
from tests.functional.scan_stage import CRITICAL, LOW, ScanStage
from tests.functional.stage import ACCOUNT, REGION

if TYPE_CHECKING:
    from longshore_local.bundle import Bundle

PARAMETERS = {"ScanMode": "auto"}
CONFIG = """
profiles:
  gated: {policy: "digest:prod", write: digest, soak: 0s, cooldown: 0s, gates: {scan: {fail: [P1, P2], wait: 30m}}}
  patient:
    policy: "digest:prod"
    write: digest
    soak: 0s
    cooldown: 0s
    gates: {scan: {wait: 30m, no_result: {timed-out: deploy, not-scanned: deploy}}}
"""
BOTH = pytest.mark.parametrize("stage", ["basic", "enhanced"], indirect=True)


@pytest.fixture
def stage(request: pytest.FixtureRequest, deployed: Bundle, clients: dict[str, Any]) -> ScanStage:
    """A gated service that runs a clean image, scanned by Inspector unless told otherwise."""
    deployed.clear()
    stage = ScanStage(deployed, clients, getattr(request, "param", "enhanced"))
    stage.push("prod", "one")
    stage.service(policy="profile:gated")
    stage.settle(90)
    stage.forget()
    return stage


@BOTH
def test_a_clean_image_waits_for_its_scan_and_is_deployed(stage: ScanStage) -> None:
    digest = stage.push_with("prod", "two", [LOW])
    stage.settle()
    assert stage.running() == digest
    assert stage.told().index("Gate Opened") < stage.told().index("Deployment Started")
    (gate,) = stage.events("Gate Opened")
    assert (gate["digest"], gate["reason"], gate["result"]) == (digest, "clean", "pass")
    stage.fine()


@BOTH
def test_a_critical_finding_holds_and_a_clean_image_releases(stage: ScanStage) -> None:
    before = stage.running()
    bad = stage.push_with("prod", "two", [CRITICAL])
    stage.settle()
    assert (stage.running(), stage.deployments()) == (before, 1)
    (closed,) = stage.events("Gate Closed")
    assert (closed["digest"], closed["reason"], closed["findings"][0]["id"]) == (bad, "findings", CRITICAL.id)
    (held,) = stage.events("Deployment Held")
    assert held["reason"] == "gate-failed"

    clean = stage.push_with("prod", "three")
    stage.settle()
    assert stage.running() == clean
    stage.fine()


def test_a_gate_opens_when_what_closed_it_is_gone(stage: ScanStage) -> None:
    bad = stage.push_with("prod", "two", [CRITICAL])
    stage.settle()
    assert stage.running() != bad
    stage.found(bad)
    stage.settle(60)
    assert stage.running() == bad
    stage.fine()


def test_what_runs_already_does_not_hold(stage: ScanStage) -> None:
    stage.found(stage.running(), CRITICAL)
    stage.settle()
    digest = stage.push_with("prod", "two", [CRITICAL])
    stage.settle()
    assert stage.running() == digest
    assert stage.events("Gate Opened")[0]["reason"] == "not-new"


def test_a_scan_that_never_ends_is_no_pass(stage: ScanStage) -> None:
    before = stage.running()
    stage.push_with("prod", "two", state="PENDING")
    stage.settle(25)
    assert stage.events("Gate Closed") == []
    stage.settle(45)
    (closed,) = stage.events("Gate Closed")
    assert (closed["reason"], closed["result"]) == ("timed-out", "no-result")
    assert stage.running() == before
    assert [each["reason"] for each in stage.events("Deployment Held")] == ["gate-no-result"]
    stage.fine()


def test_a_late_scan_opens_a_gate_that_had_timed_out(stage: ScanStage) -> None:
    digest = stage.push_with("prod", "two", state="PENDING")
    stage.settle(60)
    assert stage.running() != digest
    stage.found(digest)
    stage.settle(30)
    assert stage.running() == digest
    stage.fine()


def test_nothing_polls_while_a_deployment_waits(stage: ScanStage) -> None:
    stage.push_with("prod", "two", state="PENDING")
    stage.settle(5)
    stage.forget()
    stage.run(minutes=20)
    bodies = [json.loads(record["body"]) for each in stage.bundle.invocations for record in each.event["Records"]]
    assert {body["detail-type"] for body in bodies} <= {"Sweep Due", "Digest Due"}, "what comes every hour"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("UNSUPPORTED_IMAGE", "unsupported"),
        ("IMAGE_SIZE_EXCEEDED", "too-large"),
        ("IMAGE_ARCHIVED", "archived"),
        ("FAILED", "scan-failed"),
    ],
)
def test_what_cannot_be_scanned_is_held(stage: ScanStage, state: str, reason: str) -> None:
    before = stage.running()
    stage.push_with("prod", "two", state=state)
    stage.settle(60)
    assert [each["reason"] for each in stage.events("Gate Closed")] == [reason]
    assert stage.running() == before
    stage.fine()


def test_a_tag_that_moves_after_the_verdict_is_judged_anew(stage: ScanStage) -> None:
    """The verdict on two is on its way when the tag moves to three, which nobody has judged."""
    before = stage.running()
    two = stage.push_with("prod", "two")
    stage.bundle.run(lambda: bool(stage.events("Gate Opened")))
    three = stage.push_with("prod", "three", [CRITICAL])
    stage.settle(30)
    assert stage.running() in (before, two)
    assert [each["digest"] for each in stage.events("Gate Closed")] == [three]
    stage.fine()


def test_an_index_is_judged_by_what_the_service_would_run_of_it(stage: ScanStage) -> None:
    index = images.multi_platform("two")
    amd64, arm64 = (each.digest for each in index.children[:2])
    stage.found(arm64, CRITICAL)
    stage.push("prod", index)
    stage.settle(30)
    assert stage.running() in (index.digest, amd64)
    stage.fine()


def test_an_index_with_a_finding_in_what_would_run_is_held(stage: ScanStage) -> None:
    before = stage.running()
    index = images.multi_platform("two")
    stage.found(index.children[0].digest, CRITICAL)
    stage.push("prod", index)
    stage.settle(30)
    assert stage.running() == before
    assert [each["reason"] for each in stage.events("Gate Closed")] == ["findings"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_throttled_scanner_delays_a_deployment_by_minutes_at_most(stage: ScanStage, count: int) -> None:
    first = stage.faults.add(
        "inspector2", "ListFindings", "ThrottlingException", count=count, when="before", function="ScanFunction"
    )
    digest = stage.push_with("prod", "two", [LOW])
    assert stage.run(minutes=6, until=lambda: "Deployment Started" in stage.told())
    assert first.struck
    stage.settle(20)
    assert stage.running() == digest
    stage.fine()


def test_an_image_that_ran_once_has_no_gate_any_more(stage: ScanStage) -> None:
    first = stage.push_with("prod", "two", [LOW])
    stage.run(minutes=60, until=lambda: "Deployment Succeeded" in stage.told())
    stage.settle()
    stage.forget()
    stage.push_with("prod", "three", [LOW])
    stage.run(minutes=60, until=lambda: "Deployment Succeeded" in stage.told())
    stage.settle()
    stage.forget()
    stage.found(first, CRITICAL)
    stage.days(1.5)
    assert [each for each in stage.told() if each.startswith("Gate")] == []


def test_a_shut_gate_is_told_once_in_days(stage: ScanStage) -> None:
    stage.push_with("prod", "two", [CRITICAL])
    stage.settle()
    stage.days(4)
    assert [each for each in stage.told() if each.startswith(("Gate", "Deployment"))] == [
        "Gate Closed",
        "Deployment Held",
    ]


def test_what_is_attached_opens_no_gate_by_default(stage: ScanStage) -> None:
    stage.bundle.ecr.serve(ACCOUNT, REGION)
    before, image = stage.running(), images.single("two")
    stage.found(image, CRITICAL)
    stage.push("prod", image)
    stage.attach(image, CRITICAL.id)
    stage.settle(60)
    assert stage.running() == before


def test_repeated_events_judge_nothing_anew(stage: ScanStage) -> None:
    stage.push_with("prod", "two", [CRITICAL])
    stage.settle(30)
    for _ in range(3):
        stage.again(stage.heard)
        stage.settle(10)
    assert len(stage.events("Gate Closed")) == 1
    assert len(stage.events("Deployment Held")) == 1
    stage.fine()


def test_terms_may_let_through_what_nobody_scans(stage: ScanStage) -> None:
    stage.ecs.tag_resource(
        resourceArn=stage.described()["serviceArn"], tags=[{"key": "longshore:policy", "value": "profile:patient"}]
    )
    stage.bundle.scanner.use("off")
    digest = stage.push_with("prod", "two")
    stage.settle(100)
    assert stage.running() == digest
    (gate,) = stage.events("Gate Opened")
    assert gate["result"] == "no-result"
    stage.fine()
