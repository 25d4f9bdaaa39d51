"""The catalogue: both languages say the same, and no value can become markup."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.decisions import Reason
from longshore.notices import Fact, Text
from longshore.notify.catalogue import CATALOGUES, LANGUAGES, label, say, slots, value
from longshore.notify.kinds import HELD_UNTIL, MEANINGS, slug

KEYS = sorted(CATALOGUES["en"])
WIDE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")


class Marked:
    """Makes visible which style each piece was written in."""

    def text(self, raw: str) -> str:
        return raw.replace("<", "&lt;")

    def bold(self, raw: str) -> str:
        return f"<b>{self.text(raw)}</b>"

    def code(self, raw: str) -> str:
        return f"<c>{self.text(raw)}</c>"


def filled(key: str, language: str) -> str:
    return say(Text(key, dict.fromkeys(slots(CATALOGUES[language][key]), "X")), language, Marked())


def test_the_languages() -> None:
    assert LANGUAGES == ("en", "ja")


def test_both_languages_have_the_same_keys() -> None:
    assert sorted(CATALOGUES["ja"]) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_both_languages_have_the_same_placeholders(key: str) -> None:
    assert sorted(slots(CATALOGUES["ja"][key])) == sorted(slots(CATALOGUES["en"][key]))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mark_of_a_template_is_understood(key: str, language: str) -> None:
    said = filled(key, language)
    if not key.startswith(("reason.", "outcome.")):
        assert not set("{}[]*`") & set(said), said
    assert not set("_~<>&*") & set(CATALOGUES[language][key].replace("*{", "").replace("}*", "")) - set("_"), key


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_meaning(reason: Reason, language: str) -> None:
    said = say(Text(f"reason.{reason.value}"), language)
    assert said and said != f"reason.{reason.value}"
    assert bool(WIDE.search(said)) is (language == "ja")


@pytest.mark.parametrize("kind", list(MEANINGS))
def test_every_kind_has_its_headline_and_its_name(kind: str) -> None:
    name = slug(next(each for each in MEANINGS if each == kind))
    assert {f"headline.{name}", f"kind.{name}"} <= set(KEYS)


def test_everything_that_may_come_next_has_words() -> None:
    follows = {meaning.next for meaning in MEANINGS.values() if meaning.next} | set(HELD_UNTIL.values())
    assert {f"next.{name}" for name in follows} <= set(KEYS)


def test_every_hold_says_until_when() -> None:
    assert set(HELD_UNTIL) >= {reason.value for reason in Reason if reason.verdict == "hold"}


@pytest.mark.parametrize("key", [key for key in KEYS if key.startswith(("headline.", "line."))])
def test_japanese_bold_and_code_touch_no_full_width_character(key: str) -> None:
    for said in (filled(key, "ja"), say(Text(key, {"subject": "X", "version": "X", "tag": "X"}), "ja", Marked())):
        for mark in re.finditer(r"</?[bc]>", said):
            outside = said[: mark.start()][-1:] if "/" not in mark[0] else said[mark.end() :][:1]
            assert not WIDE.match(outside), said


@pytest.mark.parametrize("key", [key for key in KEYS if key.startswith("headline.")])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_headline_begins_with_an_emoji_and_the_subject_in_bold(key: str, language: str) -> None:
    said = say(Text(key, {"subject": "web"}), language, Marked())
    emoji, bold, _ = said.partition(" <b>web</b>")
    assert bold and not set(emoji) & set(string.printable)


def test_what_is_missing_is_left_out_with_its_words() -> None:
    full = {"subject": "web", "environment": "prod", "version": "v2", "duration": "3m41s"}
    assert say(Text("headline.deployment-succeeded", full)) == "✅ web · prod: v2 live in 3m41s"
    assert say(Text("headline.deployment-succeeded", {"subject": "web"})) == "✅ web: live"
    assert say(Text("headline.deployment-succeeded", full), "ja") == "✅ web (prod) で v2 が稼働中 (所要 3m41s)"


def test_a_value_that_is_a_key_is_put_into_words() -> None:
    text = Text("line.reason", {"reason": "reason.quarantined"})
    assert say(text) == "this image failed before"
    assert say(text, "ja") == "このイメージは以前に失敗した"
    assert value(Fact("fact.reason", "reason.quarantined"), "ja") == "このイメージは以前に失敗した"
    assert value(Fact("fact.why", "reason.quarantined")) == "reason.quarantined"  # only where a key belongs
    assert value(Fact("fact.reason", "something else")) == "something else"


def test_unknown_keys_and_languages_still_say_something() -> None:
    assert say(Text("no.such", {}), "ja") == "no.such"
    assert say(Text("line.reason", {}), "xx") == "?"
    assert label("fact.unheard-of", "ja") == "unheard-of"


def test_a_channels_style_sees_every_piece() -> None:
    said = say(Text("headline.deployment-started", {"subject": "<!channel>", "version": "a<b"}), "en", Marked())
    assert said == "🚀 <b>&lt;!channel></b>: deploying <c>a&lt;b</c>"


@given(
    key=st.sampled_from([*KEYS, "odd"]),
    args=st.dictionaries(st.sampled_from(["subject", "version", "reason", "cause", "count"]), st.text(max_size=40)),
    language=st.sampled_from(["en", "ja", "fr"]),
)
def test_a_value_is_never_taken_for_a_template(key: str, args: dict[str, str], language: str) -> None:
    class Quoting(Marked):
        def text(self, raw: str) -> str:
            return "".join(f"&{ord(letter)};" for letter in raw)

    said = say(Text(key, args), language, Quoting())
    assert re.fullmatch(r"(?:&\d+;|</?[bc]>)*", said), said
