"""What a message tells, in a language and a channel's markup: the latest notice and its thread's life so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from longshore.notices import Text
from longshore.notify import catalogue
from longshore.notify.escape import address, clean, cut, size
from longshore.notify.kinds import entry
from longshore.notify.life import LABEL, REASON, WHY, Life, Step, in_order, passes

if TYPE_CHECKING:
    from longshore.notices import Fact, Notice
    from longshore.notify.catalogue import Style

_URL = 2000
_URLS = 2500
_LINKS = 5
_DETAILS = 200
_WORDED = ("reason.", "outcome.")


@dataclass(frozen=True, slots=True)
class Story:
    """The words of one message. Every line is one line, escaped by the style and bounded by it."""

    notice: Notice
    language: str
    style: Style
    life: Life = field(default_factory=Life)

    def in_style(self, style: Style, language: str = "") -> Story:
        """The same in another markup or language."""
        return replace(self, style=style, language=language or self.language)

    def headline(self) -> str:
        """The first line."""
        return self.say(self.notice.headline)

    def say(self, text: Text) -> str:
        """An entry of the catalogue."""
        return catalogue.say(text, self.language, self.style)

    def more(self, count: int, *, threaded: bool) -> str:
        """That something was left out, and whether the thread has it."""
        return self.say(Text("line.more-in-thread" if threaded else "line.more", {"count": str(count)}))

    def facts(self) -> list[Fact]:
        """The latest notice's facts, then those of the life before that it does not tell anew and that still hold."""
        told = {fact.label for fact in self.notice.facts}
        kept = [fact for fact in self.life.facts if fact.label not in told and not passes(fact)]
        return [fact for fact in (*self.notice.facts, *kept) if fact.value]

    def label(self, key: str) -> str:
        """The words for a label, raw and short."""
        return clean(catalogue.label(key, self.language), LABEL).strip()

    def value(self, fact: Fact) -> str:
        """A fact's value."""
        worded = fact.label == WHY and fact.value.startswith(_WORDED)
        raw = catalogue.value(replace(fact, label=REASON) if worded else fact, self.language)
        return self.style.code(raw) if fact.code else self.style.text(raw).strip()

    def fact(self, fact: Fact) -> str:
        """A fact as a line."""
        return f"{self.style.bold(self.label(fact.label) + ':')} {self.value(fact)}"

    def details(self, most: int = _DETAILS) -> list[str]:
        """The lines of the thread, the first ones of very many."""
        return [line for text in self.notice.details[:most] if (line := self.say(text).strip())]

    def steps(self) -> tuple[Step, ...]:
        """The life so far and this notice, in order."""
        repeated = self.life.tells(self.notice)
        return self.life.steps if repeated else in_order((*self.life.steps, Step.of(self.notice)))

    def step(self, step: Step) -> str:
        """The words for a step."""
        return self.style.text(catalogue.label(entry(step.kind, step.stage), self.language))

    def place(self) -> str:
        """Where it happened, and to whom it belongs."""
        notice = self.notice
        return " · ".join(self.style.text(each) for each in (notice.account, notice.region, notice.team) if each)

    def links(self, most: int = _LINKS, total: int = _URLS) -> list[tuple[str, str]]:
        """Labels, raw and short, and addresses of where to look further, as many as fit."""
        found: list[tuple[str, str]] = []
        for link in self.notice.links:
            url = address(link.url, _URL)
            if url and len(found) < most and sum(len(each) for _, each in found) + len(url) <= total:
                found.append((cut(self.label(link.label) or "?", 70), url))
        return found


def pack(lines: Sequence[str], each: int, total: int, most: int) -> tuple[list[str], int]:
    """Lines joined into at most `most` chunks of at most `each` units, `total` in all; and how many were left out."""
    chunks: list[str] = []
    used = 0
    for place, line in enumerate(lines):
        length = size(line) + 1
        if used + length > total or length > each:
            return chunks, len(lines) - place
        if chunks and size(chunks[-1]) + length <= each:
            chunks[-1] += f"\n{line}"
        elif len(chunks) < most:
            chunks.append(line)
        else:
            return chunks, len(lines) - place
        used += length
    return chunks, 0
