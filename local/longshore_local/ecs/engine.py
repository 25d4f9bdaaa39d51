"""The simulator's motor: one lock, one outbox, timers on the bundle's timeline."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from longshore_local.ecs.durations import Durations
from longshore_local.ecs.events import Event
from longshore_local.ecs.images import Images
from longshore_local.timeline import Timeline, Timer


class Engine:
    """What every part of the simulator shares.

    State changes only inside `step`; events leave when the outermost step has ended and the lock is free, so that
    whoever receives them may call ECS again from any thread.
    """

    def __init__(self, timeline: Timeline, emit: Callable[[Event], None], durations: Durations, images: Images) -> None:
        self.durations = durations
        self.images = images
        self.stopped = False
        self._timeline = timeline
        self._emit = emit
        self._lock = threading.RLock()
        self._depth = 0
        self._outbox: list[Event] = []

    def now(self) -> datetime:
        """The current moment."""
        return self._timeline.now()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Excludes other threads; sends the events of the step after it, none of them when it fails."""
        events: list[Event] = []
        with self._lock:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    events, self._outbox = self._outbox, []
        for event in events:
            self._emit(event)

    def send(self, event: Event) -> None:
        """Puts an event into the outbox of the current step."""
        self._outbox.append(event)

    def after(self, seconds: float, callback: Callable[[], None], *, locked: bool = True) -> Timer:
        """Runs `callback`, as a step of its own where `locked`, in so many seconds; not when stopped by then."""

        def run() -> None:
            if self.stopped:
                return
            if not locked:
                callback()
                return
            with self.step():
                callback()

        return self._timeline.at(self.now() + timedelta(seconds=seconds), run)
