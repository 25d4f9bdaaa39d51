"""What runs where a platform cannot tell: only what Longshore recorded, and only until somebody deploys (design 6.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from longshore.decisions import Reason
from longshore.ports import Good, Head, Record
from longshore.redeploy.decide import Candidate, Current, decide
from longshore.redeploy.policy import parse_policy
from longshore.redeploy.recorded import recalled
from longshore.workloads import (
    APPLICATION,
    POLICY_TAG,
    Action,
    Change,
    Deployment,
    DeploymentStatus,
    Observation,
    Plan,
    PlatformKind,
    Workload,
)
from tests.fake_platform import WEB, digest, image
from tests.fakes import FakeClock, FakeHeads, FakeRecords

ARN = "arn:aws:apprunner:eu-west-1:123456789012:service/shop/8fe1e10304f84fd2b0df550fe98a71fa"
ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
SINCE = datetime(2026, 11, 23, 10, tzinfo=UTC)
BEFORE, AFTER = SINCE - timedelta(minutes=5), SINCE + timedelta(minutes=5)


class Ledger:
    """What Longshore recorded."""

    def __init__(self) -> None:
        self.records = FakeRecords(FakeClock())
        self.heads = FakeHeads()

    def moved(self, found: str, at: datetime, source: str = "event") -> Ledger:
        self.heads.observe(Head(WEB, "prod", found, at, at, at, source=source), 0)
        return self

    def good(self, found: str, at: datetime) -> Ledger:
        self.records.good(ARN, [Good({APPLICATION: found}, at)])
        return self

    def deployed(self, found: str, status: DeploymentStatus, rollout: str = "operation-2") -> Ledger:
        change = Change(APPLICATION, image(WEB, "prod"), found, "prod")
        plan = Plan(ARN, Action.REFRESH, (change,), "moved", "event-1")
        self.records.begin(Deployment(plan, status, SINCE, AFTER, rollout=rollout), None)
        return self

    def says(self, seen: Observation) -> str | None:
        return recalled(seen, self.records, self.heads).running.get(APPLICATION)


def seen(**members: object) -> Observation:
    workload = Workload(
        ARN,
        PlatformKind.APP_RUNNER_SERVICE,
        "123456789012",
        "eu-west-1",
        "",
        "shop",
        {POLICY_TAG: "digest"},
        {APPLICATION: image(WEB, "prod")},
    )
    observation = Observation(workload, rollout="operation-2", steady=True, since=SINCE)
    return replace(observation, **members)  # type: ignore[arg-type]


def test_nothing_is_known_of_what_nobody_recorded() -> None:
    assert Ledger().says(seen()) is None


def test_what_longshore_deployed_last_runs() -> None:
    for status in (DeploymentStatus.SOAKING, DeploymentStatus.VERIFIED):
        assert Ledger().deployed(TWO, status).says(seen()) == TWO


@pytest.mark.parametrize(
    "status",
    [DeploymentStatus.STARTED, DeploymentStatus.FAILED, DeploymentStatus.ROLLED_BACK, DeploymentStatus.STARTING],
)
def test_what_has_not_succeeded_does_not(status: DeploymentStatus) -> None:
    assert Ledger().deployed(TWO, status).says(seen()) is None
    assert Ledger().good(ONE, SINCE).deployed(TWO, status).says(seen(steady=False)) == ONE


def test_somebody_elses_deployment_ends_what_was_known() -> None:
    ledger = Ledger().good(ONE, BEFORE).deployed(ONE, DeploymentStatus.VERIFIED, "operation-1")
    assert ledger.says(seen()) is None


def test_what_declares_another_image_by_now_is_not_what_longshore_deployed() -> None:
    ledger = Ledger().deployed(TWO, DeploymentStatus.SOAKING)
    workload = replace(seen().workload, images={APPLICATION: image(WEB, "other")})
    assert ledger.says(seen(workload=workload)) is None


def test_what_was_seen_to_work_since_runs() -> None:
    assert Ledger().good(ONE, AFTER).says(seen()) == ONE
    assert Ledger().good(ONE, AFTER).says(seen(steady=False)) == ONE


def test_a_declared_tag_that_has_not_moved_since_tells_it() -> None:
    assert Ledger().moved(ONE, BEFORE, "sweep").says(seen()) == ONE


@pytest.mark.parametrize("at", [SINCE, AFTER])
def test_a_declared_tag_that_may_have_moved_since_does_not(at: datetime) -> None:
    assert Ledger().moved(ONE, at).says(seen()) is None


def test_a_declared_tag_says_nothing_of_a_deployment_that_failed_or_goes_on() -> None:
    assert Ledger().moved(ONE, BEFORE).says(seen(steady=False)) is None


def test_a_tag_that_moved_between_the_decision_and_the_deployment_is_noticed() -> None:
    raced = Ledger().deployed(TWO, DeploymentStatus.SOAKING).moved(THREE, BEFORE)
    assert raced.says(seen()) == THREE


def test_what_a_sweep_saw_weighs_less_than_what_longshore_deployed() -> None:
    """It may have dated a move to an older image by the day on which that image was pushed."""
    assert Ledger().deployed(TWO, DeploymentStatus.VERIFIED).moved(THREE, BEFORE, "sweep").says(seen()) == TWO


def test_what_the_platform_tells_stays() -> None:
    ledger = Ledger().good(ONE, AFTER).moved(ONE, BEFORE)
    assert ledger.says(seen(running={APPLICATION: TWO})) == TWO
    assert ledger.says(seen(since=None)) is None


def test_nothing_is_read_of_who_did_not_opt_in() -> None:
    untagged = replace(seen().workload, tags={})
    assert Ledger().good(ONE, AFTER).says(seen(workload=untagged)) is None


def test_a_record_without_goods_is_empty() -> None:
    assert FakeRecords(FakeClock()).get(ARN) == Record(ARN)


# -- what follows from what stays unknown -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moved", "since", "reason"),
    [
        (AFTER, SINCE, Reason.MOVED),
        (SINCE, SINCE, Reason.MOVED),
        (BEFORE, SINCE, Reason.UNKNOWN_RUNNING),
        (AFTER, None, Reason.UNKNOWN_RUNNING),
        (None, SINCE, Reason.UNKNOWN_RUNNING),
    ],
)
def test_a_tag_that_moved_since_is_followed_whatever_runs(
    moved: datetime | None, since: datetime | None, reason: Reason
) -> None:
    policy = parse_policy("digest", {})
    decision = decide(policy, Current("prod", since=since), Candidate("prod", TWO, moved_at=moved))
    assert decision.reason is reason
