"""Notify begins nothing that its function's timeout could cut off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Logger, Metrics
from moto import mock_aws
from samtranslator.yaml_helper import yaml_parse

from longshore import wiring
from longshore.aws.clock import SystemClock

TEMPLATE = yaml_parse((Path(__file__).resolve().parents[2] / "template.yaml").read_text(encoding="utf-8"))
LONGEST = 20 + 40 + 10
"""Seconds: the last step begins after 20; it is four requests of 10 each (PagerDuty's alert and change, the key rotated
in between); and what the ledger and the queue take."""


@dataclass
class Context:
    """As much of Lambda's context as a batch needs."""

    remaining: int

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    config = tmp_path / "config.json"
    config.write_text("{}", encoding="utf-8")
    with mock_aws():
        sqs = boto3.resource("sqs", "eu-west-1")
        queue = sqs.create_queue(QueueName="notify")
        for name, value in {
            "AWS_DEFAULT_REGION": "eu-west-1",
            "LONGSHORE_MODE": "auto",
            "LONGSHORE_TABLE": "ledger",
            "LONGSHORE_BUS": "longshore",
            "LONGSHORE_SCHEDULE_GROUP": "longshore",
            "LONGSHORE_SCHEDULER_ROLE_ARN": "arn:aws:iam::123456789012:role/scheduler",
            "LONGSHORE_CONFIG": str(config),
            "LONGSHORE_QUEUE_URL": queue.url,
            "LONGSHORE_QUEUE_ARN": queue.attributes["QueueArn"],
            "LONGSHORE_DEAD_LETTERS_URL": queue.url,
            "LONGSHORE_FALLBACK_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:notices",
        }.items():
            monkeypatch.setenv(name, value)
        wiring.use_clock(SystemClock())
        yield queue
    wiring.use_clock(SystemClock())


def test_a_message_that_might_not_be_told_in_time_goes_back_untouched(queue: Any) -> None:
    due = {"destination": "ops", "thread": "deployment/push-1", "correlation": "push-1"}
    body = {
        "id": "1",
        "detail-type": "Notice Due",
        "source": "longshore",
        "account": "123456789012",
        "region": "eu-west-1",
        "time": "2026-11-23T10:00:00Z",
        "detail": due,
    }
    intake = wiring.notices(Logger(service="test"), Metrics(namespace="Longshore", service="test"))
    context: Any = Context((LONGEST - 1) * 1000)
    batch = {"Records": [{"messageId": "m1", "body": json.dumps(body)}]}
    assert intake.take(batch, context) == {"batchItemFailures": []}
    (again,) = queue.receive_messages(MaxNumberOfMessages=10)
    assert json.loads(again.body)["detail"] == due


def test_the_function_has_time_for_more_than_one_message() -> None:
    assert TEMPLATE["Resources"]["NotifyFunction"]["Properties"]["Timeout"] >= LONGEST + 30
