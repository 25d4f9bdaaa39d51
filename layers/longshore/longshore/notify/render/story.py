"""What a message tells, in a language and a channel's markup: the latest notice and its thread's life so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.events import Kind
from longshore.notices import Fact, Notice, Phase, Text
from longshore.notify import catalogue
from longshore.notify.escape import address, clean, cut, size
from longshore.notify.kinds import slug

if TYPE_CHECKING:
    from longshore.notify.catalogue import Style

_STEPS = 20
_KEPT_FACTS = 12
_KEPT_VALUE = 300
_LABEL = 80
_URL = 2000
_URLS = 2500
_LINKS = 5
_DETAILS = 200
_PASSING = frozenset(
    f"fact.{name}" for name in ("deadline", "next", "would", "now", "was", "serving", "missing", "retry-at", "duration")
)
"""Facts that need no longer be true once their thread went on: only the latest notice's own are told."""
_REASON, _WHY = "fact.reason", "fact.why"
_WORDED = ("reason.", "outcome.")


class Step(NamedTuple):
    """A moment of a thread's life."""

    at: datetime
    kind: Kind


@dataclass(frozen=True, slots=True)
class Life:
    """What a thread has told before: its steps in order, the facts of the notice that opened it and of what failed."""

    steps: tuple[Step, ...] = ()
    facts: tuple[Fact, ...] = ()

    def then(self, notice: Notice) -> Life:
        """The life after a notice was told. The same notice twice is one step; the first and the last ones are kept."""
        steps = _ordered((*self.steps, Step(notice.occurred_at, notice.kind)))
        if len(steps) > _STEPS:
            steps = (steps[0], *steps[-_STEPS + 1 :])
        if self.facts and notice.phase is not Phase.FAILED:
            return Life(steps, self.facts)
        kept: dict[str, Fact] = {}
        for fact in (*_failure(notice), *self.facts):
            if fact.label not in _PASSING:
                kept.setdefault(fact.label, _short(fact))
        return Life(steps, tuple(kept.values())[:_KEPT_FACTS])

    def to_record(self) -> dict[str, Any]:
        """As JSON, for the ledger: a few kilobytes at most."""
        return {
            "steps": [[step.at.astimezone(UTC).isoformat(), step.kind.value] for step in self.steps],
            "facts": [[fact.label, fact.value, fact.code, fact.short] for fact in self.facts],
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Life:
        """What `to_record` wrote."""
        return Life(
            tuple(Step(datetime.fromisoformat(at), Kind(kind)) for at, kind in record.get("steps", ())),
            tuple(Fact(label, value, code, short) for label, value, code, short in record.get("facts", ())),
        )


@dataclass(frozen=True, slots=True)
class Story:
    """The words of one message. Every line is one line, escaped by the style and bounded by it."""

    notice: Notice
    language: str
    style: Style
    life: Life = Life()

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
        told = {fact.label for fact in self.notice.facts} | _PASSING
        kept = [fact for fact in self.life.facts if fact.label not in told]
        return [fact for fact in (*self.notice.facts, *kept) if fact.value]

    def label(self, key: str) -> str:
        """The words for a label, raw and short."""
        return clean(catalogue.label(key, self.language), _LABEL).strip()

    def value(self, fact: Fact) -> str:
        """A fact's value."""
        worded = fact.label == _WHY and fact.value.startswith(_WORDED)
        raw = catalogue.value(replace(fact, label=_REASON) if worded else fact, self.language)
        return self.style.code(raw) if fact.code else self.style.text(raw).strip()

    def fact(self, fact: Fact) -> str:
        """A fact as a line."""
        return f"{self.style.bold(self.label(fact.label) + ':')} {self.value(fact)}"

    def details(self, most: int = _DETAILS) -> list[str]:
        """The lines of the thread, the first ones of very many."""
        return [line for text in self.notice.details[:most] if (line := self.say(text).strip())]

    def steps(self) -> tuple[Step, ...]:
        """The life so far and this notice, in order."""
        return _ordered((*self.life.steps, Step(self.notice.occurred_at, self.notice.kind)))

    def kind(self, kind: Kind) -> str:
        """The words for a kind."""
        return self.style.text(catalogue.label(f"kind.{slug(kind)}", self.language))

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


def _ordered(steps: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(sorted(set(steps), key=lambda step: (step.at, tuple(Kind).index(step.kind))))


def _failure(notice: Notice) -> tuple[Fact, ...]:
    """A notice's facts; the reason of a failure becomes its why, for a later notice has a reason of its own."""
    if notice.phase is not Phase.FAILED or any(fact.label == _WHY for fact in notice.facts):
        return notice.facts
    return tuple(replace(fact, label=_WHY) if fact.label == _REASON else fact for fact in notice.facts)


def _short(fact: Fact) -> Fact:
    return replace(fact, label=fact.label[:_LABEL], value=clean(fact.value, _KEPT_VALUE))
