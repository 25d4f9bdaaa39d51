"""One large answer of a registry in memory at a time: a hostile one makes every answer as large as it may."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from longshore.mirror.errors import UnfinishedError

if TYPE_CHECKING:
    from longshore.registries.timelimit import TimeLimit

LARGE: Final = 65_536
"""Bytes up to which an answer is read without a turn: nearly all manifests are smaller."""
_LOOK_SECONDS: Final = 600.0


class Turns:
    """Who reads what is large has the turn until all that is wanted is taken out of it. Thread-safe."""

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit
        self._free = threading.Lock()

    def take(self) -> None:
        """Waits for the turn. Raises UnfinishedError when the time is up before."""
        while not self._free.acquire(timeout=min(self._limit.left, _LOOK_SECONDS)):
            if not self._limit.left:
                raise UnfinishedError("no time left to wait for the large answers before this one")

    def give_back(self) -> None:
        """Lets the next one begin."""
        self._free.release()
