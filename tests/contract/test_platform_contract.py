"""The platform of redeploy: one suite, run on the fake and on the ECS adapter over the bundle's simulator (redeploy 8.8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from longshore.aws.platforms import ecs_adapter
from longshore.errors import ConflictError, GoneError
from longshore.workloads import Action, Change, Observation, Plan, RolloutStatus
from longshore_local import moto_ecs
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, mocked
from tests.fake_platform import HOST, WEB, FakePlatform, FakeRegistry, digest, image
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from longshore.redeploy.ports import Discovery, Platform

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
NOBODY = "arn:aws:ecs:eu-west-1:123456789012:service/shop/nobody"
SIDECAR = "public.ecr.aws/envoy/envoy:v1"


class Driver(Protocol):
    """A platform, and what happens beside Longshore."""

    @property
    def platform(self) -> Platform: ...

    @property
    def discovery(self) -> Discovery: ...

    def now(self) -> datetime: ...

    def push(self, tag: str, pushed: str) -> None: ...

    def create(self, name: str, **tags: str) -> str:
        """A steady service of two tasks, with a breaker that rolls back."""
        ...

    def finish(self, arn: str) -> None:
        """The deployment that runs comes to its end, as its image wants it."""
        ...

    def break_image(self, pushed: str, *, hangs: bool = False) -> None: ...

    def deploy(self, arn: str, declared: str) -> None:
        """Somebody else deploys."""
        ...


class Fake:
    """The fake, which ends a deployment by its digest."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self._registry = FakeRegistry(self._clock)
        self._fake = FakePlatform(self._clock, self._registry)
        self.platform, self.discovery = self._fake, self._fake
        self._bad: set[str] = set()

    def now(self) -> datetime:
        return self._clock.now()

    def push(self, tag: str, pushed: str) -> None:
        self._registry.push(WEB, tag, pushed)

    def create(self, name: str, **tags: str) -> str:
        arn = self._fake.create(name, {"app": image(WEB, "prod"), "envoy": SIDECAR}, tags)
        self._clock.advance(600)
        return arn

    def finish(self, arn: str) -> None:
        self._clock.advance(600)
        rollout = self._fake.rollout(arn, str(self._fake.observe(arn).rollout))
        if rollout.status is RolloutStatus.ROLLING_BACK or rollout.digests["app"] in self._bad:
            self._fake.roll_back(arn)
        else:
            self._fake.succeed(arn)

    def break_image(self, pushed: str, *, hangs: bool = False) -> None:
        self._bad.add(pushed)

    def deploy(self, arn: str, declared: str) -> None:
        self._fake.deploy(arn, app=declared)


class Ecs:
    """The adapter on the simulator."""

    def __init__(self) -> None:
        self._timeline = VirtualTimeline()
        self._tags: dict[str, str] = {}
        self.simulator = moto_ecs.install(self._timeline, lambda event: None, image_resolver=self._resolve)
        self._ecs = client("ecs")
        self._ecs.create_cluster(clusterName="shop")
        clients = {"ecs": self._ecs, "resourcegroupstaggingapi": client("resourcegroupstaggingapi")}
        services = ecs_adapter(clients.__getitem__, self._timeline)
        self.platform, self.discovery = services, services

    def _resolve(self, declared: str, account: str, region: str) -> str | None:
        if declared == SIDECAR:
            return digest(SIDECAR)
        _, _, pinned = declared.partition("@")
        return pinned or self._tags.get(declared.removeprefix(f"{HOST}/{WEB.name}:"))

    def now(self) -> datetime:
        return self._timeline.now()

    def push(self, tag: str, pushed: str) -> None:
        self._tags[tag] = pushed

    def create(self, name: str, **tags: str) -> str:
        containers = [{"name": "app", "image": image(WEB, "prod")}, {"name": "envoy", "image": SIDECAR}]
        self._ecs.register_task_definition(
            family=name,
            containerDefinitions=containers,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            taskRoleArn="arn:aws:iam::123456789012:role/task",
            runtimePlatform={"cpuArchitecture": "ARM64"},
            tags=[{"key": "team", "value": "web"}],
        )
        service = self._ecs.create_service(
            cluster="shop",
            serviceName=name,
            taskDefinition=name,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )["service"]
        self._run(600)
        return str(service["serviceArn"])

    def _run(self, seconds: float) -> None:
        self._timeline.advance_to(self._timeline.now() + timedelta(seconds=seconds))

    def finish(self, arn: str) -> None:
        self._run(1800)

    def break_image(self, pushed: str, *, hangs: bool = False) -> None:
        self.simulator.fail(pushed, "hang" if hangs else "exit-1")

    def deploy(self, arn: str, declared: str) -> None:
        name = arn.rpartition("/")[2]
        found = self._ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
        containers = [{"name": "app", "image": declared}, {"name": "envoy", "image": SIDECAR}]
        kept = {key: found[key] for key in ("requiresCompatibilities", "networkMode", "cpu", "memory")}
        self._ecs.register_task_definition(family=name, containerDefinitions=containers, **kept)
        self._ecs.update_service(cluster="shop", service=name, taskDefinition=name)


