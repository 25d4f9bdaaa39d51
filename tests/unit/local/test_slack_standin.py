"""The Slack stand-in refuses what Slack refuses, shows what people see, and ends without a trace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import Block

from longshore_local.slack import SCOPES, Fault, SlackStandIn
from longshore_local.slack_limits import refusal
from longshore_local.slack_transcript import plain

NOW = datetime(2026, 11, 23, 9, 14, 2, tzinfo=UTC)


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(now=lambda: NOW, channels={"C0PROD": "prod", "G0SECRET": "secret"}) as server:
        yield server


def client(slack: SlackStandIn, token: str | None = None) -> WebClient:
    return WebClient(token or slack.token, base_url=slack.api_url, retry_handlers=[])


def code(error: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(error.value.response["error"])


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def label(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def section(size: int) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn("x" * size)}


def button(**members: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": [{"type": "button", "text": label("Go"), **members}]}


def fields(count: int, size: int) -> dict[str, Any]:
    return {"type": "section", "fields": [mrkdwn("x" * size)] * count}


def context(count: int) -> dict[str, Any]:
    return {"type": "context", "elements": [mrkdwn("x")] * count}


def actions(count: int) -> dict[str, Any]:
    return {"type": "actions", "elements": [{"type": "button", "text": label("Go")}] * count}


def confirmed(title: int = 1, text: int = 1, yes: int = 1) -> dict[str, Any]:
    return button(
        confirm={
            "title": label("x" * title),
            "text": mrkdwn("x" * text),
            "confirm": label("x" * yes),
            "deny": label("no"),
        }
    )


AT_THE_LIMIT: list[list[dict[str, Any]]] = [
    [{"type": "divider"}] * 50,
    [section(3000)],
    [fields(10, 1000)],
    [fields(1, 2000)],
    [{"type": "header", "text": label("x" * 150)}],
    [context(10)],
    [actions(25)],
    [button(value="x" * 2000, url="https://" + "x" * 2992, action_id="x" * 255, style="danger")],
    [button(text=label("x" * 75))],
    [confirmed(title=100, text=300, yes=30)],
    [{"type": "markdown", "text": "x" * 12_000}],
    [{**section(1), "block_id": "x" * 255}],
    [section(3000)] * 4 + [section(1200)],
]
PAST_THE_LIMIT: list[tuple[list[dict[str, Any]], str]] = [
    ([{"type": "divider"}] * 51, "invalid_blocks"),
    ([section(3001)], "invalid_blocks"),
    ([section(0)], "invalid_blocks"),
    ([{"type": "section"}], "invalid_blocks"),
    ([fields(11, 1)], "invalid_blocks"),
    ([fields(1, 2001)], "invalid_blocks"),
    ([{"type": "header", "text": label("x" * 151)}], "invalid_blocks"),
    ([{"type": "header", "text": mrkdwn("x")}], "invalid_blocks"),
    ([context(11)], "invalid_blocks"),
    ([context(0)], "invalid_blocks"),
    ([actions(26)], "invalid_blocks"),
    ([button(value="x" * 2001)], "invalid_blocks"),
    ([button(url="https://" + "x" * 2993)], "invalid_blocks"),
    ([button(url="javascript:x")], "invalid_blocks"),
    ([button(action_id="x" * 256)], "invalid_blocks"),
    ([button(text=label("x" * 76))], "invalid_blocks"),
    ([button(style="big")], "invalid_blocks"),
    ([button(colour="red")], "invalid_blocks"),
    ([confirmed(title=101)], "invalid_blocks"),
    ([confirmed(text=301)], "invalid_blocks"),
    ([confirmed(yes=31)], "invalid_blocks"),
    ([{"type": "markdown", "text": "x" * 12_001}], "invalid_blocks"),
    ([{**section(1), "block_id": "x" * 256}], "invalid_blocks"),
    ([{**section(1), "block_id": "a"}] * 2, "invalid_blocks"),
    ([{**section(1), "colour": "red"}], "invalid_blocks"),
    ([{"type": "banner"}], "invalid_blocks"),
    ([section(3000)] * 4 + [section(1201)], "msg_blocks_too_long"),
]


@pytest.mark.parametrize("blocks", AT_THE_LIMIT)
def test_what_is_at_a_limit_is_taken(blocks: list[dict[str, Any]]) -> None:
    assert refusal({"blocks": blocks}) is None
    for parsed in Block.parse_all(blocks):
        parsed.validate_json()


@pytest.mark.parametrize(("blocks", "expected"), PAST_THE_LIMIT)
def test_what_is_past_a_limit_is_refused(blocks: list[dict[str, Any]], expected: str) -> None:
    refused = refusal({"text": "x", "blocks": blocks})
    assert refused is not None
    assert refused[0] == expected


def test_texts_have_limits_too() -> None:
    assert refusal({"text": "x" * 40_000}) is None
    assert refusal({"text": "x" * 40_001}) == ("msg_too_long", [])
    assert refusal({}) == ("no_text", [])


def test_slack_sdk_hears_why_blocks_were_refused(slack: SlackStandIn) -> None:
    with pytest.raises(SlackApiError) as caught:
        client(slack).chat_postMessage(channel="C0PROD", text="x", blocks=[section(3001)])
    assert code(caught) == "invalid_blocks"
    assert caught.value.response["response_metadata"]["messages"] == [
        "[ERROR] text: must be less than 3001 characters [json-pointer:/blocks/0]"
    ]


def test_tokens_channels_and_methods_are_checked(slack: SlackStandIn) -> None:
    for token, channel, expected in (("xoxb-wrong", "C0PROD", "invalid_auth"), (None, "C0ELSE", "channel_not_found")):
        with pytest.raises(SlackApiError) as caught:
            client(slack, token).chat_postMessage(channel=channel, text="x")
        assert code(caught) == expected
    slack.archive("C0PROD")
    with pytest.raises(SlackApiError) as caught:
        client(slack).chat_postMessage(channel="C0PROD", text="x")
    assert code(caught) == "is_archived"
    with pytest.raises(SlackApiError) as caught:
        client(slack).api_call("admin.users.list")
    assert code(caught) == "unknown_method"


@pytest.mark.parametrize(
    ("missing", "channel", "needed"),
    [("channels:history", "C0PROD", "channels:history"), ("groups:history", "G0SECRET", "groups:history")],
)
def test_reading_needs_the_scope_of_the_channel(missing: str, channel: str, needed: str) -> None:
    with SlackStandIn(scopes=SCOPES - {missing}) as slack, pytest.raises(SlackApiError) as caught:
        client(slack).conversations_history(channel=channel)
    assert (code(caught), caught.value.response["needed"]) == ("missing_scope", needed)


def test_history_is_newest_first_in_pages_and_keeps_metadata_back_unless_asked(slack: SlackStandIn) -> None:
    web = client(slack)
    metadata = {"event_type": "e", "event_payload": {"k": "v"}}
    posted = [web.chat_postMessage(channel="C0PROD", text=str(n), metadata=metadata)["ts"] for n in range(3)]
    first = web.conversations_history(channel="C0PROD", limit=2)
    assert [message["text"] for message in first["messages"]] == ["2", "1"]
    assert "event_payload" not in first["messages"][0]["metadata"]
    cursor = first["response_metadata"]["next_cursor"]
    rest = web.conversations_history(channel="C0PROD", limit=2, cursor=cursor, include_all_metadata=True)
    assert [(message["text"], message["metadata"]) for message in rest["messages"]] == [("0", metadata)]
    newer = web.conversations_history(channel="C0PROD", oldest=posted[1])
    assert [message["text"] for message in newer["messages"]] == ["2"]


def test_a_channel_reads_as_people_see_it(slack: SlackStandIn) -> None:
    web = client(slack)
    ts = web.chat_postMessage(channel="C0PROD", text="started")["ts"]
    web.chat_postMessage(
        channel="C0PROD", thread_ts=ts, text="task `1a2b` stopped &lt;exit 1&gt;", reply_broadcast=True
    )
    web.files_upload_v2(channel="C0PROD", thread_ts=ts, filename="log-tail.txt", content="a\nb\n")
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": label("*kept*")},
        {"type": "section", "text": mrkdwn("✅ *orders-api* · prod: `v1.8.3` <https://example.com|live>")},
        {"type": "section", "fields": [mrkdwn("*Cluster*\ncore"), mrkdwn("*Tasks*\n4/4")]},
        {"type": "divider"},
        {"type": "context", "elements": [mrkdwn("<!date^1763889242^{time}|09:14> · <@U123|sato> <!here>")]},
        {"type": "actions", "elements": [{"type": "button", "text": label("Logs"), "url": "https://example.com"}]},
    ]
    web.chat_update(channel="C0PROD", ts=ts, text="live", blocks=blocks)
    assert slack.transcript() == "\n".join(
        [
            "#prod",
            "  09:14:02 *kept*",
            "           ✅ orders-api · prod: `v1.8.3` live",
            "           Cluster core   Tasks 4/4",
            "           ────────────────────────",
            "           09:14 · @sato @here",
            "           [Logs]  (edited 1x)",
            "    │ 09:14:02 task `1a2b` stopped <exit 1>  (also sent to the channel)",
            "    │ 09:14:02 📎 log-tail.txt (2 lines)",
        ]
    )


@pytest.mark.parametrize(
    ("mark_up", "text"),
    [
        ("a*b*c 2*3*4", "a*b*c 2*3*4"),
        ("`*x*` &amp; *y*", "`*x*` & y"),
        ("```<a>\n*b*```", "```<a>\n*b*```"),
        ("_soft_ snake_case_name", "soft snake_case_name"),
        ("<https://example.com/a_b_c>", "https://example.com/a_b_c"),
        ("&lt;!channel&gt;", "<!channel>"),
        ("<!channel> <!subteam^S1|@oncall>", "@channel @oncall"),
    ],
)
def test_mark_up_reads_as_text(mark_up: str, text: str) -> None:
    assert plain(mark_up) == text


def test_faults_strike_in_order_and_only_what_they_concern(slack: SlackStandIn) -> None:
    slack.script([Fault.refuse("fatal_error", "chat.update"), None, Fault.throttle(3)])
    web = client(slack)
    web.chat_postMessage(channel="C0PROD", text="passes")
    with pytest.raises(SlackApiError) as caught:
        web.chat_postMessage(channel="C0PROD", text="throttled")
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "3")
    assert slack.faults_left == 1
    assert [message.text for message in slack.messages("C0PROD")] == ["passes"]


def test_it_ends_while_somebody_still_waits() -> None:
    before = threading.active_count()
    slack = SlackStandIn().start()
    slack.script([Fault.hang()])
    failures: list[Exception] = []

    def wait() -> None:
        try:
            client(slack).api_test()
        except Exception as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not slack.calls:
        waiting.join(0.01)
    slack.close()
    slack.close()
    waiting.join()
    assert len(failures) == 1
    assert threading.active_count() == before
