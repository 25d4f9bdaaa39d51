"""Notify in memory: its stores, a queue that keeps whole seconds, channels that do what is scripted, and sudden ends."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import BadEventError, ConflictError
from longshore.notify.delivery import delivery
from longshore.notify.fanout import Ports
from longshore.notify.messages import Message
from longshore.notify.pacing import Gate
from longshore.notify.routes import FALLBACK, Destination, Routing, read_routing
from longshore.notify.service import Notifier
from longshore.notify.threads import State, Thread, Waiting
from tests.boundaries import ACCOUNT, REGION, Crash
from tests.fakes import FakeClock, FakePublisher, FakeSwitches

if TYPE_CHECKING:
    from longshore.notify.ports import Channel, Rendered
    from longshore.outcomes import Outcome

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:notices"
SECRET = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/slack"
OPS = {"type": "slack", "channel": "C0123456789", "secret": SECRET}
HOOK = {"type": "teams", "secret": f"{SECRET}-teams"}
WEB = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/web"
VISIBILITY = timedelta(minutes=12)


class MemoryThreads:
    """`Threads` in memory."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str], State] = {}
        self.outbox: dict[tuple[str, str], dict[str, Waiting | None]] = {}
        self.saying: dict[str, datetime] = {}
        self.covers: dict[tuple[str, str], tuple[str, datetime]] = {}

    def add(self, destination: str, thread: str, waiting: Waiting) -> bool:
        box = self.outbox.setdefault((destination, thread), {})
        if waiting.id in box:
            return False
        event = json.loads(json.dumps(waiting.event, default=str))
        box[waiting.id] = Waiting(waiting.order, waiting.id, event, waiting.since, waiting.mention, waiting.child)
        return True

    def load(self, destination: str, thread: str) -> Thread:
        key = (destination, thread)
        waiting = [each for each in self.outbox.get(key, {}).values() if each]
        ordered = tuple(sorted(waiting, key=lambda each: (each.order, each.id)))
        return Thread(destination, thread, self.states.get(key, State()), ordered)

    def save(self, thread: Thread) -> Thread:
        key = (thread.destination, thread.name)
        if self.states.get(key, State()).version != thread.state.version:
            raise ConflictError("somebody else wrote first")
        saved = replace(thread, state=replace(thread.state, version=thread.state.version + 1))
        self.states[key] = saved.state
        return saved

    def told(self, thread: Thread, waiting: Waiting) -> None:
        self.outbox[(thread.destination, thread.name)][waiting.id] = None

    def drop(self, thread: Thread, waiting: Waiting) -> None:
        self.outbox[(thread.destination, thread.name)].pop(waiting.id, None)

    def said(self, what: str, now: datetime) -> bool:
        return self.saying.get(what, now) > now

    def say(self, what: str, until: datetime) -> None:
        self.saying[what] = until

    def open(self, workload: str, destination: str, thread: str, until: datetime) -> None:
        self.covers[(workload, destination)] = (thread, until)

    def close(self, workload: str, destination: str, thread: str) -> None:
        if self.covers.get((workload, destination), ("",))[0] == thread:
            del self.covers[(workload, destination)]

    def opened(self, workload: str, now: datetime) -> Mapping[str, str]:
        return {name: at[0] for (arn, name), at in self.covers.items() if arn == workload and at[1] > now}

    @property
    def left(self) -> list[Waiting]:
        """What nobody has told yet."""
        return [each for box in self.outbox.values() for each in box.values() if each]


class MemoryTurns:
    """`Turns` in memory."""

    def __init__(self) -> None:
        self.gates: dict[str, Gate] = {}

    def take(self, gate: str, every: timedelta, now: datetime, *, waited: bool) -> datetime | None:
        until, self.gates[gate] = self.gates.get(gate, Gate()).turn(every, now, waited=waited)
        return until

    def shut(self, gate: str, until: datetime) -> None:
        self.gates[gate] = self.gates.get(gate, Gate()).shut(until)


