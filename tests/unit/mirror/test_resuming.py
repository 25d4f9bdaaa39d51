"""Killed at any call, cut at any byte: the next run finishes, and sends little again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.errors import AmbiguousError, UpstreamError
from longshore.mirror.errors import PutOffError, RefusedError, UnfinishedError, UploadLostError, UploadOffsetError
from longshore.mirror.limits import Deadline
from longshore.mirror.orders import Bounds, Item
from longshore_local.image_shapes import composed, four_platforms, index_of, referrers_of
from longshore_local.images import OCI_LAYER, SyntheticImage
from tests.fakes import START
from tests.mirror_world import REPOSITORY, KilledError, MemoryLedger, World, failing

CHUNK = 100


def layered(*sizes: int, seed: str = "x") -> SyntheticImage:
    return composed([(OCI_LAYER, hashlib.shake_256(f"{seed}{at}".encode()).digest(n)) for at, n in enumerate(sizes)])


def made() -> World:
    """Several tags, chunks, referrers, an index: every kind of call is made."""
    world = World()
    image = index_of(layered(350, 120, seed="a"), layered(350, 20, seed="b"))
    world.source.place(image, "1.0", "latest")
    for referrer in referrers_of(image):
        world.source.refer(referrer)
    world.source.place(layered(500, 120, seed="a"), "2.0")
    return world


TAGS = ("1.0", "2.0", "latest")


def calls_of_a_run() -> int:
    world = made()
    world.copy(*TAGS)
    return len(world.source.calls) + len(world.destination.calls)


def killing(world: World, at: int, *, afterwards: bool) -> None:
    """Dies at the nth call, before it or after it had its effect."""
    left = iter(range(at))

    def strike(name: str, about: str) -> None:
        if name != "piece" and next(left, None) is None:
            raise KilledError

    for registry in (world.source, world.destination):
        if afterwards:
            registry.after = strike
        else:
            registry.before = strike


def mend(world: World) -> None:
    for registry in (world.source, world.destination):
        registry.before = registry.after = lambda name, about: None
        registry.within = lambda count: None


@pytest.mark.parametrize("afterwards", [False, True])
def test_killed_at_any_call_the_next_run_finishes(afterwards: bool) -> None:
    whole = made()
    whole.copy(*TAGS)
    needed = whole.destination.received
    for at in range(calls_of_a_run()):
        world = made()
        killing(world, at, afterwards=afterwards)
        with pytest.raises(KilledError):
            world.copy(*TAGS)
        assert world.partial() == []
        mend(world)
        assert world.copy(*TAGS).ok
        assert world.unlike(*TAGS) == []
        # What was in flight: a chunk or a small blob for each thread.
        assert world.destination.received <= needed + 5 * CHUNK


class TestResets:
    def cut_at(self, *offsets: int) -> Callable[[int], None]:
        """Raises when the bytes that arrived pass each of the offsets."""
        left, came = list(offsets), 0

        def within(count: int) -> None:
            nonlocal came
            came += count
            if left and came >= left[0]:
                left.pop(0)
                raise AmbiguousError("the connection broke")

        return within

    @pytest.mark.parametrize("cuts", [(150, 900, 2_000), (10, 20, 30), (2_990, 2_995, 2_999), (1, 1_500, 3_000)])
    def test_three_resets_cost_a_chunk_each(self, cuts: tuple[int, ...]) -> None:
        world = World()
        world.source.place(layered(3_000), "1.0")
        world.destination.within = self.cut_at(*cuts)
        report = world.copy("1.0", referrers="none")
        assert report.ok
        assert world.unlike("1.0") == []
        assert world.destination.received <= 3_000 * 1.15
        assert world.source.count("blob") == 2 + 3  # the source is read from where the destination is

    def test_a_chunk_sent_again_is_still_hashed(self) -> None:
        world = World()
        image = layered(1_000)
        world.source.place(image, "1.0")
        (digest,) = [digest for digest, content in image.blobs.items() if len(content) == 1_000]
        world.source.bad[digest] = b"\0" + image.blobs[digest][1:]
        world.destination.within = self.cut_at(450)
        (failure,) = world.copy("1.0").failures
        assert (failure.side, failure.digest) == ("source", digest)
        assert "another digest" in str(failure)
        assert world.destination.received <= 1_000 + CHUNK  # found out by us, not by the registry after all of it
        assert world.destination.repositories[REPOSITORY].tags == {}

    def test_a_session_that_ended_begins_anew(self) -> None:
        world = World()
        world.source.place(layered(500), "1.0")
        world.destination.before = failing(UploadLostError("gone"), name="append", about="upload-2")
        assert world.copy("1.0").ok
        assert world.unlike("1.0") == []

    def test_a_session_that_stands_elsewhere_goes_on_there(self) -> None:
        world = World()
        world.source.place(layered(500), "1.0")
        session: list[str] = []

        def once(name: str, about: str) -> None:
            if name == "append" and len(world.destination.uploads.get(about, b"")) == 300 and not session:
                session.append(about)
                del world.destination.uploads[about][120:]
                raise UploadOffsetError("at 120", 120)

        world.destination.before = once
        assert world.copy("1.0").ok
        assert session
        assert world.unlike("1.0") == []

    def test_an_answer_that_was_lost_is_asked_for(self) -> None:
        world = World()
        world.source.place(layered(80), "1.0")

        def lost(name: str, about: str) -> None:
            if name == "finish":
                raise AmbiguousError("no answer")

        world.destination.after = lost
        assert world.copy("1.0").ok
        assert world.destination.received == 82  # nothing twice

    def test_it_gives_up_after_four_tries_without_progress(self) -> None:
        world = World()
        world.source.place(layered(80), "1.0")
        broken = [UpstreamError(f"destination down.example: broken {number}") for number in range(9)]
        world.destination.before = failing(*broken, name="finish")
        (failure,) = world.copy("1.0").failures
        assert (failure.side, world.waits[:3]) == ("destination", [0.5, 1.0, 2.0])
        assert world.destination.repositories[REPOSITORY].tags == {}

    def test_a_short_wait_is_waited_and_a_long_one_put_off(self) -> None:
        world = World()
        world.source.place(layered(80), "1.0")
        world.destination.before = failing(PutOffError("slow down", 3.0, START), name="finish")
        assert world.copy("1.0").ok
        assert world.waits == [3.0]
        world = World()
        world.source.place(layered(80), "1.0")
        world.destination.before = failing(PutOffError("slow down", 60.0, START), name="finish")
        (failure,) = world.copy("1.0").failures
        assert isinstance(failure.error, PutOffError)
        assert world.waits == []

    def test_a_body_that_is_too_large_is_sent_in_smaller_ones(self) -> None:
        mib = 1024 * 1024
        world = World(bounds=Bounds(chunk=32 * mib))
        image = layered(20 * mib)
        world.source.place(image, "1.0")
        (digest,) = [digest for digest, content in image.blobs.items() if len(content) == 20 * mib]
        world.destination.before = failing(RefusedError("too large", 413), name="finish", about=digest)
        assert world.copy("1.0").ok
        assert world.destination.count("append") >= 2
        assert world.unlike("1.0") == []


@pytest.mark.parametrize("ledger", [True, False])
def test_a_tag_that_moved_after_a_run_was_killed_sends_no_layer_again(ledger: bool) -> None:
    world = World()
    base = [(OCI_LAYER, hashlib.shake_256(f"{n}".encode()).digest(350)) for n in range(3)]
    world.source.place(composed(base, config=b'{"v": 1}'), "1.0")
    world.destination.before = failing(UpstreamError("killed"), name="put_manifest")
    assert not world.copy("1.0").ok
    mend(world)
    if not ledger:
        world.ledger.items.clear()
    world.source.place(composed(base, config=b'{"v": 22}'), "1.0")
    world.destination.received = 0
    report = world.copy("1.0")
    assert report.ok
    assert (report.sent.blobs, report.skipped.blobs) == (1, 3)
    assert world.destination.received < 100


class TestLedger:
    def test_another_process_goes_on_with_an_upload(self) -> None:
        world = World()
        world.source.place(layered(1_000), "1.0")
        world.destination.before = failing(*[UpstreamError("broken")] * 9, name="resume")
        world.destination.within = TestResets().cut_at(850)
        assert not world.copy("1.0").ok
        (item,) = world.ledger.items.values()
        assert item["offset"] >= 700
        mend(world)
        world.destination.received = 0
        assert world.copy("1.0").ok
        assert world.destination.received <= 300 + CHUNK
        assert world.ledger.items == {}

    def test_what_an_earlier_run_sent_wrongly_is_sent_again(self) -> None:
        world = World()
        world.source.place(layered(1_000), "1.0")
        upload = world.destination.upload(REPOSITORY)
        world.destination.uploads[upload.location] += b"\0" * 300
        (digest,) = [d for d, c in layered(1_000).blobs.items() if len(c) == 1_000]
        world.ledger.save(world.destination.host, digest, upload.at(300))
        assert world.copy("1.0").ok
        assert world.unlike("1.0") == []

    def test_without_a_ledger_a_restart_costs_what_was_in_flight(self) -> None:
        world = World()
        world.source.place(layered(90, 80, 70, 60), "1.0")
        killing(world, 14, afterwards=True)
        with pytest.raises(KilledError):
            world.copy("1.0", ledger=None)
        mend(world)
        before = len(world.destination.repositories[REPOSITORY].blobs)
        assert before
        report = world.copy("1.0", ledger=None)
        assert report.ok
        assert report.skipped.blobs == before


class TestDeadline:
    def test_it_stops_between_chunks_and_the_next_run_goes_on(self) -> None:
        world = World()
        world.source.place(layered(1_000), "1.0")
        until = world.clock.advance(0)

        def tick(name: str, about: str) -> None:
            if name == "append":
                world.clock.advance(10)

        world.destination.after = tick
        deadline = Deadline(world.clock, until.replace(minute=until.minute + 1), margin=20.0)
        report = world.copy("1.0", deadline=deadline)
        (failure,) = report.failures
        assert isinstance(failure.error, UnfinishedError)
        assert failure.side is None
        sent = world.destination.received
        assert 300 <= sent <= 600
        mend(world)
        world.destination.received = 0
        assert world.copy("1.0").ok
        assert sent + world.destination.received <= 1_000 + 2 * CHUNK

    def test_no_chunk_is_begun_that_would_come_too_late(self) -> None:
        world = World()
        world.source.place(layered(1_000), "1.0")

        def tick(name: str, about: str) -> None:
            if name == "append":
                world.clock.advance(30)

        world.destination.after = tick
        deadline = Deadline(world.clock, world.clock.now() + timedelta(seconds=140), margin=20.0)
        for _ in range(60):
            deadline.sent(2 * 1024 * 1024, 1024 * 1024)  # two bytes a second: a chunk takes 50 s
        assert not world.copy("1.0", deadline=deadline).ok
        assert world.destination.received == 2 + 3 * CHUNK

    def test_nothing_is_begun_when_there_is_no_time(self) -> None:
        world = World()
        world.source.place(four_platforms("x"), "1.0")
        report = world.copy("1.0", deadline=Deadline(world.clock, world.clock.now(), margin=20.0))
        assert isinstance(report.failures[0].error, UnfinishedError)
        assert (world.source.calls, world.destination.calls) == ([], [])

    def test_what_is_complete_is_still_tagged(self) -> None:
        world = World()
        world.source.place(layered(80), "1.0")
        begun = world.clock.now()

        def tick(name: str, about: str) -> None:
            if name == "finish" and len(world.destination.repositories[REPOSITORY].blobs) == 2:
                world.clock.advance_to(begun.replace(second=50))

        world.destination.after = tick
        deadline = Deadline(world.clock, begun.replace(minute=begun.minute + 1), margin=20.0)
        report = world.copy("1.0", Item("1.0", "2.0"), deadline=deadline, bounds=replace(world.bounds, batch=1))
        assert report.copied == (Item("1.0", "1.0"),)
        assert [type(failure.error) for failure in report.failures] == [UnfinishedError]


@st.composite
def trees(draw: st.DrawFn) -> dict[str, SyntheticImage]:
    """Some tags over images, nested indexes and shared layers."""
    pool = [hashlib.shake_256(bytes([at])).digest(size) for at, size in enumerate((0, 1, 9, 49, 51, 100, 101, 399))]

    def image(layers: list[int]) -> SyntheticImage:
        return composed([(OCI_LAYER, pool[at]) for at in layers])

    leaf = st.lists(st.integers(0, len(pool) - 1), max_size=4).map(image)
    tree = st.recursive(
        leaf, lambda below: st.lists(below, max_size=3).map(lambda those: index_of(*those)), max_leaves=6
    )
    return draw(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), tree, min_size=1))


FAULTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["head", "manifest", "put_manifest", "has_blob", "blob", "piece", "upload", "append", "finish"]
        ),
        st.integers(0, 12),
        st.booleans(),
    ),
    max_size=4,
)


@settings(max_examples=150)
@given(trees(), FAULTS)
def test_any_tree_under_any_faults_is_whole_or_not_tagged(
    tags: dict[str, SyntheticImage], faults: list[tuple[str, int, bool]]
) -> None:
    world = World(ledger=MemoryLedger())
    for tag, image in tags.items():
        world.source.place(image, tag)
    seen: dict[str, Iterator[int]] = {}

    def strike(name: str, about: str) -> None:
        at = next(seen.setdefault(name, iter(range(10_000))))
        for fault, when, ambiguous in faults:
            if (fault, when) == (name, at):
                raise (AmbiguousError if ambiguous else UpstreamError)("struck")

    for registry in (world.source, world.destination):
        registry.before = strike
    report = world.copy(*tags)
    assert world.partial() == []
    copied = {item.reference for item in (*report.copied, *report.in_sync)}
    assert world.unlike(*copied) == []
    assert copied | {failure.item.reference for failure in report.failures} >= tags.keys()
    mend(world)
    assert world.copy(*tags).ok
    assert world.unlike(*tags) == []
