"""The simulator's motor: one lock, one outbox, timers on the bundle's timeline."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from longshore_local.ecs import events
from longshore_local.ecs.cloud_map import CloudMap
from longshore_local.ecs.container_logs import ContainerLogs
from longshore_local.ecs.durations import Durations
from longshore_local.ecs.events import Event
from longshore_local.ecs.failures import Failures
from longshore_local.ecs.images import Images
from longshore_local.ecs.placement import instances_of
from longshore_local.ecs.tasks import Task
from longshore_local.timeline import Timeline, Timer


class Engine:
    """What every part of the simulator shares.

    State changes only inside `step`; events leave when the outermost step has ended and the lock is free, so that
    whoever receives them may call ECS again from any thread.
    """

    def __init__(self, timeline: Timeline, emit: Callable[[Event], None], durations: Durations, images: Images) -> None:
        self.durations = durations
        self.images = images
        self.failures = Failures()
        self.logs = ContainerLogs()
        self.cloud_map = CloudMap()
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
        sent: list[Event] = []
        with self._lock:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    sent, self._outbox = self._outbox, []
        for event in sent:
            self._emit(event)

    def send(self, event: Event) -> None:
        """Puts an event into the outbox of the current step."""
        self._outbox.append(event)

    def told_of(self, task: Task) -> None:
        """Sends the state of the task's container instance, whose resources a start or an end has changed."""
        if task.container_instance_arn is None:
            return
        for instance in instances_of(task.account, task.region, task.cluster_name):
            if instance.container_instance_arn == task.container_instance_arn:
                instance.version += 1
                self.send(events.instance_state_change(instance, self.now()))

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
