"""Every ending of a simulated task: what DescribeTasks and the events then say (recover 2.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from longshore.recover.diagnose import diagnose
from longshore.tasks import Task
from longshore_local.ecs.endings import ENDINGS, UnknownFailureModeError, ending_of
from tests.functional.local.ecs_account import ACCOUNT, IMAGE, NETWORK, REGION, A, EcsAccount, opened

_TEXTS = {
    "A1": "stopped by user",
    "I1": "Host EC2 (instance ",
    "I2": "performing maintenance on the underlying infrastructure",
    "C1": "Capacity is unavailable at this time",
    "C2": "TaskFailedToStart: ",
    "N1": "Timeout waiting for network interface provisioning",
    "N2": "Unexpected EC2 error while attempting to Create Network Interface",
    "N3": "Timeout waiting for EphemeralStorage provisioning",
    "N4": "Service Discovery instance could not be registered",
    "P1": "CannotPullContainerError",
    "P2": "not found",
    "P3": "403 Forbidden",
    "P4": "toomanyrequests",
    "P5": "no space left on device",
    "P6": "descriptor matching platform",
    "R1": "ResourceInitializationError: unable to pull secrets or registry auth",
    "R2": "failed to initialize logging driver",
    "R3": "ResourceInitializationError",
    "K1": "ECS was unable to assume the role",
    "D1": "TaskDependencyError",
    "S2": "Your Spot Task was interrupted",
    "M1": "OutOfMemoryError",
}


@pytest.fixture
def shop() -> Iterator[EcsAccount]:
    with opened() as account:
        yield account


def run(shop: EcsAccount, **members: Any) -> dict[str, Any]:
    """Runs a task; what is known of it at the end."""
    started = shop.ecs.run_task(cluster="shop", **order(**members))["tasks"][0]["taskArn"]
    shop.run(2100)
    return describe(shop, started)


def order(**members: Any) -> dict[str, Any]:
    return {"taskDefinition": "web", "launchType": "FARGATE", "networkConfiguration": NETWORK, **members}


def describe(shop: EcsAccount, arn: str) -> dict[str, Any]:
    described: dict[str, Any] = shop.ecs.describe_tasks(cluster="shop", tasks=[arn], include=["TAGS"])["tasks"][0]
    return described


def texts(task: dict[str, Any]) -> str:
    return " ".join([task.get("stoppedReason", ""), *(each.get("reason", "") for each in task["containers"])])


_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_STOP = sorted(
    name for name, ending in ENDINGS.items() if ending.moment not in ("request", "stuck", "unhealthy", "stopping")
)


@pytest.mark.parametrize("mode", _STOP)
def test_a_task_ends_as_ordered(shop: EcsAccount, mode: str) -> None:
    ending = ENDINGS[mode]
    shop.simulator.fail_next("web", mode)
    task = run(shop)
    assert (task["lastStatus"], task["desiredStatus"], task["stopCode"]) == ("STOPPED", "STOPPED", ending.code)
    assert _TEXTS.get(ending.cls, "") in texts(task)
    assert "{" not in texts(task)
    early = ending.moment in ("provisioning", "pending")
    assert Task.read(task).never_started is early
    codes = [each.get("exitCode") for each in task["containers"]]
    if ending.lost or early:
        assert set(codes) <= {None}
    elif ending.exit_code is not None:
        assert ending.exit_code in codes
    told = [event["detail"] for event in shop.of_type("ECS Task State Change")]
    assert [detail["version"] for detail in told] == list(range(1, len(told) + 1))
    assert told[-1]["lastStatus"] == "STOPPED"
    assert task["version"] == told[-1]["version"]


_FULL: dict[str, Any] = {
    "containerDefinitions": [
        {"name": "web", "image": IMAGE, "dependsOn": [{"containerName": "migrate", "condition": "SUCCESS"}]},
        {"name": "router", "image": IMAGE, "firelensConfiguration": {"type": "fluentbit"}},
        {"name": "envoy", "image": IMAGE},
        {"name": "migrate", "image": IMAGE, "essential": False},
    ],
    "requiresCompatibilities": ["FARGATE"],
    "networkMode": "awsvpc",
    "cpu": "256",
    "memory": "512",
    "proxyConfiguration": {"type": "APPMESH", "containerName": "envoy", "properties": []},
}


@pytest.mark.parametrize("mode", sorted({*_STOP} - {"exit-0"}))
def test_an_ending_is_diagnosed_as_what_it_is(shop: EcsAccount, mode: str) -> None:
    shop.ecs.register_task_definition(family="full", **_FULL)
    shop.simulator.fail_next("full", mode)
    task = run(shop, taskDefinition="full")
    definition = shop.ecs.describe_task_definition(taskDefinition="full")["taskDefinition"]
    assert diagnose(Task.read(task), definition=definition).cls == ENDINGS[mode].cls


@pytest.mark.parametrize("mode", ["capacity", "no-cpu", "constraint", "agent", "quota"])
def test_run_task_answers_what_it_refuses(shop: EcsAccount, mode: str) -> None:
    shop.simulator.fail_next("web", mode)
    answer = shop.ecs.run_task(cluster="shop", **order(count=2))
    assert [failure["reason"] for failure in answer["failures"]] == [ENDINGS[mode].reason]
    assert len(answer["tasks"]) == 1
    assert len(shop.of_type("ECS Task State Change")) == 1


@pytest.mark.parametrize(
    ("mode", "status"),
    [("W1", "PROVISIONING"), ("W2", "PENDING"), ("W3", "ACTIVATING")],
)
def test_a_stuck_task_stays_where_it_is(shop: EcsAccount, mode: str, status: str) -> None:
    shop.simulator.fail_next("web", mode)
    task = run(shop)
    assert (task["lastStatus"], task["desiredStatus"]) == (status, "RUNNING")
    shop.ecs.stop_task(cluster="shop", task=task["taskArn"])
    shop.run(10)
    assert describe(shop, task["taskArn"])["lastStatus"] == "STOPPED"


@pytest.mark.parametrize(("mode", "status"), [("W4", "STOPPING"), ("W5", "DEPROVISIONING")])
def test_a_task_can_be_stuck_on_its_way_out(shop: EcsAccount, mode: str, status: str) -> None:
    shop.simulator.fail_next("web", mode)
    task = run(shop)
    shop.ecs.stop_task(cluster="shop", task=task["taskArn"])
    shop.run(3600)
    assert (stuck := describe(shop, task["taskArn"]))["lastStatus"] == status
    assert stuck["desiredStatus"] == "STOPPED"


@pytest.mark.parametrize(("mode", "code"), [("killed-on-stop", 137), ("clean-on-stop", 0), ("exit-0", 143)])
def test_containers_answer_a_stop_in_their_way(shop: EcsAccount, mode: str, code: int) -> None:
    shop.simulator.fail_next("web", mode, after=9999)
    task = run(shop)
    shop.ecs.stop_task(cluster="shop", task=task["taskArn"], reason="by hand")
    shop.run(10)
    stopped = describe(shop, task["taskArn"])
    assert (stopped["stopCode"], stopped["containers"][0]["exitCode"]) == ("UserInitiated", code)


def test_spot_gives_notice(shop: EcsAccount) -> None:
    for mode, code in (("spot", "SpotInterruption"), ("spot-termination-notice", "TerminationNotice")):
        shop.simulator.fail_next("web", mode, after=10)
        shop.events.clear()
        arn = shop.ecs.run_task(cluster="shop", **order())["tasks"][0]["taskArn"]
        shop.run(30)
        notice = shop.of_type("ECS Task State Change")[-1]["detail"]
        assert (notice["lastStatus"], notice["desiredStatus"], notice["stopCode"]) == ("RUNNING", "STOPPED", code)
        assert "stoppedAt" not in notice
        assert "executionStoppedAt" not in notice
        shop.run(110)
        assert describe(shop, arn)["lastStatus"] == "STOPPED"


def test_an_unhealthy_task_of_nobody_runs_on(shop: EcsAccount) -> None:
    shop.register(container={"healthCheck": {"command": ["CMD", "true"]}})
    shop.simulator.fail_next("web", "unhealthy")
    task = run(shop)
    assert (task["lastStatus"], task["healthStatus"]) == ("RUNNING", "UNHEALTHY")
    assert len(shop.of_type("ECS Task State Change")) == 3


def test_placement_failures_show_no_containers(shop: EcsAccount) -> None:
    shop.simulator.fail_next("web", "placement-cpu")
    arn = shop.ecs.run_task(cluster="shop", **order())["tasks"][0]["taskArn"]
    shop.run(1700)
    assert describe(shop, arn)["lastStatus"] == "PROVISIONING"
    shop.run(200)
    task = describe(shop, arn)
    assert (task["lastStatus"], task["containers"]) == ("STOPPED", [])
    assert task["stoppedReason"] == "TaskFailedToStart: RESOURCE:CPU"


def test_enough_memory_spares_a_task(shop: EcsAccount) -> None:
    shop.simulator.fail("web", "oom", below_memory=1024)
    assert run(shop)["stopCode"] == "EssentialContainerExited"
    task = run(shop, overrides={"memory": "1024"})
    assert (task["lastStatus"], task["memory"], task["overrides"]["memory"]) == ("RUNNING", "1024", "1024")


def test_a_container_limit_counts_as_memory(shop: EcsAccount) -> None:
    shop.register(container={"memory": 256})
    shop.simulator.fail("web", "oom", below_memory=512)
    assert run(shop)["lastStatus"] == "STOPPED"
    raised = {"containerOverrides": [{"name": "web", "memory": 512}]}
    task = run(shop, overrides=raised)
    assert (task["lastStatus"], task["containers"][0]["memory"]) == ("RUNNING", "512")


def test_only_spot_is_reclaimed(shop: EcsAccount) -> None:
    providers = ["FARGATE", "FARGATE_SPOT"]
    shop.ecs.put_cluster_capacity_providers(
        cluster="shop", capacityProviders=providers, defaultCapacityProviderStrategy=[]
    )
    shop.simulator.fail("web", "spot", provider="FARGATE_SPOT")
    ended = {}
    for provider in providers:
        strategy = [{"capacityProvider": provider, "weight": 1}]
        request = {key: value for key, value in order().items() if key != "launchType"}
        arn = shop.ecs.run_task(cluster="shop", capacityProviderStrategy=strategy, **request)["tasks"][0]["taskArn"]
        shop.run(300)
        task = describe(shop, arn)
        ended[task["capacityProviderName"]] = task["lastStatus"]
    assert ended == {"FARGATE": "RUNNING", "FARGATE_SPOT": "STOPPED"}


def test_orders_are_used_up_in_turn_and_before_lasting_ones(shop: EcsAccount) -> None:
    shop.simulator.fail("web", "exit-3")
    shop.simulator.fail_next("web", "P4")
    shop.simulator.fail_next("web", "exit-0", 2)
    assert "toomanyrequests" in texts(run(shop))
    assert [run(shop)["containers"][0]["exitCode"] for _ in range(3)] == [0, 0, 3]
    shop.simulator.mend("web")
    assert run(shop)["lastStatus"] == "RUNNING"


@pytest.mark.parametrize("where", [IMAGE, A, "registry.example/web", "web", "web:1", "family:web", "*"])
def test_what_can_be_named(shop: EcsAccount, where: str) -> None:
    shop.simulator.fail(where, "exit-9")
    assert run(shop)["containers"][0]["exitCode"] == 9
    shop.simulator.mend(where)
    shop.simulator.fail("other", "exit-9")
    assert run(shop)["lastStatus"] == "RUNNING"


def test_one_subnet_can_be_the_bad_one(shop: EcsAccount) -> None:
    shop.simulator.fail("web", "eni-no-address", subnet="subnet-2")
    ended = {}
    for subnet in ("subnet-1", "subnet-2"):
        ended[subnet] = run(shop, networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}})
    assert [task["lastStatus"] for task in ended.values()] == ["RUNNING", "STOPPED"]
    assert "'subnet-2'" in texts(ended["subnet-2"])


def test_a_service_wants_its_digest_back(shop: EcsAccount) -> None:
    repository = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web"
    ecr = boto3.client("ecr", region_name=REGION)
    ecr.create_repository(repositoryName="web")
    pushed = [ecr.put_image(repositoryName="web", imageTag="prod", imageManifest=json.dumps(
        {"schemaVersion": 2, "mediaType": _MANIFEST, "config": {"size": size}, "layers": []}
    ))["image"]["imageId"]["imageDigest"] for size in (1, 2)]  # fmt: skip
    shop.register(container={"image": f"{repository}:prod"})
    shop.steady(desiredCount=1)
    running = shop.tasks()[0]["containers"][0]["imageDigest"]
    assert running in pushed
    ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageDigest": running}])
    shop.ecs.stop_task(cluster="shop", task=shop.tasks()[0]["taskArn"])
    shop.run(30)
    stopped = shop.tasks(desiredStatus="STOPPED")
    assert f"failed to resolve ref {repository}@{running}" in " ".join(texts(task) for task in stopped)


def test_a_service_that_crashes_later_loops_for_ever(shop: EcsAccount) -> None:
    shop.simulator.fail("web", "crash", after=60)
    shop.create(desiredCount=1)
    shop.run(1200)
    ended = shop.tasks(desiredStatus="STOPPED")
    assert len(ended) > 10
    assert {(task["stopCode"], "startedAt" in task) for task in ended} == {("EssentialContainerExited", True)}
    assert shop.statuses() == ["SUCCESSFUL"]


def test_a_running_task_is_ended_by_hand(shop: EcsAccount) -> None:
    arn = shop.ecs.run_task(cluster="shop", **order())["tasks"][0]["taskArn"]
    shop.run(60)
    shop.simulator.end(arn, "I3")
    shop.run(5)
    task = describe(shop, arn)
    assert (task["stopCode"], "exitCode" in task["containers"][0]) == ("InfrastructureHealth", False)
    with pytest.raises(KeyError):
        shop.simulator.end(arn.replace("shop", "none"), "I3")


def test_sidecars_are_to_blame(shop: EcsAccount) -> None:
    shop.ecs.register_task_definition(family="full", **_FULL)
    blamed = {}
    for mode in ("X1", "X2", "X3", "dependency"):
        shop.simulator.fail_next("full", mode)
        task = run(shop, taskDefinition="full")
        code = ending_of(mode).exit_code
        blamed[mode] = next(each["name"] for each in task["containers"] if each.get("exitCode") == code)
    assert blamed.pop("X3").startswith("ecs-service-connect-")
    assert blamed == {"X1": "router", "X2": "envoy", "dependency": "migrate"}


def test_on_instances_the_agent_tells_it_by_the_container(shop: EcsAccount) -> None:
    shop.ecs.register_task_definition(
        family="host", containerDefinitions=[{"name": "web", "image": IMAGE, "memory": 128}]
    )
    shop.simulator.hosts.add("123456789012", "eu-west-1", "shop")
    shop.simulator.fail_next("host", "P1")
    arn = shop.ecs.run_task(cluster="shop", taskDefinition="host", launchType="EC2")["tasks"][0]["taskArn"]
    shop.run(60)
    task = describe(shop, arn)
    assert task["stoppedReason"] == "Task failed to start"
    assert task["containers"][0]["reason"].startswith("CannotPullContainerError")


def test_unknown_modes_are_refused() -> None:
    for mode in ("explode", "exit-256", "exit-", "P9"):
        with pytest.raises(UnknownFailureModeError, match="mode must be one of"):
            ending_of(mode)
    assert {ending_of(cls).cls for cls in ("S1", "P2", "G4", "M1")} == {"S2", "P2", "G4", "M1"}
