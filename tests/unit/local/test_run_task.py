"""RunTask and StopTask of the bundle: what AWS refuses, fills in, keeps and forgets (recover 3, aws B2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.functional.local.ecs_account import IMAGE, NETWORK, REGION, EcsAccount, opened

_BOTH = ["FARGATE", "FARGATE_SPOT"]


@pytest.fixture
def shop() -> Iterator[EcsAccount]:
    with opened() as account:
        yield account


def order(**members: Any) -> dict[str, Any]:
    request = {"taskDefinition": "web", "launchType": "FARGATE", "networkConfiguration": NETWORK, **members}
    return {name: value for name, value in request.items() if value is not None}


def start(shop: EcsAccount, **members: Any) -> str:
    arn: str = shop.ecs.run_task(cluster="shop", **order(**members))["tasks"][0]["taskArn"]
    shop.run(30)
    return arn


def describe(shop: EcsAccount, arn: str) -> dict[str, Any]:
    described: dict[str, Any] = shop.ecs.describe_tasks(cluster="shop", tasks=[arn], include=["TAGS"])["tasks"][0]
    return described


def tags(task: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in task["tags"]}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"startedBy": "AWS Step Functions"}, "startedBy"),
        ({"startedBy": "x" * 129}, "startedBy"),
        ({"count": 11}, "count"),
        ({"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "asg"}]}, "not associated"),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}, "not both"),
        ({"platformVersion": "9.9.9"}, "platform version"),
        ({"networkConfiguration": None}, "Network Configuration must be provided"),
        ({"overrides": {"containerOverrides": [{"name": "nobody"}]}}, "nobody"),
        ({"overrides": {"memory": "4096"}}, "No Fargate configuration exists"),
        ({"tags": [{"key": "aws:ecs:clusterName", "value": "x"}]}, "aws: prefixed"),
        ({"propagateTags": "SERVICE"}, "propagateTags"),
        ({"enableExecuteCommand": True}, "task role"),
        ({"volumeConfigurations": [{"name": "data", "managedEBSVolume": {"roleArn": "r"}}]}, "volumeConfigurations"),
        ({"launchType": "EXTERNAL", "networkConfiguration": None}, "does not support"),
    ],
)
def test_what_is_refused(shop: EcsAccount, members: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError, match=text):
        shop.ecs.run_task(cluster="shop", **order(**members))
    assert shop.of_type("ECS Task State Change") == []


def test_a_deregistered_revision_cannot_be_run(shop: EcsAccount) -> None:
    shop.ecs.deregister_task_definition(taskDefinition="web:1")
    with pytest.raises(ClientError, match="inactive"):
        shop.ecs.run_task(cluster="shop", **order(taskDefinition="web:1"))


def test_a_conflict_names_the_tasks_that_the_token_started(shop: EcsAccount) -> None:
    arn = start(shop, clientToken="once")
    with pytest.raises(ClientError) as refused:
        shop.ecs.run_task(cluster="shop", **order(clientToken="once", tags=[{"key": "a", "value": "b"}]))
    assert refused.value.response["Error"]["Code"] == "ConflictException"
    assert refused.value.response["resourceIds"] == [arn]
    shop.ecs.create_cluster(clusterName="other")
    assert shop.ecs.run_task(cluster="other", **order(clientToken="once"))["tasks"][0]["taskArn"] != arn


def test_a_token_lives_as_long_as_its_task_is_known(shop: EcsAccount) -> None:
    shop.simulator.fail_next("web", "exit-0")
    arn = start(shop, clientToken="once")
    shop.run(3500)
    assert start(shop, clientToken="once") == arn
    shop.run(300)
    assert start(shop, clientToken="once") != arn


def test_a_refused_launch_uses_no_token_up(shop: EcsAccount) -> None:
    shop.simulator.fail_next("web", "capacity")
    assert shop.ecs.run_task(cluster="shop", **order(clientToken="once"))["tasks"] == []
    assert len(shop.ecs.run_task(cluster="shop", **order(clientToken="once"))["tasks"]) == 1


def test_overrides_are_kept_and_applied(shop: EcsAccount) -> None:
    container = {"name": "web", "command": ["job"], "environment": [{"name": "A", "value": "1"}], "memory": 256}
    overrides = {
        "containerOverrides": [container],
        "cpu": "512",
        "memory": "1024",
        "ephemeralStorage": {"sizeInGiB": 50},
        "taskRoleArn": "arn:aws:iam::123456789012:role/job",
    }
    task = describe(shop, start(shop, overrides=overrides, enableExecuteCommand=True, platformVersion="1.3.0"))
    assert {name: task["overrides"][name] for name in overrides} == overrides
    assert (task["cpu"], task["memory"], task["ephemeralStorage"]) == ("512", "1024", {"sizeInGiB": 50})
    assert (task["containers"][0]["memory"], task["platformVersion"]) == ("256", "1.3.0")
    assert task["enableExecuteCommand"] is True


def test_tags_of_the_request_win_over_propagated_ones(shop: EcsAccount) -> None:
    shop.ecs.tag_resource(
        resourceArn=shop.ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]["taskDefinitionArn"],
        tags=[{"key": "team", "value": "web"}, {"key": "kind", "value": "job"}],
    )
    own = [{"key": "team", "value": "data"}]
    arn = start(shop, tags=own, propagateTags="TASK_DEFINITION", enableECSManagedTags=True)
    assert tags(describe(shop, arn)) == {"team": "data", "kind": "job", "aws:ecs:clusterName": "shop"}
    assert tags(describe(shop, start(shop, tags=own))) == {"team": "data"}


def test_a_stop_deletes_the_tags(shop: EcsAccount) -> None:
    arn = start(shop, tags=[{"key": "team", "value": "data"}])
    shop.ecs.stop_task(cluster="shop", task=arn, reason="longshore: replace")
    assert describe(shop, arn)["tags"] == []
    shop.run(30)
    assert describe(shop, arn)["stoppedReason"] == "longshore: replace"


def test_base_comes_first_then_weights(shop: EcsAccount) -> None:
    shop.ecs.put_cluster_capacity_providers(
        cluster="shop",
        capacityProviders=_BOTH,
        defaultCapacityProviderStrategy=[
            {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
            {"capacityProvider": "FARGATE_SPOT", "weight": 3},
        ],
    )
    answer = shop.ecs.run_task(cluster="shop", **order(launchType=None, count=5))
    chosen = [task["capacityProviderName"] for task in answer["tasks"]]
    assert (chosen[0], sorted(chosen)) == ("FARGATE", ["FARGATE"] * 2 + ["FARGATE_SPOT"] * 3)
    stated = [{"capacityProvider": "FARGATE", "weight": 1}, {"capacityProvider": "FARGATE_SPOT", "weight": 2}]
    (task,) = shop.ecs.run_task(cluster="shop", **order(launchType=None, capacityProviderStrategy=stated))["tasks"]
    assert (task["capacityProviderName"], task["launchType"]) == ("FARGATE_SPOT", "FARGATE")


def test_interfaces_are_real_and_go_with_the_task(shop: EcsAccount) -> None:
    ec2 = boto3.client("ec2", region_name=REGION)
    subnets = {each["SubnetId"]: each["AvailabilityZone"] for each in ec2.describe_subnets()["Subnets"]}
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="jobs", Description="jobs", VpcId=vpc)["GroupId"]
    configuration = {"subnets": list(subnets)[:2], "securityGroups": [group], "assignPublicIp": "ENABLED"}
    shop.events.clear()
    arns = [start(shop, networkConfiguration={"awsvpcConfiguration": configuration}) for _ in range(2)]
    first = shop.events[0]["detail"]["attachments"][0]
    assert (first["status"], [pair["name"] for pair in first["details"]]) == ("PRECREATED", ["subnetId"])
    used = set()
    for arn in arns:
        task = describe(shop, arn)
        details = {pair["name"]: pair["value"] for pair in task["attachments"][0]["details"]}
        (interface,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[details["networkInterfaceId"]])[
            "NetworkInterfaces"
        ]
        assert interface["SubnetId"] == details["subnetId"]
        assert task["availabilityZone"] == subnets[details["subnetId"]]
        assert [each["GroupId"] for each in interface["Groups"]] == [group]
        assert interface["Association"]["PublicIp"]
        assert interface["PrivateIpAddress"] == task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
        used.add(details["subnetId"])
    assert used == set(configuration["subnets"])
    shop.ecs.stop_task(cluster="shop", task=arns[0])
    shop.run(30)
    assert describe(shop, arns[0])["attachments"][0]["status"] == "DELETED"
    assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1
    shop.simulator.uninstall()
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_a_private_task_has_no_public_address(shop: EcsAccount) -> None:
    ec2 = boto3.client("ec2", region_name=REGION)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    start(shop, networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}})
    (interface,) = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert not interface.get("Association")


def test_volumes_configured_at_launch_are_wanted(shop: EcsAccount) -> None:
    shop.register(family="data", volumes=[{"name": "data", "configuredAtLaunch": True}])
    configured = [{"name": "data", "managedEBSVolume": {"sizeInGiB": 10, "roleArn": "arn:aws:iam::1:role/ebs"}}]
    with pytest.raises(ClientError, match="volumeConfigurations"):
        shop.ecs.run_task(cluster="shop", **order(taskDefinition="data"))
    start(shop, taskDefinition="data", volumeConfigurations=configured)


def test_a_service_is_told_when_there_is_no_capacity(shop: EcsAccount) -> None:
    shop.simulator.fail_next("web", "capacity")
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    shop.create(desiredCount=1, launchType=None, capacityProviderStrategy=strategy)
    shop.run(30)
    actions = shop.of_type("ECS Service Action")
    (event,) = [each for each in actions if each["detail"]["eventName"] == "SERVICE_TASK_PLACEMENT_FAILURE"]
    assert (event["detail"]["eventType"], event["detail"]["reason"]) == ("ERROR", "RESOURCE:FARGATE")
    assert event["detail"]["capacityProviderArns"][0].endswith("capacity-provider/FARGATE_SPOT")
    assert shop.service()["runningCount"] == 0
    shop.run(120)
    assert shop.service()["runningCount"] == 1


def test_lines_go_where_the_driver_sends_them(shop: EcsAccount) -> None:
    logs = boto3.client("logs", region_name=REGION)
    options = {"awslogs-group": "/jobs", "awslogs-region": REGION, "awslogs-stream-prefix": "job"}
    shop.register(container={"logConfiguration": {"logDriver": "awslogs", "options": options}})
    assert "ResourceInitializationError" in describe(shop, start(shop))["stoppedReason"]
    logs.create_log_group(logGroupName="/jobs")
    shop.simulator.fail_next("web", "exit-3")
    arn = start(shop)
    stream = f"job/web/{arn.rpartition('/')[2]}"
    events = logs.get_log_events(logGroupName="/jobs", logStreamName=stream, startFromHead=True)["events"]
    assert [event["message"] for event in events] == ["web is up", "web exits with code 3"]
    assert abs(events[0]["timestamp"] / 1000 - shop.timeline.now().timestamp()) < 60
    shop.simulator.says("web", ["one", "two"])
    stream = f"job/web/{start(shop).rpartition('/')[2]}"
    said = logs.get_log_events(logGroupName="/jobs", logStreamName=stream, limit=1)["events"]
    assert [event["message"] for event in said] == ["two"]


def test_fluent_bit_writes_to_cloudwatch_too(shop: EcsAccount) -> None:
    options = {"Name": "cloudwatch_logs", "log_group_name": "/fluent", "log_stream_prefix": "x-", "region": REGION,
               "auto_create_group": "true"}  # fmt: skip
    shop.register(container={"logConfiguration": {"logDriver": "awsfirelens", "options": options}})
    arn = start(shop)
    logs = boto3.client("logs", region_name=REGION)
    (stream,) = logs.describe_log_streams(logGroupName="/fluent")["logStreams"]
    assert stream["logStreamName"] == f"x-web-firelens-{arn.rpartition('/')[2]}"


def test_without_a_prefix_the_stream_is_the_runtime_id(shop: EcsAccount) -> None:
    options = {"awslogs-group": "/host", "awslogs-create-group": "true"}
    container = {"name": "web", "image": IMAGE, "memory": 64}
    driver = {"logConfiguration": {"logDriver": "awslogs", "options": options}}
    shop.ecs.register_task_definition(family="host", containerDefinitions=[container | driver])
    shop.simulator.hosts.add("123456789012", REGION, "shop")
    arn = start(shop, taskDefinition="host", launchType="EC2", networkConfiguration=None)
    logs = boto3.client("logs", region_name=REGION)
    (stream,) = logs.describe_log_streams(logGroupName="/host")["logStreams"]
    assert stream["logStreamName"] == describe(shop, arn)["containers"][0]["runtimeId"]


def test_cloud_map_knows_the_tasks_of_a_service(shop: EcsAccount) -> None:
    discovery = boto3.client("servicediscovery", region_name=REGION)
    discovery.create_http_namespace(Name="shop")
    (space,) = discovery.list_namespaces()["Namespaces"]
    made = discovery.create_service(Name="web", NamespaceId=space["Id"])["Service"]
    shop.steady(serviceRegistries=[{"registryArn": made["Arn"], "containerName": "web", "containerPort": 80}])

    def registered() -> dict[str, dict[str, str]]:
        found = discovery.list_instances(ServiceId=made["Id"])["Instances"]
        return {each["Id"]: each["Attributes"] for each in found}

    arns = [task["taskArn"] for task in shop.tasks()]
    assert set(registered()) == {arn.rpartition("/")[2] for arn in arns}
    attributes = registered()[arns[0].rpartition("/")[2]]
    assert (attributes["ECS_SERVICE_NAME"], attributes["AWS_INSTANCE_PORT"]) == ("web", "80")
    assert attributes["AWS_INSTANCE_IPV4"]
    shop.simulator.leave_registered(arns[0])
    shop.update(desiredCount=0)
    shop.run(60)
    assert set(registered()) == {arns[0].rpartition("/")[2]}
