"""Threads of notices: what waits to be told, how far the telling has come, and the ports that remember both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from longshore.notices import Notice, Order, Phase, Severity
from longshore.notify.life import Life
from longshore.notify.reading import read

if TYPE_CHECKING:
    from longshore.events import Kind

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
    where messages have no id. `shown` and `gravest` are of what was told last and worst, `digest` of how it looks.
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
        """Has `thread` tell what happens to a workload, until it is over or `until`."""
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


def chapter(state: State, pending: Sequence[Waiting]) -> tuple[State, tuple[Waiting, ...]]:
    """What of `pending` belongs to one message, and the state to begin with.

    A thread that was over and begins again gets a message of its own: nobody would see an edit of one of last week.
    """
    if pending and _begins_anew(state.closed, pending[0], state):
        state = _turned(state)
    told: list[Waiting] = []
    closed = state.closed
    for each in pending:
        if told and _begins_anew(closed, each, None):
            break
        told.append(each)
        if each.notice.phase.final and not each.child:
            closed = max(closed or each.order, each.order)
    return state, tuple(told)


def _begins_anew(closed: Order | None, waiting: Waiting, state: State | None) -> bool:
    if closed is None or waiting.order <= closed or waiting.child:
        return False
    notice = waiting.notice
    if notice.phase is Phase.OPENED:
        return True
    return (
        state is not None
        and state.last_kind is notice.kind
        and state.last_at is not None
        and notice.occurred_at - state.last_at >= _REPEATS_AFTER
    )


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
