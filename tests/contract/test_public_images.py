"""ECR Public as redeploy reads it: by HTTP from the bundle's public.ecr.aws, and by the API of one's own registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from longshore.addresses import Reach
from longshore.aws.ecr import EcrRegistry, Registries
from longshore.aws.ecr_public import PublicRepositories
from longshore.aws.public_images import PublicImages
from longshore.errors import AccessDeniedError, UpstreamError
from longshore.images import Repository
from longshore.registries.auth import Login
from longshore.registries.connect import Network, connect
from longshore_local import images
from longshore_local.ecr_public_registry import REGION, alias_of
from longshore_local.images import artifact, multi_platform, single
from longshore_local.plugins import installed
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, mocked
from tests.fake_platform import ACCOUNT
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from longshore_local.images import SyntheticImage
    from longshore_local.moto_ecr_public import EcrPublicSimulator
    from longshore_local.registry import Registry

WEB = Repository.public(f"{alias_of(ACCOUNT)}/team/web")


@dataclass
class Account:
    """An account with a public repository."""

    api: Any
    front: Registry
    images: PublicImages
    service: EcrPublicSimulator

    def push(self, tag: str, image: SyntheticImage) -> str:
        """Publishes an image."""
        return images.push(self.api, "team/web", tag, image)


@pytest.fixture
def account() -> Iterator[Account]:
    """A registry with one empty repository, and what reads it."""
    with mocked(), installed(VirtualTimeline(), lambda event: None, lambda name, event: None) as plugins:
        api = boto3.client("ecr-public", region_name=REGION)
        api.create_repository(repositoryName="team/web")
        front = plugins.ecr_public.serve()
        network = Network.of(FakeClock(), reach=Reach(loopback=True), longest_wait=0.01)
        gallery = connect(front.host, "source", network, lambda: Login("AWS", "token"))
        repositories = PublicRepositories(api)
        read = PublicImages(lambda: gallery, lambda: repositories, FakeClock())
        yield Account(api, front, read, plugins.ecr_public)
        gallery.close()


def test_a_tag_is_resolved_as_a_pull_resolves_it(account: Account) -> None:
    index = multi_platform("web")
    account.push("prod", single("old"))
    account.push("prod", index)
    found = account.images.resolve(WEB, "prod")
    assert found is not None
    assert (found.candidate.tag, found.candidate.digest, found.is_image) == ("prod", index.digest, True)
    assert found.candidate.platforms.keys() == {"linux/amd64", "linux/arm64"}
    assert found.candidate.complete
    by_digest = account.images.resolve(WEB, index.digest)
    assert by_digest is not None
    assert by_digest.candidate.digest == index.digest
    account.push("sbom", artifact("sbom", "application/spdx+json"))
    told = account.images.resolve(WEB, "sbom")
    assert told is not None
    assert not told.is_image


def test_an_index_without_an_image_is_not_complete(account: Account) -> None:
    index = multi_platform("web")
    account.push("prod", index)
    held = account.service.repositories(ACCOUNT).repositories["team/web"].images
    held[:] = [each for each in held if each.image_digest != index.children[0].digest]
    found = account.images.resolve(WEB, "prod")
    assert found is not None
    assert not found.candidate.complete


def test_what_is_not_there_is_none(account: Account) -> None:
    assert account.images.resolve(WEB, "none") is None
    assert account.images.resolve(Repository.public("f0000000/web"), "prod") is None
    assert list(account.images.tags(Repository.public(f"{alias_of(ACCOUNT)}/none"))) == []
    assert account.images.tags_of(WEB, single("x").digest) == ()


def test_ones_own_tags_are_listed_and_somebody_elses_are_looked_at(account: Account) -> None:
    first = account.push("1", single("one"))
    second = account.push("2", single("two"))
    listed = {tag: digest for tag, digest, _ in account.images.tags(WEB, ["1"])}
    assert listed == {"1": first, "2": second}
    theirs = PublicImages(account.images._gallery, _Nobodys, FakeClock())
    seen = {tag: digest for tag, digest, _ in theirs.tags(WEB, ["1", "none"])}
    assert seen == {"1": first}


class _Nobodys(PublicRepositories):
    """An account without a public registry."""

    def __init__(self) -> None:
        super().__init__(None)

    def owns(self, alias: str) -> bool:
        return False


def test_each_repository_is_asked_for_where_it_is(account: Account) -> None:
    pushed = account.push("1", single("one"))
    ecr = client("ecr")
    ecr.create_repository(repositoryName="web")
    private = images.push(ecr, "web", "1", single("private"))
    far = boto3.client("ecr", region_name="us-east-2")
    far.create_repository(repositoryName="web")
    another = images.push(far, "web", "1", images.single("another image under the same name"))
    registries = Registries(
        lambda region: EcrRegistry(far if region == "us-east-2" else ecr), lambda: account.images, None
    )
    asked = (WEB, Repository(ACCOUNT, ecr.meta.region_name, "web"), Repository(ACCOUNT, "us-east-2", "web"))
    there = [registries.resolve(each, "1") for each in asked]
    assert [each.candidate.digest for each in there if each] == [pushed, private, another]


def test_a_registry_that_does_not_answer_is_an_error_that_passes(account: Account) -> None:
    account.push("1", single("one"))
    account.front.close()
    with pytest.raises(UpstreamError):
        account.images.resolve(WEB, "1")


def test_a_login_that_is_denied_is_an_error_that_stays(account: Account) -> None:
    def denied() -> Login:
        raise AccessDeniedError("ecr-public:GetAuthorizationToken")

    network = Network.of(FakeClock(), reach=Reach(loopback=True), longest_wait=0.01)
    gallery = connect(account.front.host, "source", network, denied)
    with pytest.raises(AccessDeniedError, match="GetAuthorizationToken"):
        PublicImages(lambda: gallery, lambda: PublicRepositories(None), FakeClock()).resolve(WEB, "1")
    gallery.close()
