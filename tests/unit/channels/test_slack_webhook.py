"""Slack's incoming webhook: the literal ok, and the text of its refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from longshore.channels.slack_webhook import SlackWebhookChannel
from longshore.errors import AmbiguousError, DeliveryError, LongshoreError, ThrottledError, UpstreamError
from longshore_local.inbox import Inbox
from longshore_local.loopback import Reply
from longshore_local.slack import Fault, SlackStandIn
from tests.unit.channels.channel_world import TEXT, TOKEN_ARN, Clock, FakeSecrets, http, rendered


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(now=Clock().now) as server:
        yield server


def channel(address: str, timeout: float = 5.0) -> SlackWebhookChannel:
    return SlackWebhookChannel(FakeSecrets({TOKEN_ARN: address}), TOKEN_ARN, http(timeout=timeout))


def test_blocks_and_text_arrive(slack: SlackStandIn) -> None:
    channel(slack.webhook_url("C0OPS")).post(rendered(), idempotency="k1")
    [message] = slack.messages("C0OPS")
    assert (message.text, len(message.blocks)) == (TEXT, 1)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.throttle(5), ThrottledError),
        (Fault.server_error(500), UpstreamError),
        (Fault.reset(), AmbiguousError),
        (Fault.hang(), AmbiguousError),
        (Fault.refuse("invalid_payload"), DeliveryError),
        (Fault.refuse("no_service"), DeliveryError),
        (Fault.refuse("channel_is_archived"), DeliveryError),
        (Fault.refuse("action_prohibited"), DeliveryError),
        (Fault.refuse("something_new"), DeliveryError),
    ],
)
def test_failures_are_classified(slack: SlackStandIn, fault: Fault, kind: type[LongshoreError]) -> None:
    slack.script([fault])
    with pytest.raises(LongshoreError) as caught:
        channel(slack.webhook_url("C0OPS"), timeout=0.3).post(rendered(), idempotency="k1")
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)
    if isinstance(caught.value, ThrottledError):
        assert caught.value.retry_after == 5


def test_200_without_ok_is_no_success() -> None:
    with Inbox(usual=Reply(200, b"<html>Please sign in</html>")) as proxy, pytest.raises(UpstreamError):
        channel(proxy.url).post(rendered(), idempotency="k1")


def test_a_replaced_address_is_read_anew(slack: SlackStandIn) -> None:
    secrets = FakeSecrets({TOKEN_ARN: slack.webhook_url("X0GONE")}, {TOKEN_ARN: [slack.webhook_url("C0OPS")]})
    SlackWebhookChannel(secrets, TOKEN_ARN, http()).post(rendered(), idempotency="k1")
    assert len(slack.messages("C0OPS")) == 1
