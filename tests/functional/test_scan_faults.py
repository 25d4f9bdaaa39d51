"""Faults at every call of scan: a gate is judged all the same, its image deployed once, and a report told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.functional.scan_stage import CRITICAL, ScanStage

if TYPE_CHECKING:
    from longshore_local.bundle import Bundle

PARAMETERS = {"ScanMode": "auto"}
CONFIG = """
profiles:
  gated: {policy: "digest:prod", write: digest, soak: 0s, cooldown: 0s, gates: {scan: {wait: 4h}}}
"""
CALLS = [
    ("dynamodb", "GetItem", "ProvisionedThroughputExceededException"),
    ("dynamodb", "PutItem", "ProvisionedThroughputExceededException"),
    ("dynamodb", "UpdateItem", "ProvisionedThroughputExceededException"),
    ("dynamodb", "Query", "ProvisionedThroughputExceededException"),
    ("sqs", "SendMessage", "InternalFailure"),
    ("events", "PutEvents", "InternalFailure"),
    ("ecr", "DescribeImages", "ServerException"),
    ("ecr", "BatchGetImage", "ServerException"),
    ("ecr", "DescribeImageScanFindings", "ThrottlingException"),
    ("ecr", "ListImageReferrers", "ThrottlingException"),
    ("inspector2", "ListFindings", "ThrottlingException"),
    ("inspector2", "BatchGetFindingDetails", "InternalServerException"),
    ("inspector2", "GetClustersForImage", "ThrottlingException"),
    ("ecs", "DescribeServices", "ServerException"),
    ("ecs", "DescribeServiceRevisions", "ServerException"),
]


@pytest.fixture
def stage(deployed: Bundle, clients: dict[str, Any]) -> ScanStage:
    """A gated service that runs a clean image."""
    deployed.clear()
    stage = ScanStage(deployed, clients, "enhanced")
    stage.push("prod", "one")
    stage.service(policy="profile:gated")
    stage.settle(90)
    stage.forget()
    return stage


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("service", "operation", "error"), CALLS, ids=[call[1] for call in CALLS])
def test_a_call_that_fails_twice_loses_nothing(
    stage: ScanStage, service: str, operation: str, error: str, when: Literal["before", "after"]
) -> None:
    first = stage.faults.add(service, operation, error, count=2, when=when, function="ScanFunction")
    bad = stage.push_with("prod", "two", [CRITICAL])
    stage.settle(150)
    assert first.struck, "scan does not make this call"
    assert bad != stage.running()
    assert {each["digest"] for each in stage.events("Gate Closed")} == {bad}
    assert {each["digest"] for each in stage.reports()} == {bad}
    stage.faults.add(service, operation, error, count=2, when=when, function="ScanFunction")
    clean = stage.push_with("prod", "three")
    stage.settle(150)
    assert (stage.running(), stage.deployments()) == (clean, 2)
    assert (stage.dead_letters(), stage.metric("BadEvents")) == (0, 0)
