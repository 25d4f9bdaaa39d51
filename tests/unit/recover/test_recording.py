"""How tasks were launched is recorded while they live, found at what started them, or not known (recover 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from longshore.recover.recipe import LaunchRecipe, Network, Provider
from longshore.recover.recording import Recorder
from longshore.recover.retry import RetryPolicy
from longshore.recover.sources import Interface
from tests.fake_tasks import ARN, CLUSTER
from tests.recover_world import AUTO, RecoverWorld

if TYPE_CHECKING:
    from longshore.tasks import Task

PARAMETERS: dict[str, Any] = {
    "TaskDefinitionArn": f"{ARN}:task-definition/etl",
    "TaskCount": 1,
    "CapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
    "NetworkConfiguration": {
        "awsvpcConfiguration": {
            "Subnets": ["subnet-a", "subnet-b"],
            "SecurityGroups": ["sg-1"],
            "AssignPublicIp": "ENABLED",
        }
    },
    "PropagateTags": "TASK_DEFINITION",
    "PlatformVersion": "LATEST",
}


def started(world: RecoverWorld, tags: dict[str, str] | None = None, **members: Any) -> Task:
    """A task that runs, as ECS describes it."""
    world.sending = False
    arn = world.tasks.run(world.tasks.define(tags=AUTO if tags is None else tags), **members)
    return described(world, arn)


def described(world: RecoverWorld, arn: str) -> Task:
    task = world.tasks.get(CLUSTER, arn)
    assert task is not None
    return task


def test_a_living_task_is_recorded_once() -> None:
    world = RecoverWorld()
    recorder, task = Recorder(world.ports), started(world)
    assert recorder.seen(task)
    kept = world.recipes.get(task.arn)
    assert kept is not None
    assert kept.network == Network(("subnet-a",), ("sg-1",), False, chosen=True)
    assert not recorder.seen(task)


@pytest.mark.parametrize(
    ("tags", "members"), [({}, {}), ({"longshore:recover": "off"}, {}), (AUTO, {"group": "service:web"})]
)
def test_what_is_not_replaced_is_not_recorded(tags: dict[str, str], members: dict[str, Any]) -> None:
    world = RecoverWorld()
    assert not Recorder(world.ports).seen(started(world, tags, **members))
    assert world.recipes.kept == {}


def test_an_interface_that_is_still_being_made_is_looked_at_later() -> None:
    """Its public address may be missing, without which a replacement could pull nothing."""
    world = RecoverWorld()
    recorder, task = Recorder(world.ports), started(world, lastStatus="PROVISIONING")
    recorder.seen(task)
    early = world.recipes.get(task.arn)
    assert early is not None
    assert early.network is None
    world.tasks.become(task.arn, lastStatus="PENDING")
    assert recorder.seen(described(world, task.arn))
    known = world.recipes.get(task.arn)
    assert known is not None
    assert known.network is not None


def test_a_public_address_that_comes_late_is_seen() -> None:
    world = RecoverWorld()
    recorder, task = Recorder(world.ports), started(world, lastStatus="PENDING")
    recorder.seen(task)
    (eni,) = world.tasks.network.interfaces
    world.tasks.network.interfaces[eni] = Interface("subnet-a", ("sg-1",), public=True)
    world.tasks.become(task.arn, lastStatus="RUNNING")
    assert recorder.seen(described(world, task.arn))
    kept = world.recipes.get(task.arn)
    assert kept is not None
    assert kept.network is not None
    assert kept.network.public_ip


def test_what_a_replacement_inherited_is_not_narrowed_to_where_it_runs() -> None:
    world = RecoverWorld()
    recorder, task = Recorder(world.ports), started(world)
    whole = LaunchRecipe(
        source="task+schedule",
        strategy=(Provider("FARGATE_SPOT", 1),),
        network=Network(("subnet-a", "subnet-b"), ("sg-1",), True),
    )
    recorder.inherit(task.arn, whole)
    assert not recorder.seen(task)
    assert recorder.recipe(task) == whole


@pytest.mark.parametrize(("prefix", "source"), [("chronos-schedule/", "schedule"), ("events-rule/", "rule")])
def test_what_started_it_tells_the_rest(prefix: str, source: str) -> None:
    world = RecoverWorld()
    target = {"Arn": CLUSTER, "EcsParameters": PARAMETERS}
    world.launchers.of_schedules["nightly"] = world.launchers.of_rules["nightly"] = [target]
    task = started(world, startedBy=f"{prefix}nightly", capacityProviderName="FARGATE_SPOT")
    recorder = Recorder(world.ports)
    recorder.seen(task)
    recipe = recorder.recipe(task)
    assert recipe.source == f"task+{source}"
    assert recipe.network == Network(("subnet-a", "subnet-b"), ("sg-1",), False)
    assert recipe.strategy == (Provider("FARGATE_SPOT", 1),)
    assert (recipe.propagate_tags, recipe.platform_version) == ("TASK_DEFINITION", "LATEST")
    assert world.recipes.get(task.arn) == recipe, "the next look finds the same"


def test_without_a_record_the_schedule_is_enough() -> None:
    world = RecoverWorld()
    world.launchers.of_schedules["nightly"] = [{"Arn": CLUSTER, "EcsParameters": PARAMETERS}]
    task = started(world, startedBy="chronos-schedule/nightly")
    world.tasks.end(task.arn)
    recipe = Recorder(world.ports).recipe(described(world, task.arn))
    assert recipe.network == Network(("subnet-a", "subnet-b"), ("sg-1",), True)


OTHER = {"Arn": CLUSTER, "EcsParameters": {**PARAMETERS, "PropagateTags": "TASK"}}


@pytest.mark.parametrize(
    "targets",
    [
        [],
        [{"Arn": f"{ARN}:cluster/other", "EcsParameters": PARAMETERS}],
        [{"Arn": CLUSTER, "EcsParameters": {**PARAMETERS, "TaskDefinitionArn": f"{ARN}:task-definition/other:3"}}],
        [{"Arn": CLUSTER, "EcsParameters": PARAMETERS}, OTHER],
    ],
    ids=["gone", "another cluster", "another family", "two of a name"],
)
def test_what_may_be_another_schedule_is_not_believed(targets: list[dict[str, Any]]) -> None:
    world = RecoverWorld()
    world.launchers.of_schedules["nightly"] = targets
    task = started(world, startedBy="chronos-schedule/nightly")
    world.tasks.end(task.arn)
    assert Recorder(world.ports).recipe(described(world, task.arn)).network is None


def test_two_schedules_of_a_name_that_ask_for_the_same_are_believed() -> None:
    world = RecoverWorld()
    target = {"Arn": CLUSTER, "EcsParameters": PARAMETERS}
    world.launchers.of_schedules["nightly"] = [target, dict(target)]
    task = started(world, startedBy="chronos-schedule/nightly")
    assert Recorder(world.ports).recipe(task).network is not None


def test_environment_of_overrides_is_never_kept() -> None:
    world = RecoverWorld()
    override = {"name": "app", "environment": [{"name": "TOKEN", "value": "s3cr3t-value"}]}
    task = started(world, overrides={"containerOverrides": [override]})
    recorder = Recorder(world.ports)
    recorder.seen(task)
    recorder.recipe(task)
    assert "s3cr3t-value" not in str(world.recipes.kept)


# -- the last resort --------------------------------------------------------------------------------------------------

DECLARED = RetryPolicy(networks=(("et*", Network(("subnet-x", "subnet-y"), ("sg-9",), True)),))


def ended(world: RecoverWorld, **members: Any) -> Task:
    """A task that ended before anybody saw it."""
    task = started(world, **members)
    world.tasks.end(task.arn)
    return described(world, task.arn)


def test_the_operators_network_is_the_last_resort() -> None:
    world = RecoverWorld()
    task = ended(world)
    recorder = Recorder(world.ports, DECLARED)
    recipe = recorder.recipe(task)
    assert recipe.network == Network(("subnet-x", "subnet-y"), ("sg-9",), True)
    assert recipe.sources == {"task", "configuration"}
    assert Recorder(world.ports).recipe(task) == recipe, "the next look finds the same"


def test_what_anything_else_tells_comes_before_the_operators_network() -> None:
    world = RecoverWorld()
    recorder = Recorder(world.ports, DECLARED)
    living = started(world)
    recorder.seen(living)
    assert recorder.recipe(living).network == Network(("subnet-a",), ("sg-1",), False, chosen=True)
    world.launchers.of_schedules["nightly"] = [{"Arn": CLUSTER, "EcsParameters": PARAMETERS}]
    scheduled = ended(world, startedBy="chronos-schedule/nightly")
    assert recorder.recipe(scheduled).network == Network(("subnet-a", "subnet-b"), ("sg-1",), True)


@pytest.mark.parametrize("mode", ["bridge", "host", "none"])
def test_a_task_without_an_interface_of_its_own_gets_no_network(mode: str) -> None:
    world = RecoverWorld()
    world.sending = False
    arn = world.tasks.run(world.tasks.define(tags=AUTO, networkMode=mode), attachments=[])
    assert Recorder(world.ports, DECLARED).recipe(described(world, arn)).network is None


def test_another_familys_network_is_not_borrowed() -> None:
    world = RecoverWorld()
    policy = RetryPolicy(networks=(("web", Network(("subnet-x",))),))
    assert Recorder(world.ports, policy).recipe(ended(world)).network is None


# -- families that did not opt in ---------------------------------------------------------------------------------------


def test_nothing_is_read_or_kept_for_what_did_not_opt_in() -> None:
    world = RecoverWorld()
    task = started(world, {})
    world.tasks.end(task.arn)
    world.steps.clear()
    recipe = Recorder(world.ports).presumed(described(world, task.arn))
    assert recipe.network is not None
    assert recipe.network.subnets == ("subnet-a",)
    assert world.recipes.kept == {}
    assert not [step for step in world.steps if step.startswith(("FakeNetwork", "FakeRecipes"))]


def test_what_would_not_have_been_known_is_not_presumed() -> None:
    world = RecoverWorld()
    task = started(world, {}, attachments=[])
    assert Recorder(world.ports).presumed(task).network is None
