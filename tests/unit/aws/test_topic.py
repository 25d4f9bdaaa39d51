"""One publish to a topic: what each subscriber gets, and which refusals are for good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from longshore.aws.topic import Topic
from longshore.errors import AccessDeniedError, DeliveryError, ThrottledError, UpstreamError


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def test_a_subscriber_gets_the_text_of_its_protocol_and_the_attributes() -> None:
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    arn = sns.create_topic(Name="notices")["TopicArn"]
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)
    Topic(sns, arn).publish("failed", {"default": "text 失敗", "https": "{}"}, {"severity": "error", "team": ""})
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    body = json.loads(message["Body"])
    assert (body["Subject"], body["Message"]) == ("failed", "text 失敗")
    assert body["MessageAttributes"] == {"severity": {"Type": "String", "Value": "error"}}


def test_a_topic_that_is_not_there_is_for_good() -> None:
    topic = Topic(boto3.client("sns"), "arn:aws:sns:eu-west-1:123456789012:absent")
    with pytest.raises(DeliveryError) as caught:
        topic.publish("s", {"default": "x"}, {})
    assert caught.value.reason == "topic-not-found"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InvalidParameter", DeliveryError),
        ("AuthorizationError", DeliveryError),
        ("KMSAccessDenied", DeliveryError),
        ("KMSDisabled", DeliveryError),
        ("AccessDenied", AccessDeniedError),
        ("Throttled", ThrottledError),
        ("ThrottledException", ThrottledError),
        ("InternalError", UpstreamError),
    ],
)
def test_refusals_are_told_apart_from_bad_days(code: str, kind: type[Exception]) -> None:
    class Failing:
        def publish(self, **arguments: Any) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Publish")

    with pytest.raises(kind):
        Topic(Failing(), "arn").publish("s", {"default": "x"}, {})
