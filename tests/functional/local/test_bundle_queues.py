"""Event source mappings: batching window, filters, unreadable reports, message attributes."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from longshore_local.bundle import Bundle


@pytest.fixture
def mapping(bundle: Bundle) -> Iterator[Any]:
    """The stack's mapping, whose settings a test may change."""
    (mapping,) = bundle.stack.mappings
    held = dict(vars(mapping))
    yield mapping
    vars(mapping).update(held)


def send(bundle: Bundle, body: Any, **more: Any) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    bundle.client("sqs").send_message(QueueUrl=bundle.stack.physical_ids["Work"], MessageBody=text, **more)


def batches(bundle: Bundle) -> list[int]:
    return [len(invocation.event["Records"]) for invocation in bundle.invocations]


def test_the_window_gathers_messages_that_come_one_by_one(bundle: Bundle, mapping: Any) -> None:
    mapping.max_batch_window = 20
    begun = bundle.timeline.now()
    for delay in (0, 10, 19, 40):
        send(bundle, {}, DelaySeconds=delay)
    assert bundle.run(lambda: len(bundle.invocations) == 1)
    assert batches(bundle) == [3]
    assert bundle.timeline.now() - begun == timedelta(seconds=20)
    bundle.run()
    assert batches(bundle) == [3, 1]


def test_a_full_batch_does_not_wait_for_the_window(bundle: Bundle, mapping: Any) -> None:
    mapping.max_batch_window = 20
    for _ in range(5):
        send(bundle, {})
    bundle.settle()
    assert batches(bundle) == [5]


def test_filters_decide_and_what_they_refuse_is_deleted(bundle: Bundle, mapping: Any) -> None:
    mapping.filter_criteria = {"Filters": [{"Pattern": '{"body": {"size": [{"numeric": [">", 1]}]}}'}]}
    for body in ({"size": 1}, {"size": 2}, "not json"):
        send(bundle, body)
    bundle.run()
    assert [json.loads(record["body"]) for i in bundle.invocations for record in i.event["Records"]] == [{"size": 2}]
    answer = bundle.client("sqs").get_queue_attributes(
        QueueUrl=bundle.stack.physical_ids["Work"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert answer["Attributes"]["ApproximateNumberOfMessages"] == "0"


@pytest.mark.parametrize(
    "report", [{"batchItemFailures": [{"itemIdentifier": "unknown"}]}, {"batchItemFailures": [{}]}, "text"]
)
def test_a_report_that_names_no_message_fails_the_whole_batch(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, report: Any
) -> None:
    monkeypatch.setattr(
        "longshore_local.functions._through_json", lambda value: report if "batchItemFailures" in value else value
    )
    send(bundle, {})
    bundle.run()
    assert batches(bundle) == [1, 1, 1]  # three receives, then the dead-letter queue


def test_without_reports_a_returning_function_has_handled_all(bundle: Bundle, mapping: Any) -> None:
    mapping.function_response_types = None
    send(bundle, "poison")
    bundle.run()
    assert batches(bundle) == [1]


def test_a_disabled_mapping_takes_nothing(bundle: Bundle, mapping: Any) -> None:
    mapping.enabled = False
    send(bundle, {})
    assert bundle.run()
    assert batches(bundle) == []


def test_the_record_is_lambdas(bundle: Bundle) -> None:
    send(bundle, {"a": 1}, MessageAttributes={"kind": {"DataType": "String", "StringValue": "x"}})
    bundle.settle()
    (record,) = bundle.invocations[0].event["Records"]
    assert record["eventSource"] == "aws:sqs"
    assert record["awsRegion"] == "eu-west-1"
    assert record["eventSourceARN"].endswith(bundle.stack.physical_ids["Work"].rpartition("/")[2])
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert int(record["attributes"]["SentTimestamp"]) == int(bundle.timeline.now().timestamp() * 1000)
    assert record["messageAttributes"]["kind"]["stringValue"] == "x"
