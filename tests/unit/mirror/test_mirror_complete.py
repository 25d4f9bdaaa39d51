"""What it costs to look again at an index that is in sync, and that nothing of it stays away because of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from longshore.mirror.orders import Item
from longshore_local import images
from longshore_local.image_shapes import index_of, nested_index
from tests.mirror_world import FakeRegistry, World
from tests.mirrors_world import MirrorWorld, digest

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.carrier import Part
    from longshore.mirror.report import Report

THREE = ("linux/amd64", "linux/arm64", "linux/s390x")
TWO = THREE[:2]


def sparse() -> World:
    return World(destination=FakeRegistry("destination", "down.example", sparse=True))


def test_an_index_that_was_copied_on_the_same_terms_is_not_read_again() -> None:
    world = World()
    world.source.place(nested_index("x"), "1.0")
    world.copy("1.0", referrers="none")
    world.forget_calls()
    assert world.copy("1.0", referrers="none").ok
    assert world.destination.count("manifest") == 2, "the index, and the one within it"
    world.forget_calls()
    assert world.copy("1.0", referrers="none", complete=lambda digest: True).in_sync == (Item("1.0", "1.0"),)
    assert (world.source.calls, world.destination.calls) == ([("head", "1.0")], [("head", "1.0")])


def test_another_tag_of_an_image_that_was_copied_costs_no_look_at_its_children() -> None:
    world = World()
    world.source.place(images.multi_platform("x", THREE), "1.0", "latest")
    world.copy("1.0", referrers="none")
    world.forget_calls()
    world.copy("latest", referrers="none", complete=lambda digest: True)
    assert world.destination.count("put_manifest") == 1
    assert world.destination.count("head") == 2, "the tag, and the image"
    assert world.unlike("latest") == []


def test_some_platforms_that_were_copied_are_in_sync_for_a_head() -> None:
    world = sparse()
    world.source.place(images.multi_platform("x", THREE), "1.0")
    world.copy("1.0", platforms=TWO, referrers="none")
    world.forget_calls()
    report = world.copy("1.0", platforms=TWO, referrers="none", complete=lambda digest: True)
    assert report.in_sync == (Item("1.0", "1.0"),)
    assert (world.source.count("manifest"), world.destination.calls) == (0, [("head", "1.0")])


@pytest.mark.parametrize("tag", ["1.0", "2.0", "3.0"])
def test_an_index_within_an_index_is_completed_too(tag: str) -> None:
    world = sparse()
    inner = images.multi_platform("x", THREE)
    world.source.place(index_of(inner, images.single("y")), "1.0", "2.0")
    world.source.place(index_of(inner), "3.0")
    assert world.copy("1.0", platforms=TWO).ok
    assert world.copy(tag).ok
    assert world.unlike(tag) == []


class NotingWorld(MirrorWorld):
    """Notes what the service knows to be complete."""

    complete: tuple[Digest, ...] = ()

    def copy(self, part: Part) -> Report:
        self.complete = tuple(sorted(part.complete))
        return super().copy(part)


def swept(**members: Any) -> NotingWorld:
    made = NotingWorld(web={"from": "quay.io/org/web", "to": "ecr:mirror/web", "every": "1h", **members})
    made.upstream().tags["v1"] = digest("one")
    made.sweep()
    made.run(minutes=60)
    assert made.complete == ()
    return made


def later(made: NotingWorld) -> tuple[Digest, ...]:
    made.complete = ("nothing was copied",)
    made.sweep()
    made.run(minutes=60)
    return made.complete


def test_the_service_knows_what_it_copied_on_these_terms() -> None:
    made = swept()
    made.upstream().referrers[digest("one")] = [digest("signature")]
    assert later(made) == (digest("one"),)
    other = MirrorWorld(
        web={"from": "quay.io/org/web", "to": "ecr:mirror/web", "platforms": ["linux/arm64"], "every": "1h"}
    )
    made.mirrors["web"] = other.mirrors["web"]
    assert later(made) == (), "the terms are others"


def test_what_somebody_changed_downstream_is_looked_into() -> None:
    made = swept()
    made.downstream().tags["v1"] = digest("by hand")
    assert later(made) == ()
    assert made.downstream().tags["v1"] == digest("one")
