"""Whatever a notice holds: every channel's limits hold, the body is JSON, and nobody is pinged but by configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from longshore.events import Kind
from longshore.notify.catalogue import LANGUAGES
from longshore.notify.render import limits
from longshore.notify.render.dispatch import CHANNELS, render
from longshore.notify.render.story import Life
from tests.unit.notify.render_samples import HOSTILE, LIVES, NOTICES, WORDS, notice
from tests.unit.notify.render_schemas import AMAZON_Q, PAGERDUTY_ALERT, PAGERDUTY_CHANGE, WEBHOOK, problems

if TYPE_CHECKING:
    from longshore.notices import Notice
    from longshore.notify.ports import Rendered

_LANGUAGE = st.sampled_from(LANGUAGES)
_PING = re.compile(r"<(?:[@!#]|https?:)[^>]*>")
_OWN = re.compile(r"<!date\^\d+\^\{date_short_pretty\} \{time_secs\}\|[0-9: -]{19} UTC>")
_FAST = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large])


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from (*strings(key), *strings(member))
    elif isinstance(value, list | tuple):
        for member in value:
            yield from strings(member)


def weight(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())


def sound(rendered: Rendered) -> None:
    """What every channel relies on: JSON with no half characters, no control characters, no turned text."""
    everything = [rendered.body, rendered.text, rendered.reply, rendered.file, rendered.title, dict(rendered.attributes)]
    json.dumps(everything, allow_nan=False).encode()
    shown = [rendered.text, rendered.title, *strings(rendered.reply or ""), *(rendered.file or ())]
    for text in (*shown, *([] if isinstance(rendered.body, Mapping) and "type" in rendered.body else strings(rendered.body))):
        text.encode()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), text


def mrkdwn(rendered: Rendered) -> Iterator[str]:
    yield rendered.text
    for body in (rendered.body, rendered.reply):
        yield from (text for text in strings(body) if not text.startswith("https://"))


@given(NOTICES, LIVES, _LANGUAGE, st.sampled_from(["slack", "slack-webhook"]))
@_FAST
def test_slack_takes_any_notice(told: Notice, life: Life, language: str, channel: str) -> None:
    rendered = render(told, channel, language, mention="@here U0123456789", life=life)
    sound(rendered)
    assert isinstance(rendered.body, dict)
    assert limits.lint(rendered.body["blocks"]) == []
    assert len(rendered.text) <= limits.FALLBACK
    if rendered.reply:
        assert isinstance(rendered.reply, dict)
        assert limits.lint(rendered.reply["blocks"]) == []


@given(NOTICES, LIVES, _LANGUAGE, st.sampled_from(["slack", "slack-webhook"]))
@_FAST
def test_nothing_in_a_notice_pings_or_links_in_slack(told: Notice, life: Life, language: str, channel: str) -> None:
    for text in mrkdwn(render(told, channel, language, life=life)):
        assert _PING.sub("", _OWN.sub("", text)) == _OWN.sub("", text)
        assert text.count("```") in (0, 2)


@given(NOTICES, LIVES, _LANGUAGE)
@_FAST
def test_a_card_stays_below_what_teams_takes(told: Notice, life: Life, language: str) -> None:
    rendered = render(told, "teams", language, life=life)
    sound(rendered)
    assert weight(rendered.body) <= limits.TEAMS


@given(NOTICES, LIVES, _LANGUAGE)
@_FAST
def test_amazon_q_and_mail_take_any_notice(told: Notice, life: Life, language: str) -> None:
    rendered = render(told, "amazonq", language, life=life)
    sound(rendered)
    assert problems(rendered.body, AMAZON_Q) == []
    assert not [text for text in strings(rendered.body) if "<" in text or "](" in text]
    assert rendered.title.isascii()
    assert rendered.title.isprintable()
    assert 0 < len(rendered.title) <= limits.MAIL_SUBJECT
    assert len(rendered.text.encode()) <= limits.MAIL
    assert all(value and value.strip() for value in rendered.attributes.values())
    assert 2 * len(rendered.text.encode()) + weight(rendered.body) < 256 * 1024


@given(NOTICES, LIVES, _LANGUAGE)
@_FAST
def test_pagerduty_takes_any_notice(told: Notice, life: Life, language: str) -> None:
    rendered = render(told, "pagerduty", language, life=life)
    sound(rendered)
    assert isinstance(rendered.body, dict)
    assert rendered.body.keys() <= {"alert", "change"}
    assert rendered.body
    for name, schema in (("alert", PAGERDUTY_ALERT), ("change", PAGERDUTY_CHANGE)):
        if event := rendered.body.get(name):
            assert problems(event, schema) == []
            assert weight(event) <= limits.PAGERDUTY


@given(NOTICES, LIVES, _LANGUAGE)
@_FAST
def test_webhooks_take_any_notice(told: Notice, life: Life, language: str) -> None:
    rendered = render(told, "webhook", language, life=life)
    sound(rendered)
    assert problems(rendered.body, WEBHOOK) == []
    assert weight(rendered.body) <= limits.WEBHOOK


@given(NOTICES, LIVES)
@_FAST
def test_a_life_is_small_comes_back_from_the_ledger_and_knows_a_repetition(told: Notice, life: Life) -> None:
    once = life.then(told)
    record = once.to_record()
    assert len(json.dumps(record)) < 40_000
    assert Life.from_record(json.loads(json.dumps(record))) == once
    assert once.then(told).steps == once.steps


@given(WORDS)
@example("<!channel>")
@example("@here and <@U1>")
def test_configured_mentions_are_the_only_ones(words: str) -> None:
    told = notice(Kind.DEPLOYMENT_FAILED, why=words, team=words, cluster=words)
    text = json.dumps([render(told, "slack").body, render(told, "slack").reply])
    assert not re.search(r"<!(?:here|channel|everyone|subteam)|<@", text)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[:20]))
def test_hostile_text_in_every_member_is_rendered(channel: str, hostile: str) -> None:
    detail: dict[str, Any] = dict.fromkeys(("why", "team", "cause", "error", "log_tail", "by", "fix"), hostile)
    told = notice(Kind.TASK_GIVEN_UP, **detail, evidence=[hostile] * 30)
    rendered = render(told, channel, "ja")
    sound(rendered)
    assert "hunter2" not in json.dumps([rendered.body, rendered.text, rendered.reply, rendered.file])
