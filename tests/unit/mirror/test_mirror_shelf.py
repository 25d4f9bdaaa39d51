"""What was pulled from an upstream that counts pulls is not pulled again: not after a fan-out, a failure, or elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from longshore.errors import LongshoreError, ThrottledError, UpstreamError
from longshore.images import DOCKER_HUB_API, Endpoint
from longshore.mirror.carrier import CopyCarrier, Part, TooLargeError
from longshore.mirror.orders import Item
from longshore.mirror.ports import RateLimit
from longshore.mirror.reading import read_mirrors
from longshore_local import images
from longshore_local.image_shapes import composed, index_of
from longshore_local.images import OCI_LAYER, SyntheticImage
from tests.fakes import START
from tests.mirror_world import REPOSITORY, FakeRegistry, World, failing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from longshore.images import Digest
    from longshore.manifests import Manifest
    from longshore.mirror.ports import Holdings, Registry
    from longshore.mirror.report import Report
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.stores import Places

ITEMS = (Item("1.0", "1.0"),)


class MemoryManifests:
    """`Manifests` in a dictionary, which may be out of order."""

    def __init__(self) -> None:
        self.kept: dict[tuple[Endpoint, Digest], Manifest] = {}
        self.error: LongshoreError | None = None

    def load(self, upstream: Endpoint, digest: Digest) -> Manifest | None:
        if self.error:
            raise self.error
        return self.kept.get((upstream, digest))

    def keep(self, upstream: Endpoint, manifests: Iterable[Manifest]) -> None:
        if self.error:
            raise self.error
        self.kept |= {(upstream, each.digest): each for each in manifests}


class TwoDownstreams:
    """A world's source, and a destination for each downstream."""

    def __init__(self, host: str, *downstreams: str) -> None:
        self.world = World(source=FakeRegistry("source", host))
        self.mirror = read_mirrors({"m": {"from": f"{host}/{REPOSITORY}", "to": list(downstreams)}})["m"]
        self.mirror = replace(self.mirror, referrers="none")
        self.manifests = MemoryManifests()
        self._places = {each: FakeRegistry("destination", each.endpoint.host) for each in self.mirror.downstreams}

    def source(self, mirror: Mirror) -> Registry:
        return self.world.source

    def destination(self, mirror: Mirror, downstream: Downstream) -> FakeRegistry:
        return self._places[downstream]

    def holdings(self, downstream: Downstream) -> Holdings | None:
        return None

    def copy(self, place: int = 0, *, whole: bool = False) -> Report:
        """In an invocation of its own."""
        until = START + timedelta(hours=1)
        return self.carrier().copy(Part(self.mirror, self.mirror.downstreams[place], ITEMS, until, whole))

    def carrier(self) -> CopyCarrier:
        """That of an invocation."""
        places, world = cast("Places", self), self.world
        carrier = CopyCarrier(places, world.ledger, world.clock, world.bounds, manifests=self.manifests)
        carrier.sleep = world.waits.append
        return carrier

    @property
    def pulls(self) -> int:
        return self.world.source.count("manifest")


def large() -> SyntheticImage:
    """An index of two images with more blobs than go inline."""
    return index_of(*(composed([(OCI_LAYER, f"{of} {n}".encode()) for n in range(40)]) for of in "ab"))


@pytest.mark.parametrize("error", [None, ThrottledError("ledger: slow down")])
def test_a_fan_out_costs_each_manifest_once(error: LongshoreError | None) -> None:
    made = TwoDownstreams(DOCKER_HUB_API, "registry.example.com/a")
    made.world.source.place(large(), "1.0")
    made.manifests.error = error
    with pytest.raises(TooLargeError):
        made.copy()
    assert made.pulls == 3
    assert made.copy(whole=True).ok
    assert made.pulls == (3 if error is None else 6)
    assert made.destination(made.mirror, made.mirror.downstreams[0]).tree("1.0", "a") == made.world.source.tree("1.0")


@pytest.mark.parametrize("error", [None, ThrottledError("ledger: slow down")])
def test_what_was_fanned_out_is_known_to_be_on_the_shelf(error: LongshoreError | None) -> None:
    made = TwoDownstreams(DOCKER_HUB_API, "registry.example.com/a")
    image = made.world.source.place(large(), "1.0").digest
    assert not made.carrier().shelved(made.mirror, image)
    with pytest.raises(TooLargeError):
        made.copy()
    made.manifests.error = error
    assert made.carrier().shelved(made.mirror, image) is (error is None)


ANONYMOUS = RateLimit(100, 7, 21_600, "192.0.2.1")
ASKED = [
    ("unknown", DOCKER_HUB_API, "", None, ["1.0"]),
    ("told before", DOCKER_HUB_API, "", ANONYMOUS, []),
    ("by a login", DOCKER_HUB_API, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hub", None, []),
    ("where pulls are free", "quay.io", "", None, []),
]


@pytest.mark.parametrize(("host", "secret", "told", "heads"), [c[1:] for c in ASKED], ids=[c[0] for c in ASKED])
def test_whose_pulls_count_is_asked_for_before_any_are_made(
    host: str, secret: str, told: RateLimit | None, heads: list[str]
) -> None:
    made = TwoDownstreams(host, "registry.example.com/a")
    source, mirror = made.world.source, replace(made.mirror, secret=secret)
    source.rate = told

    def tell(name: str, about: str) -> None:
        source.rate = ANONYMOUS

    source.after = tell
    assert made.carrier().rate(mirror) == told
    assert made.carrier().rate(mirror, "1.0") == (ANONYMOUS if heads else told)
    assert source.calls == [("head", each) for each in heads]


def test_a_registry_that_does_not_answer_is_left_to_the_copy() -> None:
    made = TwoDownstreams(DOCKER_HUB_API, "registry.example.com/a")
    made.world.source.before = failing(UpstreamError("source: 503"), name="head")
    assert made.carrier().rate(made.mirror, "1.0") is None


def test_a_copy_that_failed_has_its_manifests_when_it_is_tried_again() -> None:
    made = TwoDownstreams(DOCKER_HUB_API, "registry.example.com/a")
    made.world.source.place(images.multi_platform("x"), "1.0")
    target = made.destination(made.mirror, made.mirror.downstreams[0])
    target.before = failing(*[UpstreamError("destination: 503")] * 99, name="upload")
    assert not made.copy().ok
    pulls, target.before = made.pulls, lambda name, about: None
    assert made.copy().ok
    assert made.pulls == pulls


def test_several_downstreams_share_the_pulls() -> None:
    made = TwoDownstreams(DOCKER_HUB_API, "registry.example.com/a", "registry.example.org/b")
    made.world.source.place(images.multi_platform("x"), "1.0")
    assert made.copy().ok
    pulls = made.pulls
    assert made.copy(1).ok
    assert made.pulls == pulls


def test_where_pulls_are_free_nothing_is_kept() -> None:
    made = TwoDownstreams("quay.io", "registry.example.com/a", "registry.example.org/b")
    made.world.source.place(images.multi_platform("x"), "1.0")
    assert made.copy().ok
    assert made.manifests.kept == {}
