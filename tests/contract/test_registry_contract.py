"""The registry of redeploy: one suite, run on the fake and on ECR's rules in moto (redeploy 8.2, 8.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from longshore.aws.ecr import EcrRegistry
from longshore.errors import AccessDeniedError, UpstreamError
from longshore.images import Repository
from longshore_local import images
from longshore_local.moto_ecr import install
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, mocked
from tests.fake_platform import ACCOUNT, REGION, WEB, FakeRegistry
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from longshore.redeploy.ports import Registry

GONE = Repository(ACCOUNT, REGION, "team/gone")


class Driver(Protocol):
    """A registry, and how images get into it."""

    @property
    def registry(self) -> Registry: ...

    def push(self, image: images.SyntheticImage, tag: str) -> str: ...

    def push_without_children(self, image: images.SyntheticImage, tag: str) -> str: ...

    def untag(self, tag: str) -> None: ...


class Fake:
    """The fake, told of an image what its manifest says."""

    def __init__(self) -> None:
        self.registry = FakeRegistry(FakeClock())
        self._fake = self.registry

    def push(self, image: images.SyntheticImage, tag: str) -> str:
        platforms = PLATFORMS.get(image.digest, {})
        self._fake.push(WEB, tag, image.digest, platforms=platforms, is_image=image.digest not in ARTIFACTS)
        return image.digest

    def push_without_children(self, image: images.SyntheticImage, tag: str) -> str:
        self._fake.push(WEB, tag, image.digest, platforms=PLATFORMS[image.digest], complete=False)
        return image.digest

    def untag(self, tag: str) -> None:
        self._fake.delete(WEB, tag)


class Ecr:
    """ECR as the local bundle has it."""

    def __init__(self) -> None:
        self._ecr = client("ecr")
        self._ecr.create_repository(repositoryName=WEB.name)
        self.registry = EcrRegistry(self._ecr)

    def push(self, image: images.SyntheticImage, tag: str) -> str:
        return images.push(self._ecr, WEB.name, tag, image)

    def push_without_children(self, image: images.SyntheticImage, tag: str) -> str:
        """ECR takes an index only with its children; one is deleted afterwards, as a lifecycle policy might."""
        pushed = self.push(image, tag)
        child = [{"imageDigest": image.children[0].digest}]
        self._ecr.meta.events.register("before-call.ecr.BatchGetImage", lambda **_: None)
        _forget_child(self._ecr, child)
        return pushed

    def untag(self, tag: str) -> None:
        self._ecr.batch_delete_image(repositoryName=WEB.name, imageIds=[{"imageTag": tag}])


def _forget_child(ecr: Any, child: list[dict[str, str]]) -> None:
    from moto.ecr.models import ecr_backends

    repository = ecr_backends[ACCOUNT][REGION].repositories[WEB.name]
    repository.images[:] = [each for each in repository.images if each.get_image_digest() != child[0]["imageDigest"]]


ONE, TWO = images.single("one"), images.single("two")
INDEX = images.multi_platform("index")
SBOM = images.artifact("sbom", "application/spdx+json")
PLATFORMS = {INDEX.digest: {"linux/amd64": INDEX.children[0].digest, "linux/arm64": INDEX.children[1].digest}}
ARTIFACTS = {SBOM.digest}


@pytest.fixture(params=["fake", "ecr"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    if request.param == "fake":
        yield Fake()
        return
    with mocked(), install(VirtualTimeline(), lambda event: None):
        yield Ecr()


def test_a_tag_is_resolved_to_what_it_names_now(driver: Driver) -> None:
    driver.push(ONE, "prod")
    driver.push(TWO, "prod")
    found = driver.registry.resolve(WEB, "prod")
    assert found is not None
    assert (found.candidate.tag, found.candidate.digest, found.is_image) == ("prod", TWO.digest, True)
    assert (dict(found.candidate.platforms), found.candidate.complete) == ({}, True)


def test_no_tag_and_no_repository_are_nothing(driver: Driver) -> None:
    driver.push(ONE, "prod")
    assert driver.registry.resolve(WEB, "other") is None
    assert driver.registry.resolve(GONE, "prod") is None
    driver.untag("prod")
    assert driver.registry.resolve(WEB, "prod") is None


def test_an_index_offers_its_platforms_and_not_its_attestations(driver: Driver) -> None:
    driver.push(INDEX, "prod")
    found = driver.registry.resolve(WEB, "prod")
    assert found is not None
    assert found.candidate.digest == INDEX.digest
    assert dict(found.candidate.platforms) == PLATFORMS[INDEX.digest]
    assert found.candidate.complete
    assert found.is_image


def test_an_index_without_one_of_its_images_is_incomplete(driver: Driver) -> None:
    driver.push_without_children(INDEX, "prod")
    found = driver.registry.resolve(WEB, "prod")
    assert found is not None
    assert not found.candidate.complete


def test_an_artifact_is_no_image(driver: Driver) -> None:
    driver.push(SBOM, "prod")
    found = driver.registry.resolve(WEB, "prod")
    assert found is not None
    assert not found.is_image


def test_every_tag_is_listed_with_its_digest_and_when_it_was_pushed(driver: Driver) -> None:
    for image, tag in ((ONE, "prod"), (TWO, "canary"), (ONE, "1.0.0")):
        driver.push(image, tag)
    found = list(driver.registry.tags(WEB))
    assert {tag: pushed for tag, pushed, _ in found} == {
        "prod": ONE.digest,
        "1.0.0": ONE.digest,
        "canary": TWO.digest,
    }
    assert all(at.tzinfo is not None for _, _, at in found)
    assert list(driver.registry.tags(GONE)) == []


def test_the_tags_of_an_image(driver: Driver) -> None:
    driver.push(ONE, "prod")
    driver.push(ONE, "1.0.0")
    driver.push(TWO, "canary")
    assert sorted(driver.registry.tags_of(WEB, ONE.digest)) == ["1.0.0", "prod"]
    assert list(driver.registry.tags_of(WEB, "sha256:" + "0" * 64)) == []
    assert list(driver.registry.tags_of(GONE, ONE.digest)) == []


class Scripted:
    """An ECR client that answers as it is told."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def batch_get_image(self, **_: Any) -> Any:
        answer = self._answers["batch_get_image"]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("text", ["", "not json", "[]", "5", '{"manifests": 5}', '{"manifests": [{}]}', "[" * 5000])
def test_a_manifest_that_cannot_be_read_is_tried_again(text: str) -> None:
    media = "application/vnd.oci.image.index.v1+json"
    image = {"imageId": {"imageDigest": ONE.digest}, "imageManifest": text, "imageManifestMediaType": media}
    registry = EcrRegistry(Scripted(batch_get_image={"images": [image], "failures": []}))
    with pytest.raises(UpstreamError):
        registry.resolve(WEB, "prod")


def test_what_the_role_may_not_do_is_not_taken_for_a_missing_image() -> None:
    from botocore.exceptions import ClientError

    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "BatchGetImage")
    with pytest.raises(AccessDeniedError, match="BatchGetImage"):
        EcrRegistry(Scripted(batch_get_image=denied)).resolve(WEB, "prod")
