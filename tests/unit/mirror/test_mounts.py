"""What one repository of a registry has is not sent to another one of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from longshore.images import Endpoint
from longshore.manifests import digest_of
from longshore.mirror.carrier import CopyCarrier, Part
from longshore.mirror.orders import Item
from longshore.mirror.reading import read_mirrors
from longshore.mirror.whereabouts import Whereabouts
from longshore_local import images
from tests.fakes import START
from tests.mirror_world import REPOSITORY, World

if TYPE_CHECKING:
    from longshore.mirror.ports import Holdings, Registry
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.stores import Places

HOST = "down.example"
UNTIL = START + timedelta(hours=1)
DIGEST = digest_of(b"x")


class OneRegistry:
    """Every downstream is in the world's destination."""

    def __init__(self, world: World) -> None:
        self._world = world

    def source(self, mirror: Mirror) -> Registry:
        return self._world.source

    def destination(self, mirror: Mirror, downstream: Downstream) -> Registry:
        return self._world.destination

    def holdings(self, downstream: Downstream) -> Holdings | None:
        return None


def mirror(name: str, *places: str) -> Mirror:
    made: dict[str, Any] = {"from": f"up.example/{REPOSITORY}", "to": list(places)}
    return replace(read_mirrors({name: made})[name], referrers="none")


def carrier(world: World) -> CopyCarrier:
    return CopyCarrier(cast("Places", OneRegistry(world)), world.ledger, world.clock, world.bounds)


def copied(by: CopyCarrier, mirror: Mirror, place: int) -> int:
    """How many blobs were mounted."""
    report = by.copy(Part(mirror, mirror.downstreams[place], [Item("1.0", "1.0")], UNTIL, whole=True))
    assert report.ok
    return report.mounted


def made() -> World:
    world = World()
    world.source.place(images.single("x", layers=3), "1.0")
    return world


def test_a_second_downstream_of_the_registry_has_the_blobs_of_the_first() -> None:
    world, two = made(), mirror("web", f"{HOST}/a", f"{HOST}/b")
    assert copied(carrier(world), two, 0) == 0
    assert world.destination.count("mount") == 0  # nobody was there before
    world.forget_calls()
    assert copied(carrier(world), two, 1) == 4  # in another invocation
    assert (world.source.count("blob"), world.destination.received) == (0, 0)
    assert world.destination.tree("1.0", "b") == world.source.tree("1.0")


def test_another_mirror_has_them_from_where_they_were_sent_to() -> None:
    world = made()
    one = carrier(world)
    copied(one, mirror("web", f"{HOST}/a"), 0)
    world.forget_calls()
    assert copied(one, mirror("api", f"{HOST}/b"), 0) == 4
    assert world.destination.received == 0


def test_blobs_that_go_ahead_are_mounted_too() -> None:
    world, two = made(), mirror("web", f"{HOST}/a", f"{HOST}/b")
    one = carrier(world)
    (manifest,) = world.source.repositories[REPOSITORY].manifests.values()
    assert not one.send(two, two.downstreams[0], manifest.blobs, UNTIL).failed
    world.forget_calls()
    assert not one.send(two, two.downstreams[1], manifest.blobs, UNTIL).failed
    assert (world.destination.count("mount"), world.destination.received) == (4, 0)


def test_nothing_is_guessed_of_another_registry() -> None:
    two = mirror("web", "other.example/a", f"{HOST}/b")
    known = Whereabouts()
    known.note(Endpoint("other.example", "a"), DIGEST)
    assert known.siblings(two, two.downstreams[1])(DIGEST) is None


def test_what_a_repository_has_itself_is_no_sibling() -> None:
    one = mirror("web", f"{HOST}/a")
    known = Whereabouts()
    known.note(Endpoint(HOST, "a"), DIGEST)
    assert known.siblings(one, one.downstreams[0])(DIGEST) is None
    known.note(Endpoint(HOST, "b"), DIGEST)
    assert known.siblings(one, one.downstreams[0])(DIGEST) == "b"


def test_the_oldest_is_forgotten() -> None:
    one, known = mirror("web", f"{HOST}/a"), Whereabouts(most=2)
    digests = [digest_of(bytes([n])) for n in range(3)]
    for digest in digests:
        known.note(Endpoint(HOST, "b"), digest)
    sibling = known.siblings(one, one.downstreams[0])
    assert [sibling(digest) for digest in digests] == [None, "b", "b"]
