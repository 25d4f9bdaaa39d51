"""What every platform must do alike: the same cases, one column for each adapter (design 6.1, issue: contract suite)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from longshore_local.images import multi_platform, single
from tests.functional.people_clusters import People
from tests.functional.people_code_deploy import CodeDeployed
from tests.functional.people_daemons import Daemons
from tests.functional.people_express import Express
from tests.functional.people_functions import Functions
from tests.functional.people_schedules import Scheduled
from tests.functional.people_services import Services
from tests.functional.stage import BREAKER, Stage, uri

ROLLING = ["Deployment Started", "Deployment Succeeded"]


class Runner(Protocol):
    """One workload on a platform, for linux/amd64."""

    def create(self, image: str, policy: str | None) -> None:
        """A steady workload of one container; what led there is forgotten."""
        ...

    def running(self) -> str:
        """The digest that runs."""
        ...

    def deploy(self, image: str) -> None:
        """A person deploys an image."""
        ...

    def fail(self, digest: str) -> None:
        """Nothing can run this image."""
        ...

    def throttle(self) -> None:
        """The next call that changes it is refused for being one too many."""
        ...

    def deployments(self) -> int:
        """How often Longshore changed it."""
        ...


class Service:
    """An ECS service, whose circuit breaker leaves the way back to Longshore."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def create(self, image: str, policy: str | None) -> None:
        runtime = {"runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}}
        definition = self._stage.register("web", uri(image), **runtime)
        breaker = {**BREAKER["deploymentCircuitBreaker"], "rollback": False}
        self._stage.service(
            policy=policy, definition=definition, deploymentConfiguration={"deploymentCircuitBreaker": breaker}
        )

    def running(self) -> str:
        return self._stage.running()

    def deploy(self, image: str) -> None:
        self._stage.update(taskDefinition=self._stage.register("web", uri(image)))

    def fail(self, digest: str) -> None:
        self._stage.bundle.ecs.fail(digest, "exit-1")

    def throttle(self) -> None:
        self._stage.faults.add("ecs", "UpdateService", "ThrottlingException")

    def deployments(self) -> int:
        return sum(call.operation == "UpdateService" and not call.error for call in self._stage.writes())


class Daemon:
    """A daemon, whose circuit breaker takes a failed image back."""

    rolls_back = True

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._daemons = Daemons(stage)

    def create(self, image: str, policy: str | None) -> None:
        self._daemons.create(image=image, policy=policy)

    def running(self) -> str:
        return self._daemons.running()

    def deploy(self, image: str) -> None:
        self._daemons.update(image)

    def fail(self, digest: str) -> None:
        self._stage.bundle.ecs.fail(digest, "exit-1")

    def throttle(self) -> None:
        self._stage.faults.add("ecs", "UpdateDaemon", "ThrottlingException")

    def deployments(self) -> int:
        return len(self._daemons.writes())


class ExpressService:
    """An Express Mode service, whose failed canary ECS itself takes back."""

    rolls_back = True

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._express = Express(stage)

    def create(self, image: str, policy: str | None) -> None:
        self._express.create(image=image, policy=policy)

    def running(self) -> str:
        return self._stage.running()

    def deploy(self, image: str) -> None:
        self._express.update(image)

    def fail(self, digest: str) -> None:
        self._stage.bundle.ecs.fail(digest, "exit-1")

    def throttle(self) -> None:
        for operation in ("UpdateService", "UpdateExpressGatewayService"):
            self._stage.faults.add("ecs", operation, "ThrottlingException")

    def deployments(self) -> int:
        return len(self._express.writes())


class Function:
    """A function whose callers use the unpublished version."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._functions = Functions(stage)

    def create(self, image: str, policy: str | None) -> None:
        self._functions.create(image=image, policy=policy, Architectures=["x86_64"])

    def running(self) -> str:
        return self._functions.running()

    def deploy(self, image: str) -> None:
        self._functions.update(image)

    def fail(self, digest: str) -> None:
        self._stage.bundle.lambdas.fail(digest)

    def throttle(self) -> None:
        self._stage.faults.add("lambda", "UpdateFunctionCode", "TooManyRequestsException")

    def deployments(self) -> int:
        return self._functions.writes().count("UpdateFunctionCode")


class Pods:
    """A Deployment in an EKS cluster."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._people = People(stage)

    def create(self, image: str, policy: str | None) -> None:
        self._people.apply(image=image, policy=policy)

    def running(self) -> str:
        return self._people.running()

    def deploy(self, image: str) -> None:
        self._people.edit(image=image)

    def fail(self, digest: str) -> None:
        self._people.cluster.kubelet.failing.add(digest)

    def throttle(self) -> None:
        faults = [429]

        def fault(method: str, path: str) -> tuple[int, dict[str, str]] | None:
            return (faults.pop(), {"Retry-After": "5"}) if faults and method == "PATCH" else None

        self._people.cluster.server.fault = fault

    def deployments(self) -> int:
        return len(self._people.writes())


class Application:
    """An App Runner service."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._services = Services(stage)

    def create(self, image: str, policy: str | None) -> None:
        self._services.create(image=image, policy=policy)

    def running(self) -> str:
        return self._services.running()

    def deploy(self, image: str) -> None:
        self._services.update(image)

    def fail(self, digest: str) -> None:
        self._stage.bundle.app_runner.fail(digest, rolls_back=False)

    def throttle(self) -> None:
        for operation in ("StartDeployment", "UpdateService"):
            self._stage.faults.add("apprunner", operation, "ThrottlingException")

    def deployments(self) -> int:
        return len(self._services.writes())


class Rule:
    """An EventBridge rule, whose task runs every five minutes; as Longshore leaves it that writes digests."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._people = Scheduled(stage)

    def create(self, image: str, policy: str | None) -> None:
        self._people.rule(self._people.written(image), policy)

    def running(self) -> str:
        return self._people.running(self._people.rule_target()["EcsParameters"]["TaskDefinitionArn"])

    def deploy(self, image: str) -> None:
        self._people.events.put_targets(Rule="nightly", Targets=[self._people.target(self._people.written(image))])

    def fail(self, digest: str) -> None:
        self._people.fail(digest)

    def throttle(self) -> None:
        self._stage.faults.add("events", "PutTargets", "ThrottlingException")

    def deployments(self) -> int:
        return len(self._people.moved())


class Schedule(Rule):
    """The same, started by EventBridge Scheduler."""

    def create(self, image: str, policy: str | None) -> None:
        self._people.schedule(self._people.written(image), policy)

    def running(self) -> str:
        return self._people.running(self._people.scheduled_target()["EcsParameters"]["TaskDefinitionArn"])

    def deploy(self, image: str) -> None:
        found = self._people.scheduler.get_schedule(Name="nightly", GroupName="jobs")
        kept = {key: found[key] for key in ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow")}
        parameters = {**found["Target"]["EcsParameters"], "TaskDefinitionArn": self._people.written(image)}
        self._people.scheduler.update_schedule(**kept, Target={**found["Target"], "EcsParameters": parameters})

    def throttle(self) -> None:
        self._stage.faults.add("scheduler", "UpdateSchedule", "ThrottlingException")


class Shifted:
    """An ECS service that CodeDeploy rolls out. What fails there fails after the traffic moved, and cannot go back."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._people = CodeDeployed(stage)

    def create(self, image: str, policy: str | None) -> None:
        system = {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}
        self._people.create(image, policy, runtimePlatform=system)

    def running(self) -> str:
        return self._people.running()

    def deploy(self, image: str) -> None:
        self._people.deploy(image)

    def fail(self, digest: str) -> None:
        self._stage.bundle.code_deploy.fail(digest, "AfterAllowTraffic")
        self._stage.bundle.code_deploy.broken_rollbacks = True

    def throttle(self) -> None:
        self._stage.faults.add("codedeploy", "CreateDeployment", "ThrottlingException")

    def deployments(self) -> int:
        return self._people.writes().count("CreateDeployment")


PLATFORMS: dict[str, Callable[[Stage], Runner]] = {
    "app-runner": Application,
    "code-deploy": Shifted,
    "ecs": Service,
    "daemon": Daemon,
    "express": ExpressService,
    "eks": Pods,
    "lambda": Function,
    "rule": Rule,
    "schedule": Schedule,
}


@pytest.fixture(params=sorted(PLATFORMS))
def runner(request: pytest.FixtureRequest, stage: Stage) -> Runner:
    stage.push("prod", "one")
    return PLATFORMS[request.param](stage)


def quiet(stage: Stage) -> None:
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_it_follows(stage: Stage, runner: Runner) -> None:
    runner.create("web:prod", "profile:steady")
    second = stage.push("prod", "two")
    stage.run(minutes=20)
    assert (runner.running(), stage.told(), runner.deployments()) == (second, ROLLING, 1)
    quiet(stage)


def test_it_ignores_what_did_not_opt_in(stage: Stage, runner: Runner) -> None:
    runner.create("web:prod", None)
    first = runner.running()
    stage.push("prod", "two")
    stage.run(minutes=90)
    assert (runner.running(), stage.told(), runner.deployments()) == (first, [], 0)


def test_it_ignores_another_repository_and_another_tag(stage: Stage, runner: Runner) -> None:
    runner.create("web:prod", "profile:steady")
    first = runner.running()
    stage.push("prod", "two", repository="api")
    stage.push("other", "two")
    stage.run(minutes=20)
    assert (runner.running(), stage.told(), runner.deployments()) == (first, [], 0)


def test_it_is_never_downgraded(stage: Stage, runner: Runner) -> None:
    stage.push("1.4.2", "one")
    runner.create("web:1.4.2", "profile:versions")
    newer = stage.push("1.5.0", "two")
    stage.run(minutes=20)
    assert runner.running() == newer
    stage.push("1.4.3", "three")
    stage.run(minutes=20)
    assert (runner.running(), runner.deployments()) == (newer, 1)
    assert "downgrade" in stage.reasons()


def test_the_same_content_is_no_deployment(stage: Stage, runner: Runner) -> None:
    stage.push("prod", single("two"))
    runner.create("web:prod", "profile:steady")
    first = runner.running()
    stage.push("prod", multi_platform("two", attestations=True))
    stage.run(minutes=20)
    assert (runner.running(), stage.told(), runner.deployments()) == (first, [], 0)
    assert "same-content" in stage.reasons()


def test_an_image_without_the_platform_is_held(stage: Stage, runner: Runner) -> None:
    runner.create("web:prod", "profile:steady")
    first = runner.running()
    stage.push("prod", multi_platform("two", ["linux/arm64"]))
    stage.run(minutes=20)
    assert (runner.running(), stage.told(), runner.deployments()) == (first, ["Deployment Held"], 0)
    assert stage.events()[0]["reason"] == "platform"
    whole = multi_platform("two")
    stage.push("prod", whole)
    stage.run(minutes=20)
    assert runner.running() in (whole.digest, whole.children[0].digest)


def test_a_failed_deployment_goes_back_to_the_last_verified_digest(stage: Stage, runner: Runner) -> None:
    runner.create("web:prod", "profile:steady")
    verified = stage.push("prod", "two")
    stage.run(minutes=20)
    bad = stage.push("prod", "three")
    runner.fail(bad)
    stage.run(minutes=60)
    assert runner.running() == verified
    back = ["Deployment Rolled Back"] if getattr(runner, "rolls_back", False) else ["Deployment Failed", *ROLLING]
    told = [*ROLLING, "Deployment Started", *back]
    assert stage.told()[: len(told)] == told
    assert set(stage.told()[len(told) :]) <= {"Deployment Held"}  # a sweep says once why the tag is not followed
    before = runner.deployments()
    stage.push("prod", "three")
    stage.run(minutes=90)
    assert (runner.running(), runner.deployments()) == (verified, before)
    quiet(stage)


def test_a_version_that_failed_is_not_taken_for_the_current_one(stage: Stage, runner: Runner) -> None:
    stage.push("1.4.2", "one")
    runner.create("web:1.4.2", "profile:versions")
    verified = stage.push("1.5.0", "two")
    stage.run(minutes=20)
    bad = stage.push("1.6.0", "three")
    runner.fail(bad)
    stage.run(minutes=90)
    assert runner.running() == verified
    for started in (each for each in stage.events("Deployment Started") if each["rollback"]):
        assert [change["tag"] for change in started["changes"]] == ["1.5.0"]
    assert {each["reason"] for each in stage.events("Deployment Held")} <= {"quarantined"}
    newer = stage.push("1.6.1", "four")
    stage.run(minutes=20)
    assert runner.running() == newer


def test_somebody_elses_way_back_is_respected(stage: Stage, runner: Runner) -> None:
    first = stage.push("old", "one")
    runner.create("web:prod", "profile:steady")
    stage.push("prod", "two")
    stage.run(minutes=20)
    runner.deploy("web:old")
    stage.run(minutes=90)
    assert (runner.running(), stage.told()) == (first, [*ROLLING, "Hold Set"])
    stage.push("prod", "three")
    stage.run(minutes=20)
    assert (runner.running(), runner.deployments()) == (first, 1)
    assert "held" in stage.reasons()


def test_a_throttled_call_is_made_again(stage: Stage, runner: Runner) -> None:
    runner.create("web:prod", "profile:steady")
    runner.throttle()
    second = stage.push("prod", "two")
    stage.run(minutes=60)
    assert (runner.running(), stage.told(), stage.dead_letters()) == (second, ROLLING, 0)


def test_somebody_elses_newer_image_between_two_tries_is_respected(stage: Stage, runner: Runner) -> None:
    stage.push("1.4.2", "one")
    newer = stage.push("2.0.0", "newer")
    runner.create("web:1.4.2", "profile:versions")
    runner.throttle()
    stage.push("1.5.0", "two")
    stage.run(minutes=10, until=lambda: bool(stage.failures()))
    stage.run(minutes=0.2)
    runner.deploy("web:2.0.0")
    stage.run(minutes=90)
    assert (runner.running(), "Deployment Succeeded" in stage.told(), stage.dead_letters()) == (newer, False, 0)
    assert stage.reasons()[-1] == "downgrade"


def test_a_push_that_is_told_again_and_again_is_followed_once(stage: Stage, runner: Runner) -> None:
    runner.create("web:prod", "profile:steady")
    second = stage.push("prod", "two")
    for _ in range(3):
        stage.emit("aws.ecr", "ECR Image Action", stage.moved(second, "prod"))
        stage.run(minutes=3)
    stage.run(minutes=20)
    assert (runner.running(), stage.told(), runner.deployments()) == (second, ROLLING, 1)
    quiet(stage)
