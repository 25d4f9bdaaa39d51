"""Amazon Q Developer, mail, PagerDuty and webhooks: what each kind becomes."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.events import Kind
from longshore.notices import Phase, Severity
from longshore.notify.kinds import MEANINGS
from longshore.notify.render.dispatch import render
from longshore.notify.render.pagerduty import dedup_key
from longshore.notify.render.webhook import event_type
from tests.unit.notify.render_samples import DETAILS, notice, way_back


def body(kind: Kind, channel: str, **detail: Any) -> dict[str, Any]:
    found = render(notice(kind, **detail), channel).body
    assert isinstance(found, dict)
    return found


def test_deployments_are_changes_and_their_failures_alerts_too() -> None:
    assert body(Kind.DEPLOYMENT_STARTED, "pagerduty").keys() == {"change"}
    failed = body(Kind.DEPLOYMENT_FAILED, "pagerduty")
    assert failed.keys() == {"alert", "change"}
    assert failed["alert"]["event_action"] == "trigger"
    assert failed["alert"]["payload"]["severity"] == "error"
    assert "health check" in failed["alert"]["payload"]["summary"]


def test_an_alert_is_resolved_by_its_own_thread() -> None:
    failed = body(Kind.DEPLOYMENT_FAILED, "pagerduty")["alert"]
    found, before = way_back()
    back = render(found, "pagerduty", life=before).body
    assert isinstance(back, dict)
    assert back["alert"] == {"event_action": "resolve", "dedup_key": failed["dedup_key"]}


def test_the_next_good_push_resolves_the_alert_of_the_one_before() -> None:
    for kind in (Kind.DEPLOYMENT_FAILED, Kind.DEPLOYMENT_ROLLED_BACK):
        alert = body(kind, "pagerduty", correlation="push-1")["alert"]
        good = body(Kind.DEPLOYMENT_SUCCEEDED, "pagerduty", correlation="push-2")["alert"]
        assert (alert["event_action"], good["event_action"]) == ("trigger", "resolve")
        assert alert["dedup_key"] == good["dedup_key"]


def test_an_alert_belongs_to_one_workload() -> None:
    other = f"{DETAILS[Kind.DEPLOYMENT_FAILED]['workload']}-2"
    failed = body(Kind.DEPLOYMENT_FAILED, "pagerduty")["alert"]
    good = body(Kind.DEPLOYMENT_SUCCEEDED, "pagerduty", workload=other)["alert"]
    assert failed["dedup_key"] != good["dedup_key"]


def test_a_superseded_deployment_heals_nothing() -> None:
    assert body(Kind.DEPLOYMENT_SUPERSEDED, "pagerduty").keys() == {"change"}


@pytest.mark.parametrize("kind", MEANINGS)
def test_nobody_is_called_for_less_than_an_error(kind: Kind) -> None:
    found = notice(kind)
    alert = body(kind, "pagerduty").get("alert", {})
    called = alert.get("event_action") == "trigger"
    assert called == (found.severity in (Severity.CRITICAL, Severity.ERROR) and found.phase is not Phase.RESOLVED)


@pytest.mark.parametrize("reason", ["not-steady", "never-started"])
def test_a_failure_that_proves_nothing_calls_nobody(reason: str) -> None:
    assert body(Kind.DEPLOYMENT_FAILED, "pagerduty", reason=reason).keys() == {"change"}


def test_a_crash_loop_is_an_alert_until_it_is_over() -> None:
    opened, over = (body(kind, "pagerduty")["alert"] for kind in (Kind.CRASH_LOOP_OPENED, Kind.CRASH_LOOP_RESOLVED))
    assert (opened["event_action"], over["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == over["dedup_key"]


def test_long_threads_are_hashed() -> None:
    assert dedup_key("hold/x") == "hold/x"
    assert dedup_key("hold/" + "x" * 251).startswith("hold/")
    assert len(dedup_key("hold/" + "x" * 251)) == 69
    assert dedup_key("hold/" + "x" * 251) != dedup_key("hold/" + "x" * 252)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Kind.DEPLOYMENT_ROLLED_BACK, "deployment.rolled_back"), (Kind.CRASH_LOOP_OPENED, "crash_loop.opened")],
)
def test_types_of_webhooks_are_dotted(kind: Kind, name: str) -> None:
    assert event_type(kind) == name
    assert len({event_type(each) for each in MEANINGS}) == len(MEANINGS)


def test_a_webhook_carries_the_public_event_and_nothing_of_the_queues() -> None:
    data = body(Kind.DEPLOYMENT_STARTED, "webhook")["data"]
    assert data["event"]["detail"]["changes"][0]["tag"] == "v1.8.3"
    assert "longshore-destination" not in data["event"]
    assert data["text"]["headline"]


def test_an_event_that_has_no_room_is_told_by_its_head() -> None:
    event = body(Kind.DEPLOYMENT_STARTED, "webhook", candidates=["x" * 100] * 300)["data"]["event"]
    assert event["truncated"] is True
    assert event["detail-type"] == "Deployment Started"
    assert "detail" not in event


def test_a_mails_subject_is_english_and_ascii_in_any_language() -> None:
    rendered = render(notice(Kind.DEPLOYMENT_FAILED), "email", "ja")
    assert rendered.title == "[ERROR] orders-api prod: v1.8.3 failed after 3m41s"
    assert "失敗" in rendered.text


def test_amazon_q_threads_by_the_notices_thread() -> None:
    started, failed = (body(kind, "amazonq")["metadata"] for kind in (Kind.DEPLOYMENT_STARTED, Kind.DEPLOYMENT_FAILED))
    assert started["threadId"] == failed["threadId"]
    assert failed["relatedResources"] == ["arn:aws:ecs:ap-northeast-1:123456789012:service/prod/orders-api"]
