"""The bundle's clock: timers in time order, on virtual or on real UTC time."""

import heapq
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer:
    """One callback waiting for its moment; `cancel` makes it never run."""

    __slots__ = ("callback", "cancelled", "when")

    def __init__(self, when: datetime, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Withdraws the timer; harmless after it ran."""
        self.cancelled = True


class Timeline(Protocol):
    """What components of the bundle may ask of time."""

    def now(self) -> datetime:
        """The current moment, aware, in UTC."""
        ...

    def at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Runs `callback` once when `when` has come; timers of one moment run in the order they were set."""
        ...


class DrivenTimeline(Timeline, Protocol):
    """A timeline as its driver sees it."""

    def run_due(self) -> int:
        """Runs what is due now, in time order, and says how many callbacks ran."""
        ...

    def next_due(self) -> datetime | None:
        """The moment of the earliest timer, None when no timer waits."""
        ...


class _TimerQueue:
    """Timers ordered by moment, then by insertion; safe to use from several threads."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Timer]] = []
        self._inserted = 0
        self._lock = threading.Lock()

    def push(self, when: datetime, callback: Callable[[], None]) -> Timer:
        timer = Timer(_utc(when), callback)
        with self._lock:
            self._inserted += 1
            heapq.heappush(self._heap, (timer.when, self._inserted, timer))
        return timer

    def earliest(self) -> datetime | None:
        with self._lock:
            self._drop_cancelled()
            return self._heap[0][0] if self._heap else None

    def pop_due(self, moment: datetime) -> Timer | None:
        with self._lock:
            self._drop_cancelled()
            if self._heap and self._heap[0][0] <= moment:
                return heapq.heappop(self._heap)[2]
            return None

    def clear(self) -> None:
        with self._lock:
            self._heap.clear()

    def _drop_cancelled(self) -> None:
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)


class VirtualTimeline:
    """Time that moves only when told to; for tests and the demo."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = _utc(start or datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
        self._timers = _TimerQueue()

    def now(self) -> datetime:
        return self._now

    def at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        return self._timers.push(when, callback)

    def run_due(self) -> int:
        return _run_due(self._timers, self.now)

    def next_due(self) -> datetime | None:
        return self._timers.earliest()

    def advance_to(self, when: datetime) -> None:
        """Moves to `when`, running callbacks on the way, each at its own moment; never moves back."""
        moment = _utc(when)
        while (due := self.next_due()) is not None and due <= moment:
            self._now = max(self._now, due)
            self.run_due()
        self._now = max(self._now, moment)

    def clear(self) -> None:
        """Forgets every timer."""
        self._timers.clear()


class WallTimeline:
    """Real time; a driver thread calls `run_due`."""

    def __init__(self) -> None:
        self._timers = _TimerQueue()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        return self._timers.push(when, callback)

    def run_due(self) -> int:
        return _run_due(self._timers, self.now)

    def next_due(self) -> datetime | None:
        return self._timers.earliest()

    def clear(self) -> None:
        """Forgets every timer."""
        self._timers.clear()


def _run_due(timers: _TimerQueue, now: Callable[[], datetime]) -> int:
    ran = 0
    while (timer := timers.pop_due(now())) is not None:
        ran += 1
        timer.callback()
    return ran


def _utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError(f"a moment on the timeline needs a time zone, got {when.isoformat()}")
    return when.astimezone(UTC)
