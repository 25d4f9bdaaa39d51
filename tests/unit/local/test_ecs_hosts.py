"""Container instances of the bundle: placement, agents that are cut off, draining, machines that go away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from longshore_local.ecs.constraints import satisfies
from longshore_local.ecs.instances import Instance
from tests.functional.local.ecs_account import ACCOUNT, IMAGE, REGION, EcsAccount, opened

if TYPE_CHECKING:
    from longshore_local.hosts import Hosts

STATE = "ECS Container Instance State Change"


@pytest.fixture
def shop() -> Iterator[EcsAccount]:
    with opened() as account:
        container = {"name": "job", "image": IMAGE, "cpu": 256, "memory": 512}
        account.ecs.register_task_definition(family="job", containerDefinitions=[container])
        yield account


@pytest.fixture
def hosts(shop: EcsAccount) -> Hosts:
    return shop.simulator.hosts


def add(hosts: Hosts, **members: Any) -> str:
    return hosts.add(ACCOUNT, REGION, "shop", **members)


def start(shop: EcsAccount, **members: Any) -> str:
    request = {"launchType": "EC2", **members}
    given = {name: value for name, value in request.items() if value is not None}
    arn: str = shop.ecs.run_task(cluster="shop", taskDefinition="job", **given)["tasks"][0]["taskArn"]
    shop.run(30)
    return arn


def describe(shop: EcsAccount, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = shop.ecs.describe_tasks(cluster="shop", tasks=[arn])["tasks"][0]
    return found


def instance(shop: EcsAccount, arn: str) -> dict[str, Any]:
    answer = shop.ecs.describe_container_instances(
        cluster="shop", containerInstances=[arn], include=["CONTAINER_INSTANCE_HEALTH", "TAGS"]
    )
    found: dict[str, Any] = answer["containerInstances"][0]
    return found


def refusal(shop: EcsAccount, **members: Any) -> list[str]:
    answer = shop.ecs.run_task(cluster="shop", taskDefinition="job", launchType="EC2", **members)
    assert answer["tasks"] == []
    return [failure["reason"] for failure in answer["failures"]]


def test_tasks_spread_over_instances(shop: EcsAccount, hosts: Hosts) -> None:
    ones = [add(hosts, zone=f"{REGION}{letter}") for letter in "ab"]
    tasks = [describe(shop, start(shop)) for _ in range(2)]
    assert {task["containerInstanceArn"] for task in tasks} == set(ones)
    assert {task["availabilityZone"] for task in tasks} == {f"{REGION}a", f"{REGION}b"}
    shown = instance(shop, ones[0])
    assert (shown["runningTasksCount"], shown["status"], shown["agentConnected"]) == (1, "ACTIVE", True)
    left = {each["name"]: each.get("integerValue") for each in shown["remainingResources"]}
    assert (left["CPU"], left["MEMORY"]) == (4096 - 256, 7482 - 512)
    ec2 = boto3.client("ec2", region_name=REGION)
    assert ec2.describe_instances(InstanceIds=[shown["ec2InstanceId"]])["Reservations"]


def test_why_nothing_could_be_placed(shop: EcsAccount, hosts: Hosts) -> None:
    assert refusal(shop) == ["NO ACTIVE INSTANCES"]
    arn = add(hosts, memory=256)
    assert refusal(shop) == ["RESOURCE:MEMORY"]
    hosts.disconnect(arn)
    assert refusal(shop) == ["AGENT"]
    hosts.reconnect(arn)
    elsewhere = [{"type": "memberOf", "expression": f"ec2InstanceId != {hosts.ec2_instance_id(arn)}"}]
    assert refusal(shop, placementConstraints=elsewhere) == ["MemberOf placement constraint unsatisfied."]
    add(hosts, cpu=128)
    assert sorted(refusal(shop)) == ["RESOURCE:CPU", "RESOURCE:MEMORY"]
    add(hosts, memory=8192)
    start(shop)
    assert "DistinctInstance placement constraint unsatisfied." in refusal(
        shop, placementConstraints=[{"type": "distinctInstance"}]
    )


def test_a_capacity_provider_is_waited_for(shop: EcsAccount, hosts: Hosts) -> None:
    shop.ecs.put_cluster_capacity_providers(
        cluster="shop", capacityProviders=["FARGATE"], defaultCapacityProviderStrategy=[]
    )
    shop.ecs.create_capacity_provider(
        name="asg", autoScalingGroupProvider={"autoScalingGroupArn": f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:x"}
    )
    shop.ecs.put_cluster_capacity_providers(
        cluster="shop", capacityProviders=["FARGATE", "asg"], defaultCapacityProviderStrategy=[]
    )
    strategy = [{"capacityProvider": "asg", "weight": 1}]
    late = start(shop, launchType=None, capacityProviderStrategy=strategy)
    assert describe(shop, late)["lastStatus"] == "PROVISIONING"
    shop.run(2000)
    ended = describe(shop, late)
    assert (ended["stoppedReason"], ended["containers"]) == ("TaskFailedToStart: EMPTY CAPACITY PROVIDER", [])
    waiting = start(shop, launchType=None, capacityProviderStrategy=strategy)
    arn = add(hosts, capacity_provider_name="asg")
    shop.run(120)
    placed = describe(shop, waiting)
    assert (placed["lastStatus"], placed["containerInstanceArn"]) == ("RUNNING", arn)
    assert instance(shop, arn)["capacityProviderName"] == "asg"


def test_a_cut_off_agent_hears_nothing(shop: EcsAccount, hosts: Hosts) -> None:
    arn = add(hosts)
    task = start(shop)
    shop.events.clear()
    hosts.disconnect(arn)
    hosts.disconnect(arn)
    (event,) = shop.of_type(STATE)
    assert (event["detail"]["agentConnected"], event["detail"]["containerInstanceArn"]) == (False, arn)
    assert event["detail"]["clusterArn"].endswith("cluster/shop")
    assert describe(shop, task)["connectivity"] == "DISCONNECTED"
    shop.ecs.stop_task(cluster="shop", task=task)
    shop.run(600)
    assert (describe(shop, task)["lastStatus"], describe(shop, task)["desiredStatus"]) == ("RUNNING", "STOPPED")
    hosts.reconnect(arn)
    shop.run(30)
    assert describe(shop, task)["lastStatus"] == "STOPPED"
    told = shop.of_type(STATE)
    assert [each["detail"]["version"] for each in told] == sorted({each["detail"]["version"] for each in told})


def test_a_terminated_machine_takes_its_tasks_along(shop: EcsAccount, hosts: Hosts) -> None:
    arn, other = add(hosts), add(hosts)
    task = start(shop, placementConstraints=[
        {"type": "memberOf", "expression": f"ec2InstanceId == {hosts.ec2_instance_id(arn)}"}
    ])  # fmt: skip
    name = hosts.ec2_instance_id(arn)
    hosts.terminate(arn)
    shop.run(30)
    ended = describe(shop, task)
    assert ended["stoppedReason"] == f"Host EC2 (instance {name}) terminated."
    assert "exitCode" not in ended["containers"][0]
    assert shop.ecs.list_container_instances(cluster="shop")["containerInstanceArns"] == [other]
    state = boto3.client("ec2", region_name=REGION).describe_instances(InstanceIds=[name])
    assert state["Reservations"][0]["Instances"][0]["State"]["Name"] == "terminated"
    with pytest.raises(KeyError):
        hosts.disconnect(arn)


def test_draining_moves_services_and_lets_others_be(shop: EcsAccount, hosts: Hosts) -> None:
    first = add(hosts)
    lone = start(shop)
    shop.ecs.create_service(cluster="shop", serviceName="hosted", taskDefinition="job", desiredCount=1)
    shop.run(60)
    second = add(hosts)
    answer = shop.ecs.update_container_instances_state(cluster="shop", containerInstances=[first], status="DRAINING")
    (shown,) = answer["containerInstances"]
    assert (shown["status"], {"name": "ecs.os-type", "value": "linux"} in shown["attributes"]) == ("DRAINING", True)
    shop.run(60)
    (moved,) = shop.ecs.list_tasks(cluster="shop", serviceName="hosted")["taskArns"]
    assert describe(shop, moved)["containerInstanceArn"] == second
    assert describe(shop, lone)["lastStatus"] == "RUNNING"
    assert describe(shop, start(shop))["containerInstanceArn"] == second
    assert [event["detail"]["status"] for event in shop.of_type(STATE)][-1] == "ACTIVE"
    with pytest.raises(ClientError, match="Between 1 and 10"):
        shop.ecs.update_container_instances_state(cluster="shop", containerInstances=[first] * 11, status="DRAINING")


def test_deregistration_is_forced_or_refused(shop: EcsAccount, hosts: Hosts) -> None:
    arn = add(hosts)
    task = start(shop)
    with pytest.raises(ClientError, match="Found running tasks"):
        shop.ecs.deregister_container_instance(cluster="shop", containerInstance=arn)
    shop.ecs.deregister_container_instance(cluster="shop", containerInstance=arn, force=True)
    shop.run(30)
    assert describe(shop, task)["stoppedReason"] == "Container instance deregistration forced by user"
    assert shop.of_type(STATE)[-1]["detail"]["status"] == "INACTIVE"
    assert shop.ecs.describe_container_instances(cluster="shop", containerInstances=[arn])["failures"]


def test_a_spot_instance_is_announced_then_taken(shop: EcsAccount, hosts: Hosts) -> None:
    arn = add(hosts)
    task = start(shop)
    hosts.recommend_rebalance(arn)
    hosts.interrupt(arn)
    (warning,) = shop.of_type("EC2 Spot Instance Interruption Warning")
    assert warning["detail"] == {"instance-id": hosts.ec2_instance_id(arn), "instance-action": "terminate"}
    assert warning["resources"] == [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{hosts.ec2_instance_id(arn)}"]
    assert shop.of_type("EC2 Instance Rebalance Recommendation")
    shop.run(100)
    assert describe(shop, task)["lastStatus"] == "RUNNING"
    shop.run(60)
    assert describe(shop, task)["lastStatus"] == "STOPPED"


def test_health_checks_are_told(shop: EcsAccount, hosts: Hosts) -> None:
    arn = add(hosts)
    hosts.impair(arn, reason="containerd does not answer")
    (event,) = shop.of_type("ECS Container Instance Health Change")
    assert event["detail"]["healthStatus"]["overallStatus"] == "IMPAIRED"
    assert instance(shop, arn)["healthStatus"]["details"][0]["type"] == "CONTAINER_RUNTIME"
    hosts.recover(arn)
    assert instance(shop, arn)["healthStatus"]["overallStatus"] == "OK"
    with pytest.raises(ValueError, match="CONTAINER_RUNTIME"):
        hosts.impair(arn, "TEMPER")


def test_ec2_checks_can_fail(shop: EcsAccount, hosts: Hosts) -> None:
    arn = add(hosts)
    ec2 = boto3.client("ec2", region_name=REGION)

    def status() -> str:
        (found,) = ec2.describe_instance_status(InstanceIds=[hosts.ec2_instance_id(arn)])["InstanceStatuses"]
        assert found["SystemStatus"]["Status"] == found["InstanceStatus"]["Status"]
        return str(found["SystemStatus"]["Status"])

    seen = [status()]
    hosts.fail_status_checks(arn)
    seen.append(status())
    hosts.pass_status_checks(arn)
    assert [*seen, status()] == ["ok", "impaired", "ok"]


def test_an_event_may_come_twice(shop: EcsAccount, hosts: Hosts) -> None:
    arn = add(hosts)
    hosts.disconnect(arn)
    hosts.repeat(arn)
    *_, first, second = (event["detail"] for event in shop.of_type(STATE))
    assert (first, first["agentConnected"]) == (second, False)


def test_servers_of_ones_own(shop: EcsAccount, hosts: Hosts) -> None:
    add(hosts)
    arn = add(hosts, external=True)
    task = describe(shop, start(shop, launchType="EXTERNAL"))
    assert (task["containerInstanceArn"], task["launchType"]) == (arn, "EXTERNAL")
    name = hosts.ec2_instance_id(arn)
    assert name.startswith("mi-")
    assert len(name) == 20
    ssm = boto3.client("ssm", region_name=REGION)

    def pings(**filters: list[str]) -> list[tuple[str, str]]:
        stated = [{"Key": key, "Values": values} for key, values in filters.items()]
        found = ssm.describe_instance_information(Filters=stated)["InstanceInformationList"]
        return [(each["InstanceId"], each["PingStatus"]) for each in found]

    assert pings(InstanceIds=[name]) == [(name, "Online")]
    since = shop.timeline.now()
    shop.run(600)
    hosts.ping(arn, "ConnectionLost")
    assert pings(PingStatus=["ConnectionLost"], ResourceType=["ManagedInstance"]) == [(name, "ConnectionLost")]
    (shown,) = ssm.describe_instance_information(InstanceInformationFilterList=[
        {"key": "InstanceIds", "valueSet": [name]}
    ])["InstanceInformationList"]  # fmt: skip
    assert shown["LastPingDateTime"] <= since
    with pytest.raises(ClientError, match="not valid"):
        pings(Colour=["red"])
    with pytest.raises(ValueError, match="ping status"):
        hosts.ping(arn, "Asleep")


def test_managed_instances_come_in_pages(shop: EcsAccount, hosts: Hosts) -> None:
    names = {hosts.ec2_instance_id(add(hosts, external=True)) for _ in range(12)}
    pages = boto3.client("ssm", region_name=REGION).get_paginator("describe_instance_information")
    found = [[each["InstanceId"] for each in page["InstanceInformationList"]] for page in pages.paginate(MaxResults=5)]
    assert [len(page) for page in found] == [5, 5, 2]
    assert {name for page in found for name in page} == names


def test_an_agent_registers_its_instance(shop: EcsAccount) -> None:
    document = '{"instanceId": "i-0123456789abcdef0", "availabilityZone": "eu-west-1c"}'
    made = shop.ecs.register_container_instance(cluster="shop", instanceIdentityDocument=document)["containerInstance"]
    assert made["ec2InstanceId"] == "i-0123456789abcdef0"
    listed = shop.ecs.list_container_instances(
        cluster="shop", filter="attribute:ecs.availability-zone in [eu-west-1b, eu-west-1c]", status="ACTIVE"
    )
    assert listed["containerInstanceArns"] == [made["containerInstanceArn"]]
    with pytest.raises(ClientError, match="not valid"):
        shop.ecs.register_container_instance(cluster="shop", instanceIdentityDocument="{}")


@pytest.mark.parametrize(
    ("expression", "member"),
    [
        ("attribute:ecs.instance-type == m5.large", True),
        ("attribute:ecs.instance-type =~ m5.*", True),
        ("attribute:ecs.instance-type in [c5.large, m5.large]", True),
        ("attribute:ecs.instance-type not_in [c5.large]", True),
        ("attribute:gpu exists", False),
        ("attribute:gpu !exists", True),
        ("not(ec2InstanceId == i-1)", False),
        ("!(ec2InstanceId == i-2) and agentConnected == true", True),
        ("ec2InstanceId == i-2 or (runningTasksCount == 0 and ec2InstanceId != i-2)", True),
    ],
)
def test_the_cluster_query_language(shop: EcsAccount, expression: str, member: bool) -> None:
    held = Instance(
        "x", ACCOUNT, REGION, "shop", "arn", "i-1", f"{REGION}a", 1, 1, shop.timeline.now(),
        {"ecs.instance-type": "m5.large"},
    )  # fmt: skip
    assert satisfies(held, expression) is member


@pytest.mark.parametrize(
    "expression", ["", "colour == red", "ec2InstanceId", "ec2InstanceId == i-1 x", "(ec2InstanceId == i"]
)
def test_what_is_no_expression_is_refused(shop: EcsAccount, expression: str) -> None:
    held = Instance("x", ACCOUNT, REGION, "shop", "arn", "i-1", "a", 1, 1, shop.timeline.now(), {})
    with pytest.raises(Exception, match="not valid"):
        satisfies(held, expression)


# -- protection -------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(shop: EcsAccount, hosts: Hosts) -> str:
    """A protected task of a service, on the only instance."""
    add(hosts)
    shop.ecs.create_service(cluster="shop", serviceName="hosted", taskDefinition="job", desiredCount=1)
    shop.run(60)
    (task,) = shop.ecs.list_tasks(cluster="shop", serviceName="hosted")["taskArns"]
    protect(shop, task, expiresInMinutes=30)
    return str(task)


def protect(shop: EcsAccount, task: str, *, on: bool = True, **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = shop.ecs.update_task_protection(
        cluster="shop", tasks=[task], protectionEnabled=on, **members
    )
    return answer


def is_protected(shop: EcsAccount, task: str) -> bool:
    (found,) = shop.ecs.get_task_protection(cluster="shop", tasks=[task])["protectedTasks"]
    assert ("expirationDate" in found) is found["protectionEnabled"]
    return bool(found["protectionEnabled"])


def test_draining_waits_for_the_end_of_a_protection(shop: EcsAccount, hosts: Hosts, kept: str) -> None:
    arn = describe(shop, kept)["containerInstanceArn"]
    add(hosts)
    shop.ecs.update_container_instances_state(cluster="shop", containerInstances=[arn], status="DRAINING")
    shop.run(25 * 60)
    assert (describe(shop, kept)["desiredStatus"], is_protected(shop, kept)) == ("RUNNING", True)
    shop.run(10 * 60)
    assert (describe(shop, kept)["desiredStatus"], is_protected(shop, kept)) == ("STOPPED", False)


def test_a_scale_in_waits_for_the_end_of_a_protection(shop: EcsAccount, kept: str) -> None:
    shop.ecs.update_service(cluster="shop", service="hosted", desiredCount=0)
    shop.run(300)
    assert describe(shop, kept)["desiredStatus"] == "RUNNING"
    protect(shop, kept, on=False)
    shop.run(60)
    assert describe(shop, kept)["desiredStatus"] == "STOPPED"


def test_only_tasks_of_services_are_protected_and_not_for_ever(shop: EcsAccount, kept: str) -> None:
    lone = start(shop)
    assert protect(shop, lone)["failures"] == [{"arn": lone, "reason": "TASK_NOT_VALID"}]
    assert protect(shop, f"{lone}0")["failures"] == [{"arn": f"{lone}0", "reason": "MISSING"}]
    with pytest.raises(ClientError, match="2880"):
        protect(shop, kept, expiresInMinutes=2881)
    listed = shop.ecs.get_task_protection(cluster="shop")["protectedTasks"]
    assert [each["taskArn"] for each in listed] == [kept]
