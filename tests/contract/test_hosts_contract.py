"""The ports of what lies under tasks: one suite for stores, and the adapters on the bundle's ECS (recover 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from longshore.aws.instances import EcsInstances, Machines
from longshore.aws.machines import LedgerMachines
from longshore.aws.service_discovery import CloudMap, EcsServiceFacts
from longshore.aws.watched import LedgerDrains, LedgerRefused, LedgerWatches
from longshore.errors import AccessDeniedError, ConflictError, GoneError
from longshore.recover.hosts import Drains, HostState, Registration, Watch
from longshore.recover.refused_tasks import RefusedLaunch
from tests.contract.aws_account import client, ledger_table, mocked, raw_items
from tests.fake_hosts import FakeDrains, FakeRefused, FakeWatches
from tests.fake_tasks import ACCOUNT, ARN, CLUSTER
from tests.fakes import START, FakeClock
from tests.functional.local.ecs_account import IMAGE, REGION, EcsAccount, opened

if TYPE_CHECKING:
    from longshore.recover.hosts import DrainLog, Watches
    from longshore.recover.refused_tasks import RefusedLog


@dataclass(frozen=True)
class Stores:
    watches: Watches
    drains: DrainLog
    refused: RefusedLog


@pytest.fixture(params=["fake", "ledger"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    if request.param == "fake":
        yield Stores(FakeWatches(), FakeDrains(), FakeRefused())
        return
    with mocked():
        table, clock = ledger_table(), FakeClock()
        watches = LedgerWatches(table, clock, ACCOUNT, REGION)
        yield Stores(watches, LedgerDrains(table, clock), LedgerRefused(table, clock))


def test_a_watch_is_kept_and_dropped(stores: Stores) -> None:
    assert stores.watches.get("agent x") is None
    stores.watches.forget("agent x")
    saved = stores.watches.save(Watch("agent x", START))
    assert stores.watches.get("agent x") == saved == Watch("agent x", START, "", 1)
    told = stores.watches.save(saved._replace(told="agent-lost", since=START + timedelta(seconds=1.5)))
    assert stores.watches.get("agent x") == told
    assert stores.watches.get("agent y") is None
    stores.watches.forget("agent x")
    assert stores.watches.get("agent x") is None


def test_of_two_who_watch_one_writes(stores: Stores) -> None:
    first = stores.watches.save(Watch("x", START))
    with pytest.raises(ConflictError):
        stores.watches.save(Watch("x", START))
    stores.watches.save(first)
    with pytest.raises(ConflictError):
        stores.watches.save(first)


def test_drains_are_kept_under_a_fencing_token(stores: Stores) -> None:
    empty = stores.drains.get(CLUSTER)
    assert empty == Drains(CLUSTER)
    first = stores.drains.save(empty._replace(at={"i-1": START}))
    assert stores.drains.get(CLUSTER) == first == Drains(CLUSTER, {"i-1": START}, 1)
    with pytest.raises(ConflictError):
        stores.drains.save(empty._replace(at={"i-2": START}))
    stores.drains.save(first._replace(at={"i-2": START}))
    assert stores.drains.get(CLUSTER).at == {"i-2": START}
    assert stores.drains.get(CLUSTER + "2") == Drains(CLUSTER + "2")


def test_a_refused_launch_is_written_once(stores: Stores) -> None:
    launch = RefusedLaunch(f"{ARN}:task/shop/refused-1-0", CLUSTER, "etl", "events-rule/x", "AGENT", START)
    assert stores.refused.get(launch.root) is None
    stores.refused.put(launch)
    stores.refused.put(launch._replace(reason="another"))
    assert stores.refused.get(launch.root) == launch


def test_everything_expires() -> None:
    with mocked():
        table, clock = ledger_table(), FakeClock()
        LedgerWatches(table, clock, ACCOUNT, REGION).save(Watch("x", START + timedelta(days=300)))
        LedgerDrains(table, clock).save(Drains(CLUSTER))
        LedgerRefused(table, clock).put(RefusedLaunch(f"{ARN}:task/shop/r", CLUSTER, "e", "s", "r", START))
        assert all(int(each["expires"]["N"]) > START.timestamp() for each in raw_items())


# -- instances ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop() -> Iterator[EcsAccount]:
    with opened() as account:
        container = {"name": "job", "image": IMAGE, "cpu": 256, "memory": 512}
        account.ecs.register_task_definition(family="job", containerDefinitions=[container])
        yield account


def add(shop: EcsAccount, **members: Any) -> str:
    return shop.simulator.hosts.add(ACCOUNT, REGION, "shop", **members)


class Counting:
    """ECS's client, which remembers what was called; pages are counted one by one."""

    def __init__(self, ecs: Any) -> None:
        self._ecs = ecs
        self.calls: list[str] = []
        ecs.meta.events.register("before-call.ecs", lambda model, **_: self.calls.append(snake(model.name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ecs, name)


def snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name).lstrip("_")


def machines() -> Machines:
    return Machines(lambda: boto3.client("ec2", region_name=REGION), lambda: boto3.client("ssm", region_name=REGION))


def cluster_arn(shop: EcsAccount) -> str:
    found: str = shop.ecs.describe_clusters(clusters=["shop"])["clusters"][0]["clusterArn"]
    return found


def test_an_instance_is_read_and_found(shop: EcsAccount) -> None:
    instances, cluster = EcsInstances(shop.ecs), cluster_arn(shop)
    shop.ecs.create_cluster(clusterName="empty")
    arn = add(shop, tags=[{"key": "longshore:recover", "value": "auto"}], capacity_provider_name="fleet")
    add(shop)
    id = shop.simulator.hosts.ec2_instance_id(arn)
    found = instances.get(cluster, arn)
    assert found is not None
    assert (found.id, found.status, found.connected, found.provider) == (id, "ACTIVE", True, "fleet")
    assert found.tags == {"longshore:recover": "auto"}
    assert not found.on_premises
    assert instances.find(id) == found
    assert instances.find("i-0ffffffffffffffff") is None
    assert instances.get(cluster, arn[:-4] + "0000") is None
    assert instances.get(cluster + "2", arn) is None


def test_machines_that_were_seen_are_found_without_a_search(shop: EcsAccount) -> None:
    cluster, clock = cluster_arn(shop), FakeClock()
    arns = [add(shop) for _ in range(2)]
    ecs, table = Counting(shop.ecs), ledger_table()
    machines = LedgerMachines(ecs, table, clock, ACCOUNT, REGION)
    id = shop.simulator.hosts.ec2_instance_id(arns[0])
    assert machines.get(id) is None
    machines.seen(cluster, [*arns, arns[0][:-4] + "0000"])
    assert machines.get(id) == (cluster, arns[0])
    machines.seen(cluster, arns)
    assert ecs.calls == ["describe_container_instances"]
    again = LedgerMachines(ecs, table, clock, ACCOUNT, REGION)
    again.seen(cluster, arns)  # another process asks the ledger
    assert ecs.calls == ["describe_container_instances"]
    found = EcsInstances(ecs, again.get).find(id)
    assert found is not None
    assert found.arn == arns[0]
    assert ecs.calls == ["describe_container_instances"] * 2
    clock.advance(4 * 24 * 3600)
    again.seen(cluster, arns)
    assert ecs.calls == ["describe_container_instances"] * 3


def test_what_is_no_container_instance_costs_a_few_calls(shop: EcsAccount) -> None:
    for number in range(20):
        shop.ecs.create_cluster(clusterName=f"c{number}")
        shop.simulator.hosts.add(ACCOUNT, REGION, f"c{number}")
    ecs = Counting(shop.ecs)
    assert EcsInstances(ecs).find("i-0ffffffffffffffff") is None
    assert len(ecs.calls) <= 12


def test_a_cluster_counts_its_instances_and_those_without_agent(shop: EcsAccount) -> None:
    instances, cluster = EcsInstances(shop.ecs), cluster_arn(shop)
    ones = [add(shop) for _ in range(3)]
    shop.simulator.hosts.disconnect(ones[0])
    shop.ecs.tag_resource(resourceArn=cluster, tags=[{"key": "longshore:recover", "value": "off"}])
    found = instances.cluster(cluster)
    assert found is not None
    assert (found.instances, found.disconnected, found.name) == (3, 1, "shop")
    assert found.tags == {"longshore:recover": "off"}
    assert instances.cluster(cluster + "2") is None


def test_an_instance_is_drained_again_and_again(shop: EcsAccount) -> None:
    instances, cluster = EcsInstances(shop.ecs), cluster_arn(shop)
    arn = add(shop)
    for _ in range(2):
        instances.drain(cluster, arn)
        found = instances.get(cluster, arn)
        assert found is not None
        assert found.status == "DRAINING"
    with pytest.raises(GoneError):
        instances.drain(cluster, arn[:-4] + "0000")
    with pytest.raises(GoneError):
        instances.drain(cluster + "2", arn)


def test_the_tasks_of_an_instance(shop: EcsAccount) -> None:
    instances, cluster = EcsInstances(shop.ecs), cluster_arn(shop)
    arn = add(shop)
    started = shop.ecs.run_task(cluster="shop", taskDefinition="job", launchType="EC2")["tasks"][0]["taskArn"]
    shop.run(30)
    assert instances.tasks(cluster, arn) == [started]
    found = instances.get(cluster, arn)
    assert found is not None
    assert found.tasks == 1


def test_health_checks_that_fail_are_named(shop: EcsAccount) -> None:
    instances, cluster = EcsInstances(shop.ecs), cluster_arn(shop)
    arn = add(shop)
    shop.simulator.hosts.impair(arn, "CONTAINER_RUNTIME")
    found = instances.get(cluster, arn)
    assert found is not None
    assert found.failing == ("CONTAINER_RUNTIME",)


def test_a_machine_that_is_well_impaired_stopped_or_gone(shop: EcsAccount) -> None:
    arn = add(shop)
    id = shop.simulator.hosts.ec2_instance_id(arn)
    assert machines().state(id) is HostState.WELL
    shop.simulator.hosts.fail_status_checks(arn)
    assert machines().state(id) is HostState.IMPAIRED
    boto3.client("ec2", region_name=REGION).terminate_instances(InstanceIds=[id])
    assert machines().state(id) is HostState.STOPPED
    assert machines().state("i-0ffffffffffffffff") is HostState.STOPPED
    assert machines().state("elsewhere") is HostState.UNKNOWN


def test_a_server_of_ecs_anywhere_is_known_by_its_ping(shop: EcsAccount) -> None:
    arn = add(shop, external=True)
    id = shop.simulator.hosts.ec2_instance_id(arn)
    assert machines().state(id) is HostState.WELL
    shop.simulator.hosts.ping(arn, "ConnectionLost")
    assert machines().state(id) is HostState.SILENT
    assert machines().state("mi-0ffffffffffffffff") is HostState.UNKNOWN
    found = EcsInstances(shop.ecs).get(cluster_arn(shop), arn)
    assert found is not None
    assert found.on_premises


def test_protected_tasks_and_repairing_providers() -> None:
    ecs = boto3.client("ecs", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
    tasks = [f"{ARN}:task/shop/{number:032x}" for number in range(101)]
    with Stubber(ecs) as stub:
        for page in (tasks[:100], tasks[100:]):
            protected = [{"taskArn": each, "protectionEnabled": each == page[0]} for each in page]
            stub.add_response("get_task_protection", {"protectedTasks": protected}, {"cluster": CLUSTER, "tasks": page})
        stub.add_client_error("get_task_protection", "AccessDeniedException")
        assert EcsInstances(ecs).protected(CLUSTER, tasks) == [tasks[0], tasks[100]]
        assert EcsInstances(ecs).protected(CLUSTER, tasks[:1]) == []
        for status in ("ENABLED", "DISABLED"):
            managed = {"infrastructureRoleArn": "r", "autoRepairConfiguration": {"actionsStatus": status}}
            stub.add_response(
                "describe_capacity_providers",
                {"capacityProviders": [{"name": "p", "managedInstancesProvider": managed}]},
                {"capacityProviders": ["p"]},
            )
        assert EcsInstances(ecs).repaired("p")
        assert not EcsInstances(ecs).repaired("p")
        stub.add_response("describe_capacity_providers", {"capacityProviders": [{"name": "asg"}]})
        assert not EcsInstances(ecs).repaired("asg")
        stub.add_client_error("update_container_instances_state", "AccessDeniedException")
        with pytest.raises(AccessDeniedError):
            EcsInstances(ecs).drain(CLUSTER, "x")


# -- Cloud Map and services -----------------------------------------------------------------------------------------

TASK_ID = "0123456789abcdef0123456789abcdef"


def test_what_ecs_registered_is_read_and_taken_out() -> None:
    with mocked():
        sd = client("servicediscovery")
        sd.create_http_namespace(Name="shop")
        namespace = sd.list_namespaces()["Namespaces"][0]["Id"]
        service = sd.create_service(Name="web", NamespaceId=namespace)["Service"]
        ecs_made = {"ECS_CLUSTER_NAME": "shop", "ECS_SERVICE_NAME": "web", "AWS_INSTANCE_IPV4": "10.0.0.1"}
        for id, attributes in ((TASK_ID, ecs_made), ("mine", ecs_made), ("b" * 32, {"AWS_INSTANCE_IPV4": "10.0.0.2"})):
            sd.register_instance(ServiceId=service["Id"], InstanceId=id, Attributes=attributes)
        cloud_map = CloudMap(lambda: sd, ARN)
        found = cloud_map.all()
        assert [(each.id, each.arn, each.name) for each in found] == [(service["Id"], service["Arn"], "web")]
        assert found[0].instances > 1
        assert cloud_map.registrations(service["Id"]) == [Registration(TASK_ID, CLUSTER, "web")]
        cloud_map.deregister(service["Id"], TASK_ID)
        cloud_map.deregister(service["Id"], TASK_ID)
        assert cloud_map.registrations(service["Id"]) == []
        with pytest.raises(GoneError):
            cloud_map.registrations("srv-unknown")
        with pytest.raises(GoneError):
            cloud_map.deregister("srv-unknown", TASK_ID)


def test_a_service_is_read(shop: EcsAccount) -> None:
    services, cluster = EcsServiceFacts(shop.ecs), cluster_arn(shop)
    shop.ecs.create_service(
        cluster="shop",
        serviceName="web",
        taskDefinition="job",
        desiredCount=1,
        launchType="EC2",
        serviceRegistries=[{"registryArn": "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-1"}],
        tags=[{"key": "longshore:recover", "value": "auto"}],
    )
    found = services.get(cluster, "web")
    assert found is not None
    assert found.active
    assert found.controller == "ECS"
    assert found.definition.endswith("task-definition/job:1")
    assert found.registries == ("arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-1",)
    assert found.tags == {"longshore:recover": "auto"}
    assert found.deployed is not None
    assert services.get(cluster, "nothing") is None
    assert services.get(cluster + "2", "web") is None
