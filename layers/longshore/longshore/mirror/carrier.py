"""Carries an order out within an invocation: the copy engine, in its time, at ECR's pace, not too much at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from longshore.errors import LongshoreError
from longshore.images import DOCKER_HUB_API
from longshore.mirror.copier import Copier
from longshore.mirror.leases import WhileHeld
from longshore.mirror.limits import Deadline, Pace, Retries
from longshore.mirror.orders import Bounds, Copy, Item, TagLists
from longshore.mirror.prefetch import Reading
from longshore.mirror.report import Report, Silence
from longshore.mirror.shelf import LedgerShelf, counts_pulls
from longshore.mirror.uploads import BlobError, Sender
from longshore.mirror.whereabouts import Noting, Whereabouts

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.manifests import Descriptor
    from longshore.mirror.leases import Held
    from longshore.mirror.ports import Holdings, RateLimit, Registry, UploadLedger
    from longshore.mirror.report import Progress
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.stores import Leases, Manifests, Places
    from longshore.ports import Clock

GIB: Final = 1024**3
_LARGE_BYTES: Final = GIB
_LARGE_COUNT: Final = 60
PER_SECOND: Final = 2.0
"""ECR takes 10 manifests a second of an account (PutImage), ECR Public also ends no more than 10 uploads in one
(CompleteLayerUpload; mirror 3), and up to five invocations share them."""


class TooLargeError(Exception):
    """More is missing downstream than one invocation should send: `blobs` go ahead, by others."""

    def __init__(self, blobs: Sequence[Descriptor]) -> None:
        super().__init__(f"{len(blobs)} blobs, {sum(blob.size for blob in blobs)} bytes")
        self.blobs = tuple(blobs)


@dataclass(frozen=True, slots=True)
class Sent:
    """Blobs that are downstream now, what kept the others away, and what upstream said of its pulls."""

    there: tuple[Digest, ...]
    failed: tuple[tuple[Descriptor, LongshoreError], ...] = ()
    progressed: bool = False
    """As in `Report`."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one run of the engine is to copy of a mirror to one of its downstreams, and until when.

    `whole`: however large it is. `complete` are images that were copied there on the mirror's present terms. `held` is
    a lease that the run keeps: what is left when it is lost fails with LeaseLostError. `lists` are shared by all parts
    of an order.
    """

    mirror: Mirror
    downstream: Downstream
    items: Sequence[Item]
    until: datetime
    whole: bool
    complete: Collection[Digest] = ()
    held: Held | None = None
    lists: TagLists = field(default_factory=TagLists)


class Carrier(Protocol):
    """What carries orders out; see `CopyCarrier`."""

    def copy(self, part: Part) -> Report:
        """Copies until the deadline. Raises TooLargeError before anything is sent, unless it is to be done `whole`."""
        ...

    def send(self, mirror: Mirror, downstream: Downstream, blobs: Sequence[Descriptor], until: datetime) -> Sent:
        """Sends blobs alone, the largest first."""
        ...

    def rate(self, mirror: Mirror, ask: Digest = "") -> RateLimit | None:
        """What upstream said of its pulls last; by a HEAD for `ask`, where it said nothing yet but counts them."""
        ...

    def shelved(self, mirror: Mirror, digest: Digest) -> bool:
        """Whether an image's manifest was read before and kept, so that its pulls are made."""
        ...

    def stored(self, mirror: Mirror, downstream: Downstream, tag: str) -> Digest:
        """What a tag holds downstream now; empty for nothing."""
        ...


class _Scale(Silence):
    """Stops a run that is too large, when its blobs are known and none is sent yet."""

    def __init__(self, holdings: Holdings | None, repository: str) -> None:
        self._holdings = holdings
        self._repository = repository

    def planned(self, blobs: Sequence[Descriptor]) -> None:
        """Raises TooLargeError."""
        if not _is_large(blobs):
            return
        found = self._holdings.blobs(self._repository, [blob.digest for blob in blobs]) if self._holdings else None
        missing = [blob for blob in blobs if blob.digest not in (found or ())]
        if _is_large(missing):
            raise TooLargeError(missing)


def _is_large(blobs: Sequence[Descriptor]) -> bool:
    return len(blobs) > _LARGE_COUNT or sum(blob.size for blob in blobs) > _LARGE_BYTES


