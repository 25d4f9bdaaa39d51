"""Rules and schedules as redeploy's platform: the adapters over moto's EventBridge, Scheduler and the bundle's ECS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError

from longshore.aws import schedules as module
from longshore.aws.ecs_definitions import TaskDefinitions
from longshore.aws.scheduled_rules import ScheduledRules
from longshore.aws.scheduled_tasks import ScheduledTasks
from longshore.aws.schedules import Schedules
from longshore.decisions import Reason
from longshore.errors import ConflictError, GoneError, UnsupportedError
from longshore.workloads import Action, Change, Observation, Plan, RolloutStatus
from longshore_local import moto_scheduled, task_launches
from longshore_local.bus import LocalBus
from longshore_local.deliveries import Deliveries
from longshore_local.schedules import Schedules as Firing
from tests.fake_platform import HOST, WEB, digest, image
from tests.functional.local.ecs_account import ACCOUNT, REGION, EcsAccount, opened

ONE, TWO = digest("one"), digest("two")
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shop"
STARTER = f"arn:aws:iam::{ACCOUNT}:role/starter"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/nightly"
ON_BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/orders/nightly"
SCHEDULE = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/jobs/nightly"
GROUP = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/jobs"
ROLES = {"taskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/task", "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/pull"}


def written(found: str) -> str:
    return f"{HOST}/{WEB.name}@{found}"


def filled(shape: Any, name: str = "") -> Any:
    """A value with every member that a shape has, by the service's own model."""
    match shape.type_name:
        case "structure":
            return {member: filled(inner, member) for member, inner in shape.members.items()}
        case "list":
            return [filled(shape.member, name)]
        case "map":
            return {"key": "cost", "value": "ours"}
        case "integer" | "long":
            return shape.metadata.get("min", 0) + 1
        case "boolean":
            return True
        case "timestamp":
            return datetime(2027, 1, 1, tzinfo=UTC)
        case _:
            return (shape.enum or [f"the-{name}"])[0]


def every_member(service: str, shape: str, **members: Any) -> dict[str, Any]:
    """A request or a target with every member set, some of them to what is given."""
    model = botocore.session.get_session().get_service_model(service)
    found: dict[str, Any] = filled(model.shape_for(shape))
    assert members.keys() <= found.keys()
    return {**found, **members}


class Place:
    """An account with rules and schedules, and the adapters over it."""

    def __init__(self, shop: EcsAccount) -> None:
        self.shop = shop
        self.events, self.scheduler = (boto3.client(name, region_name=REGION) for name in ("events", "scheduler"))
        self.definitions = TaskDefinitions(shop.ecs)
        tasks = ScheduledTasks(shop.ecs, self.definitions, shop.timeline)
        self.rules = ScheduledRules(lambda: self.events, lambda: shop.tagging, lambda: tasks)
        self.schedules = Schedules(lambda: self.scheduler, lambda: shop.tagging, lambda: tasks, shop.timeline)
        for each in (ONE, TWO):
            shop.simulator.add_image(written(each), each)
        deliveries = Deliveries(shop.timeline, lambda _arn, _text: None)
        self.firing = Firing(shop.timeline, LocalBus(shop.timeline, deliveries), deliveries, ACCOUNT, REGION)
        task_launches.connect(deliveries, lambda: shop.simulator, ACCOUNT, REGION)

    def definition(self, uri: str, family: str = "etl") -> str:
        return self.shop.register(family, container={"image": uri}, **ROLES)

    def parameters(self, definition: str) -> dict[str, Any]:
        network = {"awsvpcConfiguration": {"Subnets": ["subnet-1"]}}
        return {"LaunchType": "FARGATE", "TaskDefinitionArn": definition, "NetworkConfiguration": network}

    def target(self, definition: str, id: str = "run") -> dict[str, Any]:
        return {"Id": id, "Arn": CLUSTER, "RoleArn": STARTER, "EcsParameters": self.parameters(definition)}

    def rule(self, *targets: dict[str, Any], name: str = "nightly", **members: Any) -> str:
        tags = [{"Key": "longshore:policy", "Value": "digest"}]
        request = {"ScheduleExpression": "rate(10 minutes)", "Tags": tags, **members}
        arn = self.events.put_rule(Name=name, **{key: value for key, value in request.items() if value is not None})
        bus = {"EventBusName": members["EventBusName"]} if "EventBusName" in members else {}
        if targets:
            self.events.put_targets(Rule=name, Targets=list(targets), **bus)
        return str(arn["RuleArn"])

    def schedule(self, definition: str, name: str = "nightly", **members: Any) -> str:
        if "jobs" not in {group["Name"] for group in self.scheduler.list_schedule_groups()["ScheduleGroups"]}:
            self.scheduler.create_schedule_group(Name="jobs", Tags=[{"Key": "longshore:policy", "Value": "digest"}])
        target = {key: value for key, value in self.target(definition).items() if key != "Id"}
        request = {"ScheduleExpression": "rate(10 minutes)", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}
        return str(self.scheduler.create_schedule(Name=name, GroupName="jobs", **{**request, **members})["ScheduleArn"])

    def fire(self, mode: str) -> None:
        """The next run of `etl` takes place, and ends so."""
        self.shop.simulator.fail("etl", mode)
        self.firing.next_due()
        self.shop.run(600)
        self.firing.fire_due()
        self.shop.run(120)

    def read(self, *_: Any) -> dict[str, Any]:
        return dict(self.scheduler.get_schedule(Name="nightly", GroupName="jobs"))

    def named(self, definition: str) -> dict[str, Any]:
        answer = self.shop.ecs.describe_task_definition(taskDefinition=definition, include=["TAGS"])
        return {**answer["taskDefinition"], "tags": answer["tags"]}


