"""Reports on the bundle: scanners announce, people hear once what matters, and that it is mended (issue 6)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from longshore_local import images
from longshore_local.scanning.vulnerabilities import Vulnerability
from tests.functional.scan_stage import CRITICAL, HIGH, LOW, ScanStage, many
from tests.functional.stage import ACCOUNT, REGION

if TYPE_CHECKING:
    from longshore_local.bundle import Bundle

PARAMETERS = {"ScanMode": "auto", "RedeployMode": "observe"}
BOTH = pytest.mark.parametrize("stage", ["basic", "enhanced"], indirect=True)


@pytest.fixture
def stage(request: pytest.FixtureRequest, deployed: Bundle, clients: dict[str, Any]) -> ScanStage:
    """A followed service that runs a clean image, scanned by Inspector unless told otherwise."""
    deployed.clear()
    stage = ScanStage(deployed, clients, getattr(request, "param", "enhanced"))
    stage.push("prod", "one")
    stage.service(policy="digest")
    stage.settle(90)
    stage.forget()
    return stage


def test_a_push_with_400_findings_makes_one_report(stage: ScanStage) -> None:
    digest = stage.push_with("next", "two", [CRITICAL, *many(399)])
    stage.settle()
    assert len(stage.heard) > 400
    (report,) = stage.reports()
    assert (report["digest"], report["new"], report["fixed"]) == (digest, 400, 0)
    assert len(report["findings"]) + report["more"] == 400
    assert report["findings"][0]["id"] == CRITICAL.id
    stage.fine()


def test_400_findings_cost_a_look_or_two_and_not_400(stage: ScanStage) -> None:
    stage.push_with("next", "two", many(400))
    stage.settle()
    recorder = stage.bundle.recorder
    assert recorder.count("ecr", "DescribeImageScanFindings") <= 6
    assert recorder.count("inspector2", "ListFindings") <= 2 * 4 + 2
    assert recorder.count("sqs", "SendMessage") + recorder.count("scheduler", "CreateSchedule") <= 12


@BOTH
def test_what_runs_is_told_with_the_services_that_run_it(stage: ScanStage) -> None:
    stage.push_with("prod", "two", [CRITICAL, LOW])
    stage.update(forceNewDeployment=True)
    stage.settle(90)
    (report,) = [each for each in stage.reports() if each["running"]]
    assert [each["name"] for each in report["running"]] == ["web"]
    assert [each["id"] for each in report["findings"]] == [CRITICAL.id]
    assert report["priority"] == "P2"
    stage.fine()


@BOTH
def test_a_clean_image_is_not_told(stage: ScanStage) -> None:
    stage.push_with("next", "two")
    stage.settle(90)
    assert stage.told() in ([], ["Deployment Planned"])
    stage.fine()


def test_repeated_reordered_and_duplicated_events_change_nothing(stage: ScanStage) -> None:
    stage.push_with("next", "two", [CRITICAL, HIGH, LOW])
    stage.settle()
    events, told = list(stage.heard), len(stage.reports())
    random.Random(7).shuffle(events)
    for _ in range(3):
        stage.again(events)
        stage.settle(7)
        stage.bundle.scanner.emit_again("web", "next")
        stage.settle(7)
    assert (told, len(stage.reports())) == (1, 1)
    stage.fine()


def test_a_published_vulnerability_is_told_once_more_and_alone(stage: ScanStage) -> None:
    digest = stage.push_with("next", "two", [HIGH])
    stage.settle()
    stage.found(digest, HIGH, CRITICAL)
    stage.settle()
    first, second = stage.reports()
    assert (first["new"], second["new"], second["unchanged"]) == (1, 1, 1)
    assert [each["id"] for each in second["findings"]] == [CRITICAL.id]
    stage.fine()


def test_what_grows_worse_is_told(stage: ScanStage) -> None:
    digest = stage.push_with("next", "two", [Vulnerability("CVE-2026-9", "HIGH", fixed_in="2")])
    stage.settle()
    stage.found(digest, Vulnerability("CVE-2026-9", "CRITICAL", fixed_in="2"))
    stage.settle()
    first, second = stage.reports()
    assert (first["worsened"], second["worsened"], second["new"]) == (0, 1, 0)


def test_fixed_findings_close_the_report(stage: ScanStage) -> None:
    digest = stage.push_with("next", "two", [CRITICAL])
    stage.settle()
    stage.found(digest)
    stage.settle()
    stage.again(stage.heard)
    stage.settle()
    (resolved,) = stage.events("Findings Resolved")
    assert (resolved["reason"], resolved["digest"]) == ("fixed", digest)
    assert len(stage.reports()) == 1
    stage.fine()


def test_findings_that_vanish_with_the_scans_end_are_not_called_fixed(stage: ScanStage) -> None:
    digest = stage.push_with("next", "two", [CRITICAL])
    stage.settle()
    stage.found(digest, CRITICAL, state="SCAN_ELIGIBILITY_EXPIRED")
    stage.settle()
    assert stage.events("Findings Resolved") == []
    stage.fine()


def test_an_index_has_one_report_for_all_its_images(stage: ScanStage) -> None:
    index = images.multi_platform("two")
    stage.found(index, CRITICAL)
    stage.push("next", index)
    stage.settle()
    (report,) = stage.reports()
    assert (report["digest"], report["tags"], report["new"]) == (index.digest, ["next"], 1)
    stage.fine()


def test_what_an_attached_document_calls_not_affected_is_not_told(stage: ScanStage) -> None:
    stage.bundle.ecr.serve(ACCOUNT, REGION)
    image = images.single("two")
    stage.found(image, CRITICAL, HIGH)
    stage.push("next", image)
    stage.attach(image, CRITICAL.id)
    stage.settle()
    (report,) = stage.reports()
    assert ([each["id"] for each in report["findings"]], report["suppressed"]) == ([HIGH.id], 1)
    stage.fine()


def test_an_image_that_concerns_nobody_is_not_told(stage: ScanStage) -> None:
    image = images.single("alone")
    stage.bundle.scanner.found("alone", image.digest, [CRITICAL])
    stage.push("1", image, repository="alone")
    stage.settle()
    assert stage.told() == []
    stage.fine()


def test_without_inspectors_permissions_ecr_alone_is_read(stage: ScanStage) -> None:
    for operation in ("ListFindings", "BatchGetFindingDetails", "ListCoverage", "GetClustersForImage"):
        stage.faults.add("inspector2", operation, "AccessDeniedException", count=None)
    stage.push_with("next", "two", [CRITICAL])
    stage.settle()
    (report,) = stage.reports()
    assert report["new"] == 1
    stage.fine()


def test_throttled_scanners_are_asked_again(stage: ScanStage) -> None:
    stage.faults.add("ecr", "DescribeImageScanFindings", "ThrottlingException", count=2)
    stage.faults.add("inspector2", "ListFindings", "ThrottlingException", count=1)
    stage.push_with("next", "two", [CRITICAL])
    stage.settle(120)
    assert len(stage.reports()) == 1
    assert stage.dead_letters() == 0


def test_lost_events_are_made_up_for_by_the_sweep(stage: ScanStage) -> None:
    rule = stage.client("events")
    names = [each["Name"] for each in rule.list_rules()["Rules"] if "ImageScanned" in each["Name"]]
    for name in names:
        rule.disable_rule(Name=name)
    try:
        digest = stage.running()
        stage.found(digest, CRITICAL)
        stage.settle()
        assert (len(names), stage.reports()) == (1, [])
        stage.days(1.2)
        (report,) = stage.reports()
        assert report["digest"] == digest
    finally:
        for name in names:
            rule.enable_rule(Name=name)
