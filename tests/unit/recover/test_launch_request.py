"""RunTask's parameters: a replacement is asked for as the original was, but for the remedy and the lineage's tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.recover.changes import Changes, launch_token
from longshore.recover.launch import Lineage, missing, run_task_request, unpassable_roles
from longshore.recover.reasons import Reason
from longshore.recover.recipe import LaunchRecipe, Provider
from longshore.recover.sources import Interface, recipe_from_launcher, recipe_from_request, recipe_of
from tests.unit.recover.recover_samples import DEFINITION, NETWORK, ROOT, failed_task, recipe, spot_recipe

if TYPE_CHECKING:
    from longshore.tasks import Task

LINEAGE = Lineage(ROOT, ROOT, 1, "S2")
OURS = {"longshore:root-task", "longshore:parent-task", "longshore:attempt", "longshore:class"}
AS_IT_WAS = Changes()
TOKEN = launch_token(ROOT, 1, AS_IT_WAS)
RUN_TASK = botocore.session.get_session().get_service_model("ecs").operation_model("RunTask").input_shape


def request(
    task: Task, made: LaunchRecipe, changes: Changes = AS_IT_WAS, lineage: Lineage | None = LINEAGE
) -> dict[str, Any]:
    asked = run_task_request(task, made, changes, TOKEN, lineage)
    report = ParamValidator().validate(asked, RUN_TASK)
    assert not report.has_errors(), report.generate_report()
    assert not {"launchType", "capacityProviderStrategy"} <= asked.keys()
    assert asked["count"] == 1
    return asked


# -- as it was ------------------------------------------------------------------------------------------------------

_NAMES = st.text("abcdef-", min_size=1, max_size=6)
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=6)
_TAG_TEXT = st.text("abAB01 _.:/=+@-", min_size=1, max_size=8)


@st.composite
def _container_overrides(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for name in draw(st.lists(_NAMES, unique=True, max_size=3)):
        members = {
            "command": st.lists(_TEXT, min_size=1, max_size=3),
            "environment": st.lists(st.fixed_dictionaries({"name": _NAMES, "value": _TEXT}), min_size=1, max_size=3),
            "cpu": st.integers(0, 1024),
            "memory": st.integers(4, 4096),
            "memoryReservation": st.integers(4, 4096),
            "environmentFiles": st.just([{"value": "arn:aws:s3:::bucket/file.env", "type": "s3"}]),
            "resourceRequirements": st.just([{"type": "GPU", "value": "1"}]),
        }
        chosen = draw(st.lists(st.sampled_from(sorted(members)), unique=True, min_size=1))
        made.append({"name": name, **{each: draw(members[each]) for each in chosen}})
    return made


@st.composite
def originals(draw: st.DrawFn) -> dict[str, Any]:
    """A RunTask that somebody might have asked for."""
    asked: dict[str, Any] = {
        "cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs",
        "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7",
        "count": 1,
        "group": draw(st.sampled_from(["family:etl", "nightly"])),
    }
    providers = st.fixed_dictionaries(
        {"capacityProvider": st.sampled_from(["FARGATE", "FARGATE_SPOT", "asg"])},
        optional={"weight": st.integers(0, 1000), "base": st.integers(0, 100)},
    )
    if draw(st.booleans()):
        strategy = draw(st.lists(providers, min_size=1, max_size=3, unique_by=lambda each: each["capacityProvider"]))
        asked["capacityProviderStrategy"] = strategy
    else:
        asked["launchType"] = draw(st.sampled_from(["FARGATE", "EC2", "EXTERNAL", "MANAGED_INSTANCES"]))
    vpc = st.fixed_dictionaries(
        {"subnets": st.lists(_NAMES, min_size=1, max_size=3, unique=True)},
        optional={
            "securityGroups": st.lists(_NAMES, min_size=1, max_size=2, unique=True),
            "assignPublicIp": st.sampled_from(["ENABLED", "DISABLED"]),
        },
    )
    optional = {
        "networkConfiguration": st.fixed_dictionaries({"awsvpcConfiguration": vpc}),
        "startedBy": st.text("aZ0/_-", min_size=1, max_size=12),
        "tags": st.lists(
            st.fixed_dictionaries({"key": _TAG_TEXT, "value": _TAG_TEXT}),
            min_size=1, max_size=5, unique_by=lambda each: each["key"],
        ),
        "propagateTags": st.just("TASK_DEFINITION"),
        "enableECSManagedTags": st.just(True),
        "enableExecuteCommand": st.just(True),
        "placementConstraints": st.just([{"type": "memberOf", "expression": "attribute:ecs.os-type == linux"}]),
        "placementStrategy": st.just([{"type": "spread", "field": "attribute:ecs.availability-zone"}]),
        "volumeConfigurations": st.just([{"name": "data", "managedEBSVolume": {"roleArn": "arn:aws:iam::123456789012:role/ebs", "sizeInGiB": 20}}]),
    }  # fmt: skip
    for name in draw(st.lists(st.sampled_from(sorted(optional)), unique=True)):
        asked[name] = draw(optional[name])
    overrides = {"containerOverrides": draw(_container_overrides()), **draw(st.sampled_from([{}, {"cpu": "512", "memory": "1024"}, {"taskRoleArn": "arn:aws:iam::123456789012:role/t", "ephemeralStorage": {"sizeInGiB": 40}}]))}  # fmt: skip
    overrides = {name: value for name, value in overrides.items() if value}
    return {**asked, **({"overrides": overrides} if overrides else {})}


def as_told(asked: dict[str, Any]) -> Task:
    """The task that DescribeTasks tells of a request: with empty overrides, a chosen provider and what AWS adds."""
    overrides = asked.get("overrides", {})
    named = {each["name"] for each in overrides.get("containerOverrides", ())}
    members = {
        "group": asked["group"],
        "startedBy": asked.get("startedBy", ""),
        "overrides": {
            **overrides,
            "containerOverrides": [
                *overrides.get("containerOverrides", ()),
                *([] if "app" in named else [{"name": "app"}]),
            ],
            "inferenceAcceleratorOverrides": [],
        },
        "tags": [*asked.get("tags", ()), {"key": "aws:ecs:clusterName", "value": "jobs"}],
        "enableExecuteCommand": asked.get("enableExecuteCommand", False),
        "launchType": asked.get("launchType", "FARGATE"),
    }
    if strategy := asked.get("capacityProviderStrategy"):
        members["capacityProviderName"] = strategy[0]["capacityProvider"]
    return failed_task(**members)


@settings(max_examples=60)
@given(originals())
def test_what_was_asked_for_is_asked_for_again(asked: dict[str, Any]) -> None:
    again = request(as_told(asked), recipe_from_request(asked))
    tags = [each for each in again.pop("tags") if each["key"] not in OURS]
    assert tags == asked.pop("tags", [])
    assert again.pop("clientToken") == TOKEN
    if "overrides" in asked and "containerOverrides" in again.get("overrides", {}):
        order = [each["name"] for each in asked["overrides"]["containerOverrides"]]
        assert [each["name"] for each in again["overrides"]["containerOverrides"]] == order
    if asked.get("capacityProviderStrategy") == [{"capacityProvider": "FARGATE"}]:
        del asked["capacityProviderStrategy"]
        asked["launchType"] = "FARGATE"  # the same capacity, which the cluster need not have a provider for
    assert again == asked


def test_a_task_of_the_launch_type_needs_no_provider_in_its_cluster() -> None:
    """Such a task names the provider FARGATE too, and ECS refuses a strategy of what the cluster does not have."""
    task = failed_task(launchType="FARGATE", capacityProviderName="FARGATE")
    asked = request(task, recipe_of(task, None))
    assert asked["launchType"] == "FARGATE"
    assert "capacityProviderStrategy" not in asked


REMEDIES = [
    Changes(subnets=("s-1",)),
    Changes(subnets=("s-1",), on_demand=True),
    Changes(cpu=512, memory=1024),
    Changes(storage=42),
    Changes(containers={"app": 512}),
    Changes(avoid=("i-1",)),
]


@settings(max_examples=60)
@given(originals(), st.sampled_from(REMEDIES))
def test_only_the_remedy_is_different(asked: dict[str, Any], changes: Changes) -> None:
    plain, changed = (request(as_told(asked), recipe_from_request(asked), each) for each in (Changes(), changes))
    differ = {name for name in plain.keys() | changed.keys() if plain.get(name) != changed.get(name)}
    assert differ <= {member.partition(".")[0] for member in changes.members}
    before, after = (each.get("overrides", {}) for each in (plain, changed))
    differ = {f"overrides.{name}" for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert differ <= {member.removesuffix(".memory") if "Over" in member else member for member in changes.members}


def test_a_scheduled_task_is_launched_from_its_schedule() -> None:
    """What EventBridge Scheduler asked for and what the living task told make the whole launch."""
    schedule = {
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-a"], "SecurityGroups": ["sg-1"]}},
        "PlatformVersion": "LATEST",
    }
    asked = request(failed_task(startedBy="chronos-schedule/nightly"), recipe_from_launcher(schedule, "schedule"))
    assert asked["launchType"] == "FARGATE"
    assert asked["networkConfiguration"] == {
        "awsvpcConfiguration": {"subnets": ["subnet-a"], "securityGroups": ["sg-1"]}
    }
    assert asked["platformVersion"] == "LATEST"
    assert asked["startedBy"] == "chronos-schedule/nightly"


def test_the_provider_that_ecs_chose_is_asked_for_where_nothing_else_is_known() -> None:
    asked = request(failed_task(capacityProviderName="FARGATE_SPOT"), LaunchRecipe(network=NETWORK))
    assert asked["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT"}]


def test_a_platform_version_is_fargates_alone() -> None:
    assert request(failed_task(), recipe())["platformVersion"] == "1.4.0"
    assert "platformVersion" not in request(failed_task(), recipe(platform_version=""))
    on_ec2 = failed_task(launchType="EC2", platformVersion="1.4.0")
    assert "platformVersion" not in request(on_ec2, recipe(launch_type="EC2"))


def test_what_only_aws_may_write_is_not_written() -> None:
    told = failed_task(startedBy="AWS Step Functions", tags=[{"key": "aws:cloudformation:stack-name", "value": "s"}])
    asked = request(told, recipe())
    assert "startedBy" not in asked
    assert {each["key"] for each in asked["tags"]} == OURS


def test_recorded_tags_are_used_when_the_task_has_lost_its_own() -> None:
    asked = request(failed_task(tags=[]), recipe(tags={"team": "data"}))
    assert {"key": "team", "value": "data"} in asked["tags"]


def test_an_older_lineage_gives_way_to_the_new_one() -> None:
    told = failed_task(tags=[{"key": "longshore:attempt", "value": "1"}, {"key": "longshore:root-task", "value": "x"}])
    tags = {each["key"]: each["value"] for each in request(told, recipe(), lineage=LINEAGE._replace(attempt=2))["tags"]}
    assert tags["longshore:attempt"] == "2"
    assert tags["longshore:root-task"] == ROOT


@pytest.mark.parametrize(("own", "ours"), [(46, 4), (48, 2), (50, 0)])
def test_tags_are_at_most_fifty_and_the_tasks_own_come_first(own: int, ours: int) -> None:
    told = failed_task(tags=[{"key": f"k{place}", "value": "v"} for place in range(own)])
    keys = [each["key"] for each in request(told, recipe()).get("tags", [])]
    assert len(keys) == 50
    assert len(OURS & set(keys)) == ours
    assert ours < 2 or {"longshore:root-task", "longshore:attempt"} <= set(keys)


def test_accounts_that_cannot_tag_tasks_get_no_tags() -> None:
    assert "tags" not in request(failed_task(tags=[{"key": "team", "value": "data"}]), recipe(), lineage=None)


# -- the remedy -----------------------------------------------------------------------------------------------------


def test_on_demand_goes_by_launch_type() -> None:
    asked = request(failed_task(capacityProviderName="FARGATE_SPOT"), spot_recipe(), Changes(on_demand=True))
    assert asked["launchType"] == "FARGATE"


def test_memory_is_raised_for_task_and_container_beside_its_other_overrides() -> None:
    told = failed_task(overrides={"containerOverrides": [{"name": "app", "command": ["run"]}], "cpu": "256"})
    asked = request(told, recipe(), Changes(cpu=512, memory=1024, containers={"app": 768}, storage=42))
    assert asked["overrides"] == {
        "containerOverrides": [{"name": "app", "command": ["run"], "memory": 768}],
        "cpu": "512",
        "memory": "1024",
        "ephemeralStorage": {"sizeInGiB": 42},
    }


def test_another_instance_is_asked_for_beside_the_constraints_there_were() -> None:
    made = recipe(launch_type="EC2", placement_constraints=({"type": "distinctInstance"},))
    asked = request(failed_task(launchType="EC2"), made, Changes(avoid=("i-0123456789abcdef0", "i-2")))
    assert asked["placementConstraints"] == [
        {"type": "distinctInstance"},
        {"type": "memberOf", "expression": "ec2InstanceId not_in [i-0123456789abcdef0, i-2]"},
    ]


def test_a_token_is_the_same_for_the_same_plan_only() -> None:
    tokens = {launch_token(ROOT, number, changes) for number in (1, 2) for changes in (Changes(), Changes(memory=1))}
    assert len(tokens) == 4
    assert launch_token(ROOT, 1, Changes()) == launch_token(ROOT, 1, Changes())
    assert all(re.fullmatch(r"ls-[0-9a-f]{40}", each) for each in tokens)


# -- what must be known ---------------------------------------------------------------------------------------------

EBS = {**DEFINITION, "volumes": [{"name": "data", "configuredAtLaunch": True}]}


@pytest.mark.parametrize(
    ("task", "made", "definition", "reason"),
    [
        (failed_task(), recipe(), DEFINITION, None),
        (failed_task(), recipe(network=None), DEFINITION, Reason.NETWORK_UNKNOWN),
        (failed_task(), recipe(network=None), {**DEFINITION, "networkMode": "bridge"}, None),
        (failed_task(), recipe(), {**DEFINITION, "status": "INACTIVE"}, Reason.DEFINITION_INACTIVE),
        (failed_task(), recipe(), {}, Reason.DEFINITION_INACTIVE),
        (failed_task(), recipe(), EBS, Reason.VOLUMES_UNKNOWN),
        (failed_task(), recipe(volumes=()), EBS, Reason.VOLUMES_UNKNOWN),
        (failed_task(), recipe(volumes=({"name": "data"},)), EBS, None),
        (failed_task(group="service:web"), recipe(), DEFINITION, Reason.GROUP_RESERVED),
        (failed_task(launchType=""), recipe(launch_type=None), DEFINITION, Reason.CAPACITY_UNKNOWN),
        (failed_task(launchType=""), recipe(launch_type=None, strategy=(Provider("asg"),)), DEFINITION, None),
        (failed_task(), recipe_of(failed_task(), Interface("subnet-a", ("sg-1",), False)), DEFINITION, None),
    ],
)
def test_what_cannot_be_known_is_refused_with_its_reason(
    task: Task, made: LaunchRecipe, definition: dict[str, Any], reason: Reason | None
) -> None:
    assert missing(task, made, definition) is reason


def test_roles_that_may_not_be_passed_are_named() -> None:
    prefix = "arn:aws:iam::123456789012:role"
    task = failed_task(overrides={"taskRoleArn": f"{prefix}/jobs/other"})
    definition = {"taskRoleArn": f"{prefix}/jobs/etl", "executionRoleArn": f"{prefix}/pull"}
    assert unpassable_roles(task, definition, [f"{prefix}/jobs/*"]) == (f"{prefix}/pull",)
    assert unpassable_roles(task, definition, [f"{prefix}/jobs/*", f" {prefix}/pull"]) == ()
    assert unpassable_roles(task, {}, []) == (f"{prefix}/jobs/other",)
