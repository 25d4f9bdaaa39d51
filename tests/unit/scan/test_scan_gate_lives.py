"""How long a gate lives, how often it is asked about, and what it says when nothing material changed (design 6.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from longshore.errors import ThrottledError, TransientError, UpstreamError
from longshore.events import Kind
from longshore.gates import GateReason, GateTerms, GateVerdict
from longshore.scan.findings import ScanState
from longshore.scan.rules import AttachedVex, ScanPolicy
from longshore.scan.suppressions import Origin, Suppression
from tests.scan_world import CRITICAL, HIGH, MINOR, ONE, SERVICE, SHOP, THREE, TWO, WEB, ScanWorld, running_world

OPENED, CLOSED = Kind.GATE_OPENED, Kind.GATE_CLOSED
DAY = timedelta(days=1)


def verdict(world: ScanWorld, digest: str = TWO) -> GateVerdict:
    gate = world.gates.get(WEB, SERVICE, digest)
    assert gate is not None
    assert gate.verdict is not None
    return gate.verdict


def gates(world: ScanWorld) -> list[str]:
    return [each for each in world.told if each.startswith("Gate")]


def held(*findings: Any) -> ScanWorld:
    """Two is kept back while one runs."""
    world = running_world()
    world.push(TWO, *(findings or (CRITICAL,)), tag="prod")
    world.ask(TWO, ONE)
    world.run()
    assert gates(world) == [CLOSED]
    return world


# -- the end of a gate ----------------------------------------------------------------------------------------------


def test_a_gate_ends_with_the_deployment_of_its_image() -> None:
    world = running_world()
    world.push(TWO, tag="prod")
    world.ask(TWO, ONE)
    world.run()
    world.deploy(TWO)
    world.send(world.succeeded())
    world.run(5)
    assert list(world.gates.of(WEB)) == []
    world.push(THREE, tag="prod")
    world.deploy(THREE)
    world.find(TWO, CRITICAL)
    world.send(world.scanned(TWO))
    world.run(5)
    assert gates(world) == [OPENED]


def test_a_gate_ends_when_its_workload_runs_something_else_than_when_it_asked() -> None:
    """Two was kept back, three deployed with another tag: of two nobody wants to know any more."""
    world = held()
    world.push(THREE, tag="other")
    world.deploy(THREE)
    world.find(TWO)
    world.send(world.scanned(TWO))
    world.run(5)
    assert (gates(world), list(world.gates.of(WEB))) == ([CLOSED], [])


def test_a_gate_stays_while_one_of_the_containers_runs_what_it_ran() -> None:
    world = held()
    world.gates.retire(world.gates.of(WEB)[0].question)
    world.ask(TWO, ONE, THREE)
    world.run()
    world.find(TWO)
    world.send(world.scanned(TWO))
    world.run()
    assert gates(world)[-1] == OPENED


def test_a_gate_ends_when_its_tag_names_another_image() -> None:
    world = running_world()
    world.push(TWO, tag="prod", state=ScanState.PENDING)
    world.ask(TWO, ONE)
    world.run(1)
    world.push(THREE, tag="prod")
    world.find(TWO, CRITICAL)
    world.send(world.scanned(TWO))
    world.run(40)
    assert (gates(world), list(world.gates.of(WEB))) == ([], [])


def test_the_deadline_of_an_image_whose_tag_moved_on_tells_nothing() -> None:
    world = running_world()
    world.push(TWO, tag="prod", state=ScanState.PENDING)
    world.ask(TWO, ONE)
    world.run(1)
    world.push(THREE, tag="prod")
    world.run(40)
    assert gates(world) == []


@pytest.mark.parametrize("answered", [True, False])
def test_that_an_image_is_deleted_is_told_to_who_waits_alone(answered: bool) -> None:
    world = held() if answered else running_world()
    if not answered:
        world.push(TWO, tag="prod", state=ScanState.PENDING)
        world.ask(TWO, ONE)
        world.run(1)
    del world.scans.assessments[WEB, TWO]
    world.sweep()
    world.run(40)
    assert gates(world) == [CLOSED]
    assert (list(world.gates.of(WEB)) == []) is answered


def test_a_workload_that_is_not_followed_any_more_has_no_gate() -> None:
    world = held()
    world.runners.running[WEB] = {}
    world.sweep()
    world.run(5)
    assert len(list(world.gates.of(WEB))) == 1, "it may only be stopped"
    world.index.left.add(SERVICE)
    world.sweep()
    world.run(5)
    assert list(world.gates.of(WEB)) == []


def test_a_gate_that_was_asked_anew_meanwhile_is_not_ended() -> None:
    world = held()
    old = world.gates.of(WEB)[0].question
    world.clock.advance(60)
    world.ask(TWO, ONE)
    world.gates.retire(old)
    assert len(list(world.gates.of(WEB))) == 1


def test_the_sweep_costs_no_more_for_images_that_ran() -> None:
    world = running_world()
    for number in range(30):
        digest = f"sha256:{number:064x}"
        world.push(digest, tag="prod")
        world.ask(digest, *world.runners.running[WEB])
        world.run(1)
        world.deploy(digest)
        world.send(world.succeeded())
        world.run(5)
    world.scans.looks = 0
    world.sweep()
    world.run(5)
    assert world.scans.looks < 8


# -- the same verdict once more --------------------------------------------------------------------------------------


def test_a_shut_gate_is_told_once_and_stays_fresh() -> None:
    """Redeploy asks anew about a verdict that is a day old: the sweep judged it anew by then."""
    world = held()
    first = verdict(world).at
    for _ in range(30):
        world.clock.advance_to(world.clock.now() + DAY - timedelta(minutes=5))
        world.sweep()
        world.run(5)
        assert world.clock.now() - verdict(world).at <= timedelta(minutes=5)
    assert (gates(world), verdict(world).since) == ([CLOSED], first)


@pytest.mark.parametrize("score", [0.211, 0.209, None])
def test_scores_that_move_change_no_verdict(score: float | None) -> None:
    world = held(replace(CRITICAL, epss=0.21))
    world.clock.advance(60)
    world.find(TWO, replace(CRITICAL, epss=score, score=9.7, title="another"))
    world.send(world.scanned(TWO))
    world.run(1)
    assert gates(world) == [CLOSED]
    assert verdict(world).findings[0]["epss"] == score


@pytest.mark.parametrize("change", [{"kev": True}, {"vulnerability": "CVE-2026-9"}, {"package": "libssl"}])
def test_what_is_material_is_told(change: Mapping[str, Any]) -> None:
    world = held()
    world.clock.advance(60)
    world.find(TWO, replace(CRITICAL, **change))
    world.send(world.scanned(TWO))
    world.run(1)
    assert gates(world) == [CLOSED, CLOSED]


# -- acceptances -----------------------------------------------------------------------------------------------------


def accept(world: ScanWorld, identity: str, vulnerability: str, hours: int | None) -> None:
    ends = world.clock.now() + timedelta(hours=hours) if hours else None
    world.acceptances.put(Suppression(identity, Origin.SWITCH, vulnerability, expires=ends, owner="ann"))


@pytest.mark.parametrize(("hours", "ends"), [((1, 5), 1), ((5, None), 5), ((None, None), None)])
def test_a_pass_says_when_the_first_acceptance_ends_that_it_rests_on(
    hours: tuple[int | None, int | None], ends: int | None
) -> None:
    world = running_world()
    accept(world, "a", CRITICAL.vulnerability, hours[0])
    accept(world, "b", HIGH.vulnerability, hours[1])
    accept(world, "c", MINOR.vulnerability, 100)
    world.push(TWO, CRITICAL, HIGH, tag="prod")
    world.ask(TWO, ONE)
    world.run()
    said = verdict(world)
    assert said.reason is GateReason.CLEAN
    assert said.until == (said.at + timedelta(hours=ends) if ends else None)


def test_of_two_acceptances_of_a_finding_the_longer_one_counts() -> None:
    world = running_world()
    accept(world, "a", CRITICAL.vulnerability, 1)
    accept(world, "b", CRITICAL.vulnerability, 5)
    world.push(TWO, CRITICAL, tag="prod")
    world.ask(TWO, ONE)
    world.run()
    assert verdict(world).until == verdict(world).at + timedelta(hours=5)


# -- what is attached ------------------------------------------------------------------------------------------------

STATEMENT = {
    "vulnerability": {"name": CRITICAL.vulnerability},
    "status": "not_affected",
    "justification": "vulnerable_code_not_present",
}
DOCUMENT = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.org/vex-1",
    "author": "shop",
    "timestamp": "2026-11-01T00:00:00Z",
    "version": 1,
    "statements": [STATEMENT],
}


@pytest.mark.parametrize(
    ("counts", "gate", "reported"),
    [
        (AttachedVex.NONE, GateReason.FINDINGS, True),
        (AttachedVex.REPORTS, GateReason.FINDINGS, False),
        (AttachedVex.GATES, GateReason.CLEAN, False),
    ],
)
def test_who_pushes_opens_the_gate_only_where_the_policy_says_so(
    counts: AttachedVex, gate: GateReason, reported: bool
) -> None:
    world = ScanWorld(ScanPolicy(attached_vex=counts))
    world.deploy(ONE)
    world.push(ONE, tag="1")
    world.push(TWO, CRITICAL, tag="prod")
    world.attestations.documents[TWO] = [DOCUMENT]
    world.ask(TWO, ONE)
    world.send(world.scanned(TWO))
    world.run()
    assert verdict(world).reason is gate
    assert (Kind.FINDINGS_REPORTED in world.told) is reported


def test_what_the_operator_says_outranks_what_is_attached() -> None:
    mine = {**DOCUMENT, "statements": [{**STATEMENT, "status": "affected", "action_statement": "wait", "products": []}]}
    mine["statements"][0]["products"] = [{"@id": "pkg:oci/web"}]  # type: ignore[index]
    policy = ScanPolicy(attached_vex=AttachedVex.GATES, vex=(mine,))
    world = ScanWorld(policy)
    world.deploy(ONE)
    world.push(ONE, tag="1")
    world.push(TWO, CRITICAL, tag="prod")
    world.attestations.documents[TWO] = [{**DOCUMENT, "timestamp": "2026-11-22T00:00:00Z"}]
    world.ask(TWO, ONE)
    world.run()
    assert verdict(world).reason is GateReason.FINDINGS


def test_by_default_nothing_attached_opens_a_gate() -> None:
    assert ScanPolicy().attached_vex is AttachedVex.REPORTS


def attach(world: ScanWorld, digest: str) -> None:
    world.attestations.documents[digest] = [DOCUMENT]
    detail = {"action-type": "PUSH", "result": "SUCCESS", "repository-name": WEB.name, "image-digest": THREE}
    world.send(world.envelope("ECR Referrer Action", {**detail, "artifact-media-type": "application/vnd.openvex+json"}))


@pytest.mark.parametrize(("counts", "kinds"), [(AttachedVex.GATES, [CLOSED, OPENED]), (AttachedVex.REPORTS, [CLOSED])])
def test_what_is_attached_after_the_verdict_opens_the_gate_within_minutes(
    counts: AttachedVex, kinds: list[str]
) -> None:
    world = held()
    world.policy = ScanPolicy(attached_vex=counts)
    attach(world, TWO)
    world.run(2)
    assert gates(world) == kinds


def test_what_is_attached_is_not_heard_where_it_never_counts() -> None:
    world = held()
    world.policy = ScanPolicy(attached_vex=AttachedVex.NONE)
    world.scans.looks = 0
    attach(world, TWO)
    world.run(5)
    assert world.scans.looks == 0


# -- what fails, and what it costs -----------------------------------------------------------------------------------


class Failing:
    """Scanners that fail for a while."""

    def __init__(self, world: ScanWorld, times: int, error: TransientError) -> None:
        self.left = times
        self._assess = world.scans.assess
        self._error = error
        world.scans.assess = self.assess  # type: ignore[method-assign, assignment]

    def assess(self, *args: Any) -> Any:
        """Fails, or answers."""
        if self.left:
            self.left -= 1
            raise self._error
        return self._assess(*args)


@pytest.mark.parametrize(
    ("times", "error", "seconds"),
    [
        (1, UpstreamError("500"), 15),
        (2, UpstreamError("500"), 45),
        (3, UpstreamError("500"), 105),
        (1, ThrottledError(retry_after=40), 40),
        (1, ThrottledError(retry_after=9000), 900),
    ],
)
def test_what_fails_for_a_moment_is_tried_again_soon(times: int, error: TransientError, seconds: int) -> None:
    world = running_world()
    world.push(TWO, tag="prod")
    Failing(world, times, error)
    asked = world.clock.now()
    world.ask(TWO, ONE)
    world.run(30)
    assert verdict(world).at == asked + timedelta(seconds=seconds)
    assert world.failures == []
    assert [each.reason for each in world.outcomes].count("try-again") == times


def test_what_fails_for_hours_is_given_back_to_the_queue() -> None:
    world = running_world()
    world.push(TWO, tag="prod")
    Failing(world, 1000, UpstreamError("500"))
    world.ask(TWO, ONE)
    with pytest.raises(UpstreamError):
        world.run(60 * 4)
    tried = [each for each in world.outcomes if each.reason == "try-again"]
    assert 10 < len(tried) < 20


def test_many_workloads_that_ask_about_an_image_cost_a_few_looks() -> None:
    world = running_world()
    world.push(TWO, CRITICAL, tag="prod")
    services = [f"{SERVICE}-{number}" for number in range(100)]
    world.deploy(ONE, *(SHOP._replace(arn=each) for each in services))
    world.scans.looks = 0
    for each in services:
        world.clock.advance(0.05)
        world.ask(TWO, ONE, workload=each)
    world.run(5)
    assert world.told == [CLOSED] * 100
    assert world.scans.looks <= 20
    world.scans.looks = 0
    world.find(TWO)
    world.send(world.scanned(TWO))
    world.run(5)
    assert gates(world) == [CLOSED] * 100 + [OPENED] * 100
    assert max(Counter(each["workload"] for each in world.details(OPENED)).values()) == 1
    assert world.scans.looks <= 20


def test_a_look_assesses_every_image_once() -> None:
    world = running_world(CRITICAL)
    world.clock.advance(60)
    world.push(TWO, tag="v2")
    world.ask(TWO, ONE, terms=GateTerms(new_only=False))
    world.run()
    seen: list[str] = []
    assess = world.scans.assess

    def counted(*args: Any) -> Any:
        seen.append(args[1])
        return assess(*args)

    world.scans.assess = counted  # type: ignore[method-assign, assignment]
    world.find(ONE, CRITICAL, HIGH)
    world.send(world.scanned(ONE))
    world.run()
    assert Counter(seen) == {ONE: 1, TWO: 1}


def test_a_sweep_looks_at_every_running_image_once() -> None:
    world = running_world()
    digests = [f"sha256:{number:064x}" for number in range(20)]
    for place, digest in enumerate(digests):
        world.push(digest, tag=f"v{place}")
    world.runners.running[WEB] = {each: [SHOP._replace(arn=f"{SERVICE}-{each[-2:]}")] for each in digests}
    world.sweep()
    world.run(5)
    world.scans.looks = 0
    world.sweep()
    world.run(5)
    assert world.scans.looks == 20


def test_many_deployments_at_once_make_one_look_at_what_runs() -> None:
    world = running_world(CRITICAL)
    surveys: list[object] = []
    of = world.runners.of

    def counted(repository: Any) -> Any:
        surveys.append(repository)
        return of(repository)

    world.runners.of = counted  # type: ignore[method-assign]
    for _ in range(20):
        world.send(world.succeeded())
        world.clock.advance(1)
    world.run(5)
    assert len(surveys) <= 3
