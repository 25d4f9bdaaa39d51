"""Findings of ECR's basic scanning (notify 2.1): no fix, no exploit, no EPSS, only the system's packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from longshore.envelopes import json_object
from longshore.errors import BadEventError
from longshore.scan.checks import LONGEST_NAME, address, at, free_text, identifier, members, name, severity
from longshore.scan.findings import Finding
from longshore.scan.reading import Reading, read_all

OS: Final = "OS"
"""Inspector's name for the system's package manager: what basic scanning reads, so that both tell of the same."""
_SCORES: Final = ("cvss4_score", "cvss3_score", "cvss2_score")
_MOST_ATTRIBUTES: Final = 50
_MOST_SCORE: Final = 10.0


def read_basic(raw: Sequence[Any], start: int = 0, where: str = "findings") -> Reading:
    """`imageScanFindings.findings` of DescribeImageScanFindings, one page of it."""
    return read_all(raw, where, _finding, start)


def _finding(raw: Mapping[str, Any], where: str) -> Sequence[Finding]:
    attributes = _attributes(raw, where)
    return (
        Finding(
            vulnerability=identifier(raw, "name", where),
            package=attributes.get("package_name", ""),
            version=attributes.get("package_version", ""),
            manager=OS,
            severity=severity(raw, where),
            score=_score(attributes),
            title=free_text(raw, "description"),
            url=address(raw, "uri"),
        ),
    )


def _attributes(raw: Mapping[str, Any], where: str) -> Mapping[str, str]:
    """By key in small letters: keys are free strings in the model, and so are their values."""
    path = at(where, "attributes")
    found: dict[str, str] = {}
    for number, each in enumerate(members(raw, "attributes", where, _MOST_ATTRIBUTES)):
        here = f"{path}[{number}]"
        entry = json_object(each, here)
        key = identifier(entry, "key", here, LONGEST_NAME).lower()
        if key in found and found[key] != name(entry, "value", here):
            raise BadEventError(f"{here}.key", f"{key[:64]!r} is there twice, with different values")
        found[key] = name(entry, "value", here)
    return found


def _score(attributes: Mapping[str, str]) -> float | None:
    """Of the newest version of CVSS; a value that is no score is none."""
    for key in _SCORES:
        try:
            score = float(attributes.get(key, ""))
        except ValueError:
            continue
        if 0 <= score <= _MOST_SCORE:
            return score
    return None
