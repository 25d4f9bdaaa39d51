"""Fan-out: an event becomes a notice in the outbox of each destination, and one message for each (design 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from longshore.events import Kind
from longshore.notices import Notice, Severity
from longshore.notify import catalogue, outcomes
from longshore.notify.incidents import Hearers
from longshore.notify.messages import Due
from longshore.notify.pacing import GROUP_WAIT
from longshore.notify.reading import read
from longshore.notify.routes import FALLBACK, Routing, route
from longshore.notify.threads import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from longshore.notify.messages import Message
    from longshore.notify.ports import Channel
    from longshore.notify.routes import Destination
    from longshore.notify.telling import Teller
    from longshore.notify.threads import Threads, Turns
    from longshore.outcomes import Outcome
    from longshore.ports import Clock, Postponer, Publisher, Switches

_COVERS = timedelta(hours=6)
"""How long a deployment whose end was never told keeps what happens to its workload in its thread."""
_CHILDREN = frozenset({Kind.TASK_FAILED, Kind.TASK_REPLACED})
"""What a deployment's thread tells as well. A trouble of a service has an end of its own, so it has its own thread."""


class DeadLetters(Protocol):
    """Where notices go that a channel will never take."""

    def put(self, body: Mapping[str, Any], attributes: Mapping[str, str]) -> None:
        """Keeps a message with the reason why it is there. Raises TransientError."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that notify needs. `channels` makes the channel of a destination; `subscribers` counts the
    confirmed subscribers of the fallback.
    """

    threads: Threads
    turns: Turns
    postponer: Postponer
    publisher: Publisher
    switches: Switches
    dead_letters: DeadLetters
    channels: Callable[[Destination], Channel]
    subscribers: Callable[[], int]
    clock: Clock


class FanOut:
    """Routes notices into outboxes."""

    def __init__(self, ports: Ports, routing: Routing, teller: Teller) -> None:
        self._ports = ports
        self._routing = routing
        self._teller = teller
        self._hearers = Hearers(ports.threads, routing)

    def take(self, message: Message) -> list[Outcome]:
        """Puts what an event tells into each outbox. Doing it again changes nothing."""
        notice = read(message.body)
        if notice is None:
            return [outcomes.routed(message.correlation, "concerns-nobody")]
        now = self._ports.clock.now()
        routed = route(notice, self._routing)
        heard = frozenset() if message.only else self._hearers.of(notice, routed, now)
        to = {message.only: ""} if message.only else {**routed.to, **_unmentioned(heard - routed.to.keys())}
        said = [] if message.only else self._teller.reject(routed.problems, notice.correlation)
        threads = self._covering(notice, now)
        for name, mention in to.items():
            self._hearers.remember(notice, name, now)
            self._put(notice, name, mention, threads.get(name), now)
            self._cover(notice, name, now)
            if name in heard:
                self._hearers.forget(notice, name)
        reason = "routed" if to else "unrouted"
        return [*said, outcomes.routed(notice.correlation, reason, to=sorted(to), kind=notice.kind.value)]

    def observe(self, message: Message) -> list[Outcome]:
        """Who would be told; nothing is sent or written."""
        notice = read(message.body)
        if notice is None:
            return []
        routed = route(notice, self._routing)
        would = sorted(routed.to.keys() | self._hearers.of(notice, routed, self._ports.clock.now()))
        return [outcomes.observed(notice.correlation, would=would, said=catalogue.say(notice.headline))]

    def _put(self, notice: Notice, name: str, mention: str, covering: str | None, now: datetime) -> None:
        thread = covering or notice.thread
        waiting = Waiting(notice.order, notice.id, notice.event, now, mention, covering is not None)
        self._ports.threads.add(name, thread, waiting)
        wait = timedelta() if notice.severity.at_least(Severity.ERROR) else GROUP_WAIT
        Due(name, thread, notice.correlation).send(self._ports.postponer, now, wait)

    def _covering(self, notice: Notice, now: datetime) -> Mapping[str, str]:
        """The threads, by destination, that tell this notice too: a deployment's own tasks fail with it."""
        workload = _workload(notice)
        return self._ports.threads.opened(workload, now) if workload and notice.kind in _CHILDREN else {}

    def _cover(self, notice: Notice, name: str, now: datetime) -> None:
        workload = _workload(notice)
        if not workload or not notice.thread.startswith("deployment/"):
            return
        if notice.kind is Kind.DEPLOYMENT_STARTED and not notice.stage:
            self._ports.threads.open(workload, name, notice.thread, now + _COVERS)
        elif notice.phase.final:
            self._ports.threads.close(workload, name, notice.thread)


def _unmentioned(names: AbstractSet[str]) -> Mapping[str, str]:
    return dict.fromkeys(sorted(names), "")


def _workload(notice: Notice) -> str:
    detail = notice.event.get("detail")
    workload = detail.get("workload") if isinstance(detail, Mapping) else None
    return workload if isinstance(workload, str) else ""


def fall_back(ports: Ports, waiting: Waiting, now: datetime) -> None:
    """Has the fallback tell a notice that its own channel cannot."""
    notice = waiting.notice
    ports.threads.add(FALLBACK, notice.thread, Waiting(waiting.order, waiting.id, waiting.event, now))
    Due(FALLBACK, notice.thread, notice.correlation).send(ports.postponer, now)
