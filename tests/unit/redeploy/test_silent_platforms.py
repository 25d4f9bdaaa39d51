"""Platforms that send no events: deployments are looked at again and again, and what others change is noticed late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import AccessDeniedError
from longshore.redeploy.looks import next_look
from longshore.workloads import Action, Deployment, DeploymentStatus, Plan, RolloutStatus
from tests.fake_platform import WEB, digest, image
from tests.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:resize"
SERVICE = "arn:aws:ecs:eu-west-1:123456789012:service/shop/web"
BEGAN = datetime(2026, 11, 23, 10, tzinfo=UTC)
ROLLING = ["Deployment Started", "Deployment Succeeded"]


def function() -> World:
    """A function that runs ONE."""
    world = World()
    world.registry.push(WEB, "prod", ONE)
    world.clock.advance(3600)
    world.service("resize", arn=ARN)
    return world


def started() -> World:
    """A deployment of TWO that was just begun."""
    world = function()
    world.push("prod", TWO)
    world.run(0.1)
    assert world.told == ["Deployment Started"]
    return world


def ending(world: World) -> tuple[str, str]:
    found = world.records.get(ARN).deployment
    assert found is not None
    return found.status.value, found.outcome


def begun(arn: str, status: DeploymentStatus = DeploymentStatus.STARTED) -> Deployment:
    plan = Plan(arn, Action.REFRESH, (), "moved", "event-1")
    return Deployment(plan, status, BEGAN, BEGAN + timedelta(minutes=20))


# -- when it is looked ----------------------------------------------------------------------------------------------


def looks(deployment: Deployment) -> Iterator[timedelta]:
    """Every look of a deployment that never ends, since it began."""
    now = BEGAN
    while now < deployment.deadline:
        now = next_look(deployment, now)
        yield now - BEGAN


def test_looks_become_rarer_and_the_last_one_is_at_the_deadline() -> None:
    seconds = [each.total_seconds() for each in looks(begun(ARN))]
    assert seconds == [10, 20, 40, 80, 160, 320, 620, 920, 1200]


def test_a_platform_that_sends_events_is_looked_at_when_time_is_up() -> None:
    assert list(looks(begun(SERVICE))) == [timedelta(minutes=20)]


def test_a_soak_is_looked_at_when_it_ends() -> None:
    assert list(looks(begun(ARN, DeploymentStatus.SOAKING))) == [timedelta(minutes=20)]


@given(st.integers(0, 3600), st.sampled_from([ARN, SERVICE]), st.sampled_from(list(DeploymentStatus)))
def test_the_next_look_comes_and_never_after_the_deadline(after: int, arn: str, status: DeploymentStatus) -> None:
    deployment, now = begun(arn, status), BEGAN + timedelta(seconds=after)
    look = next_look(deployment, now)
    assert look <= deployment.deadline
    assert look > now or now >= deployment.deadline


# -- deployments of Longshore's own ---------------------------------------------------------------------------------


def test_success_is_found_by_looking() -> None:
    world = started()
    world.platform.succeed(ARN)
    world.run(10)
    assert ending(world) == ("verified", "verified")
    assert world.told == ROLLING


def test_failure_is_found_by_looking_and_taken_back() -> None:
    world = started()
    world.platform.end(ARN, RolloutStatus.FAILED)
    world.run(3)
    assert [plan.rollback for plan in world.platform.applied] == [False, True]
    world.platform.succeed(ARN)
    world.run(10)
    assert world.platform.running(ARN) == ONE
    assert set(world.records.get(ARN).quarantined) == {TWO}


def test_what_is_prepared_is_completed_by_redeploy() -> None:
    world = started()
    world.platform.prepare(ARN)
    world.run(10)
    assert world.platform.completed == [world.platform.observe(ARN).rollout]
    assert (ending(world), world.told) == (("verified", "verified"), ROLLING)


def test_a_request_to_complete_what_is_done_changes_nothing() -> None:
    world = started()
    rollout = str(world.platform.observe(ARN).rollout)
    world.platform.rollouts[rollout] = replace(world.platform.rollouts[rollout], status=RolloutStatus.SUCCEEDED)
    world.deliver(world.envelope("Redeploy Requested", {"workload": ARN, "reason": "complete"}))
    assert world.platform.completed == []


def test_a_request_to_complete_what_was_given_up_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = started()
    with monkeypatch.context() as unable:
        unable.setattr(world.platform, "complete", lambda arn, id: None)
        world.platform.prepare(ARN)
        world.run(60)
    world.deliver(world.envelope("Redeploy Requested", {"workload": ARN, "reason": "complete"}))
    assert (ending(world), world.platform.completed) == (("failed", "not-completed"), [])


def test_what_cannot_be_completed_says_nothing_against_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    world = started()

    def refuse(arn: str, id: str) -> None:
        raise AccessDeniedError("UpdateAlias: AccessDeniedException")

    monkeypatch.setattr(world.platform, "complete", refuse)
    world.platform.prepare(ARN)
    world.run(60)
    assert ending(world) == ("failed", "refused")
    assert (world.told, world.records.get(ARN).quarantined) == (["Deployment Started", "Deployment Failed"], {})


def test_what_is_never_completed_ends_in_time_and_says_nothing_against_the_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = started()
    monkeypatch.setattr(world.platform, "complete", lambda arn, id: None)
    world.platform.prepare(ARN)
    world.run(60)
    assert ending(world) == ("failed", "not-completed")
    assert (world.told, world.records.get(ARN).quarantined) == (["Deployment Started", "Deployment Failed"], {})


@pytest.mark.parametrize("step", range(1, 60))
def test_a_crash_anywhere_loses_nothing(step: int) -> None:
    world = function()
    world.crash_at = step
    world.push("prod", TWO)
    for _ in range(60):
        world.run(1)
        if world.platform.observe(ARN).rollout_active:
            world.platform.prepare(ARN)
    assert world.platform.running(ARN) == TWO
    assert ending(world) == ("verified", "verified")
    assert len(world.platform.applied) <= 2
    assert set(ROLLING) <= set(world.told) <= {*ROLLING, "Deployment Superseded"}


# -- what others change ---------------------------------------------------------------------------------------------


def sweep(world: World) -> None:
    world.deliver(world.envelope("Sweep Due", {"workloads": [ARN]}))
    world.run(5)


def test_what_somebody_else_deployed_is_known_after_the_next_sweep() -> None:
    world = function()
    world.registry.push(WEB, "other", THREE)
    world.platform.deploy(ARN, app=image(WEB, "other"))
    world.platform.succeed(ARN)
    sweep(world)
    assert world.records.get(ARN).goods[0].digests == {"app": THREE}
    assert (world.records.get(ARN).hold, world.told) == (None, [])


def test_a_way_back_is_a_hold_before_anything_is_decided_on_it() -> None:
    world = started()
    world.platform.succeed(ARN)
    world.run(10)
    world.registry.push(WEB, "old", ONE)
    world.platform.deploy(ARN, app=image(WEB, "old"))
    world.platform.succeed(ARN)
    world.forget_telling()
    world.push("prod", THREE)
    world.run(10)
    assert world.records.get(ARN).hold is not None
    assert (world.platform.running(ARN), world.told[0], len(world.platform.applied)) == (ONE, "Hold Set", 1)


def test_somebody_elses_deployment_is_waited_for() -> None:
    world = function()
    world.platform.deploy(ARN)
    world.push("prod", TWO)
    world.run(5)
    assert (world.platform.applied, world.reasons[-1]) == ([], "deployment-in-progress")
    world.platform.succeed(ARN)  # of what the tag named when it began: ONE
    world.run(5)
    assert len(world.platform.applied) == 1


def test_what_is_paused_for_a_day_is_looked_at_ever_more_rarely() -> None:
    """Sweeps and pushes look beside, and leave nothing behind that goes on for ever."""
    world = function()
    world.platform.deploy(ARN)
    world.push("prod", TWO)
    before = len(world.platform.observed)
    for _ in range(24):
        world.deliver(world.envelope("Sweep Due", {"workloads": [ARN]}))
        world.run(60)
    assert len(world.platform.observed) - before <= 24 * 8
    assert world.platform.applied == []
    world.platform.succeed(ARN)
    sweep(world)
    assert len(world.platform.applied) == 1
