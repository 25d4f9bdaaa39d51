"""The use case of notify: what its queue brings is fanned out to destinations, or delivered to one of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.errors import ConflictError
from longshore.notify import outcomes
from longshore.notify.failing import give_up
from longshore.notify.fanout import FanOut
from longshore.notify.pacing import BUSY
from longshore.notify.telling import Teller
from longshore.notify.threads import LEASE, Thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.notify.delivery import Delivery
    from longshore.notify.fanout import Ports
    from longshore.notify.messages import Due, Message
    from longshore.notify.routes import Destination, Routing
    from longshore.outcomes import Outcome

    NewDelivery = Callable[[Ports, Teller, Destination, Thread, str], Delivery]
    """`delivery.delivery`, which is handed in so that rendering is loaded where there is something to render."""


def _patience(lease: datetime, now: datetime) -> timedelta:
    """When to look again: the longer a claim lasts, the likelier whoever made it died, and only its end helps."""
    held = now - (lease - LEASE)
    return min(max(BUSY, held), lease - now)


class Notifier:
    """Handles the messages of notify's queue."""

    def __init__(self, ports: Ports, routing: Routing, delivery: NewDelivery, *, observe: bool = False) -> None:
        """`observe`: say what would be told, and tell nothing but what an outbox held before."""
        self._ports = ports
        self._routing = routing
        self._delivery = delivery
        self._teller = Teller(ports.threads, ports.publisher, ports.clock)
        self._fanout = FanOut(ports, routing, self._teller)
        self._observe = observe

    def handle(self, message: Message) -> list[Outcome]:
        """One message. Raises TransientError when the ledger or the queue failed: then it is to come again."""
        if message.due:
            return self._deliver(message.due)
        return self._fanout.observe(message) if self._observe else self._fanout.take(message)

    def _deliver(self, due: Due) -> list[Outcome]:
        """Tells what waits, as far as it may be told now; what is left gets a copy of the message for later."""
        now = self._ports.clock.now()
        thread = self._ports.threads.load(due.destination, due.thread)
        state = thread.state
        if not thread.waiting:
            return []
        if state.wake and state.wake > now and due.wake != state.wake:
            return []  # a copy is on its way, and will find everything that waits
        if due.wake and due.wake > now:
            return self._later(due, due.wake, "early")
        if state.lease and state.lease > now:
            return self._later(due._replace(wake=None), now + _patience(state.lease, now), "busy")
        try:
            thread = self._ports.threads.save(replace(thread, state=replace(state, lease=now + LEASE, wake=None)))
        except ConflictError:
            return self._later(due._replace(wake=None), now + BUSY, "busy")
        return self._claimed(thread, due, state.turn)

    def _claimed(self, thread: Thread, due: Due, waited: str) -> list[Outcome]:
        destination = self._routing.destinations.get(thread.destination)
        if destination is None:
            why = "the configuration names no such channel any more"
            said = give_up(self._ports, self._teller, thread, thread.waiting, "unknown-channel", why, "")
            self._ports.threads.save(replace(thread, state=replace(thread.state, lease=None)))
            return said
        delivery = self._delivery(self._ports, self._teller, destination, thread, waited)
        until = delivery.run()
        if until is not None:
            delivery.said += self._later(due._replace(wake=until), until, delivery.why)
        delivery.release(until)
        return delivery.said

    def _later(self, due: Due, until: datetime, reason: str) -> list[Outcome]:
        self._ports.postponer.postpone(due.body(self._ports.clock.now(), reason), until)
        detail = {"destination": due.destination, "thread": due.thread, "until": until.isoformat()}
        return [outcomes.deferred(due.correlation, reason, **detail)]