class MemoryDeadLetters:
    """Dead letters with their attributes."""

    def __init__(self) -> None:
        self.letters: list[tuple[Mapping[str, Any], Mapping[str, str]]] = []

    def put(self, body: Mapping[str, Any], attributes: Mapping[str, str]) -> None:
        self.letters.append((body, attributes))


@dataclass
class Queued:
    """A message of the queue."""

    visible: datetime
    body: str
    receives: int = 0


class SecondsQueue:
    """SQS: delays in whole seconds, five receives, and whatever fails comes back after the visibility timeout."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.messages: list[Queued] = []
        self.dead: list[str] = []

    def postpone(self, body: Mapping[str, Any], until: datetime) -> None:
        now = self._clock.now()
        delay = max(0, math.ceil((until - now).total_seconds()))
        self.messages.append(Queued(now + timedelta(seconds=delay), json.dumps(body, default=str)))

    def next_due(self) -> datetime | None:
        return min((each.visible for each in self.messages), default=None)

    def receive(self) -> Queued | None:
        now = self._clock.now()
        for each in sorted(self.messages, key=lambda each: each.visible):
            if each.visible <= now:
                each.receives += 1
                each.visible = now + VISIBILITY
                return each
        return None

    def failed(self, message: Queued) -> None:
        if message.receives >= 5:
            self.messages.remove(message)
            self.dead.append(message.body)


@dataclass
class Said:
    """A message as a fake channel keeps it: what it says now, and its thread."""

    key: str
    rendered: Rendered
    replies: list[tuple[str, Rendered]] = field(default_factory=list)


class FakeChannel:
    """A channel that keeps what it is told. `script` is raised by the next calls, None lets one pass.

    An exception with `accepted` true is raised after the call took effect.
    """

    def __init__(self, kind: str, clock: FakeClock) -> None:
        self.kind = kind
        self.edits = kind == "slack"
        self._clock = clock
        self.messages: dict[str, Said] = {}
        self.script: list[Exception | None] = []
        self.calls: list[tuple[datetime, str]] = []
        self.broken: Exception | None = None

    def post(self, rendered: Rendered, *, idempotency: str, since: datetime | None = None) -> str | None:
        def act() -> str:
            if since is not None and self.edits:
                for name, said in self.messages.items():
                    if said.key == idempotency:
                        return name
            name = str(len(self.messages) + 1)
            self.messages[name] = Said(idempotency, rendered)
            return name

        name = self._call("post", act)
        return name if self.edits else None

    def update(self, message: str, rendered: Rendered) -> None:
        def act() -> str:
            self.messages[message].rendered = rendered
            return ""

        self._call("edit", act)

    def reply(self, message: str, rendered: Rendered, *, idempotency: str = "", since: datetime | None = None) -> None:
        def act() -> str:
            replies = self.messages[message].replies
            if since is None or not any(key == idempotency for key, _ in replies):
                replies.append((idempotency, rendered))
            return ""

        self._call("post", act)

    def _call(self, method: str, act: Callable[[], str]) -> str:
        self.calls.append((self._clock.now(), method))
        error = self.script.pop(0) if self.script else self.broken
        if error is None:
            return act()
        if getattr(error, "accepted", False):
            act()
        raise error


class NotifyWorld:
    """Notify with everything around it in memory; `crash_at` ends the process at one boundary of a port call."""

    def __init__(
        self,
        channels: Mapping[str, Mapping[str, Any]] | None = None,
        routes: Sequence[Mapping[str, Any]] | None = None,
        *,
        observe: bool = False,
        make: Callable[[Destination], Channel] | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.queue = SecondsQueue(self.clock)
        self.threads, self.turns, self.dead_letters = MemoryThreads(), MemoryTurns(), MemoryDeadLetters()
        self.publisher, self.switches = FakePublisher(), FakeSwitches()
        self.channels: dict[str, FakeChannel] = {}
        self.subscribers = 1
        self.boundaries = 0
        self.crash_at: int | None = None
        self.crashes = 0
        self.outcomes: list[Outcome] = []
        self.failures: list[Exception] = []
        self.duplicates = False
        self.events = 0
        self._returned = 0
        self.on_message: Callable[[], None] = lambda: None
        config = {"channels": {"ops": OPS} if channels is None else channels, "routes": list(routes or [])}
        self.routing: Routing = read_routing(config, Destination(FALLBACK, "sns", TOPIC))
        self._make = make or self.channel
        self._observe = observe

    def channel(self, destination: Destination) -> FakeChannel:
        """The fake behind a destination."""
        return self.channels.setdefault(destination.name, FakeChannel(destination.type, self.clock))

    def __getitem__(self, name: str) -> FakeChannel:
        return self.channel(self.routing.destinations[name])

    # -- what happens ---------------------------------------------------------------------------------------------------

    def event(self, kind: str, **detail: Any) -> dict[str, Any]:
        """One of Longshore's own events, a millisecond after the one before."""
        self.events += 1
        at = self.clock.now() + timedelta(milliseconds=self.events)
        members = {"workload": WEB, "verdict": "deploy", "reason": "moved", "correlation": "push-1", **detail}
        return {
            "version": "0",
            "id": f"event-{self.events:05}",
            "detail-type": kind,
            "source": "longshore",
            "account": ACCOUNT,
            "region": REGION,
            "time": at.isoformat(),
            "resources": [],
            "detail": {name: each for name, each in members.items() if each is not None},
        }

    def publish(self, kind: str, **detail: Any) -> dict[str, Any]:
        """An event arrives in notify's queue."""
        event = self.event(kind, **detail)
        self.queue.postpone(event, self.clock.now())
        return event

    def run(self, seconds: float | None = None) -> None:
        """Works until nothing is left, or for so long."""
        until = self.clock.now() + timedelta(seconds=seconds) if seconds is not None else None
        while (due := self.queue.next_due()) is not None and (until is None or due <= until):
            self.clock.advance_to(max(due, self.clock.now()))
            while message := self.queue.receive():
                self._invoke(message)
            self._announced()
        if until:
            self.clock.advance_to(until)

    def _announced(self) -> None:
        """What notify publishes comes back by the bus."""
        for each in self.publisher.published[self._returned :]:
            self._returned += 1
            self.publish(each.kind.value, **{"workload": None, **each.detail, "correlation": each.correlation})

    def _invoke(self, message: Queued) -> None:
        self.on_message()
        try:
            for _ in range(2 if self.duplicates else 1):
                self.outcomes += self.notifier().handle(Message.parse(json.loads(message.body)))
        except BadEventError as error:
            self.failures.append(error)
        except Crash:
            self.crashes += 1
            return
        except Exception as error:
            self.failures.append(error)
            self.queue.failed(message)
            return
        self.queue.messages.remove(message)

    def notifier(self) -> Notifier:
        """A fresh process."""
        ports = Ports(
            threads=self._crashing(self.threads),
            turns=self._crashing(self.turns),
            postponer=self._crashing(self.queue),
            publisher=self._crashing(self.publisher),
            switches=self._crashing(self.switches),
            dead_letters=self._crashing(self.dead_letters),
            channels=lambda destination: self._crashing(self._make(destination)),
            subscribers=lambda: self.subscribers,
            clock=self.clock,
        )
        return Notifier(ports, self.routing, delivery, observe=self._observe)

    def _crashing(self, port: Any) -> Any:
        return _Boundary(port, self._pass)

    @contextmanager
    def _pass(self) -> Iterator[None]:
        self._step()
        yield
        self._step()

    def _step(self) -> None:
        self.boundaries += 1
        if self.boundaries == self.crash_at:
            raise Crash


class _Boundary:
    """A port whose calls may be the last thing that a process does: before it, or after it took effect."""

    def __init__(self, port: Any, passing: Callable[[], Any]) -> None:
        self._port = port
        self._passing = passing

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._port, name)
        if not callable(member):
            return member

        def call(*args: Any, **named: Any) -> Any:
            with self._passing():
                return member(*args, **named)

        return call
