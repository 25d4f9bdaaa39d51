"""Launch recipes: what is known of a launch survives the ledger, and several sources make one."""

from __future__ import annotations

import json

import pytest

from longshore.recover.recipe import LaunchRecipe, Network, Provider, merged
from longshore.recover.sources import Interface, recipe_from_launcher, recipe_from_request, recipe_of
from tests.unit.recover.recover_samples import failed_task

INTERFACE = Interface("subnet-b", ("sg-1",), True)
SCHEDULE = {
    "TaskDefinitionArn": "arn",
    "CapacityProviderStrategy": [
        {"capacityProvider": "FARGATE", "base": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 4},
    ],
    "NetworkConfiguration": {
        "awsvpcConfiguration": {
            "Subnets": ["subnet-a", "subnet-b"],
            "SecurityGroups": ["sg-1"],
            "AssignPublicIp": "ENABLED",
        }
    },
    "PropagateTags": "TASK_DEFINITION",
    "EnableECSManagedTags": True,
    "Group": "nightly",
    "PlacementConstraints": [{"type": "distinctInstance"}],
    "Tags": [{"key": "team", "value": "data"}],
}
REQUEST = {
    "launchType": "EC2",
    "startedBy": "cron",
    "overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": "hunter2"}]}]},
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"], "assignPublicIp": "DISABLED"}},
    "tags": [{"key": "team", "value": "data"}, {"key": "aws:x", "value": "y"}],
    "enableExecuteCommand": True,
    "volumeConfigurations": [{"name": "data", "managedEBSVolume": {"roleArn": "arn:aws:iam::123456789012:role/ebs"}}],
}


@pytest.mark.parametrize(
    "recipe",
    [
        LaunchRecipe(),
        recipe_of(failed_task(capacityProviderName="FARGATE_SPOT", tags=[{"key": "a", "value": "b"}]), INTERFACE),
        recipe_from_launcher(SCHEDULE, "schedule"),
        recipe_from_request(REQUEST),
        LaunchRecipe(network=Network(("subnet-a",)), tags={}, volumes=()),
    ],
    ids=["nothing", "task", "schedule", "request", "left out"],
)
def test_a_recipe_survives_the_ledger(recipe: LaunchRecipe) -> None:
    assert LaunchRecipe.read(json.loads(json.dumps(recipe.as_json()))) == recipe


def test_members_of_a_later_version_are_ignored() -> None:
    assert LaunchRecipe.read({"source": "task", "moon": "full"}) == LaunchRecipe(source="task")


def test_overrides_never_get_into_a_recipe() -> None:
    task = failed_task(overrides=REQUEST["overrides"])
    kept = [recipe_of(task, INTERFACE), recipe_from_request(REQUEST)]
    assert "hunter2" not in json.dumps([each.as_json() for each in kept])


def test_a_task_tells_what_ecs_chose() -> None:
    tags = [{"key": "team", "value": "data"}, {"key": "aws:ecs:clusterName", "value": "jobs"}]
    made = recipe_of(failed_task(capacityProviderName="FARGATE_SPOT", tags=tags, enableExecuteCommand=True), INTERFACE)
    assert made.strategy == (Provider("FARGATE_SPOT"),)
    assert made.launch_type is None
    assert made.network == Network(("subnet-b",), ("sg-1",), True, chosen=True)
    assert (made.tags, made.managed_tags, made.execute_command) == ({"team": "data"}, True, True)
    assert made.platform_version is None


def test_a_task_without_tags_says_nothing_of_them() -> None:
    """StopTask deletes them: those that were recorded hold."""
    made = merged([recipe_of(failed_task(tags=[]), None), LaunchRecipe(tags={"team": "data"}, managed_tags=True)])
    assert (made.tags, made.managed_tags) == ({"team": "data"}, True)


def test_a_schedule_tells_all_it_asks_for_and_what_it_leaves_out() -> None:
    made = recipe_from_launcher(SCHEDULE, "schedule")
    assert made.strategy == (Provider("FARGATE", base=1), Provider("FARGATE_SPOT", weight=4))
    assert made.network == Network(("subnet-a", "subnet-b"), ("sg-1",), True)
    assert (made.group, made.tags, made.propagate_tags) == ("nightly", {"team": "data"}, "TASK_DEFINITION")
    assert (made.platform_version, made.placement_strategy, made.execute_command) == ("", (), False)


def test_the_tags_of_a_rule_are_read_in_its_spelling() -> None:
    assert recipe_from_launcher({"Tags": [{"Key": "team", "Value": "data"}]}, "rule").tags == {"team": "data"}


def test_a_recorded_request_tells_its_launch() -> None:
    made = recipe_from_request(REQUEST)
    assert (made.launch_type, made.strategy, made.started_by) == ("EC2", None, "cron")
    assert made.network == Network(("subnet-a",), (), False)
    assert made.tags == {"team": "data"}
    assert made.volumes is not None
    assert made.volumes[0]["name"] == "data"


def test_the_first_that_is_known_holds() -> None:
    made = merged(
        [LaunchRecipe("task", group="a"), None, LaunchRecipe("rule", group="b", propagate_tags="TASK_DEFINITION")]
    )
    assert (made.source, made.group, made.propagate_tags) == ("task+rule", "a", "TASK_DEFINITION")


def test_the_chosen_subnet_and_provider_are_completed_from_what_contains_them() -> None:
    task = recipe_of(failed_task(capacityProviderName="FARGATE_SPOT"), INTERFACE)
    made = merged([task, recipe_from_launcher(SCHEDULE, "schedule")])
    assert made.network == Network(("subnet-a", "subnet-b"), ("sg-1",), True)
    assert made.strategy == (Provider("FARGATE", base=1), Provider("FARGATE_SPOT", weight=4))
    assert made.launch_type is None


@pytest.mark.parametrize(
    "other", [Network(("subnet-x",), ("sg-1",)), Network(("subnet-a", "subnet-b"), ("sg-2",))], ids=["subnet", "group"]
)
def test_a_schedule_that_was_changed_since_completes_nothing(other: Network) -> None:
    made = merged([recipe_of(failed_task(), INTERFACE), LaunchRecipe("schedule", network=other)])
    assert made.network == Network(("subnet-b",), ("sg-1",), True, chosen=True)


def test_a_launch_type_that_is_known_takes_no_strategy_from_elsewhere() -> None:
    made = merged([recipe_of(failed_task(), None), recipe_from_launcher(SCHEDULE, "schedule")])
    assert (made.launch_type, made.strategy) == ("FARGATE", None)
