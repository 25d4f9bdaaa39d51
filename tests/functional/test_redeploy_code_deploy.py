"""ECS services that CodeDeploy rolls out, from the push to the end of the deployment (redeploy 8.8, docs/code-deploy.md)."""

from __future__ import annotations

import pytest

from longshore_local.images import single
from tests.functional.people_code_deploy import APPLICATION, CodeDeployed, waits
from tests.functional.stage import CLUSTER, Stage

ROLLING = ["Deployment Started", "Deployment Succeeded"]
HOOKS = {"Hooks": [{"AfterAllowTestTraffic": "arn:aws:lambda:eu-west-1:123456789012:function:smoke"}]}


@pytest.fixture
def people(stage: Stage) -> CodeDeployed:
    stage.push("prod", "one")
    return CodeDeployed(stage)


def test_the_deployment_differs_from_what_serves_in_its_image_alone(stage: Stage, people: CodeDeployed) -> None:
    people.create()
    before = people.primary()
    second = stage.push("prod", "two")
    stage.run(minutes=20)
    (deployment,) = people.deployments()
    spec = people.spec(deployment)
    properties = spec["Resources"][0]["TargetService"]["Properties"]
    after = people.primary()
    assert after["taskDefinition"] == properties["TaskDefinition"] != before["taskDefinition"]
    for member in ("networkConfiguration", "platformVersion", "launchType", "loadBalancers"):
        assert after[member] == before[member], member
    definition = stage.definition()
    assert definition["containerDefinitions"][0]["image"].endswith(f"@{second}")
    assert definition["tags"] == {"longshore:tag": "app=prod"}
    assert deployment["description"].startswith("Longshore: moved ")
    assert deployment["autoRollbackConfiguration"] == {
        "enabled": True,
        "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"],
    }
    assert stage.events("Deployment Started")[0]["rollout"] == deployment["deploymentId"]
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_hooks_of_the_deployment_before_stay(stage: Stage, people: CodeDeployed) -> None:
    people.create()
    people.deploy("web:prod", **HOOKS)
    stage.run(minutes=20)
    stage.push("prod", "two")
    stage.run(minutes=20)
    assert [people.spec(each).get("Hooks") for each in people.deployments()] == [HOOKS["Hooks"], HOOKS["Hooks"]]
    assert stage.told() == ROLLING


def test_what_the_hooks_refuse_is_rolled_back_by_code_deploy(stage: Stage, people: CodeDeployed) -> None:
    people.create()
    first = people.running()
    bad = single("two").digest
    stage.bundle.code_deploy.fail(bad)
    stage.push("prod", "two")
    stage.run(minutes=20)
    assert (people.running(), stage.told()) == (first, ["Deployment Started", "Deployment Rolled Back"])
    told = stage.events("Deployment Rolled Back")[0]
    assert (told["by"], told["evidence"]) == ("platform", ["HOOK_EXECUTION_FAILURE"])
    stage.push("prod", "two")
    stage.run(minutes=20)
    assert people.writes() == ["CreateDeployment"], "the image is in quarantine"
    third = stage.push("prod", "three")
    stage.run(minutes=20)
    assert people.running() == third


def test_an_alarm_during_the_shift_rolls_it_back(stage: Stage, people: CodeDeployed) -> None:
    alarms = {"enabled": True, "alarms": [{"name": "errors"}]}
    people.create(alarmConfiguration=alarms, deploymentConfigName="CodeDeployDefault.ECSCanary10Percent5Minutes")
    first = people.running()
    stage.push("prod", "two")
    stage.until_told("Deployment Started")
    cloudwatch = stage.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="errors", EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold")
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="many")
    stage.run(minutes=20)
    cloudwatch.delete_alarms(AlarmNames=["errors"])
    assert (people.running(), stage.told()) == (first, ["Deployment Started", "Deployment Rolled Back"])
    assert stage.events("Deployment Rolled Back")[0]["evidence"] == ["ALARM_ACTIVE"]


def test_a_replacement_that_never_gets_healthy_is_stopped_and_rolled_back(stage: Stage, people: CodeDeployed) -> None:
    people.create()
    first = people.running()
    stage.push_bad("prod", "two")
    stage.run(minutes=50)
    assert (people.running(), stage.told()) == (first, ["Deployment Started", "Deployment Rolled Back"])
    assert people.writes() == ["CreateDeployment", "StopDeployment"]
    assert stage.events("Deployment Rolled Back")[0]["by"] == "longshore"


