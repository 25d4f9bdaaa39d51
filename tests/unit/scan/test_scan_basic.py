"""Findings of basic scanning: what ECR tells, what it does not, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.scan.basic import read_basic
from longshore.scan.findings import Fix, Key, Severity
from longshore.scan.inspector import read_enhanced
from tests.unit.scan.scan_samples import basic, inspector, packages


def test_a_finding_is_read_whole() -> None:
    (found,), refused = read_basic([basic()])
    assert not refused
    assert found.key == Key("CVE-2019-5188", "OS", "e2fsprogs", "")
    assert (found.version, found.severity, found.score) == ("1.44.1-1ubuntu1.1", Severity.MEDIUM, 4.6)
    assert (found.fix, found.exploit, found.kev, found.epss, found.first_seen) == (
        Fix.UNKNOWN,
        False,
        False,
        None,
        None,
    )
    assert (found.title, found.url) == ("A code execution vulnerability", "http://people.example/CVE-2019-5188")


def test_both_scanners_know_the_same_finding_by_the_same_key() -> None:
    package = {"name": "e2fsprogs", "version": "1.44.1", "packageManager": "OS"}
    details = packages(package, vulnerabilityId="CVE-2019-5188")
    (found,), _ = read_enhanced([inspector(packageVulnerabilityDetails=details)])
    assert found.key == read_basic([basic()]).findings[0].key


@pytest.mark.parametrize("severity", ["UNDEFINED", "BLOCKER", "", None])
def test_an_unknown_severity_is_unknown(severity: str | None) -> None:
    assert read_basic([basic(severity=severity)]).findings[0].severity is None


@pytest.mark.parametrize("severity", list(Severity))
def test_every_severity_is_known(severity: Severity) -> None:
    assert read_basic([basic(severity=severity.name)]).findings[0].severity is severity


@pytest.mark.parametrize(
    ("scores", "score"),
    [
        ({"CVSS2_SCORE": "4.6", "CVSS3_SCORE": "9.8"}, 9.8),
        ({"CVSS3_SCORE": "none", "CVSS2_SCORE": "4.6"}, 4.6),
        ({"cvss4_score": "8.1", "CVSS3_SCORE": "9.8"}, 8.1),
        ({"CVSS3_SCORE": "nan"}, None),
        ({"CVSS3_SCORE": "11"}, None),
        ({}, None),
    ],
)
def test_the_score_is_that_of_the_newest_version(scores: dict[str, str], score: float | None) -> None:
    attributes = [{"key": key, "value": value} for key, value in scores.items()]
    assert read_basic([basic(attributes=attributes)]).findings[0].score == score


def test_what_is_absent_is_empty() -> None:
    (found,), refused = read_basic([{"name": "CVE-1"}])
    assert not refused
    assert (found.package, found.version, found.url, found.title, found.score) == ("", "", "", "", None)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": None}, "findings[3].name"),
        ({"name": ""}, "findings[3].name"),
        ({"name": 7}, "findings[3].name"),
        ({"name": "C" * 129}, "findings[3].name"),
        ({"severity": 5}, "findings[3].severity"),
        ({"attributes": "x"}, "findings[3].attributes"),
        ({"attributes": [{"key": "x", "value": "y"}] * 51}, "findings[3].attributes"),
        ({"attributes": [7]}, "findings[3].attributes[0]"),
        ({"attributes": [{"value": "x"}]}, "findings[3].attributes[0].key"),
        ({"attributes": [{"key": "package_name", "value": 5}]}, "findings[3].attributes[0].value"),
        ({"attributes": [{"key": "a", "value": "x"}, {"key": "A", "value": "y"}]}, "findings[3].attributes[1].key"),
    ],
)
def test_one_bad_finding_is_refused_by_name_and_costs_no_other(changed: dict[str, Any], field: str) -> None:
    reading = read_basic([basic(), basic(**changed), basic(name="CVE-2")], start=2)
    assert [each.vulnerability for each in reading.findings] == ["CVE-2019-5188", "CVE-2"]
    assert [each.field for each in reading.refused] == [field]
    assert reading.why.startswith(f"{field}: ")


def test_what_was_refused_is_counted() -> None:
    reading = read_basic([7, None, basic()]) + read_basic(["x"], start=3)
    assert [each.field for each in reading.refused] == ["findings[0]", "findings[1]", "findings[3]"]
    assert reading.why == "findings[0]: must be an object, not int (and 2 more)"
    assert read_basic([basic()]).why == ""
