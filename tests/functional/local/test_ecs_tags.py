"""Tags of the simulated ECS: what they are, which events they send, how GetResources finds them."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.local.ecs_account import ACCOUNT, NETWORK, REGION, A, EcsAccount, opened

POLICY = {"key": "longshore:policy", "value": "digest"}


@pytest.fixture
def shop() -> Iterator[EcsAccount]:
    with opened() as account:
        yield account


def found(shop: EcsAccount, **filters: Any) -> list[str]:
    pages = shop.tagging.get_paginator("get_resources").paginate(
        TagFilters=[{"Key": "longshore:policy", **filters}], ResourceTypeFilters=["ecs:service"]
    )
    return [resource["ResourceARN"] for page in pages for resource in page["ResourceTagMappingList"]]


def test_tag_changes_are_told_with_what_changed_and_all_tags(shop: EcsAccount) -> None:
    arn = shop.steady(tags=[{"key": "team", "value": "web"}])["serviceArn"]
    shop.ecs.tag_resource(resourceArn=arn, tags=[POLICY, {"key": "team", "value": "web"}])
    shop.ecs.untag_resource(resourceArn=arn, tagKeys=["team", "never-there"])
    shop.ecs.tag_resource(resourceArn=arn, tags=[POLICY])
    added, removed = shop.of_type("Tag Change on Resource")
    assert (added["source"], added["resources"], added["account"]) == ("aws.tag", [arn], ACCOUNT)
    assert added["detail"] == {
        "changed-tag-keys": ["longshore:policy"],
        "service": "ecs",
        "resource-type": "service",
        "version": 2,
        "tags": {"team": "web", "longshore:policy": "digest"},
    }
    assert removed["detail"]["changed-tag-keys"] == ["team"]
    assert (removed["detail"]["version"], removed["detail"]["tags"]) == (3, {"longshore:policy": "digest"})
    assert shop.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [POLICY]
    assert shop.service()["tags"] == [POLICY]


def test_a_service_created_with_tags_is_told_of(shop: EcsAccount) -> None:
    shop.create(tags=[POLICY])
    shop.create("plain")
    (event,) = shop.of_type("Tag Change on Resource")
    assert event["detail"]["changed-tag-keys"] == ["longshore:policy"]


def test_the_tagging_api_changes_tags_and_tells(shop: EcsAccount) -> None:
    arn = shop.create()["serviceArn"]
    shop.tagging.tag_resources(ResourceARNList=[arn], Tags={"longshore:policy": "digest"})
    assert found(shop) == [arn]
    shop.tagging.untag_resources(ResourceARNList=[arn], TagKeys=["longshore:policy"])
    assert found(shop) == []
    assert [event["detail"]["changed-tag-keys"] for event in shop.of_type("Tag Change on Resource")] == [
        ["longshore:policy"]
    ] * 2


def test_get_resources_sees_services_page_by_page(shop: EcsAccount) -> None:
    for number in range(120):
        shop.simulator.add_steady_service(
            ACCOUNT, REGION, {"web": A}, cluster="shop", serviceName=f"web-{number}", taskDefinition="web", desiredCount=1,
            launchType="FARGATE", networkConfiguration=NETWORK, tags=[POLICY] if number % 2 else [],
        )  # fmt: skip
    arns = found(shop)
    assert len(arns) == len(set(arns)) == 60
    assert found(shop, Values=["semver:1.x"]) == []
    shop.ecs.untag_resource(resourceArn=arns[0], tagKeys=["longshore:policy"])
    assert found(shop) == arns[1:]


def test_a_listing_outlives_services_made_between_its_pages(shop: EcsAccount) -> None:
    for number in range(3):
        shop.create(f"web-{number}", tags=[POLICY])
    request = {"TagFilters": [{"Key": "longshore:policy"}], "ResourcesPerPage": 2}
    first = shop.tagging.get_resources(**request)
    shop.create("late", tags=[POLICY])
    token = first["PaginationToken"]
    for _ in range(2):
        second = shop.tagging.get_resources(**request, PaginationToken=token)
        assert len(second["ResourceTagMappingList"]) == 1
    assert second["PaginationToken"] == ""
    with pytest.raises(ClientError, match="PaginationTokenExpiredException"):
        shop.tagging.get_resources(**request, PaginationToken="stale")


def test_resources_that_are_not_there_cannot_be_tagged(shop: EcsAccount) -> None:
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/nobody"
    assert shop.error("tag_resource", resourceArn=arn, tags=[POLICY])[0] == "ResourceNotFoundException"
    many = [{"key": f"k{number}", "value": ""} for number in range(51)]
    arn = shop.create()["serviceArn"]
    assert shop.error("tag_resource", resourceArn=arn, tags=many)[0] == "InvalidParameterException"


def test_clusters_and_task_definitions_have_tags_too(shop: EcsAccount) -> None:
    definition = shop.register("tagged")
    cluster = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shop"
    for arn, kind in ((definition, "task-definition"), (cluster, "cluster")):
        shop.ecs.tag_resource(resourceArn=arn, tags=[POLICY])
        assert shop.of_type("Tag Change on Resource")[-1]["detail"]["resource-type"] == kind
        assert shop.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [POLICY]
