"""Slack with a bot token, against the stand-in: one root whatever happens, edits, threads, files, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.channels.slack import SlackChannel
from longshore.channels.slack_errors import slack_error
from longshore.errors import (
    AmbiguousError,
    DeliveryError,
    LongshoreError,
    MessageGoneError,
    ThrottledError,
    TransientError,
    UpstreamError,
)
from longshore.notify.ports import Rendered
from longshore_local.slack import SCOPES, Fault, SlackStandIn
from tests.unit.channels.channel_world import START, TOKEN_ARN, Clock, FakeSecrets, http, rendered

CHANNEL = "C0DEPLOYS"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slack(clock: Clock) -> Iterator[SlackStandIn]:
    with SlackStandIn(now=clock.now) as server:
        yield server


def channel(slack: SlackStandIn, *, timeout: float = 5.0, secrets: FakeSecrets | None = None) -> SlackChannel:
    room = http(timeout=timeout)
    return SlackChannel(
        CHANNEL, secrets or FakeSecrets({TOKEN_ARN: slack.token}), TOKEN_ARN, room, base_url=slack.api_url
    )


def methods(slack: SlackStandIn) -> list[str]:
    return [call.method for call in slack.calls]


def test_a_post_is_one_request_and_answers_where_the_message_is(slack: SlackStandIn) -> None:
    id = channel(slack).post(rendered(), idempotency="k1")
    [message] = slack.messages(CHANNEL)
    assert id == f"{CHANNEL}/{message.ts}"
    assert methods(slack) == ["chat.postMessage"]
    assert message.idempotency == "k1"


def test_an_update_changes_the_same_message(slack: SlackStandIn) -> None:
    slack_channel = channel(slack)
    id = slack_channel.post(rendered("started"), idempotency="k1")
    slack_channel.update(id, rendered("live", body={"blocks": []}))
    [message] = slack.messages(CHANNEL)
    assert (message.text, message.blocks, len(message.edits)) == ("live", [], 1)


def test_a_reply_and_its_file_go_to_the_thread(slack: SlackStandIn) -> None:
    slack_channel = channel(slack)
    id = slack_channel.post(rendered(), idempotency="k1")
    slack_channel.reply(id, rendered(reply={"text": "task stopped"}, file=("log-tail.txt", "a\nb\n")))
    [root] = slack.messages(CHANNEL)
    [reply, file] = root.replies
    assert reply.text == "task stopped"
    assert [(each.title, each.content) for each in file.files] == [("log-tail.txt", b"a\nb\n")]


def test_a_reply_of_text_and_no_file_is_one_request(slack: SlackStandIn) -> None:
    slack_channel = channel(slack)
    id = slack_channel.post(rendered(), idempotency="k1")
    slack_channel.reply(id, rendered(reply="plain details", file=("log-tail.txt", "")))
    assert [reply.text for reply in slack.messages(CHANNEL)[0].replies] == ["plain details"]
    assert methods(slack) == ["chat.postMessage"] * 2


@pytest.mark.parametrize(
    "fault",
    [Fault.reset("chat.postMessage"), Fault.hang("chat.postMessage", accepted=True), Fault.server_error(accepted=True)],
)
def test_a_lost_answer_never_makes_a_second_root(slack: SlackStandIn, clock: Clock, fault: Fault) -> None:
    slack_channel = channel(slack, timeout=0.3)
    slack.script([fault])
    with pytest.raises(UpstreamError):
        slack_channel.post(rendered(), idempotency="k1")
    clock.advance(60)
    id = slack_channel.post(rendered(), idempotency="k1", since=START)
    [message] = slack.messages(CHANNEL)
    assert id == f"{CHANNEL}/{message.ts}"


@pytest.mark.parametrize("fault", [Fault.reset(accepted=False), Fault.hang(), Fault.server_error(502)])
def test_what_was_not_accepted_is_posted_by_the_second_try(slack: SlackStandIn, fault: Fault) -> None:
    slack_channel = channel(slack, timeout=0.3)
    slack.script([fault])
    with pytest.raises(TransientError):
        slack_channel.post(rendered(), idempotency="k1")
    slack_channel.post(rendered(), idempotency="k1", since=START)
    assert len(slack.messages(CHANNEL)) == 1


def test_reset_and_time_out_are_told_as_ambiguous(slack: SlackStandIn) -> None:
    slack.script([Fault.reset(), Fault.hang()])
    for _ in range(2):
        with pytest.raises(AmbiguousError):
            channel(slack, timeout=0.3).post(rendered(), idempotency="k1")


def test_the_message_is_found_behind_many_others(slack: SlackStandIn) -> None:
    slack_channel = channel(slack)
    first = slack_channel.post(rendered(), idempotency="first")
    for number in range(205):
        slack._workspace.post(CHANNEL, {"text": f"chatter {number}"})
    assert slack_channel.post(rendered(), idempotency="first", since=START) == first


def test_an_older_message_than_the_first_try_is_not_looked_for(slack: SlackStandIn, clock: Clock) -> None:
    slack_channel = channel(slack)
    slack_channel.post(rendered(), idempotency="k1")
    clock.advance(3600)
    slack_channel.post(rendered(), idempotency="k1", since=clock.now())
    assert len(slack.messages(CHANNEL)) == 2


def test_without_the_scope_to_read_a_retry_still_delivers(clock: Clock) -> None:
    with SlackStandIn(now=clock.now, scopes=SCOPES - {"channels:history"}) as slack:
        channel(slack).post(rendered(), idempotency="k1", since=START)
        assert len(slack.messages(CHANNEL)) == 1


@pytest.mark.parametrize("method", ["chat.postMessage", "files.getUploadURLExternal", "files.completeUploadExternal"])
@pytest.mark.parametrize("accepted", [True, False])
def test_a_reply_that_broke_off_is_completed_without_repeating(
    slack: SlackStandIn, method: str, accepted: bool
) -> None:
    slack_channel = channel(slack)
    id = slack_channel.post(rendered(), idempotency="k1")
    told = rendered(reply="why", file=("log-tail.txt", "line"))
    slack.script([Fault.reset(method, accepted=accepted)])
    with pytest.raises(AmbiguousError):
        slack_channel.reply(id, told, idempotency="r1")
    slack_channel.reply(id, told, idempotency="r1", since=START)
    slack_channel.reply(id, told, idempotency="r1", since=START)
    replies = slack.messages(CHANNEL)[0].replies
    assert [(reply.text, [file.title for file in reply.files]) for reply in replies] == [
        ("why", []),
        ("", ["log-tail.txt"]),
    ]


@pytest.mark.parametrize("scopes", [SCOPES, SCOPES - {"files:write"}])
def test_a_second_file_of_a_thread_is_not_taken_for_the_first(clock: Clock, scopes: frozenset[str]) -> None:
    with SlackStandIn(now=clock.now, scopes=scopes) as slack:
        slack_channel = channel(slack)
        id = slack_channel.post(rendered(), idempotency="k1")
        slack_channel.reply(id, rendered(file=("log-tail.txt", "one")), idempotency="r1")
        slack.script([Fault.server_error(503, "files.getUploadURLExternal")])
        with pytest.raises(UpstreamError):
            slack_channel.reply(id, rendered(file=("log-tail.txt", "two")), idempotency="r2")
        slack_channel.reply(id, rendered(file=("log-tail.txt", "two")), idempotency="r2", since=START)
        replies = slack.messages(CHANNEL)[0].replies
        files = [(file.content or b"").decode() for reply in replies for file in reply.files]
        told = [text.strip("`").removeprefix("log-tail.txt\n```") for text in files or [r.text for r in replies]]
        assert told == ["one", "two"]


@pytest.mark.parametrize("code", ["not_in_channel", "channel_not_found"])
def test_a_log_is_told_as_text_by_an_app_that_is_no_member(slack: SlackStandIn, code: str) -> None:
    slack_channel = channel(slack)
    id = slack_channel.post(rendered(), idempotency="k1")
    slack.script([Fault.refuse(code, "files.completeUploadExternal")])
    slack_channel.reply(id, rendered(file=("log-tail.txt", "the end")))
    [reply] = slack.messages(CHANNEL)[0].replies
    assert (reply.text, reply.files) == ("log-tail.txt\n```the end```", [])


def test_a_log_is_told_as_text_where_files_may_not_be_uploaded(clock: Clock) -> None:
    with SlackStandIn(now=clock.now, scopes=SCOPES - {"files:write"}) as slack:
        slack_channel = channel(slack)
        id = slack_channel.post(rendered(), idempotency="k1")
        told = rendered(file=("log-tail.txt", "x" * 5000 + "\n<!channel> ```& the end"))
        slack_channel.reply(id, told)
        slack_channel.reply(id, told, since=START)
        [reply] = slack.messages(CHANNEL)[0].replies
        assert reply.text.endswith("&lt;!channel&gt; '''&amp; the end```")
        assert len(reply.text) < 3000


@pytest.mark.parametrize(("retry_after", "seconds"), [("7", 7), (None, 30)])
def test_429_is_a_throttle_with_its_time(slack: SlackStandIn, retry_after: str | None, seconds: float) -> None:
    slack.script([Fault.throttle(retry_after)])
    with pytest.raises(ThrottledError) as caught:
        channel(slack).post(rendered(), idempotency="k1")
    assert caught.value.retry_after == seconds
    assert methods(slack) == ["chat.postMessage"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ratelimited", ThrottledError),
        ("internal_error", UpstreamError),
        ("fatal_error", UpstreamError),
        ("service_unavailable", UpstreamError),
        ("request_timeout", UpstreamError),
        ("message_not_found", MessageGoneError),
        ("cant_update_message", MessageGoneError),
        ("edit_window_closed", MessageGoneError),
        ("invalid_auth", DeliveryError),
        ("token_revoked", DeliveryError),
        ("account_inactive", DeliveryError),
        ("channel_not_found", DeliveryError),
        ("not_in_channel", DeliveryError),
        ("is_archived", DeliveryError),
        ("invalid_blocks", DeliveryError),
        ("msg_blocks_too_long", DeliveryError),
        ("msg_too_long", DeliveryError),
        ("some_new_code", DeliveryError),
    ],
)
def test_ok_false_is_classified_by_its_code(slack: SlackStandIn, code: str, kind: type[LongshoreError]) -> None:
    slack.script([None, Fault.refuse(code)])
    slack_channel = channel(slack)
    id = slack_channel.post(rendered(), idempotency="k1")
    with pytest.raises(LongshoreError) as caught:
        slack_channel.update(id, rendered())
    assert type(caught.value) is kind
    assert code in str(caught.value)


def test_a_deleted_message_is_gone(slack: SlackStandIn) -> None:
    slack_channel = channel(slack)
    id = slack_channel.post(rendered(), idempotency="k1")
    slack.delete(CHANNEL, id.partition("/")[2])
    with pytest.raises(MessageGoneError):
        slack_channel.update(id, rendered())
    with pytest.raises(MessageGoneError):
        slack_channel.reply(id, rendered(reply="why"))


def test_what_slack_says_is_wrong_with_blocks_is_in_the_error(slack: SlackStandIn) -> None:
    wrong = {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}
    with pytest.raises(DeliveryError, match="less than 151 characters") as caught:
        channel(slack).post(rendered(body=wrong), idempotency="k1")
    assert caught.value.reason == "invalid_blocks"


def test_a_rotated_token_is_read_anew_once(slack: SlackStandIn) -> None:
    secrets = FakeSecrets({TOKEN_ARN: "xoxb-old"}, {TOKEN_ARN: [slack.token]})
    channel(slack, secrets=secrets).post(rendered(), idempotency="k1")
    assert [call.outcome for call in slack.calls] == ["invalid_auth", "ok"]


def test_a_token_that_is_simply_wrong_is_tried_once(slack: SlackStandIn) -> None:
    secrets = FakeSecrets({TOKEN_ARN: "xoxb-wrong"})
    with pytest.raises(DeliveryError) as caught:
        channel(slack, secrets=secrets).post(rendered(), idempotency="k1")
    assert caught.value.reason == "invalid_auth"
    assert "xoxb-wrong" not in str(caught.value)
    assert (len(slack.calls), secrets.forgotten) == (1, [TOKEN_ARN])


def test_the_token_stays_with_slack_when_it_redirects(slack: SlackStandIn) -> None:
    slack.script([Fault("status", status=302)])
    with pytest.raises(UpstreamError):
        channel(slack).post(rendered(), idempotency="k1")
    assert len(slack.calls) == 1


def test_all_calls_of_one_delivery_share_one_budget(slack: SlackStandIn) -> None:
    ticks = iter(range(0, 1000, 4))
    slack_channel = SlackChannel(
        CHANNEL,
        FakeSecrets({TOKEN_ARN: slack.token}),
        TOKEN_ARN,
        http(),
        base_url=slack.api_url,
        budget=10,
        monotonic=lambda: float(next(ticks)),
    )
    id = channel(slack).post(rendered(), idempotency="k1")
    slack.calls.clear()
    with pytest.raises(UpstreamError, match="used up"):
        slack_channel.reply(id, rendered(reply="why", file=("log-tail.txt", "line")))
    assert methods(slack) == ["chat.postMessage", "files.getUploadURLExternal"]


def test_an_app_that_may_do_everything_lacks_nothing_and_shows_nothing(slack: SlackStandIn) -> None:
    assert channel(slack).shortcomings() == []
    assert slack.messages(CHANNEL) == []


@pytest.mark.parametrize("code", ["not_in_channel", "missing_scope", "channel_not_found"])
def test_an_app_that_cannot_read_back_is_told_what_follows_and_what_to_do(slack: SlackStandIn, code: str) -> None:
    slack.script([Fault.refuse(code, "conversations.history")])
    (said,) = channel(slack).shortcomings()
    assert "second message" in said and "invite the app" in said and code in said


def test_an_app_that_may_do_neither_is_told_both(clock: Clock) -> None:
    with SlackStandIn(now=clock.now, scopes={"chat:write"}) as slack:
        assert ["channels:history" in said or "files:write" in said for said in channel(slack).shortcomings()] == [
            True
        ] * 2


def test_what_is_no_shortcoming_is_an_error(slack: SlackStandIn) -> None:
    slack.script([Fault.refuse("account_inactive")])
    with pytest.raises(DeliveryError):
        channel(slack).shortcomings()


def test_a_second_token_gets_no_more_time(slack: SlackStandIn) -> None:
    ticks = iter(range(0, 1000, 4))
    secrets = FakeSecrets({TOKEN_ARN: "xoxb-old"}, {TOKEN_ARN: [slack.token]})
    slack_channel = SlackChannel(
        CHANNEL, secrets, TOKEN_ARN, http(), base_url=slack.api_url, budget=7, monotonic=lambda: float(next(ticks))
    )
    with pytest.raises(UpstreamError, match="used up"):
        slack_channel.post(rendered(), idempotency="k1")
    assert [call.outcome for call in slack.calls] == ["invalid_auth"]


def test_nothing_is_unfurled_and_names_do_not_mention(slack: SlackStandIn) -> None:
    channel(slack).post(rendered("<https://example.com>"), idempotency="k1")
    posted = slack.requests[-1]
    assert (posted["unfurl_links"], posted["unfurl_media"]) == (False, False)
    assert "link_names" not in posted and "parse" not in posted


@given(st.integers(100, 599), st.dictionaries(st.text(max_size=8), st.text(max_size=90), max_size=3), st.text())
def test_any_answer_becomes_an_error_of_ours(status: int, data: dict[str, str], code: str) -> None:
    assert isinstance(slack_error("chat.update", status, {**data, "error": code}, 30), LongshoreError)


def test_busiest_counts_the_calls_in_any_span(slack: SlackStandIn, clock: Clock) -> None:
    slack_channel = channel(slack)
    for seconds in (0.0, 0.4, 0.6, 2.0):
        clock.at = START + timedelta(seconds=seconds)
        slack_channel.post(rendered(), idempotency=str(seconds))
    assert slack.busiest("chat.postMessage", timedelta(seconds=1), CHANNEL) == 3
    assert slack.busiest("chat.postMessage", timedelta(seconds=0.5), CHANNEL) == 2
    assert slack.busiest("chat.postMessage", timedelta(seconds=1), "C0OTHER") == 0


def test_rendered_bodies_of_one_look_share_a_digest() -> None:
    assert rendered().digest == rendered().digest != rendered("other").digest
    assert Rendered(body="", text="first\nsecond").subject == "first"
