"""CloudTrail's account of RunTask calls, the only trace of those that started nothing (recover 0.1)."""

import copy
from datetime import UTC, datetime
from typing import Any

from longshore_local.ecs import events, identifiers
from longshore_local.ecs.calls import Call
from longshore_local.ecs.events import Event

_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"


def run_task_call(
    call: Call, answer: dict[str, Any] | None, error: tuple[str, str] | None, invoked_by: str | None, now: datetime
) -> Event:
    """`AWS API Call via CloudTrail` for one RunTask; `error` is (code, message) of a call that was refused outright."""
    identity: dict[str, Any] = {"type": "AWSService", "invokedBy": invoked_by} if invoked_by else _user(call.account)
    detail: dict[str, Any] = {
        "eventVersion": "1.10",
        "userIdentity": identity,
        "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "awsRegion": call.region,
        "sourceIPAddress": invoked_by or "203.0.113.12",
        "userAgent": invoked_by or "aws-cli/2.31.0",
        "requestParameters": _request(call.params),
        "responseElements": events.plain(answer) if answer is not None else None,
        "requestID": identifiers.uuid(),
        "eventID": identifiers.uuid(),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "eventCategory": "Management",
    }
    if error is not None:
        detail |= {"errorCode": error[0], "errorMessage": error[1]}
    where = identifiers.arn(call.region, call.account, "cluster/none")
    return events.envelope("aws.ecs", "AWS API Call via CloudTrail", where, now, detail) | {"resources": []}


def _user(account: str) -> dict[str, Any]:
    arn = f"arn:aws:sts::{account}:assumed-role/jobs/session"
    return {"type": "AssumedRole", "principalId": "AROAEXAMPLE:session", "arn": arn, "accountId": account}


def _request(params: dict[str, Any]) -> dict[str, Any]:
    """The request without what may be secret."""
    shown = copy.deepcopy(params)
    for container in (shown.get("overrides") or {}).get("containerOverrides") or []:
        for variable in container.get("environment") or []:
            variable["value"] = _HIDDEN
    return shown
