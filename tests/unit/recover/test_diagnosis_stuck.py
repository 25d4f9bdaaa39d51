"""States that no event ends: each at its limit, just before it, and for every owner that matters (recover 2.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.recover.diagnose import case_of
from longshore.recover.stuck import diagnose_missed, diagnose_stuck
from longshore.tasks import Task
from tests.unit.recover.diagnosis_cases import container, of_service, task

if TYPE_CHECKING:
    from longshore.recover.diagnosis import Diagnosis

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
ISO = START.isoformat()
IDEMPOTENT = {"longshore:retry": "idempotent"}


def live(status: str, *, ran: bool = False, desired: str = "RUNNING", **more: Any) -> dict[str, Any]:
    times = {"createdAt": ISO, "stoppingAt": None, "executionStoppedAt": None, "stoppedAt": None}
    return task("", "", lastStatus=status, desiredStatus=desired, ran=ran, **{**times, **more})


def stuck(detail: dict[str, Any], after: timedelta, **facts: Any) -> Diagnosis | None:
    asked = {key: facts.pop(key) for key in ("unhealthy_polls", "most") if key in facts}
    return diagnose_stuck(case_of(Task.read(detail), **facts), START + after, **asked)


@pytest.mark.parametrize(
    ("status", "minutes", "cls"),
    [("PROVISIONING", 35, "W1"), ("PENDING", 20, "W2"), ("ACTIVATING", 10, "W3")],
)
def test_tasks_that_do_not_start(status: str, minutes: int, cls: str) -> None:
    limit = timedelta(minutes=minutes)
    found = stuck(live(status), limit + timedelta(seconds=1))
    assert found is not None
    assert found.cls == cls
    assert stuck(live(status), limit) is None


@pytest.mark.parametrize(
    ("status", "minutes", "cls"),
    [("DEACTIVATING", 10, "W3"), ("STOPPING", 10.5, "W4"), ("RUNNING", 10.5, "W4"), ("DEPROVISIONING", 20, "W5")],
)
def test_tasks_that_do_not_stop(status: str, minutes: float, cls: str) -> None:
    detail = live(status, ran=True, desired="STOPPED", stoppingAt=ISO)
    found = stuck(detail, timedelta(minutes=minutes, seconds=1))
    assert found is not None
    assert (found.cls, found.remedy.value, found.reason) == (cls, "notify", "stuck")
    assert stuck(detail, timedelta(minutes=minutes)) is None


def test_a_long_stop_timeout_is_waited_for() -> None:
    detail = live("STOPPING", ran=True, desired="STOPPED", stoppingAt=ISO)
    definition = {"containerDefinitions": [{"name": "web", "stopTimeout": 120}]}
    assert stuck(detail, timedelta(minutes=11), definition=definition) is None
    assert stuck(detail, timedelta(minutes=13), definition=definition) is not None


@pytest.mark.parametrize(
    ("detail", "facts", "remedy", "reason"),
    [
        (live("PENDING"), {}, "stop", "stuck"),
        (live("PENDING", containers=[container(runtimeId="1")]), {}, "notify", "not-idempotent"),
        (live("PENDING", containers=[container(runtimeId="1")]), {"definition_tags": IDEMPOTENT}, "stop", "stuck"),
        (of_service(live("PENDING")), {}, "stop", "stuck"),
        (of_service(live("PENDING", containers=[container(runtimeId="1")])), {}, "stop", "stuck"),
        (
            of_service(live("PENDING")),
            {"service": {"deploymentController": {"type": "EXTERNAL"}}},
            "notify",
            "owned-elsewhere",
        ),
        ({**live("PENDING"), "startedBy": "AWS Step Functions"}, {}, "none", "owned-elsewhere"),
    ],
)
def test_pending_tasks_are_stopped_where_that_is_safe(
    detail: dict[str, Any], facts: dict[str, Any], remedy: str, reason: str
) -> None:
    found = stuck(detail, timedelta(minutes=21), **facts)
    assert found is not None
    assert (found.cls, found.remedy.value, found.reason) == ("W2", remedy, reason)


@pytest.mark.parametrize(
    ("owner", "facts", "remedy", "reason"),
    [
        ({}, {}, "notify", "not-idempotent"),
        ({}, {"definition_tags": IDEMPOTENT}, "stop", "stuck"),
        ({"group": "service:web"}, {"definition_tags": IDEMPOTENT}, "none", "ecs-replaces"),
        ({"startedBy": "AWS Step Functions"}, {"definition_tags": IDEMPOTENT}, "none", "owned-elsewhere"),
    ],
)
def test_an_unhealthy_task_of_nobodys_is_stopped(
    owner: dict[str, Any], facts: dict[str, Any], remedy: str, reason: str
) -> None:
    detail = {**live("RUNNING", ran=True, healthStatus="UNHEALTHY", startedAt=ISO), **owner}
    found = stuck(detail, timedelta(hours=1), **facts)
    assert found is not None
    assert (found.cls, found.remedy.value, found.reason) == ("W6", remedy, reason)
    assert stuck(detail, timedelta(hours=1), unhealthy_polls=2, **facts) is None


@pytest.mark.parametrize("health", ["HEALTHY", "UNKNOWN", ""])
def test_a_task_that_is_not_unhealthy_is_left(health: str) -> None:
    assert stuck(live("RUNNING", ran=True, healthStatus=health), timedelta(days=9)) is None


def test_a_task_that_runs_too_long_is_stopped_and_not_run_again() -> None:
    detail = live("RUNNING", ran=True, startedAt=ISO)
    found = stuck(detail, timedelta(hours=2, seconds=1), most=timedelta(hours=2))
    assert found is not None
    assert (found.cls, found.remedy.value, found.reason) == ("W7", "stop", "too-long")
    assert stuck(detail, timedelta(hours=2), most=timedelta(hours=2)) is None
    assert stuck(detail, timedelta(days=99)) is None


def test_what_stopped_is_not_stuck() -> None:
    assert stuck(task("", "", stoppingAt=ISO), timedelta(days=1)) is None


def test_without_times_nothing_is_concluded() -> None:
    assert stuck(live("PENDING", createdAt=None), timedelta(days=1)) is None


def test_evidence_says_how_long() -> None:
    found = stuck(live("PROVISIONING", containers=[]), timedelta(minutes=40))
    assert found is not None
    assert found.evidence == ("lastStatus: PROVISIONING", f"for 40 minutes, since {ISO}")


def test_a_missed_end_is_told() -> None:
    found = diagnose_missed(case_of(Task.read(task())), "the ledger has no end of it")
    assert (found.cls, found.remedy.value) == ("W8", "notify")
