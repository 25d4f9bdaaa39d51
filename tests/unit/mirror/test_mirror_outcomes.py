"""What is told and remembered of an image whose signature fails, of an immutable tag, of a tag that is not seen yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.errors import UpstreamError
from longshore.events import Kind
from longshore.mirror.errors import ImmutableTagError
from longshore.mirror.plan import INCOMPLETE
from longshore_local import images
from longshore_local.image_shapes import composed
from tests.mirror_engine import EngineWorld
from tests.mirror_world import REPOSITORY, failing
from tests.mirrors_world import HOME, MirrorWorld, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.manifests import Manifest
    from longshore.mirror.plan import Known
    from longshore.outcomes import Outcome

TAG = "v9"


class SignedWorld(EngineWorld):
    """An image under one tag, and its signature; looked at every hour."""

    def __init__(self, *, named: bool = False) -> None:
        super().__init__(every="1h", tags={"include": [TAG if named else "v*"], "immutable": "w*"})
        del self.upstream().tags["v1"]
        self.image = images.single(TAG)
        self.signed = images.signature_tag(self.image.digest)
        self.place(self.image, TAG)
        self.place(images.signature(self.image), self.signed)

    def place(self, image: images.SyntheticImage, tag: str) -> Manifest:
        """At the source."""
        manifest = self.inner.source.place(image, tag)
        self.upstream().tags[tag] = manifest.digest
        return manifest

    def spoil(self) -> None:
        """The signature's content is not what its digest says."""
        self.inner.source.bad.update(dict.fromkeys(images.signature(self.image).blobs, b"broken"))

    def look(self, count: int = 1) -> list[Outcome]:
        """So many hours."""
        outcomes: list[Outcome] = []
        for _ in range(count):
            self.sweep()
            outcomes += self.run(minutes=60, most=100)
            self.downstream().tags = dict(self.there)
        return outcomes

    @property
    def there(self) -> Mapping[str, str]:
        """The destination's tags."""
        return self.inner.destination.repositories[REPOSITORY].tags

    def told(self, kind: Kind) -> list[tuple[str, str]]:
        """Of which tag, and why."""
        return [(each.detail["tag"], each.detail["reason"]) for each in self.publisher.of(kind)]

    @property
    def known(self) -> Known:
        """What the ledger has of the tag."""
        return self.memory.known("web")[self.mirrors["web"].downstreams[0].endpoint][TAG]


@pytest.mark.parametrize("named", [False, True])
def test_an_image_is_mirrored_though_its_signature_fails(named: bool) -> None:
    world = SignedWorld(named=named)
    world.spoil()
    world.look(4)
    assert world.there == {TAG: world.image.digest}
    assert world.told(Kind.IMAGE_MIRRORED) == [(TAG, "new")], "it is there, and that is news once"
    (failed,) = world.publisher.of(Kind.MIRROR_FAILED)
    assert (failed.detail["tag"], failed.detail["error"]) == (TAG, "IntegrityError")
    assert world.signed in failed.detail["why"]
    assert (world.known.source, world.known.referrers) == (world.image.digest, INCOMPLETE)
    assert world.inner.destination.count("put_manifest") == 1, "what is there is not put again"
    world.inner.source.bad.clear()
    world.look(2)
    assert world.there.keys() == {TAG, world.signed}
    assert world.told(Kind.IMAGE_MIRRORED) == [(TAG, "new"), (TAG, "referrers")]
    assert world.look(1)[-1].reason == "in-sync"


def test_a_signature_that_may_yet_come_is_tried_again_soon() -> None:
    world = SignedWorld()
    world.inner.source.before = failing(UpstreamError("source: 500"), name="manifest", about=world.signed)
    world.look()
    assert world.there.keys() == {TAG, world.signed}
    assert world.told(Kind.IMAGE_MIRRORED) == [(TAG, "new"), (TAG, "referrers")]
    assert world.told(Kind.MIRROR_FAILED) == []
    assert world.inner.destination.count("put_manifest") == 2


