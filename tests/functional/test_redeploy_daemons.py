"""A push, and ECS daemons follow through their own deployments (aws B4, redeploy 8.8)."""

from __future__ import annotations

import pytest
from moto.ecs.models import ecs_backends

from longshore_local.ecs.daemons import daemons_of
from tests.functional.people_daemons import PROVIDER, Daemons
from tests.functional.people_express import Express
from tests.functional.stage import ACCOUNT, CLUSTER, REGION, Stage, uri

ROLLING = ["Deployment Started", "Deployment Succeeded"]


@pytest.fixture
def daemons(stage: Stage) -> Daemons:
    stage.push("prod", "one")
    return Daemons(stage)


def clean(stage: Stage) -> None:
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_a_push_is_followed_with_all_else_as_it_was(stage: Stage, daemons: Daemons) -> None:
    arn = daemons.create(propagateTags="DAEMON", enableExecuteCommand=True, critical=False)
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    assert (daemons.running(), stage.told()) == (digest, ROLLING)
    (update,) = daemons.writes()
    definition = update.pop("daemonTaskDefinitionArn")
    assert update == {
        "daemonArn": arn,
        "capacityProviderArns": [PROVIDER],
        "deploymentConfiguration": {"drainPercent": 50.0},
        "propagateTags": "DAEMON",
        "enableECSManagedTags": False,
        "enableExecuteCommand": True,
        "critical": False,
    }
    answer = stage.ecs.describe_daemon_task_definition(daemonTaskDefinition=definition)
    (container,) = answer["daemonTaskDefinition"]["containerDefinitions"]
    assert container["image"] == uri("web:prod")
    started = stage.events("Deployment Started")[0]
    assert (started["workload"], started["platform"], started["cluster"]) == (arn, "ecs-daemon", CLUSTER)
    clean(stage)


def test_a_new_version_is_followed_and_an_older_one_is_not(stage: Stage, daemons: Daemons) -> None:
    stage.push("1.4.2", "one")
    daemons.create(image="web:1.4.2", policy="profile:written")
    digest = stage.push("1.5.0", "two")
    stage.run(minutes=20)
    stage.push("1.4.9", "three")
    stage.run(minutes=20)
    assert (daemons.running(), "downgrade" in stage.reasons()) == (digest, True)
    clean(stage)


def test_a_bad_image_is_taken_back_by_ecs_and_stays_out(stage: Stage, daemons: Daemons) -> None:
    daemons.create()
    good = daemons.running()
    stage.push_bad("prod", "two")
    stage.run(minutes=30)
    assert (daemons.running(), stage.told()[:2]) == (good, ["Deployment Started", "Deployment Rolled Back"])
    (told,) = stage.events("Deployment Rolled Back")
    assert (told["by"], "circuit breaker" in told["why"], bool(told["evidence"])) == ("platform", True, True)
    stage.run(minutes=90)
    assert len(daemons.writes()) == 1
    clean(stage)


def test_the_end_is_heard_of_and_not_waited_for(stage: Stage, daemons: Daemons) -> None:
    """EventBridge tells of daemon deployments, so that nobody looks again and again."""
    daemons.create()
    stage.push("prod", "two")
    stage.until_told("Deployment Started")
    looks = [call for call in stage.bundle.recorder.calls if call.operation == "DescribeDaemonDeployments"]
    stage.until_told("Deployment Succeeded")
    calls = [call for call in stage.bundle.recorder.calls if call.operation == "DescribeDaemonDeployments"]
    assert len(calls) - len(looks) <= 4


def test_without_instances_nothing_is_deployed(stage: Stage, daemons: Daemons) -> None:
    daemons.create(machines=0)
    stage.push("prod", "two")
    stage.run(minutes=20)
    assert (daemons.writes(), stage.told()) == ([], [])
    assert "not-running" in stage.reasons()


def test_a_daemon_that_opts_in_later_is_found(stage: Stage, daemons: Daemons) -> None:
    arn = daemons.create(policy=None)
    stage.ecs.tag_resource(resourceArn=arn, tags=[{"key": "longshore:policy", "value": "profile:steady"}])
    stage.run(minutes=2)
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    assert (daemons.running(), stage.told()) == (digest, ROLLING)


def test_a_sweep_finds_a_daemon_that_no_event_told_of(stage: Stage, daemons: Daemons) -> None:
    arn = daemons.create(policy=None)
    daemons_of(ecs_backends[ACCOUNT][REGION])[arn].tags = [{"key": "longshore:policy", "value": "profile:steady"}]
    digest = stage.push("prod", "two")
    stage.run(minutes=2)
    assert daemons.running() != digest
    stage.run(minutes=80)
    assert (daemons.running(), stage.told()) == (digest, ROLLING)


def test_a_region_without_daemons_does_not_stop_the_sweep(stage: Stage, daemons: Daemons) -> None:
    stage.service()
    stage.faults.add("ecs", "ListDaemons", "UnsupportedFeatureException", count=None)
    stage.run(minutes=70)
    clean(stage)


def test_a_deployment_that_hangs_gives_way_to_the_last_good_image(stage: Stage, daemons: Daemons) -> None:
    """Nothing stops a daemon deployment, so the way back takes its place."""
    daemons.create(machines=1)
    good = daemons.running()
    stage.push_bad("prod", "two", "hang")
    stage.run(minutes=60)
    assert daemons.running() == good
    clean(stage)


def test_one_push_reaches_a_service_an_express_service_and_a_daemon(stage: Stage, daemons: Daemons) -> None:
    daemons.create()
    stage.service()
    Express(stage).create("express")
    stage.forget()
    digest = stage.push("prod", "two")
    stage.run(minutes=30)
    assert {stage.running(), stage.running("express"), daemons.running()} == {digest}
    assert sorted(stage.told()) == sorted(ROLLING * 3)
    clean(stage)
