"""When to stop, how fast to put, how long to wait before another try."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from longshore.mirror.errors import UnfinishedError

if TYPE_CHECKING:
    from longshore.errors import LongshoreError
    from longshore.ports import Clock

_MARGIN_SECONDS: Final = 20.0
"""For what comes after the last byte: manifests, ledger, the next message (mirror 7.9)."""
_LAST_SECONDS: Final = 10.0
"""For the last manifest, and what comes after it: no registry is waited for in the last 8 seconds of an invocation
(`longshore.registries.timelimit`), which belong to the ledger and the next message."""
_ASSUMED: Final = 10e6
_LEARNS_FROM: Final = 1024 * 1024
_LONGEST_BACKOFF: Final = 5.0


class Deadline:
    """Until when work may begin. Thread-safe. `until` None: for ever.

    `allows` knows how fast blobs went so far; until one has gone, 10 MB/s are supposed.
    """

    def __init__(self, clock: Clock, until: datetime | None = None, margin: float = _MARGIN_SECONDS) -> None:
        self._clock = clock
        self._until = until
        self._margin = self._least = margin
        self._rate = _ASSUMED
        self._halted: LongshoreError | None = None
        self._stopped: LongshoreError | None = None

    def allows(self, size: int) -> bool:
        """Whether `size` bytes can be sent in time."""
        if self._until is None:
            return True
        left = (self._until - self._clock.now()).total_seconds()
        return left >= self._margin + size / self._rate

    def check(self, size: int = 0) -> None:
        """Raises UnfinishedError when there is no time for so many bytes, and what `halt` or `stop` were told."""
        if self._halted is not None:
            raise self._halted
        if self._until is not None and not self.allows(size):
            raise UnfinishedError(f"no time left before {self._until:%H:%M:%S} UTC")

    def reserve(self, seconds: float) -> None:
        """Keeps so long for manifests beside the margin; at most half of what is left, so that blobs get on too."""
        if self._until is not None:
            left = (self._until - self._clock.now()).total_seconds()
            self._margin = max(self._least, min(self._least + seconds, left / 2))

    def check_put(self) -> None:
        """Raises what `stop` was told, and UnfinishedError in the last seconds.

        Manifests whose blobs are there have the margin to themselves: a `halt` does not keep them away.
        """
        if self._stopped is not None:
            raise self._stopped
        if self._until is not None and (self._until - self._clock.now()).total_seconds() < _LAST_SECONDS:
            raise UnfinishedError(f"no time left for manifests before {self._until:%H:%M:%S} UTC")

    def halt(self, reason: LongshoreError) -> None:
        """Nothing more is read or sent; what is complete is still stored."""
        self._halted = self._halted or reason

    def stop(self, reason: LongshoreError) -> None:
        """Nothing more is done at all; what is under way stops at its next piece."""
        self._halted = self._stopped = self._stopped or reason

    def sent(self, size: int, seconds: float) -> None:
        """So many bytes took so long."""
        if size >= _LEARNS_FROM and seconds > 0:
            self._rate = (self._rate + size / seconds) / 2


class Pace:
    """At most so many calls of `wait` return in a second: ECR takes 10 manifests (mirror 3). Thread-safe."""

    def __init__(self, per_second: float, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        self._every = timedelta(seconds=1 / per_second)
        self._clock = clock
        self._sleep = sleep
        self._next: datetime | None = None
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Until it is one's turn."""
        with self._lock:
            now = self._clock.now()
            turn = max(self._next or now, now)
            self._next = turn + self._every
        if turn > now:
            self._sleep((turn - now).total_seconds())


class Retries:
    """How often one thing is tried without getting on, with full jitter in between."""

    def __init__(
        self,
        tries: int,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        longest_wait: float = 5.0,
    ) -> None:
        """`longest_wait` is in seconds: for a registry that asks to be left alone."""
        self._tries = tries
        self._longest_wait = longest_wait
        self._sleep = sleep
        self._chance = chance
        self._failed = 0
        self._mark = 0

    def again(self, offset: int) -> bool:
        """Waits and answers True, or answers False after the last try; beyond the `offset` before, it counts anew."""
        if not self._counted(offset):
            return False
        self._sleep(min(0.5 * 2 ** (self._failed - 1), _LONGEST_BACKOFF) * self._chance())
        return True

    def after(self, seconds: float, offset: int) -> bool:
        """As `again`, when a registry said for how long; False when that is too long to wait for."""
        if seconds > self._longest_wait or not self._counted(offset):
            return False
        self._sleep(seconds)
        return True

    def _counted(self, offset: int) -> bool:
        self._failed, self._mark = (1, offset) if offset > self._mark else (self._failed + 1, self._mark)
        return self._failed < self._tries
