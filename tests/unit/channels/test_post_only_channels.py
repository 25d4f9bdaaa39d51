"""Teams, PagerDuty, signed webhooks and SNS: what arrives, what is refused, what is never said."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from longshore.channels.pagerduty import PagerDutyChannel
from longshore.channels.sns import AmazonQChannel, SnsChannel, subject
from longshore.channels.teams import TeamsChannel
from longshore.channels.webhook import WebhookChannel
from longshore.errors import ConfigurationError, DeliveryError, UnsupportedError
from longshore_local.inbox import Inbox
from longshore_local.loopback import Reply
from tests.unit.channels.channel_world import TOKEN_ARN, Clock, FakeSecrets, http, rendered

KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()
OLD_KEY = "whsec_" + base64.b64encode(b"o" * 24).decode()
ROUTING_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as server:
        yield server


def posted(inbox: Inbox) -> list[Any]:
    return [json.loads(request.body) for request in inbox.requests]


class FakeTopic:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = []

    def publish(self, subject: str, messages: Mapping[str, str], attributes: Mapping[str, str]) -> str:
        self.published.append((subject, messages, attributes))
        return "id"


# Teams


def teams(url: str, *, secrets: FakeSecrets | None = None) -> TeamsChannel:
    return TeamsChannel(secrets or FakeSecrets({TOKEN_ARN: url}), TOKEN_ARN, http())


@pytest.mark.parametrize("status", [200, 202])
def test_teams_gets_the_card_as_it_is(inbox: Inbox, status: int) -> None:
    inbox.script([Reply(status)])
    card = {"type": "message", "attachments": [{"content": {"body": ["デプロイ"]}}]}
    teams(f"{inbox.url}/workflows/1?sig=s3cret").post(rendered(body=card), idempotency="k1")
    assert posted(inbox) == [card]
    assert inbox.requests[0].path == "/workflows/1?sig=s3cret"


def test_a_dead_flow_is_told_without_its_address(inbox: Inbox) -> None:
    inbox.script([Reply(404, b"workflow not found sig=s3cret")])
    with pytest.raises(DeliveryError) as caught:
        teams(f"{inbox.url}/workflows/1?sig=s3cret").post(rendered(), idempotency="k1")
    assert caught.value.reason == "http-404"
    assert "s3cret" not in str(caught.value)


def test_a_new_flow_is_found_by_reading_the_secret_anew(inbox: Inbox) -> None:
    inbox.script([Reply(404)])
    secrets = FakeSecrets({TOKEN_ARN: f"{inbox.url}/old"}, {TOKEN_ARN: [f"{inbox.url}/new"]})
    teams("", secrets=secrets).post(rendered(), idempotency="k1")
    assert [request.path for request in inbox.requests] == ["/old", "/new"]


# PagerDuty


def pagerduty(inbox: Inbox) -> PagerDutyChannel:
    return PagerDutyChannel(FakeSecrets({TOKEN_ARN: ROUTING_KEY}), TOKEN_ARN, http(), inbox.url)


def test_an_alert_and_a_change_go_where_they_belong(inbox: Inbox) -> None:
    alert = {"event_action": "trigger", "dedup_key": "thread", "payload": {"summary": "failed"}}
    change = {"payload": {"summary": "deployed"}}
    pagerduty(inbox).post(rendered(body={"alert": alert, "change": change}), idempotency="k1")
    assert [request.path for request in inbox.requests] == ["/v2/enqueue", "/v2/change/enqueue"]
    assert posted(inbox) == [{**alert, "routing_key": ROUTING_KEY}, {**change, "routing_key": ROUTING_KEY}]


@pytest.mark.parametrize(("member", "path"), [("alert", "/v2/enqueue"), ("change", "/v2/change/enqueue")])
def test_either_may_come_alone(inbox: Inbox, member: str, path: str) -> None:
    pagerduty(inbox).post(rendered(body={member: {"payload": {}}}), idempotency="k1")
    assert [request.path for request in inbox.requests] == [path]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"status": "invalid event", "errors": ["'routing_key' is invalid"]}, "invalid-routing-key"),
        ({"status": "invalid event", "message": f"Invalid routing key {ROUTING_KEY}"}, "invalid-routing-key"),
        ({"status": "invalid event", "errors": ["'payload.summary' is missing"]}, "invalid-event"),
    ],
)
def test_what_pagerduty_refuses_is_told_without_the_key(inbox: Inbox, said: object, reason: str) -> None:
    inbox.script([Reply(400, json.dumps(said).encode())])
    with pytest.raises(DeliveryError) as caught:
        pagerduty(inbox).post(rendered(body={"alert": {}}), idempotency="k1")
    assert caught.value.reason == reason
    assert ROUTING_KEY not in str(caught.value)


# Signed webhooks


def webhook(inbox: Inbox, secret: str = KEY, *, clock: Clock | None = None) -> WebhookChannel:
    from longshore.aws.clock import SystemClock

    secrets = FakeSecrets({TOKEN_ARN: secret})
    # The reference library compares with the real time.
    return WebhookChannel(f"{inbox.url}/hook", secrets, TOKEN_ARN, http(), clock or SystemClock())


@pytest.mark.parametrize("receiver", [KEY, OLD_KEY])
def test_the_reference_library_accepts_each_key_of_a_rotation(inbox: Inbox, receiver: str) -> None:
    body = {"type": "deployment.failed", "timestamp": "2026-11-23T10:00:00Z", "data": {"x": "日本"}}
    webhook(inbox, f"{KEY} {OLD_KEY}").post(rendered(body=body), idempotency="event/1.2")
    [request] = inbox.requests
    assert Webhook(receiver).verify(request.body, dict(request.headers)) == body
    assert request.headers["webhook-id"] == "event/1_2"


def test_the_reference_library_refuses_another_key_and_another_body(inbox: Inbox) -> None:
    webhook(inbox).post(rendered(body={"type": "a"}), idempotency="e1")
    [request] = inbox.requests
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD_KEY).verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(KEY).verify(request.body + b" ", dict(request.headers))


def test_a_retry_keeps_the_id_and_is_signed_anew(inbox: Inbox) -> None:
    clock = Clock()
    channel = webhook(inbox, clock=clock)
    channel.post(rendered(body={}), idempotency="e1")
    clock.advance(600)
    channel.post(rendered(body={}), idempotency="e1")
    first, second = inbox.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 600
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_410_is_for_good(inbox: Inbox) -> None:
    inbox.script([Reply(410)])
    with pytest.raises(DeliveryError) as caught:
        webhook(inbox).post(rendered(), idempotency="e1")
    assert caught.value.reason == "disabled"


@pytest.mark.parametrize(
    "secret",
    ["", "  ", "plain", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"short").decode(), f"{KEY} nonsense"],
)
def test_a_secret_that_cannot_sign_is_a_wrong_configuration(inbox: Inbox, secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        webhook(inbox, secret).post(rendered(), idempotency="e1")
    assert inbox.requests == []
    assert len(secret) < 10 or secret not in str(caught.value)


# SNS and Amazon Q Developer


def test_one_publish_serves_mail_and_amazon_q() -> None:
    topic = FakeTopic()
    body = {"version": "1.0", "source": "custom", "content": {"description": "失敗"}}
    told = rendered("first line\nsecond", body=body, attributes={"severity": "error", "kind": "Deployment Failed"})
    SnsChannel(topic).post(told, idempotency="k1")
    [(title, messages, attributes)] = topic.published
    assert title == "first line"
    assert messages["default"] == messages["email"] == "first line\nsecond"
    assert json.loads(messages["https"]) == body
    assert attributes == {"severity": "error", "kind": "Deployment Failed"}


def test_a_topic_without_amazon_qs_body_is_text_alone() -> None:
    topic = FakeTopic()
    SnsChannel(topic).post(rendered("text", body=""), idempotency="k1")
    assert set(topic.published[0][1]) == {"default", "email"}


@given(st.text(max_size=300))
def test_any_title_is_a_subject_that_sns_takes(title: str) -> None:
    made = subject(title)
    assert 0 < len(made) < 100
    assert made.isascii() and made.isprintable() and made == made.strip()


def test_a_subject_keeps_what_is_ascii() -> None:
    assert subject("🔴 orders-api 本番\n v1.8.3: failed") == "orders-api v1.8.3: failed"
    assert subject("失敗") == "Longshore"


def test_none_of_them_edits() -> None:
    secrets = FakeSecrets({TOKEN_ARN: "x"})
    for channel in (
        SnsChannel(FakeTopic()),
        AmazonQChannel(FakeTopic()),
        TeamsChannel(secrets, TOKEN_ARN, http()),
        PagerDutyChannel(secrets, TOKEN_ARN, http()),
        WebhookChannel("https://hooks.example", secrets, TOKEN_ARN, http(), Clock()),
    ):
        assert not channel.edits
        with pytest.raises(UnsupportedError, match=channel.kind):
            channel.update("id", rendered())
        with pytest.raises(UnsupportedError, match=channel.kind):
            channel.reply("id", rendered())
