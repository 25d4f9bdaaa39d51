"""What CreateService, UpdateService, DescribeServices and their kin answer on the simulated ECS."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from longshore_local import moto_ecs
from tests.functional.local.ecs_account import ACCOUNT, NETWORK, REGION, A, B, EcsAccount, opened

CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shop"


@pytest.fixture
def shop() -> Iterator[EcsAccount]:
    with opened() as account:
        yield account


def test_every_member_of_a_service_is_kept(shop: EcsAccount) -> None:
    configuration = {
        "deploymentCircuitBreaker": {
            "enable": True,
            "rollback": True,
            "resetOnHealthyTask": False,
            "thresholdConfiguration": {"type": "COUNT", "value": 4},
        },
        "alarms": {"alarmNames": ["errors"], "enable": True, "rollback": True},
        "strategy": "BLUE_GREEN",
        "bakeTimeInMinutes": 7,
        "maximumPercent": 150,
        "minimumHealthyPercent": 50,
        "lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]}],
    }
    members: dict[str, Any] = {
        "deploymentConfiguration": configuration,
        "networkConfiguration": NETWORK,
        "loadBalancers": [
            {"targetGroupArn": "arn:aws:elasticloadbalancing:x", "containerName": "web", "containerPort": 80}
        ],
        "enableExecuteCommand": True,
        "propagateTags": "SERVICE",
        "healthCheckGracePeriodSeconds": 30,
        "availabilityZoneRebalancing": "ENABLED",
        "tags": [{"key": "longshore:policy", "value": "digest"}],
    }
    created = shop.create(**members)
    for described in (created, shop.service()):
        assert {name: described[name] for name in members} == members
    assert "tags" not in shop.ecs.describe_services(cluster="shop", services=["web"])["services"][0]
    updated = shop.update(deploymentConfiguration={"bakeTimeInMinutes": 1}, enableExecuteCommand=False)
    assert updated["deploymentConfiguration"] == configuration | {"bakeTimeInMinutes": 1}
    assert updated["enableExecuteCommand"] is False


@pytest.mark.parametrize("launch_type", ["EC2", "EXTERNAL"])
def test_launch_types_beside_fargate(shop: EcsAccount, launch_type: str) -> None:
    shop.register("box", requiresCompatibilities=[launch_type], networkMode="bridge")
    service = shop.steady(taskDefinition="box", launchType=launch_type, networkConfiguration=None)
    assert (service["launchType"], service["runningCount"]) == (launch_type, 2)
    assert {task["launchType"] for task in shop.tasks()} == {launch_type}
    assert "platformVersion" not in service


def test_managed_instances_and_capacity_providers(shop: EcsAccount) -> None:
    shop.register("managed", requiresCompatibilities=["MANAGED_INSTANCES"])
    assert shop.steady("managed", taskDefinition="managed", launchType="MANAGED_INSTANCES")["runningCount"] == 2
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]
    service = shop.steady("spot", launchType=None, capacityProviderStrategy=strategy)
    assert service["capacityProviderStrategy"] == strategy
    assert "launchType" not in service
    task = shop.tasks("spot")[0]
    assert (task["launchType"], task["capacityProviderName"]) == ("FARGATE", "FARGATE_SPOT")


def test_services_of_codedeploy_run_and_refuse_to_be_deployed(shop: EcsAccount) -> None:
    service = shop.steady(deploymentController={"type": "CODE_DEPLOY"})
    assert (service["deployments"], service["runningCount"]) == ([], 2)
    assert service["taskSets"][0]["status"] == "PRIMARY"
    for change in ({"taskDefinition": "web"}, {"forceNewDeployment": True}):
        code, message = shop.error("update_service", cluster="shop", service="web", **change)
        assert (code, "Use AWS CodeDeploy" in message) == ("InvalidParameterException", True)
    assert shop.update(desiredCount=1)["desiredCount"] == 1


def test_services_of_an_external_controller_have_no_tasks_of_their_own(shop: EcsAccount) -> None:
    service = shop.steady(deploymentController={"type": "EXTERNAL"}, taskDefinition=None, desiredCount=None)
    assert (service["deployments"], service["runningCount"]) == ([], 0)
    code, _ = shop.error("update_service", cluster="shop", service="web", forceNewDeployment=True)
    assert code == "InvalidParameterException"


@pytest.mark.parametrize(
    ("change", "deploys"),
    [
        ({"forceNewDeployment": True}, True),
        ({"taskDefinition": "web:2"}, True),
        ({"taskDefinition": "web:1"}, False),
        ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-2"]}}}, True),
        ({"platformVersion": "1.4.0"}, True),
        ({"desiredCount": 5}, False),
        ({"propagateTags": "SERVICE"}, False),
        ({"deploymentConfiguration": {"bakeTimeInMinutes": 1}}, False),
    ],
)
def test_what_starts_a_deployment(shop: EcsAccount, change: dict[str, Any], deploys: bool) -> None:
    shop.steady()
    shop.register()
    shop.update(**change)
    assert (len(shop.statuses()) == 2) is deploys


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("update_service", {"cluster": "shop", "service": "nobody"}, "ServiceNotFoundException"),
        ("update_service", {"cluster": "nowhere", "service": "web"}, "ClusterNotFoundException"),
        ("update_service", {"cluster": "shop", "service": "web", "taskDefinition": "web:99"}, "ClientException"),
        ("update_service", {"cluster": "shop", "service": "web", "taskDefinition": "ghost"}, "ClientException"),
        ("update_service", {"cluster": "shop", "service": "web", "taskDefinition": "web:x"}, "ClientException"),
        ("describe_services", {"cluster": "shop", "services": ["s"] * 11}, "InvalidParameterException"),
        ("list_service_deployments", {"cluster": "shop", "service": "nobody"}, "ServiceNotFoundException"),
        ("describe_service_deployments", {"serviceDeploymentArns": ["x"] * 21}, "InvalidParameterException"),
        ("stop_service_deployment", {"serviceDeploymentArn": "arn:aws:ecs:x"}, "ServiceDeploymentNotFoundException"),
        (
            "create_service",
            {"cluster": "shop", "serviceName": "web", "taskDefinition": "web"},
            "InvalidParameterException",
        ),
        ("list_tasks", {"cluster": "shop", "serviceName": "nobody"}, "ServiceNotFoundException"),
        ("stop_task", {"cluster": "shop", "task": "0" * 32}, "InvalidParameterException"),
    ],
)
def test_errors_carry_the_codes_of_aws(shop: EcsAccount, operation: str, request_: dict[str, Any], code: str) -> None:
    shop.steady()
    assert shop.error(operation, **request_)[0] == code


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"networkConfiguration": None}, "Network Configuration must be provided"),
        ({"launchType": "EXTERNAL"}, "does not support launch_type EXTERNAL"),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}, "not supported"),
        ({"desiredCount": None}, "desiredCount"),
        ({"name": "no spaces"}, "Name must be"),
    ],
)
def test_creation_is_refused_as_by_aws(shop: EcsAccount, members: dict[str, Any], text: str) -> None:
    with pytest.raises(Exception, match=text) as raised:
        shop.create(**members)
    assert "InvalidParameterException" in str(raised.value)


def test_missing_things_are_failures(shop: EcsAccount) -> None:
    answer = shop.ecs.describe_services(cluster="shop", services=["nobody"])
    missing = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/nobody"
    assert (answer["services"], answer["failures"]) == ([], [{"arn": missing, "reason": "MISSING"}])
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service-revision/shop/web/1"
    assert shop.ecs.describe_service_revisions(serviceRevisionArns=[arn])["failures"][0]["reason"] == "MISSING"


def test_a_deleted_service_drains_and_is_not_active(shop: EcsAccount) -> None:
    shop.steady(tags=[{"key": "longshore:policy", "value": "digest"}])
    assert shop.error("delete_service", cluster="shop", service="web")[0] == "InvalidParameterException"
    shop.ecs.delete_service(cluster="shop", service="web", force=True)
    assert shop.service()["status"] == "DRAINING"
    assert shop.error("update_service", cluster="shop", service="web")[0] == "ServiceNotActiveException"
    shop.run(30)
    assert (shop.service()["status"], shop.service()["runningCount"]) == ("INACTIVE", 0)
    assert shop.ecs.list_services(cluster="shop")["serviceArns"] == []
    assert (
        shop.tagging.get_resources(ResourceTypeFilters=["ecs:service"], TagFilters=[{"Key": "longshore:policy"}])[
            "ResourceTagMappingList"
        ]
        == []
    )
    assert shop.create()["status"] == "ACTIVE", "the name is free again"


def test_lists_are_paged(shop: EcsAccount) -> None:
    for number in range(12):
        shop.create(f"web-{number:02}")
    first = shop.ecs.list_services(cluster="shop")
    assert len(first["serviceArns"]) == 10
    pages = shop.ecs.get_paginator("list_services").paginate(cluster="shop", PaginationConfig={"PageSize": 5})
    assert len([arn for page in pages for arn in page["serviceArns"]]) == 12


def test_deployments_are_listed_by_status_and_time(shop: EcsAccount) -> None:
    shop.steady()
    shop.update(forceNewDeployment=True)
    listed = shop.ecs.list_service_deployments(cluster="shop", service="web", status=["PENDING"])["serviceDeployments"]
    assert [brief["status"] for brief in listed] == ["PENDING"]
    later = {"after": shop.timeline.now() - timedelta(seconds=1)}
    listed = shop.ecs.list_service_deployments(cluster="shop", service="web", createdAt=later)["serviceDeployments"]
    assert [brief["status"] for brief in listed] == ["PENDING"]


def test_a_deployment_names_source_and_target_revisions(shop: EcsAccount) -> None:
    before = shop.steady()["currentServiceRevisions"][0]["arn"]
    shop.update(forceNewDeployment=True)
    deployment = shop.deployment()
    assert [source["arn"] for source in deployment["sourceServiceRevisions"]] == [before]
    assert deployment["sourceServiceRevisions"][0]["runningTaskCount"] == 2
    assert deployment["targetServiceRevision"]["arn"] != before


def test_services_by_namespace(shop: EcsAccount) -> None:
    arn = shop.create(serviceConnectConfiguration={"enabled": True, "namespace": "internal"})["serviceArn"]
    shop.create("other")
    assert shop.ecs.list_services_by_namespace(namespace="internal")["serviceArns"] == [arn]


def test_clusters_count_what_they_hold(shop: EcsAccount) -> None:
    shop.steady()
    cluster = shop.ecs.describe_clusters(clusters=["shop"])["clusters"][0]
    assert (cluster["runningTasksCount"], cluster["pendingTasksCount"], cluster["activeServicesCount"]) == (2, 0, 1)


def test_a_service_can_be_steady_from_the_start(shop: EcsAccount) -> None:
    arn = shop.simulator.add_steady_service(
        ACCOUNT, REGION, {"web": B}, cluster="shop", serviceName="web", taskDefinition="web", desiredCount=3,
        launchType="FARGATE", networkConfiguration=NETWORK,
    )  # fmt: skip
    service = shop.service()
    assert (service["serviceArn"], service["runningCount"]) == (arn, 3)
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    assert (shop.statuses(), shop.running_digests()) == (["SUCCESSFUL"], [B])
    assert {task["containers"][0]["imageDigest"] for task in shop.tasks()} == {B}
    assert shop.events == []
    shop.update(forceNewDeployment=True)
    shop.run(30)
    assert shop.running_digests() == [A]


def test_receivers_of_events_may_call_ecs_from_other_threads(shop: EcsAccount) -> None:
    seen: list[int] = []

    def look(event: dict[str, Any]) -> None:
        thread = threading.Thread(target=lambda: seen.append(len(shop.service()["deployments"])))
        thread.start()
        thread.join(timeout=10)
        assert not thread.is_alive(), "the simulator held its lock while it told of an event"

    shop.simulator = moto_ecs.install(shop.timeline, look)
    shop.simulator.add_image("registry.example/web:prod", A)
    shop.create()
    shop.run(20)
    assert seen
    assert set(seen) == {1}


def test_a_closed_simulator_is_gone(shop: EcsAccount) -> None:
    shop.create()
    shop.simulator.uninstall()
    shop.run(60)
    assert shop.told() == []
    with pytest.raises(NotImplementedError):
        shop.ecs.describe_service_revisions(serviceRevisionArns=["x"])


def test_it_answers_through_motos_server_too(shop: EcsAccount) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        remote = boto3.client("ecs", region_name=REGION, endpoint_url=f"http://{host}:{port}")
        shop.steady()
        service = remote.describe_services(cluster="shop", services=["web"])["services"][0]
        assert service["runningCount"] == 2
        arn = service["currentServiceRevisions"][0]["arn"]
        revision = remote.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"][0]
        assert revision["containerImages"][0]["imageDigest"] == A
    finally:
        server.stop()
