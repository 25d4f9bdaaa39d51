"""The hash that remembers boundaries, and a source read by several connections while that helps."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import UpstreamError
from longshore.manifests import Descriptor, Hash, hash_for
from longshore.mirror.errors import IntegrityError
from longshore.mirror.orders import Bounds
from longshore.mirror.prefetch import Reading
from longshore.mirror.streams import Pieces, RunningHash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from longshore.mirror.ports import Registry

CONTENT = hashlib.shake_256(b"content").digest(10_000)
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
BLOB = Descriptor("application/octet-stream", DIGEST, len(CONTENT))


@given(st.lists(st.integers(0, 300), max_size=20), st.integers(1, 250))
def test_every_boundary_is_remembered(cuts: list[int], step: int) -> None:
    running, at = RunningHash(hash_for(DIGEST), 0, step), 0
    for cut in cuts:
        running.update(CONTENT[at : at + cut])
        at += cut
    assert running.position == at
    assert running.hexdigest() == hashlib.sha256(CONTENT[:at]).hexdigest()
    for boundary in range(0, at + 1, step):
        remembered = running.at(boundary)
        assert remembered is not None
        assert remembered.hexdigest() == hashlib.sha256(CONTENT[:boundary]).hexdigest()
    running.acknowledged(step)
    assert running.at(0) is None or at < step


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_chunks_are_dealt_out_whatever_the_pieces(sizes: list[int], chunks: list[int]) -> None:
    content, offsets = CONTENT[: sum(sizes)], [sum(sizes[:at]) for at in range(len(sizes))]
    passed: list[int] = []
    source = (memoryview(content)[at : at + size] for at, size in zip(offsets, sizes, strict=True))
    pieces, at = Pieces(source, passed.append), 0
    for length in chunks:
        wanted = min(length, len(content) - at)
        assert b"".join(bytes(piece) for piece in pieces.take(wanted)) == content[at : at + wanted]
        at += wanted
    assert sum(passed) >= at


def test_a_source_that_ends_early_is_to_blame() -> None:
    pieces = Pieces(iter([b"abc"]), lambda count: None)
    with pytest.raises(IntegrityError):
        list(pieces.take(4))
    assert pieces.blames_source


def test_a_halt_is_not_the_sources_fault() -> None:
    def halted(count: int) -> None:
        raise UpstreamError("halted")

    pieces = Pieces(iter([b"abc"]), halted)
    with pytest.raises(UpstreamError):
        list(pieces.take(3))
    assert (str(pieces.error), pieces.blames_source) == ("halted", False)


class Ticking:
    """Time that passes where it is told to; each thread of a narrow source has its own wait."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.lock = threading.Lock()

    def __call__(self) -> float:
        with self.lock:
            return self.seconds

    def advance(self, seconds: float) -> None:
        with self.lock:
            self.seconds += seconds


@dataclass
class NarrowSource:
    """A registry that gives 100 bytes a second, to each connection or, if `shared`, to all together.

    Time is counted for the connection of the moment, divided among those that are open.
    """

    clock: Ticking
    content: bytes = CONTENT
    shared: bool = False
    side: str = "source"
    host: str = "up.example"
    opened: list[tuple[int, int | None]] = field(default_factory=list)
    open_now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def blob(
        self, repository: str, blob: Descriptor, offset: int = 0, length: int | None = None, hashed: Hash | None = None
    ) -> NarrowReader:
        self.opened.append((offset, length))
        return NarrowReader(self, offset, blob.size if length is None else offset + length, length, hashed)


@dataclass
class NarrowReader:
    source: NarrowSource
    offset: int
    end: int
    length: int | None
    hashed: Hash | None

    def __enter__(self) -> NarrowReader:
        with self.source.lock:
            self.source.open_now += 1
            self.source.most = max(self.source.most, self.source.open_now)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self.source.lock:
            self.source.open_now -= 1

    def __iter__(self) -> Iterator[bytes]:
        while self.offset < self.end:
            piece = self.source.content[self.offset : min(self.offset + 10, self.end)]
            # As many as may be under way share the wait, whether or not the scheduler lets them run at once.
            among = 1 if self.length is None or self.source.shared else 4
            self.source.clock.advance(len(piece) / 100 / among)
            if self.hashed is not None:
                self.hashed.update(piece)
            self.offset += len(piece)
            yield piece


def reading(source: NarrowSource, **changes: float) -> Reading:
    bounds = Bounds(part=500, ahead=int(changes.get("ahead", 4)), throttled=changes.get("throttled", 150.0))
    return Reading(cast("Registry", source), "team/web", bounds, source.clock)


def read(source: NarrowSource, hashed: RunningHash | None = None, **changes: float) -> bytes:
    running = hashed or RunningHash(hash_for(DIGEST), 0, 1_000)
    return b"".join(bytes(piece) for piece in reading(source, **changes).content(BLOB, 0, running))


class TestPrefetch:
    def test_a_throttled_source_is_read_by_several_connections(self) -> None:
        source = NarrowSource(Ticking())
        assert read(source) == CONTENT
        assert len(source.opened) > 10
        assert all(length is None or length <= 500 for _, length in source.opened)
        assert source.most <= 4

    def test_a_fast_source_is_not(self) -> None:
        source = NarrowSource(Ticking())
        assert read(source, throttled=50.0) == CONTENT
        assert source.opened == [(0, None)]

    def test_where_it_does_not_help_it_ends(self) -> None:
        source = NarrowSource(Ticking(), shared=True)
        assert read(source) == CONTENT
        ranges = [length for _, length in source.opened if length is not None]
        assert 2 <= len(ranges) <= 4
        assert source.opened[-1][1] is None  # the rest by one again

    def test_it_can_be_switched_off(self) -> None:
        source = NarrowSource(Ticking())
        assert read(source, ahead=1) == CONTENT
        assert source.opened == [(0, None)]

    def test_the_digest_is_found_out_before_the_last_piece(self) -> None:
        source = NarrowSource(Ticking(), CONTENT[:9_000] + b"\0" + CONTENT[9_001:])
        got: list[bytes] = []
        with pytest.raises(IntegrityError, match=r"source up\.example/team/web@sha256"):
            hashed = RunningHash(hash_for(DIGEST), 0, 1_000)
            got.extend(bytes(piece) for piece in reading(source).content(BLOB, 0, hashed))
        assert len(b"".join(got)) < len(CONTENT)

    def test_closed_early_it_leaves_nothing_running(self) -> None:
        source = NarrowSource(Ticking())
        content = reading(source).content(BLOB, 0, None)
        for _ in range(12):
            next(content)
        assert source.opened[-1][1] is not None
        content.close()
        assert source.open_now == 0
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("blob ranges")]

    def test_one_blob_at_a_time_has_several(self) -> None:
        source = NarrowSource(Ticking())
        shared = reading(source)
        first, second = (shared.content(BLOB, 0, None) for _ in range(2))
        for _ in range(12):
            next(first)
            next(second)
        ranges = [offset for offset, length in source.opened if length is not None]
        assert len(ranges) == len(set(ranges)) > 2
        first.close()
        second.close()
