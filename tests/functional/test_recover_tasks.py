"""Tasks that nobody else starts again, on the local bundle: each ends as recover 2.4 says, replaced exactly once or left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from longshore_local.bus import envelope
from tests.functional.jobs import IDEMPOTENT, OPTED_IN, Jobs
from tests.functional.stage import ACCOUNT, CLUSTER, REGION

if TYPE_CHECKING:
    from tests.functional.stage import Stage

PARAMETERS = {"RecoverMode": "auto"}
SECRET = "hunter2"
OVERRIDES = {
    "containerOverrides": [{"name": "app", "command": ["run"], "environment": [{"name": "KEY", "value": SECRET}]}]
}


@pytest.fixture
def jobs(stage: Stage) -> Jobs:
    """A cluster in which tasks are run by hand."""
    made = Jobs(stage)
    stage.forget()
    return made


def failed(jobs: Jobs, mode: str, tags: dict[str, str] | None = None, minutes: float = 15, **members: Any) -> str:
    """Runs a task of which the first life ends so."""
    definition = jobs.family(IDEMPOTENT if tags is None else tags)
    jobs.faults.fail_next("etl", mode, after=20)
    arn = jobs.run(definition, **members)
    jobs.minutes(minutes)
    return arn


# -- what is replaced, and as what ------------------------------------------------------------------------------------


def test_out_of_memory_is_run_again_with_more_memory_and_nothing_else_changed(jobs: Jobs) -> None:
    own = [{"key": "owner", "value": "data"}]
    definition = jobs.family()
    jobs.faults.fail_next("etl", "oom", after=20)
    arn = jobs.run(definition, overrides=OVERRIDES, tags=own, startedBy="ops/nightly", enableExecuteCommand=True)
    jobs.minutes(1)
    old, new = jobs.task(arn), jobs.replacement(arn)
    assert (old["memory"], new["memory"]) == ("512", "1024")
    before, after = jobs.launch(old), jobs.launch(new)
    assert after["overrides"].pop("memory") == "1024"
    for launch in (before, after):
        del launch["memory"]
    assert after == before
    assert new["tags"]["longshore:class"] == "M1"
    assert new["tags"]["longshore:parent-task"] == arn
    (told,) = jobs.told("Task Replaced")
    assert (told["root_task"], told["attempt"]) == (arn, 1)


def test_what_never_started_is_run_again_without_being_asked_for_idempotence(jobs: Jobs) -> None:
    arn = failed(jobs, "P1", OPTED_IN)
    assert jobs.launch(jobs.replacement(arn)) == jobs.launch(jobs.task(arn))


def test_where_the_network_was_never_seen_the_launch_is_refused(jobs: Jobs) -> None:
    """Without an interface nothing tells the security groups that whoever ran it asked for (recover 3.1)."""
    failed(jobs, "N1", OPTED_IN)
    (told,) = jobs.told("Task Replacement Refused")
    assert (told["class"], told["reason"], jobs.launches()) == ("N1", "network-unknown", 0)


def test_what_ran_is_not_run_again_unless_it_may_be(jobs: Jobs) -> None:
    arn = failed(jobs, "oom", OPTED_IN)
    assert jobs.replacements(arn) == []
    (told,) = jobs.told("Task Failed")
    assert (told["class"], told["verdict"], told["reason"]) == ("M1", "notify", "not-idempotent")


def test_spot_is_tried_once_more_and_then_left_for_on_demand(jobs: Jobs) -> None:
    definition = jobs.family()
    jobs.faults.fail("etl", "spot", provider="FARGATE_SPOT", after=60)
    arn = jobs.run(definition, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}])
    jobs.minutes(30)
    first, second = jobs.replacements(arn)
    assert first["capacityProviderName"] == "FARGATE_SPOT"
    assert second["capacityProviderName"] == "FARGATE"
    assert second["lastStatus"] == "RUNNING"


@pytest.mark.parametrize(("mode", "cls"), [("cannot-pull", "P2"), ("exit-1", "G4"), ("exit-127", "G3"), ("P3", "P3")])
def test_what_another_try_does_not_mend_is_told_once(jobs: Jobs, mode: str, cls: str) -> None:
    arn = failed(jobs, mode)
    assert jobs.replacements(arn) == []
    (told,) = jobs.told("Task Failed")
    assert told["class"] == cls
    assert told["hint"]
    assert jobs.launches() == 0


# -- what provokes nothing --------------------------------------------------------------------------------------------


def test_a_persons_stop_provokes_nothing(jobs: Jobs) -> None:
    arn = jobs.run(jobs.family())
    jobs.minutes(2)
    jobs.ecs.stop_task(cluster=CLUSTER, task=arn, reason="enough")
    jobs.minutes(15)
    assert (jobs.stage.told(), jobs.launches()) == ([], 0)


def test_success_provokes_nothing(jobs: Jobs) -> None:
    arn = failed(jobs, "exit-0")
    assert jobs.task(arn)["lastStatus"] == "STOPPED"
    assert (jobs.stage.told(), jobs.launches()) == ([], 0)


def test_scale_in_and_a_deployments_churn_provoke_nothing(jobs: Jobs) -> None:
    stage = jobs.stage
    stage.service("web", "web:v1", policy=None, definition=jobs.family(name="web"))
    stage.update("web", desiredCount=1)
    jobs.minutes(5)
    stage.update("web", forceNewDeployment=True)
    jobs.minutes(15)
    assert (stage.told(), jobs.launches()) == ([], 0)


def test_a_forged_event_does_nothing_that_ecs_does_not_confirm(jobs: Jobs) -> None:
    arn = jobs.run(jobs.family())
    jobs.minutes(2)
    now = jobs.stage.bundle.timeline.now()
    detail = {
        "taskArn": arn,
        "clusterArn": arn.replace(":task/", ":cluster/").rpartition("/")[0],
        "taskDefinitionArn": jobs.task(arn)["taskDefinitionArn"],
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "containers": [{"name": "app", "exitCode": 137, "reason": "OutOfMemoryError: Container killed"}],
        "group": "family:etl",
        "version": 9,
    }
    forged = envelope("aws.ecs", "ECS Task State Change", detail, account=ACCOUNT, region=REGION, moment=now)
    jobs.stage.bundle.bus.put(forged, account=ACCOUNT, region=REGION)
    jobs.minutes(15)
    assert jobs.tasks() == [arn]
    assert (jobs.stage.told(), jobs.launches(), jobs.stage.failures()) == ([], 0, [])


def test_what_did_not_opt_in_is_told_and_not_touched(jobs: Jobs) -> None:
    failed(jobs, "P1", {})
    (told,) = jobs.told("Task Failed")
    assert (told["verdict"], told["reason"]) == ("notify", "not-opted-in")
    assert jobs.launches() == 0


def test_what_was_silenced_is_not_even_told(jobs: Jobs) -> None:
    failed(jobs, "P1", {"longshore:recover": "off"})
    assert (jobs.stage.told(), jobs.launches()) == ([], 0)


# -- how often --------------------------------------------------------------------------------------------------------


def test_a_family_that_always_fails_is_given_up_once(jobs: Jobs) -> None:
    definition = jobs.family()
    jobs.faults.fail("etl", "oom", after=20)
    arn = jobs.run(definition)
    jobs.minutes(600)
    (given_up,) = jobs.told("Task Given Up")
    assert given_up["root_task"] == arn
    assert len(given_up["attempts"]) == jobs.launches() + 1
    assert 1 <= jobs.launches() <= 3
    assert jobs.tasks("RUNNING") == []
    launched = jobs.launches()
    jobs.minutes(600)
    assert (jobs.launches(), len(jobs.told("Task Given Up"))) == (launched, 1)


def test_duplicates_and_old_versions_change_nothing(jobs: Jobs) -> None:
    bundle = jobs.stage.bundle
    arn = failed(jobs, "P1")
    seen = [each.event for each in bundle.invocations if each.function == "RecoverFunction"]
    bodies = [record["body"] for batch in seen for record in batch["Records"]]
    for body in [*bodies, *bodies[::-1]]:
        jobs.stage.send("RecoverQueue", body)
    jobs.minutes(30)
    assert len(jobs.replacements(arn)) == 1
    assert jobs.launches() == 1


# -- what is not told -------------------------------------------------------------------------------------------------


def test_secrets_of_overrides_are_told_nowhere_and_kept_nowhere(jobs: Jobs) -> None:
    failed(jobs, "oom", overrides=OVERRIDES)
    stage = jobs.stage
    table = stage.bundle.stack.physical_ids["Ledger"]
    kept = stage.client("dynamodb").scan(TableName=table)["Items"]
    logged = [line for invocation in stage.bundle.invocations for line in invocation.log]
    assert kept
    assert SECRET not in str((kept, logged, stage.events()))
