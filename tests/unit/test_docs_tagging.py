"""docs/operations.md says who may enable a workload: its policy has to know every service whose tags opt in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/operations.md"
SERVICES = ("ecs", "lambda", "eks", "apprunner", "events", "scheduler")
"""The services of workloads' ARNs, and of the group that a schedule opts in by."""


def denied() -> set[str]:
    section = PAGE.read_text().partition("## Who may enable it")[2]
    (policy,) = re.findall(r"```json\n(.+?)```", section.partition("\n## ")[0], re.DOTALL)
    (statement,) = json.loads(policy)["Statement"]
    assert (statement["Effect"], statement["Condition"]["ForAnyValue:StringLike"]) == (
        "Deny",
        {"aws:TagKeys": ["longshore:*"]},
    )
    return set(statement["Action"])


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_else_may_set_or_take_away_a_tag_that_opts_in(service: str) -> None:
    assert {f"{service}:TagResource", f"{service}:UntagResource"} <= denied()


@pytest.mark.parametrize(
    "action",
    [
        "ecs:CreateService",
        "ecs:CreateExpressGatewayService",
        "ecs:CreateDaemon",
        "ecs:RegisterTaskDefinition",
        "ecs:RegisterDaemonTaskDefinition",
        "lambda:CreateFunction",
        "eks:CreateCluster",
        "apprunner:CreateService",
        "events:PutRule",
        "scheduler:CreateScheduleGroup",
    ],
)
def test_nobody_else_may_create_a_workload_that_opted_in(action: str) -> None:
    assert action in denied()
