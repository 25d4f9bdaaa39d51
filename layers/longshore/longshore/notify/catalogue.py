"""The catalogue: every sentence that Longshore tells, in every language, filled in for a channel's markup.

An entry is plain words with placeholders. ``{name}`` is a value, ``*{name}*`` a bold one, a value in backquotes one in
a fixed-width face; ``{name:key}`` is a value that itself names an entry. ``[...]`` is left out when a value in it is
missing. Words and values both go through the channel's style, which escapes them, so no value can become markup.
In Japanese, bold and code stand between spaces: Slack ignores ``*`` next to a full-width character (notify 3.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from longshore.notices import Text
from longshore.notify.catalogue_en import ENGLISH
from longshore.notify.catalogue_ja import JAPANESE
from longshore.notify.hints_ja import HINTS as HINTS_JA

if TYPE_CHECKING:
    from longshore.notices import Fact

HINTS: Mapping[str, Mapping[str, str]] = {"ja": HINTS_JA}
"""What may be done about a failure, where that is not in the event's own language."""
CATALOGUES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "ja": JAPANESE}
LANGUAGES = tuple(CATALOGUES)
DEFAULT = "en"
KEYED_FACTS = frozenset(
    f"fact.{name}"
    for name in (
        "reason",
        "next",
        "would",
        "changed",
        "platform",
        "compared",
        "cure",
        "suppressed",
        "idle",
        "scan",
        "images",
    )
)
"""The facts whose value is a key of the catalogue where it has one: `value` puts them into words."""
FINDING = "finding."
"""Labels that begin so name a finding: what follows is its own name, and its value is an entry as well."""

_OPTIONAL = re.compile(r"\[([^\]]*)\]")
_SLOT = re.compile(r"\*\{(?P<bold>\w+)\}\*|`\{(?P<code>\w+)\}`|\{(?P<key>\w+):key\}|\{(?P<text>\w+)\}")
_UNKNOWN = "?"


class Style(Protocol):
    """How a channel writes a piece of raw text: each method escapes it and adds the markup, if it has any."""

    def text(self, raw: str) -> str:
        """As it is."""
        ...

    def bold(self, raw: str) -> str:
        """In bold."""
        ...

    def code(self, raw: str) -> str:
        """In a fixed-width face."""
        ...


class Plain:
    """No markup and nothing to escape: mail and fallbacks."""

    def text(self, raw: str) -> str:
        """The text."""
        return raw

    bold = code = text


PLAIN = Plain()


def say(text: Text, language: str = DEFAULT, style: Style = PLAIN) -> str:
    """An entry in a language and a channel's markup. Never fails: an unknown key stands for itself."""
    template = _entry(text.key, language)
    if template is None:
        return style.text(text.key)
    parts = _OPTIONAL.split(template)  # every other part is optional
    said = "".join(
        _fill(part, text.args, language, style)
        for place, part in enumerate(parts)
        if place % 2 == 0 or all(text.args.get(name) for name in slots(part))
    )
    return said.strip()


def label(key: str, language: str = DEFAULT) -> str:
    """The words for a fact's or a link's label."""
    return _entry(key, language) or key.partition(".")[2] or key


def value(fact: Fact, language: str = DEFAULT) -> str:
    """A fact's value as raw text: in words where it names an entry."""
    if (hint := HINTS.get(language, {}).get(fact.args.get("failure", ""))) and fact.label == "fact.fix":
        return hint
    keyed = fact.label in KEYED_FACTS or fact.label.startswith(FINDING)
    entry = _entry(fact.value, language) if keyed else None
    return (say(Text(fact.value, fact.args), language) if entry and fact.args else entry) or fact.value


def slots(template: str) -> list[str]:
    """The names of the placeholders, in order."""
    return [str(match[match.lastgroup or 0]) for match in _SLOT.finditer(template)]


def _entry(key: str, language: str) -> str | None:
    return CATALOGUES.get(language, ENGLISH).get(key)


def _fill(part: str, args: Mapping[str, str], language: str, style: Style) -> str:
    pieces: list[str] = []
    end = 0
    for match in _SLOT.finditer(part):
        pieces.append(style.text(part[end : match.start()]))
        form = match.lastgroup or "text"
        raw = args.get(match[form]) or _UNKNOWN
        if form == "key":
            pieces.append(style.text(_entry(raw, language) or raw))
        else:
            pieces.append({"bold": style.bold, "code": style.code, "text": style.text}[form](raw))
        end = match.end()
    pieces.append(style.text(part[end:]))
    return "".join(pieces)