@pytest.fixture
def place() -> Iterator[Place]:
    with opened() as account, moto_scheduled.installed():
        yield Place(account)


def moved(observation: Observation, to: str, *, action: Action = Action.REVISE, container: str = "web") -> Plan:
    declared = observation.workload.images[container]
    change = Change(container, to, to.partition("@")[2] or TWO, "prod", (), None, declared)
    return Plan(observation.workload.arn, action, (change,), "moved", "c-1")


def test_of_a_target_with_every_member_only_the_revision_changes(place: Place) -> None:
    definition = place.definition(written(ONE))
    target = every_member("events", "Target", Arn=CLUSTER, RoleArn=STARTER)
    target["EcsParameters"]["TaskDefinitionArn"] = definition
    place.rule(target, {"Id": "other", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "Input": "{}"}, State="DISABLED")
    (before, other) = place.events.list_targets_by_rule(Rule="nightly")["Targets"]
    assert before == target
    rule = place.events.describe_rule(Name="nightly")
    seen = place.rules.observe(RULE)
    assert place.rules.apply(seen, moved(seen, written(TWO)))
    (after, still) = place.events.list_targets_by_rule(Rule="nightly")["Targets"]
    revision = after["EcsParameters"].pop("TaskDefinitionArn")
    assert before["EcsParameters"].pop("TaskDefinitionArn") == definition != revision
    assert (after, still) == (before, other)
    described = [{**each, "ResponseMetadata": None} for each in (place.events.describe_rule(Name="nightly"), rule)]
    assert described[0] == described[1]
    assert place.named(revision)["containerDefinitions"][0]["image"] == written(TWO)
    assert place.named(revision)["tags"] == [{"key": "longshore:tag", "value": "web=prod"}]


