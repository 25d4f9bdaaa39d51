"""Threads of notices: what waits to be told, how far the telling has come, and the ports that remember both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from longshore.events import Kind
from longshore.notices import Notice, Order, Phase, Severity
from longshore.notify.catalogue import FINDING
from longshore.notify.kinds import RESTATED
from longshore.notify.life import REASON, WHY, Life
from longshore.notify.messages import DESTINATION
from longshore.notify.reading import read

LEASE = timedelta(seconds=90)
"""How long a delivery may be silent before another takes over: longer than any one call to a channel may last."""


@dataclass(frozen=True)
class Waiting:
    """A notice in the outbox of one destination.

    `since` is when it got there. A `child` is told as an answer in the thread of the incident that explains it.
    """

    order: Order
    id: str
    event: Mapping[str, Any]
    since: datetime
    mention: str = ""
    child: bool = False

    @property
    def put_back(self) -> bool:
        """Whether it was a dead letter: whoever put it back wants it told, however late."""
        return DESTINATION in self.event

    @cached_property
    def notice(self) -> Notice:
        """The notice; only what could be read ever gets into an outbox."""
        notice = read(self.event)
        if notice is None:
            raise ValueError(f"{self.id} is not a notice")
        return notice


class Call(NamedTuple):
    """A call to a channel that is about to be made: written down first, so that a crash is recognised afterwards."""

    key: str
    since: datetime
    notice: str


@dataclass(frozen=True, slots=True)
class State:
    """How far the telling of a thread has come.

    `root` is the channel's id of the message, `roots` how many were made before it; `posted` that there is one, also
    where messages have no id. `shown` and `gravest` are of what was told last and worst, `digest` of how it looks, or
    of what it said where it cannot be edited.
    `done` names what was told though it still stands in the outbox (`ID`, or `ID#reply` where a file must follow).
    `wake` is when a copy of the message arrives, `turn` the method whose turn it then is. `failures` counts calls
    that failed in a row. `window` is the storm guard's in which the message was counted, `storm` the counts of a
    thread that sums up others. `version` is the fencing token of every write.
    """

    version: int = 0
    lease: datetime | None = None
    root: str | None = None
    roots: int = 0
    posted: bool = False
    first: str = ""
    shown: Order | None = None
    gravest: Severity | None = None
    digest: str = ""
    life: Life = field(default_factory=Life)
    closed: Order | None = None
    last_kind: Kind | None = None
    last_at: datetime | None = None
    call: Call | None = None
    done: tuple[str, ...] = ()
    wake: datetime | None = None
    turn: str = ""
    failures: int = 0
    window: str = ""
    storm: Mapping[str, Any] = field(default_factory=dict)

    def after(self, waiting: Waiting) -> State:
        """What is remembered of the thread once a notice is told. A child is no part of its life."""
        if waiting.child:
            return self
        notice, closed = waiting.notice, self.closed
        if notice.phase.final:
            closed = max(closed or waiting.order, waiting.order)
        life = self.life.then(notice)
        return replace(self, life=life, closed=closed, last_kind=notice.kind, last_at=notice.occurred_at)


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of one destination, read at once: its state, and what waits in order."""

    destination: str
    name: str
    state: State = State()
    waiting: tuple[Waiting, ...] = ()


