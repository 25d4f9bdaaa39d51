"""Recoveries: what the ledger keeps of one root task, its failures and the attempts to replace it (recover 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import dropwhile
from typing import Any, NamedTuple

from longshore.recover.changes import Changes


class RecoveryState(StrEnum):
    """Where a recovery stands; only OPEN goes on. SUCCEEDED is opened again when what brought it back fails later."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    GIVEN_UP = "given-up"
    REFUSED = "refused"
    ABANDONED = "abandoned"


class AttemptState(StrEnum):
    """Where an attempt stands: PLANNED may still be launched, REFUSED was answered with failures and made no task."""

    PLANNED = "planned"
    LAUNCHED = "launched"
    REFUSED = "refused"


class AttemptKind(StrEnum):
    """What an attempt counts against: the platform's faults do not use up the application's attempts (recover 4)."""

    INFRA = "infra"
    APP = "app"


class Failure(NamedTuple):
    """One failure, as the table of attempts tells it; `task` is what failed, or whose replacement RunTask refused.

    `cls` is a class of recover 2.4, `ran` whole seconds from start to end (None when it never ran), `subnet` where it
    ran. `reason` is redacted.
    """

    at: datetime
    cls: str
    task: str
    zone: str = ""
    subnet: str = ""
    instance: str = ""
    exit_code: int | None = None
    reason: str = ""
    ran: int | None = None

    def as_json(self) -> dict[str, Any]:
        """One row of the events' `attempts`, and what the ledger keeps; empty members are left out."""
        row = {**self._asdict(), "at": self.at.isoformat(), "class": self.cls}
        del row["cls"]
        return {name: value for name, value in row.items() if value not in (None, "")}

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Failure:
        """What `as_json` made."""
        known = {name: kept[name] for name in cls._fields if name in kept}
        return cls(**{**known, "at": datetime.fromisoformat(kept["at"]), "cls": kept["class"]})


class Attempt(NamedTuple):
    """One attempt to replace what failed: planned with its token before RunTask is called, launched when it answered.

    `number` counts from 1. `task` is the ARN of the replacement, empty until launched.
    """

    number: int
    kind: AttemptKind
    failure: Failure
    due: datetime
    token: str
    changes: Changes = Changes()
    state: AttemptState = AttemptState.PLANNED
    task: str = ""

    @property
    def parent(self) -> str:
        """The task that it replaces."""
        return self.failure.task

    def as_json(self) -> dict[str, Any]:
        """What the ledger keeps."""
        return {
            "number": self.number,
            "kind": self.kind.value,
            "failure": self.failure.as_json(),
            "due": self.due.isoformat(),
            "token": self.token,
            "changes": self.changes.as_json(),
            "state": self.state.value,
            "task": self.task,
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Attempt:
        """What `as_json` made."""
        return cls(
            number=kept["number"],
            kind=AttemptKind(kept["kind"]),
            failure=Failure.read(kept["failure"]),
            due=datetime.fromisoformat(kept["due"]),
            token=kept["token"],
            changes=Changes.read(kept["changes"]),
            state=AttemptState(kept["state"]),
            task=kept["task"],
        )


@dataclass(frozen=True, slots=True)
class Recovery:
    """The recovery of one root task, opened when what it is about failed.

    `waits` is until when nothing is tried, for a budget or a pause; word is sent for then. `version` fences writers: it
    rises with every write, 0 is not yet written.
    """

    root: str
    family: str
    cluster: str
    opened: datetime
    state: RecoveryState = RecoveryState.OPEN
    attempts: tuple[Attempt, ...] = ()
    version: int = 0
    waits: datetime | None = None

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def due(self) -> datetime | None:
        """When something is to be done next; None when that is not known, or an event tells it."""
        last = self.last
        planned = last.due if last is not None and last.state is AttemptState.PLANNED else None
        return max((each for each in (planned, self.waits) if each is not None), default=None)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The root and every replacement of it: the lineage."""
        return (self.root, *(each.task for each in self.attempts if each.task))

    def of(self, task: str) -> Attempt | None:
        """The newest attempt to replace a task."""
        return next((each for each in reversed(self.attempts) if each.parent == task), None)

    def with_attempt(self, attempt: Attempt) -> Recovery:
        """With an attempt added, or its newer state in place of the one with the same number."""
        others = tuple(each for each in self.attempts if each.number != attempt.number)
        return replace(self, attempts=(*others, attempt), waits=None)

    def brought_back_by(self, task: str) -> bool:
        """Whether it ended because a replacement lived for long enough, and that is this task."""
        return self.state is RecoveryState.SUCCEEDED and self.last is not None and self.last.task == task

    def reopened(self, at: datetime, window: timedelta) -> Recovery | None:
        """Open again for a failure of what brought it back, with the attempts that count within a window (recover 4).

        None where none does: then the failure is the beginning of another recovery.
        """
        kept = tuple(dropwhile(lambda each: each.failure.at <= at - window, self.attempts))
        return replace(self, state=RecoveryState.OPEN, opened=at, attempts=kept, waits=None) if kept else None

    def ended(self, state: RecoveryState) -> Recovery:
        """In its final state."""
        return replace(self, state=state)

    def as_json(self) -> dict[str, Any]:
        """What the ledger keeps, less the version, which is its own."""
        return {
            "root": self.root,
            "family": self.family,
            "cluster": self.cluster,
            "opened": self.opened.isoformat(),
            "state": self.state.value,
            "attempts": [each.as_json() for each in self.attempts],
            **({"waits": self.waits.isoformat()} if self.waits else {}),
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any], version: int) -> Recovery:
        """What `as_json` made."""
        return cls(
            root=kept["root"],
            family=kept["family"],
            cluster=kept["cluster"],
            opened=datetime.fromisoformat(kept["opened"]),
            state=RecoveryState(kept["state"]),
            attempts=tuple(Attempt.read(each) for each in kept["attempts"]),
            version=version,
            waits=datetime.fromisoformat(kept["waits"]) if kept.get("waits") else None,
        )
