"""What every channel promises, whatever stands behind it: once per post, errors that say what to do, no secrets told."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from longshore.aws.topic import Topic
from longshore.channels.pagerduty import PagerDutyChannel
from longshore.channels.slack import SlackChannel
from longshore.channels.slack_webhook import SlackWebhookChannel
from longshore.channels.sns import AmazonQChannel, SnsChannel
from longshore.channels.teams import TeamsChannel
from longshore.channels.webhook import WebhookChannel
from longshore.errors import (
    AmbiguousError,
    DeliveryError,
    LongshoreError,
    ThrottledError,
    TransientError,
    UnsupportedError,
    UpstreamError,
)
from longshore.notify.ports import Channel, Rendered
from longshore_local.inbox import Inbox
from longshore_local.loopback import Reply
from longshore_local.slack import Fault, SlackStandIn

KINDS = ("slack", "slack-webhook", "sns", "amazonq", "teams", "pagerduty", "webhook")
ARN = "arn:aws:ssm:eu-west-1:123456789012:parameter/channel"
SECRET = "s3cr3t"
BODIES: Mapping[str, Mapping[str, object]] = {
    "slack": {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "told"}}]},
    "slack-webhook": {},
    "sns": {"version": "1.0", "source": "custom", "content": {"description": "told"}},
    "amazonq": {"version": "1.0", "source": "custom", "content": {"description": "told"}},
    "teams": {"type": "message", "attachments": []},
    "pagerduty": {"alert": {"event_action": "trigger", "dedup_key": "t", "payload": {"summary": "told"}}},
    "webhook": {"type": "deployment.failed", "timestamp": "2026-11-23T10:00:00Z", "data": {}},
}


class Now:
    """The real time would do; a fixed one is repeatable."""

    def now(self) -> Any:
        from tests.unit.channels.channel_world import START

        return START


class OneSecret:
    """The same secret for every ARN."""

    def __init__(self, value: str) -> None:
        self._value = value

    def get(self, arn: str) -> str:
        return self._value

    def forget(self, arn: str) -> None:
        return


class FailingSns:
    """An SNS client that fails as often as it is told."""

    def __init__(self, sns: Any) -> None:
        self._sns = sns
        self.codes: list[str] = []

    def publish(self, **arguments: Any) -> Any:
        if self.codes:
            raise ClientError({"Error": {"Code": self.codes.pop(0), "Message": "no"}}, "Publish")
        return self._sns.publish(**arguments)


@dataclass
class Place:
    """A channel, what arrived behind it, and ways to make it fail."""

    channel: Channel
    arrived: Callable[[], int]
    fail: Callable[[str], None]

    @property
    def told(self) -> Rendered:
        return Rendered(BODIES[self.channel.kind], "told", attributes={"severity": "error"})

    def post(self) -> str | None:
        return self.channel.post(self.told, idempotency="event-1")


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with ExitStack() as stack:
        yield MAKERS[request.param](str(request.param), stack)


def slack_place(kind: str, stack: ExitStack) -> Place:
    from longshore.channels.http import Http

    slack = stack.enter_context(SlackStandIn(now=Now().now, token=SECRET))
    http = Http(Now(), timeout=0.5, loopback=True)
    channel: Channel
    if kind == "slack":
        channel = SlackChannel("C0OPS", OneSecret(SECRET), ARN, http, base_url=slack.api_url)
    else:
        channel = SlackWebhookChannel(OneSecret(slack.webhook_url("C0OPS").replace("/secret", f"/{SECRET}")), ARN, http)
    faults = {
        "throttle": Fault.throttle(12),
        "server": Fault.server_error(500),
        "lost": Fault.reset(),
        "refuse": Fault.refuse("is_archived" if kind == "slack" else "channel_is_archived"),
    }
    return Place(channel, lambda: len(slack.messages("C0OPS")), lambda name: slack.script([faults[name]]))


def http_place(kind: str, stack: ExitStack) -> Place:
    from longshore.channels.http import Http

    inbox = stack.enter_context(Inbox())
    http = Http(Now(), timeout=0.5, loopback=True)
    address = f"{inbox.url}/hook?sig={SECRET}"
    key = "whsec_" + base64.b64encode(b"k" * 32).decode()
    channels: dict[str, Callable[[], Channel]] = {
        "teams": lambda: TeamsChannel(OneSecret(address), ARN, http),
        "pagerduty": lambda: PagerDutyChannel(OneSecret(SECRET), ARN, http, inbox.url),
        "webhook": lambda: WebhookChannel(address, OneSecret(key), ARN, http, Now()),
    }
    replies = {
        "throttle": Reply(429, headers={"Retry-After": "12"}),
        "server": Reply(500, SECRET.encode()),
        "lost": Reply(fate="reset"),
        "refuse": Reply(400, SECRET.encode()),
    }
    failed: list[str] = []

    def fail(name: str) -> None:
        failed.append(name)
        inbox.script([replies[name]])

    return Place(channels[kind](), lambda: len(inbox.requests) - len([f for f in failed if f != "lost"]), fail)


def sns_place(kind: str, stack: ExitStack) -> Place:
    stack.enter_context(mock_aws())
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    arn = sns.create_topic(Name="notices")["TopicArn"]
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint="arn:aws:sqs:eu-west-1:123456789012:inbox")
    failing = FailingSns(sns)
    codes = {"throttle": "ThrottledException", "server": "InternalError", "lost": "x", "refuse": "InvalidParameter"}

    def arrived() -> int:
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])

    made = SnsChannel if kind == "sns" else AmazonQChannel
    return Place(made(Topic(failing, arn)), arrived, lambda name: failing.codes.append(codes[name]))


MAKERS = dict.fromkeys(("slack", "slack-webhook"), slack_place)
MAKERS |= dict.fromkeys(("sns", "amazonq"), sns_place)
MAKERS |= dict.fromkeys(("teams", "pagerduty", "webhook"), http_place)


def failure(place: Place) -> LongshoreError:
    with pytest.raises(LongshoreError) as caught:
        place.post()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_a_post_arrives_once(place: Place) -> None:
    id = place.post()
    assert place.arrived() == 1
    assert (id is not None) == place.channel.edits


def test_only_a_channel_that_edits_is_asked_to(place: Place) -> None:
    id = place.post()
    if place.channel.edits:
        assert id is not None
        place.channel.update(id, place.told)
        place.channel.reply(id, Rendered("", "", reply="why"))
    else:
        with pytest.raises(UnsupportedError):
            place.channel.update("id", place.told)
        with pytest.raises(UnsupportedError):
            place.channel.reply("id", place.told)
    assert place.arrived() == 1


def test_a_throttle_says_for_how_long(place: Place) -> None:
    place.fail("throttle")
    error = failure(place)
    assert isinstance(error, ThrottledError)
    assert error.retry_after == (30 if place.channel.kind in ("sns", "amazonq") else 12)
    assert place.arrived() == 0


def test_a_bad_day_of_the_service_passes(place: Place) -> None:
    place.fail("server")
    assert type(failure(place)) is UpstreamError
    place.post()
    assert place.arrived() == 1


def test_a_lost_answer_is_transient(place: Place) -> None:
    place.fail("lost")
    error = failure(place)
    assert isinstance(error, TransientError)
    assert isinstance(error, AmbiguousError) == (place.channel.kind not in ("sns", "amazonq"))


def test_a_refusal_is_for_good_and_has_a_reason(place: Place) -> None:
    place.fail("refuse")
    error = failure(place)
    assert isinstance(error, DeliveryError)
    assert error.reason
    assert place.arrived() == 0


def test_a_second_try_with_its_beginning_never_fails_for_it(place: Place) -> None:
    place.post()
    place.channel.post(place.told, idempotency="event-1", since=Now().now())
    assert place.arrived() == (1 if place.channel.edits else 2)
