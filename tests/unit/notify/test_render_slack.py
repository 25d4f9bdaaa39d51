"""Slack's message: one over an incident's life, judged by our lint and by slack_sdk's models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from longshore.events import Kind
from longshore.notices import Fact, Link, Text
from longshore.notify.kinds import MEANINGS
from longshore.notify.render.dispatch import render
from tests.unit.notify.render_samples import life, notice, sample, way_back
from tests.unit.notify.slack_lint import lint


def told(body: object) -> str:
    assert isinstance(body, dict)
    found: list[str] = []
    for block in body["blocks"]:
        found += [block["text"]["text"]] if "text" in block else []
        found += [
            each["text"]
            for each in (*block.get("fields", ()), *block.get("elements", ()))
            if isinstance(each["text"], str)
        ]
    return "\n".join(found)


@pytest.mark.parametrize("kind", MEANINGS)
@pytest.mark.parametrize("channel", ["slack", "slack-webhook"])
def test_slacks_own_models_accept_every_message(kind: Kind, channel: str) -> None:
    found, before = sample(kind)
    rendered = render(found, channel, life=before)
    for body in (rendered.body, rendered.reply):
        for block in body["blocks"] if isinstance(body, dict) else ():
            parsed = Block.parse(block)
            assert parsed is not None
            parsed.validate_json()


def test_the_message_of_a_deployment_that_failed_tells_its_life_and_why() -> None:
    found, before = way_back()
    text = told(render(found, "slack", life=before).body)
    assert "went back to `v1.8.2`" in text
    assert "*Why:* new tasks fail the health check" in text
    assert text.index("deployment started") < text.index("deployment failed") < text.index("deployment succeeded")


def test_a_failure_is_broadcast_from_its_thread_only_where_the_message_was_there_before() -> None:
    failed = notice(Kind.DEPLOYMENT_FAILED, 1)
    known = render(failed, "slack", life=life(Kind.DEPLOYMENT_STARTED)).reply
    new = render(failed, "slack").reply
    assert isinstance(known, dict)
    assert isinstance(new, dict)
    assert known["reply_broadcast"] is True
    assert "reply_broadcast" not in new


def test_who_is_mentioned_hears_of_a_failure_that_is_an_edit() -> None:
    """Slack notifies nobody of an edit: the answer that the channel sees too has to."""
    failed, started = notice(Kind.DEPLOYMENT_FAILED, 1), life(Kind.DEPLOYMENT_STARTED)
    reply = render(failed, "slack", mention="@here U0123456789", life=started).reply
    assert isinstance(reply, dict)
    assert told(reply).startswith("<!here> <@U0123456789>\n")
    assert str(reply["text"]).startswith("<!here> <@U0123456789> ")
    quiet = render(notice(Kind.DEPLOYMENT_SUCCEEDED, 1), "slack", mention="@here", life=started).reply
    new = render(failed, "slack", mention="@here").reply
    assert "<!here>" not in f"{quiet}{new}", "an answer in the thread alone calls nobody"


def test_the_log_is_a_file_in_the_thread_and_a_closed_fence_without_one() -> None:
    failed = notice(Kind.DEPLOYMENT_FAILED, log_tail="\n".join(f"line {n} ```" for n in range(40)))
    threaded, inline = render(failed, "slack"), render(failed, "slack-webhook")
    assert threaded.file
    assert threaded.file[0] == "log-tail.txt"
    assert inline.reply is None
    assert inline.file is None
    assert told(inline.body).count("```") == 2


def test_what_has_no_room_is_counted_and_goes_to_the_thread_and_its_file() -> None:
    many = tuple(Fact("fact.tag", f"value-{n}") for n in range(14)) + tuple(
        Fact("fact.cause", f"cause-{n} " + "x" * 500, short=False) for n in range(60)
    )
    rendered = render(replace(notice(Kind.TASK_FAILED), facts=many), "slack")
    text = told(rendered.body)
    shown = sum(f"value-{n}`" in text or f"\nvalue-{n}" in text for n in range(14)) + text.count("cause-")
    assert f"+{74 - shown} more in the thread" in text
    assert rendered.file
    assert all(f"cause-{n} " in rendered.file[1] and f"value-{n}" in rendered.file[1] for n in range(14))


@pytest.mark.parametrize(
    ("configured", "said"),
    [
        ("@here", "<!here>"),
        ("<!channel>", "<!channel>"),
        ("U0123456789", "<@U0123456789>"),
        ("<@W0123456789>", "<@W0123456789>"),
        ("S0123456789", "<!subteam^S0123456789>"),
        ("<!subteam^S0123456789>", "<!subteam^S0123456789>"),
        ("@oncall & <b>", "@oncall &amp; &lt;b&gt;"),
    ],
)
def test_mentions_come_from_configuration(configured: str, said: str) -> None:
    rendered = render(notice(Kind.DEPLOYMENT_FAILED), "slack", mention=configured)
    assert told(rendered.body).startswith(f"{said}\n")
    assert rendered.text.startswith(f"{said} ")


@pytest.mark.parametrize(
    "url", ["http://a.example", "javascript:alert(1)", "https://a.example/?X-Amz-Signature=abc", "https://a b"]
)
def test_a_link_is_plain_https_and_carries_no_secret(url: str) -> None:
    rendered = render(replace(notice(Kind.HOLD_SET), links=(Link("link.logs", url),)), "slack")
    assert isinstance(rendered.body, dict)
    assert all(block["type"] != "actions" for block in rendered.body["blocks"])


def test_every_text_is_verbatim() -> None:
    def texts(value: object) -> list[dict[str, Any]]:
        if isinstance(value, dict):
            own = [value] if value.get("type") == "mrkdwn" else []
            return own + [each for member in value.values() for each in texts(member)]
        return [each for member in value for each in texts(member)] if isinstance(value, list) else []

    rendered = render(notice(Kind.DEPLOYMENT_FAILED), "slack-webhook")
    assert all(text["verbatim"] is True for text in texts(rendered.body))


_BUTTON = {"type": "button", "text": {"type": "plain_text", "text": "x"}, "action_id": "a"}
_TEXT = {"type": "mrkdwn", "text": "x"}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "section", "text": {**_TEXT, "text": "x" * 2901}},
        {"type": "section", "fields": [{**_TEXT, "text": "x" * 2001}]},
        {"type": "section", "fields": [_TEXT] * 11},
        {"type": "section"},
        {"type": "section", "text": {**_TEXT, "text": ""}},
        {"type": "section", "text": _TEXT, "unknown": 1},
        {"type": "header", "text": _TEXT},
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}},
        {"type": "context", "elements": [_TEXT] * 11},
        {"type": "actions", "elements": [{**_BUTTON, "action_id": str(n)} for n in range(26)]},
        {"type": "actions", "elements": [_BUTTON, _BUTTON]},
        {"type": "actions", "elements": [{**_BUTTON, "text": {"type": "plain_text", "text": "x" * 76}}]},
        {"type": "actions", "elements": [{**_BUTTON, "url": "x" * 3001}]},
        {"type": "marquee"},
        "text",
    ],
)
def test_lint_sees_what_slack_refuses(block: object) -> None:
    assert lint([block])
    assert lint([{"type": "section", "text": _TEXT}]) == []


def test_lint_counts_blocks_and_all_their_text() -> None:
    section = {"type": "section", "text": {**_TEXT, "text": "x" * 2900}}
    assert lint([{"type": "divider"}] * 46)
    assert lint([section] * 5)
    assert lint("blocks")


def test_unknown_words_stand_for_themselves() -> None:
    rendered = render(replace(notice(Kind.HOLD_SET), headline=Text("no.such <entry>")), "slack")
    assert told(rendered.body).startswith("no.such &lt;entry&gt;")
