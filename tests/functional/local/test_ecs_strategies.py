"""Blue/green, linear and canary deployments of the simulated ECS, and their hooks."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.local.ecs_account import REGION, A, B, EcsAccount, opened

GATE = {"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]}
FUNCTION = f"arn:aws:lambda:{REGION}:123456789012:function:check"


@pytest.fixture
def shop() -> Iterator[EcsAccount]:
    with opened() as account:
        yield account


def deploy(shop: EcsAccount, **configuration: Any) -> None:
    """A second deployment, of the digest B, with this configuration."""
    shop.steady()
    shop.push(B)
    shop.update(forceNewDeployment=True, deploymentConfiguration=configuration)
    shop.run(7)


def test_blue_green_keeps_both_until_the_bake_time_is_over(shop: EcsAccount) -> None:
    deploy(shop, strategy="BLUE_GREEN", bakeTimeInMinutes=10)
    deployment = shop.deployment()
    assert (deployment["status"], deployment["lifecycleStage"]) == ("IN_PROGRESS", "BAKE_TIME")
    assert deployment["targetServiceRevision"]["requestedProductionTrafficWeight"] == 100.0
    assert [entry["runningCount"] for entry in shop.service()["deployments"]] == [2, 2]
    shop.run(9 * 60)
    assert shop.statuses()[0] == "IN_PROGRESS"
    shop.run(70)
    assert (shop.statuses()[0], shop.running_digests(), len(shop.tasks())) == ("SUCCESSFUL", [B], 2)


def test_linear_traffic_moves_step_by_step(shop: EcsAccount) -> None:
    linear = {"stepPercent": 30.0, "stepBakeTimeInMinutes": 2}
    deploy(shop, strategy="LINEAR", linearConfiguration=linear)
    weights = []
    for _ in range(4):
        deployment = shop.deployment()
        weights.append(deployment["targetServiceRevision"]["requestedProductionTrafficWeight"])
        shop.run(120)
    assert weights == [30.0, 60.0, 90.0, 100.0]
    assert shop.statuses()[0] == "SUCCESSFUL"


def test_a_canary_gets_its_share_first(shop: EcsAccount) -> None:
    deploy(shop, strategy="CANARY", canaryConfiguration={"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10})
    deployment = shop.deployment()
    assert deployment["lifecycleStage"] == "PRODUCTION_TRAFFIC_SHIFT"
    assert deployment["targetServiceRevision"]["requestedProductionTrafficWeight"] == 5.0
    assert deployment["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 95.0
    shop.run(11 * 60)
    assert shop.statuses()[0] == "SUCCESSFUL"


def test_a_stopped_blue_green_deployment_goes_back_to_blue(shop: EcsAccount) -> None:
    deploy(shop, strategy="BLUE_GREEN", bakeTimeInMinutes=10)
    blue = {task["taskArn"] for task in shop.tasks() if task["containers"][0]["imageDigest"] == A}
    shop.ecs.stop_service_deployment(serviceDeploymentArn=shop.deployment()["serviceDeploymentArn"])
    shop.run(30)
    assert shop.statuses()[0] == "ROLLBACK_SUCCESSFUL"
    assert {task["taskArn"] for task in shop.tasks()} == blue


def test_a_pause_waits_for_an_answer(shop: EcsAccount) -> None:
    deploy(shop, strategy="BLUE_GREEN", bakeTimeInMinutes=0, lifecycleHooks=[GATE])
    shop.run(3600)
    deployment = shop.deployment()
    (hook,) = deployment["lifecycleHookDetails"]
    assert (deployment["lifecycleStage"], hook["status"]) == ("POST_SCALE_UP", "AWAITING_ACTION")
    assert (hook["targetType"], hook["timeoutAction"]) == ("PAUSE", "ROLLBACK")
    arn = deployment["serviceDeploymentArn"]
    code, _ = shop.error("continue_service_deployment", serviceDeploymentArn=arn, hookId="other", action="CONTINUE")
    assert code == "InvalidParameterException"
    shop.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=hook["hookId"], action="CONTINUE")
    shop.run(30)
    assert shop.deployment()["lifecycleHookDetails"][0]["status"] == "SUCCEEDED"
    assert (shop.statuses()[0], shop.running_digests()) == ("SUCCESSFUL", [B])


def test_a_pause_can_be_answered_with_a_rollback(shop: EcsAccount) -> None:
    deploy(shop, strategy="BLUE_GREEN", lifecycleHooks=[GATE])
    deployment = shop.deployment()
    shop.ecs.continue_service_deployment(
        serviceDeploymentArn=deployment["serviceDeploymentArn"],
        hookId=deployment["lifecycleHookDetails"][0]["hookId"],
        action="ROLLBACK",
    )
    shop.run(30)
    assert (shop.statuses()[0], shop.running_digests()) == ("ROLLBACK_SUCCESSFUL", [A])


@pytest.mark.parametrize(("action", "status"), [("ROLLBACK", "ROLLBACK_SUCCESSFUL"), ("CONTINUE", "SUCCESSFUL")])
def test_a_pause_that_nobody_answers_times_out(shop: EcsAccount, action: str, status: str) -> None:
    hook = GATE | {"timeoutConfiguration": {"timeoutInMinutes": 5, "action": action}}
    deploy(shop, strategy="BLUE_GREEN", lifecycleHooks=[hook])
    shop.run(4 * 60)
    assert shop.statuses()[0] == "IN_PROGRESS"
    shop.run(120)
    assert shop.statuses()[0] == status
    assert shop.deployment()["lifecycleHookDetails"][0]["status"] == "TIMED_OUT"


def test_a_hook_before_the_tasks_holds_them_back(shop: EcsAccount) -> None:
    gate = GATE | {"lifecycleStages": ["PRE_SCALE_UP"]}
    deploy(shop, strategy="BLUE_GREEN", lifecycleHooks=[gate])
    assert [entry["pendingCount"] + entry["runningCount"] for entry in shop.service()["deployments"]] == [0, 2]


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([{"hookStatus": "SUCCEEDED"}], "SUCCESSFUL"),
        (
            [{"hookStatus": "IN_PROGRESS", "callBackDelay": 60, "hookDetails": {"n": 1}}, {"hookStatus": "SUCCEEDED"}],
            "SUCCESSFUL",
        ),
        ([{"hookStatus": "FAILED"}], "ROLLBACK_SUCCESSFUL"),
        (["nonsense"], "ROLLBACK_SUCCESSFUL"),
    ],
)
def test_a_function_decides_a_hook(shop: EcsAccount, answers: list[Any], status: str) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def invoke(function: str, event: dict[str, Any]) -> Any:
        asked.append((function, event))
        return answers[len(asked) - 1]

    shop.simulator.invoke_hooks_with(invoke)
    hook = {
        "hookTargetArn": FUNCTION,
        "roleArn": "arn:aws:iam::123456789012:role/hook",
        "lifecycleStages": ["POST_SCALE_UP"],
    }
    deploy(shop, strategy="BLUE_GREEN", lifecycleHooks=[hook])
    shop.run(120)
    assert shop.statuses()[0] == status
    assert (len(asked), asked[0][0]) == (len(answers), FUNCTION)
    assert asked[0][1]["lifecycleStage"] == "POST_SCALE_UP"
    assert asked[0][1]["resourceArn"] == shop.deployment()["serviceDeploymentArn"]
    assert asked[-1][1].get("hookDetails") == (answers[0]["hookDetails"] if len(answers) > 1 else None)


def test_a_function_that_raises_or_is_not_there_turns_the_deployment_back(shop: EcsAccount) -> None:
    hook = {
        "hookTargetArn": FUNCTION,
        "roleArn": "arn:aws:iam::123456789012:role/hook",
        "lifecycleStages": ["PRE_SCALE_UP"],
    }
    deploy(shop, strategy="BLUE_GREEN", lifecycleHooks=[hook])
    shop.run(30)
    assert shop.statuses()[0] == "ROLLBACK_SUCCESSFUL"

    def refuse(function: str, event: dict[str, Any]) -> Any:
        raise RuntimeError(function)

    shop.simulator.invoke_hooks_with(refuse)
    shop.update(forceNewDeployment=True)
    shop.run(30)
    assert shop.statuses()[0] == "ROLLBACK_SUCCESSFUL"


def test_a_hook_of_a_stopped_deployment_waits_no_more(shop: EcsAccount) -> None:
    deploy(shop, strategy="BLUE_GREEN", lifecycleHooks=[GATE])
    shop.update(forceNewDeployment=True, deploymentConfiguration={"lifecycleHooks": []})
    shop.run(60)
    assert shop.statuses()[:2] == ["SUCCESSFUL", "STOPPED"]
    assert shop.deployment(index=1)["lifecycleHookDetails"][0]["status"] == "FAILED"
