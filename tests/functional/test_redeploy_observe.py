"""A stack that only observes, and that may pass no role: what would be done is told, and nothing is."""

from __future__ import annotations

from tests.functional.stage import ROLE, Stage, breaker, uri

PARAMETERS = {"RedeployMode": "observe", "PassableRoleArns": ""}


def test_observing_plans_and_touches_nothing(stage: Stage) -> None:
    first = stage.push("prod", "one")
    arn = stage.service()
    second = stage.push("prod", "two")
    stage.run(minutes=150)
    assert (stage.running(), stage.writes()) == (first, [])
    assert stage.told() == ["Deployment Planned"]
    (planned,) = stage.events()
    assert (planned["workload"], planned["would"]) == (arn, "refresh")
    assert (
        planned["candidates"] == [{"container": "app", "tag": "prod", "digest": second, "reason": "moved"}]
        or planned["candidates"][0]["digest"] == second
    )
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_every_push_is_planned_once(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    digests = []
    for version in ("two", "three"):
        digests.append(stage.push("prod", version))
        stage.run(minutes=70)
    assert [each["candidates"][0]["digest"] for each in stage.events("Deployment Planned")] == digests


def test_a_persons_failing_deployment_is_not_taken_back(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(deploymentConfiguration=breaker(rollback=False))
    stage.push_bad("prod", "two")
    stage.update(forceNewDeployment=True)
    stage.run(minutes=150)
    assert stage.writes() == []


def test_without_passable_roles_a_new_revision_is_held_first(stage: Stage) -> None:
    stage.push("1.0.0", "one")
    stage.service(
        definition=stage.register("web", uri("web:1.0.0"), taskRoleArn=ROLE, executionRoleArn=ROLE),
        policy="profile:versions",
    )
    stage.push("1.0.1", "two")
    stage.run(minutes=150)
    (held,) = stage.events()
    assert (held["reason"], held["parameter"]) == ("pass-role-not-granted", "PassableRoleArns")
    assert stage.writes() == []
