"""What events say of a workload besides its ARN: from its tags, through plan and ledger, to every event's detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from longshore.aws.ledger import LedgerRecords
from longshore.decisions import Decision, Reason
from longshore.errors import AccessDeniedError
from longshore.events import Event, Kind
from longshore.images import Repository
from longshore.ports import Good, Record
from longshore.redeploy.plan import Facts, again, propose, way_back
from longshore.redeploy.state import Candidate
from longshore.redeploy.telling import begun, decided, ended, failed
from longshore.workloads import (
    Deployment,
    DeploymentStatus,
    Observation,
    Plan,
    PlatformKind,
    Subject,
    Workload,
)

if TYPE_CHECKING:
    from longshore.aws.table import Table
    from longshore.outcomes import Outcome

ACCOUNT, REGION = "123456789012", "eu-west-1"
ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/web"
REPOSITORY = Repository(ACCOUNT, REGION, "shop/web")
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shop/web:prod"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
TAGS = {"longshore:policy": "digest", "longshore:team": "payments", "longshore:channel": "#pay"}
SUBJECT = Subject("web", "prod", "ecs-service", "payments", "#pay")
MEMBERS = {
    "workload_name": "web",
    "cluster": "prod",
    "platform": "ecs-service",
    "team": "payments",
    "channel": "#pay",
    "owner": None,
    "stack": None,
}
EVENT = Event.parse(
    {
        "id": "e-1",
        "account": ACCOUNT,
        "region": REGION,
        "time": NOW.isoformat(),
        "detail-type": "Watch Due",
        "resources": [],
        "detail": {"workload": ARN},
    }
)


class Clock:
    def now(self) -> datetime:
        return NOW


class Items:
    """The table's items in memory, as LedgerRecords writes them."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def put(self, item: Mapping[str, Any], *_: object) -> None:
        self.items = [dict(item)]

    def query(self, _: str) -> Sequence[Mapping[str, Any]]:
        return self.items


def workload(tags: Mapping[str, str] = TAGS) -> Workload:
    return Workload(ARN, PlatformKind.ECS_SERVICE, ACCOUNT, REGION, "prod", "web", tags, {"web": IMAGE})


def facts() -> Facts:
    return Facts(
        observation=Observation(workload(), running={"web": A}, desired=1, rollout="r"),
        record=Record(ARN, goods=(Good({"web": B}, NOW),)),
        candidates={REPOSITORY: [Candidate("prod", B, moved_at=NOW, pushed_at=NOW)]},
        now=NOW + timedelta(minutes=5),
        passable=("*",),
    )


def plan() -> Plan:
    planned = propose(facts(), "c-1").plan
    assert planned
    return planned


def deployment() -> Deployment:
    return Deployment(plan(), DeploymentStatus.STARTED, NOW, NOW + timedelta(minutes=20))


def told(outcome: Outcome) -> Mapping[str, Any]:
    announcement = outcome.to_announcement()
    assert announcement
    return announcement.detail


def test_a_subject_is_what_the_workload_and_its_tags_say() -> None:
    assert workload().subject == SUBJECT
    assert SUBJECT.members() == MEMBERS


@pytest.mark.parametrize("tags", [{}, {"longshore:team": "", "longshore:channel": "  "}])
def test_tags_that_say_nothing_are_null(tags: Mapping[str, str]) -> None:
    members = workload(tags).subject.members()
    assert (members["team"], members["channel"]) == (None, None)


def test_every_plan_carries_the_subject() -> None:
    assert plan().subject == SUBJECT
    back = way_back(facts(), "c-1", Reason.ROLLBACK).plan
    once_more = again(facts(), "c-1", Reason.HEAL).plan
    assert back and once_more
    assert (back.subject, once_more.subject) == (SUBJECT, SUBJECT)


def test_every_deployments_event_has_the_members() -> None:
    assert told(begun(deployment())).items() >= MEMBERS.items()
    assert told(ended(deployment(), Kind.DEPLOYMENT_SUCCEEDED, "verified")).items() >= MEMBERS.items()


def test_a_refusal_has_the_members() -> None:
    assert told(failed(EVENT, ARN, SUBJECT, AccessDeniedError("no"))).items() >= MEMBERS.items()


def test_a_hold_has_the_members() -> None:
    outcome = decided(EVENT, None, SUBJECT, propose(facts(), "c-1"), Decision(Reason.HELD, {"why": "because"}))
    detail = told(replace(outcome, kind=Kind.DEPLOYMENT_HELD))
    assert detail.items() >= {**MEMBERS, "why": "because"}.items()


def test_the_ledger_keeps_the_subject() -> None:
    items = Items()
    records = LedgerRecords(cast("Table", items), Clock())
    records.begin(deployment(), None)
    assert records.get(ARN).deployment == deployment()


def test_a_deployment_of_the_version_before_has_no_subject_and_is_read() -> None:
    items = Items()
    records = LedgerRecords(cast("Table", items), Clock())
    records.begin(deployment(), None)
    del items.items[0]["subject"]
    read = records.get(ARN).deployment
    assert read
    assert read.plan.subject == Subject()
    assert told(begun(read))["workload_name"] is None
