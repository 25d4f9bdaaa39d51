"""From facts to one plan: pure, so every case is a value (redeploy 8.5, 8.7, 8.10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from longshore.decisions import Reason, Verdict
from longshore.images import Repository
from longshore.ports import Good, Head, Record
from longshore.redeploy.pacing import Pacing
from longshore.redeploy.plan import Facts, Proposal, again, cooled, pacing_of, propose, way_back
from longshore.redeploy.profiles import read_profiles
from longshore.redeploy.state import Candidate
from longshore.workloads import (
    Action,
    Change,
    Controller,
    Deployment,
    DeploymentStatus,
    Hold,
    Observation,
    Plan,
    PlatformKind,
    Workload,
)
from tests.fake_platform import ACCOUNT, HOST, REGION, WEB, digest, image
from tests.fakes import START

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/web"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/web-task"


def observed(declared: str = image(WEB, "prod"), policy: str | None = "digest", **members: Any) -> Observation:
    tags = {} if policy is None else {"longshore:policy": policy}
    images = members.pop("images", {"app": declared})
    workload = Workload(ARN, PlatformKind.ECS_SERVICE, ACCOUNT, REGION, "shop", "web", tags, images, "web:1")
    return Observation(workload, **{"running": {"app": ONE}, "desired": 2, "steady": True, **members})


def facts(observation: Observation | None = None, *candidates: Candidate, **members: Any) -> Facts:
    offered = candidates or (Candidate("prod", TWO),)
    record = members.pop("record", Record(ARN))
    return Facts(
        observation or observed(), record, {WEB: offered}, START, **{"passable": ("arn:aws:iam::*:role/*",), **members}
    )


def deployed(status: DeploymentStatus, *, ago: int = 0, rollback: bool = False, **members: Any) -> Record:
    plan = Plan(ARN, Action.REFRESH, (Change("app", "x", TWO, "prod"),), "moved", "event-0", rollback)
    began = START - timedelta(seconds=ago)
    return Record(ARN, Deployment(plan, status, began, began + timedelta(minutes=20), **members))


def one(proposal: Proposal) -> Change:
    assert proposal.plan is not None
    (change,) = proposal.plan.changes
    return change


def reason(proposal: Proposal) -> Reason:
    assert proposal.leading is not None
    return proposal.leading.reason


def test_a_declared_tag_that_moved_is_refreshed_and_nothing_drifts() -> None:
    proposal = propose(facts(), "event-1")
    change = one(proposal)
    assert proposal.plan is not None
    assert (proposal.plan.action, proposal.plan.reason, proposal.plan.correlation) == (
        Action.REFRESH,
        "moved",
        "event-1",
    )
    assert (change.image, change.declared, change.digest, change.previous) == (
        image(WEB, "prod"),
        image(WEB, "prod"),
        TWO,
        ONE,
    )


def test_a_declared_image_without_a_tag_follows_latest_and_is_left_as_it_is_written() -> None:
    bare = f"{HOST}/team/web"
    proposal = propose(facts(observed(bare), Candidate("latest", TWO)), "event-1")
    assert (one(proposal).image, proposal.plan and proposal.plan.action) == (bare, Action.REFRESH)


def test_another_tag_is_a_revision() -> None:
    proposal = propose(
        facts(observed(image(WEB, "1.0.0"), "semver:minor"), Candidate("1.1.0", TWO), Candidate("1.0.5", THREE)),
        "event-1",
    )
    change = one(proposal)
    assert (change.image, change.tag, proposal.plan and proposal.plan.action) == (
        image(WEB, "1.1.0"),
        "1.1.0",
        Action.REVISE,
    )
    reasons = {candidate.tag: each.reason.value for _, candidate, each in proposal.decisions if candidate}
    assert reasons == {"1.1.0": "newer", "1.0.5": "superseded"}


def test_a_profile_may_have_the_digest_written() -> None:
    profiles = read_profiles({"p": {"policy": "digest", "write": "digest"}})
    proposal = propose(facts(observed(policy="profile:p"), profiles=profiles), "event-1")
    change = one(proposal)
    assert (change.image, change.tag, proposal.plan and proposal.plan.action) == (
        f"{HOST}/team/web@{TWO}",
        "prod",
        Action.REVISE,
    )


def test_what_longshore_wrote_by_digest_is_followed_by_the_tag_beside_it() -> None:
    observation = observed(f"{HOST}/team/web@{ONE}", human_tags={"app": "prod"})
    assert one(propose(facts(observation), "event-1")).digest == TWO


def test_a_digest_that_somebody_pinned_has_no_tag_to_follow() -> None:
    assert reason(propose(facts(observed(f"{HOST}/team/web@{ONE}")), "event-1")) is Reason.CURRENT_NOT_COMPARABLE


def test_a_digest_that_somebody_pinned_stays_a_digest() -> None:
    observation = observed(f"{HOST}/team/web@{ONE}", "digest:prod")
    assert one(propose(facts(observation), "event-1")).image == f"{HOST}/team/web@{TWO}"


def test_an_index_may_run_as_its_child_for_the_workloads_platform() -> None:
    platforms = {"linux/amd64": digest("amd64"), "linux/arm64": digest("arm64")}
    candidate = Candidate("prod", TWO, platforms)
    change = one(propose(facts(observed(platforms=frozenset({"linux/arm64"})), candidate), "event-1"))
    assert [change.satisfied_by(each) for each in (TWO, digest("arm64"), digest("amd64"), None)] == [
        True,
        True,
        False,
        False,
    ]
    unknown = one(propose(facts(observed(), candidate), "event-1"))
    assert unknown.satisfied_by(digest("amd64"))


def test_a_platform_that_is_missing_holds() -> None:
    candidate = Candidate("prod", TWO, {"linux/amd64": digest("amd64")})
    proposal = propose(facts(observed(platforms=frozenset({"linux/arm64"})), candidate), "event-1")
    assert (reason(proposal), proposal.plan) == (Reason.PLATFORM, None)


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (observed(policy=None), Reason.NOT_OPTED_IN),
        (observed(policy="nonsense"), Reason.INVALID_POLICY),
        (observed(policy="profile:absent"), Reason.PROFILE_UNKNOWN),
        (observed(policy="pin"), Reason.PINNED),
        (observed(running={}), Reason.UNKNOWN_RUNNING),
        (observed(running={}, desired=0), Reason.NOT_RUNNING),
        (observed(running={}, rollout_active=True, steady=False), Reason.DEPLOYMENT_IN_PROGRESS),
        (observed(running={"app": TWO}), Reason.SAME_DIGEST),
        (observed(controller=Controller.EXTERNAL), Reason.CONTROLLER_EXTERNAL),
        (observed(rollout_active=True), Reason.DEPLOYMENT_IN_PROGRESS),
    ],
)
def test_why_not_by_what_is_observed(observation: Observation, expected: Reason) -> None:
    proposal = propose(facts(observation), "event-1")
    assert (reason(proposal), proposal.plan) == (expected, None)


HELD = Record(ARN, hold=Hold("incident", "alice", START))
OVER = Record(ARN, hold=Hold("incident", "alice", START, START))


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"paused": "incident"}, Reason.PAUSED),
        ({"paused": ""}, Reason.PAUSED),
        ({"record": HELD}, Reason.HELD),
        ({"record": OVER}, Reason.MOVED),
        ({"record": Record(ARN, quarantined={TWO: START})}, Reason.QUARANTINED),
        ({"record": deployed(DeploymentStatus.STARTED)}, Reason.DEPLOYMENT_IN_PROGRESS),
        ({"record": deployed(DeploymentStatus.SOAKING, ago=3600)}, Reason.DEPLOYMENT_IN_PROGRESS),
        ({"record": deployed(DeploymentStatus.VERIFIED, ago=299)}, Reason.COOLDOWN),
        ({"record": deployed(DeploymentStatus.VERIFIED, ago=300)}, Reason.MOVED),
        ({"record": deployed(DeploymentStatus.VERIFIED, rollback=True)}, Reason.MOVED),
        ({"observe_only": True}, Reason.OBSERVE_ONLY),
        ({"paused": "x", "record": HELD}, Reason.PAUSED),
    ],
)
def test_why_not_by_what_is_known(members: dict[str, Any], expected: Reason) -> None:
    proposal = propose(facts(**members), "event-1")
    assert reason(proposal) is expected


def test_a_failed_deployment_that_the_platform_still_works_on_stops_nobody() -> None:
    failed = deployed(DeploymentStatus.FAILED, ago=3600, rollout="r1")
    observation = observed(rollout="r1", rollout_active=True, steady=False)
    assert reason(propose(facts(observation, record=failed), "event-1")) is Reason.MOVED
    other = replace(observation, rollout="r2")
    assert reason(propose(facts(other, record=failed), "event-1")) is Reason.DEPLOYMENT_IN_PROGRESS


@pytest.mark.parametrize(
    ("passable", "granted"),
    [
        ((), False),
        ((ROLE,), True),
        ((f"arn:aws:iam::{ACCOUNT}:role/web-*",), True),
        ((f"arn:aws:iam::{ACCOUNT}:role/api-*",), False),
        ((f" {ROLE} ",), True),
        ((f"arn:aws:iam::{ACCOUNT}:role/web[-]task",), False),
    ],
)
def test_a_revision_needs_leave_to_pass_its_roles(passable: tuple[str, ...], granted: bool) -> None:
    observation = observed(image(WEB, "1.0.0"), "semver:minor", roles=(ROLE,))
    proposal = propose(facts(observation, Candidate("1.1.0", TWO), passable=passable), "event-1")
    assert reason(proposal) is (Reason.NEWER if granted else Reason.PASS_ROLE_NOT_GRANTED)


def test_a_refresh_needs_no_leave() -> None:
    assert reason(propose(facts(observed(roles=(ROLE,)), passable=()), "event-1")) is Reason.MOVED


def test_the_decision_that_says_most_leads() -> None:
    ranks = [Verdict.DEPLOY, Verdict.WAIT, Verdict.HOLD, Verdict.SKIP]
    proposal = propose(facts(), "event-1")
    decisions = [("app", None, each) for each in map(_decision, [Reason.PINNED, Reason.COOLDOWN, Reason.PAUSED])]
    for expected in ranks[1:]:
        leading = replace(proposal, decisions=tuple(decisions)).leading
        assert leading is not None
        assert leading.verdict is expected
        decisions = [each for each in decisions if each[2].verdict is not expected]
    assert replace(proposal, decisions=()).leading is None


def _decision(reason: Reason) -> Any:
    from longshore.decisions import Decision

    return Decision(reason)


# -- the way back ---------------------------------------------------------------------------------------------------

GOODS = (Good({"app": ONE}, START), Good({"app": THREE}, START))


def test_the_way_back_is_by_digest_and_keeps_the_tag() -> None:
    observation = observed(running={"app": TWO})
    proposal = way_back(facts(observation, record=Record(ARN, goods=GOODS)), "event-1", Reason.ROLLBACK)
    change = one(proposal)
    assert proposal.plan is not None
    assert (proposal.plan.rollback, proposal.plan.action) == (True, Action.REVISE)
    assert (change.image, change.digest, change.tag, change.previous) == (f"{HOST}/team/web@{ONE}", ONE, "prod", TWO)


def test_the_way_back_of_a_version_is_known_by_the_version_that_worked() -> None:
    observation = observed(policy="semver:minor", running={"app": TWO}, images={"app": f"{HOST}/team/web:1.6.0"})
    goods = (Good({"app": ONE}, START, {"app": "1.5.0"}),)
    assert one(way_back(facts(observation, record=Record(ARN, goods=goods)), "event-1", Reason.ROLLBACK)).tag == "1.5.0"


def test_the_way_back_under_digest_goes_on_to_follow_what_is_declared_now() -> None:
    observation = observed(running={"app": TWO})
    goods = (Good({"app": ONE}, START, {"app": "old"}),)
    assert one(way_back(facts(observation, record=Record(ARN, goods=goods)), "event-1", Reason.ROLLBACK)).tag == "prod"


@pytest.mark.parametrize("goods", [(), GOODS])
def test_there_is_no_way_back_to_what_runs_or_to_what_is_not_known(goods: tuple[Good, ...]) -> None:
    proposal = way_back(facts(record=Record(ARN, goods=goods)), "event-1", Reason.ROLLBACK)
    assert (reason(proposal), proposal.plan) == (Reason.SAME_DIGEST, None)


def test_what_is_not_steady_is_taken_back_though_good_tasks_still_run() -> None:
    observation = observed(steady=False)
    proposal = way_back(facts(observation, record=Record(ARN, goods=GOODS)), "event-1", Reason.ROLLBACK)
    assert one(proposal).digest == ONE


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, Reason.ROLLBACK),
        ({"paused": "incident"}, Reason.PAUSED),
        ({"observe_only": True}, Reason.OBSERVE_ONLY),
        ({"passable": ()}, Reason.PASS_ROLE_NOT_GRANTED),
    ],
)
def test_what_stands_against_a_way_back(members: dict[str, Any], expected: Reason) -> None:
    observation = observed(running={"app": TWO}, roles=(ROLE,))
    proposal = way_back(facts(observation, record=Record(ARN, goods=GOODS), **members), "event-1", Reason.ROLLBACK)
    assert reason(proposal) is expected


def test_neither_a_hold_nor_a_cooldown_nor_a_quarantine_stands_against_a_way_back() -> None:
    failed = deployed(DeploymentStatus.FAILED).deployment
    record = Record(ARN, failed, Hold("incident", "alice", START), GOODS, {ONE: START})
    proposal = way_back(facts(observed(running={"app": TWO}), record=record), "event-1", Reason.ROLLBACK)
    assert reason(proposal) is Reason.ROLLBACK


def test_a_held_workload_that_is_being_deployed_is_not_taken_back() -> None:
    record = replace(deployed(DeploymentStatus.STARTED), hold=Hold("incident", "alice", START), goods=GOODS)
    proposal = way_back(facts(observed(running={"app": TWO}), record=record), "event-1", Reason.ROLLBACK)
    assert reason(proposal) is Reason.DEPLOYMENT_IN_PROGRESS


def test_the_same_again_changes_nothing_and_obeys_a_hold() -> None:
    proposal = again(facts(), "event-1", Reason.HEAL)
    assert proposal.plan is not None
    assert (proposal.plan.action, proposal.plan.changes, reason(proposal)) == (Action.REFRESH, (), Reason.HEAL)
    assert reason(again(facts(record=HELD), "event-1", Reason.HEAL)) is Reason.HELD
    assert reason(again(facts(observe_only=True), "event-1", Reason.HEAL)) is Reason.OBSERVE_ONLY


# -- pacing ---------------------------------------------------------------------------------------------------------


def test_the_pacing_is_that_of_the_profile() -> None:
    profiles = read_profiles({"p": {"policy": "digest", "cooldown": "1h"}})
    assert pacing_of(facts(observed(policy="profile:p"), profiles=profiles)).cooldown == 3600
    assert pacing_of(facts(observed(policy="digest"), profiles=profiles)) == Pacing()
    paced = facts(observed(policy="profile:p"), profiles=profiles, record=deployed(DeploymentStatus.VERIFIED, ago=60))
    assert cooled(paced) == START + timedelta(seconds=3540)


def test_when_a_tag_moved_is_what_the_ledger_says() -> None:
    heads = {
        (WEB, tag): Head(WEB, tag, pushed, START + timedelta(seconds=at), START, START)
        for tag, pushed, at in (("main-1", ONE, 10), ("main-2", TWO, 5))
    }
    older = Candidate("main-2", TWO, moved_at=START + timedelta(seconds=5))
    proposal = propose(facts(observed(image(WEB, "main-1"), "newest:main-"), older, heads=heads), "event-1")
    assert reason(proposal) is Reason.SUPERSEDED


PROXY = Repository(ACCOUNT, REGION, "team/proxy")


def two_containers(**members: Any) -> Facts:
    """`app` and `proxy`, each on its own repository's `prod`, both of which moved."""
    observation = observed(
        images={"app": image(WEB, "prod"), "proxy": image(PROXY, "prod")}, running={"app": ONE, "proxy": ONE}
    )
    moved = facts(observation, **members)
    return replace(moved, candidates={WEB: (Candidate("prod", TWO),), PROXY: (Candidate("prod", THREE),)})


