"""Where else at a host a blob is: to take it over from there costs no bytes (mirror 4.19)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from longshore.images import Digest, Endpoint
    from longshore.manifests import Descriptor
    from longshore.mirror.orders import Item
    from longshore.mirror.report import Progress
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.uploads import Siblings

_MOST: Final = 20_000
"""Blobs that are remembered: some megabytes."""


class Whereabouts:
    """What this process sent, or found, of whatever mirror. Thread-safe. To be wrong costs no more than to ask."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._repositories: dict[tuple[str, Digest], str] = {}

    def note(self, place: Endpoint, digest: Digest) -> None:
        """A blob is in that repository; the oldest that was noted is forgotten for it."""
        with self._lock:
            self._repositories.pop((place.host, digest), None)
            self._repositories[place.host, digest] = place.name
            if len(self._repositories) > self._most:
                del self._repositories[next(iter(self._repositories))]

    def siblings(self, mirror: Mirror, downstream: Downstream) -> Siblings:
        """Where a blob may be beside `downstream`: where it was noted, else where the mirror copies it before."""
        here, others = downstream.endpoint, [each.endpoint for each in mirror.downstreams]
        before = others[: others.index(here)] if here in others else []
        guess = next((each.name for each in before if each.host == here.host), None)

        def sibling(digest: Digest) -> str | None:
            with self._lock:
                found = self._repositories.get((here.host, digest))
            return found if found not in (None, here.name) else guess

        return sibling


class Noting:
    """A `Progress` that notes what is at `place` now, and passes all on."""

    def __init__(self, progress: Progress, whereabouts: Whereabouts, place: Endpoint) -> None:
        self._progress = progress
        self._whereabouts = whereabouts
        self._place = place

    def planned(self, blobs: Sequence[Descriptor]) -> None:
        """See `Progress`."""
        self._progress.planned(blobs)

    def moved(self, count: int) -> None:
        """See `Progress`."""
        self._progress.moved(count)

    def placed(self, blob: Descriptor, how: str) -> None:
        """See `Progress`."""
        self._whereabouts.note(self._place, blob.digest)
        self._progress.placed(blob, how)

    def finished(self, item: Item, how: str) -> None:
        """See `Progress`."""
        self._progress.finished(item, how)