@dataclass
class CopyCarrier:
    """The engine on the registries of `Places`.

    `leases` keep others from sending the same blob at the same time, `manifests` from pulling what was pulled before.
    `per_second` is how many manifests go into ECR, and how many uploads end in ECR Public: each of both.
    `whole`: nothing is too large, as at a terminal, which has no deadline. `progress` is told how far that is.
    """

    places: Places
    uploads: UploadLedger
    clock: Clock
    bounds: Bounds = field(default_factory=Bounds)
    leases: Leases | None = None
    manifests: Manifests | None = None
    per_second: float = PER_SECOND
    whole: bool = False
    progress: Progress = field(default_factory=Silence)
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._put = Pace(self.per_second, self.clock, self.sleep).wait
        self._finish = Pace(self.per_second, self.clock, self.sleep).wait
        self._whereabouts = Whereabouts()

    def copy(self, part: Part) -> Report:
        """See the port."""
        mirror, downstream = part.mirror, part.downstream
        holdings, source = self.places.holdings(downstream), self.places.source(mirror)
        copier = Copier(
            source,
            self.places.destination(mirror, downstream),
            self.clock,
            bounds=self.bounds,
            deadline=WhileHeld(self.clock, part.until, part.held) if part.held else Deadline(self.clock, part.until),
            ledger=self.uploads,
            leases=self.leases,
            holdings=holdings,
            siblings=self._whereabouts.siblings(mirror, downstream),
            before_put=self._put if downstream.creatable else _at_once,
            put_seconds=1 / self.per_second if downstream.creatable else 0.0,
            before_finish=self._finish if downstream.is_public else _at_once,
            progress=Noting(
                self.progress if part.whole or self.whole else _Scale(holdings, downstream.endpoint.name),
                self._whereabouts,
                downstream.endpoint,
            ),
        )
        shelf = LedgerShelf(self.manifests, mirror.upstream) if self.manifests and counts_pulls(source) else None
        order = Copy(
            mirror.upstream.name,
            downstream.endpoint.name,
            tuple(part.items),
            frozenset(mirror.platforms),
            mirror.referrers,
            mirror.demanded,
            complete=frozenset(part.complete).__contains__,
            shelf=shelf,
            lists=part.lists,
        )
        before, again = _pulls(source), True
        try:
            report = copier.run(order)
            order.lists.copied(report.copied)
            again = len(mirror.downstreams) > 1 or not report.ok
        finally:
            if shelf and again:
                shelf.keep()
        return replace(report, pulls=_pulls(source) - before)

    def send(self, mirror: Mirror, downstream: Downstream, blobs: Sequence[Descriptor], until: datetime) -> Sent:
        """See the port."""
        deadline = Deadline(self.clock, until)
        kept: list[bool] = []
        sender = Sender(
            Reading(self.places.source(mirror), mirror.upstream.name, self.bounds),
            self.places.destination(mirror, downstream),
            downstream.endpoint.name,
            self.bounds,
            deadline,
            self.clock,
            lambda: Retries(self.bounds.tries),
            self.uploads,
            self._whereabouts.siblings(mirror, downstream),
            before_finish=self._finish if downstream.is_public else _at_once,
            kept=lambda: kept.append(True),
            leases=self.leases,
        )
        there: list[Digest] = []
        failed: list[tuple[Descriptor, LongshoreError]] = []
        for blob in sorted(blobs, key=lambda each: -each.size):
            try:
                sender.place(blob, look=True)
                there.append(blob.digest)
                self._whereabouts.note(downstream.endpoint, blob.digest)
            except BlobError as error:
                failed.append((blob, error.error))
        return Sent(tuple(there), tuple(failed), bool(there or kept))

    def rate(self, mirror: Mirror, ask: Digest = "") -> RateLimit | None:
        """See the port. With a login it is known whom Docker Hub counts for: there is nothing to ask."""
        source = self.places.source(mirror)
        if ask and source.rate is None and source.host == DOCKER_HUB_API and not mirror.secret:
            with contextlib.suppress(LongshoreError):  # the copy is told the same
                source.head(mirror.upstream.name, ask)
        return source.rate

    def shelved(self, mirror: Mirror, digest: Digest) -> bool:
        """See the port."""
        return self.manifests is not None and LedgerShelf(self.manifests, mirror.upstream).load(digest) is not None

    def stored(self, mirror: Mirror, downstream: Downstream, tag: str) -> Digest:
        """See the port."""
        head = self.places.destination(mirror, downstream).head(downstream.endpoint.name, tag)
        return head.digest if head else ""


def _pulls(source: Registry) -> int:
    return source.usage.requests.get("GET manifest", 0)


def _at_once() -> None:
    """A registry without a known limit."""


def packs(blobs: Sequence[Descriptor], most_bytes: int = 256 * 1024**2, most: int = 50) -> list[list[Descriptor]]:
    """Blobs in parcels for one message each: large ones alone, small ones together (mirror 7.10)."""
    found: list[list[Descriptor]] = []
    size = 0
    for blob in sorted(blobs, key=lambda each: (-each.size, each.digest)):
        if not found or size + blob.size > most_bytes or len(found[-1]) >= most:
            found.append([])
            size = 0
        found[-1].append(blob)
        size += blob.size
    return found
