"""A referrer that cannot be copied is the trouble of its own image, and of no other tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.errors import AccessDeniedError, UpstreamError
from longshore.events import Kind
from longshore.mirror.orders import Item, Referrers
from longshore.mirror.referrers import fallback_tag
from longshore_local import images
from tests.mirror_world import REPOSITORY, FakeRegistry, World, failing
from tests.mirrors_world import HOME, MirrorWorld

if TYPE_CHECKING:
    from longshore.mirror.carrier import Part
    from longshore.mirror.report import Report


def made(*, api: bool = True) -> tuple[World, dict[str, images.SyntheticImage]]:
    """Three tags of a multi-platform image each."""
    world = World(FakeRegistry("source", "up", referrers_api=api))
    found = {f"v{n}": images.multi_platform(f"x{n}", ("linux/amd64", "linux/arm64")) for n in range(3)}
    for tag, image in found.items():
        world.source.place(image, tag)
    return world, found


def spoil(world: World, image: images.SyntheticImage) -> None:
    """The source gives other bytes than the image's digest promises."""
    manifest = world.source.repositories[REPOSITORY].manifests[image.digest]
    for blob in manifest.blobs:
        world.source.bad[blob.digest] = b"x" * blob.size


def blamed(report: Report) -> set[str | None]:
    return {subject.tag for failure in report.failures for subject in failure.subjects}


def ordered(world: World, found: dict[str, images.SyntheticImage]) -> Report:
    return world.copy(*[Item(image.digest, tag) for tag, image in found.items()])


@pytest.mark.parametrize("of_a_platform", [False, True])
@pytest.mark.parametrize("in_sync", [False, True])
def test_a_bad_cosign_signature_is_its_images(of_a_platform: bool, in_sync: bool) -> None:
    world, found = made()
    if in_sync:
        assert ordered(world, found).ok
    image = found["v1"].children[0] if of_a_platform else found["v1"]
    signature = images.signature(image)
    world.source.place(signature, images.signature_tag(image.digest))
    spoil(world, signature)
    assert blamed(ordered(world, found)) == {"v1"}


@pytest.mark.parametrize("api", [False, True])
def test_a_bad_signature_of_an_sbom_is_the_images(api: bool) -> None:
    world, found = made(api=api)
    sbom = images.artifact("sbom", "text/spdx", found["v2"])
    signature = images.artifact("signature", "text/signature", sbom)
    world.source.refer(sbom)
    world.source.refer(signature)
    spoil(world, signature)
    assert blamed(ordered(world, found)) == {"v2"}


def test_referrers_that_cannot_be_listed_are_the_images() -> None:
    world, found = made()

    world.source.before = failing(UpstreamError("source up: 500"), name="referrers", about=found["v0"].digest)
    assert blamed(ordered(world, found)) == {"v0"}


def test_an_image_under_two_tags_has_two() -> None:
    world, found = made()
    signature = images.signature(found["v0"])
    world.source.place(signature, images.signature_tag(found["v0"].digest))
    spoil(world, signature)
    assert blamed(ordered(world, {**found, "latest": found["v0"]})) == {"v0", "latest"}


class EngineWorld(MirrorWorld):
    """The service over the engine itself."""

    inner: World

    def copy(self, part: Part) -> Report:
        return self.inner.copy(*part.items, demanded=part.mirror.demanded)


def test_the_service_tells_of_that_tag_alone_and_of_every_image() -> None:
    world, found = made()
    signature = images.signature(found["v1"])
    world.source.place(signature, images.signature_tag(found["v1"].digest))
    spoil(world, signature)
    service = EngineWorld(web={"from": "quay.io/org/web", "to": "ecr:mirror/web"})
    service.inner = world
    service.upstream().tags.update({tag: image.digest for tag, image in found.items()})
    service.sweep()
    service.run()
    assert {each.detail["tag"] for each in service.publisher.of(Kind.IMAGE_MIRRORED)} == {"v0", "v1", "v2"}
    (told,) = service.publisher.of(Kind.MIRROR_FAILED)
    assert (told.detail["tag"], told.detail["downstream"]) == ("v1", f"{HOME.host}/mirror/web")


@pytest.mark.parametrize("which", ["all", "signatures"])
def test_where_nobody_may_list_referrers_the_fallback_tag_is_copied(which: Referrers) -> None:
    world, found = made(api=False)
    signature = images.artifact("signature", "application/vnd.dev.cosign.artifact.sig.v1+json", found["v1"])
    world.source.refer(signature)
    denied = AccessDeniedError("source up: GET referrers: 403")
    world.source.before = failing(denied, name="referrers")
    report = world.copy(*[Item(image.digest, tag) for tag, image in found.items()], referrers=which)
    assert (report.ok, report.notes) == (True, (f"{denied}; referrers are copied as far as tags name them",))
    assert world.source.count("referrers") == 1
    there = world.destination.repositories[REPOSITORY]
    assert signature.digest in there.manifests
    assert fallback_tag(found["v1"].digest) in there.tags


@pytest.mark.parametrize("members", [{}, {"referrers": "all"}])
def test_only_who_asks_for_referrers_by_name_fails_without(members: dict[str, str]) -> None:
    world, found = made()
    denied = AccessDeniedError("source up: GET referrers: 403")
    world.source.before = failing(*[denied] * 99, name="referrers")
    service = EngineWorld(web={"from": "quay.io/org/web", "to": "ecr:mirror/web", **members})
    service.inner = world
    service.upstream().tags.update({tag: image.digest for tag, image in found.items()})
    service.upstream().unlisted = denied
    service.sweep()
    outcomes = service.run()
    assert len(service.publisher.of(Kind.IMAGE_MIRRORED)) == 3, "the images are there all the same"
    assert [each.detail["why"] for each in outcomes if each.reason == "left-out"] == (
        [] if members else [f"{denied}; referrers are copied as far as tags name them"]
    )
    assert len(service.publisher.of(Kind.MIRROR_FAILED)) == (3 if members else 0)
