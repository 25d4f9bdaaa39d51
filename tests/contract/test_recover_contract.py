"""The ports of recover: one suite each, run on the fakes and on AWS's simulators (recover 3; design 12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import boto3
import pytest
from botocore.stub import Stubber

from longshore.aws.launchers import Launchers
from longshore.aws.log_events import LogStreams
from longshore.aws.network import NetworkInterfaces
from longshore.aws.recovery import LedgerBreakers, LedgerRecipes, LedgerRecoveries
from longshore.aws.tasks import EcsTasks
from longshore.errors import AccessDeniedError, ConflictError, GoneError, ThrottledError, UnsupportedError
from longshore.recover.breaker import Breaker
from longshore.recover.changes import Changes
from longshore.recover.recipe import LaunchRecipe, Network, Provider
from longshore.recover.recovery import Attempt, AttemptKind, AttemptState, Failure, Recovery, RecoveryState
from longshore_local import moto_ecs
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, ledger_table, mocked, raw_items
from tests.fake_tasks import ACCOUNT, CLUSTER, REGION, FakeBreakers, FakeRecipes, FakeRecoveries, FakeTasks
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from longshore.recover.ports import Breakers, Recipes, Recoveries, Tasks

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HERE = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}


def arn(number: int) -> str:
    return f"{HERE}:task/shop/{number:032x}"


# -- the ledger -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stores:
    recipes: Recipes
    recoveries: Recoveries
    breakers: Breakers


@pytest.fixture(params=["fake", "ledger"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    if request.param == "fake":
        yield Stores(FakeRecipes(), FakeRecoveries(), FakeBreakers())
        return
    with mocked():
        table, clock = ledger_table(), FakeClock()
        recoveries = LedgerRecoveries(table, clock, ACCOUNT, REGION)
        yield Stores(LedgerRecipes(table, clock), recoveries, LedgerBreakers(table, clock))


WHOLE = LaunchRecipe(
    source="task+schedule",
    strategy=(Provider("FARGATE_SPOT", 1, 0), Provider("FARGATE")),
    network=Network(("subnet-a", "subnet-b"), ("sg-1",), True),
    platform_version="LATEST",
    group="nightly",
    started_by="chronos-schedule/nightly",
    tags={"team": "data"},
    propagate_tags="",
    managed_tags=True,
    execute_command=False,
    placement_constraints=({"type": "memberOf", "expression": "attribute:ecs.os-type == linux"},),
    placement_strategy=(),
    volumes=({"name": "scratch", "managedEBSVolume": {"roleArn": "arn", "sizeInGiB": 20, "encrypted": True}},),
)


@pytest.mark.parametrize(
    "recipe", [WHOLE, LaunchRecipe(), LaunchRecipe(source="task", network=Network(("a",), chosen=True))]
)
def test_a_recipe_comes_back_as_it_was(stores: Stores, recipe: LaunchRecipe) -> None:
    assert stores.recipes.get(arn(1)) is None
    stores.recipes.put(arn(1), recipe)
    assert stores.recipes.get(arn(1)) == recipe
    assert stores.recipes.get(arn(2)) is None


def test_a_recipe_may_be_replaced_and_forgotten(stores: Stores) -> None:
    stores.recipes.put(arn(1), LaunchRecipe(source="task"))
    stores.recipes.put(arn(1), WHOLE)
    assert stores.recipes.get(arn(1)) == WHOLE
    stores.recipes.forget(arn(1))
    stores.recipes.forget(arn(1))
    assert stores.recipes.get(arn(1)) is None


def attempt(number: int, task: str = "", cls: str = "M1") -> Attempt:
    failure = Failure(NOW, cls, arn(number - 1), "eu-west-1a", "subnet-a", "i-1", 137, "killed", 30)
    changes = Changes(subnets=("subnet-b",), memory=2048, containers={"app": 1024}, avoid=("i-1",))
    state = AttemptState.LAUNCHED if task else AttemptState.PLANNED
    return Attempt(number, AttemptKind.APP, failure, NOW, f"ls-{number}", changes, state, task)


def test_a_recovery_comes_back_as_it_was(stores: Stores) -> None:
    assert stores.recoveries.get(arn(0)) is None
    first = Recovery(arn(0), "etl", CLUSTER, NOW, attempts=(attempt(1, arn(1)), attempt(2)))
    saved = stores.recoveries.save(first)
    assert saved == replace(first, version=1)
    assert stores.recoveries.get(arn(0)) == saved


def test_of_two_who_write_one_does(stores: Stores) -> None:
    empty = Recovery(arn(0), "etl", CLUSTER, NOW)
    saved = stores.recoveries.save(empty.with_attempt(attempt(1)))
    with pytest.raises(ConflictError):
        stores.recoveries.save(empty.with_attempt(attempt(1)))
    later = stores.recoveries.save(saved.with_attempt(attempt(1, arn(1))))
    with pytest.raises(ConflictError):
        stores.recoveries.save(saved.ended(RecoveryState.ABANDONED))
    assert stores.recoveries.get(arn(0)) == later
    assert later.version == 2


def test_every_replacement_knows_its_root(stores: Stores) -> None:
    saved = stores.recoveries.save(Recovery(arn(0), "etl", CLUSTER, NOW, attempts=(attempt(1, arn(1)),)))
    stores.recoveries.save(saved.with_attempt(attempt(2, arn(2))))
    assert [stores.recoveries.root_of(arn(number)) for number in range(4)] == [None, arn(0), arn(0), None]


def test_open_recoveries_are_listed_until_they_end(stores: Stores) -> None:
    first = stores.recoveries.save(Recovery(arn(0), "etl", CLUSTER, NOW))
    stores.recoveries.save(Recovery(arn(5), "etl", CLUSTER, NOW, attempts=(attempt(1),)))
    assert sorted(stores.recoveries.open()) == [arn(0), arn(5)]
    stores.recoveries.save(first.ended(RecoveryState.GIVEN_UP))
    assert list(stores.recoveries.open()) == [arn(5)]
    stores.recoveries.close(arn(5))
    assert list(stores.recoveries.open()) == []


def test_what_is_opened_again_is_listed_again(stores: Stores) -> None:
    first = stores.recoveries.save(Recovery(arn(0), "etl", CLUSTER, NOW, attempts=(attempt(1, arn(1)),)))
    ended = stores.recoveries.save(first.ended(RecoveryState.SUCCEEDED))
    again = ended.reopened(NOW + timedelta(hours=1), timedelta(days=1))
    assert again is not None
    saved = stores.recoveries.save(again)
    assert list(stores.recoveries.open()) == [arn(0)]
    assert stores.recoveries.get(arn(0)) == saved
    with pytest.raises(ConflictError):
        stores.recoveries.save(again)


def test_what_ends_at_once_is_never_listed(stores: Stores) -> None:
    stores.recoveries.save(Recovery(arn(0), "etl", CLUSTER, NOW, RecoveryState.ABANDONED))
    assert list(stores.recoveries.open()) == []


def test_a_breaker_is_closed_until_something_fails(stores: Stores) -> None:
    assert stores.breakers.get(CLUSTER, "etl") == Breaker()
    saved = stores.breakers.save(CLUSTER, "etl", Breaker(failures=2, opened=NOW))
    assert saved == Breaker(2, NOW, 1)
    assert stores.breakers.get(CLUSTER, "etl") == saved
    assert stores.breakers.get(CLUSTER, "web") == Breaker()
    with pytest.raises(ConflictError):
        stores.breakers.save(CLUSTER, "etl", Breaker(failures=9))
    assert stores.breakers.save(CLUSTER, "etl", saved.succeeded()).version == 2


def test_the_list_of_open_ones_is_written_first_and_cut_last() -> None:
    """A crash between two writes may leave a root too many in the list, never one too few."""
    with mocked():
        table, clock = ledger_table(), FakeClock()
        recoveries = LedgerRecoveries(table, clock, ACCOUNT, REGION)
        recoveries.save(Recovery(arn(0), "etl", CLUSTER, NOW))
        with pytest.raises(ConflictError):
            recoveries.save(Recovery(arn(0), "etl", CLUSTER, NOW, RecoveryState.GIVEN_UP))
        assert list(recoveries.open()) == [arn(0)]


def test_every_item_has_a_schema_and_an_end() -> None:
    with mocked():
        table, clock = ledger_table(), FakeClock()
        LedgerRecipes(table, clock).put(arn(0), WHOLE)
        LedgerRecoveries(table, clock, ACCOUNT, REGION).save(
            Recovery(arn(0), "etl", CLUSTER, NOW, attempts=(attempt(1, arn(1)),))
        )
        LedgerBreakers(table, clock).save(CLUSTER, "etl", Breaker(failures=1))
        for item in raw_items():
            assert "schema" in item
            assert ("expires" in item) != item["pk"]["S"].startswith("RECOVERIES#")


# -- tasks ----------------------------------------------------------------------------------------------------------


class Driver(Protocol):
    """Tasks, and what happens beside Longshore."""

    @property
    def tasks(self) -> Tasks: ...

    @property
    def cluster(self) -> str: ...

    def define(self, family: str, **tags: str) -> str: ...

    def settle(self) -> None:
        """Every task comes to where it is going."""
        ...


class Fake:
    def __init__(self) -> None:
        self.tasks = FakeTasks(FakeClock())
        self.cluster = CLUSTER

    def define(self, family: str, **tags: str) -> str:
        return self.tasks.define(family, {key.replace("_", ":"): value for key, value in tags.items()})

    def settle(self) -> None:
        return


class Simulated:
    def __init__(self) -> None:
        self.timeline = VirtualTimeline()
        self.simulator = moto_ecs.install(self.timeline, lambda event: None)
        self._ecs = boto3.client("ecs", region_name=REGION)
        self.cluster = str(self._ecs.create_cluster(clusterName="shop")["cluster"]["clusterArn"])
        self.simulator.add_image("registry.example/app:1", "sha256:" + "a" * 64)
        self.tasks = EcsTasks(self._ecs, self.timeline)

    def define(self, family: str, **tags: str) -> str:
        answer = self._ecs.register_task_definition(
            family=family,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "app", "image": "registry.example/app:1"}],
            tags=[{"key": key.replace("_", ":"), "value": value} for key, value in tags.items()],
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def settle(self) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(minutes=3))


@pytest.fixture(params=["fake", "simulated"])
def account(request: pytest.FixtureRequest) -> Iterator[Driver]:
    if request.param == "fake":
        yield Fake()
        return
    with mocked():
        driver = Simulated()
        try:
            yield driver
        finally:
            driver.simulator.uninstall()


def request(account: Driver, definition: str, token: str = "ls-1", **members: Any) -> dict[str, Any]:
    return {
        "cluster": account.cluster,
        "taskDefinition": definition,
        "count": 1,
        "clientToken": token,
        "launchType": "FARGATE",
        "networkConfiguration": NETWORK,
        "tags": [{"key": "longshore:root-task", "value": arn(0)}],
        **members,
    }


def test_a_launched_task_is_described_with_its_tags(account: Driver) -> None:
    definition = account.define("etl")
    launch = account.tasks.launch(request(account, definition, startedBy="me"))
    account.settle()
    task = account.tasks.get(account.cluster, launch.task)
    assert task is not None
    assert (task.arn, task.definition, task.started_by) == (launch.task, definition, "me")
    assert task.tags == {"longshore:root-task": arn(0)}
    assert (launch.failures, launch.adopted) == ((), False)


def test_the_same_request_is_the_same_task(account: Driver) -> None:
    definition = account.define("etl")
    first = account.tasks.launch(request(account, definition))
    assert account.tasks.launch(request(account, definition)).task == first.task
    assert account.tasks.launch(request(account, definition, "ls-2")).task != first.task


def test_the_same_token_with_other_parameters_is_adopted(account: Driver) -> None:
    definition = account.define("etl")
    first = account.tasks.launch(request(account, definition))
    again = account.tasks.launch(request(account, definition, group="another"))
    assert (again.task, again.adopted) == (first.task, True)


def test_a_task_that_is_not_there_is_none(account: Driver) -> None:
    assert account.tasks.get(account.cluster, arn(77)) is None
    assert account.tasks.get(account.cluster + "s", arn(77)) is None


def test_a_family_is_found_alive_and_stopped(account: Driver) -> None:
    etl, other = account.define("etl"), account.define("etl2")
    first = account.tasks.launch(request(account, etl)).task
    second = account.tasks.launch(request(account, etl, "ls-2")).task
    account.tasks.launch(request(account, other, "ls-3"))
    account.settle()
    account.tasks.stop(account.cluster, first, "longshore: test")
    account.settle()
    assert {each.arn for each in account.tasks.of_family(account.cluster, "etl")} == {first, second}
    assert account.tasks.of_family(account.cluster, "nobody") == []


def test_a_stop_gives_its_reason_and_deletes_the_tags(account: Driver) -> None:
    launched = account.tasks.launch(request(account, account.define("etl"))).task
    account.settle()
    account.tasks.stop(account.cluster, launched, "longshore: W6 unhealthy")
    account.settle()
    task = account.tasks.get(account.cluster, launched)
    assert task is not None
    assert (task.final, task.stop_code, task.stopped_reason) == (True, "UserInitiated", "longshore: W6 unhealthy")
    assert task.tags == {}


def test_a_task_that_is_not_there_cannot_be_stopped(account: Driver) -> None:
    with pytest.raises(GoneError):
        account.tasks.stop(account.cluster, arn(77), "longshore: test")


def test_a_definition_has_its_tags(account: Driver) -> None:
    definition = account.define("etl", longshore_recover="auto")
    described, tags = account.tasks.definition(definition)
    assert described["family"] == "etl"
    assert tags == {"longshore:recover": "auto"}
    with pytest.raises(GoneError):
        account.tasks.definition(definition + "0")


def test_a_host_that_is_not_there_has_no_id(account: Driver) -> None:
    assert account.tasks.host(account.cluster, f"{HERE}:container-instance/shop/{'1' * 32}") == ""


# -- what only AWS answers ------------------------------------------------------------------------------------------


def stubbed(service: str, add: Callable[[Stubber], None]) -> Any:
    made = boto3.client(service, region_name=REGION)
    stubber = Stubber(made)
    add(stubber)
    stubber.activate()
    return made


RUN: dict[str, Any] = {
    "cluster": "shop",
    "taskDefinition": "etl:1",
    "clientToken": "ls-1",
    "tags": [{"key": "a", "value": "b"}],
}


def test_failures_of_a_launch_are_told() -> None:
    failures = [{"arn": "arn", "reason": "RESOURCE:MEMORY", "detail": "none has 8 GiB"}]
    ecs = stubbed("ecs", lambda stub: stub.add_response("run_task", {"tasks": [], "failures": failures}))
    launch = EcsTasks(ecs, FakeClock()).launch(RUN)
    assert launch.task == ""
    assert [(each.reason, each.detail) for each in launch.failures] == [("RESOURCE:MEMORY", "none has 8 GiB")]


def test_a_conflict_names_the_task_that_is_there() -> None:
    def conflict(stub: Stubber) -> None:
        members = {"resourceIds": [arn(3)]}
        stub.add_client_error("run_task", "ConflictException", "other parameters", modeled_fields=members)

    launch = EcsTasks(stubbed("ecs", conflict), FakeClock()).launch(RUN)
    assert (launch.task, launch.adopted) == (arn(3), True)


def test_an_account_with_short_arns_gets_no_tags() -> None:
    def short(stub: Stubber) -> None:
        text = "Long arn format must be enabled for tagging."
        stub.add_client_error("run_task", "InvalidParameterException", text)
        untagged = {key: value for key, value in RUN.items() if key != "tags"}
        stub.add_response("run_task", {"tasks": [{"taskArn": arn(4)}], "failures": []}, untagged)

    assert EcsTasks(stubbed("ecs", short), FakeClock()).launch(RUN).task == arn(4)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDeniedException", AccessDeniedError),
        ("ClusterNotFoundException", GoneError),
        ("InvalidParameterException", UnsupportedError),
        ("ClientException", UnsupportedError),
        ("BlockedException", UnsupportedError),
        ("PlatformTaskDefinitionIncompatibilityException", UnsupportedError),
        ("ThrottlingException", ThrottledError),
    ],
)
def test_errors_of_a_launch_are_ours(code: str, error: type[Exception]) -> None:
    ecs = stubbed("ecs", lambda stub: stub.add_client_error("run_task", code, "why"))
    with pytest.raises(error):
        EcsTasks(ecs, FakeClock()).launch(RUN)


def test_a_definition_is_read_again_after_a_while() -> None:
    """Whoever opts out expects to be heard, though a revision never changes."""

    def twice(stub: Stubber) -> None:
        for value in ("auto", "off"):
            tags = [{"key": "longshore:recover", "value": value}]
            stub.add_response("describe_task_definition", {"taskDefinition": {"family": "etl"}, "tags": tags})

    clock = FakeClock()
    tasks = EcsTasks(stubbed("ecs", twice), clock)
    assert tasks.definition("etl:1")[1] == tasks.definition("etl:1")[1] == {"longshore:recover": "auto"}
    clock.advance(61)
    assert tasks.definition("etl:1")[1] == {"longshore:recover": "off"}


def test_the_id_of_a_host() -> None:
    answer = {"containerInstances": [{"ec2InstanceId": "i-0123456789abcdef0"}]}
    ecs = stubbed("ecs", lambda stub: stub.add_response("describe_container_instances", answer))
    assert EcsTasks(ecs, FakeClock()).host("shop", "ci") == "i-0123456789abcdef0"


# -- network, launchers, logs ---------------------------------------------------------------------------------------


def test_an_interface_tells_where_a_task_was() -> None:
    with mocked():
        ec2 = client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
        made = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]["NetworkInterfaceId"]
        interfaces = NetworkInterfaces(lambda: ec2)
        found = interfaces.get(made)
        assert found is not None
        assert (found.subnet, found.security_groups, found.public) == (subnet, (group,), False)
        assert interfaces.get("eni-00000000000000000") is None


def test_a_public_address_is_seen() -> None:
    described = {
        "SubnetId": "subnet-a",
        "Groups": [{"GroupId": "sg-1"}],
        "Association": {"PublicIp": "203.0.113.7"},
    }
    answer = {"NetworkInterfaces": [described]}
    ec2 = stubbed("ec2", lambda stub: stub.add_response("describe_network_interfaces", answer))
    found = NetworkInterfaces(lambda: ec2).get("eni-1")
    assert found is not None
    assert found.public


PARAMETERS = {
    "TaskDefinitionArn": f"{HERE}:task-definition/etl:1",
    "TaskCount": 1,
    "LaunchType": "FARGATE",
    "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-a"], "AssignPublicIp": "ENABLED"}},
}
ROLE = "arn:aws:iam::123456789012:role/scheduler"


def test_schedules_of_a_name_are_found_in_every_group() -> None:
    with mocked():
        scheduler, events = client("scheduler"), client("events")
        scheduler.create_schedule_group(Name="jobs")
        for group, name in (("default", "nightly"), ("jobs", "nightly"), ("jobs", "nightly-2")):
            scheduler.create_schedule(
                Name=name,
                GroupName=group,
                ScheduleExpression="rate(1 day)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": PARAMETERS},
            )
        launchers = Launchers(lambda: scheduler, lambda: events)
        found = launchers.schedules("nightly")
        assert [each["Arn"] for each in found] == [CLUSTER, CLUSTER]
        assert found[0]["EcsParameters"]["NetworkConfiguration"] == PARAMETERS["NetworkConfiguration"]
        assert launchers.schedules("weekly") == []


def test_targets_of_a_rule_that_start_tasks_are_found() -> None:
    with mocked():
        events = client("events")
        events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
        events.put_targets(
            Rule="nightly",
            Targets=[
                {"Id": "1", "Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": PARAMETERS},
                {"Id": "2", "Arn": "arn:aws:sqs:eu-west-1:123456789012:queue"},
            ],
        )
        launchers = Launchers(lambda: client("scheduler"), lambda: events)
        (found,) = launchers.rules("nightly")
        assert found["EcsParameters"]["TaskDefinitionArn"] == PARAMETERS["TaskDefinitionArn"]
        assert launchers.rules("weekly") == []


def test_when_a_schedule_fires() -> None:
    with mocked():
        scheduler = client("scheduler")
        scheduler.create_schedule(
            Name="nightly",
            ScheduleExpression="cron(0 3 * * ? *)",
            ScheduleExpressionTimezone="Europe/Berlin",
            FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
            State="DISABLED",
            Target={"Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": PARAMETERS},
        )
        launchers = Launchers(lambda: scheduler, lambda: client("events"))
        (times,) = launchers.schedule_times("nightly")
        assert (times.expression, times.zone, times.enabled) == ("cron(0 3 * * ? *)", "Europe/Berlin", False)
        assert times.window == timedelta(minutes=15)
        assert [each["Arn"] for each in times.targets] == [CLUSTER]
        assert launchers.schedule_times("weekly") == []


def test_when_a_rule_fires() -> None:
    with mocked():
        events = client("events")
        events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
        events.put_targets(
            Rule="nightly", Targets=[{"Id": "1", "Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": PARAMETERS}]
        )
        events.put_rule(Name="by-event", EventPattern='{"source": ["shop"]}')
        launchers = Launchers(lambda: client("scheduler"), lambda: events)
        (times,) = launchers.rule_times("nightly")
        assert (times.expression, times.zone, times.enabled, len(times.targets)) == ("rate(1 day)", "UTC", True, 1)
        events.disable_rule(Name="nightly")
        assert [each.enabled for each in launchers.rule_times("nightly")] == [False]
        assert launchers.rule_times("by-event") == launchers.rule_times("weekly") == []


def test_the_last_lines_of_a_stream() -> None:
    with mocked():
        logs = client("logs")
        logs.create_log_group(logGroupName="/ecs/etl")
        logs.create_log_stream(logGroupName="/ecs/etl", logStreamName="ecs/app/1")
        now = int(datetime.now(UTC).timestamp() * 1000)
        lines = [{"timestamp": now + number, "message": f"line {number}"} for number in range(30)]
        logs.put_log_events(logGroupName="/ecs/etl", logStreamName="ecs/app/1", logEvents=lines)
        streams = LogStreams(lambda region: client("logs"))
        assert streams.tail("/ecs/etl", "ecs/app/1", REGION, 3) == ("line 27", "line 28", "line 29")
        for group, stream in (("/ecs/etl", "ecs/app/2"), ("/ecs/web", "ecs/app/1")):
            with pytest.raises(GoneError):
                streams.tail(group, stream, REGION, 3)


def test_a_log_that_may_not_be_read() -> None:
    logs = stubbed("logs", lambda stub: stub.add_client_error("get_log_events", "AccessDeniedException", "no"))
    with pytest.raises(AccessDeniedError):
        LogStreams(lambda region: logs).tail("g", "s", REGION, 3)
