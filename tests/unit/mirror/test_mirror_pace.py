"""ECR Public's ten ends of uploads a second are kept, and one upload that was too fast ends no run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from longshore.errors import ThrottledError
from longshore.images import Endpoint
from longshore.manifests import Descriptor, digest_of
from longshore.mirror.carrier import CopyCarrier, Part
from longshore.mirror.errors import PutOffError
from longshore.mirror.orders import Item
from longshore.mirror.reading import read_mirrors
from longshore.mirror.rules import Downstream, Mirror
from longshore_local import images
from longshore_local.image_shapes import duplicate_layers
from longshore_local.loopback import Reply
from longshore_local.registry import SPEC_MANNERS
from longshore_local.registry_faults import Rule, Script
from longshore_local.registry_hostile import Instead
from tests.distribution import REPOSITORY as PLACE
from tests.distribution import stage
from tests.fakes import START
from tests.mirror_world import REPOSITORY, World, failing

if TYPE_CHECKING:
    from longshore.mirror.ports import Holdings, Registry
    from longshore.mirror.stores import Places

PUBLIC = Downstream(Endpoint("public.ecr.aws", REPOSITORY))
PRIVATE = Downstream(Endpoint("123456789012.dkr.ecr.eu-west-1.amazonaws.com", REPOSITORY))


class WorldPlaces:
    """The world's two registries, whatever they are called."""

    def __init__(self, world: World) -> None:
        self._world = world

    def source(self, mirror: Mirror) -> Registry:
        return self._world.source

    def destination(self, mirror: Mirror, downstream: Downstream) -> Registry:
        return self._world.destination

    def holdings(self, downstream: Downstream) -> Holdings | None:
        return None


def mirror() -> Mirror:
    return replace(
        read_mirrors({"m": {"from": f"quay.io/{REPOSITORY}", "to": "public.ecr.aws/a/b"}})["m"], referrers="none"
    )


def paced(world: World, per_second: float) -> tuple[CopyCarrier, list[datetime]]:
    """A carrier, and when uploads ended."""
    ended: list[datetime] = []

    def finished(name: str, about: str) -> None:
        if name == "finish":
            ended.append(world.clock.now())

    world.destination.before = finished
    places = cast("Places", WorldPlaces(world))

    def sleep(seconds: float) -> None:
        world.clock.advance(seconds)

    return CopyCarrier(places, world.ledger, world.clock, world.bounds, per_second=per_second, sleep=sleep), ended


@pytest.mark.parametrize("per_second", [2.0, 10.0])
def test_uploads_into_ecr_public_end_at_a_pace_when_tags_are_copied(per_second: float) -> None:
    world = World()
    for n in range(12):
        world.source.place(duplicate_layers(f"x{n}"), f"v{n}")
    carrier, ended = paced(world, per_second)
    until = START + timedelta(hours=1)
    items = [Item(f"v{n}", f"v{n}") for n in range(12)]
    assert carrier.copy(Part(mirror(), PUBLIC, items, until, whole=True)).ok
    assert len(ended) > 20
    assert max(Counter(when.replace(microsecond=0) for when in ended).values()) <= per_second


def test_uploads_into_ecr_public_end_at_a_pace_when_blobs_go_ahead() -> None:
    world = World()
    blobs = [blob for n in range(8) for blob in world.source.place(images.single(f"x{n}"), f"v{n}").blobs]
    carrier, ended = paced(world, 2.0)
    assert not carrier.send(mirror(), PUBLIC, blobs, START + timedelta(hours=1)).failed
    assert max(Counter(when.replace(microsecond=0) for when in ended).values()) <= 2
    assert world.clock.now() - START >= timedelta(seconds=(len(ended) - 1) / 2)


def test_private_ecr_has_no_such_limit() -> None:
    world = World()
    blobs = [blob for n in range(8) for blob in world.source.place(images.single(f"x{n}"), f"v{n}").blobs]
    carrier, _ = paced(world, 2.0)
    assert not carrier.send(mirror(), PRIVATE, blobs, START + timedelta(hours=1)).failed
    assert world.clock.now() == START


def test_an_upload_that_was_too_fast_is_sent_again() -> None:
    world = World()
    world.source.place(images.single("x"), "1.0")
    world.destination.before = failing(*[ThrottledError("destination: 429")] * 3, name="finish")
    assert world.copy("1.0").ok
    assert world.waits, "not at once"


@pytest.mark.parametrize("error", [ThrottledError("destination: 429"), PutOffError("destination: 429", 1.0, START)])
def test_one_that_is_always_too_fast_holds_up_no_other(error: ThrottledError) -> None:
    world = World()
    first, *others = [world.source.place(images.single(f"x{n}"), f"v{n}") for n in range(9)]
    bad = first.blobs[-1].digest
    world.destination.before = failing(*[error] * 99, name="finish", about=bad)
    report = world.copy(*[f"v{n}" for n in range(9)])
    assert {str(item) for item in report.copied} >= {
        f"v{n + 1}" for n, each in enumerate(others) if bad not in {blob.digest for blob in each.blobs}
    }
    assert [str(failure.item) for failure in report.failures] == ["v0"]


def test_a_registry_that_asks_for_peace_has_it() -> None:
    world = World()
    for n in range(9):
        world.source.place(images.single(f"x{n}"), f"v{n}")
    later = PutOffError("destination: 429", 600.0, START + timedelta(seconds=600))
    world.destination.before = failing(*[later] * 99, name="finish")
    assert len(world.copy(*[f"v{n}" for n in range(9)]).failures) == 9
    assert world.destination.count("finish") <= world.bounds.streams + world.bounds.requests


def test_a_429_without_a_time_puts_nothing_off() -> None:
    with stage(SPEC_MANNERS) as made:
        made.registry.script = Script(Rule("PUT upload", Instead(Reply(429, b""))))
        client = made.client("destination")
        blob = Descriptor("x/y", digest_of(b"content"), 7)
        with pytest.raises(ThrottledError) as caught:
            client.finish(client.upload(PLACE), blob, iter([b"content"]), 7)
        assert not isinstance(caught.value, PutOffError)


def test_manifests_never_overrun_the_time_and_go_on_in_the_next_run() -> None:
    world = World()
    names = [f"v{n}" for n in range(25)]
    platforms = ("linux/amd64", "linux/arm64", "linux/386", "linux/s390x", "linux/ppc64le", "linux/riscv64")
    for name in names:
        world.source.place(images.multi_platform(name, platforms), name)
    carrier, _ = paced(world, 2.0)
    for _ in range(8):
        until = world.clock.now() + timedelta(seconds=120)
        report = carrier.copy(Part(mirror(), PRIVATE, [Item(name, name) for name in names], until, whole=True))
        assert world.clock.now() < until
        if report.ok:
            break
        assert report.progressed
        assert not world.partial()
    assert world.unlike(*names) == []
