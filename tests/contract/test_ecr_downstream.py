"""ECR as a downstream, on moto with ECR's own rules; ECR Public by botocore's stubs, which hold the model's shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from longshore.aws.ecr_downstream import EcrHoldings, EcrRepositories
from longshore.aws.ecr_public import PublicRepositories
from longshore.aws.places import AwsPlaces, Credential
from longshore.errors import ConfigurationError, UnsupportedError
from longshore.images import Endpoint
from longshore.mirror.reading import Home, read_mirrors
from longshore.mirror.rules import Catalog, Downstream, Template
from longshore_local import images
from longshore_local.plugins import installed
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import REGION, client, mocked

ACCOUNT = "123456789012"
RULES = {
    "rulePriority": 1,
    "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 9},
    "action": {"type": "expire"},
}


@pytest.fixture
def ecr() -> Iterator[Any]:
    """ECR of an empty account."""
    with mocked(), installed(VirtualTimeline(), lambda event: None, lambda name, event: None):
        yield client("ecr")


def test_a_repository_is_created_from_its_template_and_once(ecr: Any) -> None:
    repositories = EcrRepositories(ecr, ACCOUNT)
    template = Template(
        immutability="IMMUTABLE",
        kms_key="arn:aws:kms:eu-west-1:123456789012:key/1",
        lifecycle=json.dumps({"rules": [RULES]}),
        tags={"team": "shop"},
    )
    assert repositories.create("mirror/web", template)
    assert not repositories.create("mirror/web", template)
    (made,) = ecr.describe_repositories(repositoryNames=["mirror/web"])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["encryptionConfiguration"]["kmsKey"].endswith("key/1")
    tags = ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    assert tags == [{"Key": "team", "Value": "shop"}]
    assert "lifecyclePolicyText" in ecr.get_lifecycle_policy(repositoryName="mirror/web")


def test_a_lifecycle_policy_that_failed_is_set_the_next_time(ecr: Any) -> None:
    repositories = EcrRepositories(ecr, ACCOUNT)
    assert repositories.create("mirror/web", Template())  # as an invocation leaves it that ends, or is throttled, here
    template = Template(lifecycle=json.dumps({"rules": [RULES]}))
    assert not repositories.create("mirror/web", template)
    assert "lifecyclePolicyText" in ecr.get_lifecycle_policy(repositoryName="mirror/web")


def test_a_policy_of_a_repository_in_use_is_its_owners(ecr: Any) -> None:
    repositories = EcrRepositories(ecr, ACCOUNT)
    repositories.create("mirror/web", Template())
    images.push(ecr, "mirror/web", "v1", images.single("x"))
    assert not repositories.create("mirror/web", Template(lifecycle=json.dumps({"rules": [RULES]})))
    with pytest.raises(ecr.exceptions.LifecyclePolicyNotFoundException):
        ecr.get_lifecycle_policy(repositoryName="mirror/web")


def test_holdings_are_listed_in_bulk(ecr: Any) -> None:
    holdings = EcrHoldings(ecr, ACCOUNT)
    assert holdings.tagged("mirror/web") == {}
    assert holdings.blobs("mirror/web", ["sha256:" + "a" * 64]) == frozenset()
    ecr.create_repository(repositoryName="mirror/web")
    assert holdings.tagged("mirror/web") == {}
    one, two = images.single("one"), images.single("two")
    for tag, image in (("v1", one), ("latest", one), ("v2", two)):
        images.push(ecr, "mirror/web", tag, image)
    assert holdings.tagged("mirror/web") == {"v1": one.digest, "latest": one.digest, "v2": two.digest}
    asked = [*one.blobs, *(f"sha256:{i:064x}" for i in range(150))]
    assert set(holdings.blobs("mirror/web", asked) or ()) == set(one.blobs)


def test_only_tags_that_still_name_the_image_are_deleted(ecr: Any) -> None:
    ecr.create_repository(repositoryName="web")
    one, two = images.single("one"), images.single("two")
    for tag, image in (("v1", one), ("latest", one), ("v2", two)):
        images.push(ecr, "web", tag, image)
    deleted = EcrRepositories(ecr, ACCOUNT).delete("web", {"v1": one.digest, "v2": one.digest, "v9": one.digest})
    assert deleted == ["v1"]
    assert EcrHoldings(ecr, ACCOUNT).tagged("web") == {"latest": one.digest, "v2": two.digest}


def test_a_token_is_a_login(ecr: Any) -> None:
    token = EcrRepositories(ecr, ACCOUNT).token()
    assert token.value
    assert token.expires > datetime(2020, 1, 1, tzinfo=UTC)


# -- ECR Public ------------------------------------------------------------------------------------------------------


@pytest.fixture
def public() -> Iterator[tuple[Any, Stubber]]:
    """A client that answers what a test says, after holding requests against the model."""
    made = boto3.client("ecr-public", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(made) as stubber:
        yield made, stubber
        stubber.assert_no_pending_responses()


CATALOG = Catalog("A web server", "about", "usage", ("ARM 64",), ("Linux",))
SENT = {
    "description": "A web server",
    "aboutText": "about",
    "usageText": "usage",
    "architectures": ["ARM 64"],
    "operatingSystems": ["Linux"],
}


def test_a_public_repository_is_created_with_its_catalog_data(public: tuple[Any, Stubber]) -> None:
    made, stubber = public
    request = {"repositoryName": "web", "catalogData": SENT, "tags": [{"Key": "team", "Value": "shop"}]}
    stubber.add_response("create_repository", {"repository": {}}, request)
    stubber.add_client_error("create_repository", "RepositoryAlreadyExistsException")
    repositories = PublicRepositories(made)
    assert repositories.create("web", Template(tags={"team": "shop"}), CATALOG)
    assert not repositories.create("web", Template(), None)


def test_catalog_data_is_put_where_it_differs(public: tuple[Any, Stubber]) -> None:
    made, stubber = public
    there = {"description": "old", "usageText": "theirs", "logoUrl": "https://x", "marketplaceCertified": False}
    stubber.add_response("get_repository_catalog_data", {"catalogData": there}, {"repositoryName": "web"})
    wanted = {"description": "new", "usageText": "theirs"}
    stubber.add_response(
        "put_repository_catalog_data", {"catalogData": wanted}, {"repositoryName": "web", "catalogData": wanted}
    )
    stubber.add_response("get_repository_catalog_data", {"catalogData": {**there, "description": "new"}})
    stubber.add_client_error("get_repository_catalog_data", "RepositoryCatalogDataNotFoundException")
    stubber.add_response("put_repository_catalog_data", {"catalogData": {}})
    repositories = PublicRepositories(made)
    assert repositories.describe("web", Catalog("new"))
    assert not repositories.describe("web", Catalog("new"))
    assert repositories.describe("web", Catalog("new"))


def test_only_ones_own_alias_is_written_to(public: tuple[Any, Stubber]) -> None:
    made, stubber = public
    alias = {"name": "a1b2c3d4", "status": "ACTIVE", "primaryRegistryAlias": True, "defaultRegistryAlias": True}
    registry = {
        "registryId": ACCOUNT,
        "registryArn": "arn",
        "registryUri": "public.ecr.aws/a1b2c3d4",
        "verified": False,
        "aliases": [alias],
    }
    stubber.add_response("describe_registries", {"registries": [registry]})
    repositories = PublicRepositories(made)
    repositories.own("a1b2c3d4")
    with pytest.raises(ConfigurationError, match=r"its aliases: a1b2c3d4"):
        repositories.own("somebody")


def test_public_holdings_are_asked_for_without_the_alias(public: tuple[Any, Stubber]) -> None:
    made, stubber = public
    detail = {"imageDigest": "sha256:" + "a" * 64, "imageTags": ["v1"]}
    request = {"repositoryName": "web", "maxResults": 1000}
    alias = {"name": "a1", "status": "ACTIVE", "primaryRegistryAlias": True, "defaultRegistryAlias": True}
    registry = {"registryId": ACCOUNT, "registryArn": "a", "registryUri": "u", "verified": False, "aliases": [alias]}
    stubber.add_response("describe_registries", {"registries": [registry]})
    stubber.add_response("describe_images", {"imageDetails": [detail]}, request)
    regions: list[tuple[str, str]] = []

    def of(service: str, region: str) -> Any:
        regions.append((service, region))
        return made

    holdings = _places(of).holdings(Downstream(Endpoint("public.ecr.aws", "a1/web")))
    assert holdings is not None
    assert holdings.tagged("a1/web") == {"v1": detail["imageDigest"]}
    assert set(regions) == {("ecr-public", "us-east-1")}, "whatever the stack's Region"


# -- places ----------------------------------------------------------------------------------------------------------


def _places(of: Any, secret: str = "", logins: dict[str, Credential | None] | None = None) -> AwsPlaces:
    def connect(host: str, side: str, login: Any) -> Any:
        if logins is not None:
            logins[f"{side} {host}"] = login() if login else None
        return object()

    return AwsPlaces(of, lambda arn: secret, connect)


def _mirror(**members: Any) -> Any:
    raw = {"web": {"from": "quay.io/org/web", "to": "ecr:web", **members}}
    return read_mirrors(raw, Home(ACCOUNT, REGION))["web"]


def test_every_side_logs_in_as_it_must(ecr: Any) -> None:
    logins: dict[str, Credential | None] = {}
    places = _places(lambda service, region: ecr, json.dumps({"username": "me", "accessToken": "pat"}), logins)
    anonymous, named = _mirror(), _mirror(secret=f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/x")
    places.source(anonymous)
    assert logins["source quay.io"] is None
    places.source(named)
    assert logins["source quay.io"] == Credential("me", "pat")
    places.destination(anonymous, anonymous.downstreams[0])
    token = logins[f"destination {ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"]
    assert token is not None
    assert token.token
    assert places.source(named) is places.source(named)


def test_a_login_that_is_asked_for_again_is_read_anew() -> None:
    forgotten: list[str] = []
    logins: list[Any] = []
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/x"
    text = json.dumps({"username": "me", "password": "x"})

    def connect(host: str, side: str, login: Any) -> Any:
        logins.append(login)
        return object()

    places = AwsPlaces(lambda service, region: None, lambda arn: text, connect, forgotten.append)
    places.source(_mirror(secret=arn))
    logins[0]()
    assert forgotten == []
    logins[0]()
    assert forgotten == [arn]


@pytest.mark.parametrize("secret", ["hunter2", "[]", "{}", '{"username": 1, "password": "x"}'])
def test_a_secret_without_a_login_is_told_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _places(None, secret, {}).source(_mirror(secret=f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/x"))
    assert "hunter2" not in str(caught.value)
    assert "username" in str(caught.value)


def test_elsewhere_nothing_is_created_listed_or_deleted() -> None:
    mirror = _mirror(to="quay.io/org/other")
    (downstream,) = mirror.downstreams
    places = _places(None)
    assert places.holdings(downstream) is None
    assert not places.describe(mirror, downstream)
    with pytest.raises(UnsupportedError):
        places.create(mirror, downstream)
    with pytest.raises(UnsupportedError):
        places.delete(downstream, {"v1": "x"})
