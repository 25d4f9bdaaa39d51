"""Copies images from one registry to another, byte for byte or not at all: read, send blobs, store manifests last."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from longshore.errors import AccessDeniedError
from longshore.mirror.errors import BusyError, PutOffError, RepositoryGoneError, UnfinishedError
from longshore.mirror.forest import Cause, Forest, Kin, Root, caught
from longshore.mirror.limits import Deadline, Retries
from longshore.mirror.orders import Bounds, Copy, Item
from longshore.mirror.prefetch import Reading
from longshore.mirror.report import Failure, Progress, Report, Silence, Tally
from longshore.mirror.storing import Storing
from longshore.mirror.surroundings import Surroundings
from longshore.mirror.trees import blobs_of, comes_along, foreign_layers, is_digest_tag
from longshore.mirror.uploads import How, Sender, Siblings
from longshore.mirror.walking import OverfullError, Walk

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.manifests import Descriptor
    from longshore.mirror.ports import Holdings, Registry, UploadLedger
    from longshore.mirror.stores import Leases
    from longshore.ports import Clock


_CHUNKS = 8
"""From so many on, one more request is nothing to what it may save."""


def all_tags(source: Registry, copy: Copy) -> Copy:
    """The order for every tag; those of signatures and the like only as far as they come along anyway."""
    tags = sorted(source.tags(copy.source))
    wanted = [tag for tag in tags if not is_digest_tag(tag)]
    along = [tag for tag in tags if comes_along(tag, copy.referrers)]
    items = tuple(Item(tag, tag) for tag in (*wanted, *along))
    return replace(copy, items=items, source_tags=frozenset(tags))


@dataclass
class Copier:
    """Two registries and what is known of the way between them. One `run` at a time.

    `before_put` is called before every manifest and `before_finish` before the end of every upload, to keep a pace
    (`limits.Pace`), which lets a manifest pass every `put_seconds`; `siblings` tells where else at the destination's
    host a blob may be mounted from; `longest_wait`, in seconds, is how long a registry may ask to be left alone;
    `monotonic`, `sleep` and `chance` are for tests.
    """

    source: Registry
    destination: Registry
    clock: Clock
    bounds: Bounds = field(default_factory=Bounds)
    deadline: Deadline | None = None
    ledger: UploadLedger | None = None
    leases: Leases | None = None
    holdings: Holdings | None = None
    siblings: Siblings = field(default=lambda digest: None)
    before_put: Callable[[], None] = field(default=lambda: None)
    put_seconds: float = 0.0
    before_finish: Callable[[], None] = field(default=lambda: None)
    longest_wait: float = 5.0
    progress: Progress = field(default_factory=Silence)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def run(self, copy: Copy) -> Report:
        """Copies what was ordered. What failed is in the report, by item; the others are not held up by it."""
        begun = self.monotonic()
        tally, deadline = Tally(self.progress), self.deadline or Deadline(self.clock)
        with (
            _pool(self.bounds.requests, "mirror requests", deadline) as requests,
            _pool(self.bounds.streams, "mirror streams", deadline) as streams,
        ):
            _Run(self, copy, tally, deadline, requests, streams).all()
        return tally.report(self.monotonic() - begun)

    def retries(self) -> Retries:
        """For one blob."""
        return Retries(self.bounds.tries, self.sleep, self.chance, self.longest_wait)


class _Run:
    def __init__(
        self,
        copier: Copier,
        copy: Copy,
        tally: Tally,
        deadline: Deadline,
        requests: Executor,
        streams: Executor,
    ) -> None:
        self._copier = copier
        self._copy = copy
        self._tally = tally
        self._deadline = deadline
        self._requests = requests
        self._streams = streams
        self._around = Surroundings(copier.source, copier.destination, copy, copier.holdings)
        self._walk = Walk(copier.source, copier.destination, copy, self._around, requests, deadline)
        self._sender = Sender(
            Reading(copier.source, copy.source, copier.bounds, copier.monotonic),
            copier.destination,
            copy.destination,
            copier.bounds,
            deadline,
            copier.clock,
            copier.retries,
            copier.ledger,
            copier.siblings,
            tally.moved,
            copier.before_finish,
            tally.kept,
            copier.leases,
        )
        self._placed: set[Digest] = set()
        self._looked = False
        self._left_behind = False

    def all(self) -> None:
        """In batches, so that memory does not grow with the number of tags."""
        items, size = self._copy.items, self._copier.bounds.batch
        for first in range(0, len(items), size):
            self._batch(items[first : first + size])

    def _batch(self, items: Sequence[Item]) -> None:
        grown = self._grown(items)
        if grown is None:
            half = len(items) // 2
            self._batch(items[:half])
            self._batch(items[half:])
            return
        forest, failed = grown
        kin = Kin(forest)
        for item, cause in failed:
            self._tally.failed(Failure(item, *cause, subjects=() if item in items else kin.subjects(item)))
        to_store = [m for digest, m in forest.manifests.items() if digest not in forest.present]
        self._tally.left_out(foreign_layers(to_store))
        self._tally.noted(forest.notes)
        self._deadline.reserve(len(to_store) * self._copier.put_seconds)
        self._place(forest, blobs_of(to_store))
        store = Storing(
            self._copier.destination,
            self._copy.destination,
            forest,
            self._sender,
            self._requests,
            self._deadline,
            self._tally,
            self._copier.before_put,
            look=self._left_behind and self._around.is_fresh,
        )
        refused = store.store()
        self._walk.stored(store.there)
        for root in forest.roots:
            self._conclude(root, refused.get(root.item) or forest.failed.get(root.digest), kin)

    def _grown(self, items: Sequence[Item]) -> tuple[Forest, list[tuple[Item, Cause]]] | None:
        """None for too many; the error is over by then: it holds all that was read."""
        try:
            return self._walk.grow(items)
        except OverfullError:
            return None

    def _conclude(self, root: Root, cause: Cause | None, kin: Kin) -> None:
        if cause is not None:
            subjects = kin.subjects(root.item) if root.referrer else ()
            self._tally.failed(Failure(root.item, *cause, subjects=subjects))
        elif root.digest == root.here:
            self._tally.manifest(skipped=True)
            self._tally.in_sync(root.item)
        else:
            self._tally.copied(root.item)

    def _place(self, forest: Forest, blobs: Sequence[Descriptor]) -> None:
        """Blobs that no earlier batch has placed; the largest first."""
        wanted = [blob for blob in blobs if blob.digest not in self._placed]
        self._tally.planned(wanted)
        there = self._known_blobs(wanted)
        if there is None and wanted and self._around.is_fresh and not self._left_behind:
            there = self._after_the_smallest(forest, wanted)
        for blob in wanted:
            if blob.digest in (there or ()) and blob.digest not in self._placed:
                self._note(blob, "there")
        self._send(forest, [blob for blob in wanted if blob.digest not in self._placed], look=there is None)

    def _known_blobs(self, blobs: Sequence[Descriptor]) -> set[Digest] | None:
        holdings = self._copier.holdings
        if holdings is None:
            return None
        found = holdings.blobs(self._copy.destination, [blob.digest for blob in blobs])
        return None if found is None else set(found)

    def _after_the_smallest(self, forest: Forest, blobs: Sequence[Descriptor]) -> set[Digest] | None:
        """In an empty repository one blob goes before all others; what is known then of the others: nothing, or none.

        Only when it is there already was somebody here before, a run that was killed; then each of the others is looked
        for. Else there is nothing to look for, which saves a third of all requests. A tag that was moved since has
        another smallest blob: where there is much to be sent, the largest is looked for as well.
        """
        if not self._looked:
            self._looked = True
            self._one(forest, blobs[-1], look=True)
            if not self._left_behind and sum(blob.size for blob in blobs) >= _CHUNKS * self._copier.bounds.chunk:
                found = caught(lambda: self._copier.destination.has_blob(self._copy.destination, blobs[0].digest))
                self._left_behind = found is True
        return None if self._left_behind else set()

    def _send(self, forest: Forest, blobs: Sequence[Descriptor], *, look: bool) -> None:
        """What others are sending is looked at again when all else is sent."""
        self._send_all(forest, blobs, look=look)
        busy = [b for b in blobs if b.digest in forest.failed and isinstance(forest.failed[b.digest].error, BusyError)]
        for blob in busy:
            del forest.failed[blob.digest]
        self._send_all(forest, busy, look=True)

    def _send_all(self, forest: Forest, blobs: Sequence[Descriptor], *, look: bool) -> None:
        small = self._copier.bounds.small
        streams = [self._streams.submit(self._one, forest, blob, look=look) for blob in blobs if blob.size > small]
        rest = [self._requests.submit(self._one, forest, blob, look=look) for blob in blobs if blob.size <= small]
        for sending in (*streams, *rest):
            sending.result()

    def _one(self, forest: Forest, blob: Descriptor, *, look: bool) -> None:
        if blob.digest in forest.failed:
            return
        how = caught(lambda: self._sender.place(blob, look=look))
        if isinstance(how, Cause):
            forest.failed[blob.digest] = how
            refused = how.side == "destination" and isinstance(how.error, RepositoryGoneError | AccessDeniedError)
            asked = isinstance(how.error, PutOffError) and how.error.retry_after > self._copier.longest_wait
            if refused or asked:
                self._deadline.halt(how.error)  # the others would be told the same
        else:
            self._note(blob, how)

    def _note(self, blob: Descriptor, how: How) -> None:
        self._placed.add(blob.digest)
        self._left_behind = self._left_behind or how == "there"
        self._tally.placed(blob, how)


@contextmanager
def _pool(size: int, name: str, deadline: Deadline) -> Iterator[Executor]:
    """Threads that end with the block; whatever ends it early stops what they do."""
    pool = ThreadPoolExecutor(size, name)
    try:
        yield pool
    except BaseException:
        deadline.stop(UnfinishedError("stopped"))
        raise
    finally:
        pool.shutdown(cancel_futures=True)
