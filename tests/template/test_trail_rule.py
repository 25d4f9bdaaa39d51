"""The rule of CloudTrail's RunTask records: there where it is asked for, and blind to Step Functions."""

from __future__ import annotations

from typing import Any

import pytest

from longshore_local.patterns import compile_pattern
from tests.template.rendered import Rendered

RECORD: dict[str, Any] = {
    "source": "aws.ecs",
    "detail-type": "AWS API Call via CloudTrail",
    "detail": {
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "requestParameters": {"cluster": "shop", "taskDefinition": "etl"},
        "responseElements": {"tasks": [{"taskArn": "arn"}], "failures": []},
    },
}


def rules(**parameters: str) -> dict[str, Any]:
    return Rendered(parameters).of_type("AWS::Events::Rule")


def record(source: str = "aws.ecs", started_by: str | None = None, **detail: Any) -> dict[str, Any]:
    asked = {**RECORD["detail"]["requestParameters"], **({} if started_by is None else {"startedBy": started_by})}
    return {**RECORD, "source": source, "detail": {**RECORD["detail"], "requestParameters": asked, **detail}}


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (record(), True),
        (record(started_by="chronos-schedule/nightly"), True),
        (record(responseElements={"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]}), True),
        (record(errorCode="ClientException", responseElements=None), True),
        (record(started_by="AWS Step Functions"), False),
        (record(eventName="StartTask"), False),
        (record(eventSource="batch.amazonaws.com"), False),
        (record(source="longshore.replay"), False),
    ],
)
def test_what_is_followed(event: dict[str, Any], wanted: bool) -> None:
    pattern = compile_pattern(rules(FollowCloudTrail="true")["TaskLaunched"]["EventPattern"])
    assert pattern.matches(event) is wanted


@pytest.mark.parametrize("parameters", [{}, {"FollowCloudTrail": "true", "RecoverMode": "off"}])
def test_nothing_is_followed_unasked(parameters: dict[str, str]) -> None:
    assert "TaskLaunched" not in rules(**parameters)


def test_a_replayed_record_is_followed_where_that_is_allowed() -> None:
    pattern = compile_pattern(rules(FollowCloudTrail="true", AllowReplay="true")["TaskLaunched"]["EventPattern"])
    assert pattern.matches(record(source="longshore.replay"))
