"""One outcome is the log line, the metric and the event."""

from __future__ import annotations

from longshore.events import Kind
from longshore.outcomes import Outcome, announcements

ARN = "arn:aws:ecs:eu-west-1:123456789012:service/shop/web"


def test_what_concerns_nobody_is_only_logged() -> None:
    outcome = Outcome("skip", "downgrade", "event-1", ARN, detail={"pushed": "1.0.0"})
    assert outcome.metric == "DecisionSkip"
    assert outcome.to_announcement() is None
    assert outcome.to_log() == {
        "workload": ARN,
        "verdict": "skip",
        "reason": "downgrade",
        "detail": {"pushed": "1.0.0"},
        "correlation": "event-1",
    }


def test_what_concerns_somebody_is_an_event_about_the_workload() -> None:
    outcome = Outcome("deploy", "newer", "event-1", ARN, Kind.DEPLOYMENT_STARTED, {"action": "refresh"})
    told = outcome.to_announcement()
    assert told is not None
    assert (told.kind, told.resources, told.correlation) == (Kind.DEPLOYMENT_STARTED, (ARN,), "event-1")
    assert told.detail == {"workload": ARN, "verdict": "deploy", "reason": "newer", "action": "refresh"}
    assert outcome.metric == "DeploymentStarted"


def test_what_is_about_no_workload_names_no_resource() -> None:
    told = Outcome("skip", "swept", "event-1", kind=Kind.EVENTS_MISSED, detail={"count": 3}).to_announcement()
    assert told is not None
    assert told.resources == ()


def test_a_metric_grows_by_the_count() -> None:
    assert Outcome("skip", "swept", "event-1", kind=Kind.EVENTS_MISSED, detail={"count": 3}).count == 3
    assert Outcome("skip", "downgrade", "event-1").count == 1
    assert Outcome("notify", "crash-loop", "event-1", kind=Kind.CRASH_LOOP_OPENED, detail={"count": 3}).count == 1


def test_announcements_keep_their_order() -> None:
    kinds = [Kind.DEPLOYMENT_STARTED, None, Kind.DEPLOYMENT_SUCCEEDED]
    told = announcements([Outcome("deploy", "newer", "event-1", ARN, kind) for kind in kinds])
    assert [each.kind for each in told] == [Kind.DEPLOYMENT_STARTED, Kind.DEPLOYMENT_SUCCEEDED]
