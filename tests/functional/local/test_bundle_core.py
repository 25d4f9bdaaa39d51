"""The bundle's way of an event: rule, queue, function, bus; time, failure, faults, and cleaning up."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from longshore_local.bundle import Bundle
from longshore_local.bus import envelope
from longshore_local.deliveries import Delivery, DeliveryError


def put(bundle: Bundle, kind: str, detail: dict[str, Any], source: str = "shop") -> dict[str, Any]:
    entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail)}
    answer: dict[str, Any] = bundle.client("events").put_events(Entries=[entry])
    return answer


def received(bundle: Bundle, logical_id: str) -> list[dict[str, Any]]:
    answer = bundle.client("sqs").receive_message(
        QueueUrl=bundle.stack.physical_ids[logical_id],
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        WaitTimeSeconds=20,
    )
    return list(answer.get("Messages", []))


def depth(bundle: Bundle, logical_id: str) -> int:
    url = bundle.stack.physical_ids[logical_id]
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    counts = bundle.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in counts.values())


BOOK = {"items": [{"kind": "pen", "price": 90}, {"kind": "book", "price": 12}]}
CHEAP = {"items": [{"kind": "pen", "price": 90}, {"kind": "book", "price": 2}]}


def test_an_event_goes_by_rule_and_queue_to_the_function_and_on_to_the_bus(bundle: Bundle) -> None:
    put(bundle, "Ordered", BOOK)
    assert bundle.run(lambda: bool(bundle.events))
    body = bundle.events[0]["detail"]
    assert (body["source"], body["account"], body["region"]) == ("shop", "123456789012", "eu-west-1")
    invocation = bundle.invocations[0]
    assert (invocation.function, invocation.error) == ("Worker", None)
    assert invocation.log == ("greeting moin 10000",)
    assert bundle.run() and depth(bundle, "Work") == 0


def test_the_rules_pattern_decides(bundle: Bundle) -> None:
    put(bundle, "Ordered", CHEAP)
    assert bundle.run()
    assert bundle.invocations == []


def test_calls_of_a_function_are_recorded_and_those_of_the_test_are_not(bundle: Bundle) -> None:
    put(bundle, "Ordered", BOOK)
    bundle.run()
    calls = [(call.function, call.service, call.operation, call.status, call.error) for call in bundle.recorder.calls]
    assert calls == [("Worker", "dynamodb", "PutItem", 200, None), ("Worker", "events", "PutEvents", 200, None)]


def test_only_failed_items_return_after_their_visibility_timeout_and_end_in_the_dead_letter_queue(
    bundle: Bundle,
) -> None:
    begun = bundle.timeline.now()
    put(bundle, "Ordered", {**BOOK, "note": "poison"})
    put(bundle, "Ordered", BOOK)
    bundle.run()
    assert [len(i.event["Records"]) for i in bundle.invocations] == [2, 1, 1]
    assert len(bundle.events) == 1
    assert bundle.timeline.now() - begun >= timedelta(seconds=180)
    assert "poison" in received(bundle, "Dead")[0]["Body"]


def test_a_batch_is_never_larger_than_the_mappings_batch_size(bundle: Bundle) -> None:
    for _ in range(7):
        put(bundle, "Ordered", BOOK)
    bundle.run()
    assert [len(i.event["Records"]) for i in bundle.invocations] == [5, 2]


def test_a_crash_returns_the_whole_batch(bundle: Bundle) -> None:
    put(bundle, "Ordered", {**BOOK, "note": "crash"})
    bundle.run()
    assert [str(i.error) for i in bundle.invocations] == ["told to crash"] * 3
    assert depth(bundle, "Dead") == 1


def test_a_queue_without_permission_sends_the_event_to_the_targets_dead_letters(bundle: Bundle) -> None:
    put(bundle, "Refused", {"a": 1})
    bundle.run()
    (message,) = received(bundle, "Undelivered")
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
    assert attributes["RULE_ARN"].endswith(f":rule/{bundle.stack.physical_ids['Refused']}")
    assert ":sqs:" in attributes["TARGET_ARN"]
    assert json.loads(message["Body"])["detail"] == {"a": 1}
    assert depth(bundle, "Locked") == 0


def test_a_passing_delivery_failure_is_retried_on_the_clock(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    to_queue = bundle.deliveries.destinations["sqs"]
    attempts = []

    def flaky(delivery: Delivery) -> None:
        attempts.append(bundle.timeline.now())
        if len(attempts) < 3:
            raise DeliveryError("THROTTLING", "slow down", permanent=False)
        to_queue(delivery)

    monkeypatch.setitem(bundle.deliveries.destinations, "sqs", flaky)
    put(bundle, "Ordered", BOOK)
    bundle.run()
    assert [(when - attempts[0]).total_seconds() for when in attempts] == [0, 1, 3]
    assert len(bundle.events) == 1


def test_retries_end_in_the_dead_letter_queue_of_the_target(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_delivery: Delivery) -> None:
        raise DeliveryError("THROTTLING", "slow down", permanent=False)

    monkeypatch.setitem(bundle.deliveries.destinations, "sqs", never)
    put(bundle, "Ordered", BOOK)
    bundle.run()
    (message,) = received(bundle, "Undelivered")
    assert message["MessageAttributes"]["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumEventAgeInSeconds"


def test_a_rule_invokes_a_function_directly_and_lambda_retries_it(bundle: Bundle) -> None:
    begun = bundle.timeline.now()
    put(bundle, "Direct", {"note": "crash"})
    assert bundle.invocations == []  # asynchronous: not inside PutEvents
    bundle.run()
    assert len(bundle.invocations) == 3
    assert bundle.timeline.now() - begun == timedelta(minutes=3)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"Source": "aws.ecr", "DetailType": "x", "Detail": "{}"}, "NotAuthorizedForSourceException"),
        ({"Source": "shop", "DetailType": "x", "Detail": "{"}, "MalformedDetail"),
        ({"Source": "shop", "DetailType": "x", "Detail": "[1]"}, "MalformedDetail"),
        ({"Source": "shop", "DetailType": "x"}, "InvalidArgument"),
    ],
)
def test_put_events_refuses_entries_as_aws_does(bundle: Bundle, entry: dict[str, str], code: str) -> None:
    answer = bundle.client("events").put_events(Entries=[entry, {"Source": "a", "DetailType": "b", "Detail": "{}"}])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == code
    assert "EventId" in answer["Entries"][1]


@pytest.mark.parametrize(("count", "size"), [(11, 2), (2, 600 * 1024)])
def test_put_events_refuses_requests_that_are_too_large(bundle: Bundle, count: int, size: int) -> None:
    entry = {"Source": "a", "DetailType": "b", "Detail": json.dumps({"x": "y" * size})}
    with pytest.raises(ClientError, match="ValidationException"):
        bundle.client("events").put_events(Entries=[entry] * count)


def test_events_of_aws_go_straight_to_the_bus(bundle: Bundle) -> None:
    event = envelope(
        "aws.ecr", "ECR Image Action", {}, account=bundle.account, region=bundle.region, moment=bundle.timeline.now()
    )
    seen: list[tuple[str, dict[str, Any]]] = []
    bundle.bus.subscribe(lambda name, observed: seen.append((name, observed)))
    bundle.emit(event)
    assert seen == [("default", event)]


def test_a_disabled_rule_delivers_nothing(bundle: Bundle) -> None:
    events, rule = bundle.client("events"), bundle.stack.physical_ids["Ordered"]
    events.disable_rule(Name=rule)
    try:
        put(bundle, "Ordered", BOOK)
        bundle.run()
        assert bundle.invocations == []
    finally:
        events.enable_rule(Name=rule)


def test_a_bad_pattern_is_refused_and_a_good_one_can_be_tried(bundle: Bundle) -> None:
    events = bundle.client("events")
    with pytest.raises(ClientError, match="InvalidEventPatternException"):
        events.put_rule(Name="bad", EventPattern='{"source": [{"wildcard": "a**"}]}')
    event = envelope("shop", "x", {"a": [{"b": 1}]}, account="1", region="eu-west-1", moment=bundle.timeline.now())
    answer = events.test_event_pattern(EventPattern='{"detail": {"a": {"b": [1]}}}', Event=json.dumps(event))
    assert answer["Result"] is True


def test_an_input_transformer_shapes_what_the_queue_gets(bundle: Bundle) -> None:
    events, sqs = bundle.client("events"), bundle.client("sqs")
    url = bundle.stack.physical_ids["Undelivered"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="shaped", EventPattern='{"source": ["shaper"]}')
    transformer = {
        "InputPathsMap": {"who": "$.detail.who", "list": "$.detail.list", "first": "$.detail.list[0]"},
        "InputTemplate": '{"who": <who>, "text": "hi <who>, <first> of <list>", "list": <list>, "rule": "<aws.events.rule-name>"}',
    }
    events.put_targets(Rule="shaped", Targets=[{"Id": "1", "Arn": arn, "InputTransformer": transformer}])
    put(bundle, "x", {"who": 'a"b', "list": [1, "2"]}, source="shaper")
    (message,) = received(bundle, "Undelivered")
    expected = {"who": 'a"b', "text": 'hi a"b, 1 of [1, "2"]', "list": [1, "2"], "rule": "shaped"}
    assert json.loads(message["Body"]) == expected


def test_recurring_schedules_fire_within_a_limit_only(bundle: Bundle) -> None:
    assert bundle.run()
    assert bundle.invocations == []
    begun = bundle.timeline.now()
    bundle.run(limit=timedelta(hours=2, minutes=30))
    assert bundle.timeline.now() - begun == timedelta(hours=2, minutes=30)
    sweeps = [json.loads(i.event["Records"][0]["body"])["sweep"] for i in bundle.invocations]
    assert sweeps == [(begun + timedelta(hours=n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in (1, 2)]


def test_a_one_time_schedule_fires_once_and_removes_itself(bundle: Bundle) -> None:
    scheduler = bundle.client("scheduler")
    when = bundle.timeline.now() + timedelta(days=2)
    queue = bundle.stack.physical_ids["Work"].rpartition("/")[2]
    scheduler.create_schedule(
        Name="later",
        GroupName="shop",
        ScheduleExpression=f"at({when:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": f"arn:aws:sqs:eu-west-1:123456789012:{queue}",
            "RoleArn": "arn:aws:iam::123456789012:role/r",
            "Input": '{"late": 1}',
        },
        ActionAfterCompletion="DELETE",
    )
    assert bundle.run(lambda: bool(bundle.events))
    assert bundle.timeline.now() == when.replace(microsecond=0)
    assert bundle.events[0]["detail"] == {"late": 1}
    with pytest.raises(ClientError, match="ResourceNotFound"):
        scheduler.get_schedule(Name="later", GroupName="shop")


def test_a_delayed_message_is_delivered_when_its_delay_is_over(bundle: Bundle) -> None:
    begun = bundle.timeline.now()
    url = bundle.stack.physical_ids["Work"]
    bundle.client("sqs").send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=900)
    assert bundle.run(lambda: bool(bundle.events))
    assert timedelta(seconds=900) <= bundle.timeline.now() - begun < timedelta(seconds=901)


def test_a_fault_before_the_call_has_no_effect_and_one_after_it_loses_only_the_answer(bundle: Bundle) -> None:
    table = bundle.stack.physical_ids["Table"]
    bundle.recorder.faults.add("dynamodb", "PutItem", "InternalServerError")
    put(bundle, "Ordered", BOOK)
    bundle.settle()
    assert bundle.client("dynamodb").scan(TableName=table)["Count"] == 0
    bundle.recorder.faults.add("events", "PutEvents", "ThrottlingException", when="after")
    bundle.run(lambda: len(bundle.invocations) == 2)
    assert bundle.client("dynamodb").scan(TableName=table)["Count"] == 1
    assert len(bundle.events) == 1
    errors = [(call.operation, call.status, call.error) for call in bundle.recorder.calls if call.error]
    assert errors == [("PutItem", 500, "InternalServerError"), ("PutEvents", 400, "ThrottlingException")]


def test_the_lambda_api_runs_functions(bundle: Bundle) -> None:
    client, name = bundle.client("lambda"), bundle.stack.physical_ids["Worker"]
    answer = client.invoke(FunctionName=name, Payload=json.dumps({"Records": []}))
    assert json.loads(answer["Payload"].read()) == {"batchItemFailures": []}
    answer = client.invoke(FunctionName=name, Payload=json.dumps({"Records": [], "note": "crash"}))
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorMessage"] == "told to crash"
    assert client.invoke(FunctionName=name, Payload='{"Records": []}', InvocationType="Event")["StatusCode"] == 202
    assert len(bundle.invocations) == 2
    bundle.run()
    assert len(bundle.invocations) == 3


def test_a_topic_reaches_its_subscription(bundle: Bundle) -> None:
    bundle.client("sns").publish(TopicArn=bundle.stack.physical_ids["Topic"], Message="hello")
    assert json.loads(received(bundle, "Mailbox")[0]["Body"])["Message"] == "hello"


def test_an_action_that_moto_lacks_is_a_clear_error(bundle: Bundle) -> None:
    with pytest.raises(ClientError, match="the local bundle does not implement"):
        bundle.client("ssm").describe_activations()


def test_clear_forgets_what_a_test_did(bundle: Bundle) -> None:
    put(bundle, "Ordered", {**BOOK, "note": "poison"})
    bundle.client("sqs").create_queue(QueueName="mine")
    bundle.client("events").put_rule(Name="mine", EventPattern='{"source": ["a"]}')
    bundle.run()
    bundle.clear()
    assert (bundle.events, bundle.invocations, bundle.recorder.calls) == ([], [], [])
    assert depth(bundle, "Dead") == 0
    assert not [url for url in bundle.client("sqs").list_queues()["QueueUrls"] if url.endswith("/mine")]
    assert "mine" not in [rule["Name"] for rule in bundle.client("events").list_rules()["Rules"]]
    put(bundle, "Ordered", BOOK)
    assert bundle.run(lambda: bool(bundle.events))
