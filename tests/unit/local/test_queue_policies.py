"""Which rules a queue's policy lets in."""

import json
from typing import Any

import pytest

from longshore_local.queue_policies import allows_send

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:work"
RULE = "arn:aws:events:eu-west-1:123456789012:rule/bus/mine"
ALLOW: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": QUEUE,
}


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"Action": ["sqs:*"]}, True),
        ({"Principal": "*"}, True),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:*:123456789012:rule/*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}, True),
        ({"Condition": {"Bool": {"aws:SecureTransport": True}}}, True),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": RULE + "x"}}}, False),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}, False),
        ({"Condition": {"StringEquals": {"aws:Unknown": "1"}}}, False),
        ({"Condition": {"NumericLessThan": {"aws:SourceAccount": "1"}}}, False),
        ({"Principal": {"Service": ["sns.amazonaws.com"]}}, False),
        ({"Action": "sqs:ReceiveMessage"}, False),
        ({"Resource": QUEUE + "-other"}, False),
    ],
)
def test_statement(changes: dict[str, Any], allowed: bool) -> None:
    assert allows_send(json.dumps({"Statement": {**ALLOW, **changes}}), QUEUE, RULE) is allowed


def test_nothing_is_allowed_without_a_policy_and_a_denial_wins() -> None:
    assert not allows_send(None, QUEUE, RULE)
    assert not allows_send(json.dumps({"Statement": [ALLOW, {**ALLOW, "Effect": "Deny"}]}), QUEUE, RULE)