class Threads(Protocol):
    """The outbox and the state of every thread of every destination."""

    def add(self, destination: str, thread: str, waiting: Waiting) -> bool:
        """Puts a notice into an outbox; answers False, changing nothing, when it is or was there."""
        ...

    def load(self, destination: str, thread: str) -> Thread:
        """The thread; an empty one when there never was any."""
        ...

    def save(self, thread: Thread) -> Thread:
        """Writes the state, and answers it with its new version. Raises ConflictError when `version` is outdated."""
        ...

    def told(self, thread: Thread, waiting: Waiting) -> None:
        """Takes a notice out of the outbox, and remembers that it was there."""
        ...

    def drop(self, thread: Thread, waiting: Waiting) -> None:
        """Takes a notice out of the outbox, so that it may come again."""
        ...

    def said(self, what: str, now: datetime) -> bool:
        """Whether `say` has said this, and its time is not over."""
        ...

    def say(self, what: str, until: datetime) -> None:
        """Remembers that something was said, until then."""
        ...

    def open(self, workload: str, destination: str, thread: str, until: datetime) -> None:
        """Has `thread` tell what happens to a workload, until it is over or `until`.

        Also whatever else is known of a destination for so long: see `incidents`.
        """
        ...

    def close(self, workload: str, destination: str, thread: str) -> None:
        """Ends what `open` began, unless another thread has taken over."""
        ...

    def opened(self, workload: str, now: datetime) -> Mapping[str, str]:
        """The thread that tells what happens to a workload, by destination."""
        ...


class Turns(Protocol):
    """Whose turn it is to use what may only be used so often: one gate and one line for each."""

    def take(self, gate: str, every: timedelta, now: datetime, *, waited: bool) -> datetime | None:
        """Takes a turn now and answers None, or answers when to come back.

        `waited`: whether this is the coming back; who has waited goes before who has not.
        """
        ...

    def shut(self, gate: str, until: datetime) -> None:
        """Lets nobody through before `until`: the channel asked to slow down."""
        ...


_REPEATS_AFTER = timedelta(hours=1)
"""The same end as last time, so much later, is a new one."""
_REOPENS_AFTER = timedelta(hours=6)
"""The same opening, so long after the message began, is a new message: nobody looks for one as old as that."""


def chapter(state: State, pending: Sequence[Waiting]) -> tuple[State, tuple[Waiting, ...]]:
    """What of `pending` belongs to one message, and the state to begin with.

    A thread that was over and begins again gets a message of its own: nobody would see an edit of one of last week,
    and where messages cannot be edited nothing would be told at all. So does one that is opened again much later, for
    not every opening has an end.
    """
    if pending and _begins_anew(state, pending[0]):
        state = _turned(state)
    told: list[Waiting] = []
    ahead = state
    for each in pending:
        if told and _begins_anew(ahead, each):
            break
        told.append(each)
        ahead = ahead.after(each)
    return state, tuple(told)


def _begins_anew(state: State, waiting: Waiting) -> bool:
    if waiting.child:
        return False
    notice = waiting.notice
    opens, again = notice.phase is Phase.OPENED, state.last_kind is notice.kind
    fails = notice.kind is Kind.TASK_FAILED  # whatever its phase: the same task may fail again days later
    if state.closed is None:
        return (opens and again and _reopens(state, notice)) or (fails and _is_old(state, notice))
    if waiting.order <= state.closed:
        return False
    if opens or (fails and _is_old(state, notice)):
        return True
    return again and state.last_at is not None and notice.occurred_at - state.last_at >= _REPEATS_AFTER


def _is_old(state: State, notice: Notice) -> bool:
    began = min((step.at for step in state.life.steps), default=notice.occurred_at)
    return notice.occurred_at - began >= _REOPENS_AFTER


def _reopens(state: State, notice: Notice) -> bool:
    if _is_old(state, notice):
        return True
    later = state.last_at is not None and notice.occurred_at > state.last_at
    return later and notice.kind in RESTATED and _grounds(state.life) != _grounds(Life().then(notice))


def _grounds(life: Life) -> set[tuple[object, ...]]:
    """What an opening says for itself: why, or the findings that it reports."""
    return {
        (fact.label, fact.value, *sorted(fact.args.items()))
        for fact in life.facts
        if fact.label in (REASON, WHY) or fact.label.startswith(FINDING)
    }


def _turned(state: State) -> State:
    return State(
        version=state.version,
        lease=state.lease,
        roots=state.roots,
        done=state.done,
        wake=state.wake,
        turn=state.turn,
        failures=state.failures,
    )