def test_a_signature_that_never_comes_is_told_after_the_last_try() -> None:
    world = SignedWorld()
    world.inner.source.before = failing(*[UpstreamError("source: 500")] * 99, name="manifest", about=world.signed)
    world.look(2)
    assert world.told(Kind.IMAGE_MIRRORED) == [(TAG, "new")]
    assert world.told(Kind.MIRROR_FAILED) == [(TAG, "failed")]


def test_an_image_that_fails_is_not_mirrored() -> None:
    world = SignedWorld()
    world.inner.source.bad.update(dict.fromkeys(world.image.blobs, b"broken"))
    world.look(3)
    assert world.told(Kind.IMAGE_MIRRORED) == []
    assert world.told(Kind.MIRROR_FAILED) == [(TAG, "failed")]


def test_another_signature_beside_an_immutable_one_holds_no_image() -> None:
    world = SignedWorld()
    world.inner.destination.immutable = True
    world.look(2)
    world.place(composed([(images.OCI_LAYER, b"two signatures")]), world.signed)
    outcomes = world.look(3)
    assert [each.reason for each in outcomes if each.verdict == "hold"] == []
    (failed,) = world.publisher.of(Kind.MIRROR_FAILED)
    assert (failed.detail["error"], failed.detail["reason"]) == ("ImmutableTagError", "failed")
    assert world.known.refused == ""
    assert world.told(Kind.IMAGE_MIRRORED) == [(TAG, "new")]
    moved = world.place(images.single("moved"), TAG)
    world.look()
    assert world.known.refused == moved.digest, "now it is the tag itself"


def test_an_immutable_tag_is_asked_for_again_a_day_later() -> None:
    world = MirrorWorld(web={"from": "quay.io/org/web", "to": "ecr:web", "every": "1h", "referrers": "none"})
    world.upstream().tags["v1"] = digest("one")
    world.sweep()
    world.run(minutes=60)
    world.upstream().tags["v1"] = digest("two")
    world.refuses["v1"] = [ImmutableTagError("destination: immutable")] * 9
    for _ in range(60):
        world.sweep()
        world.run(minutes=60)
    assert len(world.refuses["v1"]) == 9 - 3, "one try a day"
    assert len(world.publisher.of(Kind.MIRROR_FAILED)) == 1, "the same is told once"
    world.refuses.clear()  # the repository is mutable now
    for _ in range(24):
        world.sweep()
        world.run(minutes=60)
    assert world.downstream().tags["v1"] == digest("two")


def test_a_tag_that_is_not_seen_yet_is_looked_for_again() -> None:
    world = MirrorWorld(web={"from": "quay.io/org/web", "to": "ecr:web", "every": "1d", "platforms": ["linux/amd64"]})
    world.upstream().tags["v1"] = digest("v1")
    tags = world.downstream().tags
    seen = iter(["", ""])
    world.stored = lambda mirror, downstream, tag: next(seen, tags[tag])  # type: ignore[method-assign]
    world.sweep()
    world.run(minutes=30)
    (mirrored,) = world.publisher.of(Kind.IMAGE_MIRRORED)
    assert mirrored.detail["digest"] == digest("v1")
    assert world.publisher.of(Kind.MIRROR_FAILED) == []


def test_a_tag_that_is_never_seen_is_a_failure() -> None:
    world = MirrorWorld(web={"from": "quay.io/org/web", "to": "ecr:web", "every": "1d", "platforms": ["linux/amd64"]})
    world.upstream().tags["v1"] = digest("v1")
    world.stored = lambda mirror, downstream, tag: ""  # type: ignore[method-assign]
    world.sweep()
    world.run(minutes=300)
    assert world.publisher.of(Kind.IMAGE_MIRRORED) == []
    (failed,) = world.publisher.of(Kind.MIRROR_FAILED)
    assert (failed.detail["tag"], failed.detail["side"]) == ("v1", "destination")
    assert f"{HOME.host}/web:v1" in failed.detail["why"]
