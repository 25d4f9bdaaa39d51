"""Killed between any two calls of a port, or joined there by another: the copy ends whole, and sends little again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import pytest

from longshore.mirror.copier import Copier
from longshore.mirror.errors import BusyError, UploadLostError, UploadOffsetError
from longshore.mirror.leases import LENGTH
from longshore.mirror.orders import Bounds, Copy, Item
from longshore_cli.mirror_memory import MemoryLeases, MemoryUploads
from longshore_local.image_shapes import composed, index_of, referrers_of
from longshore_local.images import OCI_LAYER, SyntheticImage
from tests.boundaries import Boundary, Bounded, Crash
from tests.mirror_world import REPOSITORY, FakeRegistry

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.manifests import Descriptor, Manifest
    from longshore.mirror.ports import Chunk, Registry, Stored, Upload
    from longshore.mirror.report import Report

CHUNK = 100
BOUNDS = Bounds(streams=2, requests=2, chunk=CHUNK, small=50, part=50, ahead=1)
TAGS = ("1.0", "2.0", "latest")


class Acknowledged:
    """A destination, and what its caller got to know to have arrived there."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self.size = 0
        self.manifests: list[tuple[str, tuple[str, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def append(self, upload: Upload, chunks: Iterable[Chunk], length: int) -> Upload:
        """A chunk."""
        answer: Upload = self._registry.append(upload, chunks, length)
        self.size += length
        return answer

    def finish(self, upload: Upload, blob: Descriptor, chunks: Iterable[Chunk] = (), length: int = 0) -> None:
        """A blob."""
        self._registry.finish(upload, blob, chunks, length)
        self.size += length

    def put_manifest(self, repository: str, manifest: Manifest, tags: Sequence[str] = ()) -> Stored:
        """A manifest."""
        stored: Stored = self._registry.put_manifest(repository, manifest, tags)
        self.manifests.append((manifest.digest, tuple(tags)))
        return stored


class Sticky(FakeRegistry):
    """As ECR: what it says of an upload stays at the first chunk, and what it has is refused (mirror 3)."""

    def append(self, upload: Upload, chunks: Iterable[Chunk], length: int) -> Upload:
        """A chunk that follows."""
        if len(self.uploads.get(upload.location, b"")) not in (0, upload.offset):
            raise UploadOffsetError("416", CHUNK) if upload.offset != CHUNK else UploadLostError("416")
        after = super().append(upload, chunks, length)
        return replace(after, sticky=after.offset != CHUNK)

    def resume(self, upload: Upload) -> Upload:
        """Where it was, as far as is known."""
        told = super().resume(upload)
        return upload if upload.sticky else told.at(min(told.offset, CHUNK))


class CopierWorld(Bounded):
    """Two registries and the ledger, which outlive every process."""

    def __init__(self, kind: type[FakeRegistry] = FakeRegistry) -> None:
        super().__init__()
        self.source = FakeRegistry("source", "up.example")
        self.destination = kind("destination", "down.example")
        self.ledger, self.leases = MemoryUploads(), MemoryLeases()
        self._dead = False
        self._lock = threading.RLock()
        for tag, images in stories():
            for image in images:
                self.source.place(image, *tag)
            for referrer in referrers_of(images[0]) if "1.0" in tag else ():
                self.source.refer(referrer)

    def step(self, name: str, moment: str) -> None:
        """Nobody gets any further in a process that has ended."""
        with self._lock:
            if self._dead:
                raise Crash(name)
            try:
                super().step(name, moment)
            except Crash:
                self._dead = True
                raise

    def process(self, *, bounded: bool = False) -> tuple[Copier, Acknowledged]:
        """A new one."""
        ports: list[Any] = [self.source, self.destination, self.ledger, self.leases]
        source, destination, ledger, leases = [self._port(each) for each in ports] if bounded else ports
        noted = Acknowledged(destination)
        return Copier(
            source,
            cast("Registry", noted),
            self.clock,
            BOUNDS,
            ledger=ledger,
            leases=leases,
            sleep=lambda seconds: None,
            chance=lambda: 0.0,
        ), noted

    def _port(self, port: Any) -> Any:
        return Boundary(port, self.step)

    def leased(self) -> list[Digest]:
        """Blobs that a process has a lease of."""
        now, place = self.clock.now(), f"blob {self.destination.host}/{REPOSITORY}"
        blobs = self.source.repositories[REPOSITORY].blobs
        return [digest for digest in blobs if self.leases.take(f"{place}@{digest}", now, now) is None]

    def unlike(self) -> list[str]:
        """Tags that are not at the destination as they are at the source."""
        return [tag for tag in TAGS if self.source.tree(tag) != self.destination.tree(tag)]

    def partial(self) -> list[str]:
        """Tags that are there and not whole."""
        return [tag for tag in self.destination.repositories[REPOSITORY].tags if tag in TAGS and tag in self.unlike()]


@cache
def stories() -> tuple[tuple[tuple[str, ...], tuple[SyntheticImage, ...]], ...]:
    """An index with referrers under two tags, and an image that shares a large layer with it."""

    def layered(*sizes: tuple[str, int]) -> SyntheticImage:
        return composed([(OCI_LAYER, hashlib.shake_256(seed.encode()).digest(size)) for seed, size in sizes])

    first = layered(("shared", 350), ("a", 70), ("b", 20))
    return (
        (("1.0", "latest"), (index_of(first, layered(("shared", 350), ("c", 30))),)),
        (("2.0",), (layered(("shared", 350), ("d", 230)),)),
    )


def copied(copier: Copier) -> Report:
    return copier.run(Copy(REPOSITORY, REPOSITORY, tuple(Item(tag, tag) for tag in TAGS)))


@cache
def whole() -> tuple[int, int]:
    """Bytes and steps of a run that nothing happens to."""
    world = CopierWorld()
    copier, noted = world.process(bounded=True)
    assert copied(copier).ok
    assert world.unlike() == []
    return noted.size, len(world.steps)


@pytest.mark.parametrize(("kind", "again"), [(FakeRegistry, 0), (Sticky, 2 * CHUNK)])
def test_a_run_that_is_killed_is_finished_and_nothing_is_sent_again_that_was_acknowledged(
    kind: type[FakeRegistry], again: int
) -> None:
    """But for ECR, of which nobody knows whether it has the second chunk: then the first two."""
    needed, steps = whole()
    for at in range(1, steps):
        world = CopierWorld(kind)
        copier, before = world.process(bounded=True)
        world.crash_after(at)
        with pytest.raises(Crash):
            copied(copier)
        assert world.partial() == []
        where = world.steps[-1]
        world.clock.advance(LENGTH.total_seconds())
        world.destination.received = 0
        copier, after = world.process()
        assert copied(copier).ok, where
        assert world.unlike() == [], where
        assert world.destination.received <= needed - before.size + again, where
        assert not set(before.manifests) & set(after.manifests), where


def test_another_that_comes_in_between_any_two_calls_harms_no_upload() -> None:
    shared = 0
    for at in range(1, whole()[1]):
        world = CopierWorld()
        copier, _ = world.process(bounded=True)
        others: list[Report] = []
        under_way: list[Digest] = []

        def join(
            step: str,
            world: CopierWorld = world,
            at: int = at,
            others: list[Report] = others,
            under_way: list[Digest] = under_way,
        ) -> None:
            if len(world.steps) == at:
                under_way += world.leased()
                others.append(copied(world.process()[0]))

        world.interrupt = join
        reports = [copied(copier), *others]
        where = world.steps[at - 1]
        assert len(reports) == 2
        assert {type(each.error) for report in reports for each in report.failures} <= {BusyError}, where
        assert {each.side for report in reports for each in report.failures} <= {None}, where
        assert world.partial() == []
        for digest in under_way:
            shared += 1
            assert world.destination.calls.count(("finish", digest)) == 1, where
        assert copied(world.process()[0]).ok, where
        assert world.unlike() == []
    assert shared
