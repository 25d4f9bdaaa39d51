"""Findings of Inspector and ECR as their APIs have them, generated from botocore's own models."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import strategies as st

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
ARN = "arn:aws:inspector2:eu-west-1:123456789012:finding/" + "0" * 32
IMAGE = f"arn:aws:ecr:eu-west-1:123456789012:repository/shop/web/{DIGEST}"
SEEN = datetime(2026, 9, 4, 16, 55, 38, tzinfo=UTC)

INSPECTOR: dict[str, Any] = {
    "findingArn": ARN,
    "awsAccountId": "123456789012",
    "type": "PACKAGE_VULNERABILITY",
    "description": "Possible denial of service",
    "title": "CVE-2024-6119 - libssl3t64, openssl",
    "remediation": {"recommendation": {"text": "None Provided", "Url": "https://aws.example/remedy"}},
    "severity": "HIGH",
    "status": "ACTIVE",
    "firstObservedAt": SEEN,
    "lastObservedAt": SEEN,
    "resources": [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": IMAGE}],
    "inspectorScore": 7.5,
    "fixAvailable": "YES",
    "exploitAvailable": "NO",
    "epss": {"score": 0.25},
    "packageVulnerabilityDetails": {
        "vulnerabilityId": "CVE-2024-6119",
        "source": "UBUNTU_CVE",
        "sourceUrl": "https://ubuntu.example/CVE-2024-6119",
        "cvss": [{"baseScore": 5.9, "scoringVector": "", "version": "3.1", "source": "NVD"}],
        "vulnerablePackages": [
            {
                "name": "libssl3t64",
                "version": "3.0.13",
                "release": "0ubuntu3.2",
                "epoch": 0,
                "packageManager": "OS",
                "fixedInVersion": "0:3.0.13-0ubuntu3.4",
                "sourceLayerHash": "sha256:" + "c" * 64,
            },
            {"name": "lodash", "version": "4.17.1", "packageManager": "NPM", "filePath": "app/package-lock.json"},
        ],
    },
}
BASIC: dict[str, Any] = {
    "name": "CVE-2019-5188",
    "description": "A code execution vulnerability",
    "uri": "http://people.example/CVE-2019-5188",
    "severity": "MEDIUM",
    "attributes": [
        {"key": "package_version", "value": "1.44.1-1ubuntu1.1"},
        {"key": "package_name", "value": "e2fsprogs"},
        {"key": "CVSS2_VECTOR", "value": "AV:L/AC:L/Au:N/C:P/I:P/A:P"},
        {"key": "CVSS2_SCORE", "value": "4.6"},
    ],
}


def inspector(**members: Any) -> dict[str, Any]:
    """A finding of Inspector with some members changed; None takes one away."""
    return _changed(INSPECTOR, members)


def enhanced(**members: Any) -> dict[str, Any]:
    """The same as ECR tells it."""
    raw = copy.deepcopy(INSPECTOR)
    raw["score"] = raw.pop("inspectorScore")
    raw["remediation"]["recommendation"]["url"] = raw["remediation"]["recommendation"].pop("Url")
    del raw["epss"]
    return _changed(raw, members)


def basic(**members: Any) -> dict[str, Any]:
    """A finding of basic scanning."""
    return _changed(BASIC, members)


def packages(*raw: dict[str, Any], **members: Any) -> dict[str, Any]:
    """`packageVulnerabilityDetails` with these packages."""
    details: dict[str, Any] = copy.deepcopy(INSPECTOR["packageVulnerabilityDetails"])
    return details | {"vulnerablePackages": list(raw)} | members


def _changed(raw: dict[str, Any], members: dict[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(raw) | members
    return {name: value for name, value in made.items() if value is not None}


@cache
def shape(service: str, name: str) -> Shape:
    """A shape of botocore's model."""
    return botocore.session.get_session().get_service_model(service).shape_for(name)


def valid(made: Shape, exact: dict[str, st.SearchStrategy[Any]] | None = None) -> st.SearchStrategy[Any]:
    """Whatever an API may answer by its model; `exact` says more of members by name, wherever they are."""
    exact = exact or {}
    if isinstance(made, StructureShape):
        members = {name: exact[name] if name in exact else valid(each, exact) for name, each in made.members.items()}
        required = {name: members.pop(name) for name in made.required_members}
        return st.fixed_dictionaries(required, optional=members)
    if isinstance(made, ListShape):
        low, high = made.metadata.get("min", 0), min(made.metadata.get("max", 3), 3)
        return st.lists(valid(made.member, exact), min_size=low, max_size=max(low, high))
    if isinstance(made, MapShape):
        return st.dictionaries(st.text(max_size=5), valid(made.value, exact), max_size=2)
    return _scalar(made)


def _scalar(made: Shape) -> st.SearchStrategy[Any]:
    if made.type_name == "timestamp":
        return st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
    if made.type_name in ("double", "float"):
        return st.floats(0, 1)
    if made.type_name in ("integer", "long"):
        return st.integers(0, 2**31 - 1)
    if made.type_name == "boolean":
        return st.booleans()
    enum = cast("list[str]", getattr(made, "enum", []))
    if enum:
        return st.sampled_from(enum)
    return st.text(min_size=max(1, made.metadata.get("min", 1) if made.metadata.get("min", 1) < 80 else 1), max_size=80)


JUNK: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just([]) | st.just({})
)


@st.composite
def broken(draw: st.DrawFn, raw: dict[str, Any]) -> dict[str, Any]:
    """A sample of which one member, anywhere, is something else or is not there."""
    made = copy.deepcopy(raw)
    at: Any = made
    for _ in range(draw(st.integers(1, 6))):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
            at = at[key]
            continue
        if draw(st.booleans()):
            del at[key]
        else:
            at[key] = draw(JUNK)
        break
    return made
