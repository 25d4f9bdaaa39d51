"""What people are told of findings, acceptances, gates and digests (notify 6, mock e)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.gates import GateReason, GateResult
from longshore.notices import Phase, Severity
from longshore.notify.catalogue import CATALOGUES, LANGUAGES, label, say, value
from longshore.notify.incidents import failed, recovered
from longshore.notify.kinds import slug
from longshore.notify.reading import read
from longshore.notify.render.dispatch import CHANNELS, render
from longshore.notify.routes import Destination, read_routing, route
from longshore.notify.scanning import KINDS
from longshore.scan.findings import ScanState
from longshore.scan.priority import Rule
from tests.notify_world import HOOK, OPS, WEB, NotifyWorld
from tests.unit.notify.render_samples import HOSTILE, published
from tests.unit.notify.test_render_properties import WITHIN, sound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.events import Kind
    from longshore.notices import Notice

EVENTS = Path(__file__).parents[3] / "events" / "longshore"
NAMES = ("findings-reported", "findings-resolved", "gate-closed", "gate-opened")
TOPIC = Destination("fallback", "sns", "arn:aws:sns:eu-west-1:123456789012:notices")


def told(name: str, /, **members: Any) -> Notice:
    """The notice of a sample, with some members different."""
    event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    found = read({**event, "detail": {**event["detail"], **members}})
    assert found
    return found


def finding(number: int = 1, **members: Any) -> dict[str, Any]:
    (first, *_) = published("findings-reported")["findings"]
    return {**first, "id": f"CVE-2026-{number}", **members}


def headline(found: Notice, language: str = "en") -> str:
    return say(found.headline, language)


def shown(found: Notice, language: str = "en") -> Mapping[str, str]:
    return {label(fact.label, language): value(fact, language) for fact in found.facts}


def lines(found: Notice, language: str = "en") -> str:
    return "\n".join(say(line, language) for line in found.details)


# -- headlines ------------------------------------------------------------------------------------------------------

MANY = [finding(n) for n in range(2)] + [finding(n, priority="P3") for n in range(2, 4)]
WORSE = [finding(1, change="worsened", priority="P2"), finding(2, change="reopened", priority="P3")]


@pytest.mark.parametrize(
    ("name", "members", "english", "japanese"),
    [
        (
            "findings-reported",
            {"findings": MANY, "new": 4},
            "🛡️ shop/web v1.8.3 — 2 new P1 (4 new in all), running in prod",
            "🛡️ shop/web の v1.8.3 に新たな P1 の検出結果 2 件 (新規は計 4 件)、prod で稼働中",
        ),
        (
            "findings-reported",
            {"findings": [finding(n) for n in range(10)], "new": 24, "more": 14},
            "🛡️ shop/web v1.8.3 — 10+ new P1 (24 new in all), running in prod",
            "🛡️ shop/web の v1.8.3 に新たな P1 の検出結果 10+ 件 (新規は計 24 件)、prod で稼働中",
        ),
        (
            "findings-reported",
            {"findings": [finding(3), *WORSE], "new": 1, "worsened": 1, "reopened": 1},
            "🛡️ shop/web v1.8.3 — 1 new P1, 1 worsened to P2, 1 no longer accepted (P3), running in prod",
            "🛡️ shop/web の v1.8.3 に新たな P1 の検出結果 1 件、悪化 1 件 (P2)、受容切れ 1 件 (P3)、prod で稼働中",
        ),
        (
            "findings-reported",
            {"findings": WORSE, "new": 0, "worsened": 1, "reopened": 1},
            "🛡️ shop/web v1.8.3 — 1 worsened to P2, 1 no longer accepted (P3), running in prod",
            "🛡️ shop/web の v1.8.3 の検出結果 1 件が悪化 (P2)、受容切れ 1 件 (P3)、prod で稼働中",
        ),
        (
            "findings-reported",
            {"findings": WORSE[1:], "new": 0, "reopened": 1, "running": []},
            "🛡️ shop/web v1.8.3 — 1 no longer accepted (P3)",
            "🛡️ shop/web の v1.8.3 の検出結果 1 件が受容切れ (P3)",
        ),
        (
            "findings-reported-expiring",
            {},
            "⏳ CVE-2026-4040: acceptance ends 2026-11-29 00:00 UTC",
            "⏳ CVE-2026-4040 の受容が 2026-11-29 00:00 UTC に終わります",
        ),
        (
            "findings-reported-expiring",
            {"more": 2},
            "⏳ CVE-2026-4040 (+2): acceptance ends from 2026-11-29 00:00 UTC on",
            "⏳ CVE-2026-4040 ほか 2 件の受容が 2026-11-29 00:00 UTC から順に終わります",
        ),
        (
            "findings-reported-digest",
            {"overdue": 3},
            "📋 shop: digest of findings, 3 overdue, 2 P1, 1 not scanned",
            "📋 shop の検出結果まとめ、期限超過 3 件、P1 が 2 件、未スキャン 1 件",
        ),
        (
            "findings-resolved",
            {"reason": "fixed"},
            "✅ shop/web v1.8.3 — all findings fixed, open 2h11m",
            "✅ shop/web の v1.8.3 の検出結果はすべて修正されました (2h11m 後)",
        ),
        (
            "findings-resolved",
            {"reason": "accepted"},
            "☑️ shop/web v1.8.3 — what was left is accepted, open 2h11m",
            "☑️ shop/web の v1.8.3 に残る検出結果は受容されました (2h11m 後)",
        ),
        (
            "findings-resolved",
            {"reason": "replaced", "by": {"digest": "sha256:" + "3" * 64, "tags": ["v1.8.4"]}},
            "✅ shop/web v1.8.3 — runs no more, replaced by v1.8.4, open 2h11m",
            "✅ shop/web の v1.8.3 はもう稼働していません (後継は v1.8.4 ) (2h11m 後)",
        ),
        (
            "findings-resolved",
            {"reason": "gone", "open_seconds": None},
            "☑️ shop/web v1.8.3 — the image is gone",
            "☑️ shop/web の v1.8.3 のイメージはなくなりました",
        ),
        (
            "gate-closed",
            {"counts": {"P1": 1, "P3": 2}},
            "⛔ web · prod: gate closed for prod, 1 P1, 2 P3",
            "⛔ web (prod) の prod のゲートが閉じました、P1 が 1 件、P3 が 2 件",
        ),
        (
            "gate-closed",
            {"reason": "gone", "result": "no-result"},
            "⛔ web · prod: gate closed for prod, no result: the image is not in the registry any more",
            "⛔ web (prod) の prod のゲートが閉じました (判定不能): イメージがもうレジストリにない",
        ),
        ("gate-opened", {}, "✅ web · prod: gate open for prod", "✅ web (prod) の prod のゲートが開きました"),
        (
            "gate-opened",
            {"reason": "findings", "result": "fail", "counts": {"P2": 1}},
            "⚠️ web · prod: prod failed its gate and is let through, 1 P2",
            "⚠️ web (prod) の prod はゲートで不合格ですが、通します、P2 が 1 件",
        ),
        (
            "gate-opened",
            {"reason": "timed-out", "result": "no-result"},
            "⚠️ web · prod: prod is let through without a result, no scan finished in the time that the terms allow",
            "⚠️ web (prod) の prod を判定なしで通します: 条件で定めた時間内にスキャンが終わらなかった",
        ),
    ],
)
def test_what_a_headline_says(name: str, members: dict[str, Any], english: str, japanese: str) -> None:
    found = told(name, **members)
    assert (headline(found), headline(found, "ja")) == (english, japanese)


def test_where_an_image_runs_is_short() -> None:
    rows = [{"name": f"web-{n}", "cluster": f"c{n}", "environment": None, "units": n} for n in range(5)]
    assert headline(told("findings-reported", running=rows)).endswith(", running in c0, c1, c2 (+2)")
    found = told("findings-reported", running=rows, running_count=30)
    assert shown(found)["Runs in"] == "c0/web-0, c1/web-1 x1, c2/web-2 x2, c3/web-3 x3 (+26)"
    assert "Runs in c0/web-0, c1/web-1 x1, c2/web-2 x2, c3/web-3 x3, c4/web-4 x4 (+25)" in lines(found)
    assert shown(told("findings-reported", running=[], running_count=0))["Runs in"] == "nothing yet"


# -- how much it matters, and where it stands -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "members", "severity", "phase"),
    [
        ("findings-reported", {}, Severity.CRITICAL, Phase.OPENED),
        ("findings-reported", {"priority": "P2"}, Severity.ERROR, Phase.OPENED),
        ("findings-reported", {"priority": "P3"}, Severity.WARNING, Phase.OPENED),
        ("findings-reported", {"priority": "P4"}, Severity.INFO, Phase.OPENED),
        ("findings-reported-expiring", {}, Severity.WARNING, Phase.OPENED),
        ("findings-reported-digest", {"overdue": 0}, Severity.INFO, Phase.RESOLVED),
        ("findings-reported-digest", {"overdue": 1}, Severity.WARNING, Phase.RESOLVED),
        ("findings-resolved", {}, Severity.OK, Phase.RESOLVED),
        ("gate-closed", {}, Severity.WARNING, Phase.OPENED),
        ("gate-opened", {}, Severity.OK, Phase.RESOLVED),
        ("gate-opened", {"result": "fail", "reason": "findings"}, Severity.WARNING, Phase.RESOLVED),
        ("gate-opened", {"result": "no-result", "reason": "timed-out"}, Severity.WARNING, Phase.RESOLVED),
    ],
)
def test_how_much_it_matters_and_where_it_stands(
    name: str, members: dict[str, Any], severity: Severity, phase: Phase
) -> None:
    found = told(name, **members)
    assert (found.severity, found.phase) == (severity, phase)


def test_a_report_and_its_end_are_one_thread_and_another_region_another() -> None:
    report = told("findings-reported")
    assert report.thread == told("findings-resolved").thread
    others = [
        {"region": "us-east-1"},
        {"registry": "999999999999"},
        {"repository": "a/b"},
        {"digest": "sha256:" + "4" * 64},
    ]
    assert len({report.thread, *(told("findings-reported", **each).thread for each in others)}) == 5


def test_a_gate_is_one_thread_for_each_workload_and_image() -> None:
    closed = told("gate-closed")
    same = {"digest": published("gate-closed")["digest"]}
    assert closed.thread == told("gate-opened", **same).thread
    others = [{"workload": WEB + "-2"}, {"digest": "sha256:" + "4" * 64}, {"region": "us-east-1"}]
    assert len({closed.thread, *(told("gate-closed", **each).thread for each in others)}) == 4


def test_a_digest_is_one_thread_for_each_team_and_time() -> None:
    names = {
        told("findings-reported-digest", **each).thread
        for each in ({}, {"team": "pay"}, {"team": None}, {"due": "2026-12-22T09:00:00+00:00"})
    }
    assert len(names) == 4
    assert told("findings-reported-expiring").thread.startswith("findings-expiring/")


@pytest.mark.parametrize(
    "name", ["findings-reported-digest", "findings-reported-expiring", "gate-closed", "gate-opened"]
)
def test_what_sums_up_announces_or_holds_calls_nobody(name: str) -> None:
    assert not failed(told(name, priority="P1"))


def test_pagerduty_is_called_for_grave_findings_and_told_of_their_end() -> None:
    report, end = told("findings-reported"), told("findings-resolved")
    alert = body(report)["alert"]
    assert (alert["event_action"], alert["payload"]["severity"]) == ("trigger", "critical")
    assert recovered(end)
    assert body(end)["alert"] == {"event_action": "resolve", "dedup_key": alert["dedup_key"]}
    assert "alert" not in body(told("findings-reported", priority="P3"))


def body(found: Notice) -> dict[str, Any]:
    """What PagerDuty gets."""
    return json.loads(json.dumps(render(found, "pagerduty").body))  # type: ignore[no-any-return]


# -- facts ----------------------------------------------------------------------------------------------------------


def test_the_gravest_findings_are_told_a_line_each() -> None:
    found = shown(told("findings-reported"))
    assert found["CVE-2026-31337"] == (
        "openssl 3.0.11 → 3.0.15 · CRITICAL 9.8 · KEV, due 2026-12-05 · EPSS 0.91 · exploit known"
    )
    assert found["CVE-2026-20202"] == "libxml2 2.10.3 → 2.10.4 · HIGH 8.1 · EPSS 0.20 · exploit known"


def test_a_finding_without_a_fix_or_a_score_says_what_is_known() -> None:
    bare = {"id": "CVE-1", "package": "zlib", "fix": "no", "severity": None, "score": None, "kev": False}
    again = finding(2, change="reopened", accepted_by="ann", fix="partial", kev=False, epss=None, exploit=False)
    found = told("findings-reported", findings=[bare, again])
    assert shown(found)["CVE-1"] == "zlib (no fix)"
    assert shown(found)["CVE-2026-2"] == (
        "openssl 3.0.11 → 3.0.15 (not for all of it) · CRITICAL 9.8 · acceptance ended (ann)"
    )
    assert "· acceptance ended (ann) ·" in lines(found)
    assert (
        shown(found, "ja")["CVE-2026-2"]
        == "openssl 3.0.11 → 3.0.15 (一部のみ修正版あり) · CRITICAL 9.8 · 受容切れ (受容者 ann)"
    )


def test_packages_of_one_vulnerability_share_a_line_and_the_thread_has_each() -> None:
    rows = [finding(1), finding(1, package="libssl3"), *(finding(n) for n in range(2, 9))]
    found = told("findings-reported", findings=rows, more=3)
    assert shown(found)["CVE-2026-1"].startswith("openssl (+1) 3.0.11")
    assert len([each for each in shown(found) if each.startswith("CVE-")]) == 5
    assert lines(found).count("mend by") == 9
    assert "… +3 more: longshore scan show shop/web:v1.8.3 lists all" in lines(found)


def test_what_else_a_report_tells() -> None:
    found = shown(told("findings-reported", fixed=11, unchanged=38, suppressed=5, suppressed_ending=1))
    assert found["Besides"] == "11 fixed, 38 unchanged, compared to sha256:111111111111"
    assert found["Fix"] == "2 of 3 fixed in v1.8.4"
    assert found["Mend by"] == "2026-11-30 09:11 UTC"  # the earliest of all
    assert found["Open in all"] == "P1: 2, P3: 1"
    assert found["Suppressed"] == "5 (ending within 7 days: 1)"
    assert shown(told("findings-reported", cure=None))["Fix"] == "a fix exists for 3 of 3"
    assert "Fix" not in shown(told("findings-reported", cure=None, fixable=0))
    assert shown(told("findings-reported", scanned="failed"))["Scan"] == "the scan failed"


def test_a_gate_says_what_opens_it() -> None:
    assert "longshore suppress" in shown(told("gate-closed"))["Next"]
    late = shown(told("gate-closed", result="no-result", reason="timed-out", findings=[]))
    assert late["Next"] == "judged again by itself when a scan finishes; a new push or other terms help as well"
    assert late["Waited until"] == "2026-11-23 09:30 UTC"
    unreadable = shown(told("gate-closed", result="no-result", reason="unsupported", findings=[]))
    assert unreadable["Next"] == "not deployed until a new push, or until the profile's terms allow it"
    assert unreadable["Reason"] == "the scanner cannot read this image"
    through = shown(told("gate-opened", result="no-result", reason="too-large"))
    assert through["Next"] == "deployed all the same, as the profile's terms say"


def test_a_digest_names_what_is_late_unscanned_and_behind() -> None:
    late = {
        **{"id": "CVE-1", "package": "openssl", "priority": "P1", "due": "2026-12-01T00:00:00+00:00"},
        **{"repository": "shop/web", "digest": "sha256:" + "1" * 64, "tag": "v1", "running": ["web"]},
    }
    found = told("findings-reported-digest", worst=[late], overdue=1, unscanned_count=3, trend={"P1": 1, "P2": -2})
    assert shown(found)["CVE-1"] == "P1 · openssl · shop/web:v1 · web · due since 2026-12-01 00:00 UTC"
    assert shown(found)["Not scanned"] == "shop/web:batch-7 (+2)"
    assert shown(found)["Behind"] == "shop/web:v1.8.3"
    assert shown(found)["Open in all"] == "P1: 2 (+1), P2: 0 (-2), P3: 1"
    assert "Behind: shop/web:v1.8.3, runs in web, 3 of 3 fixed in v1.8.4" in lines(found)
    assert "Not scanned: shop/web:batch-7, the scanner cannot read it" in lines(found)
    assert "CVE-2026-4040: accepted until 2026-12-25 00:00 UTC, shop/*, shop: not reachable" in lines(found)


def test_links_lead_to_the_image_and_to_what_describes_the_findings() -> None:
    digest = published("findings-reported")["digest"]
    image, first, second = told("findings-reported").links
    assert image.url == (
        "https://eu-west-1.console.aws.amazon.com/ecr/repositories/private/123456789012/shop/web"
        f"/_/image/{digest}/details?region=eu-west-1"
    )
    assert (label(first.label), first.url) == (
        "CVE-2026-31337",
        "https://nvd.nist.gov/vuln/detail/CVE-2026-31337",
    )
    assert label(second.label, "ja") == "CVE-2026-20202"
    elsewhere = told("findings-reported", region="cn-north-1", findings=[finding(url="http://a.example/")])
    assert [each.url.split("/")[2] for each in elsewhere.links] == ["cn-north-1.console.amazonaws.cn"]
    spoof = told("findings-reported", findings=[finding(url="https://a.example/<!channel>|x")])
    assert "a.example" not in json.dumps(render(spoof, "slack").body)


# -- the words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_rule_and_state_has_words(language: str) -> None:
    wanted = {f"reason.gate.{each.value}" for each in GateReason} | {f"rule.{each.value}" for each in Rule}
    wanted |= {f"state.{each.value}" for each in ScanState if each is not ScanState.COMPLETE}
    known = {key for key in CATALOGUES[language] if key.startswith(("reason.gate.", "rule.", "state."))}
    assert known == wanted


def test_rules_are_told_in_scans_own_words() -> None:
    assert {rule.value: CATALOGUES["en"][f"rule.{rule.value}"] for rule in Rule} == {r.value: r.meaning for r in Rule}


@pytest.mark.parametrize("reason", [each for each in GateReason if each.result is not GateResult.WAIT])
@pytest.mark.parametrize("name", ["gate-closed", "gate-opened"])
def test_every_verdict_can_be_told(reason: GateReason, name: str) -> None:
    found = told(name, reason=reason.value, result=reason.result.value)
    for language in LANGUAGES:
        assert "?" not in headline(found, language)
        assert CATALOGUES[language][f"reason.gate.{reason.value}"] in lines(found, language)


# -- told once ------------------------------------------------------------------------------------------------------

HELD = {"gate": "scan", "digest": "sha256:" + "2" * 64, "workload_name": "web"}


@pytest.mark.parametrize(("reason", "why"), [("gate-failed", "findings"), ("gate-no-result", "timed-out")])
def test_a_deployment_that_its_gate_holds_is_told_by_the_gate_alone(reason: str, why: str) -> None:
    world = NotifyWorld()
    world.publish("Gate Closed", **{**published("gate-closed"), "workload": WEB})
    world.publish("Deployment Held", reason=reason, why=why, **HELD)
    world.run()
    (message,) = world["ops"].messages.values()
    assert "gate closed" in message.rendered.text
    assert len(message.replies) == 1
    assert world.threads.left == []


@pytest.mark.parametrize(
    "members",
    [
        {"reason": "gate-no-result", "why": "off"},
        {"reason": "gate-no-result", "why": "timed-out", "gate": "another"},
        {"reason": "gate-failed", "why": None, "gate": None},
        {"reason": "held", "why": "freeze"},
    ],
)
def test_what_no_gate_tells_the_deployment_does(members: dict[str, Any]) -> None:
    world = NotifyWorld()
    world.publish("Deployment Held", **{**HELD, **members})
    world.run()
    assert len(world["ops"].messages) == 1


def test_why_nobody_judges_is_said_in_words() -> None:
    event = {"id": "e", "source": "longshore", "detail-type": "Deployment Held"}
    found = read({**event, "detail": {**HELD, "workload": WEB, "reason": "gate-no-result", "why": "off"}})
    assert found
    assert "Why: the capability scan is off, so nobody judges" in render(found, "email").text
    assert "the capability scan is off, so nobody judges" in lines(found)
    assert "原因: scan が無効なため判定できない" in render(found, "email", "ja").text


def same_image(**members: Any) -> dict[str, Any]:
    return {**published("gate-opened"), "workload": WEB, "digest": published("gate-closed")["digest"], **members}


@pytest.mark.parametrize("pause", [0, 60])
def test_a_gate_that_closes_and_opens_is_one_message(pause: float) -> None:
    world = NotifyWorld()
    world.publish("Gate Closed", **{**published("gate-closed"), "workload": WEB})
    world.run(pause)
    world.publish("Gate Opened", **same_image())
    world.run()
    (message,) = world["ops"].messages.values()
    assert "gate open for" in message.rendered.text
    assert "CVE-2026-31337" not in str(message.rendered.body)  # what closed it is in the thread
    assert len(message.replies) == 2


@pytest.mark.parametrize("channel", [OPS, HOOK], ids=["slack", "teams"])
def test_a_gate_that_only_opens_is_told_by_the_deployment(channel: dict[str, str]) -> None:
    world = NotifyWorld({"to": channel})
    world.publish("Gate Opened", **same_image())
    world.run()
    assert (world["to"].messages, world.threads.left) == ({}, [])


@pytest.mark.parametrize("channel", [OPS, HOOK], ids=["slack", "teams"])
@pytest.mark.parametrize("result", [("fail", "findings"), ("no-result", "timed-out")])
def test_what_is_let_through_is_told_though_nothing_closed(channel: dict[str, str], result: tuple[str, str]) -> None:
    world = NotifyWorld({"to": channel})
    world.publish("Gate Opened", **same_image(result=result[0], reason=result[1]))
    world.run()
    (message,) = world["to"].messages.values()
    assert "let through" in str(message.rendered.body)


@pytest.mark.parametrize("channel", [OPS, HOOK], ids=["slack", "teams"])
@pytest.mark.parametrize("pause", [0, 60])
def test_other_findings_of_an_image_are_a_new_message_and_the_same_are_not(
    channel: dict[str, str], pause: float
) -> None:
    world = NotifyWorld({"to": channel})
    base = {**published("findings-reported"), "workload": ""}
    for rows in ([finding(1)], [finding(2)], [finding(2)]):
        world.publish("Findings Reported", **{**base, "findings": rows})
        world.run(pause)
    world.run()
    assert len(world["to"].messages) == 2
    assert world.threads.left == []


def test_findings_that_are_mended_are_not_shown_as_if_they_were_open() -> None:
    world = NotifyWorld()
    world.publish("Findings Reported", **published("findings-reported"))
    world.run(60)
    world.publish("Findings Resolved", **published("findings-resolved"))
    world.run()
    (message,) = world["ops"].messages.values()
    body = str(message.rendered.body)
    assert "runs no more" in body and "*Findings*" in body
    assert not [each for each in ("CVE-", "Mend by", "Runs in", "Open in all", "Besides") if each in body]


# -- routes ---------------------------------------------------------------------------------------------------------


def matches(found: Notice, **match: str) -> bool:
    config = {"channels": {"ops": OPS, "rest": HOOK}, "routes": [{"match": match, "to": ["ops"]}, {"to": ["rest"]}]}
    return set(route(found, read_routing(config, TOPIC)).to) == {"ops"}


ELSEWHERE = {"name": "batch", "arn": WEB + "-batch", "cluster": "jobs", "environment": None, "team": "pay", "units": 1}


def test_routes_match_by_everything_that_runs_the_image() -> None:
    (web,) = published("findings-reported")["running"]
    members = {"running": [web, ELSEWHERE], "teams": ["pay", "shop"], "team": None, "environment": None}
    found = told("findings-reported", **members)
    for environment in ("prod", "jobs"):
        assert matches(found, environment=environment)
    for team in ("shop", "pay"):
        assert matches(found, team=team)
    for workload in ("web", "batch", WEB + "-batch"):
        assert matches(found, workload=workload)
    assert matches(found, severity="critical") and matches(found, kind="findings-*")
    assert not [name for name in ("environment", "team", "workload") if matches(found, **{name: "other"})]


@pytest.mark.parametrize("name", NAMES)
def test_routes_know_a_repository_by_its_name_and_with_its_registry(name: str) -> None:
    found = told(name)
    assert matches(found, repository="shop/*")
    assert matches(found, repository="123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web")
    assert not matches(found, repository="*us-east-1*")


def test_acceptances_go_to_their_owners_and_digests_to_their_team() -> None:
    assert matches(told("findings-reported-expiring", owners=["ann", "shop"]), team="shop")
    assert matches(told("findings-reported-digest"), team="shop")
    assert not matches(told("findings-reported-digest", team=None), team="shop")


def test_a_report_goes_to_the_channel_that_its_workloads_share() -> None:
    routes = [{"to": ["tag:longshore:channel"]}]
    routing = read_routing({"channels": {"shop": OPS, "rest": HOOK}, "routes": routes}, TOPIC)
    assert set(route(told("findings-reported", channel="shop"), routing).to) == {"shop"}


# -- whatever an event holds ----------------------------------------------------------------------------------------


def hostile(value: Any, text: str) -> Any:
    """The same with `text` for every string, and lists as long as events have them."""
    if isinstance(value, dict):
        return {name: hostile(each, text) for name, each in value.items()}
    if isinstance(value, list):
        return [hostile(each, text) for each in (value * 10)[:10]]
    return text if isinstance(value, str) else value


LONG = ("x" * 3_000, "<&>🚀" * 500)


@pytest.mark.parametrize(
    "text", [text for text in (*HOSTILE, *LONG) if len(text) <= 3_000], ids=lambda text: ascii(text[:8]).strip("'")
)
@pytest.mark.parametrize("name", ["findings-reported", "findings-reported-digest", "gate-closed"])
def test_ten_findings_of_hostile_text_are_within_every_budget(text: str, name: str) -> None:
    detail = {**hostile(published(name), text), "correlation": "c-1"}
    kept = {each: published(name).get(each) for each in ("report", "result", "reason", "priority")}
    rows = [{**row, "id": f"{text[:40]}{place}"} for place, row in enumerate(detail.get("findings", []))]
    found = told(name, **{**detail, **kept, "findings": rows})
    for channel in CHANNELS:
        rendered = render(found, channel, "ja")
        sound(rendered)
        WITHIN[channel](rendered)
        assert "hunter2" not in json.dumps([rendered.body, rendered.text, rendered.reply, rendered.file])


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = sorted({member for name in (*NAMES, "findings-reported-digest") for member in published(name)})
ROWS = sorted({*published("findings-reported")["findings"][0], "expires", "vulnerability", "clean", "units", "tags"})
ROW_LISTS = st.lists(st.dictionaries(st.sampled_from(ROWS), ANY, max_size=6), max_size=3)


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(st.sampled_from(MEMBERS), ANY | ROW_LISTS),
    st.sampled_from([None, "scan", "expiring", "digest"]),
)
def test_whatever_the_detail_is_a_notice_comes_of_it(kind: Kind, detail: dict[str, Any], report: str | None) -> None:
    found = read({"id": "e", "source": "longshore", "detail-type": kind.value, "detail": {**detail, "report": report}})
    assert found
    assert found.headline.key.startswith(f"headline.{slug(kind)}")
    assert found.headline.key in CATALOGUES["en"]
    for channel in ("slack", "email"):
        WITHIN[channel](render(found, channel, "ja"))


def test_what_a_newer_image_mends_is_good_news() -> None:
    cure = {"digest": "sha256:" + "b" * 64, "tags": ["v1.8.5"], "fixed": 3, "of": 4}
    none = dict.fromkeys(("new", "worsened", "reopened", "more"), 0)
    news = told("findings-reported", reason="mended-upstream", priority=None, findings=[], cure=cure, **none)
    assert "3 of 4 findings fixed in v1.8.5" in headline(news)
    assert "v1.8.5 で修正済み" in headline(news, "ja")
    assert news.severity is Severity.INFO
