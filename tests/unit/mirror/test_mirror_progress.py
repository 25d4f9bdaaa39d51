"""What the time is always too short for is given up and told, unless every run comes further."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.errors import UpstreamError
from longshore.events import Kind
from longshore.manifests import Descriptor
from longshore.mirror.errors import UnfinishedError
from longshore.mirror.limits import Deadline
from longshore_local.image_shapes import duplicate_layers
from longshore_local.images import single
from tests.mirror_world import World
from tests.mirrors_world import MirrorWorld, digest

if TYPE_CHECKING:
    from longshore.mirror.report import Report

LAYERS = [Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", digest(f"layer{i}"), 700 << 20) for i in range(4)]


def world() -> MirrorWorld:
    made = MirrorWorld(web={"from": "quay.io/org/web", "to": "ecr:mirror/web"})
    made.upstream().tags["v1"] = digest("v1")
    return made


def test_a_copy_that_never_comes_further_is_given_up_and_told() -> None:
    made = world()
    made.stuck = True
    made.refuses["v1"] = [UnfinishedError("no time left")] * 99
    made.sweep()
    made.run(minutes=24 * 60)
    assert len(made.refuses["v1"]) == 99 - 6
    assert [each.detail["error"] for each in made.publisher.of(Kind.MIRROR_FAILED)] == ["UnfinishedError"]
    assert made.queue.next_due() is None


def test_a_copy_that_comes_further_each_time_is_never_given_up() -> None:
    made = world()
    made.refuses["v1"] = [UnfinishedError("no time left")] * 30
    made.sweep()
    made.run()
    assert made.downstream().tags == {"v1": digest("v1")}
    assert made.publisher.of(Kind.MIRROR_FAILED) == []


def test_blobs_that_never_come_further_are_left_to_the_copy() -> None:
    made = world()
    made.large[digest("v1")] = LAYERS[:1]
    made.stuck = True
    made.sending[LAYERS[0].digest] = [UnfinishedError("no time left")] * 99
    made.refuses["v1"] = [UnfinishedError("no time left")] * 99
    made.sweep()
    made.run(minutes=24 * 60)
    assert len(made.publisher.of(Kind.MIRROR_FAILED)) == 1
    assert made.jobs.jobs == {}
    assert made.queue.next_due() is None


def test_blobs_that_come_further_go_ahead_for_as_long_as_it_takes() -> None:
    made = world()
    made.large[digest("v1")] = LAYERS
    made.sending[LAYERS[0].digest] = [UnfinishedError("no time left")] * 30
    made.sweep()
    made.run()
    assert made.downstream().tags == {"v1": digest("v1")}


def cut(world: World, chunks: int) -> Report:
    """A run whose time is up after so many chunks."""
    left = [None] * chunks
    until = world.clock.now() + timedelta(seconds=60)

    def passed(name: str, about: str) -> None:
        if name == "append" and left:
            left.pop()
        if not left:
            world.clock.advance_to(max(until, world.clock.now()))

    world.destination.after = passed
    if not chunks:
        world.clock.advance_to(until)
    return world.copy("1.0", deadline=Deadline(world.clock, until))


def test_a_piece_of_an_upload_that_is_kept_is_progress() -> None:
    made = World()
    made.source.place(single("big", layer_bytes=5_000), "1.0")
    report = cut(made, 1)
    assert report.failures
    assert report.progressed
    assert made.ledger.items


def test_nothing_that_arrives_is_none() -> None:
    made = World()
    made.source.place(duplicate_layers("x"), "1.0")
    assert not cut(made, 0).progressed
    assert made.copy("1.0").progressed
    assert not made.copy("1.0").progressed, "it was there"
    other = World()
    other.source.place(single("x"), "1.0")
    other.source.before = lambda name, about: (_ for _ in ()).throw(UpstreamError("source: reset"))
    assert not other.copy("1.0").progressed
