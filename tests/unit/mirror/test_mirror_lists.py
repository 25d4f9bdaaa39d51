"""Both sides are asked for their lists of tags once, however many parts an order has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore_local import images
from tests.mirror_engine import EngineWorld
from tests.mirror_world import REPOSITORY

if TYPE_CHECKING:
    from longshore_local.images import SyntheticImage


def released(world: EngineWorld, tag: str, image: SyntheticImage) -> None:
    world.upstream().tags[tag] = world.inner.source.place(image, tag).digest


def test_each_side_lists_its_tags_once_for_an_order() -> None:
    world = EngineWorld(referrers="all")
    names = ["v1", *(f"w{n:03}" for n in range(120))]
    for name in names[1:]:
        released(world, name, images.single(name))
    world.inner.source.calls.clear()
    world.sweep()
    world.run()
    assert world.inner.unlike(*names) == []
    assert (world.inner.source.count("tags"), world.inner.destination.count("tags")) == (1, 1)


def test_what_an_earlier_part_has_stored_is_found_by_a_later_one() -> None:
    """The same image under every tag: its manifest is looked for, and neither it nor a blob is sent again."""
    world = EngineWorld(referrers="all")
    names = [f"w{n:03}" for n in range(60)]
    image = images.single("the same")
    signature = images.signature(image)
    for name in names:
        released(world, name, image)
    world.inner.source.place(signature, images.signature_tag(image.digest))
    world.sweep()
    world.run()
    assert world.inner.unlike(*names) == []
    destination = world.inner.destination
    assert destination.count("tags") == 1
    tag = images.signature_tag(image.digest)
    assert [about for name, about in destination.calls if name == "put_manifest" and tag in about] == [tag]
    assert destination.count("finish") == len(destination.repositories[REPOSITORY].blobs), "each blob once"
