"""ECR Public in the bundle: the API by its model, images over HTTP, and what ECS gets from there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from longshore_local import images
from longshore_local.bundle import ACCOUNT, Bundle
from longshore_local.ecr_public_registry import HOST, REGION, alias_of
from longshore_local.images import multi_platform, single
from longshore_local.plugins import Plugins, installed
from longshore_local.registry import OPEN
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import mocked

ALIAS = alias_of(ACCOUNT)
CATALOG = {"description": "A web server", "architectures": ["ARM 64"], "operatingSystems": ["Linux"]}


@pytest.fixture
def account() -> Iterator[Plugins]:
    """An empty account."""
    with mocked(), installed(VirtualTimeline(), lambda event: None, lambda name, event: None) as plugins:
        yield plugins


@pytest.fixture
def api(account: Plugins) -> Any:
    """Its ECR Public API."""
    return boto3.client("ecr-public", region_name=REGION)


def refused(call: Any, **request: Any) -> str:
    """The code of a refusal."""
    with pytest.raises(ClientError) as error:
        call(**request)
    return str(error.value.response["Error"]["Code"])


def test_a_repository_has_an_alias_catalog_data_and_tags(api: Any) -> None:
    tags = [{"Key": "team", "Value": "shop"}]
    made = api.create_repository(repositoryName="team/web", catalogData=CATALOG, tags=tags)
    assert made["repository"]["repositoryUri"] == f"{HOST}/{ALIAS}/team/web"
    assert made["catalogData"] == {**CATALOG, "marketplaceCertified": False}
    assert refused(api.create_repository, repositoryName="team/web") == "RepositoryAlreadyExistsException"
    assert refused(api.create_repository, repositoryName="Team") == "InvalidParameterException"
    (registry,) = api.describe_registries()["registries"]
    assert (registry["registryUri"], registry["aliases"][0]["name"]) == (f"{HOST}/{ALIAS}", ALIAS)
    assert [each["repositoryName"] for each in api.describe_repositories()["repositories"]] == ["team/web"]
    assert api.list_tags_for_resource(resourceArn=made["repository"]["repositoryArn"])["tags"] == tags


def test_catalog_data_is_replaced_whole_but_for_the_logo(api: Any) -> None:
    api.create_repository(repositoryName="web", catalogData={**CATALOG, "logoImageBlob": b"png"})
    api.put_repository_catalog_data(repositoryName="web", catalogData={"aboutText": "about"})
    found = api.get_repository_catalog_data(repositoryName="web")["catalogData"]
    assert found.keys() == {"aboutText", "logoUrl", "marketplaceCertified"}
    api.create_repository(repositoryName="bare")
    code = refused(api.get_repository_catalog_data, repositoryName="bare")
    assert code == "RepositoryCatalogDataNotFoundException"
    assert refused(api.get_repository_catalog_data, repositoryName="none") == "RepositoryNotFoundException"


def test_what_is_pushed_over_http_is_what_the_api_describes(account: Plugins, api: Any) -> None:
    api.create_repository(repositoryName="web")
    image = multi_platform("web")
    images.push(account.ecr_public.serve(auth=OPEN), f"{ALIAS}/web", "1", image)
    found = api.describe_images(repositoryName="web")["imageDetails"]
    described = {each["imageDigest"]: each.get("imageTags") for each in found}
    assert described == {image.digest: ["1"], **{each.digest: None for each in image.children}}
    (tag,) = api.describe_image_tags(repositoryName="web")["imageTagDetails"]
    assert (tag["imageTag"], tag["imageDetail"]["imageDigest"]) == ("1", image.digest)
    assert account.ecr_public.resolve(f"{HOST}/{ALIAS}/web:1") == image.digest
    assert account.ecr_public.resolve(f"{HOST}/{ALIAS}/web@{image.digest}") == image.digest
    assert account.ecr_public.resolve(f"{HOST}/{ALIAS}/web") is None
    assert account.ecr_public.resolve(f"{HOST}/other/web:1") is None
    assert refused(api.delete_repository, repositoryName="web") == "RepositoryNotEmptyException"
    api.batch_delete_image(repositoryName="web", imageIds=[{"imageTag": "1"}])
    api.delete_repository(repositoryName="web", force=True)
    assert api.describe_repositories()["repositories"] == []


def test_it_is_in_one_region(account: Plugins) -> None:
    elsewhere = boto3.client("ecr-public", region_name="us-west-2")
    assert refused(elsewhere.describe_registries) == "UnsupportedCommandException"


def test_an_account_is_cleared_and_nothing_is_left_of_the_service() -> None:
    from moto import backend_index

    before = list(backend_index.backend_url_patterns)
    with Bundle.start(parameters={"NotifyMode": "off"}) as bundle:
        api = bundle.session().client("ecr-public", region_name=REGION)
        api.create_repository(repositoryName="web")
        images.push(api, "web", "1", single("web"))
        assert api.describe_images(repositoryName="web")["imageDetails"]
        bundle.clear()
        assert api.describe_repositories()["repositories"] == []
    assert backend_index.backend_url_patterns == before
