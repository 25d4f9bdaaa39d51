"""Notify on the bundle: the stack's own rule, queue, function and ledger, in front of a Slack on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from longshore_local.bundle import ACCOUNT, REGION, ROOT, Bundle, Sources
from longshore_local.slack import Fault, SlackStandIn

CHANNEL = "C0123456789"
SECRET = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/longshore/slack"
GONE = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/longshore/gone"
CONFIG = f"""
channels:
  ops: {{type: slack, channel: {CHANNEL}, secret: "{SECRET}"}}
  nowhere: {{type: slack, channel: C9999999999, secret: "{GONE}"}}
routes:
  - {{match: {{kind: "hold-*"}}, to: [nowhere, ops]}}
  - {{to: [ops]}}
"""


@dataclass
class Stage:
    """A stack, and whoever uses it."""

    bundle: Bundle

    @property
    def slack(self) -> SlackStandIn:
        """The Slack that it talks to."""
        return self.bundle.slack

    def publish(self, name: str, **detail: Any) -> None:
        """One of Longshore's own events arrives on its bus."""
        event = json.loads((ROOT / "events/longshore" / f"{name}.json").read_text(encoding="utf-8"))
        entry = {
            "EventBusName": self.bundle.stack.name,
            "Source": "longshore",
            "DetailType": event["detail-type"],
            "Detail": json.dumps({**event["detail"], **detail}),
            "Time": self.bundle.timeline.now(),
        }
        self.bundle.client("events").put_events(Entries=[entry])

    def run(self, seconds: float = 60) -> None:
        """Everything that is due within this time."""
        self.bundle.run(limit=timedelta(seconds=seconds))

    def depth(self, logical_id: str) -> int:
        """The messages of a queue, seen and unseen."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.bundle.stack.physical_ids[logical_id]
        answer = self.bundle.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(count) for count in answer["Attributes"].values())

    def subscribe(self) -> str:
        """Somebody listens to the fallback: a queue, whose address is answered."""
        sqs = self.bundle.client("sqs")
        url = str(sqs.create_queue(QueueName="mailbox")["QueueUrl"])
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic = self.bundle.stack.outputs["NoticesTopicArn"]
        self.bundle.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return url

    def mail(self, url: str) -> list[str]:
        """The texts that the fallback's subscriber got."""
        answer = self.bundle.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(each["Body"])["Message"] for each in answer.get("Messages", [])]

    def published(self) -> list[str]:
        """What came to Longshore's bus."""
        return [event["detail-type"] for event in self.bundle.events]

    def errors(self) -> list[str]:
        """What went wrong inside the function."""
        ran = [each for each in self.bundle.invocations if each.function == "NotifyFunction"]
        failed = [each.trace for each in ran if each.error]
        return failed + [line for each in ran for line in each.log if '"ERROR"' in line]


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A deployed stack; a test may bring parameters, or a configuration as `CONFIG`."""
    given = dict(getattr(request, "param", {}))
    config = tmp_path / "longshore.yaml"
    config.write_text(given.pop("CONFIG", CONFIG), encoding="utf-8")
    with Bundle.start(sources=Sources(config=config), parameters=given) as bundle:
        bundle.run()
        bundle.events.clear()
        yield Stage(bundle)


def test_a_deployment_is_one_message_over_its_life(stage: Stage) -> None:
    for name in ("deployment-started", "deployment-failed", "deployment-rolled-back"):
        stage.publish(name)
        stage.run()
    (message,) = stage.slack.messages(CHANNEL)
    assert "rolled back" in message.text
    assert len(message.edits) == 2
    assert [reply.broadcast for reply in message.replies] == [False, True, True]
    assert stage.errors() == []
    assert (stage.depth("NotifyQueue"), stage.depth("NotifyDeadLetters"), stage.depth("NotifyUndelivered")) == (0, 0, 0)


def test_slacks_bad_days_cost_nobody_a_notice(stage: Stage) -> None:
    stage.slack.script(
        [Fault.throttle(20), Fault.server_error(500, accepted=True), None, Fault.throttle(), Fault.reset()]
    )
    for name in ("deployment-started", "deployment-succeeded"):
        stage.publish(name)
        stage.run(300)
    (message,) = stage.slack.messages(CHANNEL)
    assert "live" in message.text
    assert len(message.replies) == 2
    assert stage.depth("NotifyDeadLetters") == 0
    receives = [
        int(record["attributes"]["ApproximateReceiveCount"])
        for each in stage.bundle.invocations
        if each.function == "NotifyFunction"
        for record in each.event["Records"]
    ]
    assert set(receives) == {1}, "waiting costs no receive"


def test_a_broken_secret_stops_nobody_else_and_is_told(stage: Stage) -> None:
    mailbox = stage.subscribe()
    stage.bundle.client("ssm").delete_parameter(Name="/longshore/gone")
    stage.publish("hold-set")
    stage.run(120)
    assert any("held" in each.text for each in stage.slack.messages(CHANNEL))
    assert any("channel failed" in each.text for each in stage.slack.messages(CHANNEL))
    assert any("held" in text for text in stage.mail(mailbox))
    assert stage.published().count("Channel Failed") == 1
    answer = stage.bundle.client("sqs").receive_message(
        QueueUrl=stage.bundle.stack.physical_ids["NotifyDeadLetters"], MessageAttributeNames=["All"]
    )
    (letter,) = answer["Messages"]
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "configuration"
    assert letter["MessageAttributes"]["destination"]["StringValue"] == "nowhere"
    assert "xoxb" not in json.dumps([each.log for each in stage.bundle.invocations])


@pytest.mark.parametrize("stage", [{"CONFIG": "profiles: {}"}], indirect=True)
def test_a_stack_without_channels_tells_its_topic_and_says_when_nobody_listens(stage: Stage) -> None:
    stage.publish("deployment-started")
    stage.publish("deployment-failed")
    stage.run()
    failed = [each for each in stage.bundle.events if each["detail-type"] == "Channel Failed"]
    assert [each["detail"]["reason"] for each in failed] == ["fallback-without-subscriber"]
    assert any("FallbackUnheard" in line for each in stage.bundle.invocations for line in each.log)


@pytest.mark.parametrize("stage", [{"CONFIG": "profiles: {}"}], indirect=True)
def test_a_topic_that_somebody_hears_gets_what_matters_and_nothing_else(stage: Stage) -> None:
    mailbox = stage.subscribe()
    stage.publish("deployment-succeeded")
    stage.publish("deployment-failed", correlation="other")
    stage.run()
    (text,) = stage.mail(mailbox)
    assert "failed" in text
    assert "Channel Failed" not in stage.published()


@pytest.mark.parametrize("stage", [{"NotifyMode": "observe"}], indirect=True)
def test_observe_says_what_it_would_tell_and_tells_nothing(stage: Stage) -> None:
    stage.publish("deployment-failed")
    stage.run()
    assert stage.slack.calls == []
    assert any(
        "observe-only" in line and '"would": ["ops"]' in line.replace('":[', '": [')
        for each in stage.bundle.invocations
        for line in each.log
    )


@pytest.mark.parametrize("stage", [{"NotifyMode": "off"}], indirect=True)
def test_off_is_off(stage: Stage) -> None:
    stage.publish("deployment-failed")
    stage.run()
    assert "NotifyFunction" not in {each.function for each in stage.bundle.invocations}


def test_a_bad_message_is_counted_and_never_tried_again(stage: Stage) -> None:
    url = stage.bundle.stack.physical_ids["NotifyQueue"]
    for body in ("{", "[]", '{"source": "aws.ecs", "detail-type": "x", "detail": {}}'):
        stage.bundle.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    stage.run()
    assert (stage.depth("NotifyQueue"), stage.depth("NotifyDeadLetters")) == (0, 0)
    assert len(stage.errors()) == 3
