"""The gate in front of a deployment: asked once, of the digest that is then deployed, and awaited without polling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from longshore.decisions import Reason
from longshore.errors import TransientError
from longshore.events import Kind
from longshore.gates import GateReason, GateResult, GateTerms, GateVerdict
from longshore.workloads import RolloutStatus
from tests.world import WEB, World, digest, image, one_service

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
AMD, ARM = digest("amd"), digest("arm")
VERDICTS = [reason for reason in GateReason if reason.result is not GateResult.WAIT]


def gated(scan: dict[str, Any] | None = None, **members: Any) -> tuple[World, str]:
    """A service that follows its tag through a gate."""
    return one_service("profile:web", profiles={"web": {"policy": "digest", "gates": {"scan": scan or {}}}}, **members)


def test_a_deployment_waits_for_its_gate_and_begins_when_it_opens() -> None:
    world, arn = gated()
    world.push("prod", TWO)
    world.run(1)
    assert (world.platform.applied, world.reasons[-1]) == ([], "gate-pending")
    (question,) = world.judge(GateReason.CLEAN)
    assert (question.workload, question.digest, question.images, question.running) == (arn, TWO, (TWO,), (ONE,))
    world.run(1)
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO}]
    assert world.platform.applied[0].changes[0].image.endswith(f"@{TWO}"), "what was judged is what is deployed"
    assert world.scan_queue.waiting == []


def test_the_story_keeps_the_id_of_its_push() -> None:
    world, _ = gated()
    push = world.push("prod", TWO)
    world.run(1)
    (question,) = world.judge(GateReason.CLEAN)
    world.run(1)
    (began,) = world.publisher.of(Kind.DEPLOYMENT_STARTED)
    assert question.correlation == began.correlation == push["id"]


@pytest.mark.parametrize("reason", VERDICTS, ids=str)
@pytest.mark.parametrize(
    "scan",
    [{}, {"no_result": "deploy"}, {"no_result": {"unsupported": "deploy"}}, {"act": "tell"}],
    ids=["strict", "any-no-result", "unsupported", "tell"],
)
def test_what_each_verdict_leads_to(reason: GateReason, scan: dict[str, Any]) -> None:
    world, _ = gated(scan)
    world.push("prod", TWO)
    world.run(1)
    world.judge(reason)
    world.run(1)
    anything = scan.get("no_result") == "deploy" and reason.result is GateResult.NO_RESULT
    named = "no_result" in scan and reason is GateReason.UNSUPPORTED
    told = "act" in scan and reason.result is GateResult.FAIL
    passes = reason.result is GateResult.PASS
    assert bool(world.platform.applied) == (passes or anything or named or told)
    if not world.platform.applied:
        held = {GateResult.FAIL: Reason.GATE_FAILED, GateResult.NO_RESULT: Reason.GATE_NO_RESULT}[reason.result]
        (hold,) = world.publisher.of(Kind.DEPLOYMENT_HELD)
        assert (world.reasons[-1], hold.detail["why"]) == (held.value, reason.value)


def test_a_tag_that_moves_on_is_not_deployed_on_the_old_verdict() -> None:
    world, _ = gated()
    world.push("prod", TWO)
    world.run(1)
    world.registry.push(WEB, "prod", THREE)  # nobody has told of it yet
    (question,) = world.judge(GateReason.CLEAN)
    assert question.digest == TWO
    world.run(1)
    assert world.platform.applied == []
    assert [question.digest for question in world.judge(GateReason.FINDINGS)] == [THREE]
    world.run(1)
    assert (world.platform.applied, world.reasons[-1]) == ([], "gate-failed")


def test_a_tag_that_comes_back_needs_no_second_verdict() -> None:
    world, _ = gated()
    world.push("prod", TWO)
    world.run(1)
    world.judge(GateReason.FINDINGS)
    world.run(1)
    world.push("prod", THREE)
    world.run(1)
    world.judge(GateReason.FINDINGS)
    world.push("prod", TWO)
    world.run(1)
    assert world.scan_queue.waiting == []
    assert world.reasons[-1] == "gate-failed"


def test_a_verdict_is_void_once_something_else_runs() -> None:
    world, arn = gated()
    world.push("prod", TWO)
    world.run(1)
    (question,) = world.judge(GateReason.SCANNING)
    world.platform.change(arn, running={"app": THREE})
    world.answer(question, GateReason.NOT_NEW)
    world.run(1)
    assert world.platform.applied == []
    assert [again.running for again in world.judge(GateReason.NOT_NEW)] == [(THREE,)]


def test_a_verdict_is_asked_for_again_after_a_day() -> None:
    world, arn = gated()
    world.push("prod", TWO)
    world.run(1)
    world.judge(GateReason.FINDINGS)
    world.run(1)
    world.clock.advance(timedelta(hours=36).total_seconds())
    world.request(arn, "pending")
    world.run(1)
    assert {question.digest for question in world.judge(GateReason.CLEAN)} == {TWO}
    world.run(1)
    assert len(world.platform.applied) == 1


@pytest.mark.parametrize("let", [False, True])
def test_an_answer_that_never_comes_is_no_result_in_the_end(let: bool) -> None:
    world, _ = gated({"wait": 600, **({"no_result": {"timed-out": "deploy"}} if let else {})})
    world.push("prod", TWO)
    world.run(15)
    assert world.publisher.of(Kind.DEPLOYMENT_HELD) == []
    assert len(world.scan_queue.waiting) == 1
    world.run(10)
    assert len(world.platform.applied) == let
    assert [hold.detail["why"] for hold in world.publisher.of(Kind.DEPLOYMENT_HELD)] == ["timed-out"] * (not let)
    world.run(600)
    assert len(world.publisher.of(Kind.DEPLOYMENT_HELD)) == (not let), "told once"
    assert len(world.scan_queue.waiting) == 1, "and not asked again and again"


def test_an_answer_that_comes_too_late_is_an_answer_all_the_same() -> None:
    world, _ = gated({"wait": 600})
    world.push("prod", TWO)
    world.run(60)
    assert world.reasons[-1] == "gate-no-result"
    world.judge(GateReason.CLEAN)
    world.run(1)
    assert len(world.platform.applied) == 1


def test_a_verdict_ends_with_the_acceptance_that_it_rests_on() -> None:
    world, arn = gated()
    world.push("prod", TWO)
    world.run(1)
    world.switches.reason = "maintenance"
    ((body, _),) = [(each, None) for _, each in world.scan_queue.waiting]
    gate = world.gates.get(WEB, arn, TWO)
    assert gate is not None
    ends = world.clock.now() + timedelta(hours=1)
    assert world.gates.judge(gate.question, GateVerdict(GateReason.CLEAN, world.clock.now(), until=ends))
    world.clock.advance_to(ends)
    world.switches.reason = None
    world.request(arn, "pending")
    world.run(1)
    assert (world.platform.applied, world.reasons[-1]) == ([], "gate-pending")
    assert body["detail"]["digest"] == TWO


def test_a_gate_that_was_closed_may_open() -> None:
    world, _ = gated()
    world.push("prod", TWO)
    world.run(1)
    (question,) = world.judge(GateReason.FINDINGS)
    world.run(1)
    world.answer(question, GateReason.CLEAN)  # somebody accepted what was found
    world.run(1)
    assert len(world.platform.applied) == 1


def test_without_scan_nothing_is_judged_and_nothing_passes() -> None:
    world, _ = gated(scanning=False)
    world.push("prod", TWO)
    world.run(1)
    (hold,) = world.publisher.of(Kind.DEPLOYMENT_HELD)
    assert (world.reasons[-1], hold.detail["why"]) == ("gate-no-result", "off")
    assert (world.platform.applied, world.gates.of(WEB)) == ([], [])


def test_of_an_index_the_images_that_would_run_are_judged() -> None:
    world, arn = gated()
    world.platform.change(arn, platforms=frozenset({"linux/arm64"}))
    world.push("prod", TWO, index=True, platforms={"linux/amd64": AMD, "linux/arm64": ARM})
    world.run(1)
    (question,) = world.judge(GateReason.CLEAN)
    assert (question.digest, question.images) == (TWO, (ARM,))


def test_a_rollback_and_a_heal_pass_without_a_gate() -> None:
    world, arn = gated()
    world.push("prod", TWO)
    world.run(1)
    world.judge(GateReason.CLEAN)
    world.run(1)
    world.platform.end(arn, RolloutStatus.FAILED)
    world.platform.changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    world.run(1)
    back = world.platform.applied[-1]
    assert (back.rollback, dict(back.digests)) == (True, {"app": ONE})
    world.platform.succeed(arn)
    world.run(60)
    world.request(arn, "heal")
    world.run(1)
    assert world.platform.applied[-1].reason == "heal"
    assert world.scan_queue.waiting == []


@pytest.mark.parametrize("reason", ["retirement", "heal"])
def test_what_the_gate_refused_is_not_brought_in_by_a_new_deployment_of_what_runs(reason: str) -> None:
    world, arn = gated()
    world.push("prod", TWO)
    world.run(1)
    world.judge(GateReason.FINDINGS)
    world.run(1)
    world.request(arn, reason)
    world.run(1)
    (plan,) = world.platform.applied
    assert (plan.reason, plan.changes[0].image.rpartition("@")[2]) == (reason, ONE)
    world.platform.succeed(arn)
    world.run(30)
    assert world.platform.running(arn) == ONE
    (began,) = [each for each in world.publisher.of(Kind.DEPLOYMENT_STARTED) if each.detail["stage"] == "rolling"]
    assert began.detail["changes"] == [], "nothing changed"
    assert len(world.platform.applied) == 1


def test_what_runs_and_is_gone_is_healed_by_what_passes_the_gate() -> None:
    world, arn = gated()
    world.push("prod", TWO)
    world.run(1)
    del world.registry.images[ONE]
    world.request(arn, "heal")
    world.run(1)
    assert world.platform.applied == []
    world.judge(GateReason.CLEAN)
    world.run(1)
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO}]


def test_another_container_brings_nothing_in_that_was_not_judged() -> None:
    world = World(profiles={"web": {"policy": "digest", "gates": {"scan": {}}}})
    api = WEB._replace(name="team/api")
    world.registry.push(WEB, "prod", ONE)
    world.registry.push(api, "prod", AMD)
    world.clock.advance(3600)
    arn = world.service(policy="profile:web", images={"app": image(WEB, "prod"), "api": image(api, "prod")})
    world.push("prod", TWO)
    world.run(1)
    world.judge(GateReason.CLEAN)
    world.registry.push(api, "prod", ARM)  # between the decision and ECS's resolving of tags
    world.run(1)
    (plan,) = world.platform.applied
    assert dict(plan.digests) == {"app": TWO, "api": AMD}
    world.platform.end(arn, RolloutStatus.FAILED)
    world.platform.changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    world.run(1)
    assert set(world.records.get(arn).quarantined) == {TWO}, "what ran already is not to blame"


def test_what_was_begun_by_half_is_not_finished_through_a_gate_that_closed() -> None:
    world, arn = gated()
    world.push("prod", TWO)
    world.run(1)
    (question,) = world.judge(GateReason.CLEAN)
    world.platform.unable = TransientError("UpdateService: ServerException")
    world.run(0.1)
    assert world.records.get(arn).deployment is not None
    world.platform.unable = None
    assert world.gates.judge(question, GateVerdict(GateReason.FINDINGS, world.clock.now()))
    world.run(60)
    assert (world.platform.applied, world.reasons[-1]) == ([], "gate-failed")


def test_what_another_platform_runs_of_an_index_is_not_what_runs() -> None:
    world, arn = gated()
    index = digest("index")
    world.registry.push(WEB, "prod", index, platforms={"linux/amd64": AMD, "linux/arm64": ARM})
    world.platform.change(arn, platforms=frozenset({"linux/arm64"}), running={"app": index})
    world.push("prod", TWO)
    world.run(1)
    (question,) = world.judge(GateReason.CLEAN)
    assert (question.images, question.running) == ((TWO,), (ARM,))


def test_what_is_held_otherwise_is_not_asked_about() -> None:
    world, _ = gated()
    world.switches.reason = "maintenance"
    world.push("prod", TWO)
    world.run(1)
    assert (world.reasons[-1], world.gates.of(WEB)) == ("paused", [])


def asked_and_deployed(step: int | None) -> World:
    world, _ = gated()
    world.push("prod", TWO)
    if step is not None:
        world.crash_at = len(world.steps) + step
    world.run(14)
    world.judge(GateReason.CLEAN)
    world.run(14)
    return world


def boundaries() -> int:
    world, _ = gated()
    before = len(world.steps)
    world.push("prod", TWO)
    world.run(1)
    return len(world.steps) - before


@pytest.mark.parametrize("step", range(1, boundaries() + 1))
def test_asking_survives_the_end_of_the_process_anywhere(step: int) -> None:
    world = asked_and_deployed(step)
    assert len(world.failures) == 1
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO}]


def test_terms_default_to_what_is_new_grave_and_mendable() -> None:
    world, _ = gated()
    world.push("prod", TWO)
    world.run(1)
    (question,) = world.judge(GateReason.CLEAN)
    assert question.terms == GateTerms(frozenset({"P1", "P2"}), None, True, True, timedelta(minutes=30))


def test_two_workloads_are_judged_apart() -> None:
    world, first = gated()
    second = world.service("other", policy="profile:web", images={"app": image(WEB, "prod")})
    world.push("prod", TWO)
    world.run(1)
    assert {question.workload for question in world.judge(GateReason.CLEAN)} == {first, second}
    world.run(1)
    assert len(world.platform.applied) == 2