def test_of_a_schedule_with_every_member_only_the_revision_changes(place: Place) -> None:
    definition = place.definition(written(ONE))
    target = every_member("scheduler", "Target", Arn=CLUSTER, RoleArn=STARTER)
    target["EcsParameters"]["TaskDefinitionArn"] = definition
    stated = every_member(
        "scheduler", "CreateScheduleInput", Name="nightly", GroupName="jobs", Target=target, State="DISABLED",
        ScheduleExpression="cron(0 3 * * ? *)", ScheduleExpressionTimezone="Asia/Tokyo", ActionAfterCompletion="DELETE",
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
        EndDate=datetime(2028, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    for own in ("Name", "GroupName", "Target"):
        given = stated.pop(own)
        assert given
    place.schedule(definition, Target=target, **stated)
    before = place.read()
    assert before["Target"] == target
    assert {key: before[key] for key in stated if key != "ClientToken"} == {
        key: value for key, value in stated.items() if key != "ClientToken"
    }
    seen = place.schedules.observe(SCHEDULE)
    assert place.schedules.apply(seen, moved(seen, written(TWO)))
    after = place.read()
    revision = after["Target"]["EcsParameters"].pop("TaskDefinitionArn")
    assert before["Target"]["EcsParameters"].pop("TaskDefinitionArn") == definition != revision
    for told in ("LastModificationDate", "ResponseMetadata"):
        del after[told], before[told]
    assert after == before


def test_all_that_an_update_takes_is_sent_back() -> None:
    model = botocore.session.get_session().get_service_model("scheduler")
    takes = set(model.operation_model("UpdateSchedule").input_shape.members)
    answers = set(model.operation_model("GetSchedule").output_shape.members)
    assert takes - {"ClientToken"} == set(module._UPDATED)
    assert answers - takes == {"Arn", "CreationDate", "LastModificationDate"}


Made = Callable[[Place, str], str]
MADE: dict[str, Made] = {
    "rule": lambda place, definition: place.rule(place.target(definition)),
    "schedule": lambda place, definition: place.schedule(definition),
}


def adapter(place: Place, arn: str) -> ScheduledRules | Schedules:
    return place.schedules if ":schedule/" in arn else place.rules


@pytest.fixture(params=sorted(MADE))
def made(request: pytest.FixtureRequest) -> Made:
    return MADE[request.param]


def test_what_is_observed(place: Place, made: Made) -> None:
    arn = made(place, place.definition(image(WEB, "prod")))
    seen = adapter(place, arn).observe(arn)
    assert (seen.workload.images, seen.workload.cluster, seen.workload.policy) == (
        {"web": image(WEB, "prod")},
        "shop",
        "digest",
    )
    assert (dict(seen.running), sorted(seen.platforms), seen.steady) == ({}, ["linux/amd64"], True)
    assert seen.refusal is None
    assert seen.roles == (STARTER, ROLES["taskRoleArn"], ROLES["executionRoleArn"])
    assert list(adapter(place, arn).arns()) == [arn]
    assert [each.workload.arn for each in adapter(place, arn).survey([arn, arn + "x"])] == [arn]


def test_what_ran_last_tells_what_a_tag_stood_for(place: Place, made: Made) -> None:
    place.shop.simulator.add_image(image(WEB, "prod"), ONE)
    arn = made(place, place.definition(image(WEB, "prod")))
    place.fire("exit-0")
    assert adapter(place, arn).observe(arn).running == {"web": ONE}
    place.shop.simulator.add_image(image(WEB, "prod"), TWO)
    place.fire("exit-0")
    assert adapter(place, arn).observe(arn).running == {"web": TWO}


def test_a_refresh_writes_nothing_and_the_next_run_counts(place: Place, made: Made) -> None:
    place.shop.simulator.add_image(image(WEB, "prod"), ONE)
    definition = place.definition(image(WEB, "prod"))
    arn = made(place, definition)
    place.fire("exit-1")
    platform = adapter(place, arn)
    seen = platform.observe(arn)
    id = str(platform.apply(seen, moved(seen, image(WEB, "prod"), action=Action.REFRESH)))
    assert platform.observe(arn).workload.task_definition == definition
    assert platform.rollout(arn, id).status is RolloutStatus.WAITING, "a run of before proves nothing"
    place.shop.simulator.add_image(image(WEB, "prod"), TWO)
    place.fire("exit-0")
    rollout = platform.rollout(arn, id)
    assert (rollout.status, rollout.digests) == (RolloutStatus.SUCCEEDED, {"web": TWO})


@pytest.mark.parametrize(
    ("mode", "status", "why"),
    [
        ("exit-3", RolloutStatus.FAILED, "container web exited with 3"),
        ("cannot-pull", RolloutStatus.FAILED, "CannotPullContainer"),
        ("exit-0", RolloutStatus.SUCCEEDED, ""),
        ("stopped-by-user", RolloutStatus.WAITING, "no run of it has ended yet"),
    ],
)
def test_how_the_first_run_ends(place: Place, made: Made, mode: str, status: RolloutStatus, why: str) -> None:
    arn = made(place, place.definition(written(ONE)))
    platform = adapter(place, arn)
    seen = platform.observe(arn)
    id = str(platform.apply(seen, moved(seen, written(TWO))))
    assert platform.rollout(arn, id).reason == "nothing has started it yet"
    if mode == "stopped-by-user":
        _stopped(place)
    else:
        place.fire(mode)
    rollout = platform.rollout(arn, id)
    assert rollout.status is status, rollout
    assert why in rollout.reason


def _stopped(place: Place) -> None:
    """A person stops the run: nothing is said of the image."""
    place.firing.next_due()
    place.shop.run(600)
    place.firing.fire_due()
    place.shop.run(60)
    for task in place.shop.ecs.list_tasks(cluster="shop")["taskArns"]:
        place.shop.ecs.stop_task(cluster="shop", task=task, reason="enough")
    place.shop.run(60)


def test_only_the_first_run_counts(place: Place, made: Made) -> None:
    arn = made(place, place.definition(written(ONE)))
    platform = adapter(place, arn)
    seen = platform.observe(arn)
    id = str(platform.apply(seen, moved(seen, written(TWO))))
    place.fire("exit-0")
    place.fire("exit-1")
    assert platform.rollout(arn, id).status is RolloutStatus.SUCCEEDED


def test_somebody_elses_revision_takes_its_place(place: Place, made: Made) -> None:
    arn = made(place, place.definition(written(ONE)))
    platform = adapter(place, arn)
    seen = platform.observe(arn)
    id = str(platform.apply(seen, moved(seen, written(TWO))))
    again = platform.observe(arn)
    platform.apply(again, moved(again, written(ONE)))
    assert platform.rollout(arn, id).status is RolloutStatus.REPLACED
    assert platform.rollout(arn, "nonsense").status is RolloutStatus.GONE


def test_what_changed_since_it_was_observed_is_not_overwritten(place: Place, made: Made) -> None:
    arn = made(place, place.definition(written(ONE)))
    platform = adapter(place, arn)
    seen = platform.observe(arn)
    first = place.named("etl")["revision"]
    with pytest.raises(ConflictError):
        platform.apply(replace(seen, revision="another"), moved(seen, written(TWO)))
    assert place.named("etl")["revision"] == first, "nothing is registered for it either"


def test_what_changes_while_a_revision_is_registered_is_not_overwritten(place: Place, made: Made) -> None:
    definition = place.definition(written(ONE))
    arn = made(place, definition)
    platform = adapter(place, arn)
    seen = platform.observe(arn)
    register = place.shop.ecs.register_task_definition

    def meanwhile(**request: Any) -> Any:
        if ":rule/" in arn:
            place.events.put_targets(Rule="nightly", Targets=[{**place.target(definition), "Input": "{}"}])
        else:
            found = {key: value for key, value in place.read().items() if key in module._UPDATED}
            place.scheduler.update_schedule(**{**found, "State": "DISABLED"})
        return register(**request)

    place.shop.ecs.register_task_definition = meanwhile
    try:
        with pytest.raises(ConflictError):
            platform.apply(seen, moved(seen, written(TWO)))
    finally:
        place.shop.ecs.register_task_definition = register
    assert platform.observe(arn).running == {"web": ONE}


def test_who_died_after_registering_finds_the_revision_again(place: Place, made: Made) -> None:
    arn = made(place, place.definition(written(ONE)))
    platform = adapter(place, arn)
    before = place.shop.timeline.now()
    seen = platform.observe(arn)
    assert platform.find(arn, before + timedelta(minutes=5), None) is None
    place.definitions.revised(seen, moved(seen, written(TWO)), resumed=False)
    latest = place.named("etl")["revision"]
    assert platform.apply(seen, moved(seen, written(TWO)), resumed=True)
    assert place.named("etl")["revision"] == latest
    found = platform.find(arn, before, None)
    assert found
    assert platform.rollout(arn, found).status is RolloutStatus.WAITING


def test_a_rule_whose_cluster_was_deleted_is_still_a_rule(place: Place) -> None:
    elsewhere = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/deleted"
    definition = place.definition(image(WEB, "prod"))
    arn = place.rule(place.target(definition), {**place.target(definition, "other"), "Arn": elsewhere})
    place.fire("exit-0")
    assert place.rules.observe(arn).workload.images == {"web": image(WEB, "prod")}
    assert [each.workload.arn for each in place.rules.survey([arn])] == [arn]


@pytest.mark.parametrize(
    ("expression", "goes_on"),
    [("rate(40 minutes)", timedelta(minutes=80)), ("cron(0 12 * * ? *)", timedelta(minutes=60))],
)
def test_a_schedule_that_has_begun_begins_where_it_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, expression: str, goes_on: timedelta
) -> None:
    """Scheduler refuses a start that is more than five minutes past, though it was well when the schedule was made."""
    start = place.shop.timeline.now().replace(microsecond=0)
    arn = place.schedule(place.definition(written(ONE)), ScheduleExpression=expression)
    update = place.scheduler.update_schedule
    update(**{key: value for key, value in place.read().items() if key in module._UPDATED}, StartDate=start)
    place.shop.run(60 * 60)

    def strict(**request: Any) -> Any:
        if request.get("StartDate") and request["StartDate"] < place.shop.timeline.now() - timedelta(minutes=5):
            said = "The StartDate you specify cannot be earlier than 5 minutes ago."
            raise ClientError({"Error": {"Code": "ValidationException", "Message": said}}, "UpdateSchedule")
        return update(**request)

    monkeypatch.setattr(place.scheduler, "update_schedule", strict)
    before = place.read()
    seen = place.schedules.observe(arn)
    assert place.schedules.apply(seen, moved(seen, written(TWO)))
    after = place.read()
    assert after["StartDate"] == start + goes_on
    ours = ("StartDate", "Target", "LastModificationDate", "ResponseMetadata")
    assert {**before, **dict.fromkeys(ours)} == {**after, **dict.fromkeys(ours)}
    assert place.schedules.observe(arn).running == {"web": TWO}


def test_what_scheduler_refuses_otherwise_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = place.schedule(place.definition(written(ONE)))

    def refuses(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ValidationException", "Message": "no such role"}}, "UpdateSchedule")

    monkeypatch.setattr(place.scheduler, "update_schedule", refuses)
    seen = place.schedules.observe(arn)
    with pytest.raises(UnsupportedError, match="no such role"):
        place.schedules.apply(seen, moved(seen, written(TWO)))


def test_a_family_is_left_to_itself(place: Place, made: Made) -> None:
    family = place.definition(written(ONE)).rpartition(":")[0]
    arn = made(place, family)
    refusal = adapter(place, arn).observe(arn).refusal
    assert refusal and refusal.reason is Reason.REVISION_NOT_PINNED


def test_what_cannot_be_done(place: Place, made: Made) -> None:
    arn = made(place, place.definition(written(ONE)))
    platform = adapter(place, arn)
    seen = platform.observe(arn)
    with pytest.raises(UnsupportedError, match="nothing to deploy again"):
        platform.apply(seen, Plan(arn, Action.REFRESH, (), "heal", "c-1"))
    with pytest.raises(ConflictError):
        platform.stop(arn, "etl:1@1")
    for call in (
        platform.observe,
        lambda gone: platform.rollout(gone, "etl:1@1"),
        lambda gone: platform.stop(gone, "x"),
    ):
        with pytest.raises(GoneError):
            call(arn + "-gone")


def test_targets_of_several_revisions_move_together(place: Place) -> None:
    etl, load = place.definition(written(ONE)), place.definition(written(ONE), "load")
    place.rule(place.target(etl, "b"), place.target(etl, "a"), place.target(load, "c"))
    seen = place.rules.observe(RULE)
    assert seen.workload.images == {"a/web": written(ONE), "c/web": written(ONE)}
    changes = tuple(c for name in ("a/web", "c/web") for c in moved(seen, written(TWO), container=name).changes)
    id = str(place.rules.apply(seen, replace(moved(seen, written(TWO), container="a/web"), changes=changes)))
    found = {
        t["Id"]: t["EcsParameters"]["TaskDefinitionArn"].rpartition("/")[2]
        for t in place.events.list_targets_by_rule(Rule="nightly")["Targets"]
    }
    assert found == {"a": "etl:2", "b": "etl:2", "c": "load:2"}
    assert place.rules.observe(RULE).running == {"a/web": TWO, "c/web": TWO}
    place.shop.simulator.fail("load", "exit-0")
    place.fire("exit-0")
    rollout = place.rules.rollout(RULE, id)
    assert (rollout.status, rollout.digests) == (RolloutStatus.SUCCEEDED, {"a/web": TWO, "c/web": TWO})


def test_a_rule_on_another_bus_that_matches_events(place: Place) -> None:
    place.events.create_event_bus(Name="orders")
    bus: dict[str, Any] = {"EventBusName": "orders", "EventPattern": '{"source": ["shop"]}', "ScheduleExpression": None}
    assert place.rule(place.target(place.definition(written(ONE))), **bus) == ON_BUS
    seen = place.rules.observe(ON_BUS)
    assert seen.workload.name == "orders/nightly"
    assert place.rules.apply(seen, moved(seen, written(TWO)))
    assert place.rules.observe(ON_BUS).running == {"web": TWO}
    assert list(place.rules.arns()) == [ON_BUS]


def test_rules_that_are_not_for_longshore(place: Place) -> None:
    place.rule({"Id": "q", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"})
    refusal = place.rules.observe(RULE).refusal
    assert refusal and (refusal.reason, "ECS task" in refusal.why) == (Reason.UNSUPPORTED_PLATFORM, True)


def test_a_rule_that_aws_manages_is_refused(place: Place) -> None:
    from moto.events.models import events_backends

    place.rule(place.target(place.definition(written(ONE))))
    events_backends[ACCOUNT][REGION].event_buses["default"].rules["nightly"].managed_by = "batch.amazonaws.com"
    refusal = place.rules.observe(RULE).refusal
    assert refusal and (refusal.reason, "batch" in refusal.why) == (Reason.UNSUPPORTED_PLATFORM, True)


def test_schedules_are_found_by_their_groups_tag(place: Place) -> None:
    definition = place.definition(written(ONE))
    place.schedule(definition)
    place.schedule(
        definition,
        "direct",
        Target={"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "RoleArn": STARTER, "Input": "{}"},
    )
    place.schedule(definition, "mail", Target={"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RoleArn": STARTER})
    place.scheduler.create_schedule_group(Name="others")
    direct = SCHEDULE.replace("nightly", "direct")
    assert sorted(place.schedules.arns()) == [direct, SCHEDULE]
    refusal = place.schedules.observe(direct).refusal
    assert refusal and "RunTask" in refusal.why
    place.scheduler.untag_resource(ResourceArn=GROUP, TagKeys=["longshore:policy"])
    assert list(place.schedules.arns()) == []
    assert place.schedules.observe(SCHEDULE).workload.policy is None


@pytest.mark.parametrize(
    ("members", "active"),
    [
        ({"ScheduleExpression": "at(2020-01-01T00:00:00)"}, False),
        ({"ScheduleExpression": "at(2099-01-01T00:00:00)"}, True),
        ({"EndDate": datetime(2020, 1, 1, tzinfo=UTC)}, False),
        ({"EndDate": datetime(2099, 1, 1, tzinfo=UTC)}, True),
        ({"State": "DISABLED"}, True),
    ],
)
def test_a_schedule_whose_last_moment_has_passed_is_no_workload(
    place: Place, members: dict[str, Any], active: bool
) -> None:
    place.schedule(place.definition(written(ONE)), **members)
    assert place.schedules.observe(SCHEDULE).active is active
