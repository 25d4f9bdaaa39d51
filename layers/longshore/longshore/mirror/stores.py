"""What planning and carrying out need of the world beside registries: the ledger, and the places downstream."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from longshore.images import Digest, Endpoint
    from longshore.manifests import Manifest
    from longshore.mirror.budget import Budget, Promise
    from longshore.mirror.plan import Known, Sighting
    from longshore.mirror.ports import Holdings, RateLimit, Registry
    from longshore.mirror.rules import Downstream, Mirror


class Memory(Protocol):
    """What was copied, and since when upstream's tags name their images."""

    def known(self, mirror: str) -> Mapping[Endpoint, Mapping[str, Known]]:
        """All that is remembered of a mirror's tags, by downstream."""
        ...

    def remember(self, mirror: str, downstream: Endpoint, known: Known) -> None:
        """Keeps what is known of one tag, in place of what was known."""
        ...

    def forget(self, mirror: str, downstream: Endpoint, tag: str) -> None:
        """Drops a tag that is no more."""
        ...

    def sightings(self, mirror: str) -> Mapping[str, Sighting]:
        """By tag."""
        ...

    def arrivals(self, mirror: str) -> Mapping[str, datetime]:
        """Since when upstream is known to list each tag, whatever it names."""
        ...

    def arrive(self, mirror: str, arrivals: Mapping[str, datetime]) -> None:
        """Keeps new ones, in their order. Of one tag the first stands."""
        ...

    def sight(self, mirror: str, sightings: Mapping[str, Sighting]) -> None:
        """Keeps new ones. Of one image the first stands, whoever writes last."""
        ...


class Pulls(Protocol):
    """The budgets of pulls. `whose` names a registry's host and the login, or the address, that it counts for."""

    def budget(self, whose: str) -> Budget:
        """What is known; an empty one for a registry that was never used."""
        ...

    def reserve(self, whose: str, promise: Promise, now: datetime, keep: int) -> Budget | None:
        """Adds to what its token was promised, or answers None when there are too few. Atomic among all invocations."""
        ...

    def settle(self, whose: str, token: str, rate: RateLimit | None, now: datetime) -> None:
        """Ends a token's promise (none for an empty one), and records what the registry said last."""
        ...


class Lease(NamedTuple):
    """Who may work on something until when; `token` fences others off."""

    what: str
    token: int
    until: datetime


class Leases(Protocol):
    """Exclusion among invocations; a lease that is not given back ends by itself."""

    def take(self, what: str, now: datetime, until: datetime) -> Lease | None:
        """A lease, or None while somebody else has it."""
        ...

    def renew(self, lease: Lease, until: datetime) -> Lease | None:
        """The same lease for longer, over already or not; None when it went to somebody else meanwhile."""
        ...

    def release(self, lease: Lease) -> None:
        """Gives it back; does nothing when it went to somebody else meanwhile."""
        ...

    def last(self, what: str) -> datetime | None:
        """When this was done last, as `done` recorded it."""
        ...

    def done(self, what: str, at: datetime) -> None:
        """Records that it was done."""
        ...


class Jobs(Protocol):
    """Copies that are fanned out: which of their blobs are not there yet."""

    def begin(self, job: str, blobs: Collection[Digest], now: datetime) -> None:
        """Records what has to come first; anew when it was there."""
        ...

    def arrived(self, job: str, blobs: Collection[Digest]) -> int | None:
        """Strikes blobs off; answers how many are left, None for a job that nobody knows (any more).

        To strike one off again changes nothing.
        """
        ...

    def end(self, job: str) -> None:
        """Forgets it."""
        ...


class Manifests(Protocol):
    """Manifests of upstreams that count pulls, for other invocations. Losing one costs a pull."""

    def load(self, upstream: Endpoint, digest: Digest) -> Manifest | None:
        """What was kept; None when it was not, or is not what its digest says."""
        ...

    def keep(self, upstream: Endpoint, manifests: Iterable[Manifest]) -> None:
        """For as long as a copy may take."""
        ...


class Places(Protocol):
    """The registries, by what a mirror calls them. Objects are made once and shared."""

    def source(self, mirror: Mirror) -> Registry:
        """Upstream."""
        ...

    def destination(self, mirror: Mirror, downstream: Downstream) -> Registry:
        """Downstream."""
        ...

    def holdings(self, downstream: Downstream) -> Holdings | None:
        """What downstream holds, where its own API tells it in bulk."""
        ...

    def create(self, mirror: Mirror, downstream: Downstream) -> bool:
        """Creates the repository from the mirror's template and fills the catalog; answers whether it was missing.

        Raises UnsupportedError for a registry where Longshore cannot.
        """
        ...

    def describe(self, mirror: Mirror, downstream: Downstream) -> bool:
        """Brings ECR Public's catalog data up to date; answers whether anything differed."""
        ...

    def delete(self, downstream: Downstream, tags: Mapping[str, Digest]) -> Sequence[str]:
        """Deletes tags that still name these digests; answers those that it deleted."""
        ...