def test_both_containers_move_in_one_plan() -> None:
    proposal = propose(two_containers(), "event-1")
    assert proposal.plan is not None
    assert proposal.plan.digests == {"app": TWO, "proxy": THREE}


def test_a_forbidden_image_is_not_taken_along_by_another_containers_deployment() -> None:
    proposal = propose(two_containers(record=Record(ARN, quarantined={THREE: START})), "event-1")
    assert proposal.leading is not None
    assert not any(decision.deploys for _, _, decision in proposal.decisions)
    assert (proposal.leading.reason, proposal.leading.detail["container"]) == (Reason.QUARANTINED, "proxy")


def test_a_forbidden_image_of_a_tag_that_is_not_declared_stops_nobody() -> None:
    apart = two_containers(record=Record(ARN, quarantined={THREE: START}))
    images = {"app": image(WEB, "prod"), "proxy": f"{HOST}/team/proxy@{ONE}"}
    workload = replace(apart.observation.workload, images=images)
    proposal = propose(replace(apart, observation=replace(apart.observation, workload=workload)), "event-1")
    assert one(proposal).container == "app"


def test_the_way_back_pins_every_container_because_a_deployment_resolves_every_tag() -> None:
    goods = (Good({"app": TWO, "proxy": ONE}, START),)
    proposal = way_back(two_containers(record=Record(ARN, goods=goods)), "event-1", Reason.ROLLBACK)
    assert proposal.plan is not None
    assert {change.container: change.image for change in proposal.plan.changes} == {
        "app": f"{HOST}/team/web@{TWO}",
        "proxy": f"{HOST}/team/proxy@{ONE}",
    }
