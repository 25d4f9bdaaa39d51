"""Mirror's stores in memory: for the command where there is no ledger to be seen, and for tests."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from longshore.mirror.budget import Budget
from longshore.mirror.stores import Lease

if TYPE_CHECKING:
    from longshore.images import Digest, Endpoint
    from longshore.manifests import Manifest
    from longshore.mirror.budget import Promise
    from longshore.mirror.plan import Known, Sighting
    from longshore.mirror.ports import RateLimit, Upload


class MemoryMirrors:
    """`Memory` in dictionaries."""

    def __init__(self) -> None:
        self._known: dict[str, dict[Endpoint, dict[str, Known]]] = {}
        self._seen: dict[str, dict[str, Sighting]] = {}
        self._arrived: dict[str, dict[str, datetime]] = {}

    def known(self, mirror: str) -> Mapping[Endpoint, Mapping[str, Known]]:
        """See the port."""
        return {endpoint: dict(tags) for endpoint, tags in self._known.get(mirror, {}).items()}

    def remember(self, mirror: str, downstream: Endpoint, known: Known) -> None:
        """See the port."""
        self._known.setdefault(mirror, {}).setdefault(downstream, {})[known.tag] = known

    def forget(self, mirror: str, downstream: Endpoint, tag: str) -> None:
        """See the port."""
        self._known.get(mirror, {}).get(downstream, {}).pop(tag, None)

    def sightings(self, mirror: str) -> Mapping[str, Sighting]:
        """See the port."""
        return dict(self._seen.get(mirror, {}))

    def arrivals(self, mirror: str) -> Mapping[str, datetime]:
        """See the port."""
        return dict(self._arrived.get(mirror, {}))

    def arrive(self, mirror: str, arrivals: Mapping[str, datetime]) -> None:
        """See the port."""
        self._arrived[mirror] = {**arrivals, **self._arrived.get(mirror, {})}

    def sight(self, mirror: str, sightings: Mapping[str, Sighting]) -> None:
        """See the port."""
        seen = self._seen.setdefault(mirror, {})
        for tag, sighting in sightings.items():
            if tag not in seen or seen[tag].digest != sighting.digest:
                seen[tag] = sighting


class MemoryPulls:
    """`Pulls` in a dictionary."""

    def __init__(self) -> None:
        self.budgets: dict[str, Budget] = {}

    def budget(self, whose: str) -> Budget:
        """See the port."""
        return self.budgets.get(whose, Budget())

    def reserve(self, whose: str, promise: Promise, now: datetime, keep: int) -> Budget | None:
        """See the port."""
        after = self.budget(whose).reserve(promise, now, keep)
        if after is not None:
            self.budgets[whose] = replace(after, version=after.version + 1)
        return after

    def settle(self, whose: str, token: str, rate: RateLimit | None, now: datetime) -> None:
        """See the port."""
        after = self.budget(whose).settle(token, rate, now)
        self.budgets[whose] = replace(after, version=after.version + 1)


class MemoryLeases:
    """`Leases` in a dictionary. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}
        self._last: dict[str, datetime] = {}
        self._tokens = 0

    def take(self, what: str, now: datetime, until: datetime) -> Lease | None:
        """See the port."""
        with self._lock:
            if what in self._held and self._held[what].until > now:
                return None
            self._tokens += 1
            self._held[what] = Lease(what, self._tokens, until)
            return self._held[what]

    def renew(self, lease: Lease, until: datetime) -> Lease | None:
        """See the port."""
        with self._lock:
            if not self._is_of(lease):
                return None
            self._held[lease.what] = lease._replace(until=until)
            return self._held[lease.what]

    def release(self, lease: Lease) -> None:
        """See the port."""
        with self._lock:
            if self._is_of(lease):
                del self._held[lease.what]

    def _is_of(self, lease: Lease) -> bool:
        held = self._held.get(lease.what)
        return held is not None and held.token == lease.token

    def last(self, what: str) -> datetime | None:
        """See the port."""
        return self._last.get(what)

    def done(self, what: str, at: datetime) -> None:
        """See the port."""
        self._last[what] = at


class MemoryJobs:
    """`Jobs` in a dictionary."""

    def __init__(self) -> None:
        self.jobs: dict[str, set[Digest]] = {}

    def begin(self, job: str, blobs: Collection[Digest], now: datetime) -> None:
        """See the port."""
        self.jobs[job] = set(blobs)

    def arrived(self, job: str, blobs: Collection[Digest]) -> int | None:
        """See the port."""
        if job not in self.jobs:
            return None
        self.jobs[job] -= set(blobs)
        return len(self.jobs[job])

    def end(self, job: str) -> None:
        """See the port."""
        self.jobs.pop(job, None)


class MemoryManifests:
    """`Manifests` in a dictionary, by digest: a manifest is the same wherever it is."""

    def __init__(self) -> None:
        self._kept: dict[Digest, Manifest] = {}

    def load(self, upstream: Endpoint, digest: Digest) -> Manifest | None:
        """See the port."""
        return self._kept.get(digest)

    def keep(self, upstream: Endpoint, manifests: Iterable[Manifest]) -> None:
        """See the port."""
        self._kept.update((manifest.digest, manifest) for manifest in manifests)


class MemoryUploads:
    """`UploadLedger` in a dictionary."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, Digest], Upload] = {}

    def load(self, host: str, repository: str, digest: Digest) -> Upload | None:
        """See the port."""
        return self._kept.get((host, repository, digest))

    def save(self, host: str, digest: Digest, upload: Upload) -> None:
        """See the port."""
        self._kept[host, upload.repository, digest] = upload

    def forget(self, host: str, repository: str, digest: Digest) -> None:
        """See the port."""
        self._kept.pop((host, repository, digest), None)
