"""Findings of Inspector: its own model, and ECR's `enhancedFindings`, which differ in names (notify 2.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final, NamedTuple

from longshore.envelopes import json_object, text
from longshore.errors import BadEventError
from longshore.images import is_digest
from longshore.scan.checks import (
    address,
    at,
    free_text,
    identifier,
    member,
    members,
    name,
    number,
    severity,
    time,
    word,
)
from longshore.scan.findings import Finding, Fix
from longshore.scan.reading import Reading, read_all

PACKAGE_VULNERABILITY: Final = "PACKAGE_VULNERABILITY"
ECR_IMAGE: Final = "AWS_ECR_CONTAINER_IMAGE"
MOST_RESOURCES: Final = 10
"""Resources of one finding (inspector2's model)."""
_NOT_OPEN: Final = frozenset({"CLOSED", "SUPPRESSED"})
_NO_FIX: Final = frozenset({"notavailable", "not available", "n/a", "none"})
_MOST_SCORE: Final = 10.0
_MOST_EPOCH: Final = 2**31


class Details(NamedTuple):
    """What BatchGetFindingDetails adds to a finding. `epss` None is not told."""

    kev: bool = False
    kev_due: date | None = None
    exploited: bool = False
    epss: float | None = None


def read_enhanced(raw: Sequence[Any], start: int = 0, where: str = "findings") -> Reading:
    """One page of ListFindings, or of `enhancedFindings` of DescribeImageScanFindings.

    Each vulnerable package is a finding of its own. What is no package of an ECR image is left out: Inspector looks at
    code and networks of other things alone. So is what is closed, and what somebody suppressed in Inspector.
    """
    return read_all(raw, where, read_finding, start)


def read_finding(raw: Mapping[str, Any], where: str = "") -> Sequence[Finding]:
    """The findings of one of Inspector's; none where it is not of concern. Raises BadEventError."""
    kind = word(raw, "type", where)
    if not kind and "packageVulnerabilityDetails" not in raw:
        raise BadEventError(at(where, "type"), "is missing")
    if kind not in ("", PACKAGE_VULNERABILITY) or not _of_ecr(raw, where) or word(raw, "status", where) in _NOT_OPEN:
        return ()
    return _packages(raw, where)


def read_details(raw: Mapping[str, Any], where: str = "findingDetails") -> tuple[str, Details]:
    """One of `findingDetails`, with the ARN of its finding. Raises BadEventError."""
    cisa = member(raw, "cisaData", where)
    due = time(cisa, "dateDue", at(where, "cisaData"))
    details = Details(
        kev=bool(cisa),
        kev_due=due.date() if due else None,
        exploited=bool(member(raw, "exploitObserved", where)),
        epss=number(raw, "epssScore", where, 1),
    )
    return text(raw, "findingArn", where=where), details


def detailed(finding: Finding, details: Details) -> Finding:
    """A finding with its details; what it says by itself of EPSS stands."""
    return replace(
        finding,
        kev=details.kev,
        kev_due=details.kev_due,
        exploited=details.exploited,
        epss=finding.epss if finding.epss is not None else details.epss,
    )


def _of_ecr(raw: Mapping[str, Any], where: str) -> bool:
    """Whether an image of ECR is among its resources; one that names none is of the image that was asked about."""
    path = at(where, "resources")
    resources = members(raw, "resources", where, MOST_RESOURCES)
    kinds = [word(json_object(each, f"{path}[{n}]"), "type", f"{path}[{n}]") for n, each in enumerate(resources)]
    return not kinds or ECR_IMAGE in kinds


def _platform(raw: Mapping[str, Any], where: str) -> str:
    """The system of the image, where a resource tells it."""
    path = at(where, "resources")
    for n, each in enumerate(members(raw, "resources", where, MOST_RESOURCES)):
        details = member(json_object(each, f"{path}[{n}]"), "details", f"{path}[{n}]")
        image = member(details, "awsEcrContainerImage", f"{path}[{n}].details")
        if told := free_text(image, "platform"):
            return told
    return ""


def _packages(raw: Mapping[str, Any], where: str) -> Sequence[Finding]:
    about = at(where, "packageVulnerabilityDetails")
    details = json_object(raw.get("packageVulnerabilityDetails"), about)
    finding = Finding(
        vulnerability=identifier(details, "vulnerabilityId", about),
        package="",
        severity=severity(raw, where),
        score=_score(raw, details, where),
        fix=_fix(raw, where),
        exploit=_exploit(raw, where),
        epss=number(member(raw, "epss", where), "score", at(where, "epss"), 1),
        title=free_text(raw, "title") or free_text(raw, "description"),
        url=_url(raw, details, where),
        arn=name(raw, "findingArn", where),
        first_seen=time(raw, "firstObservedAt", where),
        platform=_platform(raw, where),
    )
    packages = members(details, "vulnerablePackages", about)
    path = at(about, "vulnerablePackages")
    return [_of_package(finding, json_object(p, f"{path}[{n}]"), f"{path}[{n}]") for n, p in enumerate(packages)] or [
        finding
    ]


def _of_package(finding: Finding, raw: Mapping[str, Any], where: str) -> Finding:
    fixed_in = name(raw, "fixedInVersion", where)
    none = fixed_in.strip().lower() in _NO_FIX
    layer = raw.get("sourceLayerHash")
    return replace(
        finding,
        package=identifier(raw, "name", where, 1024),
        version=_version(raw, where),
        manager=word(raw, "packageManager", where),
        path=name(raw, "filePath", where),
        # Of several packages each says for itself; the finding's own word is for all of them.
        fix=Fix.NO if none else Fix.YES if fixed_in else finding.fix,
        fixed_in="" if none else fixed_in.removeprefix("0:"),
        layer=layer if isinstance(layer, str) and is_digest(layer) else "",
    )


def _version(raw: Mapping[str, Any], where: str) -> str:
    """As package managers write it: ``epoch:version-release``, less an epoch of 0."""
    version, release = name(raw, "version", where), name(raw, "release", where)
    epoch = number(raw, "epoch", where, _MOST_EPOCH)
    full = f"{version}-{release}" if version and release else version
    return f"{epoch:.0f}:{full}" if epoch and full else full


def _fix(raw: Mapping[str, Any], where: str) -> Fix:
    told = word(raw, "fixAvailable", where).lower()
    return Fix(told) if told in (Fix.YES, Fix.PARTIAL, Fix.NO) else Fix.UNKNOWN


def _exploit(raw: Mapping[str, Any], where: str) -> bool:
    last = member(raw, "exploitabilityDetails", where)
    known = time(last, "lastKnownExploitAt", at(where, "exploitabilityDetails"))
    return word(raw, "exploitAvailable", where) == "YES" or known is not None


def _score(raw: Mapping[str, Any], details: Mapping[str, Any], where: str) -> float | None:
    """Inspector's, adjusted to the image; else the highest that anybody gives."""
    for key in ("inspectorScore", "score"):
        told = number(raw, key, where, _MOST_SCORE)
        if told is not None:
            return told
    about = at(where, "packageVulnerabilityDetails")
    path = at(about, "cvss")
    given = [
        number(json_object(each, f"{path}[{n}]"), "baseScore", f"{path}[{n}]", _MOST_SCORE)
        for n, each in enumerate(members(details, "cvss", about))
    ]
    return max((each for each in given if each is not None), default=None)


def _url(raw: Mapping[str, Any], details: Mapping[str, Any], where: str) -> str:
    """Of the vulnerability; else of what to do. ECR writes `url` where Inspector writes `Url`."""
    remedy = member(raw, "remediation", where)
    advice = member(remedy, "recommendation", at(where, "remediation"))
    return address(details, "sourceUrl") or address(advice, "Url", "url")
