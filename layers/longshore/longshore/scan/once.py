"""Scanners and platforms asked once for each message: many gates and reports are about the same few images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.images import Digest, Repository
    from longshore.scan.findings import Assessment
    from longshore.scan.ports import Runner, Runners, Scans


class AskedOnce:
    """Scans and Runners in one; what they said is believed until `forget`, never beyond one message.

    An answer that is kept longer could be older than the event which says that it changed.
    """

    def __init__(self, scans: Scans, runners: Runners) -> None:
        self._scans = scans
        self._runners = runners
        self._assessed: dict[tuple[Repository, Digest, tuple[Digest, ...] | None], Assessment] = {}
        self._images: dict[Repository, Sequence[tuple[Digest, Sequence[str], datetime]]] = {}
        self._running: dict[Repository, Mapping[Digest, Sequence[Runner]]] = {}

    def forget(self) -> None:
        """The next message begins."""
        self._assessed.clear()
        self._images.clear()
        self._running.clear()

    def assess(self, repository: Repository, digest: Digest, images: Sequence[Digest] | None = None) -> Assessment:
        """See `Scans`."""
        key = repository, digest, None if images is None else tuple(images)
        if key not in self._assessed:
            self._assessed[key] = self._scans.assess(repository, digest, images)
        return self._assessed[key]

    def index_of(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        """See `Scans`."""
        return self._scans.index_of(repository, digest)

    def images(self, repository: Repository) -> Iterable[tuple[Digest, Sequence[str], datetime]]:
        """See `Scans`."""
        if repository not in self._images:
            self._images[repository] = tuple(self._scans.images(repository))
        return self._images[repository]

    def of(self, repository: Repository) -> Mapping[Digest, Sequence[Runner]]:
        """See `Runners`."""
        if repository not in self._running:
            self._running[repository] = self._runners.of(repository)
        return self._running[repository]

    def clusters(self, repository: Repository, images: Sequence[Digest]) -> Sequence[Runner]:
        """See `Runners`."""
        return self._runners.clusters(repository, images)

    def repositories(self) -> Iterable[Repository]:
        """See `Runners`."""
        return self._runners.repositories()
