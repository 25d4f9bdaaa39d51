"""People act too: what they roll back stays back, what they deploy is not fought, what they scale provokes nothing."""

from __future__ import annotations

import pytest

from tests.functional.stage import CLUSTER, Stage, uri


def two_good_versions(stage: Stage, **members: object) -> tuple[str, str]:
    """A service on its second version, with the first one known to have worked."""
    first = stage.push("prod", "one")
    stage.service(**members)  # type: ignore[arg-type]
    second = stage.push("prod", "two")
    stage.run(minutes=10)
    assert stage.running() == second
    stage.forget()
    return first, second


def back_to(stage: Stage, digest: str) -> None:
    """A person deploys a revision that names an earlier digest."""
    stage.update(taskDefinition=stage.register("web", uri(f"web@{digest}")))


def test_a_manual_rollback_sets_a_hold_and_later_pushes_are_told_only(stage: Stage) -> None:
    first, _ = two_good_versions(stage, policy="profile:written-digest")
    back_to(stage, first)
    stage.run(minutes=10)
    assert stage.told() == ["Hold Set"]
    assert stage.events("Hold Set")[0]["to"] == {"app": first}
    stage.forget()
    stage.push("prod", "three")
    stage.run(minutes=150)
    assert (stage.running(), stage.writes()) == (first, [])
    assert [(e["reason"], e["why"]) for e in stage.events("Deployment Held")] == [
        ("held", "rolled back outside Longshore")
    ]


def test_a_lifted_hold_lets_the_newest_through(stage: Stage) -> None:
    first, _ = two_good_versions(stage, policy="profile:written-digest")
    back_to(stage, first)
    stage.run(minutes=10)
    third = stage.push("prod", "three")
    stage.run(minutes=10)
    arn = str(stage.described()["serviceArn"])
    table = stage.bundle.stack.physical_ids["Ledger"]
    key = {"pk": {"S": f"WORKLOAD#{arn}"}, "sk": {"S": "HOLD"}}
    stage.client("dynamodb").delete_item(TableName=table, Key=key)
    stage.run(minutes=90)  # the sweep
    assert stage.running() == third


def test_a_rollback_by_hand_of_longshores_deployment_keeps_its_digest_out(stage: Stage) -> None:
    first = stage.push("prod", "one")
    stage.service(deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}, policy="digest")
    second = stage.push("prod", "two")
    stage.run(minutes=2)
    stage.roll_back_by_hand()
    stage.run(minutes=150)
    assert stage.running() == first
    assert [kind for kind in stage.told() if kind != "Deployment Held"] == [
        "Deployment Started",
        "Deployment Rolled Back",
    ]
    assert len(stage.writes()) == 1
    assert stage.events("Deployment Rolled Back")[0]["changes"][0]["digest"] == second


def test_a_deployment_by_a_person_in_the_middle_supersedes(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5})
    stage.push("prod", "two")
    mine = stage.push("hotfix", "hotfix")
    stage.run(minutes=2)
    assert stage.told() == ["Deployment Started"]
    stage.update(taskDefinition=stage.register("web", uri("web:hotfix")))
    stage.run(minutes=150)
    assert stage.running() == mine
    assert stage.told() == ["Deployment Started", "Deployment Superseded"]
    assert stage.events("Deployment Superseded")[0]["reason"] == "changed-outside"
    assert len(stage.writes()) == 1


def test_a_deployment_by_a_person_during_the_soak_supersedes(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(policy="digest")
    stage.push("prod", "two")
    mine = stage.push("hotfix", "hotfix")
    stage.run(minutes=2)
    stage.update(taskDefinition=stage.register("web", uri("web:hotfix")))
    stage.run(minutes=150)
    assert stage.running() == mine
    assert stage.told() == ["Deployment Started", "Deployment Superseded"]
    assert len(stage.writes()) == 1


@pytest.mark.parametrize("count", [1, 5, 0])
def test_scaling_provokes_nothing(stage: Stage, count: int) -> None:
    _, second = two_good_versions(stage)
    stage.update(desiredCount=count)
    stage.run(minutes=150)
    stage.update(desiredCount=2)
    stage.run(minutes=30)
    assert stage.running() == second
    stage.untouched()


def test_scaling_during_a_deployment_does_not_disturb_it(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    digest = stage.push("prod", "two")
    stage.until_told("Deployment Started")
    stage.update(desiredCount=5)
    stage.run(minutes=20)
    assert (stage.running(), stage.described()["runningCount"]) == (digest, 5)
    assert stage.told() == ["Deployment Started", "Deployment Succeeded"]


def test_a_forced_deployment_by_a_person_provokes_nothing(stage: Stage) -> None:
    _, second = two_good_versions(stage)
    stage.update(forceNewDeployment=True)
    stage.run(minutes=150)
    assert (stage.running(), stage.deployments()) == (second, 3)
    stage.untouched()


def test_a_forced_deployment_that_takes_up_the_push_first_leaves_nothing_to_do(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    second = stage.push("prod", "two")
    stage.update(forceNewDeployment=True)
    stage.run(minutes=150)
    assert (stage.running(), stage.deployments()) == (second, 2)
    stage.untouched()


def test_changed_settings_provoke_nothing_and_are_kept(stage: Stage) -> None:
    two_good_versions(stage)
    configuration = {"maximumPercent": 150, "minimumHealthyPercent": 50}
    stage.update(deploymentConfiguration=configuration, enableExecuteCommand=True)
    third = stage.push("prod", "three")
    stage.run(minutes=20)
    service = stage.described()
    assert stage.running() == third
    assert service["deploymentConfiguration"].items() >= configuration.items()
    assert service["enableExecuteCommand"] is True


def test_a_service_that_is_deleted_in_the_middle_is_let_go(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(policy="digest")
    stage.push("prod", "two")
    stage.run(minutes=1)
    stage.ecs.delete_service(cluster=CLUSTER, service="web", force=True)
    stage.run(minutes=150)
    stage.push("prod", "three")
    stage.run(minutes=150)
    assert stage.told() == ["Deployment Started", "Deployment Superseded"]
    assert len(stage.writes()) == 1
    assert (stage.failures(), stage.dead_letters()) == ([], 0)
