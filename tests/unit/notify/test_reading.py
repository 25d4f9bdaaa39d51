"""Reading: every event that Longshore publishes becomes a notice, and nothing that arrives can stop it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.decisions import Reason, Verdict
from longshore.events import Kind
from longshore.notices import Notice, Phase, Severity
from longshore.notify.catalogue import LANGUAGES, label, say, value
from longshore.notify.kinds import MEANINGS
from longshore.notify.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator

ARN = "arn:aws:ecs:eu-west-1:123456789012:service/prod/web"
A, B = "sha256:" + "a1" * 32, "sha256:" + "b2" * 32
CHANGE = {
    "container": "web",
    "tag": "v2",
    "digest": B,
    "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web:v2",
    "previous": A,
}
DEPLOYMENT = {
    "workload": ARN,
    "workload_name": "web",
    "cluster": "prod",
    "platform": "ecs-service",
    "team": "shop",
    "channel": "#shop",
    "verdict": "deploy",
    "decision": "newer",
    "action": "revise",
    "rollback": False,
    "changes": [CHANGE],
    "correlation": "c-1",
}
TIMES = {"began": "2026-11-23T10:00:00+00:00", "ended": "2026-11-23T10:03:41+00:00"}


def event(kind: str, detail: object, **members: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "e-1",
        "detail-type": kind,
        "source": "longshore",
        "account": "123456789012",
        "time": "2026-11-23T10:05:30Z",
        "region": "eu-west-1",
        "resources": [ARN],
        "detail": detail,
        **members,
    }


def notice(kind: Kind, **detail: Any) -> Notice:
    found = read(event(kind.value, {**DEPLOYMENT, **detail}))
    assert found
    return found


def bare(kind: Kind, **detail: Any) -> Notice:
    found = read(event(kind.value, detail))
    assert found
    return found


def shown(found: Notice, language: str = "en") -> dict[str, str]:
    return {label(fact.label, language): value(fact, language) for fact in found.facts}


def headline(found: Notice, language: str = "en") -> str:
    return say(found.headline, language)


# -- the table ----------------------------------------------------------------------------------------------------


def test_every_kind_but_the_internal_one_is_told() -> None:
    assert set(Kind) - set(MEANINGS) == {Kind.REDEPLOY_REQUESTED}


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_read_even_without_any_detail(kind: Kind) -> None:
    found = read(event(kind.value, {}))
    if kind is Kind.REDEPLOY_REQUESTED:
        assert found is None
        return
    assert found
    assert (found.kind, found.severity, found.phase) == (kind, MEANINGS[kind].severity, MEANINGS[kind].phase) or (
        kind is Kind.APPROVAL_DECIDED
    )
    assert found.subject and found.thread and found.correlation == "e-1"
    assert all(found.subject in headline(found, language) for language in LANGUAGES)


@pytest.mark.parametrize(
    ("kind", "severity", "phase"),
    [
        (Kind.DEPLOYMENT_STARTED, Severity.INFO, Phase.OPENED),
        (Kind.DEPLOYMENT_SUCCEEDED, Severity.OK, Phase.RESOLVED),
        (Kind.DEPLOYMENT_FAILED, Severity.ERROR, Phase.FAILED),
        (Kind.DEPLOYMENT_ROLLED_BACK, Severity.ERROR, Phase.FAILED),
        (Kind.DEPLOYMENT_HELD, Severity.WARNING, Phase.OPENED),
        (Kind.CRASH_LOOP_RESOLVED, Severity.OK, Phase.RESOLVED),
        (Kind.TASK_GIVEN_UP, Severity.ERROR, Phase.FAILED),
    ],
)
def test_what_a_kind_means(kind: Kind, severity: Severity, phase: Phase) -> None:
    assert (bare(kind).severity, bare(kind).phase) == (severity, phase)


# -- deployments --------------------------------------------------------------------------------------------------


def test_a_deployment_that_began() -> None:
    found = notice(Kind.DEPLOYMENT_STARTED, reason="newer", rollout="r", deadline="2026-11-23T10:20:30+00:00")
    assert headline(found) == "🚀 web · prod: deploying v2"
    assert headline(found, "ja") == "🚀 web (prod) に v2 をデプロイ中"
    assert shown(found) == {
        "Reason": Reason.NEWER.meaning,
        "Image": "shop/web:v2",
        "Digest": "sha256:b2b2b2b2b2b2",
        "Was": "sha256:a1a1a1a1a1a1",
        "Cluster": "prod",
        "Platform": "ECS service",
        "Deadline": "2026-11-23 10:20 UTC",
        "Next": "followed until it has proven itself",
    }
    assert shown(found, "ja")["理由"] == "プッシュされたタグはポリシー上、現在のタグより新しい"
    assert shown(found, "ja")["プラットフォーム"] == "ECS サービス"
    assert [link.label for link in found.links] == ["link.service", "link.deployment", "link.image"]
    assert (found.team, found.channel, found.environment, found.subject) == ("shop", "#shop", "prod", "web")
    assert (found.thread, found.correlation) == (f"deployment/{ARN}/c-1", "c-1")
    assert found.occurred_at == datetime(2026, 11, 23, 10, 5, 30, tzinfo=UTC)


def test_a_deployment_whose_images_run() -> None:
    stage = {"stage": "soaking", "began": TIMES["began"], "soaks_until": "2026-11-23T10:08:41+00:00"}
    found = notice(Kind.DEPLOYMENT_STARTED, reason="newer", rollout="r", **stage)
    assert headline(found) == "👀 web · prod: v2 runs, watched until 2026-11-23 10:08 UTC"
    assert headline(found, "ja") == "👀 web (prod) で v2 が起動、2026-11-23 10:08 UTC まで監視中"
    assert shown(found)["Watched until"] == "2026-11-23 10:08 UTC"
    assert (found.stage, found.phase, found.severity) == ("soaking", Phase.PROGRESS, Severity.INFO)
    started, ended = notice(Kind.DEPLOYMENT_STARTED, stage="rolling"), notice(Kind.DEPLOYMENT_SUCCEEDED)
    assert started.stage == ""
    assert started.order < found.order < ended.order, "in one second too"
    assert found.thread == started.thread
    assert [say(line) for line in found.details] == ["10:05:30 UTC · running, watched", "Correlation c-1"]


def test_a_stage_of_the_way_back_stands_between_its_beginning_and_its_end() -> None:
    back = {"rollback": True, "reason": "rollback"}
    started, ended = (notice(kind, **back) for kind in (Kind.DEPLOYMENT_STARTED, Kind.DEPLOYMENT_SUCCEEDED))
    found = notice(Kind.DEPLOYMENT_STARTED, stage="soaking", **back)
    assert notice(Kind.DEPLOYMENT_ROLLED_BACK).order < started.order < found.order < ended.order
    assert (found.phase, found.severity) == (Phase.PROGRESS, Severity.WARNING)


@pytest.mark.parametrize("stage", ["", "flying", None, 3, ["soaking"]])
def test_an_unknown_stage_is_none(stage: object) -> None:
    assert notice(Kind.DEPLOYMENT_STARTED, stage=stage).stage == ""


def test_a_deployment_that_won() -> None:
    found = notice(Kind.DEPLOYMENT_SUCCEEDED, reason="verified", **TIMES)
    assert headline(found) == "✅ web · prod: v2 live in 3m41s"
    assert shown(found)["Took"] == "3m41s"


def test_a_deployment_that_failed_goes_back() -> None:
    found = notice(Kind.DEPLOYMENT_FAILED, reason="alarms", alarms=["web-5xx"], **TIMES)
    assert headline(found) == "🔴 web · prod: v2 failed after 3m41s"
    assert shown(found)["Failed"] == "sha256:b2b2b2b2b2b2"
    assert shown(found)["Next"].startswith("goes back to the last known good image")
    assert "alarms" in shown(found)["Reason"]
    assert found.links[-1].url.endswith("#alarmsV2:alarm/web-5xx")


@pytest.mark.parametrize("reason", ["never-started", "not-steady"])
def test_what_proves_nothing_is_a_warning_and_undoes_nothing(reason: str) -> None:
    found = notice(Kind.DEPLOYMENT_FAILED, reason=reason)
    assert (found.severity, shown(found)["Next"]) == (Severity.WARNING, "nothing is undone; have a look")
    assert "not proven" in headline(found)


def test_a_refusal_says_why_and_that_it_is_tried_again() -> None:
    found = read(event("Deployment Failed", {"workload": ARN, "reason": "refused", "why": "no ecs:UpdateService"}))
    assert found
    assert headline(found) == "🔴 web · prod: cannot be deployed, the platform or its API refused"
    assert (shown(found)["Why"], shown(found)["Next"]) == (
        "no ecs:UpdateService",
        "tried again at the next push or sweep",
    )


def test_a_platforms_rollback_names_what_it_went_back_to() -> None:
    found = notice(Kind.DEPLOYMENT_ROLLED_BACK, reason="rolled-back-by-platform", why="circuit breaker", **TIMES)
    assert headline(found) == "🔴 web · prod: v2 failed and was rolled back after 3m41s"
    assert (shown(found)["Back to"], shown(found)["Why"]) == ("sha256:a1a1a1a1a1a1", "circuit breaker")
    assert shown(found)["Next"] == "refused until a new push, or until it is cleared"


def test_the_way_back_goes_on_in_the_thread_of_what_failed() -> None:
    """All within one second, which is as fine as EventBridge tells the time."""
    way = [
        notice(Kind.DEPLOYMENT_STARTED, reason="newer"),
        notice(Kind.DEPLOYMENT_FAILED, reason="alarms"),
        notice(Kind.DEPLOYMENT_STARTED, reason="rollback", rollback=True),
        notice(Kind.DEPLOYMENT_SUCCEEDED, reason="verified", rollback=True),
    ]
    assert {each.thread for each in way} == {f"deployment/{ARN}/c-1"}
    assert sorted([way[3], way[1], way[0], way[2]], key=lambda each: each.order) == way
    assert [each.phase for each in way] == [Phase.OPENED, Phase.FAILED, Phase.PROGRESS, Phase.RESOLVED]
    assert headline(way[2]) == "↩️ web · prod: going back to v2"
    assert headline(way[3]) == "✅ web · prod: went back to v2"


@pytest.mark.parametrize("kind", [Kind.DEPLOYMENT_FAILED, Kind.DEPLOYMENT_ROLLED_BACK])
def test_a_way_back_that_fails_is_critical_and_holds(kind: Kind) -> None:
    found = notice(kind, reason="alarms", rollback=True)
    assert (found.severity, shown(found)["Next"].split(":")[0]) == (
        Severity.CRITICAL,
        "held until somebody lifts it",
    )


def test_an_event_of_an_earlier_second_is_older_whatever_its_kind() -> None:
    late = read(event("Deployment Rolled Back", DEPLOYMENT, time="2026-11-23T10:05:29Z"))
    assert late
    assert late.order < notice(Kind.DEPLOYMENT_STARTED).order


def test_times_of_other_zones_compare_in_utc() -> None:
    east = read(event("Deployment Started", DEPLOYMENT, time="2026-11-23T19:05:29+09:00"))
    assert east
    assert east.order < notice(Kind.DEPLOYMENT_STARTED).order


def test_several_containers_are_one_fact_and_a_line_each() -> None:
    found = notice(Kind.DEPLOYMENT_STARTED, changes=[CHANGE, {**CHANGE, "container": "sidecar", "tag": "v9"}])
    assert shown(found)["Container"] == (
        "web v2 sha256:b2b2b2b2b2b2 ← sha256:a1a1a1a1a1a1; sidecar v9 sha256:b2b2b2b2b2b2 ← sha256:a1a1a1a1a1a1"
    )
    assert headline(found) == "🚀 web · prod: deploying v2 (+1)"
    assert [text.args["container"] for text in found.details if text.key == "line.change"] == ["web", "sidecar"]


def test_the_same_version_in_several_containers_is_one() -> None:
    found = notice(Kind.DEPLOYMENT_STARTED, changes=[CHANGE, {**CHANGE, "container": "sidecar"}])
    assert headline(found) == "🚀 web · prod: deploying v2"


def test_how_a_deployment_ended_and_why_it_began_are_told_apart() -> None:
    found = notice(Kind.DEPLOYMENT_ROLLED_BACK, reason="rolled-back-by-platform", decision="moved")
    lines = [say(text, "en") for text in found.details]
    assert "Reason: the platform rolled it back" in lines
    assert f"Deployed because: {Reason.MOVED.meaning}" in lines


def test_a_deployment_of_what_is_declared_says_why() -> None:
    found = notice(Kind.DEPLOYMENT_STARTED, reason="heal", changes=[])
    assert headline(found) == f"🚀 web · prod: deploying again, {Reason.HEAL.meaning}"


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.verdict is Verdict.HOLD])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_hold_says_why_and_until_when(reason: Reason, language: str) -> None:
    found = bare(
        Kind.DEPLOYMENT_HELD, workload=ARN, reason=reason.value, candidates=[{"tag": "v2", "reason": reason.value}]
    )
    why = say(next(text for text in found.details if text.key == "line.reason"), language)
    assert why in headline(found, language) and "v2" in headline(found, language)
    assert found.facts[-1].label == "fact.next" and value(found.facts[-1], language) != found.facts[-1].value


def test_who_held_it_and_why() -> None:
    found = bare(
        Kind.DEPLOYMENT_HELD,
        workload=ARN,
        reason="held",
        why="looking into it",
        by="alice",
        since="2026-11-23T09:00:00+00:00",
    )
    assert shown(found) == {
        "Why": "looking into it",
        "Reason": "the workload is held",
        "Cluster": "prod",
        "By": "alice",
        "Since": "2026-11-23 09:00 UTC",
        "Next": "nothing is deployed until the hold is lifted",
    }


def test_holds_share_a_thread_and_name_the_way_back() -> None:
    put = bare(Kind.HOLD_SET, workload=ARN, reason="held", why="rolled back outside Longshore", to={"web": A})
    lifted = bare(Kind.HOLD_LIFTED, workload=ARN, by="bob", correlation="another")
    assert put.thread == lifted.thread == f"hold/{ARN}"
    assert shown(put)["Back to"] == "web: sha256:a1a1a1a1a1a1"
    assert headline(lifted) == "▶️ web · prod: hold lifted by bob"
    assert put.order < lifted.order


# -- other capabilities -------------------------------------------------------------------------------------------


def test_missed_events_are_told_of_their_repository() -> None:
    found = bare(
        Kind.EVENTS_MISSED, workload="", repository="123456789012/eu-west-1/shop/web", tags=["a", "b"], count=2
    )
    assert (found.subject, found.thread) == ("shop/web", "repository/123456789012/eu-west-1/shop/web")
    assert headline(found) == "🔎 shop/web: a sweep found moved tags whose events never came (2)"
    assert found.links[0].url.endswith("/ecr/repositories/private/123456789012/shop/web?region=eu-west-1")


def test_a_task_is_told_with_its_cause_its_log_and_where_to_look() -> None:
    found = bare(
        Kind.TASK_GIVEN_UP,
        task="arn:aws:ecs:eu-west-1:123456789012:task/core/0123abc",
        family="nightly",
        cause="out of memory",
        attempt=3,
        evidence=["exit 137", "OutOfMemory"],
        log_group="/ecs/nightly",
        log_stream="n/app/0123abc",
        log_tail=["start", "DB_PASSWORD=hunter2", "killed"],
    )
    assert headline(found) == "🔴 nightly: given up after 3 attempts, out of memory"
    assert found.log_tail == "start\nDB_PASSWORD=[redacted]\nkilled"
    assert "The log's tail has 1 redacted values." in [say(text) for text in found.details]
    assert [link.label for link in found.links] == ["link.task", "link.logs"]
    assert {"exit 137", "OutOfMemory"} <= {text.args.get("evidence", "") for text in found.details}


def test_the_attempts_of_one_task_share_a_thread() -> None:
    root = "arn:aws:ecs:eu-west-1:123456789012:task/core/0"
    assert bare(Kind.TASK_FAILED, task=root).thread == bare(Kind.TASK_REPLACED, task=root + "1", root_task=root).thread


@pytest.mark.parametrize(
    ("priority", "severity"),
    [("P1", Severity.CRITICAL), ("p2", Severity.ERROR), ("P4", Severity.INFO), ("odd", Severity.WARNING)],
)
def test_findings_matter_by_their_priority(priority: str, severity: Severity) -> None:
    assert bare(Kind.FINDINGS_REPORTED, repository="shop/web", priority=priority, new=2).severity is severity


@pytest.mark.parametrize(
    ("decision", "severity", "phase"),
    [
        ("approved", Severity.OK, Phase.RESOLVED),
        ("rejected", Severity.WARNING, Phase.FAILED),
        ("expired", Severity.WARNING, Phase.FAILED),
        ("something else", Severity.WARNING, Phase.FAILED),
    ],
)
def test_an_approval_that_is_not_granted_is_no_good_news(decision: str, severity: Severity, phase: Phase) -> None:
    found = bare(Kind.APPROVAL_DECIDED, approval="ap_1", decision=decision, by="sato")
    assert (found.severity, found.phase, found.thread) == (severity, phase, "approval/ap_1")
    assert ("not approved" in headline(found)) is (severity is Severity.WARNING)


def test_a_channel_that_failed_is_not_told_to_itself_by_tag() -> None:
    found = bare(Kind.CHANNEL_FAILED, destination="ops", channel="C0123", error="invalid_auth")
    assert (found.subject, found.channel, found.thread) == ("ops", None, "channel/123456789012/eu-west-1/ops")


def test_china_and_gov_cloud_are_linked_in_their_own_console() -> None:
    arn = "arn:aws-cn:ecs:cn-north-1:123456789012:service/prod/web"
    found = read(event("Hold Set", {"workload": arn}, region="cn-north-1"))
    assert found
    assert found.links[0].url.startswith("https://cn-north-1.console.amazonaws.cn/ecs/v2/clusters/prod/services/web/")


# -- what nobody agreed to ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        "text",
        {},
        {"detail-type": 3},
        {"detail-type": ["Hold Set"]},
        event("Redeploy Requested", DEPLOYMENT),
        event("Something Else", DEPLOYMENT),
        event("Hold Set", DEPLOYMENT, source="somebody.else"),
    ],
)
def test_what_is_none_of_ours_is_no_notice(odd: object) -> None:
    assert read(odd) is None


def test_secrets_leave_every_part_of_a_notice() -> None:
    secret = "AKIA" + "IOSFODNN7EXAMPLE"
    odd = {**DEPLOYMENT, "why": f"key {secret}", "workload_name": secret, "team": secret, "evidence": [secret]}
    found = read(event("Deployment Failed", odd, id=f"x {secret}"))
    assert found
    assert secret not in repr(found)


def test_an_event_without_an_id_is_known_by_its_content() -> None:
    first, again = (read(event("Hold Set", {"workload": ARN}, id=None)) for _ in range(2))
    other = read(event("Hold Set", {"workload": ARN, "why": "x"}, id=None))
    assert first and again and other
    assert first.id == again.id != other.id


def test_a_name_without_end_makes_no_thread_without_end() -> None:
    long, other = bare(Kind.HOLD_SET, workload="x" * 5000), bare(Kind.HOLD_SET, workload="y" * 5000)
    assert len(long.thread.encode()) <= 512
    assert long.thread != other.thread


def test_a_value_without_end_is_cut() -> None:
    found = bare(Kind.HOLD_SET, workload=ARN, why="because " * 500)
    assert shown(found)["Why"].endswith("…")
    assert len(shown(found)["Why"]) == 600
    assert len(headline(found)) < 300


def test_reading_changes_nothing() -> None:
    before = event("Deployment Failed", {**DEPLOYMENT, "why": "password=x"})
    kept = copy.deepcopy(before)
    read(before)
    assert before == kept


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from([ARN, A, "P1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        *DEPLOYMENT,
        *TIMES,
        *("reason", "why", "by", "to", "since", "until", "deadline", "alarms", "candidates", "evidence", "log_tail"),
        *("logs", "log_group", "log_stream", "task", "repository", "digest", "tag", "count", "new", "priority"),
        *("downstream", "upstream", "seconds", "approval", "destination", "environment", "rollout", "attempt"),
        *("verdict", "next", "would", "attempts", "name", "class", "exit_code", "count", "window_seconds", "changes"),
        *("root_task", "family", "cluster", "replacement", "running", "desired", "instances", "suspect", "log"),
    ]
)


@given(
    kind=st.sampled_from(list(Kind)),
    detail=JSON | st.dictionaries(MEMBERS, JSON, max_size=12),
    envelope=st.dictionaries(st.sampled_from(["id", "time", "account", "region", "resources", "version"]), JSON),
)
def test_any_event_of_ours_is_read(kind: Kind, detail: object, envelope: Mapping[str, Any]) -> None:
    found = read({**event(kind.value, detail), **envelope})
    assert (found is None) is (kind is Kind.REDEPLOY_REQUESTED)
    for text in said(found) if found else ():
        assert len(text) < 6000
        text.encode()


def said(found: Notice) -> Iterator[str]:
    assert len(found.facts) <= 16
    assert found.order == (found.occurred_at.isoformat(timespec="microseconds"), found.order[1])
    yield from (found.id, found.thread, found.subject, found.correlation, found.team or "", found.environment or "")
    for language in LANGUAGES:
        yield from (say(text, language) for text in (found.headline, *found.details))
        yield from (label(fact.label, language) + value(fact, language) for fact in found.facts)
    yield from (link.url for link in found.links)
