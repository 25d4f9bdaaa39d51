"""Whatever a notice holds: every channel's limits hold, the body is JSON, and nobody is pinged but by configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from longshore.events import Kind
from longshore.notices import Fact, Link, Text
from longshore.notify.catalogue import LANGUAGES
from longshore.notify.life import Life, Step
from longshore.notify.render import limits
from longshore.notify.render.dispatch import CHANNELS, render
from tests.unit.notify.render_samples import HOSTILE, LIVES, NOTICES, WORDS, notice
from tests.unit.notify.render_schemas import AMAZON_Q, PAGERDUTY_ALERT, PAGERDUTY_CHANGE, WEBHOOK, problems
from tests.unit.notify.slack_lint import lint

if TYPE_CHECKING:
    from longshore.notices import Notice
    from longshore.notify.ports import Rendered

_LANGUAGE = st.sampled_from(LANGUAGES)
_OWN = re.compile(r"<!date\^\d+\^\{date_short_pretty\} \{time_secs\}\|[0-9: -]{19} UTC>")
_FAST = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)


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
    everything = [
        rendered.body,
        rendered.text,
        rendered.reply,
        rendered.file,
        rendered.title,
        dict(rendered.attributes),
    ]
    json.dumps(everything, allow_nan=False).encode()
    shown = [rendered.text, rendered.title, *strings(rendered.reply or ""), *(rendered.file or ())]
    for text in (
        *shown,
        *([] if isinstance(rendered.body, Mapping) and "type" in rendered.body else strings(rendered.body)),
    ):
        text.encode()
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), text


def mrkdwn(rendered: Rendered) -> Iterator[str]:
    yield rendered.text
    for body in (rendered.body, rendered.reply):
        yield from (text for text in strings(body) if not text.startswith("https://"))


def within_slack(rendered: Rendered) -> None:
    assert isinstance(rendered.body, dict)
    assert lint(rendered.body["blocks"]) == []
    assert len(rendered.text) <= limits.FALLBACK
    if rendered.reply:
        assert isinstance(rendered.reply, dict)
        assert lint(rendered.reply["blocks"]) == []
    for text in mrkdwn(rendered):
        assert not set(_OWN.sub("", text)) & set("<>")
        assert text.count("```") in (0, 2)


def within_teams(rendered: Rendered) -> None:
    assert weight(rendered.body) <= limits.TEAMS


def within_text(rendered: Rendered) -> None:
    assert rendered.title.isascii()
    assert rendered.title.isprintable()
    assert 0 < len(rendered.title) <= limits.MAIL_SUBJECT
    assert len(rendered.text.encode()) <= limits.MAIL
    assert all(value.strip() for value in rendered.attributes.values())


def within_amazon_q(rendered: Rendered) -> None:
    within_text(rendered)
    assert problems(rendered.body, AMAZON_Q) == []
    assert not [text for text in strings(rendered.body) if "<" in text or "](" in text]
    assert 2 * len(rendered.text.encode()) + weight(rendered.body) < 256 * 1024


def within_pagerduty(rendered: Rendered) -> None:
    assert isinstance(rendered.body, dict)
    assert rendered.body.keys() <= {"alert", "change"}
    assert rendered.body
    for name, schema in (("alert", PAGERDUTY_ALERT), ("change", PAGERDUTY_CHANGE)):
        if event := rendered.body.get(name):
            assert problems(event, schema) == []
            assert weight(event) <= limits.PAGERDUTY


def within_webhook(rendered: Rendered) -> None:
    assert problems(rendered.body, WEBHOOK) == []
    assert weight(rendered.body) <= limits.WEBHOOK


WITHIN: Mapping[str, Callable[[Rendered], None]] = {
    "slack": within_slack,
    "slack-webhook": within_slack,
    "teams": within_teams,
    "sns": within_amazon_q,
    "amazonq": within_amazon_q,
    "email": within_text,
    "pagerduty": within_pagerduty,
    "webhook": within_webhook,
}


@pytest.mark.parametrize("channel", [channel for channel in CHANNELS if channel != "sns"])
@given(told=NOTICES, life=LIVES, language=_LANGUAGE)
@_FAST
def test_every_channel_takes_any_notice(channel: str, told: Notice, life: Life, language: str) -> None:
    rendered = render(told, channel, language, life=life)
    sound(rendered)
    WITHIN[channel](rendered)


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
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: ascii(text[:8]).strip("'"))
def test_hostile_text_in_every_member_is_rendered(channel: str, hostile: str) -> None:
    detail: dict[str, Any] = dict.fromkeys(("why", "team", "cause", "error", "log_tail", "by", "fix"), hostile)
    told = notice(Kind.TASK_GIVEN_UP, **detail, evidence=[hostile] * 5)
    rendered = render(told, channel, "ja")
    sound(rendered)
    WITHIN[channel](rendered)
    assert "hunter2" not in json.dumps([rendered.body, rendered.text, rendered.reply, rendered.file])


SECRET = "password=hunter2hunter2"


@pytest.mark.parametrize("channel", CHANNELS)
def test_no_secret_leaves_even_where_reading_let_one_through(channel: str) -> None:
    found = replace(
        notice(Kind.TASK_FAILED),
        subject=SECRET,
        headline=Text("headline.task-failed", {"subject": SECRET, "cause": SECRET}),
        facts=(Fact("fact.cause", SECRET, short=False), Fact("fact.tag", SECRET, code=True)),
        details=(Text("line.why", {"why": SECRET}),),
        log_tail=SECRET,
        team=SECRET,
        event={"detail": {"why": SECRET}},
    )
    rendered = render(found, channel)
    told = json.dumps([rendered.body, rendered.text, rendered.reply, rendered.file, rendered.title])
    assert "hunter2" not in told + json.dumps(dict(rendered.attributes))


@pytest.mark.parametrize("text", ["🚀" * 1000, "日本語" * 300, '"\\' * 500, "&" * 1000, "*_[]" * 300])
@pytest.mark.parametrize("channel", CHANNELS)
def test_the_longest_notice_fits(channel: str, text: str) -> None:
    lines = Text("line.change", dict.fromkeys(("container", "image", "now", "was"), text))
    args = dict.fromkeys(("subject", "environment", "version", "duration"), text)
    found = replace(
        notice(Kind.DEPLOYMENT_FAILED),
        headline=Text("headline.deployment-failed", args),
        facts=tuple(Fact(text, text, short=n % 2 == 0) for n in range(100)),
        details=(lines,) * 300,
        links=tuple(Link(text, f"https://e.example/{n}/" + "a" * 1200) for n in range(30)),
        log_tail=f"{text}\n" * 40,
        account=text,
        region=text,
        team=text,
    )
    life = Life(tuple(Step(datetime(2026, 1, 1, 0, n, tzinfo=UTC), Kind.DEPLOYMENT_STARTED) for n in range(20)))
    rendered = render(found, channel, "ja", mention="@here " * 50, life=life)
    if not channel.startswith("slack"):
        WITHIN[channel](rendered)
        return
    assert isinstance(rendered.body, dict)
    assert lint(rendered.body["blocks"]) == []
    assert rendered.text.count("<!here>") <= 50
