"""What people are told of failed tasks, troubles of services and retirements (notify 6, mocks b and c)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from longshore.events import Kind
from longshore.notices import Phase, Severity
from longshore.notify import recovery
from longshore.notify.catalogue import CATALOGUES, HINTS, LANGUAGES, label, say, value
from longshore.notify.catalogue_en_recover import slug_of
from longshore.notify.incidents import failed, recovered
from longshore.notify.life import Life
from longshore.notify.reading import read
from longshore.notify.render.dispatch import render
from longshore.recover.catalogue import ENTRIES
from longshore.recover.changes import Changes
from longshore.recover.reasons import Reason, Verdict
from longshore.recover.service_reasons import CareReason, EndReason
from longshore.recover.upkeep import Measure, Why
from tests.recover_stories import STORIES, agent_lost, interrupted, pod, retired_task, stopped_and_well

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from longshore.notices import Notice

EVENTS = Path(__file__).parents[3] / "events" / "longshore"
ROOT_TASK = "arn:aws:ecs:eu-west-1:123456789012:task/shop/1"


def told(name: str, /, **members: Any) -> Notice:
    """The notice of a sample, with some members different."""
    event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    found = read({**event, "detail": {**event["detail"], **members}})
    assert found
    return found


def bare(kind: Kind, **detail: Any) -> Notice:
    found = read({"id": "e", "source": "longshore", "detail-type": kind.value, "detail": detail})
    assert found
    return found


def headline(found: Notice, language: str = "en") -> str:
    return say(found.headline, language)


def shown(found: Notice, language: str = "en") -> Mapping[str, str]:
    return {label(fact.label, language): value(fact, language) for fact in found.facts}


def lines(found: Notice, language: str = "en") -> list[str]:
    return [say(line, language) for line in found.details]


# -- headlines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "english", "japanese"),
    [
        (
            "task-failed",
            "🟠 etl · shop: task failed, out of memory (exit 137)",
            "🟠 etl (shop) のタスクが失敗: メモリ不足 (終了コード 137)",
        ),
        (
            "task-replaced",
            "🟡 etl · shop: task replaced, attempt 1, out of memory",
            "🟡 etl (shop) のタスクを置き換えました (1 回目): メモリ不足",
        ),
        (
            "task-replacement-refused",
            "🟠 etl · shop: task not replaced, network interface timeout",
            "🟠 etl (shop) のタスクは置き換えません: ネットワークインターフェイスのタイムアウト",
        ),
        (
            "task-given-up",
            "🔴 etl · shop: given up after 3 attempts, out of memory (exit 137)",
            "🔴 etl (shop) の再試行を断念 (3 回試行): メモリ不足 (終了コード 137)",
        ),
        (
            "crash-loop-opened",
            "🔴 web · shop: crash loop, 3 stops in 10 min, application error (exit 1)",
            "🔴 web (shop) がクラッシュループ中 (停止 3 回) (10 min 以内): アプリケーションのエラー (終了コード 1)",
        ),
        (
            "crash-loop-opened-family",
            "🔴 etl · shop: no more replacements, 5 failed in a row, out of memory (exit 137)",
            "🔴 etl (shop) の置き換えを停止 (5 回連続で失敗): メモリ不足 (終了コード 137)",
        ),
        ("crash-loop-resolved", "✅ web · shop: well again after 24m33s", "✅ web (shop) は復旧しました (24m33s 後)"),
        (
            "retirement-announced",
            "🛠️ web · shop: AWS ends what runs it at 2026-11-30 09:00 UTC, Fargate maintenance",
            "🛠️ web (shop) の実行基盤を AWS が終了します (2026-11-30 09:00 UTC): Fargate のメンテナンス",
        ),
    ],
)
def test_what_a_headline_says(name: str, english: str, japanese: str) -> None:
    assert (headline(told(name)), headline(told(name), "ja")) == (english, japanese)


def test_one_attempt_is_not_several() -> None:
    assert headline(told("task-given-up", attempt=1)).startswith("🔴 etl · shop: given up after 1 attempt, ")
    assert headline(told("task-given-up", attempt=0)).startswith("🔴 etl · shop: given up, ")


def test_a_service_that_lacks_something_is_no_crash_loop() -> None:
    found = told("crash-loop-opened", count=None, name="placement: no room", running=1, desired=2)
    assert headline(found) == "🔴 web · shop: in trouble, placement: no room"
    assert shown(found)["Tasks running"] == "1/2"


@pytest.mark.parametrize("reason", ["newer-deployment", "not-wanted"])
def test_what_was_only_left_behind_is_not_called_well(reason: str) -> None:
    assert "the trouble is over" in headline(told("crash-loop-resolved", reason=reason))


def test_an_instance_is_told_by_its_name_and_what_befell_it() -> None:
    found = bare(
        Kind.TASK_FAILED, task="", workload_name="i-0abc (shop)", cluster="shop", name="agent lost", verdict="drain"
    )
    assert headline(found) == "🟠 i-0abc · shop: agent lost"
    assert found.severity is Severity.WARNING


# -- phases, severities, threads ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "members", "severity", "phase"),
    [
        ("task-failed", {}, Severity.WARNING, Phase.OPENED),
        ("task-failed", {"verdict": "wait", "reason": "family-budget"}, Severity.WARNING, Phase.OPENED),
        ("task-failed", {"attempts": [{"class": "M1"}, {"class": "M1"}]}, Severity.WARNING, Phase.PROGRESS),
        ("task-failed", {"verdict": "give-up"}, Severity.WARNING, Phase.OPENED),
        ("task-failed-left-alone", {}, Severity.ERROR, Phase.FAILED),
        ("task-failed-left-alone", {"reason": "not-opted-in"}, Severity.WARNING, Phase.FAILED),
        ("task-failed-observed", {}, Severity.ERROR, Phase.FAILED),
        ("task-replaced", {}, Severity.WARNING, Phase.RESOLVED),
        ("task-replacement-refused", {}, Severity.WARNING, Phase.FAILED),
        ("task-given-up", {}, Severity.ERROR, Phase.FAILED),
        ("crash-loop-opened", {}, Severity.ERROR, Phase.OPENED),
        ("crash-loop-resolved", {}, Severity.OK, Phase.RESOLVED),
        ("retirement-announced", {}, Severity.WARNING, Phase.OPENED),
    ],
)
def test_how_much_it_matters_and_where_it_stands(
    name: str, members: dict[str, Any], severity: Severity, phase: Phase
) -> None:
    found = told(name, **members)
    assert (found.severity, found.phase) == (severity, phase)


def test_one_incident_is_one_thread_in_order_even_within_one_second() -> None:
    names = ("task-failed", "task-replaced", "task-given-up")
    found = [told(name) for name in names]
    assert len({each.thread for each in found}) == 1
    at_once = [read({**each.event, "time": "2026-11-23T09:00:00Z"}) for each in found]
    orders = [each.order for each in at_once if each]
    assert sorted(orders) == orders and len(set(orders)) == len(names)


def test_troubles_of_one_service_are_apart_and_each_ends_in_its_own_thread() -> None:
    loop, image = told("crash-loop-opened"), told("crash-loop-opened", **{"class": "P2"})
    assert loop.thread == told("crash-loop-resolved").thread != image.thread
    assert image.thread == told("crash-loop-resolved", **{"class": "P2"}).thread


def test_a_family_is_told_apart_by_its_cluster() -> None:
    opened = told("crash-loop-opened-family")
    well = bare(Kind.CRASH_LOOP_RESOLVED, workload="", family="etl", cluster="shop")
    assert opened.thread == well.thread == "crash-loop/shop/etl"
    assert bare(Kind.CRASH_LOOP_RESOLVED, workload="", family="etl", cluster="other").thread != well.thread


def test_pods_and_instances_have_threads_of_their_own() -> None:
    threads = {
        bare(Kind.RETIREMENT_ANNOUNCED, root_task=root, correlation="c").thread for root in ("pod/a", "pod/b", "arn:x")
    }
    assert len(threads) == 3


def test_somebody_is_called_when_nothing_more_is_done_and_not_before() -> None:
    called = {name for name in ("task-failed", "task-replaced", "task-given-up") if failed(told(name))}
    assert called == {"task-given-up"}
    assert failed(told("crash-loop-opened")) and recovered(told("crash-loop-resolved"))
    opened, over = (render(told(f"crash-loop-{end}"), "pagerduty").body for end in ("opened", "resolved"))
    assert isinstance(opened, dict) and isinstance(over, dict)
    assert opened["alert"]["dedup_key"] == over["alert"]["dedup_key"]
    assert (opened["alert"]["event_action"], over["alert"]["event_action"]) == ("trigger", "resolve")


# -- what happens next ----------------------------------------------------------------------------------------------


def test_a_replacement_says_when_and_how_it_will_differ() -> None:
    at = {
        "at": "2026-11-23T09:00:37.5+00:00",
        "what": "replace",
        "changes": ["overrides.memory", "networkConfiguration"],
    }
    found = told("task-failed", next=at)
    assert shown(found)["Next"] == "run again at 09:00:37 UTC with more memory, another subnet"
    assert shown(found, "ja")["今後"] == "09:00:37 UTC にメモリを増やして、別のサブネットでもう一度実行"


def test_another_day_is_named() -> None:
    found = told("task-failed", next={"at": "2026-11-24T00:10:00Z", "what": "replace", "changes": []})
    assert shown(found)["Next"] == "run again at 2026-11-24 00:10 UTC"


def test_waiting_says_for_what() -> None:
    found = told(
        "task-failed", verdict="wait", reason="family-budget", next={"at": "2026-11-23T10:00:00Z", "what": "wait"}
    )
    assert shown(found)["Next"] == ("decided again at 10:00:00 UTC: the family has had its replacements of this hour")


def test_what_is_left_alone_says_why() -> None:
    found = told("task-failed-left-alone")
    assert shown(found)["Next"] == "left alone: it ran, and nothing says that it may be run again"
    assert "Would" not in shown(found)


def test_what_is_observed_says_what_would_be_done() -> None:
    would = shown(told("task-failed-observed"))
    assert would["Next"] == "left alone: recover only observes"
    assert would["Would"].startswith("run again at ") and would["Would"].endswith(" with more memory")
    loop = told("crash-loop-opened", reason="observe-only", would="rollback", next={"what": "notify"})
    assert shown(loop)["Would"] == "back to the last known good image"


def test_refused_and_given_up_say_that_somebody_has_to_act() -> None:
    assert shown(told("task-given-up"))["Next"] == "nothing more is tried: somebody has to start it"
    assert shown(told("task-replacement-refused"))["Next"] == "not run again: somebody has to start it"
    assert shown(told("task-replacement-refused", reason="next-firing"))["Next"] == "its schedule starts it"
    assert shown(told("task-given-up"))["Reason"] == Reason.ATTEMPTS_SPENT.meaning


# -- details --------------------------------------------------------------------------------------------------------


def test_each_failure_tells_its_run_and_the_end_tells_them_all() -> None:
    runs = [line for line in lines(told("task-failed")) if line.startswith("Run ")]
    assert runs == [
        "Run 1: 09:04:06 UTC, M1, exit 137, eu-west-1a, after 4m01s: "
        "OutOfMemoryError: Container killed due to memory usage"
    ]
    every = [line for line in lines(told("task-given-up")) if line.startswith("Run ")]
    assert [line.split(":")[0] for line in every] == ["Run 1", "Run 2", "Run 3", "Run 4"]
    launched = [line for line in lines(told("task-replaced")) if line.startswith("Attempt ")]
    assert launched[0].endswith(", with more memory")


def test_the_log_is_told_with_each_failure_once() -> None:
    assert "[redacted]" in (told("task-failed").log_tail or "")
    assert told("task-replaced").log_tail is None
    assert told("task-failed", verdict="give-up").log_tail is None, "the event that follows has it"
    assert told("task-given-up").log_tail
    assert "No log lines: it has no log configuration" in lines(
        told("task-failed", log={"note": "it has no log configuration", "lines": []})
    )


def test_links_lead_to_the_replacement_too() -> None:
    assert [link.label for link in told("task-replaced").links] == ["link.replacement", "link.task", "link.logs"]
    assert [link.label for link in told("crash-loop-opened").links] == ["link.service", "link.task", "link.logs"]


def test_team_and_channel_are_those_of_the_tags() -> None:
    found = told("task-failed")
    assert (found.team, found.channel) == ("data", "data-alerts")


# -- words for everything that recover tells ------------------------------------------------------------------------

CODES = sorted(
    {*map(str, Reason), *map(str, Why), *map(str, CareReason), *map(str, EndReason), "launched", "recovered"}
)


@pytest.mark.parametrize("code", CODES)
def test_every_reason_has_words_in_both_languages(code: str) -> None:
    assert recovery.reason_key(code) == f"reason.recover.{code}"
    assert all(CATALOGUES[language][f"reason.recover.{code}"] for language in LANGUAGES)


def test_no_words_are_left_of_codes_that_are_gone() -> None:
    worded = {key.removeprefix("reason.recover.") for key in CATALOGUES["en"] if key.startswith("reason.recover.")}
    assert worded == set(CODES)


@pytest.mark.parametrize("name", sorted({entry.name for entry in ENTRIES.values()}))
def test_every_failure_has_a_name_in_both_languages(name: str) -> None:
    assert recovery.cause({"name": name}) == f"failure.{slug_of(name)}"
    assert CATALOGUES["ja"][f"failure.{slug_of(name)}"] != name == CATALOGUES["en"][f"failure.{slug_of(name)}"]


def test_every_failure_has_a_hint_in_japanese() -> None:
    assert {key.removeprefix("failure.") for key in CATALOGUES["ja"] if key.startswith("failure.")} == set(HINTS["ja"])


def test_a_hint_is_told_in_the_readers_language_over_the_life_of_its_thread() -> None:
    opened, over = told("crash-loop-opened"), told("crash-loop-resolved")
    assert shown(opened)["Fix"].startswith("The application ended")
    assert shown(opened, "ja")["対処"] == HINTS["ja"]["application-error"]
    life = Life.from_record(json.loads(json.dumps(Life().then(opened).to_record())))
    assert HINTS["ja"]["application-error"] in render(over, "email", "ja", life=life).text


def test_every_verdict_that_something_follows_from_has_words() -> None:
    following = {Verdict.REPLACE, Verdict.WAIT, Measure.DRAIN, Measure.REDEPLOY, Measure.DEREGISTER}
    assert {f"next.{each.value}" for each in following} <= set(CATALOGUES["en"])


def test_everything_that_a_replacement_may_change_has_words() -> None:
    everything = Changes(("s",), on_demand=True, cpu=1, memory=1, storage=1, containers={"a": 1}, avoid=("i",))
    assert set(everything.members) <= set(recovery._CHANGED)


@pytest.mark.parametrize(
    ("story", "number", "headlines"),
    [
        (
            agent_lost,
            -1,
            ("🟠 i-00000000000000001 · shop: agent lost", "🟠 i-00000000000000001 (shop): エージェント不通"),
        ),
        (
            interrupted,
            -1,
            ("🔴 i-00000000000000001 · shop: drain stuck", "🔴 i-00000000000000001 (shop): ドレインが終わらない"),
        ),
        (
            interrupted,
            0,
            (
                "🛠️ i-00000000000000001 · shop: AWS ends what runs it at 2026-11-23 09:02 UTC, Spot notice",
                "🛠️ i-00000000000000001 (shop) の実行基盤を AWS が終了します (2026-11-23 09:02 UTC): Spot 中断の予告",
            ),
        ),
        (
            pod,
            -1,
            (
                "🛠️ shop/web-1 · apps: AWS ends what runs it at 2026-11-30 12:52 UTC, Fargate maintenance",
                "🛠️ shop/web-1 (apps) の実行基盤を AWS が終了します (2026-11-30 12:52 UTC): Fargate のメンテナンス",
            ),
        ),
        (
            retired_task,
            -1,
            (
                "🛠️ etl · shop: AWS ends what runs it at 2026-11-30 09:01 UTC, Fargate maintenance",
                "🛠️ etl (shop) の実行基盤を AWS が終了します (2026-11-30 09:01 UTC): Fargate のメンテナンス",
            ),
        ),
        (stopped_and_well, -1, ("✅ etl · shop: well again", "✅ etl (shop) は復旧しました")),
    ],
)
def test_what_is_no_failed_task_is_called_by_its_name(
    story: Callable[[], Any], number: int, headlines: tuple[str, str]
) -> None:
    announced = story().publisher.published[number]
    found = bare(announced.kind, **announced.detail)
    assert (headline(found), headline(found, "ja")) == headlines


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_no_code_is_left_without_words(story: Callable[[], Any]) -> None:
    """In any language, whatever recover tells in its stories."""
    for announced in story().publisher.published:
        found = read({"id": "e", "detail-type": announced.kind.value, "detail": announced.detail})
        for language in LANGUAGES if found else ():
            assert found
            words = [headline(found, language), *shown(found, language).values(), *lines(found, language)]
            assert not [each for each in words if "?" in each or "reason." in each or "change." in each]
            if announced.kind is not Kind.CRASH_LOOP_RESOLVED:
                assert CATALOGUES[language][recovery.cause(announced.detail)] in headline(found, language)
