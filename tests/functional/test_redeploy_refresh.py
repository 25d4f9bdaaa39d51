"""A tag that is pushed again: every kind of service that opted in follows it, by a forced deployment alone."""

from __future__ import annotations

from typing import Any

import pytest
from moto.ecs.models import ecs_backends

from tests.functional.stage import ACCOUNT, BREAKER, CLUSTER, REGION, Stage, uri

ROLLING = ["Deployment Started", "Deployment Succeeded"]

LAUNCHES: dict[str, dict[str, Any]] = {
    "FARGATE": {"launchType": "FARGATE"},
    "EC2": {"launchType": "EC2"},
    "EXTERNAL": {"launchType": "EXTERNAL"},
    "MANAGED_INSTANCES": {
        "launchType": None,
        "capacityProviderStrategy": [{"capacityProvider": "managed", "weight": 1, "base": 0}],
    },
    "FARGATE_SPOT": {
        "launchType": None,
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
    },
}
STRATEGIES: dict[str, dict[str, Any]] = {
    "ROLLING": {},
    "BLUE_GREEN": {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5},
    "LINEAR": {
        "strategy": "LINEAR",
        "linearConfiguration": {"stepPercent": 50.0, "stepBakeTimeInMinutes": 1},
        "bakeTimeInMinutes": 1,
    },
    "CANARY": {
        "strategy": "CANARY",
        "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 2},
        "bakeTimeInMinutes": 1,
    },
}
OWN = ("deploymentConfiguration", "launchType", "capacityProviderStrategy", "taskDefinition", "desiredCount", "tags")


def launched(stage: Stage, kind: str, strategy: str = "ROLLING") -> None:
    """A service of this kind, whose task definition suits it."""
    members: dict[str, Any] = {"deploymentConfiguration": BREAKER | STRATEGIES[strategy], **LAUNCHES[kind]}
    compatibility = "FARGATE" if kind.startswith("FARGATE") else kind
    family: dict[str, Any] = {"requiresCompatibilities": [compatibility]}
    if kind == "EXTERNAL":
        family["networkMode"] = "bridge"
        members["networkConfiguration"] = None
    definition = stage.register("web", uri("web:prod"), **family)
    stage.service(definition=definition, **members)


def follows(stage: Stage) -> None:
    """Asserts that a push is followed, and that nothing but the deployment is new."""
    before = stage.described()
    digest = stage.push("prod", "two")
    stage.run(minutes=30)
    after = stage.described()
    assert stage.running() == digest
    assert stage.told() == ROLLING
    assert {key: after.get(key) for key in OWN} == {key: before.get(key) for key in OWN}
    assert [call.params for call in stage.writes()] == [
        {"cluster": CLUSTER, "service": "web", "forceNewDeployment": True}
    ]
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


@pytest.mark.parametrize("kind", LAUNCHES)
def test_every_launch_type_follows(stage: Stage, kind: str) -> None:
    stage.push("prod", "one")
    launched(stage, kind)
    follows(stage)


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "LINEAR", "CANARY"])
def test_every_strategy_follows_and_stays_the_services_own(stage: Stage, strategy: str) -> None:
    stage.push("prod", "one")
    launched(stage, "FARGATE", strategy)
    follows(stage)


def test_what_is_told_says_what_changed_and_why(stage: Stage) -> None:
    first = stage.push("prod", "one")
    arn = stage.service()
    second = stage.push("prod", "two")
    stage.run(minutes=30)
    started, succeeded = stage.events()
    image = uri("web:prod")
    change = {"container": "app", "tag": "prod", "digest": second, "image": image, "previous": first}
    for detail in (started, succeeded):
        assert (detail["workload"], detail["action"], detail["decision"]) == (arn, "refresh", "moved")
        assert (detail["changes"], detail["rollback"]) == ([change], False)
    assert succeeded["reason"] == "verified"
    assert started["correlation"] == succeeded["correlation"]


def test_success_is_told_only_after_the_soak(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    stage.push("prod", "two")
    stage.until_told("Deployment Started")
    assert stage.run(minutes=5, until=lambda: stage.described()["deployments"][0]["rolloutState"] == "COMPLETED")
    completed = stage.bundle.timeline.now()
    stage.until_told("Deployment Succeeded")
    assert (stage.bundle.timeline.now() - completed).total_seconds() >= 60


def test_one_push_reaches_every_service_that_follows_and_no_other(stage: Stage) -> None:
    first = stage.push("prod", "one")
    other = stage.push("prod", "one, another repository", repository="api")
    stage.service("web")
    stage.service("worker")
    stage.service("api", "api:prod")
    second = stage.push("prod", "two")
    stage.run(minutes=30)
    assert {name: stage.running(name) for name in ("web", "worker", "api")} == {
        "web": second,
        "worker": second,
        "api": other,
    }
    assert (stage.deployments("web"), stage.deployments("worker"), stage.deployments("api")) == (2, 2, 1)
    assert first != second


@pytest.mark.parametrize("policy", [None, "pin"])
def test_who_did_not_opt_in_or_pinned_is_never_touched(stage: Stage, policy: str | None) -> None:
    first = stage.push("prod", "one")
    stage.service(policy=policy)
    stage.push("prod", "two")
    stage.run(minutes=150)  # sweeps too
    assert stage.running() == first
    stage.untouched()


def held(stage: Stage, reason: str) -> None:
    """Asserts that a push is told as held, once, and that nothing is touched."""
    stage.push("prod", "two")
    stage.run(minutes=150)
    assert stage.writes() == []
    assert stage.told() == ["Deployment Held"]
    assert stage.events()[0]["reason"] == reason
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_a_service_of_codedeploy_is_held_and_not_touched(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(deploymentController={"type": "CODE_DEPLOY"}, deploymentConfiguration=None)
    held(stage, "controller-code-deploy")


def test_a_service_of_an_external_controller_is_held_and_not_touched(stage: Stage) -> None:
    """Such a service has no task definition of its own; its task sets have."""
    stage.push("prod", "one")
    arn = stage.register("web", uri("web:prod"))
    external = {"type": "EXTERNAL"}
    stage.ecs.create_service(cluster=CLUSTER, serviceName="web", desiredCount=2, deploymentController=external)
    task_set: Any = {"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": arn, "launchType": "FARGATE"}
    ecs_backends[ACCOUNT][REGION].services[f"{CLUSTER}:web"].task_sets = [task_set]
    service = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/web"
    stage.ecs.tag_resource(resourceArn=service, tags=[{"key": "longshore:policy", "value": "digest"}])
    stage.run(minutes=3)
    stage.forget()
    held(stage, "controller-external")
    assert "controller ECS" in stage.events()[0]["why"]  # what would help


def test_another_tag_of_the_repository_is_nobodys_business(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    stage.push("staging", "two")
    stage.run(minutes=30)
    stage.untouched()


def test_a_service_scaled_to_zero_is_left_to_itself(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(desiredCount=0)
    stage.push("prod", "two")
    stage.run(minutes=30)
    stage.untouched()
    assert "not-running" in stage.reasons("/web")
