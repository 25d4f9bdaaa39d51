"""Notices: what people are told, before a channel gives it a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from longshore.events import Kind


class Severity(StrEnum):
    """How much a notice matters. `OK` is good news: it matters least to whoever is only called for trouble."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OK = "ok"

    def at_least(self, other: Severity) -> bool:
        """Whether this matters as much as `other`, or more."""
        return _GRAVEST_FIRST.index(self) <= _GRAVEST_FIRST.index(other)


_GRAVEST_FIRST = tuple(Severity)


class Phase(StrEnum):
    """Where in its thread a notice stands."""

    OPENED = "opened"
    PROGRESS = "progress"
    RESOLVED = "resolved"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing follows: webhooks, which cannot edit, get the first notice and the last (design 6.5)."""
        return self in (Phase.RESOLVED, Phase.FAILED)


Order = tuple[str, int]
"""The second of the event in UTC, and the rank of its phase: the later of two notices of a thread compares greater."""


@dataclass(frozen=True, slots=True)
class Text:
    """An entry of the catalogue and what it is filled with: raw text, which the renderer escapes."""

    key: str
    args: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value: the label is a key of the catalogue, the value raw text.

    `code` asks for a fixed-width face, `short` allows two to a line. `args` fill in a value that is itself an entry.
    """

    label: str
    value: str
    code: bool = False
    short: bool = True
    args: Mapping[str, str] = field(default_factory=dict, hash=False)


class Link(NamedTuple):
    """Where to look further: the label is a key of the catalogue, the address complete and quoted."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What one of Longshore's events tells people, in no language and for no channel yet.

    `id` is the event's, so that a second delivery is recognised; `thread` names the incident that notices share;
    `order` places the notice in its thread. `subject` is the name of what it is about. `team` and `channel` come from
    the workload's tags `longshore:team` and `longshore:channel`. `details` are lines of the thread, `log_tail` is
    redacted already, and `event` is the whole event as it came, for webhooks. `stage` is how far its kind has come,
    where a kind is told more than once: a deployment that started is `soaking` later.
    """

    id: str
    kind: Kind
    severity: Severity
    phase: Phase
    thread: str
    order: Order
    occurred_at: datetime
    account: str
    region: str
    subject: str
    team: str | None
    channel: str | None
    environment: str | None
    headline: Text
    facts: tuple[Fact, ...]
    details: tuple[Text, ...]
    links: tuple[Link, ...]
    log_tail: str | None
    correlation: str
    event: Mapping[str, Any] = field(hash=False)
    stage: str = ""