@pytest.fixture(params=["fake", "ecs"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    if request.param == "fake":
        yield Fake()
        return
    with mocked():
        ecs = Ecs()
        try:
            yield ecs
        finally:
            ecs.simulator.uninstall()


@pytest.fixture
def arn(driver: Driver) -> str:
    driver.push("prod", ONE)
    return driver.create("web", **{"longshore:policy": "digest"})


def refresh(observation: Observation, pushed: str) -> Plan:
    declared = observation.workload.images["app"]
    change = Change("app", declared, pushed, "prod", (), observation.running.get("app"), declared)
    return Plan(observation.workload.arn, Action.REFRESH, (change,), "moved", "event-1")


def revise(observation: Observation, declared: str, pushed: str, tag: str) -> Plan:
    change = Change("app", declared, pushed, tag, (), None, observation.workload.images["app"])
    return Plan(observation.workload.arn, Action.REVISE, (change,), "newer", "event-1")


def begin(driver: Driver, plan: Plan, observation: Observation, **members: Any) -> str:
    since = driver.now()
    id = driver.platform.apply(observation, plan, **members)
    return id or driver.platform.find(plan.workload, since, observation.rollout) or "none"


def test_a_steady_service_is_observed(driver: Driver, arn: str) -> None:
    seen = driver.platform.observe(arn)
    assert (seen.workload.arn, seen.workload.cluster, seen.workload.name) == (arn, "shop", "web")
    assert seen.workload.policy == "digest"
    assert dict(seen.workload.images) == {"app": image(WEB, "prod"), "envoy": SIDECAR}
    assert dict(seen.running) == {"app": ONE, "envoy": digest(SIDECAR)}
    assert (seen.desired, seen.steady, seen.rollout_active, seen.active) == (2, True, False, True)
    assert seen.rollout is not None
    assert driver.platform.rollout(arn, seen.rollout).status is RolloutStatus.SUCCEEDED


def test_a_service_that_does_not_exist_is_gone(driver: Driver, arn: str) -> None:
    with pytest.raises(GoneError):
        driver.platform.observe(NOBODY)


def test_a_refresh_resolves_the_declared_tag_again(driver: Driver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("prod", TWO)
    id = begin(driver, refresh(before, TWO), before)
    during = driver.platform.observe(arn)
    assert (during.rollout_active, during.steady) == (True, False)
    assert driver.platform.rollout(arn, id).status is RolloutStatus.RUNNING
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert (after.rollout, after.steady, after.running["app"]) == (id, True, TWO)
    assert after.workload.images == before.workload.images
    assert after.workload.task_definition == before.workload.task_definition
    rollout = driver.platform.rollout(arn, id)
    assert (rollout.status, rollout.digests["app"]) == (RolloutStatus.SUCCEEDED, TWO)


def test_a_revision_changes_the_image_and_nothing_else(driver: Driver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("1.1.0", TWO)
    begin(driver, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"), before)
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert dict(after.workload.images) == {"app": image(WEB, "1.1.0"), "envoy": SIDECAR}
    assert after.running["app"] == TWO
    assert (after.platforms, after.roles, after.human_tags) == (before.platforms, before.roles, {})
    assert after.workload.task_definition != before.workload.task_definition


def test_a_written_digest_keeps_the_tag_that_people_know(driver: Driver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("1.1.0", TWO)
    begin(driver, revise(before, f"{HOST}/{WEB.name}@{TWO}", TWO, "1.1.0"), before)
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert after.workload.images["app"] == f"{HOST}/{WEB.name}@{TWO}"
    assert dict(after.human_tags) == {"app": "1.1.0"}
    driver.push("prod", THREE)
    begin(driver, revise(after, image(WEB, "prod"), THREE, "prod"), after)
    driver.finish(arn)
    assert dict(driver.platform.observe(arn).human_tags) == {}


def test_a_revision_resumed_is_registered_once(driver: Driver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("1.1.0", TWO)
    plan = revise(before, image(WEB, "1.1.0"), TWO, "1.1.0")
    begin(driver, plan, before)
    first = driver.platform.observe(arn).workload.task_definition
    begin(driver, plan, before, resumed=True)
    assert driver.platform.observe(arn).workload.task_definition == first


def test_a_failed_deployment_is_rolled_back_by_the_platform(driver: Driver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("1.1.0", TWO)
    driver.break_image(TWO)
    id = begin(driver, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"), before)
    driver.finish(arn)
    rollout = driver.platform.rollout(arn, id)
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert rollout.reason
    assert all("failed" in line for line in rollout.evidence)
    after = driver.platform.observe(arn)
    assert (after.running["app"], after.steady, after.rollout_active) == (ONE, True, False)
    assert after.workload.images == before.workload.images


def test_a_deployment_that_runs_can_be_stopped_and_is_rolled_back(driver: Driver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("1.1.0", TWO)
    driver.break_image(TWO, hangs=True)
    id = begin(driver, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"), before)
    driver.platform.stop(arn, id)
    assert driver.platform.rollout(arn, id).status in (RolloutStatus.ROLLING_BACK, RolloutStatus.STOPPED)
    driver.finish(arn)
    assert driver.platform.rollout(arn, id).status is RolloutStatus.ROLLED_BACK
    assert driver.platform.observe(arn).running["app"] == ONE


def test_a_deployment_that_is_over_cannot_be_stopped(driver: Driver, arn: str) -> None:
    with pytest.raises(ConflictError):
        driver.platform.stop(arn, str(driver.platform.observe(arn).rollout))


def test_a_deployment_that_does_not_exist_cannot_be_stopped(driver: Driver, arn: str) -> None:
    unknown = str(driver.platform.observe(arn).rollout)[:-4] + "none"
    with pytest.raises(GoneError):
        driver.platform.stop(arn, unknown)
    assert driver.platform.rollout(arn, unknown).status is RolloutStatus.GONE


def test_what_was_begun_is_found_again_and_what_was_before_is_not(driver: Driver, arn: str) -> None:
    before = driver.platform.observe(arn)
    since = driver.now()
    assert driver.platform.find(arn, since, before.rollout) is None
    driver.push("prod", TWO)
    id = begin(driver, refresh(before, TWO), before)
    assert driver.platform.find(arn, since, before.rollout) == id
    assert driver.platform.find(arn, since, id) is None
    driver.finish(arn)
    assert driver.platform.find(arn, since, before.rollout) == id
    assert driver.platform.find(arn, driver.now(), before.rollout) is None


def test_somebody_elses_deployment_takes_the_place_of_the_one_before(driver: Driver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("prod", TWO)
    id = begin(driver, refresh(before, TWO), before)
    driver.push("other", THREE)
    driver.deploy(arn, image(WEB, "other"))
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert after.rollout not in (id, before.rollout)
    assert after.running["app"] == THREE
    assert driver.platform.rollout(arn, id).status in (RolloutStatus.STOPPED, RolloutStatus.FAILED)


def test_who_opted_in_is_found_and_nobody_else(driver: Driver, arn: str) -> None:
    driver.create("other", team="web")
    empty = driver.create("empty", **{"longshore:policy": ""})
    assert set(driver.discovery.arns()) == {arn, empty}


def test_many_are_observed_at_once_without_those_that_do_not_exist(driver: Driver, arn: str) -> None:
    arns = [arn, *(driver.create(f"more-{number}", **{"longshore:policy": "pin"}) for number in range(11))]
    nowhere = NOBODY.replace("/shop/", "/nowhere/")
    found = {seen.workload.arn: seen for seen in driver.discovery.survey([*arns, NOBODY, nowhere])}
    assert set(found) == set(arns)
    assert found[arn] == driver.platform.observe(arn)


def test_two_revisions_of_one_workload_do_not_share_what_is_known(driver: Driver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("1.1.0", TWO)
    begin(driver, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"), before)
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert before.workload.images["app"] == image(WEB, "prod")
    assert replace(after.workload, images={}, task_definition="") == replace(
        before.workload, images={}, task_definition=""
    )


def test_what_ecs_alone_tells_of_a_task_definition() -> None:
    with mocked():
        ecs = Ecs()
        try:
            ecs.push("prod", ONE)
            seen = ecs.platform.observe(ecs.create("web"))
            assert seen.platforms == {"linux/arm64"}
            assert seen.roles == ("arn:aws:iam::123456789012:role/task",)
            ecs.push("1.1.0", TWO)
            begin(ecs, revise(seen, image(WEB, "1.1.0"), TWO, "1.1.0"), seen)
            name = ecs.platform.observe(seen.workload.arn).workload.task_definition
            answer = client("ecs").describe_task_definition(taskDefinition=name, include=["TAGS"])
            assert answer["tags"] == [{"key": "team", "value": "web"}]
            assert answer["taskDefinition"]["runtimePlatform"] == {"cpuArchitecture": "ARM64"}
        finally:
            ecs.simulator.uninstall()


def test_the_tag_beside_a_digest_goes_with_the_digest() -> None:
    with mocked():
        ecs = Ecs()
        try:
            ecs.push("prod", ONE)
            arn = ecs.create("web")
            for declared in (f"{HOST}/{WEB.name}@{ONE}", image(WEB, "prod")):
                seen = ecs.platform.observe(arn)
                begin(ecs, revise(seen, declared, ONE, "prod"), seen)
                ecs.finish(arn)
            name = ecs.platform.observe(arn).workload.task_definition
            answer = client("ecs").describe_task_definition(taskDefinition=name, include=["TAGS"])
            assert answer["tags"] == [{"key": "team", "value": "web"}]
        finally:
            ecs.simulator.uninstall()