def test_without_a_deployment_group_it_is_told_and_followed_once_there_is_one(
    stage: Stage, people: CodeDeployed
) -> None:
    people.create(group=False)
    second = stage.push("prod", "two")
    stage.run(minutes=10)
    (held,) = stage.events()
    assert (held["reason"], people.writes()) == ("controller-code-deploy", [])
    assert "no deployment group" in str(held)
    people.group()
    stage.run(minutes=90)
    assert people.running() == second


def test_two_deployment_groups_are_ambiguous(stage: Stage, people: CodeDeployed) -> None:
    people.create()
    people.group("another")
    stage.push("prod", "two")
    stage.run(minutes=10)
    (held,) = stage.events()
    assert held["reason"] == "controller-code-deploy"
    assert f"{APPLICATION}/another, {APPLICATION}/web" in str(held)


def test_somebody_elses_deployment_is_waited_for(stage: Stage, people: CodeDeployed) -> None:
    people.create()
    people.deploy("web:prod", **HOOKS)
    stage.run(minutes=0.1)
    second = stage.push("prod", "two")
    stage.run(minutes=1)
    assert (people.writes(), "deployment-in-progress" in stage.reasons()) == ([], True)
    stage.run(minutes=30)
    assert (people.running(), people.writes()) == (second, ["CreateDeployment"])


def test_traffic_that_waits_to_be_told_is_moved_for_a_deployment_of_longshores_alone(
    stage: Stage, people: CodeDeployed
) -> None:
    people.create(blueGreenDeploymentConfiguration=waits(ready=120))
    mine = people.deploy("web:prod", **HOOKS)
    stage.run(minutes=20)
    assert people.client.get_deployment(deploymentId=mine)["deploymentInfo"]["status"] == "Ready"
    people.client.continue_deployment(deploymentId=mine, deploymentWaitType="READY_WAIT")
    stage.run(minutes=20)
    second = stage.push("prod", "two")
    stage.run(minutes=20)
    assert (people.running(), stage.told()) == (second, ROLLING)
    assert set(people.writes()) == {"CreateDeployment", "ContinueDeployment"}


def test_the_replaced_tasks_may_be_kept_for_hours(stage: Stage, people: CodeDeployed) -> None:
    people.create(blueGreenDeploymentConfiguration=waits(180))
    second = stage.push("prod", "two")
    stage.run(minutes=30)
    assert (people.running(), stage.told()) == (second, ROLLING)
    third = stage.push("prod", "three")
    stage.run(minutes=60)
    assert people.running() == second, "CodeDeploy takes one deployment at a time"
    stage.run(minutes=120)
    assert (people.running(), people.writes()) == (third, ["CreateDeployment", "CreateDeployment"])
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_what_is_stopped_while_the_replaced_tasks_are_kept_is_rolled_back(stage: Stage, people: CodeDeployed) -> None:
    people.create(blueGreenDeploymentConfiguration=waits(180))
    first = people.running()
    stage.push("prod", "two")
    stage.run(minutes=20, until=lambda: "soaking" in stage.stages())
    (deployment,) = people.deployments()
    people.client.stop_deployment(deploymentId=deployment["deploymentId"], autoRollbackEnabled=True)
    stage.run(minutes=30)
    assert (people.running(), stage.told()) == (first, ["Deployment Started", "Deployment Rolled Back"])


def test_where_no_event_comes_it_is_looked_at(stage: Stage, people: CodeDeployed) -> None:
    people.create()
    rules = stage.client("events")
    (rule,) = [name for name in stage.bundle.stack.physical_ids if name == "GroupDeployed"]
    rules.disable_rule(Name=stage.bundle.stack.physical_ids[rule])
    try:
        second = stage.push("prod", "two")
        stage.run(minutes=30)
        assert (people.running(), stage.told()) == (second, ROLLING)
    finally:
        rules.enable_rule(Name=stage.bundle.stack.physical_ids[rule])


def test_a_tag_that_moved_under_some_of_the_tasks_is_brought_to_all(stage: Stage, people: CodeDeployed) -> None:
    """ECS fixes no digests for such services: whatever starts asks the tag."""
    people.create(policy=None)
    second = stage.push("prod", "two")
    stage.ecs.update_service(cluster=CLUSTER, service="web", desiredCount=3)
    stage.run(minutes=10)
    arn = stage.described()["serviceArn"]
    stage.ecs.tag_resource(resourceArn=arn, tags=[{"key": "longshore:policy", "value": "profile:steady"}])
    stage.run(minutes=90)
    assert people.running() == second
