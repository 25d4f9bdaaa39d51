"""What runs only now and then: declared at once, proven by its first run, however late that comes (redeploy 8.9)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from longshore.redeploy.looks import UNPROVEN, is_unproven, next_proof
from longshore.workloads import Action, Deployment, DeploymentStatus, Plan, RolloutStatus
from tests.fake_platform import WEB, digest
from tests.world import World

ONE, TWO = digest("one"), digest("two")
ARN = "arn:aws:events:eu-west-1:123456789012:rule/nightly"
BEGAN = datetime(2026, 11, 23, 10, tzinfo=UTC)
ROLLING = ["Deployment Started", "Deployment Succeeded"]


def waiting() -> World:
    """A rule whose next run takes TWO, though none has come yet."""
    world = World()
    world.registry.push(WEB, "prod", ONE)
    world.clock.advance(3600)
    world.service("nightly", arn=ARN)
    world.push("prod", TWO)
    world.run(0.1)
    assert world.told == ["Deployment Started"]
    becomes(world, RolloutStatus.WAITING)
    return world


def becomes(world: World, status: RolloutStatus) -> None:
    (id,) = [each for each in world.platform.rollouts if each == deployment(world).rollout]
    found = world.platform.rollouts[id]
    world.platform.rollouts[id] = replace(found, status=status, reason="so it is", digests={"app": TWO})


def deployment(world: World) -> Deployment:
    found = world.records.get(ARN).deployment
    assert found is not None
    return found


def ending(world: World) -> tuple[str, str]:
    found = deployment(world)
    return found.status.value, found.outcome


def test_it_is_waited_for_until_the_deadline_and_then_said() -> None:
    world = waiting()
    world.run(15)
    assert ending(world) == ("started", "")
    world.run(10)
    assert ending(world) == ("verified", UNPROVEN)
    assert (world.told, world.records.get(ARN).quarantined) == (ROLLING, {})
    assert all(TWO not in good.digests.values() for good in world.records.get(ARN).goods), "nothing has proven it"


def test_a_late_first_run_proves_it_quietly() -> None:
    world = waiting()
    world.run(30)
    becomes(world, RolloutStatus.SUCCEEDED)
    world.run(120)
    assert (ending(world), world.told) == (("verified", "verified"), ROLLING)
    assert TWO in world.records.get(ARN).goods[0].digests.values()


def test_a_late_first_run_that_fails_is_told_and_taken_back() -> None:
    world = waiting()
    world.run(30)
    becomes(world, RolloutStatus.FAILED)
    world.run(61)
    assert world.told[2] == "Deployment Failed"
    assert TWO in world.records.get(ARN).quarantined


def test_what_somebody_else_declares_meanwhile_supersedes_it() -> None:
    world = waiting()
    becomes(world, RolloutStatus.REPLACED)
    world.run(1)
    assert ending(world) == ("superseded", "changed-outside")
    assert world.records.get(ARN).quarantined == {}


def ended() -> Deployment:
    plan = Plan(ARN, Action.REFRESH, (), "moved", "event-1")
    begun = Deployment(plan, DeploymentStatus.STARTED, BEGAN, BEGAN + timedelta(minutes=20))
    return begun.ends(DeploymentStatus.VERIFIED, BEGAN, UNPROVEN)


def test_proof_is_looked_for_every_hour_for_five_weeks_by_one_row_of_looks() -> None:
    last, hour = ended(), timedelta(hours=1)
    assert next_proof(last, BEGAN) == BEGAN + hour
    assert next_proof(last, BEGAN + timedelta(minutes=5)) is None, "a reminder of before begins no second row"
    assert next_proof(last, BEGAN + hour) == BEGAN + 2 * hour
    assert next_proof(last, BEGAN + timedelta(days=35, seconds=1)) is None


def test_only_what_ended_so_is_unproven() -> None:
    world = waiting()
    record = world.records.get(ARN)
    assert not is_unproven(record, {"app": TWO})
    world.run(30)
    known = world.records.get(ARN)
    assert is_unproven(known, known.deployment.plan.digests if known.deployment else {})
    assert not is_unproven(known, {"app": ONE, "other": ONE})
