"""A way back that is asked for while Longshore still follows its own deployment (redeploy 8.10)."""

from __future__ import annotations

import json

import pytest

from tests.functional.people_code_deploy import CodeDeployed, waits
from tests.functional.stage import CLUSTER, Stage, uri


def ask(stage: Stage, arn: str) -> None:
    """Recover asks for the way back."""
    detail = json.dumps({"workload": arn, "reason": "rollback"})
    entry = {"Source": "longshore", "DetailType": "Redeploy Requested", "Detail": detail}
    stage.client("events").put_events(Entries=[{**entry, "EventBusName": stage.bundle.stack.outputs["BusArn"]}])


def crash(stage: Stage, digest: str) -> None:
    """From now on nothing runs this image."""
    stage.bundle.ecs.fail(digest, "exit-1")
    for arn in stage.ecs.list_tasks(cluster=CLUSTER, serviceName="web")["taskArns"]:
        stage.ecs.stop_task(cluster=CLUSTER, task=arn)


def test_what_crashes_while_it_soaks_goes_back_once_the_soak_has_failed(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    first, arn = stage.running(), stage.described()["serviceArn"]
    second = stage.push("prod", "two")
    stage.run(minutes=20, until=lambda: "soaking" in stage.stages())
    crash(stage, second)
    ask(stage, arn)
    stage.run(minutes=150)  # the sweep finds that the tag still names the image, which is in quarantine
    assert stage.running() == first
    assert [each["rollback"] for each in stage.events("Deployment Started")] == [False, True]
    assert stage.dead_letters() == 0


def test_under_code_deploy_too_though_it_keeps_the_replaced_tasks(stage: Stage) -> None:
    stage.push("prod", "one")
    people = CodeDeployed(stage)
    arn = people.create(blueGreenDeploymentConfiguration=waits(5))
    first = people.running()
    second = stage.push("prod", "two")
    stage.run(minutes=20, until=lambda: "soaking" in stage.stages())
    crash(stage, second)
    ask(stage, arn)
    stage.run(minutes=90)
    assert people.running() == first
    assert stage.dead_letters() == 0


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_verified_meanwhile_stays(stage: Stage, times: int) -> None:
    stage.push("prod", "one")
    stage.service()
    arn = stage.described()["serviceArn"]
    second = stage.push("prod", "two")
    stage.run(minutes=20, until=lambda: "soaking" in stage.stages())
    for _ in range(times):
        ask(stage, arn)
    stage.run(minutes=60)
    assert (stage.running(), stage.told()) == (second, ["Deployment Started", "Deployment Succeeded"])
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_what_somebody_else_deploys_meanwhile_is_not_undone(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    arn = stage.described()["serviceArn"]
    stage.push("prod", "two")
    stage.until_told("Deployment Succeeded")
    third = stage.push("third", "three")
    stage.run(minutes=5)
    stage.update(taskDefinition=stage.register("web", uri("web:third")))
    stage.forget()
    ask(stage, arn)
    stage.run(minutes=20)
    assert (stage.running(), stage.writes()) == (third, [])
    assert stage.reasons(arn) == ["deployment-in-progress"], "it is not asked for again"
