"""How long registries may be waited for at all: less than the invocation has, so that its last words are written."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

RESERVE_SECONDS: Final = 8.0
"""Of an invocation, for what comes after its last request: a wait between two tries, the ledger, the next message."""


class TimeLimit:
    """One end for all waiting of a process, set anew by every invocation; without one, for ever. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until = float("inf")

    def begin(self, seconds: float) -> None:
        """No wait lasts longer than so many seconds from now."""
        self._until = self._monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds; infinite without a limit, never less than 0."""
        return max(self._until - self._monotonic(), 0.0)
