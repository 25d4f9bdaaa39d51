"""AWS fails at every call: throttled before it, or with the answer lost after it; the end is right all the same."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.functional.stage import ENDS, Stage, breaker

REFRESH = [
    ("dynamodb", "Query"),
    ("dynamodb", "GetItem"),
    ("dynamodb", "PutItem"),
    ("dynamodb", "UpdateItem"),
    ("sqs", "SendMessage"),
    ("scheduler", "CreateSchedule"),
    ("events", "PutEvents"),
    ("ecr", "BatchGetImage"),
    ("ecs", "DescribeServices"),
    ("ecs", "DescribeServiceRevisions"),
    ("ecs", "DescribeServiceDeployments"),
    ("ecs", "UpdateService"),
]
BEFORE_AND_AFTER = [("ThrottlingException", "before"), ("InternalServerError", "after")]


def ends(stage: Stage) -> list[str]:
    return [kind.removeprefix("Deployment ") for kind in stage.told() if kind in ENDS]


def is_right(stage: Stage, digest: str, deployments: int = 2, *, ended: Iterable[str] = ("Succeeded",)) -> None:
    """Asserts the end state: what runs, by how many deployments, and that nothing was lost on the way."""
    assert (stage.running(), stage.deployments()) == (digest, deployments)
    assert list(dict.fromkeys(ends(stage))) == list(ended)
    assert stage.dead_letters() == 0
    assert (stage.depth("RedeployQueue"), stage.depth("WatchQueue")) == (0, 0)


@pytest.mark.parametrize(("error", "when"), BEFORE_AND_AFTER)
@pytest.mark.parametrize(("service", "operation"), REFRESH)
def test_one_failure_of_a_call_changes_nothing_in_the_end(
    stage: Stage, service: str, operation: str, error: str, when: str
) -> None:
    stage.push("prod", "one")
    stage.service(policy="digest")  # twenty minutes until the watchdog looks: longer than a message stays invisible
    fault = stage.faults.add(service, operation, error, when=when)  # type: ignore[arg-type]
    digest = stage.push("prod", "two")
    stage.run(minutes=55)
    assert fault.struck == 1
    is_right(stage, digest)


@pytest.mark.parametrize(("error", "when"), BEFORE_AND_AFTER)
@pytest.mark.parametrize("operation", ["RegisterTaskDefinition", "UpdateService", "DescribeTaskDefinition"])
def test_one_failure_on_the_way_to_a_new_revision_makes_no_second_one(
    stage: Stage, operation: str, error: str, when: str
) -> None:
    stage.push("1.0.0", "one")
    stage.service(image="web:1.0.0", policy="profile:versions")
    fault = stage.faults.add("ecs", operation, error, when=when)  # type: ignore[arg-type]
    digest = stage.push("1.1.0", "two")
    stage.run(minutes=50)
    assert fault.struck == 1
    is_right(stage, digest)
    assert len(stage.ecs.list_task_definitions(familyPrefix="web")["taskDefinitionArns"]) == 2


@pytest.mark.parametrize(("error", "when"), BEFORE_AND_AFTER)
def test_one_failure_to_stop_is_made_good(stage: Stage, error: str, when: str) -> None:
    good = stage.push("prod", "one")
    off = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    stage.service(policy="digest", deploymentConfiguration=off)
    stage.faults.add("ecs", "StopServiceDeployment", error, when=when)  # type: ignore[arg-type]
    stage.push_bad("prod", "two", "hang")
    stage.run(minutes=55)
    is_right(stage, good, ended=["Rolled Back"])


@pytest.mark.parametrize(("error", "when"), BEFORE_AND_AFTER)
@pytest.mark.parametrize(("service", "operation"), [("ecs", "UpdateService"), ("events", "PutEvents")])
def test_one_failure_on_the_way_back_is_made_good(
    stage: Stage, service: str, operation: str, error: str, when: str
) -> None:
    good = stage.push("prod", "one")
    stage.service(deploymentConfiguration=breaker(rollback=False))
    stage.push_bad("prod", "two")
    stage.until_told("Deployment Started")
    stage.faults.add(service, operation, error, when=when)  # type: ignore[arg-type]
    stage.run(minutes=50)
    is_right(stage, good, 3, ended=["Failed", "Succeeded"])


@pytest.mark.parametrize(
    ("service", "operation"),
    [("resourcegroupstaggingapi", "GetResources"), ("ecr", "DescribeImages"), ("dynamodb", "Query")],
)
def test_a_failing_sweep_is_tried_again(stage: Stage, service: str, operation: str) -> None:
    stage.push("prod", "one")
    stage.service()
    events, rule = stage.client("events"), stage.bundle.stack.physical_ids["ImageMoved"]
    events.disable_rule(Name=rule)
    digest = stage.push("prod", "two")
    events.enable_rule(Name=rule)
    stage.run(minutes=50)
    fault = stage.faults.add(service, operation, "ThrottlingException")
    stage.run(minutes=60)
    assert fault.struck == 1
    is_right(stage, digest)


@pytest.mark.parametrize("operation", ["TransactWriteItems", "GetItem"])
def test_a_failing_write_of_the_index_is_tried_again(stage: Stage, operation: str) -> None:
    stage.push("prod", "one")
    fault = stage.faults.add("dynamodb", operation, "InternalServerError")
    stage.service()
    stage.run(minutes=20)
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    assert fault.struck == 1
    is_right(stage, digest)


@pytest.mark.parametrize(("service", "operation"), [("ecs", "UpdateService"), ("ecs", "DescribeServices")])
def test_many_failures_in_a_row_are_ridden_out(stage: Stage, service: str, operation: str) -> None:
    stage.push("prod", "one")
    stage.service()
    stage.faults.add(service, operation, "ThrottlingException", count=3, function="RedeployFunction")
    digest = stage.push("prod", "two")
    stage.run(minutes=59)
    # Three failures take longer than the watchdog waits: it tells that nothing began, which was true.
    is_right(stage, digest, ended=["Failed", "Succeeded"] if operation == "UpdateService" else ["Succeeded"])


@pytest.mark.parametrize("seed", range(2))
def test_faults_everywhere_lose_nothing(stage: Stage, seed: int) -> None:
    """Calls fail by chance, before or after they have their effect, for as long as five pushes take."""
    stage.push("prod", "one")
    stage.service()
    stage.faults.seed = seed
    stage.faults.clear()
    for service, operation in REFRESH:
        for error, when in BEFORE_AND_AFTER:
            stage.faults.add(service, operation, error, count=None, probability=0.01, when=when)  # type: ignore[arg-type]
    for version in ("two", "three", "four", "five", "six"):
        digest = stage.push("prod", version)
        stage.run(minutes=20)
    stage.faults.clear()
    stage.run(minutes=120)  # and a sweep without faults
    assert (stage.running(), stage.dead_letters()) == (digest, 0)
    assert stage.deployments() <= 6


def test_a_service_that_may_not_be_updated_is_told_once_and_nothing_is_lost(stage: Stage) -> None:
    first = stage.push("prod", "one")
    stage.service()
    stage.faults.add("ecs", "UpdateService", "AccessDeniedException", count=None)
    digest = stage.push("prod", "two")
    stage.run(minutes=50)
    assert (stage.running(), stage.told()) == (first, ["Deployment Failed"])
    failed = stage.events("Deployment Failed")[0]
    assert "UpdateService: AccessDeniedException" in failed["why"]
    stage.run(minutes=180)  # sweeps try again, and stay silent
    assert stage.told() == ["Deployment Failed"]
    assert (stage.failures(), stage.dead_letters()) == ([], 0)
    stage.faults.clear()
    stage.run(minutes=90)
    assert stage.running() == digest


def test_one_service_that_fails_does_not_stop_another(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service("a")
    stage.service("b")
    stage.faults.add("ecs", "UpdateService", "AccessDeniedException")
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    assert {stage.running("a") == digest, stage.running("b") == digest} == {True, False}


def test_what_is_lost_for_good_lies_in_the_dead_letters_and_the_sweep_makes_it_good(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    stage.faults.add("ecr", "BatchGetImage", "ServerException", count=None)
    digest = stage.push("prod", "two")
    stage.run(minutes=120)
    assert stage.dead_letters() > 0
    stage.faults.clear()
    stage.run(minutes=80)
    assert stage.running() == digest


def test_an_untold_start_is_told_in_the_end(stage: Stage) -> None:
    """PutEvents fails for a while: the deployment runs, and its start is still told before its end."""
    stage.push("prod", "one")
    stage.service()
    stage.faults.add("events", "PutEvents", "InternalFailure", count=2, function="RedeployFunction")
    digest = stage.push("prod", "two")
    stage.run(minutes=59)
    is_right(stage, digest)
