"""Findings of Inspector in both of its models, package by package, with their details."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from longshore.errors import BadEventError
from longshore.scan.findings import Finding, Fix, Key, Severity
from longshore.scan.inspector import Details, detailed, read_details, read_enhanced, read_finding
from tests.unit.scan.scan_samples import ARN, SEEN, enhanced, inspector, packages

PACKAGE = {"name": "openssl", "version": "3.0.13"}


def one(**members: Any) -> Finding:
    (found,) = read_finding(inspector(**{"packageVulnerabilityDetails": packages(PACKAGE), **members}))
    return found


def test_each_vulnerable_package_is_a_finding() -> None:
    (system, node), refused = read_enhanced([inspector()])
    assert not refused
    assert system.key == Key("CVE-2024-6119", "OS", "libssl3t64", "")
    assert (system.version, system.fixed_in, system.fix) == ("3.0.13-0ubuntu3.2", "3.0.13-0ubuntu3.4", Fix.YES)
    assert system.layer == "sha256:" + "c" * 64
    assert node.key == Key("CVE-2024-6119", "NPM", "lodash", "app/package-lock.json")
    assert (node.version, node.fixed_in, node.fix, node.layer) == ("4.17.1", "", Fix.YES, "")
    for found in (system, node):
        assert (found.severity, found.score, found.epss) == (Severity.HIGH, 7.5, 0.25)
        assert (found.exploit, found.exploited, found.kev, found.kev_due) == (False, False, False, None)
        assert (found.arn, found.first_seen) == (ARN, SEEN)
        assert found.url == "https://ubuntu.example/CVE-2024-6119"
        assert found.title == "CVE-2024-6119 - libssl3t64, openssl"


@pytest.mark.parametrize("make", [inspector, enhanced])
def test_the_system_of_the_image_is_read_where_it_is_told(make: Any) -> None:
    raw = make()
    raw["resources"] = [
        {**each, "details": {"awsEcrContainerImage": {"platform": "DEBIAN_12"}}} for each in raw["resources"]
    ]
    assert {each.platform for each in read_enhanced([raw]).findings} == {"DEBIAN_12"}
    raw["resources"] = [{**each, "details": None} for each in raw["resources"]]
    assert {each.platform for each in read_enhanced([raw]).findings} == {""}


def test_ecrs_spelling_tells_the_same_but_epss() -> None:
    def without_epss(reading: Any) -> list[Finding]:
        return [detailed(each, Details()) for each in reading.findings]

    ours, theirs = read_enhanced([inspector(epss=None)]), read_enhanced([enhanced()], where="enhancedFindings")
    assert without_epss(ours) == without_epss(theirs)
    assert theirs.findings[0].epss is None


@pytest.mark.parametrize(("make", "spelling"), [(inspector, "Url"), (enhanced, "url")])
def test_the_remedys_address_is_read_in_both_spellings(make: Any, spelling: str) -> None:
    raw = make(packageVulnerabilityDetails=packages(PACKAGE, sourceUrl=None))
    assert spelling in raw["remediation"]["recommendation"]
    assert read_finding(raw)[0].url == "https://aws.example/remedy"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x/\u202e", 5, ""])
def test_an_address_that_nobody_should_follow_is_none(url: object) -> None:
    assert one(packageVulnerabilityDetails=packages(PACKAGE, sourceUrl=url), remediation=None).url == ""


def test_a_finding_without_packages_is_one_finding() -> None:
    (found,) = read_finding(inspector(packageVulnerabilityDetails=packages()))
    assert (found.package, found.fix) == ("", Fix.YES)


@pytest.mark.parametrize("severity", ["UNTRIAGED", "NEW_WORD", None])
def test_an_untriaged_severity_is_unknown(severity: str | None) -> None:
    assert one(severity=severity).severity is None


@pytest.mark.parametrize(
    ("told", "fixed_in", "fix", "shown"),
    [
        ("YES", None, Fix.YES, ""),
        ("NO", None, Fix.NO, ""),
        ("PARTIAL", None, Fix.PARTIAL, ""),
        (None, None, Fix.UNKNOWN, ""),
        ("MAYBE", None, Fix.UNKNOWN, ""),
        ("YES", "NotAvailable", Fix.NO, ""),
        ("PARTIAL", "NotAvailable", Fix.NO, ""),
        ("PARTIAL", "1:2.0-1", Fix.YES, "1:2.0-1"),
        ("NO", "0:2.0-1", Fix.YES, "2.0-1"),
    ],
)
def test_each_package_says_for_itself_whether_it_is_fixed(
    told: str | None, fixed_in: str | None, fix: Fix, shown: str
) -> None:
    package = PACKAGE if fixed_in is None else PACKAGE | {"fixedInVersion": fixed_in}
    found = one(fixAvailable=told, packageVulnerabilityDetails=packages(package))
    assert (found.fix, found.fixed_in) == (fix, shown)


@pytest.mark.parametrize(
    ("version", "written"),
    [
        ({"version": "3.0"}, "3.0"),
        ({"version": "3.0", "release": "1.el9", "epoch": 0}, "3.0-1.el9"),
        ({"version": "3.0", "release": "1.el9", "epoch": 2}, "2:3.0-1.el9"),
        ({}, ""),
    ],
)
def test_a_version_is_written_as_package_managers_do(version: dict[str, Any], written: str) -> None:
    assert one(packageVulnerabilityDetails=packages({"name": "x", **version})).version == written


@pytest.mark.parametrize(
    ("members", "known"),
    [
        ({"exploitAvailable": "YES"}, True),
        ({"exploitAvailable": "NO"}, False),
        ({"exploitAvailable": None}, False),
        ({"exploitAvailable": None, "exploitabilityDetails": {"lastKnownExploitAt": SEEN}}, True),
        ({"exploitabilityDetails": {}}, False),
    ],
)
def test_an_exploit_is_known_by_either_member(members: dict[str, Any], known: bool) -> None:
    assert one(**members).exploit is known


def test_the_score_falls_back_to_the_highest_of_the_vendors() -> None:
    details = packages(PACKAGE, cvss=[{"baseScore": 5.9}, {"baseScore": 8.8}, {}])
    assert one(inspectorScore=None, packageVulnerabilityDetails=details).score == 8.8
    assert one(inspectorScore=None, packageVulnerabilityDetails=packages(PACKAGE, cvss=[])).score is None
    assert one(inspectorScore=0.0).score == 0.0


@pytest.mark.parametrize("status", ["CLOSED", "SUPPRESSED", "closed"])
def test_what_is_closed_or_suppressed_in_inspector_is_no_finding(status: str) -> None:
    assert read_enhanced([inspector(status=status)]) == ((), ())


@pytest.mark.parametrize("status", ["ACTIVE", None, "REOPENED"])
def test_a_status_that_no_model_knows_hides_nothing(status: str | None) -> None:
    assert one(status=status)


@pytest.mark.parametrize(
    "members",
    [
        {"type": "CODE_VULNERABILITY"},
        {"type": "NETWORK_REACHABILITY"},
        {"resources": [{"type": "AWS_EC2_INSTANCE", "id": "i-1"}]},
        {"resources": [{"type": "AWS_LAMBDA_FUNCTION", "id": "arn"}]},
        {"resources": [{"type": "Microsoft.ContainerRegistry/registry/containerImage", "id": "/subscriptions/1"}]},
        {"resources": [{"type": "artifactregistry.googleapis.com/DockerImage", "id": "projects/1"}]},
    ],
)
def test_what_is_no_package_of_an_image_of_ecr_is_not_read(members: dict[str, Any]) -> None:
    assert read_enhanced([inspector(**members, packageVulnerabilityDetails=None)]) == ((), ())


def test_names_are_kept_apart_by_what_cannot_be_printed() -> None:
    plain, odd = (one(packageVulnerabilityDetails=packages(PACKAGE | {"filePath": p})).path for p in ("ab", "a\u200bb"))
    assert (plain, odd) == ("ab", "a\\u200bb")


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"type": None, "packageVulnerabilityDetails": None}, "type"),
        ({"type": 3}, "type"),
        ({"packageVulnerabilityDetails": None}, "packageVulnerabilityDetails"),
        ({"packageVulnerabilityDetails": packages(vulnerabilityId="")}, "packageVulnerabilityDetails.vulnerabilityId"),
        (
            {"packageVulnerabilityDetails": packages(PACKAGE, {"version": "1"})},
            "packageVulnerabilityDetails.vulnerablePackages[1].name",
        ),
        (
            {"packageVulnerabilityDetails": packages(PACKAGE | {"epoch": -1})},
            "packageVulnerabilityDetails.vulnerablePackages[0].epoch",
        ),
        (
            {"packageVulnerabilityDetails": packages(PACKAGE | {"filePath": "x" * 1025})},
            "packageVulnerabilityDetails.vulnerablePackages[0].filePath",
        ),
        (
            {"packageVulnerabilityDetails": packages(*[PACKAGE] * 1001)},
            "packageVulnerabilityDetails.vulnerablePackages",
        ),
        (
            {"packageVulnerabilityDetails": packages(cvss="x"), "inspectorScore": None},
            "packageVulnerabilityDetails.cvss",
        ),
        ({"severity": ["HIGH"]}, "severity"),
        ({"inspectorScore": "high"}, "inspectorScore"),
        ({"inspectorScore": 10.5}, "inspectorScore"),
        ({"inspectorScore": float("nan")}, "inspectorScore"),
        ({"inspectorScore": True}, "inspectorScore"),
        ({"epss": 0.5}, "epss"),
        ({"epss": {"score": 1.5}}, "epss.score"),
        ({"firstObservedAt": "once"}, "firstObservedAt"),
        ({"exploitabilityDetails": {"lastKnownExploitAt": "once"}}, "exploitabilityDetails.lastKnownExploitAt"),
        ({"resources": "x"}, "resources"),
        ({"resources": [3]}, "resources[0]"),
        ({"resources": [{"type": "AWS_ECR_CONTAINER_IMAGE"}] * 11}, "resources"),
        ({"remediation": "x"}, "remediation"),
    ],
)
def test_a_bad_finding_is_refused_by_name_and_costs_no_other(members: dict[str, Any], field: str) -> None:
    good = inspector(packageVulnerabilityDetails=packages(PACKAGE))
    reading = read_enhanced([good, inspector(**members), good])
    assert len(reading.findings) == 2
    assert [each.field for each in reading.refused] == [f"findings[1].{field}"]


def test_details_say_what_cisa_knows() -> None:
    due = datetime(2026, 12, 5, tzinfo=UTC)
    arn, details = read_details(
        {
            "findingArn": ARN,
            "cisaData": {"dateAdded": SEEN, "dateDue": due, "action": "Apply updates"},
            "exploitObserved": {"firstSeen": SEEN, "lastSeen": SEEN},
            "epssScore": 0.9,
        }
    )
    assert (arn, details) == (ARN, Details(True, date(2026, 12, 5), True, 0.9))
    found = detailed(one(epss=None), details)
    assert (found.kev, found.kev_due, found.exploited, found.epss) == (True, date(2026, 12, 5), True, 0.9)
    assert detailed(one(), details).epss == 0.25


def test_details_may_say_nothing_or_no_date() -> None:
    assert read_details({"findingArn": ARN}) == (ARN, Details())
    assert read_details({"findingArn": ARN, "cisaData": {"dateAdded": SEEN}})[1] == Details(kev=True)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"findingArn": ""}, "findingDetails.findingArn"),
        ({"cisaData": {"dateDue": "soon"}}, "findingDetails.cisaData.dateDue"),
        ({"cisaData": 5}, "findingDetails.cisaData"),
        ({"epssScore": -1}, "findingDetails.epssScore"),
    ],
)
def test_bad_details_are_refused_by_name(members: dict[str, Any], field: str) -> None:
    with pytest.raises(BadEventError) as caught:
        read_details({"findingArn": ARN, **members})
    assert caught.value.field == field
