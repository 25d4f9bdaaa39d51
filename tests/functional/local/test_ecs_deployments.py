"""How deployments of the simulated ECS begin, succeed, fail, roll back and are stopped."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.functional.local.ecs_account import ACCOUNT, BREAKER, IMAGE, REGION, A, B, EcsAccount, opened


@pytest.fixture
def shop() -> Iterator[EcsAccount]:
    with opened() as account:
        yield account


def test_a_first_deployment_takes_time_and_ends_steady(shop: EcsAccount) -> None:
    created = shop.create()
    assert (created["deployments"][0]["rolloutState"], created["runningCount"]) == ("IN_PROGRESS", 0)
    assert shop.statuses() == ["PENDING"]
    shop.run(2)
    service = shop.service()
    assert (service["pendingCount"], service["runningCount"]) == (2, 0)
    assert shop.statuses() == ["IN_PROGRESS"]
    shop.run(10)
    service = shop.service()
    only = service["deployments"][0]
    assert (service["runningCount"], service["pendingCount"]) == (2, 0)
    assert (only["status"], only["rolloutState"], only["failedTasks"]) == ("PRIMARY", "COMPLETED", 0)
    assert shop.statuses() == ["SUCCESSFUL"]
    assert service["currentServiceDeployment"] == shop.deployment()["serviceDeploymentArn"]
    assert service["currentServiceDeployment"].startswith(
        f"arn:aws:ecs:{REGION}:{ACCOUNT}:service-deployment/shop/web/"
    )
    assert shop.told() == ["DEPLOYMENT_IN_PROGRESS", "DEPLOYMENT_COMPLETED"]
    assert shop.told("ECS Service Action")[-1] == "STEADY_STATE"
    assert shop.running_digests() == [A]


def test_nothing_moves_without_the_timeline(shop: EcsAccount) -> None:
    shop.create()
    before = shop.service()
    for _ in range(5):
        shop.tasks()
        assert shop.service() == before


def test_a_forced_deployment_resolves_the_tag_again_and_replaces_the_tasks(shop: EcsAccount) -> None:
    old = {task["taskArn"] for task in (shop.steady(), shop.tasks())[1]}
    shop.push(B)
    assert shop.running_digests() == [A], "a moved tag changes nothing by itself"
    shop.update(forceNewDeployment=True)
    shop.run(5)
    service = shop.service()
    assert [entry["status"] for entry in service["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert len(service["currentServiceRevisions"]) == 2
    shop.run(20)
    assert shop.running_digests() == [B]
    assert not old & {task["taskArn"] for task in shop.tasks()}
    assert {task["containers"][0]["imageDigest"] for task in shop.tasks()} == {B}


def test_the_digest_is_fixed_by_the_first_task_and_kept_for_later_ones(shop: EcsAccount) -> None:
    shop.steady()
    shop.push(B)
    shop.update(desiredCount=4)
    shop.run(20)
    assert len(shop.tasks()) == 4
    assert {task["containers"][0]["imageDigest"] for task in shop.tasks()} == {A}
    assert shop.statuses() == ["SUCCESSFUL"], "a changed count is no deployment"


def test_a_container_without_version_consistency_follows_the_tag(shop: EcsAccount) -> None:
    shop.register(container={"versionConsistency": "disabled"})
    shop.steady()
    shop.push(B)
    shop.update(desiredCount=3)
    shop.run(20)
    assert sorted(task["containers"][0]["imageDigest"] for task in shop.tasks()) == [A, A, B]
    assert shop.running_digests() == []


def test_a_new_update_stops_the_deployment_under_way(shop: EcsAccount) -> None:
    shop.steady()
    shop.push(B)
    shop.update(forceNewDeployment=True)
    shop.run(3)
    shop.update(forceNewDeployment=True)
    assert shop.statuses() == ["PENDING", "STOP_REQUESTED", "SUCCESSFUL"]
    shop.run(1)
    assert shop.statuses() == ["IN_PROGRESS", "STOPPED", "SUCCESSFUL"]
    shop.run(30)
    assert shop.statuses() == ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"]
    assert shop.deployment(index=1)["stoppedAt"] < shop.deployment()["finishedAt"]
    assert (len(shop.tasks()), shop.running_digests()) == (2, [B])


@pytest.mark.parametrize("mode", ["exit-1", "oom", "cannot-pull", "resource-init", "unhealthy"])
def test_the_breaker_rolls_back_to_the_digest_of_the_last_completed_revision(shop: EcsAccount, mode: Any) -> None:
    shop.steady(deploymentConfiguration=BREAKER)
    before = {task["taskArn"] for task in shop.tasks()}
    shop.push(B)
    shop.simulator.fail(B, mode)
    shop.update(forceNewDeployment=True)
    shop.run(120)
    deployment = shop.deployment()
    assert deployment["status"] == "ROLLBACK_SUCCESSFUL"
    assert deployment["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert deployment["rollback"]["serviceRevisionArn"] == shop.service()["currentServiceRevisions"][0]["arn"]
    assert shop.running_digests() == [A], "the tag still means the bad image"
    assert {task["taskArn"] for task in shop.tasks()} == before
    assert shop.told() == [
        "DEPLOYMENT_IN_PROGRESS",
        "DEPLOYMENT_FAILED",
        "DEPLOYMENT_IN_PROGRESS",
        "DEPLOYMENT_COMPLETED",
    ]


def test_the_events_of_a_rollback_name_both_deployments(shop: EcsAccount) -> None:
    shop.steady(deploymentConfiguration=BREAKER)
    shop.push(B)
    shop.simulator.fail(B, "exit-1")
    bad = shop.update(forceNewDeployment=True)["deployments"][0]["id"]
    shop.run(120)
    back = shop.service()["deployments"][0]["id"]
    failed = next(e for e in shop.of_type("ECS Deployment State Change") if e["detail"]["eventType"] == "ERROR")
    assert failed["detail"]["deploymentId"] == bad
    assert failed["detail"]["reason"] == f"ECS deployment circuit breaker: rolling back to deploymentId {back}."
    assert shop.of_type("ECS Deployment State Change")[-1]["detail"]["deploymentId"] == back != bad


def test_a_rollback_brings_the_task_definition_back(shop: EcsAccount) -> None:
    first = shop.steady(deploymentConfiguration=BREAKER)["taskDefinition"]
    shop.simulator.fail("registry.example/web:next", "exit-1")
    shop.simulator.add_image("registry.example/web:next", B)
    second = shop.register(container={"image": "registry.example/web:next"})
    assert shop.update(taskDefinition="web")["taskDefinition"] == second
    shop.run(120)
    assert shop.service()["taskDefinition"] == first
    assert shop.service()["deployments"][0]["taskDefinition"] == first


def test_without_the_breaker_it_tries_for_ever_and_tells_nobody(shop: EcsAccount) -> None:
    shop.steady()
    shop.push(B)
    shop.simulator.fail(B, "exit-1")
    shop.update(forceNewDeployment=True)
    shop.run(600)
    assert shop.statuses()[0] == "IN_PROGRESS"
    assert shop.service()["deployments"][0]["failedTasks"] > 3
    assert shop.told() == ["DEPLOYMENT_IN_PROGRESS"]
    assert shop.told("ECS Service Action").count("TASK_START_IMPAIRED") == 1
    assert [t["containers"][0]["imageDigest"] for t in shop.tasks() if t["lastStatus"] == "RUNNING"] == [A, A]
    shop.simulator.mend(B)
    shop.run(600)
    assert shop.running_digests() == [B]


def test_an_unknown_image_is_a_failed_pull(shop: EcsAccount) -> None:
    shop.register("lost", container={"image": "registry.example/lost:1"})
    shop.create(taskDefinition="lost", desiredCount=1)
    shop.run(10)
    stopped = shop.tasks(desiredStatus="STOPPED")[0]
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"].startswith(
        "CannotPullContainerError: pull image manifest has been retried 5 time(s)"
    )
    assert "startedAt" not in stopped
    assert "runtimeId" not in stopped["containers"][0]


def test_a_hanging_task_never_trips_the_breaker(shop: EcsAccount) -> None:
    shop.steady(deploymentConfiguration=BREAKER)
    shop.push(B)
    shop.simulator.fail(B, "hang")
    shop.update(forceNewDeployment=True)
    shop.run(3600)
    assert shop.statuses()[0] == "IN_PROGRESS"
    assert [entry["runningCount"] for entry in shop.service()["deployments"]] == [0, 2]


def test_tasks_that_crash_after_running_are_replaced_without_a_failed_deployment(shop: EcsAccount) -> None:
    shop.steady(deploymentConfiguration=BREAKER)
    shop.push(B)
    shop.simulator.fail(B, "crash")
    shop.update(forceNewDeployment=True)
    shop.run(300)
    assert "DEPLOYMENT_FAILED" not in shop.told()
    assert len(shop.tasks(desiredStatus="STOPPED")) > 4


def test_a_first_deployment_that_fails_has_nothing_to_go_back_to(shop: EcsAccount) -> None:
    shop.simulator.fail(A, "exit-1")
    shop.create(deploymentConfiguration=BREAKER)
    shop.run(120)
    assert shop.statuses() == ["ROLLBACK_FAILED"]
    assert shop.service()["deployments"][0]["rolloutState"] == "FAILED"
    assert shop.tasks() == [], "the service stalls"
    assert shop.told() == ["DEPLOYMENT_IN_PROGRESS", "DEPLOYMENT_FAILED"]
    shop.push(B)
    shop.update(forceNewDeployment=True)
    shop.run(60)
    assert (shop.statuses()[0], shop.running_digests()) == ("SUCCESSFUL", [B])


def test_a_breaker_without_rollback_stops_and_leaves_the_old_tasks(shop: EcsAccount) -> None:
    shop.steady(deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}})
    shop.push(B)
    shop.simulator.fail(B, "exit-1")
    shop.update(forceNewDeployment=True)
    shop.run(300)
    assert shop.statuses()[0] == "STOPPED"
    assert shop.of_type("ECS Deployment State Change")[-1]["detail"]["reason"] == (
        "ECS deployment circuit breaker: task failed to start."
    )
    assert [task["containers"][0]["imageDigest"] for task in shop.tasks()] == [A, A]


def test_a_rollback_whose_image_is_gone_fails(shop: EcsAccount) -> None:
    shop.steady(deploymentConfiguration={**BREAKER, "maximumPercent": 100, "minimumHealthyPercent": 0})
    shop.push(B)
    shop.simulator.fail(B, "exit-1")
    shop.simulator.fail(A, "cannot-pull")
    shop.update(forceNewDeployment=True)
    shop.run(600)
    assert shop.statuses()[0] == "ROLLBACK_FAILED"


@pytest.mark.parametrize(
    ("threshold", "desired", "expected"),
    [
        ({}, 2, 3),
        ({}, 10, 5),
        ({"type": "BOUNDED_PERCENT", "value": 50}, 500, 200),
        ({"type": "COUNT", "value": 1}, 10, 1),
        ({"type": "UNBOUNDED_PERCENT", "value": 10}, 15, 2),
    ],
)
def test_the_threshold_follows_its_configuration(
    shop: EcsAccount, threshold: dict[str, Any], desired: int, expected: int
) -> None:
    breaker = {"enable": True, "rollback": True} | ({"thresholdConfiguration": threshold} if threshold else {})
    shop.create(desiredCount=desired, deploymentConfiguration={"deploymentCircuitBreaker": breaker})
    assert shop.deployment()["deploymentCircuitBreaker"]["threshold"] == expected


def test_failures_in_total_trip_it_when_a_healthy_task_forgives_nothing(shop: EcsAccount) -> None:
    breaker = {"enable": True, "rollback": True, "resetOnHealthyTask": False}
    shop.steady(deploymentConfiguration={"deploymentCircuitBreaker": breaker})
    shop.push(B)
    shop.simulator.fail(B, "exit-1")
    shop.update(forceNewDeployment=True)
    shop.run(8)
    assert shop.deployment()["deploymentCircuitBreaker"]["failureCount"] == 2
    shop.simulator.mend(B)
    shop.run(4)
    assert shop.deployment()["deploymentCircuitBreaker"]["failureCount"] == 2


@pytest.mark.parametrize("stop_type", ["ROLLBACK", None])
def test_stopping_a_deployment_rolls_it_back_without_a_failed_event(shop: EcsAccount, stop_type: str | None) -> None:
    shop.steady()
    shop.push(B)
    shop.update(forceNewDeployment=True)
    shop.run(7)
    arn = shop.deployment()["serviceDeploymentArn"]
    shop.ecs.stop_service_deployment(serviceDeploymentArn=arn, **({"stopType": stop_type} if stop_type else {}))
    assert shop.statuses()[0] == "ROLLBACK_REQUESTED"
    shop.run(1)
    shop.run(30)
    assert shop.deployment()["status"] == "ROLLBACK_SUCCESSFUL"
    assert (shop.running_digests(), len(shop.tasks())) == ([A], 2)
    assert "DEPLOYMENT_FAILED" not in shop.told()
    code, _ = shop.error("stop_service_deployment", serviceDeploymentArn=arn)
    assert code == "ConflictException"


def test_an_aborted_deployment_stays_where_it_is(shop: EcsAccount) -> None:
    shop.steady()
    shop.push(B)
    shop.simulator.fail(B, "hang")
    shop.update(forceNewDeployment=True)
    shop.run(5)
    shop.ecs.stop_service_deployment(serviceDeploymentArn=shop.deployment()["serviceDeploymentArn"], stopType="ABORT")
    shop.run(60)
    assert shop.statuses()[0] == "STOPPED"
    assert {task["containers"][0].get("imageDigest") for task in shop.tasks()} == {A, B}


def test_desired_count_zero_resolves_nothing_until_there_are_tasks(shop: EcsAccount) -> None:
    shop.steady(desiredCount=0)
    assert (shop.statuses(), shop.running_digests()) == (["SUCCESSFUL"], [])
    shop.update(desiredCount=1)
    shop.run(20)
    assert shop.running_digests() == [A]


def test_minimum_healthy_percent_is_kept_while_tasks_are_replaced(shop: EcsAccount) -> None:
    shop.steady(desiredCount=4, deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 100})
    shop.push(B)
    shop.update(forceNewDeployment=True)
    seen = []
    for _ in range(60):
        shop.run(1)
        tasks = [task for task in shop.tasks() if task["desiredStatus"] == "RUNNING"]
        seen.append((sum(task["lastStatus"] == "RUNNING" for task in tasks), len(tasks)))
    assert min(running for running, _ in seen) == 2
    assert max(total for _, total in seen) == 4
    assert shop.running_digests() == [B]


def test_an_alarm_during_the_deployment_rolls_it_back(shop: EcsAccount) -> None:
    cloudwatch = boto3.client("cloudwatch", region_name=REGION)
    cloudwatch.put_metric_alarm(
        AlarmName="errors", MetricName="m", Namespace="n", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    alarms = {"alarmNames": ["errors"], "enable": True, "rollback": True}
    shop.steady(deploymentConfiguration={"alarms": alarms, "bakeTimeInMinutes": 5})
    shop.run(600)
    shop.push(B)
    shop.update(forceNewDeployment=True)
    shop.run(60)
    assert shop.deployment()["lifecycleStage"] == "BAKE_TIME"
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    shop.run(60)
    deployment = shop.deployment()
    assert deployment["status"] == "ROLLBACK_SUCCESSFUL"
    assert deployment["alarms"] == {"status": "TRIGGERED", "alarmNames": ["errors"], "triggeredAlarmNames": ["errors"]}
    assert shop.running_digests() == [A]


def test_early_success_does_not_wait_for_the_last_task(shop: EcsAccount) -> None:
    criteria = {"enable": True, "healthyPercent": 50, "sourceServiceRevisionCleanup": "DEFERRED"}
    shop.steady(desiredCount=2, deploymentConfiguration={"earlySuccessCriteria": criteria})
    shop.push(B)
    shop.update(forceNewDeployment=True)
    shop.run(7)
    assert shop.statuses()[0] == "SUCCESSFUL"
    shop.run(30)
    assert shop.running_digests() == [B]


ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}


@pytest.mark.parametrize(
    ("detail_type", "name", "members"),
    [
        ("ECS Deployment State Change", "DEPLOYMENT_IN_PROGRESS", {"deploymentId", "updatedAt", "reason"}),
        ("ECS Deployment State Change", "DEPLOYMENT_COMPLETED", {"deploymentId", "updatedAt", "reason"}),
        ("ECS Service Action", "STEADY_STATE", {"clusterArn", "createdAt"}),
    ],
)
def test_events_have_the_documented_members(shop: EcsAccount, detail_type: str, name: str, members: set[str]) -> None:
    shop.create()
    shop.run(60)
    event = next(e for e in shop.of_type(detail_type) if e["detail"]["eventName"] == f"SERVICE_{name}")
    assert event.keys() == ENVELOPE
    assert event["detail"].keys() == {"eventType", "eventName"} | members
    assert event["source"] == "aws.ecs"
    assert event["resources"] == [f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/web"]


def test_images_of_ecr_are_looked_up_there(shop: EcsAccount) -> None:
    ecr = boto3.client("ecr", region_name=REGION)
    uri = ecr.create_repository(repositoryName="team/web")["repository"]["repositoryUri"]
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "layers": [{"digest": A, "size": 1}]}
    put = ecr.put_image(repositoryName="team/web", imageManifest=json.dumps(manifest), imageTag="prod")
    digest = put["image"]["imageId"]["imageDigest"]
    for family, image in (("tag", f"{uri}:prod"), ("pinned", f"{uri}@{digest}")):
        shop.register(family, container={"image": image})
        shop.steady(family, taskDefinition=family)
        assert shop.running_digests(family) == [digest]
    ecr.batch_delete_image(repositoryName="team/web", imageIds=[{"imageDigest": digest}])
    shop.update("tag", desiredCount=3)
    shop.run(20)
    assert len([task for task in shop.tasks("tag") if task["lastStatus"] == "RUNNING"]) == 2, (
        "the pinned digest is gone"
    )


def test_a_failure_can_be_named_by_reference(shop: EcsAccount) -> None:
    shop.simulator.fail(IMAGE, "exit-1")
    shop.create()
    shop.run(30)
    assert shop.service()["deployments"][0]["failedTasks"] >= 2
    with pytest.raises(ValueError, match="mode must be one of"):
        shop.simulator.fail(IMAGE, "explode")
