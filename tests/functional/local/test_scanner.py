"""The bundle's scanners: ECR on push and Inspector, their APIs and what they announce."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from longshore_local import images
from longshore_local.plugins import Plugins, installed
from longshore_local.scanning.vulnerabilities import Vulnerability
from longshore_local.timeline import VirtualTimeline

ACCOUNT, REGION = "123456789012", "eu-west-1"
SAMPLES = Path(__file__).resolve().parents[3] / "events"
GRAVE = Vulnerability("CVE-2026-1", "CRITICAL", fixed_in="3.0.14", exploit=True, score=9.8, epss=0.4)
MILD = Vulnerability("CVE-2026-2", "LOW", "zlib", "1.3")


class Account:
    """Clients, the clock and all events of an account with scanners."""

    def __init__(self, plugins: Plugins, timeline: VirtualTimeline, events: list[dict[str, Any]]) -> None:
        self.plugins, self.timeline, self.events = plugins, timeline, events
        self.scanner = plugins.scanner
        self.ecr, self.inspector = (boto3.client(name, region_name=REGION) for name in ("ecr", "inspector2"))
        self.ecr.create_repository(repositoryName="web")

    def push(self, image: images.SyntheticImage, tag: str | None = "1") -> str:
        return images.push(self.ecr, "web", tag, image)

    def use(self, mode: str) -> None:
        """Sets the mode, and forgets that this was told."""
        self.scanner.use(mode)
        self.wait(0)
        self.events.clear()

    def wait(self, seconds: float = 60) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(seconds=seconds))

    def told(self, *kinds: str) -> list[dict[str, Any]]:
        scans = [each for each in self.events if each["detail-type"] != "ECR Image Action"]
        return [each for each in scans if not kinds or each["detail-type"] in kinds]

    def kinds(self) -> list[str]:
        return [each["detail-type"] for each in self.told()]

    def described(self, digest: str, **page: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.ecr.describe_image_scan_findings(
            repositoryName="web", imageId={"imageDigest": digest}, **page
        )
        return answer

    def listed(self, **criteria: str) -> list[dict[str, Any]]:
        wanted = {name: [{"comparison": "EQUALS", "value": value}] for name, value in criteria.items()}
        pages = self.inspector.get_paginator("list_findings").paginate(filterCriteria=wanted)
        return [each for page in pages for each in page["findings"]]

    def code(self, operation: Any, **request: Any) -> str:
        with pytest.raises(ClientError) as raised:
            operation(**request)
        return str(raised.value.response["Error"]["Code"])


@pytest.fixture
def account() -> Iterator[Account]:
    timeline = VirtualTimeline()
    events: list[dict[str, Any]] = []
    with (
        mock_aws(config={"core": {"reset_boto3_session": False}}),
        installed(timeline, events.append, lambda name, event: None) as plugins,
    ):
        yield Account(plugins, timeline, events)


def test_nobody_scans_before_it_is_configured(account: Account) -> None:
    digest = account.push(images.single("a"))
    account.wait()
    assert account.kinds() == []
    about = {"repositoryName": "web", "imageId": {"imageDigest": digest}}
    assert account.code(account.ecr.describe_image_scan_findings, **about) == "ScanNotFoundException"
    assert account.listed() == []


def test_basic_scanning_tells_once_and_answers_pages(account: Account) -> None:
    account.scanner.use("basic")
    image = images.single("a")
    account.scanner.found("web", image.digest, [GRAVE, MILD, Vulnerability("CVE-2026-3", "UNDEFINED")])
    account.push(image)
    assert account.described(image.digest)["imageScanStatus"]["status"] == "IN_PROGRESS"
    account.wait()

    (event,) = account.told()
    sample = json.loads((SAMPLES / "ecr" / "image-scan-complete.json").read_text(encoding="utf-8"))
    assert event.keys() == sample.keys()
    assert event["detail"].keys() == sample["detail"].keys()
    assert event["detail"]["finding-severity-counts"] == {"CRITICAL": 1, "LOW": 1, "UNDEFINED": 1}
    first = account.described(image.digest, maxResults=2)
    assert first["imageScanStatus"]["status"] == "COMPLETE"
    assert [each["name"] for each in first["imageScanFindings"]["findings"]] == ["CVE-2026-1", "CVE-2026-2"]
    second = account.described(image.digest, maxResults=2, nextToken=first["nextToken"])
    assert [each["severity"] for each in second["imageScanFindings"]["findings"]] == ["UNDEFINED"]
    assert "nextToken" not in second


def test_basic_scanning_finds_what_is_new_with_the_next_scan_only(account: Account) -> None:
    account.scanner.use("basic")
    digest = account.push(images.single("a"))
    account.wait()
    account.scanner.found("web", digest, [GRAVE])
    account.wait()
    again = {"repositoryName": "web", "imageId": {"imageDigest": digest}}
    assert account.kinds() == ["ECR Image Scan"]
    assert account.code(account.ecr.start_image_scan, **again) == "LimitExceededException"

    account.wait(24 * 3600)
    account.ecr.start_image_scan(**again)
    account.wait()

    assert account.kinds() == ["ECR Image Scan"] * 2
    assert len(account.described(digest)["imageScanFindings"]["findings"]) == 1


def test_inspector_tells_each_finding_and_the_scan(account: Account) -> None:
    account.use("enhanced")
    image = images.single("a")
    account.scanner.found("web", image.digest, [GRAVE, MILD])
    account.push(image)
    account.wait()

    assert account.kinds() == ["Inspector2 Finding"] * 2 + ["Inspector2 Coverage", "Inspector2 Scan"]
    for event, name in zip(account.told()[1:], ("finding-ecr", "coverage-ecr", "scan-ecr"), strict=True):
        sample = json.loads((SAMPLES / "inspector2" / f"{name}.json").read_text(encoding="utf-8"))
        assert event.keys() == sample.keys()
        assert event["detail"].keys() ^ sample["detail"].keys() <= {"epss", "inspectorScore"}, name
        assert [each.rpartition("/")[0] for each in event["resources"]]
    found = account.described(image.digest)
    assert found["imageScanStatus"]["status"] == "ACTIVE"
    assert [each["fixAvailable"] for each in found["imageScanFindings"]["enhancedFindings"]] == ["YES", "NO"]
    assert [each["vulnerabilityId"] for each in _details(account.listed(ecrImageHash=image.digest))] == [
        "CVE-2026-1",
        "CVE-2026-2",
    ]
    assert account.listed(ecrImageHash=image.digest, ecrImageRepositoryName="other") == []


def _details(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["packageVulnerabilityDetails"] for each in findings]


def test_findings_come_in_pages(account: Account) -> None:
    account.scanner.use("enhanced")
    image = images.single("a")
    account.scanner.found("web", image.digest, [Vulnerability(f"CVE-2026-{number}") for number in range(250)])
    account.push(image)
    account.wait()
    assert len(account.inspector.list_findings(maxResults=100)["findings"]) == 100
    assert len(account.listed(ecrImageHash=image.digest)) == 250


def test_details_know_what_cisa_lists(account: Account) -> None:
    account.scanner.use("enhanced")
    image = images.single("a")
    account.scanner.found("web", image.digest, [Vulnerability("CVE-2026-9", kev_due=date(2026, 12, 5), epss=0.9)])
    account.push(image)
    account.wait()
    (finding,) = account.listed()
    arns = [finding["findingArn"], finding["findingArn"] + "x"]
    answer = account.inspector.batch_get_finding_details(findingArns=arns)
    (detail,) = answer["findingDetails"]
    assert detail["cisaData"]["dateDue"].date() == date(2026, 12, 5)
    assert [each["errorCode"] for each in answer["errors"]] == ["FINDING_DETAILS_NOT_FOUND"]


def test_the_images_of_an_index_are_scanned_and_neither_it_nor_attestations(account: Account) -> None:
    account.scanner.use("enhanced")
    index = images.multi_platform("a")
    account.scanner.found("web", index.digest, [GRAVE])
    account.push(index)
    account.wait()
    scanned = {each["detail"]["image-digest"] for each in account.told("Inspector2 Scan")}
    assert scanned == {child.digest for child in index.children[:2]}
    about = {"repositoryName": "web", "imageId": {"imageDigest": index.digest}}
    assert account.code(account.ecr.describe_image_scan_findings, **about) == "ScanNotFoundException"
    assert len(account.listed()) == 2


def test_what_changes_later_is_told_and_closed(account: Account) -> None:
    account.scanner.use("enhanced")
    image = images.single("a")
    account.push(image)
    account.wait()
    account.events.clear()

    account.scanner.found("web", "1", [GRAVE])
    account.wait()
    account.scanner.found("web", "1", [GRAVE])
    account.wait()
    account.scanner.emit_again("web", "1")
    account.wait()
    account.scanner.found("web", "1", [])
    account.wait()

    states = [each["detail"]["status"] for each in account.told("Inspector2 Finding")]
    assert states == ["ACTIVE", "ACTIVE", "CLOSED"]
    assert account.kinds() == ["Inspector2 Finding"] * 3
    assert account.listed(findingStatus="ACTIVE") == []
    assert len(account.listed(findingStatus="CLOSED")) == 1


def test_eligibility_ends(account: Account) -> None:
    account.scanner.use("enhanced")
    image = images.single("a")
    account.scanner.found("web", image.digest, [GRAVE])
    account.push(image)
    account.wait()
    account.events.clear()

    account.scanner.found("web", image.digest, state="SCAN_ELIGIBILITY_EXPIRED")
    account.wait()

    assert account.told("Inspector2 Coverage")[0]["detail"]["scanStatus"] == {
        "reason": "SCAN_ELIGIBILITY_EXPIRED",
        "statusCodeValue": "INACTIVE",
    }
    assert account.listed() == []
    answer = account.described(image.digest)
    assert answer["imageScanStatus"]["status"] == "SCAN_ELIGIBILITY_EXPIRED"
    assert "imageScanFindings" not in answer
    (covered,) = account.inspector.list_coverage()["coveredResources"]
    assert covered["scanStatus"] == {"statusCode": "INACTIVE", "reason": "SCAN_ELIGIBILITY_EXPIRED"}


@pytest.mark.parametrize("mode", ["basic", "enhanced"])
def test_a_scan_goes_on_until_told(account: Account, mode: str) -> None:
    account.use(mode)
    image = images.single("a")
    account.scanner.found("web", image.digest, state="PENDING")
    account.push(image)
    account.wait(3600)
    assert account.kinds() == []
    account.scanner.found("web", image.digest, [GRAVE])
    account.wait()
    assert account.kinds()[-1] in ("ECR Image Scan", "Inspector2 Scan")


def test_what_cannot_be_scanned_says_why(account: Account) -> None:
    account.scanner.use("enhanced")
    image = images.single("a")
    account.scanner.found("web", image.digest, [GRAVE], state="UNSUPPORTED_IMAGE")
    account.push(image)
    account.wait()
    assert account.told("Inspector2 Scan", "Inspector2 Finding") == []
    assert account.described(image.digest)["imageScanStatus"]["status"] == "UNSUPPORTED_IMAGE"


def test_turning_inspector_on_scans_what_is_there(account: Account) -> None:
    digest = account.push(images.single("a"))
    account.scanner.use("enhanced")
    account.wait()
    (change,) = account.told("ECR Scan Resource Change")
    sample = json.loads((SAMPLES / "ecr" / "scan-resource-change.json").read_text(encoding="utf-8"))
    assert change["detail"].keys() == sample["detail"].keys()
    assert change["detail"]["repositories"][0].keys() == sample["detail"]["repositories"][0].keys()
    assert account.described(digest)["imageScanStatus"]["status"] == "ACTIVE"


def test_a_deleted_image_has_no_scan(account: Account) -> None:
    account.scanner.use("enhanced")
    digest = account.push(images.single("a"))
    account.wait()
    account.ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageDigest": digest}])
    account.wait()
    assert account.inspector.list_coverage()["coveredResources"] == []


def test_filters_that_the_stand_in_lacks_are_refused(account: Account) -> None:
    wanted = {"title": [{"comparison": "EQUALS", "value": "x"}]}
    assert account.code(account.inspector.list_findings, filterCriteria=wanted) == "ValidationException"


def test_clusters_are_known_to_inspector_alone(account: Account) -> None:
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web/sha256:{'0' * 64}"
    asked = {"filter": {"resourceId": arn}}
    assert account.code(account.inspector.get_clusters_for_image, **asked) == "AccessDeniedException"
    account.scanner.use("enhanced")
    assert account.inspector.get_clusters_for_image(**asked)["cluster"] == []
