"""Following deployments: each row of redeploy 8.9 and 8.10, from the platform's events to what is recorded and told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from longshore.errors import GoneError
from longshore.events import Kind
from longshore.workloads import Deployment, DeploymentStatus, Rollout, RolloutStatus
from tests.fake_platform import WEB, digest, image
from tests.world import World, one_service

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")


def pinned(pushed: str) -> str:
    return image(WEB, "prod").replace(":prod", f"@{pushed}")


def started(**members: Any) -> tuple[World, str]:
    """A deployment of TWO that was just begun."""
    world, arn = one_service(**members)
    world.push("prod", TWO)
    world.run(1)
    assert len(world.platform.applied) == 1
    return world, arn


def deployment(world: World, arn: str) -> Deployment:
    found = world.records.get(arn).deployment
    assert found is not None
    return found


def ending(world: World, arn: str) -> tuple[str, str]:
    found = deployment(world, arn)
    return found.status.value, found.outcome


def follow_up(world: World, arn: str, minutes: float = 120) -> None:
    """Lets what was asked for happen: deployments that are begun succeed."""
    end = world.clock.now().timestamp() + minutes * 60
    while world.clock.now().timestamp() < end:
        world.run(10)
        if world.platform.observe(arn).rollout_active:
            world.platform.succeed(arn)


# -- success --------------------------------------------------------------------------------------------------------


def test_success_counts_only_after_the_soak() -> None:
    world, arn = started()
    world.platform.succeed(arn)
    world.run(4.9)
    assert ending(world, arn) == ("soaking", "")
    assert world.told == ["Deployment Started"]
    assert world.stages == ["rolling", "soaking"]
    assert world.records.get(arn).goods[0].digests == {"app": ONE}
    world.run(0.2)
    assert ending(world, arn) == ("verified", "verified")
    assert world.told == ["Deployment Started", "Deployment Succeeded"]
    assert [good.digests["app"] for good in world.records.get(arn).goods] == [TWO, ONE]


def test_no_event_shortens_the_soak() -> None:
    world, arn = started()
    world.platform.succeed(arn)
    world.run(2)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_COMPLETED")
    world.deliver(world.envelope("Watch Due", {"workload": arn}), "watch")
    world.run(2)
    assert ending(world, arn) == ("soaking", "")


def test_a_profile_may_do_without_a_soak() -> None:
    world, arn = started(policy="profile:p", profiles={"p": {"policy": "digest", "soak": 0}})
    world.platform.succeed(arn)
    world.run(0)
    assert ending(world, arn) == ("verified", "verified")
    assert world.stages == ["rolling"]


def test_that_it_soaks_is_told_once_with_the_time_that_it_is_watched() -> None:
    world, arn = started()
    world.platform.succeed(arn)
    world.run(0)
    for _ in range(3):  # neither events nor reminders repeat it
        world.deployment_changed(arn, "SERVICE_DEPLOYMENT_COMPLETED")
        world.deliver(world.envelope("Watch Due", {"workload": arn}), "watch")
    rolling, soaking = (each for each in world.publisher.published if "stage" in each.detail)
    found = deployment(world, arn)
    assert (soaking.kind, soaking.correlation) == (Kind.DEPLOYMENT_STARTED, rolling.correlation)
    assert soaking.detail["soaks_until"] == found.deadline.isoformat()
    assert soaking.detail["soaks_until"] == (world.clock.now() + timedelta(minutes=5)).isoformat()
    assert soaking.detail["began"] == found.began.isoformat()
    assert soaking.detail["changes"] == rolling.detail["changes"]
    assert [each.metric for each in world.outcomes if each.kind is Kind.DEPLOYMENT_STARTED] == [
        "DeploymentStarted",
        "DeploymentSoaking",
    ]
    world.platform.change(arn, steady=False)
    world.run(60)  # looking again, and then giving up, is no progress
    assert world.stages == ["rolling", "soaking"]


@pytest.mark.parametrize("step", range(1, 20))
def test_a_crash_where_the_soak_begins_tells_it_at_least_once_and_loses_nothing(step: int) -> None:
    world, arn = started()
    world.platform.succeed(arn)
    world.crash_at = len(world.steps) + step
    world.run(60)
    assert len(world.failures) == 1, "the process did not end"
    assert ending(world, arn) == ("verified", "verified")
    assert world.stages in (["rolling", "soaking"], ["rolling", "soaking", "soaking"])
    told = [each.detail["soaks_until"] for each in world.publisher.published if "soaks_until" in each.detail]
    assert told == sorted(told)
    assert (world.queue.waiting, world.watch_queue.waiting) == ([], [])


def test_a_lost_event_of_success_is_made_good_at_the_deadline() -> None:
    world, arn = started()
    world.platform.changed = lambda arn, name: None
    world.platform.succeed(arn)
    world.run(30)
    assert ending(world, arn) == ("verified", "verified")


def test_what_the_platform_resolved_must_be_what_was_decided() -> None:
    world, arn = one_service()
    world.push("prod", TWO)

    def raced(step: str) -> None:
        if step == "FakePlatform.apply before":
            world.registry.push(WEB, "prod", THREE)

    world.interrupt = raced
    world.run(1)
    world.platform.succeed(arn)
    world.run(30)
    assert ending(world, arn) == ("superseded", "raced")
    assert world.told == ["Deployment Started", "Deployment Superseded"]
    assert world.records.get(arn).quarantined == {}
    assert TWO not in [good.digests["app"] for good in world.records.get(arn).goods]


def test_the_child_of_a_decided_index_is_what_was_decided() -> None:
    world = World()
    world.registry.push(WEB, "prod", ONE)
    world.clock.advance(3600)
    arn = world.service(platforms=frozenset({"linux/amd64"}))
    world.push("prod", TWO, index=True, platforms={"linux/amd64": digest("child")})
    world.run(1)
    id = str(world.platform.observe(arn).rollout)
    world.platform.rollouts[id] = world.platform.rollouts[id].__class__(
        id, RolloutStatus.RUNNING, digests={"app": digest("child")}
    )
    world.platform.succeed(arn)
    world.run(30)
    assert ending(world, arn) == ("verified", "verified")


def test_too_few_tasks_are_waited_for_and_then_told_without_undoing_anything() -> None:
    world, arn = started()
    world.platform.succeed(arn)
    world.platform.change(arn, steady=False)
    world.run(10)
    assert ending(world, arn) == ("soaking", "")
    follow_up(world, arn)
    assert ending(world, arn) == ("failed", "not-steady")
    assert world.told == ["Deployment Started", "Deployment Failed"]
    assert world.records.get(arn).quarantined == {}
    assert len(world.platform.applied) == 1


def test_the_soak_has_the_same_patience_after_a_slow_rollout() -> None:
    world, arn = started()
    world.run(18)
    world.platform.succeed(arn)
    world.platform.change(arn, steady=False)
    world.run(6)
    world.platform.change(arn, steady=True)
    world.run(10)
    assert ending(world, arn) == ("verified", "verified")


def test_one_answer_without_the_deployment_is_no_failure() -> None:
    world, arn = started()
    rollout = world.platform.rollout
    world.platform.rollout = lambda arn, id: Rollout(id, RolloutStatus.GONE)  # type: ignore[method-assign]
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_COMPLETED")
    world.run(1)
    assert ending(world, arn) == ("started", "")
    world.platform.rollout = rollout  # type: ignore[method-assign]
    world.platform.succeed(arn)
    world.run(30)
    assert ending(world, arn) == ("verified", "verified")
    assert world.records.get(arn).quarantined == {}


def test_a_reminder_that_comes_early_is_not_the_last() -> None:
    world, arn = started()
    due = deployment(world, arn).deadline
    world.clock.advance_to(due - timedelta(seconds=1))
    reminder = world.watch_queue.receive(due)
    assert reminder is not None
    world.deliver(reminder, "watch")
    world.run(5)
    assert ending(world, arn)[0] == "stopping" or world.told[-1] == "Deployment Rolled Back"


def test_an_alarm_during_the_soak_is_a_failure_that_is_undone() -> None:
    world, arn = started()
    world.platform.succeed(arn)
    world.run(1)
    world.platform.alarm(arn, "5xx")
    follow_up(world, arn)
    assert world.publisher.of(Kind.DEPLOYMENT_FAILED)[0].detail["alarms"] == ["5xx"]
    assert [plan.rollback for plan in world.platform.applied] == [False, True]
    assert world.platform.running(arn) == ONE


# -- failure --------------------------------------------------------------------------------------------------------


def test_a_rollback_by_the_platform_is_adopted_and_the_image_is_quarantined() -> None:
    world, arn = started()
    world.platform.roll_back(arn)
    world.run(60)
    assert ending(world, arn) == ("rolled-back", "rolled-back-by-platform")
    assert set(world.records.get(arn).quarantined) == {TWO}
    assert world.told == ["Deployment Started", "Deployment Rolled Back"]
    assert len(world.platform.applied) == 1
    world.push("prod", TWO)
    world.run(30)
    assert len(world.platform.applied) == 1
    assert world.told[-1] == "Deployment Held"


@pytest.mark.parametrize("status", [RolloutStatus.ROLLED_BACK, RolloutStatus.FAILED])
def test_a_failure_is_told_with_what_the_platform_answered_of_it(status: RolloutStatus) -> None:
    world, arn = started()
    rollout = str(deployment(world, arn).rollout)
    counted = ("3 tasks failed",)
    world.platform.rollouts[rollout] = Rollout(rollout, status, "breaker", alarms=("5xx",), evidence=counted)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    world.run(1)
    told = [
        each for each in world.publisher.published if each.kind in (Kind.DEPLOYMENT_FAILED, Kind.DEPLOYMENT_ROLLED_BACK)
    ]
    assert [told[0].detail[name] for name in ("why", "alarms", "evidence")] == ["breaker", ["5xx"], ["3 tasks failed"]]


def test_a_finished_failure_is_taken_back_by_digest() -> None:
    world, arn = started()
    world.platform.end(arn, RolloutStatus.FAILED)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    follow_up(world, arn)
    assert world.told == ["Deployment Started", "Deployment Failed", "Deployment Started", "Deployment Succeeded"]
    assert world.platform.declared(arn) == pinned(ONE)
    assert set(world.records.get(arn).quarantined) == {TWO}
    assert world.records.get(arn).hold is None


def test_a_rollback_that_fails_as_well_stops_there() -> None:
    world, arn = started()
    world.platform.end(arn, RolloutStatus.FAILED)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    world.run(1)
    assert [plan.rollback for plan in world.platform.applied] == [False, True]
    world.platform.end(arn, RolloutStatus.FAILED)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    world.run(120)
    hold = world.records.get(arn).hold
    assert hold is not None
    assert hold.actor == "longshore"
    assert len(world.platform.applied) == 2
    assert set(world.records.get(arn).quarantined) == {TWO}
    world.push("prod", THREE)
    world.run(120)
    assert len(world.platform.applied) == 2


def test_without_any_event_the_watchdog_stops_what_takes_too_long() -> None:
    world, arn = started()
    world.platform.changed = lambda arn, name: None
    world.run(18)
    assert world.platform.stopped == []
    world.run(2)
    assert world.platform.stopped == [deployment(world, arn).rollout]
    assert ending(world, arn) == ("stopping", "")
    world.platform.roll_back(arn, announced=False)
    world.run(25)
    assert ending(world, arn) == ("rolled-back", "rolled-back-by-longshore")
    assert set(world.records.get(arn).quarantined) == {TWO}
    assert world.told == ["Deployment Started", "Deployment Rolled Back"]


def test_a_rollback_that_outlasts_the_deadline_is_still_followed_without_events() -> None:
    world, arn = started()
    world.platform.changed = lambda arn, name: None
    world.run(60)
    assert ending(world, arn) == ("stopping", "")
    world.platform.roll_back(arn, announced=False)
    world.run(10)
    assert ending(world, arn) == ("rolled-back", "rolled-back-by-longshore")


def test_a_stop_is_carried_out_though_it_is_seen_before_it_is_recorded() -> None:
    world, arn = started()
    world.run(20 - 56 / 60)
    world.clock.advance_to(deployment(world, arn).deadline)

    def seen(step: str) -> None:
        if step == "FakeRecords.advance before":
            world.interrupt = lambda _: None
            request = {"workload": arn, "reason": "stop"}
            world.deliver(world.envelope("Redeploy Requested", request))

    world.interrupt = seen
    world.run(1)
    assert world.platform.stopped == [deployment(world, arn).rollout]


def test_where_stopping_is_impossible_the_last_known_good_is_deployed() -> None:
    world, arn = started()
    world.platform.stoppable = False
    world.run(45)
    assert world.platform.stopped == []
    assert [plan.rollback for plan in world.platform.applied] == [False, True]
    follow_up(world, arn)
    assert world.platform.running(arn) == ONE
    assert set(world.records.get(arn).quarantined) == {TWO}
    assert world.told[:2] == ["Deployment Started", "Deployment Failed"]


def test_a_deployment_that_somebody_stopped_is_a_failure() -> None:
    world, arn = started()
    world.platform.end(arn, RolloutStatus.STOPPED)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    follow_up(world, arn)
    assert world.publisher.of(Kind.DEPLOYMENT_FAILED)[0].detail["reason"] == "stopped"
    assert set(world.records.get(arn).quarantined) == {TWO}
    assert world.platform.running(arn) == ONE


def test_three_failed_images_within_a_day_hold_the_workload() -> None:
    world, arn = one_service()
    for number in range(3):
        assert world.records.get(arn).hold is None
        world.push("prod", digest(f"bad {number}"))
        world.run(10)
        world.platform.roll_back(arn)
        world.run(60)
    hold = world.records.get(arn).hold
    assert hold is not None
    assert "3 images" in hold.reason
    world.push("prod", digest("good"))
    world.run(60)
    assert len(world.platform.applied) == 3


def test_three_failed_images_within_three_days_do_not() -> None:
    world, arn = one_service()
    for number in range(3):
        world.push("prod", digest(f"bad {number}"))
        world.run(10)
        world.platform.roll_back(arn)
        world.run(25 * 60)
    assert world.records.get(arn).hold is None


def test_one_that_never_started_says_nothing_against_its_image() -> None:
    world, arn = one_service()
    world.push("prod", TWO)
    world.platform.apply = lambda *_, **__: None  # type: ignore[method-assign]
    world.run(30)
    assert ending(world, arn) == ("failed", "never-started")
    assert world.told == ["Deployment Started", "Deployment Failed"]
    assert world.records.get(arn).quarantined == {}
    assert world.records.get(arn).hold is None


def test_one_whose_workload_was_deleted_is_superseded() -> None:
    world, arn = started()
    world.platform.succeed(arn)
    world.run(1)
    del world.platform.services[arn]
    world.run(30)
    assert ending(world, arn) == ("superseded", "workload-gone")


@pytest.mark.parametrize("known", [True, False])
def test_whoever_deletes_a_workload_supersedes_its_deployment_though_the_platform_only_says_that_it_is_gone(
    monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    world, arn = started()
    if not known:
        world.records.advance(replace(deployment(world, arn), rollout=None))
    del world.platform.services[arn]

    def gone(*_: object) -> Rollout:
        raise GoneError(arn)

    monkeypatch.setattr(world.platform, "rollout", gone)
    monkeypatch.setattr(world.platform, "find", gone)
    world.run(60)
    assert ending(world, arn) == ("superseded", "workload-gone")
    assert world.failures == []


def test_what_is_gone_of_a_workload_that_exists_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world, arn = started()

    def gone(*_: object) -> Rollout:
        raise GoneError("the alias")

    monkeypatch.setattr(world.platform, "rollout", gone)
    with pytest.raises(GoneError):
        world.deliver(world.envelope("Watch Due", {"workload": arn}), "watch_queue")


def test_a_platform_that_tells_no_digests_is_believed_unless_another_image_is_declared() -> None:
    for declared, outcome in ((image(WEB, "prod"), "verified"), (image(WEB, "other"), "changed-outside")):
        world, arn = started()
        world.platform.succeed(arn)
        workload = replace(world.platform.observe(arn).workload, images={"app": declared})
        world.platform.change(arn, workload=workload, running={}, since=world.clock.now())
        world.run(6)
        assert ending(world, arn)[1] == outcome


def test_what_was_pushed_meanwhile_is_asked_for_after_any_end() -> None:
    world, arn = started()
    world.push("prod", THREE)
    world.run(1)
    world.platform.roll_back(arn)
    follow_up(world, arn)
    assert [plan.digests["app"] for plan in world.platform.applied] == [TWO, THREE]
    assert world.records.get(arn).pending == {}


# -- what others do -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soaking", [False, True])
def test_somebody_elses_newer_image_supersedes_and_becomes_known_good(soaking: bool) -> None:
    world, arn = started()
    if soaking:
        world.platform.succeed(arn)
        world.run(1)
    world.platform.deploy(arn, app=pinned(THREE))
    world.run(1)
    world.platform.succeed(arn)
    world.run(30)
    assert ending(world, arn) == ("superseded", "changed-outside")
    assert world.told == ["Deployment Started", "Deployment Superseded"]
    record = world.records.get(arn)
    assert record.quarantined == {}
    assert record.hold is None
    assert record.goods[0].digests == {"app": THREE}


@pytest.mark.parametrize("soaking", [False, True])
def test_a_way_back_by_hand_while_longshore_deploys_is_held_and_not_fought(soaking: bool) -> None:
    world, arn = started()
    if soaking:
        world.platform.succeed(arn)
        world.run(1)
    world.platform.deploy(arn, app=pinned(ONE))
    world.run(1)
    world.platform.succeed(arn)
    world.run(30)
    assert world.told == ["Deployment Started", "Deployment Superseded", "Hold Set"]
    hold = world.records.get(arn).hold
    assert hold is not None
    world.deliver(world.envelope("Sweep Due", {"workloads": [arn]}))
    world.push("prod", THREE)
    world.run(30)
    assert len(world.platform.applied) == 1
    assert world.platform.running(arn) == ONE


def test_a_way_back_by_hand_is_held_and_told_and_new_images_are_still_told() -> None:
    world, arn = started()
    world.platform.succeed(arn)
    world.run(30)
    world.forget_telling()
    world.platform.deploy(arn, app=pinned(ONE))
    world.run(1)
    world.platform.succeed(arn)
    world.run(1)
    assert world.told == ["Hold Set"]
    assert world.publisher.published[0].detail["to"] == {"app": ONE}
    world.push("prod", THREE)
    world.run(30)
    assert world.told == ["Hold Set", "Deployment Held"]
    assert world.publisher.published[-1].detail["candidates"][0]["digest"] == THREE
    assert len(world.platform.applied) == 1


def test_a_newer_image_by_somebody_else_becomes_known_good_without_a_hold() -> None:
    world, arn = one_service()
    world.platform.deploy(arn, app=pinned(THREE))
    world.run(1)
    world.platform.succeed(arn)
    world.run(1)
    record = world.records.get(arn)
    assert [good.digests["app"] for good in record.goods] == [THREE, ONE]
    assert record.hold is None
    assert world.told == []


def test_a_deployment_of_what_runs_already_is_nobodys_business() -> None:
    world, arn = one_service()
    world.platform.deploy(arn)
    world.run(1)
    world.platform.succeed(arn)
    world.run(1)
    assert world.records.get(arn).hold is None
    assert len(world.records.get(arn).goods) == 1


def test_deployments_of_workloads_that_did_not_opt_in_are_not_looked_at() -> None:
    world, arn = one_service()
    world.platform.retag(arn, {})
    world.index.remove(arn)
    world.platform.observed.clear()
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_COMPLETED")
    world.run(1)
    assert world.platform.observed == []


def test_a_workload_that_opted_out_leaves_the_index_at_its_next_deployment() -> None:
    world, arn = one_service()
    world.platform.retag(arn, {"team": "web"})
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_COMPLETED")
    world.run(1)
    assert world.index.get(arn) is None


def test_an_old_reminder_changes_nothing() -> None:
    world, arn = started()
    world.platform.succeed(arn)
    world.run(60)
    record, told = world.records.get(arn), list(world.told)
    world.deliver(world.envelope("Watch Due", {"workload": arn}), "watch")
    world.run(1)
    assert world.records.get(arn) == record
    assert world.told == told


@pytest.mark.parametrize("status", [each for each in DeploymentStatus if not each.active])
def test_an_ended_deployment_is_never_moved_again(status: DeploymentStatus) -> None:
    world, arn = started()
    world.records.advance(deployment(world, arn).ends(status, world.clock.now(), "verified"))
    world.platform.succeed(arn)
    world.run(60)
    assert deployment(world, arn).status is status
