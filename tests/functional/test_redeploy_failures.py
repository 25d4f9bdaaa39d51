"""Images that do not work: they are stopped, taken back and kept out, and the next good one is deployed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional.stage import CLUSTER, ENDS, Stage, breaker, uri

NO_BREAKER = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
ALARM = "web-errors"


@pytest.fixture
def alarm(stage: Stage) -> Iterator[Stage]:
    """A stage with a CloudWatch alarm that is not raised."""
    cloudwatch = stage.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="Shop",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="test")
    yield stage
    cloudwatch.delete_alarms(AlarmNames=[ALARM])


def raised(stage: Stage, state: str = "ALARM") -> None:
    stage.client("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="test")


def ends(stage: Stage) -> list[str]:
    return [kind.removeprefix("Deployment ") for kind in stage.told() if kind in ENDS]


@pytest.mark.parametrize("mode", ["exit-1", "cannot-pull", "resource-init", "unhealthy"])
def test_what_ecs_rolls_back_is_told_and_quarantined(stage: Stage, mode: str) -> None:
    good = stage.push("prod", "one")
    checked = {"name": "app", "image": uri("web:prod"), "healthCheck": {"command": ["CMD", "true"]}}
    stage.service(definition=stage.register("web", "", containerDefinitions=[checked]))
    bad = stage.push_bad("prod", "two", mode)
    stage.run(minutes=40)
    assert stage.running() == good
    assert stage.told() == ["Deployment Started", "Deployment Rolled Back"]
    rolled_back = stage.events("Deployment Rolled Back")[0]
    assert (rolled_back["by"], rolled_back["changes"][0]["digest"]) == ("platform", bad)
    assert rolled_back["evidence"] == ["3 tasks failed, the deployment circuit breaker trips at 3"]
    assert stage.deployments() == 2
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_a_quarantined_digest_is_refused_and_the_next_good_one_deployed(stage: Stage) -> None:
    good = stage.push("prod", "one")
    stage.service()
    bad = stage.push_bad("prod", "two")
    stage.run(minutes=20)
    stage.push("prod", "one")
    stage.run(minutes=5)
    stage.forget()
    stage.push("prod", "two")
    stage.run(minutes=30)
    assert (stage.running(), stage.deployments()) == (good, 2)
    held = stage.events("Deployment Held")
    assert [(each["reason"], each["digest"]) for each in held] == [("quarantined", bad)]
    better = stage.push("prod", "three")
    stage.run(minutes=30)
    assert (stage.running(), ends(stage)) == (better, ["Succeeded"])


def test_quarantine_is_of_one_workload(stage: Stage) -> None:
    """A second service may run what failed on the first: the fault may lie there."""
    stage.push("prod", "one")
    stage.service("web")
    bad = stage.push_bad("prod", "two")
    stage.run(minutes=20)
    stage.push("prod", "one")
    stage.run(minutes=5)
    stage.service("worker")
    stage.bundle.ecs.mend(bad)
    stage.push("prod", "two")
    stage.run(minutes=30)
    assert stage.running("worker") == bad
    assert stage.running("web") != bad


def test_without_rollback_in_ecs_longshore_puts_the_last_good_digest_back(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(deploymentConfiguration=breaker(rollback=False))
    good = stage.push("prod", "two")
    stage.run(minutes=20)
    bad = stage.push_bad("prod", "three")
    stage.forget()
    stage.run(minutes=40)
    assert stage.running() == good
    assert stage.told() == [
        "Deployment Started",
        "Deployment Failed",
        "Deployment Started",
        "Deployment Succeeded",
        "Deployment Held",  # the sweep: the tag still names what failed
    ]
    back = stage.events("Deployment Started")[1]
    assert (back["rollback"], back["changes"][0]["image"]) == (True, uri(f"web@{good}"))
    assert bad != good
    stage.forget()
    better = stage.push("prod", "four")
    stage.run(minutes=30)
    assert (stage.running(), ends(stage)) == (better, ["Succeeded"])


def test_a_last_good_image_that_fails_too_holds_the_workload(stage: Stage) -> None:
    good = stage.push("prod", "one")
    stage.service(deploymentConfiguration=breaker(rollback=False))
    stage.push_bad("prod", "two")
    stage.bundle.ecs.fail(good, "exit-1")
    stage.run(minutes=60)
    assert ends(stage) == ["Failed", "Failed"]  # and no third try
    stage.bundle.ecs.mend(good)
    stage.forget()
    stage.push("prod", "three")
    stage.run(minutes=30)
    assert stage.writes() == []
    assert [each["reason"] for each in stage.events()] == ["held"]


@pytest.mark.parametrize("mode", ["hang", "exit-1"])
def test_without_a_breaker_the_watchdog_stops_what_does_not_end(stage: Stage, mode: str) -> None:
    good = stage.push("prod", "one")
    stage.service(deploymentConfiguration=NO_BREAKER)
    seen: list[str] = []
    stage.bundle.bus.subscribe(lambda _bus, event: seen.append(str(event["detail"].get("eventName"))))
    stage.push_bad("prod", "two", mode)
    stage.run(minutes=9)
    assert stage.told() == ["Deployment Started"]  # it has ten minutes
    stage.run(minutes=11)
    assert stage.running() == good
    assert "SERVICE_DEPLOYMENT_FAILED" not in seen
    assert [call.operation for call in stage.writes()] == ["UpdateService", "StopServiceDeployment"]
    assert stage.told() == ["Deployment Started", "Deployment Rolled Back"]
    assert stage.events("Deployment Rolled Back")[0]["by"] == "longshore"
    stage.run(minutes=90)
    assert (stage.running(), stage.deployments()) == (good, 2)


def test_an_alarm_that_rolls_back_in_ecs_quarantines(alarm: Stage) -> None:
    stage = alarm
    alarms = {"alarms": {"enable": True, "rollback": True, "alarmNames": [ALARM]}}
    good = stage.push("prod", "one")
    stage.service(deploymentConfiguration=alarms | {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5})
    stage.push("prod", "two")
    stage.run(minutes=2)
    raised(stage)
    stage.run(minutes=10)
    assert (stage.running(), ends(stage)) == (good, ["Rolled Back"])


def test_a_deployment_that_ecs_stops_for_an_alarm_is_taken_back(alarm: Stage) -> None:
    stage = alarm
    alarms = {"alarms": {"enable": True, "rollback": False, "alarmNames": [ALARM]}}
    good = stage.push("prod", "one")
    stage.service(deploymentConfiguration=alarms | {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5})
    stage.push("prod", "two")
    stage.run(minutes=2)
    raised(stage)
    stage.until_told("Deployment Failed", minutes=12)  # ECS says nothing without a breaker; the watchdog looks
    raised(stage, "OK")
    stage.run(minutes=40)
    assert (stage.running(), ends(stage)) == (good, ["Failed", "Succeeded"])


def test_a_first_deployment_without_a_way_back_is_told_and_left(stage: Stage) -> None:
    """Nothing is known to have worked: there is nothing to put back, and the next push is deployed."""
    stage.push_bad("prod", "one")
    stage.service(deploymentConfiguration=breaker(rollback=False))
    stage.push("prod", "two")
    digest = stage.push("prod", "two")
    stage.run(minutes=60)
    assert stage.running() == digest


def test_three_failed_images_a_day_hold_the_workload(stage: Stage) -> None:
    good = stage.push("prod", "one")
    stage.service()
    for version in ("two", "three", "four"):
        stage.push_bad("prod", version)
        stage.run(minutes=15)
    stage.forget()
    stage.push("prod", "five")
    stage.run(minutes=30)
    assert (stage.running(), stage.writes()) == (good, [])
    assert [each["reason"] for each in stage.events("Deployment Held")] == ["held"]


def test_too_few_tasks_after_the_soak_are_told_and_not_undone(stage: Stage) -> None:
    """The tasks of a finished deployment die: no proof against the image, so somebody is told (redeploy 8.9)."""
    stage.push("prod", "one")
    stage.service()
    digest = stage.push("prod", "two")
    stage.until_told("Deployment Started")
    stage.run(minutes=2, until=stage.steady)
    stage.bundle.ecs.fail(digest, "exit-1")
    for task in stage.ecs.list_tasks(cluster=CLUSTER, serviceName="web")["taskArns"]:
        stage.ecs.stop_task(cluster=CLUSTER, task=task)
    stage.run(minutes=40)
    assert stage.told() == ["Deployment Started", "Deployment Failed"]
    assert stage.events("Deployment Failed")[0]["reason"] == "not-steady"
    assert [call.operation for call in stage.writes()] == ["UpdateService"]
