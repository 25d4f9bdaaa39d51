"""Registries that let nobody list tags: what is named is copied all the same, and with its signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.errors import AccessDeniedError, LongshoreError, UnsupportedError, UpstreamError
from longshore.mirror.errors import PutOffError
from longshore_local import images
from tests.fakes import START
from tests.mirror_engine import EngineWorld
from tests.mirror_world import REPOSITORY, World, failing

if TYPE_CHECKING:
    from longshore.mirror.orders import Referrers

DENIED = AccessDeniedError("source up.example: GET tags: 403")
ERRORS: list[LongshoreError] = [
    DENIED,
    UnsupportedError("GET tags: 405"),
    UpstreamError("GET tags: 500"),
    PutOffError("GET tags: 429", 900, START),
]
TAGS = [f"v{n}" for n in range(5)]


def made(tags: list[str]) -> tuple[World, list[str]]:
    """A world, and the tags of what its images are signed with."""
    world = World()
    for tag in tags:
        world.source.place(images.single(tag), tag)
    image = images.single(tags[0])
    signed = images.signature_tag(image.digest)
    world.source.place(images.signature(image), signed)
    world.source.refer(images.artifact("sbom", "text/spdx", image))
    return world, [signed]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("tags", [TAGS[:1], TAGS])
@pytest.mark.parametrize("which", ["all", "signatures", "none"])
def test_a_source_that_lists_no_tags_is_asked_for_each(
    error: LongshoreError, tags: list[str], which: Referrers
) -> None:
    world, signed = made(tags)
    world.source.before = failing(*[error] * 9, name="tags")
    report = world.copy(*tags, referrers=which)
    assert (report.failures, report.notes) == ((), ())
    assert world.unlike(*tags, *(signed if which != "none" else ())) == []
    assert world.source.count("tags") == (which != "none"), "denied once is denied"
    assert world.source.count("head") <= 4 * (len(tags) + 3)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("tags", [TAGS[:1], TAGS])
def test_a_destination_that_lists_no_tags_is_asked_for_each(error: LongshoreError, tags: list[str]) -> None:
    world, signed = made(tags)
    world.destination.before = failing(*[error] * 9, name="tags")
    assert world.copy(*tags).ok
    assert world.unlike(*tags, *signed) == []
    assert world.destination.count("tags") == 1
    world.forget_calls()
    report = world.copy(*tags)
    assert ({item.tag for item in report.in_sync} >= set(tags), report.copied) == (True, ())
    assert world.destination.received == 0


@pytest.mark.parametrize("demanded", [False, True])
def test_a_signature_that_nobody_may_look_for_is_noted_or_a_failure(demanded: bool) -> None:
    world, _ = made(["v1", "v2"])

    def before(name: str, about: str) -> None:
        if name == "tags" or (name == "head" and about.startswith("sha256-")):
            raise DENIED

    world.source.before = before
    report = world.copy("v1", "v2", demanded=demanded)
    assert {item.tag for item in report.copied} >= {"v1", "v2"}
    assert world.partial() == []
    assert len(report.notes) == (0 if demanded else 1)
    blamed = {subject.tag for failure in report.failures for subject in failure.subjects}
    assert blamed == ({"v1", "v2"} if demanded else set())


def test_a_signature_that_could_not_be_looked_for_is_its_images_failure() -> None:
    world, signed = made(["v1", "v2"])

    def before(name: str, about: str) -> None:
        if name == "tags" or (name == "head" and about == signed[0]):
            raise UpstreamError("source up.example: 500")

    world.source.before = before
    report = world.copy("v1", "v2")
    assert {subject.tag for failure in report.failures for subject in failure.subjects} == {"v1"}


def test_named_tags_are_mirrored_from_where_nobody_may_list() -> None:
    world = EngineWorld(tags={"include": ["a", "b"]})
    for tag in "ab":
        world.upstream().tags[tag] = world.inner.source.place(images.single(tag), tag).digest
    world.inner.source.before = failing(*[DENIED] * 9, name="tags")
    world.sweep()
    world.run()
    assert world.inner.destination.repositories[REPOSITORY].tags.keys() == {"a", "b"}


def test_an_image_that_the_destination_could_not_be_asked_for_fails_alone() -> None:
    world, _ = made(["v1", "v2"])
    assert world.copy("v1").ok
    about = images.single("v2").digest
    world.destination.before = failing(*[UpstreamError("destination down.example: 500")] * 9, name="head", about=about)
    report = world.copy("v1", "v2")
    assert ([f.item.tag for f in report.failures], [f.side for f in report.failures]) == (["v2"], ["destination"])


def test_a_destination_that_lists_no_tags_is_not_taken_to_be_empty() -> None:
    world = World()
    world.source.place(images.multi_platform("x", ("linux/amd64", "linux/arm64")), "v1", "v2")
    assert world.copy("v1").ok
    world.forget_calls()
    world.destination.before = failing(*[DENIED] * 9, name="tags")
    assert world.copy("v2").ok
    assert (world.source.count("manifest"), world.destination.count("put_manifest")) == (1, 1)
