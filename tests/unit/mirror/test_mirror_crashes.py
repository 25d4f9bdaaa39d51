"""An invocation that is killed between any two calls: its message comes again, and the mirror ends as it should."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from longshore.events import Kind
from longshore.mirror import carrier
from longshore.mirror.carrier import CopyCarrier
from longshore.mirror.messages import Message
from longshore.mirror.service import Mirrorer, Ports
from tests.boundaries import Boundary, Crash
from tests.mirror_engine import EnginePlaces, EngineWorld
from tests.mirror_world import SMALL
from tests.mirrors_world import HOME

if TYPE_CHECKING:
    from longshore.mirror.stores import Places

INVOCATION = timedelta(minutes=15)
VISIBLE_AGAIN = INVOCATION + timedelta(minutes=1)


class Invocations:
    """The function's invocations in one world: the first ones share a process, which ends at a chosen call."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.world = EngineWorld()
        self.world.send_event("Mirror Due", {"mirror": "web"})
        self.steps: list[str] = []
        self._dies_at = dies_at
        self._lock = threading.RLock()

    def all(self) -> None:
        """Until nothing is left to do."""
        world, service = self.world, self._service(bounded=True)
        for _ in range(60):
            due = world.queue.next_due()
            if due is None:
                return
            world.clock.advance_to(max(due, world.clock.now()))
            body = world.queue.receive(world.clock.now())
            assert body is not None
            try:
                service.handle(Message.parse(body), world.clock.now() + INVOCATION)
            except Crash:
                world.queue.postpone(body, world.clock.now() + VISIBLE_AGAIN)
                service = self._service(bounded=False)
        raise AssertionError("messages without end")

    def _step(self, name: str, moment: str) -> None:
        with self._lock:
            self.steps.append(f"{name} {moment}")
            if self._dies_at is not None and len(self.steps) >= self._dies_at:
                raise Crash(self.steps[-1])

    def _service(self, *, bounded: bool) -> Mirrorer:
        world = self.world

        def port(each: Any) -> Any:
            return Boundary(each, self._step) if bounded else each

        class Ends:
            """The registries, each call of which may be the last."""

            def __init__(self) -> None:
                self.source, self.destination = port(world.inner.source), port(world.inner.destination)

        leases = port(world.leases)
        engine = CopyCarrier(
            cast("Places", EnginePlaces(cast("Any", Ends()))),
            port(world.inner.ledger),
            world.clock,
            SMALL,
            leases=leases,
            per_second=1e9,
        )
        ports = Ports(
            port(world), port(world.memory), port(world.pulls), leases, port(world.jobs), engine,
            port(world.queue), port(world.publisher), world.switches, world.clock,
        )  # fmt: skip
        return Mirrorer(ports, world.mirrors, HOME.host)


@pytest.mark.parametrize("ahead", [False, True], ids=["inline", "blobs-ahead"])
def test_killed_at_any_call(ahead: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if ahead:
        monkeypatch.setattr(carrier, "_LARGE_COUNT", 2)
    whole = Invocations()
    whole.all()
    assert whole.world.inner.unlike("v1") == []
    assert any("Jobs" in step for step in whole.steps) == ahead
    needed = whole.world.inner.destination.received
    for at in range(1, len(whole.steps)):
        run = Invocations(at)
        run.all()
        world, where = run.world, run.steps[at - 1]
        assert world.inner.unlike("v1") == [], where
        ((_, known),) = world.memory.known("web").items()
        assert known["v1"].copied is not None, where
        assert {each.detail["tag"] for each in world.publisher.of(Kind.IMAGE_MIRRORED)} == {"v1"}, where
        assert world.publisher.of(Kind.MIRROR_FAILED) == [], where
        # At most what was under way and unheard of: a chunk, and a small blob on each of the other connections.
        assert world.inner.destination.received <= needed + SMALL.chunk + SMALL.requests * SMALL.small, where
        assert world.leases.take(world.lease, world.clock.now(), world.clock.now()) is not None, where
