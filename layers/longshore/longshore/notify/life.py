"""The life of a thread: what it has told before, which a message that is edited still tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from longshore.events import Kind
from longshore.notices import Fact, Notice, Phase
from longshore.notify.catalogue import FINDING
from longshore.notify.escape import clean

LABEL = 80
"""Characters of a label at most."""
REASON, WHY = "fact.reason", "fact.why"
PASSING = frozenset(
    f"fact.{name}"
    for name in (
        *("deadline", "soaks-until", "next", "would", "now", "was", "serving", "missing", "retry-at", "duration"),
        *("tasks", "open", "running", "idle", "compared", "cure", "mend-by", "suppressed", "scan", "more-findings"),
        "waited",
    )
)
"""Facts that need no longer be true once their thread went on: only the latest notice's own are told."""


def passes(fact: Fact) -> bool:
    """Whether a fact may be untrue once its thread went on."""
    return fact.label in PASSING or fact.label.startswith(FINDING)


_STEPS = 20
_FACTS = 12
_VALUE = 300


class Step(NamedTuple):
    """A moment of a thread's life: what was told, and at which stage of it."""

    at: datetime
    kind: Kind
    stage: str = ""

    @staticmethod
    def of(notice: Notice) -> Step:
        """The step that a notice tells."""
        return Step(notice.occurred_at, notice.kind, notice.stage)


@dataclass(frozen=True, slots=True)
class Life:
    """What a thread has told before: its steps in order, the facts of the notice that opened it and of what failed."""

    steps: tuple[Step, ...] = ()
    facts: tuple[Fact, ...] = ()

    def tells(self, notice: Notice) -> bool:
        """Whether a notice repeats the stage that was told last: whoever told it died before writing it down."""
        last = self.steps[-1:]
        return bool(notice.stage) and any((step.kind, step.stage) == (notice.kind, notice.stage) for step in last)

    def then(self, notice: Notice) -> Life:
        """The life after a notice was told. The same notice twice is one step; the first and the last ones are kept."""
        if self.tells(notice):
            return self
        steps = in_order((*self.steps, Step.of(notice)))
        if len(steps) > _STEPS:
            steps = (steps[0], *steps[-_STEPS + 1 :])
        if self.facts and notice.phase is not Phase.FAILED:
            return Life(steps, self.facts)
        kept: dict[str, Fact] = {}
        for fact in (*_failure(notice), *self.facts):
            if fact.label not in PASSING:  # findings are kept: they tell one report from another
                kept.setdefault(fact.label, _short(fact))
        return Life(steps, tuple(kept.values())[:_FACTS])

    def to_record(self) -> dict[str, Any]:
        """As JSON, for the ledger: a few kilobytes at most."""
        return {
            "steps": [[step.at.astimezone(UTC).isoformat(), step.kind.value, step.stage] for step in self.steps],
            "facts": [
                [fact.label, fact.value, fact.code, fact.short, *([dict(fact.args)] if fact.args else ())]
                for fact in self.facts
            ],
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Life:
        """What `to_record` wrote."""
        return Life(
            tuple(Step(datetime.fromisoformat(at), Kind(kind), *stage) for at, kind, *stage in record.get("steps", ())),
            tuple(
                Fact(label, value, code, short, *args) for label, value, code, short, *args in record.get("facts", ())
            ),
        )


def in_order(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Steps by time, and at the same time as their kinds and stages follow each other; each once."""
    return tuple(sorted(set(steps), key=lambda step: (step.at, tuple(Kind).index(step.kind), step.stage)))


def _failure(notice: Notice) -> tuple[Fact, ...]:
    """A notice's facts; the reason of a failure becomes its why, for a later notice has a reason of its own."""
    if notice.phase is not Phase.FAILED or any(fact.label == WHY for fact in notice.facts):
        return notice.facts
    return tuple(replace(fact, label=WHY) if fact.label == REASON else fact for fact in notice.facts)


def _short(fact: Fact) -> Fact:
    return replace(fact, label=fact.label[:LABEL], value=clean(fact.value, _VALUE))
