"""Redeploy from events to end states: what a push, a move, a request and a sweep lead to (redeploy 8.1 to 8.12)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.errors import AccessDeniedError, GoneError, ThrottledError
from longshore.events import Kind
from longshore.images import Repository
from longshore.ports import Head
from longshore.workloads import Action, Controller, DeploymentStatus, Hold, RolloutStatus
from tests.fake_platform import ACCOUNT, REGION, WEB, digest, image
from tests.fakes import START
from tests.world import World, one_service

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
API = Repository(ACCOUNT, REGION, "team/api")
NO_COOLDOWN = {"p": {"policy": "digest", "cooldown": 0}}


def begun(world: World) -> list[str]:
    """The digest of each deployment that Longshore asked for, of the container `app`."""
    return [plan.digests["app"] for plan in world.platform.applied]


# -- settling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("index", "seconds"), [(False, 5), (True, 20)])
def test_a_tag_rests_before_it_is_acted_on(index: bool, seconds: int) -> None:
    world, _arn = one_service()
    world.push("prod", TWO, index=index)
    world.run((seconds - 1) / 60)
    assert world.platform.applied == []
    world.run(1 / 60)
    assert begun(world) == [TWO]
    assert world.told == ["Deployment Started"]


def test_a_new_move_restarts_the_rest() -> None:
    world, _ = one_service()
    world.push("prod", TWO)
    world.run(4 / 60)
    world.push("prod", THREE)
    world.run(4 / 60)
    assert world.platform.applied == []
    world.run(1 / 60)
    assert begun(world) == [THREE]


def test_the_rest_ends_after_two_minutes_of_moves() -> None:
    world, _ = one_service()
    start = world.clock.now()
    for number in range(40):
        world.push("prod", digest(f"build {number}"))
        world.run(4 / 60)
        if world.platform.applied:
            break
    assert world.clock.now() - start <= timedelta(seconds=124)
    assert len(world.platform.applied) == 1


def test_what_the_tag_names_when_it_rests_is_deployed_and_not_what_the_event_named() -> None:
    world, _arn = one_service()
    world.push("prod", TWO)
    world.registry.push(WEB, "prod", THREE)  # its event is lost
    world.run(1)
    assert begun(world) == [THREE]
    head = world.heads.get(WEB, "prod")
    assert head is not None
    assert head.digest == THREE


def test_a_tag_that_is_gone_again_is_no_image() -> None:
    world, _ = one_service()
    world.push("prod", TWO)
    world.registry.delete(WEB, "prod")
    world.run(1)
    assert world.reasons == ["settling", "image-missing"]
    assert world.platform.applied == []


def test_a_message_that_comes_before_its_time_is_put_off_again() -> None:
    world, _ = one_service()
    world.push("prod", TWO)
    world.run(1 / 60)
    (until, copy) = world.queue.waiting[0]
    assert world.deliver(copy) == []
    assert [each[0] for each in world.queue.waiting] == [until, until]


# -- duplicates, late and reordered events --------------------------------------------------------------------------


def test_a_duplicate_deploys_nothing_again() -> None:
    world, arn = one_service()
    event = world.push("prod", TWO)
    world.run(1)
    world.platform.succeed(arn)
    world.run(30)
    for _ in range(3):
        world.deliver(event)
    world.run(60)
    assert begun(world) == [TWO]
    assert world.records.get(arn).pending == {}


def test_a_late_event_of_an_older_image_changes_nothing() -> None:
    world, arn = one_service()
    late = world.push("prod", TWO, send=False)
    world.clock.advance(60)
    world.push("prod", THREE)
    world.run(1)
    world.platform.succeed(arn)
    world.run(30)
    world.queue.postpone(late, world.clock.now())
    world.run(60)
    assert begun(world) == [THREE]
    assert world.platform.running(arn) == THREE


def test_a_tag_that_returns_to_an_earlier_image_is_followed() -> None:
    world, arn = one_service()
    for pushed in (TWO, ONE, TWO):
        world.push("prod", pushed)
        world.run(1)
        world.platform.succeed(arn)
        world.run(30)
    assert begun(world) == [TWO, ONE, TWO]
    assert world.platform.running(arn) == TWO


FIRST = {"digest": "prod", "newest:build-": "build-0", "numeric:build-": "build-0"}


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("policy", sorted(FIRST))
def test_no_order_and_no_repetition_of_events_changes_the_end(policy: str, data: st.DataObject) -> None:
    first = FIRST[policy]
    world = World()
    world.registry.push(WEB, first, digest("build 0"))
    world.clock.advance(60)
    arn = world.service(policy=policy, images={"app": image(WEB, first)})
    numbers = data.draw(st.permutations(range(1, 5)), label="pushes")
    events: list[dict[str, Any]] = []
    for number in numbers:
        world.clock.advance(30)
        tag = "prod" if policy == "digest" else f"build-{number}"
        events.append(world.push(tag, digest(f"build {number}"), send=False))
    sent = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=4))), label="sent")
    for event in sent:
        world.queue.postpone(event, world.clock.now())
        world.run(data.draw(st.sampled_from([0, 0.05, 1, 12]), label="minutes"))
        if world.platform.observe(arn).rollout_active:
            world.platform.succeed(arn)
    for _ in range(8):
        world.run(20)
        if world.platform.observe(arn).rollout_active:
            world.platform.succeed(arn)
    expected = max(numbers) if policy == "numeric:build-" else numbers[-1]
    assert world.platform.running(arn) == digest(f"build {expected}")
    assert world.records.get(arn).pending == {}
    assert begun(world).count(digest(f"build {expected}")) == 1


# -- one deployment at a time ---------------------------------------------------------------------------------------


def test_of_the_pushes_during_a_deployment_the_newest_wins_after_its_end() -> None:
    world, arn = one_service()
    world.push("prod", TWO)
    world.run(1)
    for number in range(3):
        world.push("prod", digest(f"build {number}"))
        world.run(1)
    assert begun(world) == [TWO]
    assert set(world.records.get(arn).pending) == {(WEB, "prod")}
    world.platform.succeed(arn)
    world.run(30)
    assert begun(world) == [TWO, digest("build 2")]
    world.platform.succeed(arn)
    world.run(30)
    assert begun(world) == [TWO, digest("build 2")]
    assert world.records.get(arn).pending == {}


def test_a_push_is_not_lost_when_the_deployment_ends_while_it_is_remembered() -> None:
    world, arn = one_service()
    world.push("prod", TWO)
    world.run(1)
    world.platform.succeed(arn)
    world.run(1)
    world.push("prod", THREE)
    world.run(4 / 60)

    def verify(step: str) -> None:
        if step == "FakeRecords.remember before":
            world.interrupt = lambda _: None
            deployment = world.records.get(arn).deployment
            assert deployment is not None
            world.records.advance(deployment.ends(DeploymentStatus.VERIFIED, world.clock.now(), "verified"))

    world.interrupt = verify
    world.run(1 / 60)
    assert begun(world) == [TWO]
    world.run(10)
    assert begun(world) == [TWO, THREE]


def test_a_push_is_not_lost_when_somebody_elses_deployment_ends_while_it_is_remembered() -> None:
    world, arn = one_service()
    world.platform.deploy(arn)
    world.run(0)
    world.push("prod", TWO)

    def finish(step: str) -> None:
        if step == "FakeRecords.remember before":
            world.interrupt = lambda _: None
            world.platform.changed = lambda arn, name: None  # the watch saw its end already
            world.platform.succeed(arn)
            world.platform.changed = world.deployment_changed

    world.interrupt = finish
    world.run(1)
    assert begun(world) == [TWO]


def test_a_tag_remembered_again_while_a_deployment_begins_is_kept() -> None:
    world, arn = one_service("profile:p", profiles=NO_COOLDOWN)
    world.records.remember(arn, WEB, "prod", world.clock.now())
    world.push("prod", TWO)

    def later(step: str) -> None:
        if step == "FakePlatform.apply after":
            world.records.remember(arn, WEB, "prod", world.clock.advance(1))

    world.interrupt = later
    world.run(1)
    assert set(world.records.get(arn).pending) == {(WEB, "prod")}


def test_of_two_that_claim_a_workload_at_once_the_loser_is_remembered() -> None:
    world = World()
    world.registry.push(WEB, "prod", ONE)
    world.registry.push(API, "1.0.0", digest("api"))
    world.clock.advance(3600)
    arn = world.service(policy="digest", images={"app": image(WEB, "prod"), "api": image(API, "1.0.0")})
    world.push("prod", TWO)
    world.run(4 / 60)

    def other(step: str) -> None:
        if step == "FakeSwitches.count before":
            world.interrupt = lambda _: None
            world.push("1.0.0", digest("api 2"), repository=API)
            world.run(10 / 60)

    world.interrupt = other
    world.run(1 / 60)
    assert len(world.platform.applied) == 1
    world.platform.succeed(arn)
    world.run(30)
    if world.platform.observe(arn).rollout_active:
        world.platform.succeed(arn)
        world.run(30)
    assert world.platform.running(arn) == TWO
    assert world.platform.running(arn, "api") == digest("api 2")
    assert world.records.get(arn).pending == {}


def test_somebody_elses_deployment_is_waited_for() -> None:
    world, arn = one_service()
    world.platform.deploy(arn)
    world.push("prod", TWO)
    world.run(1)
    assert world.platform.applied == []
    assert world.reasons[-1] == "deployment-in-progress"
    world.platform.succeed(arn)
    world.run(10)
    assert begun(world) == [TWO]


# -- what an image is -----------------------------------------------------------------------------------------------


def test_an_incomplete_index_is_waited_for() -> None:
    world, _ = one_service()
    platforms = {"linux/amd64": digest("amd64"), "linux/arm64": digest("arm64")}
    world.push("prod", TWO, index=True, platforms=platforms, complete=False)
    world.run(20 / 60)
    start = world.clock.now()
    waits = []
    for _ in range(4):
        waits.append(round((world.queue.waiting[0][0] - start).total_seconds()))
        world.run(until=world.queue.waiting[0][0])
    assert waits == [15, 15 + 30, 15 + 30 + 60, 15 + 30 + 60 + 120]
    world.registry.complete(TWO)
    world.run(10)
    assert begun(world) == [TWO]
    assert world.told == ["Deployment Started"]


def test_an_index_that_stays_incomplete_is_given_up_after_ten_minutes_and_told_once() -> None:
    world, arn = one_service()
    world.push("prod", TWO, index=True, platforms={"linux/amd64": digest("amd64")}, complete=False)
    world.run(10)
    assert world.told == []
    world.run(60)
    assert world.told == ["Deployment Held"]
    assert world.publisher.published[-1].detail["reason"] == "incomplete-index"
    assert world.queue.waiting == []
    world.deliver(world.envelope("Sweep Due", {"workloads": [arn]}))
    assert world.told == ["Deployment Held"]
    assert world.platform.applied == []


@pytest.mark.parametrize("tag", ["sha256-" + "a" * 64 + ".sig", "v1.att", "v1.sbom", "longshore-keep-web-1"])
def test_artifacts_are_let_be(tag: str) -> None:
    world, _ = one_service("newest:")
    world.push(tag, TWO)
    world.run(1)
    assert world.reasons == ["artifact"]
    assert world.platform.applied == []


def test_what_is_no_image_is_let_be() -> None:
    world, _ = one_service()
    world.push("prod", TWO, is_image=False)
    world.run(1)
    assert world.reasons == ["settling", "artifact"]
    assert world.platform.applied == []


def test_a_child_of_an_index_is_let_be() -> None:
    world, _ = one_service()
    world.deliver(world.pushed(None, TWO))
    assert world.reasons == ["untagged"]


def test_a_restored_image_is_found_by_its_tags() -> None:
    world, _ = one_service()
    world.registry.push(WEB, "prod", TWO)
    world.registry.push(WEB, "also", TWO)
    restored: dict[str, Any] = {"action-type": "UPDATE_STORAGE_CLASS", "target-storage-class": "STANDARD"}
    world.deliver(world.pushed(None, TWO, **restored))
    assert begun(world) == [TWO]


def test_the_same_content_is_not_deployed_again() -> None:
    world = World()
    world.registry.push(WEB, "prod", ONE, platforms={"linux/amd64": digest("child")})
    world.clock.advance(3600)
    arn = world.service(platforms=frozenset({"linux/amd64"}))
    world.platform.change(arn, running={"app": digest("child")})
    world.push("prod", TWO, index=True, platforms={"linux/amd64": digest("child"), "unknown/x": digest("new")})
    world.run(1)
    assert world.platform.applied == []
    assert world.reasons[-1] == "same-content"


# -- which containers -----------------------------------------------------------------------------------------------


def two_containers(**members: Any) -> tuple[World, str]:
    world = World(**members.pop("world", {}))
    world.registry.push(WEB, "prod", ONE)
    world.registry.push(API, "prod", digest("api"))
    world.clock.advance(3600)
    images = {"app": image(WEB, "prod"), "api": image(API, "prod"), "envoy": "public.ecr.aws/x/envoy:v1"}
    return world, world.service(images=images, **members)


def test_containers_of_several_repositories_change_in_one_plan() -> None:
    world, arn = two_containers()
    world.registry.push(API, "prod", digest("api 2"))
    world.deliver(world.envelope("Sweep Due", {"repository-name": "team/api"}))
    world.platform.applied.clear()
    world.platform.succeed(arn)
    world.run(30)
    world.push("prod", digest("api 3"), repository=API)
    world.push("prod", TWO)
    world.run(1)
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO, "api": digest("api 3")}]


def test_a_sidecar_is_not_touched() -> None:
    world, arn = two_containers()
    world.push("prod", TWO)
    world.run(1)
    (plan,) = world.platform.applied
    assert [change.container for change in plan.changes] == ["app"]
    assert world.platform.declared(arn, "envoy") == "public.ecr.aws/x/envoy:v1"


def test_the_containers_tag_narrows() -> None:
    world, _arn = two_containers(tags={"longshore:containers": "api"})
    world.push("prod", TWO)
    world.push("prod", digest("api 2"), repository=API)
    world.run(1)
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"api": digest("api 2")}]


def test_a_moved_tag_refreshes_and_another_tag_revises() -> None:
    world = World()
    world.registry.push(WEB, "1.0.0", ONE)
    world.clock.advance(3600)
    arn = world.service(policy="semver:minor", images={"app": image(WEB, "1.0.0")})
    world.push("1.1.0", TWO)
    world.run(1)
    (plan,) = world.platform.applied
    assert plan.action is Action.REVISE
    assert world.platform.declared(arn) == image(WEB, "1.1.0")
    assert world.platform.services[arn].revisions[0][0] == {"app": image(WEB, "1.0.0")}


# -- what forbids ---------------------------------------------------------------------------------------------------


def held(world: World) -> list[str]:
    return [each.detail["reason"] for each in world.publisher.of(Kind.DEPLOYMENT_HELD)]


def test_a_role_that_may_not_be_passed_is_told_and_nothing_is_touched() -> None:
    world = World(passable=("arn:aws:iam::123456789012:role/other-*",))
    world.registry.push(WEB, "1.0.0", ONE)
    world.clock.advance(3600)
    role = "arn:aws:iam::123456789012:role/web-task"
    world.service(policy="semver:minor", images={"app": image(WEB, "1.0.0")}, roles=(role,))
    world.push("1.1.0", TWO)
    world.run(1)
    assert held(world) == ["pass-role-not-granted"]
    assert world.publisher.published[-1].detail["roles"] == [role]
    assert world.platform.applied == []


def test_a_refresh_passes_no_role() -> None:
    world = World(passable=())
    world.registry.push(WEB, "prod", ONE)
    world.clock.advance(3600)
    world.service(roles=("arn:aws:iam::123456789012:role/web-task",))
    world.push("prod", TWO)
    world.run(1)
    assert begun(world) == [TWO]


def test_an_external_controller_is_left_its_service() -> None:
    world = World()
    world.registry.push(WEB, "prod", ONE)
    world.clock.advance(3600)
    world.service(controller=Controller.EXTERNAL)
    world.push("prod", TWO)
    world.run(1)
    assert held(world) == ["controller-external"]
    assert world.platform.applied == []


def test_code_deploy_is_given_digests_for_ecs_fixes_none_there() -> None:
    world = World()
    world.registry.push(WEB, "prod", ONE)
    world.clock.advance(3600)
    world.service(controller=Controller.CODE_DEPLOY)
    world.push("prod", TWO)
    world.run(1)
    (plan,) = world.platform.applied
    (change,) = plan.changes
    assert (plan.action, change.image.partition("@")[2], change.tag) == (Action.REVISE, TWO, "prod")


def test_observing_tells_the_plan_and_touches_nothing() -> None:
    world, arn = one_service(observe_only=True)
    world.push("prod", TWO)
    world.run(60)
    assert world.told == ["Deployment Planned"]
    assert world.publisher.published[0].detail["candidates"][0]["digest"] == TWO
    assert world.platform.applied == []
    assert world.records.get(arn).deployment is None


def test_a_pause_holds_everything_and_is_told_once() -> None:
    world, arn = one_service()
    world.switches.reason = "migration"
    event = world.push("prod", TWO)
    world.run(1)
    world.deliver(event)
    world.deliver(world.envelope("Sweep Due", {"workloads": [arn]}))
    assert held(world) == ["paused"]
    assert world.publisher.published[0].detail["why"] == "migration"
    assert world.platform.applied == []


def test_a_hold_holds_until_it_ends() -> None:
    world, arn = one_service()
    until = world.clock.now() + timedelta(hours=1)
    world.records.hold(arn, Hold("incident", "alice", world.clock.now(), until))
    world.push("prod", TWO)
    world.run(30)
    assert held(world) == ["held"]
    assert (world.publisher.published[0].detail["by"], world.platform.applied) == ("alice", [])
    world.run(31)
    world.deliver(world.envelope("Sweep Due", {"workloads": [arn]}))
    assert begun(world) == [TWO]


def test_a_quarantined_image_is_refused_and_the_next_is_not() -> None:
    world, arn = one_service()
    world.records.quarantine(arn, [TWO], "failed", world.clock.now())
    world.push("prod", TWO)
    world.run(1)
    assert held(world) == ["quarantined"]
    world.push("prod", THREE)
    world.run(1)
    assert begun(world) == [THREE]


def test_two_deployments_are_a_cooldown_apart_and_the_newest_wins() -> None:
    world, arn = one_service("profile:p", profiles={"p": {"policy": "digest", "soak": 0, "cooldown": "5m"}})
    world.push("prod", TWO)
    world.run(1)
    world.platform.succeed(arn)
    world.run(1)
    world.push("prod", THREE)
    world.run(0.5)
    world.push("prod", digest("four"))
    world.run(0.5)
    assert begun(world) == [TWO]
    assert world.reasons[-1] == "cooldown"
    world.run(5)
    assert begun(world) == [TWO, digest("four")]


def many_services(limits: dict[str, int], count: int = 5) -> World:
    world = World(profiles={"p": {"policy": "digest", "limits": limits}})
    world.registry.push(WEB, "prod", ONE)
    world.clock.advance(3600)
    for number in range(count):
        world.service(f"web-{number}", policy="profile:p")
    return world


def test_one_push_begins_no_more_than_its_limit_at_once() -> None:
    world = many_services({"per_push": 2})
    world.push("prod", TWO)
    world.run(10 / 60)
    assert len(world.platform.applied) == 2
    assert world.reasons.count("rate-capped") == 3
    world.run(5)
    assert len(world.platform.applied) == 5


def test_one_hour_begins_no_more_than_its_limit() -> None:
    world = many_services({"per_hour": 3})
    world.push("prod", TWO)
    world.run(30)
    assert len(world.platform.applied) == 3
    world.run(40)
    assert len(world.platform.applied) == 5


def test_an_invalid_policy_is_told_once() -> None:
    world, _ = one_service("semver:nonsense")
    world.push("prod", TWO)
    world.push("prod", THREE)
    world.run(10)
    assert held(world) == ["invalid-policy"]


# -- failures -------------------------------------------------------------------------------------------------------


def failing(world: World, arn: str, error: Exception) -> None:
    observe = world.platform.observe

    def fail(asked: str) -> Any:
        if asked == arn:
            raise error
        return observe(asked)

    world.platform.observe = fail  # type: ignore[method-assign, assignment]


def test_one_failing_workload_stops_no_other_and_the_message_comes_back() -> None:
    world = many_services({}, 3)
    broken = sorted(world.platform.services)[0]
    failing(world, broken, ThrottledError("slow down"))
    world.push("prod", TWO)
    world.run(1)
    assert {plan.workload for plan in world.platform.applied} == set(world.platform.services) - {broken}
    assert [type(each) for each in world.failures] == [ThrottledError]
    del world.platform.observe
    world.run(20)
    assert sorted(plan.workload for plan in world.platform.applied) == sorted(world.platform.services)


def test_one_failing_workload_stops_no_other_of_a_sweep() -> None:
    world = many_services({}, 3)
    world.registry.push(WEB, "prod", TWO)
    now = world.clock.now()
    world.heads.observe(Head(WEB, "prod", TWO, now, now, now), 0)
    broken = sorted(world.platform.services)[0]
    get = world.records.get

    def fail(arn: str) -> Any:
        if arn == broken:
            raise ThrottledError("slow down")
        return get(arn)

    world.records.get = fail  # type: ignore[method-assign]
    with pytest.raises(ThrottledError):
        world.deliver(world.envelope("Sweep Due", {"workloads": sorted(world.platform.services)}))
    assert {plan.workload for plan in world.platform.applied} == set(world.platform.services) - {broken}


def test_a_refused_workload_is_told_once_and_stops_no_other() -> None:
    world = many_services({}, 2)
    broken = sorted(world.platform.services)[0]
    failing(world, broken, AccessDeniedError("ecs:DescribeServices"))
    event = world.push("prod", TWO)
    world.run(1)
    world.deliver(event)
    assert [(each.detail["workload"], each.detail["why"]) for each in world.publisher.of(Kind.DEPLOYMENT_FAILED)] == [
        (broken, "ecs:DescribeServices")
    ]
    assert len(world.platform.applied) == 1
    assert world.failures == []


def test_a_workload_that_is_gone_leaves_the_index() -> None:
    world, arn = one_service()
    failing(world, arn, GoneError("no such service"))
    world.push("prod", TWO)
    world.run(1)
    assert world.index.get(arn) is None
    assert world.failures == []


def test_a_workload_that_is_not_active_leaves_the_index() -> None:
    world, arn = one_service()
    world.platform.change(arn, active=False)
    world.push("prod", TWO)
    world.run(1)
    assert world.index.get(arn) is None
    assert world.platform.applied == []


def test_a_workload_without_its_tag_leaves_the_index_and_is_not_touched() -> None:
    world, arn = one_service()
    world.platform.retag(arn, {"team": "web"})
    world.push("prod", TWO)
    world.run(1)
    assert world.index.get(arn) is None
    assert world.reasons[-1] == "not-opted-in"
    assert world.platform.applied == []


@pytest.mark.parametrize("reason", ["rollback", "heal", "retirement", "pending", "anything"])
def test_nobody_may_ask_for_a_workload_without_its_tag(reason: str) -> None:
    world, arn = one_service()
    world.platform.deploy(arn, app=image(WEB, "prod") + "@" + ONE)
    world.platform.change(arn, rollout_active=False, steady=True, running={"app": TWO})
    world.platform.retag(arn, {})
    world.request(arn, reason)
    world.run(1)
    assert world.platform.applied == []
    assert world.index.get(arn) is None


def test_a_refusal_by_the_platform_ends_the_deployment_and_is_told() -> None:
    world, arn = one_service()

    def refuse(*_: Any, **__: Any) -> str:
        raise AccessDeniedError("ecs:UpdateService")

    world.platform.apply = refuse  # type: ignore[method-assign]
    world.push("prod", TWO)
    world.run(1)
    deployment = world.records.get(arn).deployment
    assert deployment is not None
    assert (deployment.status.value, deployment.outcome) == ("failed", "refused")
    assert world.told == ["Deployment Failed"]
    assert world.failures == []


def test_a_transient_refusal_is_tried_again_without_waiting_for_the_lease() -> None:
    world, _arn = one_service()
    apply, calls = world.platform.apply, []

    def flaky(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise ThrottledError("slow down")
        return apply(*args, **kwargs)

    world.platform.apply = flaky  # type: ignore[method-assign]
    world.push("prod", TWO)
    world.run(15)
    assert begun(world) == [TWO]
    assert [type(each) for each in world.failures] == [ThrottledError]


def test_what_was_asked_for_before_a_timeout_is_not_asked_for_again() -> None:
    world, _arn = one_service()
    apply = world.platform.apply

    def commit_then_fail(*args: Any, **kwargs: Any) -> Any:
        apply(*args, **kwargs)
        raise ThrottledError("the answer was lost")

    world.platform.apply = commit_then_fail  # type: ignore[method-assign]
    world.push("prod", TWO)
    world.run(60)
    assert begun(world) == [TWO]


# -- requests -------------------------------------------------------------------------------------------------------


def test_a_requested_rollback_returns_to_the_last_known_good_digest() -> None:
    world, arn = one_service("profile:p", profiles={"p": {"policy": "digest", "soak": 0}})
    world.push("prod", TWO)
    world.run(1)
    world.platform.succeed(arn)
    world.run(1)
    world.platform.deploy(arn, app=image(WEB, "prod").replace(":prod", f"@{THREE}"))
    world.platform.change(arn, rollout_active=False, steady=True, running={"app": THREE})
    world.watch_queue = type(world.watch_queue)()
    world.request(arn, "rollback")
    world.run(1)
    plan = world.platform.applied[-1]
    assert (plan.rollback, dict(plan.digests), plan.action) == (True, {"app": TWO}, Action.REVISE)
    assert world.platform.declared(arn).endswith(f"team/web@{TWO}")


def test_a_rollback_keeps_what_was_pushed_meanwhile() -> None:
    world, arn = one_service()
    world.push("prod", TWO)
    world.run(1)
    world.push("prod", THREE)
    world.run(1)
    world.platform.end(arn, status=RolloutStatus.FAILED)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    world.run(1)
    assert [plan.rollback for plan in world.platform.applied] == [False, True]
    world.platform.succeed(arn)
    world.run(30)
    assert begun(world) == [TWO, ONE, THREE]


def test_a_heal_deploys_the_same_again() -> None:
    world, arn = one_service()
    world.request(arn, "heal")
    world.run(1)
    (plan,) = world.platform.applied
    assert (plan.action, plan.changes) == (Action.REFRESH, ())


def test_a_request_for_a_workload_that_is_gone_is_let_be() -> None:
    world, arn = one_service()
    del world.platform.services[arn]
    world.request(arn, "heal")
    world.run(1)
    assert world.failures == []
    assert world.index.get(arn) is None


def test_the_first_steady_digests_are_the_first_known_good() -> None:
    world, arn = one_service()
    (good,) = world.records.get(arn).goods
    assert good.digests == {"app": ONE}


def test_a_throttled_request_is_tried_again_in_a_minute_not_when_its_message_returns() -> None:
    world, arn = one_service()
    apply = world.platform.apply

    def throttled(*_: Any, **__: Any) -> str | None:
        world.platform.apply = apply  # type: ignore[method-assign]
        raise ThrottledError("slow down")

    world.platform.apply = throttled  # type: ignore[method-assign]
    world.push("prod", TWO)
    world.run(2)
    assert [plan.digests for plan in world.platform.applied] == [{"app": TWO}]
    world.platform.succeed(arn)
    world.run(60)
    assert world.told.count("Deployment Succeeded") == 1
    assert len(world.platform.applied) == 1


def known_tags(world: World, *tags: str) -> None:
    """Heads that the ledger has, of tags that the registry does not."""
    now = world.clock.now()
    for tag in tags:
        world.heads.observe(Head(WEB, tag, digest(tag), now, now, now), 0)


def asked(world: World) -> int:
    """How often the registry was asked what a tag names."""
    return sum(step.endswith("resolve before") for step in world.steps)


def test_a_current_tag_without_a_place_in_the_order_costs_one_look_and_is_told_once() -> None:
    world, _ = one_service("semver:minor")  # it runs `prod`
    for minor in range(30):
        world.registry.push(WEB, f"1.{minor}.0", digest(f"v{minor}"))
    known_tags(world, *(f"1.{minor}.0" for minor in range(30)))
    for tag, pushed in (("2.0.0", TWO), ("2.1.0", THREE)):
        world.push(tag, pushed)
        world.run(1)
    assert asked(world) == 2  # what was pushed, nothing else
    assert world.told.count("Deployment Held") == 1


def test_tags_that_are_gone_are_passed_over_however_many_they_are() -> None:
    world = World()
    world.registry.push(WEB, "1.0.0", ONE)
    world.clock.advance(3600)
    world.service(policy="semver:minor", images={"app": image(WEB, "1.0.0")})
    known_tags(world, *(f"1.{minor}.0" for minor in range(2, 60)))
    world.push("1.1.0", TWO)
    world.run(120)
    assert [plan.digests for plan in world.platform.applied] == [{"app": TWO}]


def test_a_lost_reminder_is_made_good_by_whoever_looks_next() -> None:
    world, arn = one_service()
    world.push("prod", TWO)
    world.run(1)
    world.platform.succeed(arn)
    while world.watch_queue.next_due():  # the reminder, and the event of its end
        world.clock.advance_to(max(world.clock.now(), world.watch_queue.next_due() or START))
        world.watch_queue.receive(world.clock.now())
    world.clock.advance(3600)
    assert world.told == ["Deployment Started"]
    world.deliver(world.envelope("Sweep Due", {"workloads": [arn]}))
    world.run(30)
    assert world.told == ["Deployment Started", "Deployment Succeeded"]


def test_a_push_to_a_repository_that_nobody_follows_asks_nothing_of_the_registry() -> None:
    world, _ = one_service()
    before = asked(world)
    world.push("prod", TWO, repository=Repository(ACCOUNT, REGION, "team/other"))
    world.run(1)
    assert asked(world) == before
    assert world.reasons == ["not-followed"]


def test_many_followers_are_handed_on_page_by_page() -> None:
    world = many_services({}, 60)
    world.push("prod", TWO)
    world.run(10 / 60)
    assert len(world.platform.applied) == 25
    world.run(3)
    assert sorted(plan.workload for plan in world.platform.applied) == sorted(world.platform.services)
