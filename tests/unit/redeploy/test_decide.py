"""The decision: the truth table of redeploy 8.4, row by row, and the defects of redeploy 4 that concern it, by number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from longshore.decisions import Decision, Reason, Verdict
from longshore.gates import GateReason
from longshore.redeploy.decide import (
    Approval,
    Candidate,
    Circumstances,
    Current,
    Veto,
    choose,
    decide,
)
from longshore.redeploy.policy import Policy, parse_policy
from longshore.redeploy.profiles import read_profiles

NOW = datetime(2026, 8, 21, 12, 0, tzinfo=UTC)
A, B, C, ARM, AMD = (f"sha256:{letter * 64}" for letter in "abcde")


def policy(text: str, **options: Any) -> Policy:
    """The policy `text`, in a profile when there are options."""
    if not options:
        return parse_policy(text)
    return parse_policy("profile:p", read_profiles({"p": {"policy": text, **options}}))


def verdict(decision: Decision) -> str:
    return f"{decision.verdict}:{decision.reason}"


TRUTH_TABLE = [
    ("patch takes the next patch", "1.4.2", "1.4.3", "semver:patch", {}, "deploy:newer"),
    ("patch leaves the next minor", "1.4.2", "1.5.0", "semver:patch", {}, "skip:out-of-range"),
    ("minor takes the next minor", "1.4.2", "1.5.0", "semver:minor", {}, "deploy:newer"),
    ("minor leaves the next major", "1.4.2", "2.0.0", "semver:minor", {}, "skip:out-of-range"),
    ("major takes the next major", "1.4.2", "2.0.0", "semver:major", {}, "deploy:newer"),
    ("a late event is no downgrade", "1.4.2", "1.4.1", "semver:major", {}, "skip:downgrade"),
    ("a pre-release is left", "1.4.2", "1.4.3-rc.1", "semver:patch", {}, "skip:prerelease"),
    ("rc.10 follows rc.2", "1.5.0-rc.2", "1.5.0-rc.10", "semver:minor", {"prerelease": "channel:rc"}, "deploy:newer"),
    ("the release follows its candidates", "1.5.0-rc.2", "1.5.0", "semver:minor", {}, "deploy:newer"),
    ("a leading v changes nothing", "v1.4.2", "1.4.3", "semver:patch", {}, "deploy:newer"),
    ("latest is no version", "1.4.2", "latest", "semver:major", {}, "skip:not-semver"),
    ("a date is no version", "1.4.2", "20260821", "semver:major", {}, "skip:not-semver"),
    ("from latest nothing is newer", "latest", "1.0.0", "semver:major", {}, "hold:current-not-comparable"),
    ("build-10 follows build-9", "build-9", "build-10", "numeric:build-", {}, "deploy:newer"),
    ("another variant is another image", "1.2.0-alpine", "1.2.1-debian", "semver:patch", {}, "skip:variant"),
]


@pytest.mark.parametrize(
    ("current", "pushed", "text", "options", "expected"),
    [row[1:] for row in TRUTH_TABLE],
    ids=[row[0] for row in TRUTH_TABLE],
)
def test_truth_table(current: str, pushed: str, text: str, options: dict[str, Any], expected: str) -> None:
    assert verdict(decide(policy(text, **options), Current(current), Candidate(pushed))) == expected
    assert verdict(decide(policy(text, **options), Current(current, A), Candidate(pushed, B))) == expected


@pytest.mark.parametrize(
    ("current", "pushed", "text", "options", "expected"),
    [
        ("1.4.2", "1.3.9", "semver:patch", {}, "skip:downgrade"),
        ("1.2.0-alpine", "1.2.1-alpine", "semver:patch", {}, "deploy:newer"),
        ("1.2.0-alpine", "1.2.1", "semver:patch", {}, "skip:variant"),
        ("1.2.0", "1.2.1-alpine", "semver:patch", {}, "skip:variant"),
        ("1.2.0-alpine", "1.2.1-rc.1-alpine", "semver:patch", {"prerelease": "include"}, "deploy:newer"),
        ("1.4.2", "1.5.0-beta.1", "semver:minor", {"prerelease": "channel:rc"}, "skip:prerelease"),
        ("1.5.0-rc.2", "1.5.0", "semver:minor", {"prerelease": "channel:rc"}, "deploy:newer"),
        ("1.5.0", "1.6.0-rc.1", "semver:minor", {"prerelease": "channel:rc"}, "deploy:newer"),
        ("1.5.0", "1.5.0-rc.9", "semver:minor", {"prerelease": "include"}, "skip:downgrade"),
        ("1.4.2", "2026.8.21", "semver:major", {}, "skip:major-jump"),
        ("1.4.2", "6.0.0", "semver:major", {}, "deploy:newer"),
        ("1.4.2", "3.0.0", "semver:major", {"max_major_jump": 1}, "skip:major-jump"),
        ("1.0.0", "1.9.0", "semver:1.x", {}, "deploy:newer"),
        ("1.0.0", "2.0.0", "semver:1.x", {}, "skip:out-of-range"),
        ("2.0.0", "1.9.0", "semver:1.x", {}, "skip:downgrade"),
        ("0.9.0", "1.4.7", "semver:1.4.x", {}, "deploy:newer"),
        ("1.4.0", "1.9.0", "semver:>=1.2 <2", {"prerelease": "include"}, "deploy:newer"),
        ("1.4.0", "2.0.0-rc.1", "semver:>=1.2 <2", {"prerelease": "include"}, "skip:out-of-range"),
        ("1.4.0", "1.5.0-rc.1", "semver:>=1.2 <2", {"write": "digest"}, "skip:prerelease"),
        (None, "1.0.0", "semver:major", {}, "hold:current-not-comparable"),
        ("build-9", "build-x", "numeric:build-", {}, "skip:not-numeric"),
        ("build-9", "build-\u0661\u0662", "numeric:build-", {}, "skip:not-numeric"),
        ("build-9", "test-10", "numeric:build-", {}, "skip:not-matching"),
        ("build-9", "build-8", "numeric:build-", {}, "skip:downgrade"),
        ("latest", "build-8", "numeric:build-", {}, "hold:current-not-comparable"),
        ("9", "10", "numeric", {}, "deploy:newer"),
        ("2026.8.21", "2026.11.1", "calver:YYYY.MM.DD", {}, "deploy:newer"),
        ("2026.8.21", "2026.8.3", "calver:YYYY.MM.DD", {}, "skip:downgrade"),
        ("2026.8.21", "1.4.2", "calver:YYYY.MM.DD", {}, "skip:not-calver"),
        ("latest", "2026.8.3", "calver:YYYY.MM.DD", {}, "hold:current-not-comparable"),
        ("main-5", "main-abc", "newest:main-", {}, "deploy:newer"),
        ("latest", "main-abc", "newest:main-", {}, "deploy:newer"),
        ("main-5", "test-6", "newest:main-", {}, "skip:not-matching"),
        ("1.4.2", "1.4.3", "pin", {}, "skip:pinned"),
        ("prod", "prod", "pin", {}, "skip:pinned"),
        ("1.4.2", "1.4.3", "semver:patch", {"allow": [r"^v.*$"]}, "skip:not-matching"),
        ("1.4.2", "v1.4.3", "semver:patch", {"allow": [r"^v.*$"]}, "deploy:newer"),
        ("1.4.2", "v1.4.3", "semver:patch", {"allow": [r"^v.*$"], "deny": [r"^.*3$"]}, "skip:not-matching"),
        ("app-1.4.2", "app-1.4.3", "semver:patch", {"extract": r"^app-(?P<key>.+)$"}, "deploy:newer"),
        ("app-1.4.2", "web-1.4.3", "semver:patch", {"extract": r"^app-(?P<key>.+)$"}, "skip:not-matching"),
        ("web-1.4.2", "app-1.4.3", "semver:patch", {"extract": r"^app-(?P<key>.+)$"}, "hold:current-not-comparable"),
        ("prod", "staging", "digest", {}, "skip:not-matching"),
        ("staging", "staging", "digest:prod", {}, "skip:not-matching"),
    ],
)
def test_tags_alone(current: str | None, pushed: str, text: str, options: dict[str, Any], expected: str) -> None:
    assert verdict(decide(policy(text, **options), Current(current), Candidate(pushed))) == expected


@pytest.mark.parametrize(
    ("current", "candidate", "text", "options", "expected"),
    [
        (Current("prod", A), Candidate("prod", B), "digest", {}, "deploy:moved"),
        (Current("prod", A), Candidate("prod", A), "digest", {}, "skip:same-digest"),
        (Current("1.4.2", A), Candidate("prod", B), "digest:prod", {}, "deploy:moved"),
        (Current("prod"), Candidate("prod", B), "digest", {}, "hold:unknown-running"),
        (Current("prod"), Candidate("prod", B), "digest", {"on_unknown": "deploy"}, "deploy:moved"),
        (Current("prod"), Candidate("prod"), "digest", {}, "hold:unknown-running"),
        (Current("prod", A), Candidate("prod"), "digest", {}, "hold:unknown-pushed"),
        (Current(None, A), Candidate("prod", B), "digest", {}, "hold:current-not-comparable"),
        (Current("1.4.2", A), Candidate("1.4.2", B), "semver:patch", {}, "hold:immutable-retag"),
        (Current("1.4.2", A), Candidate("1.4.2", B), "semver:patch", {"immutable_retag": "deploy"}, "deploy:moved"),
        (
            Current("1.4.2", A),
            Candidate("1.4.2", B),
            "semver:patch",
            {"immutable_retag": "ignore"},
            "skip:retag-ignored",
        ),
        (Current("1.4.2", A), Candidate("1.4.2", A), "semver:patch", {}, "skip:same-digest"),
        (Current("1.4.2"), Candidate("1.4.2"), "semver:patch", {}, "skip:same-version"),
        (Current("1.4.2", A), Candidate("v1.4.2", B), "semver:patch", {}, "hold:ambiguous"),
        (Current("1.4.2", A), Candidate("v1.4.2", A), "semver:patch", {}, "skip:same-digest"),
        (Current("1.4.2", A), Candidate("1.4.3", A), "semver:patch", {}, "skip:same-digest"),
        (Current("build-7", A), Candidate("build-007", B), "numeric:build-", {}, "hold:ambiguous"),
        (Current("build-7"), Candidate("build-7"), "numeric:build-", {}, "skip:same-version"),
        (Current("main-5", A), Candidate("main-5", B), "newest:main-", {}, "hold:immutable-retag"),
        (Current("main-5"), Candidate("main-5"), "newest:main-", {}, "skip:same-version"),
        (Current("2026.8.1", A), Candidate("2026.8.1", B), "calver:YYYY.MM.DD", {}, "hold:immutable-retag"),
    ],
)
def test_digests_tell_one_version_from_itself(
    current: Current, candidate: Candidate, text: str, options: dict[str, Any], expected: str
) -> None:
    assert verdict(decide(policy(text, **options), current, candidate)) == expected


INDEX = {"linux/arm64": ARM, "linux/amd64": AMD}


@pytest.mark.parametrize(
    ("running", "required", "options", "expected"),
    [
        ({A, ARM}, {"linux/arm64"}, {}, "skip:same-content"),
        ({A, ARM}, {"linux/arm64", "linux/amd64"}, {}, "deploy:moved"),
        ({A, ARM, AMD}, {"linux/arm64", "linux/amd64"}, {}, "skip:same-content"),
        ({A, ARM}, set(), {}, "deploy:moved"),
        ({A, ARM}, {"linux/arm64"}, {"redeploy_on": "index"}, "deploy:moved"),
        ({B, ARM}, {"linux/arm64"}, {"redeploy_on": "index"}, "skip:same-digest"),
        ({A}, {"linux/arm64"}, {}, "deploy:moved"),
        ({A}, {"linux/s390x"}, {}, "hold:platform"),
        ({A}, {"linux/arm64", "windows/amd64"}, {}, "hold:platform"),
    ],
)
def test_an_index_matters_by_the_platforms_that_the_workload_needs(
    running: set[str], required: set[str], options: dict[str, Any], expected: str
) -> None:
    decision = decide(
        policy("digest", **options),
        Current("prod", equivalents=frozenset(running)),
        Candidate("prod", B, INDEX),
        Circumstances(required_platforms=frozenset(required)),
    )
    assert verdict(decision) == expected


def test_a_platform_takes_its_variants() -> None:
    needs = Circumstances(required_platforms=frozenset({"linux/arm"}))
    assert decide(policy("digest"), Current("prod", A), Candidate("prod", B, {"linux/arm/v7": ARM}), needs).deploys
    lacks = decide(policy("digest"), Current("prod", A), Candidate("prod", B, {"linux/arm64": ARM}), needs)
    assert lacks.detail == {"missing": ["linux/arm"], "offered": ["linux/arm64"]}


VETOES = [reason for reason in Reason if reason.verdict in (Verdict.HOLD, Verdict.WAIT)]


@pytest.mark.parametrize("reason", VETOES)
def test_a_veto_beats_a_deployment_and_only_that(reason: Reason) -> None:
    against = Circumstances(vetoes=(Veto(reason, detail={"actor": "alice"}),))
    refused = decide(policy("semver:minor"), Current("1.4.2", A), Candidate("1.5.0", B), against, NOW)
    assert refused == Decision(reason, {"actor": "alice"})
    skipped = decide(policy("semver:minor"), Current("1.4.2", A), Candidate("1.4.1", B), against, NOW)
    assert skipped.reason is Reason.DOWNGRADE


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in VETOES])
def test_nothing_else_is_a_veto(reason: Reason) -> None:
    with pytest.raises(ValueError, match="forbids nothing"):
        Veto(reason)


def test_a_veto_ends_at_its_time_and_not_without_a_clock() -> None:
    against = Circumstances(vetoes=(Veto(Reason.COOLDOWN, NOW),))
    question = (policy("semver:minor"), Current("1.4.2", A), Candidate("1.5.0", B), against)
    assert decide(*question, NOW - timedelta(seconds=1)) == Decision(Reason.COOLDOWN, {"until": NOW.isoformat()})
    assert decide(*question, NOW).reason is Reason.NEWER
    assert decide(*question).reason is Reason.COOLDOWN


def test_a_hold_is_told_before_a_wait() -> None:
    against = Circumstances(vetoes=(Veto(Reason.WINDOW_CLOSED), Veto(Reason.HELD)), quarantined=frozenset({B}))
    assert decide(policy("digest"), Current("prod", A), Candidate("prod", B), against).reason is Reason.HELD


def test_a_quarantined_digest_is_held_and_no_other() -> None:
    against = Circumstances(quarantined=frozenset({B}))
    assert decide(policy("digest"), Current("prod", A), Candidate("prod", B), against).reason is Reason.QUARANTINED
    assert decide(policy("digest"), Current("prod", A), Candidate("prod", C), against).deploys


def test_an_incomplete_index_waits() -> None:
    needs = Circumstances(required_platforms=frozenset({"linux/arm64"}))
    half = Candidate("prod", B, {"linux/amd64": AMD}, complete=False)
    assert decide(policy("digest"), Current("prod", A), half, needs).reason is Reason.INCOMPLETE_INDEX


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ({}, "wait:gate-pending"),
        ({B: {}}, "wait:gate-pending"),
        ({B: {"scan": GateReason.SCANNING}}, "wait:gate-pending"),
        ({B: {"scan": GateReason.FINDINGS}}, "hold:gate-failed"),
        ({B: {"scan": GateReason.UNSUPPORTED}}, "hold:gate-no-result"),
        ({B: {"scan": GateReason.CLEAN}}, "deploy:moved"),
        ({B: {"scan": GateReason.CLEAN, "signature": GateReason.FINDINGS}}, "hold:gate-failed"),
        ({A: {"scan": GateReason.CLEAN}}, "wait:gate-pending"),
    ],
)
def test_gates_judge_the_digest_that_is_deployed(results: dict[str, dict[str, GateReason]], expected: str) -> None:
    decision = decide(
        policy("digest", gates=["scan"]), Current("prod", A), Candidate("prod", B), Circumstances(gates=results)
    )
    assert verdict(decision) == expected


def test_a_gate_means_nothing_where_the_tag_is_written() -> None:
    passed = Circumstances(gates={B: {"scan": GateReason.CLEAN}})
    assert decide(policy("digest"), Current("prod", A), Candidate("prod", B), passed).reason is Reason.GATE_NEEDS_DIGEST
    assert decide(policy("digest", write="digest"), Current("prod", A), Candidate("prod", B), passed).deploys


@pytest.mark.parametrize(
    ("approvals", "expected"),
    [
        ({}, "wait:approval-pending"),
        ({B: Approval.PENDING}, "wait:approval-pending"),
        ({B: Approval.REJECTED}, "hold:approval-rejected"),
        ({B: Approval.EXPIRED}, "hold:approval-expired"),
        ({B: Approval.GRANTED}, "deploy:moved"),
    ],
)
def test_approvals(approvals: dict[str, Approval], expected: str) -> None:
    question = policy("digest", approvals={"count": 1}), Current("prod", A), Candidate("prod", B)
    assert verdict(decide(*question, Circumstances(approvals=approvals))) == expected


def test_defect_1_an_approval_does_not_follow_a_tag_to_another_image() -> None:
    approved = Circumstances(approvals={B: Approval.GRANTED})
    moved = decide(policy("digest", approvals={"count": 1}), Current("prod", A), Candidate("prod", C), approved)
    assert moved.reason is Reason.APPROVAL_PENDING


@pytest.mark.parametrize(
    ("text", "current", "older"),
    [
        ("semver:major", "1.4.2", "1.4.1"),
        ("numeric:build-", "build-10", "build-9"),
        ("calver:YYYY.MM.DD", "2026.11.1", "2026.8.21"),
    ],
)
def test_defect_3_a_late_event_never_downgrades(text: str, current: str, older: str) -> None:
    assert decide(policy(text), Current(current, A), Candidate(older, B)).reason is Reason.DOWNGRADE


def test_defect_3_latest_does_not_admit_every_tag() -> None:
    assert decide(policy("semver:major"), Current("latest", A), Candidate("nightly-x", B)).verdict is Verdict.SKIP


def test_defect_4_the_order_of_a_listing_is_not_an_order_of_versions() -> None:
    answers = choose(policy("semver:major"), Current("7.9.1", A), [Candidate("7.9.2", B), Candidate("3.0.0", C)])
    assert [(candidate.tag, decision.reason) for candidate, decision in answers] == [
        ("7.9.2", Reason.NEWER),
        ("3.0.0", Reason.DOWNGRADE),
    ]


def test_defect_6_one_tag_that_is_no_number_spoils_nothing() -> None:
    tags = ["build-20260821123456782", "build-20260821123456781", "build-latest"]
    answers = choose(
        policy("numeric:build-"), Current("build-20260821123456780", A), [Candidate(tag, B) for tag in tags]
    )
    assert [(candidate.tag, decision.reason.value) for candidate, decision in answers] == [
        ("build-20260821123456782", "newer"),
        ("build-20260821123456781", "superseded"),
        ("build-latest", "not-numeric"),
    ]


def test_defect_7_tags_that_extract_to_one_key_and_differ_are_ambiguous() -> None:
    text, extract = "semver:patch", r"^(?P<key>\d+\.\d+\.\d+)-(?:alpine|debian)$"
    pushed = [Candidate("1.2.3-alpine", B), Candidate("1.2.3-debian", C)]
    answers = choose(policy(text, extract=extract), Current("1.2.2-alpine", A), pushed)
    assert [decision for _, decision in answers] == [
        Decision(Reason.AMBIGUOUS, {"tags": ["1.2.3-alpine", "1.2.3-debian"]})
    ] * 2


@pytest.mark.parametrize(
    ("current", "tags", "winner"),
    [
        ("1.2.2", ["v1.2.3", "1.2.3"], "1.2.3"),
        ("1.2.2", ["b1.2.3", "a1.2.3"], "a1.2.3"),
    ],
)
def test_tags_for_one_version_and_image_are_one(current: str, tags: list[str], winner: str) -> None:
    chosen = choose(
        policy("semver:patch", extract=r"^[a-z]?(?P<key>\d.*)$"),
        Current(current, A),
        [Candidate(tag, B) for tag in tags],
    )
    assert [(candidate.tag, decision.reason) for candidate, decision in chosen] == [
        (winner, Reason.NEWER),
        (next(tag for tag in tags if tag != winner), Reason.SUPERSEDED),
    ]
    assert chosen[1][1].detail == {"by": [winner]}


def test_among_equals_the_current_tag_stays() -> None:
    options = {"immutable_retag": "deploy", "extract": r"^v?(?P<key>.*)$"}
    answers = choose(policy("semver:patch", **options), Current("v1.2.3", A), [Candidate("v1.2.3", B)])
    assert [(candidate.tag, decision.reason) for candidate, decision in answers] == [("v1.2.3", Reason.MOVED)]


def test_defect_9_and_11_newest_is_by_when_the_tag_moved() -> None:
    """Promotion puts a tag on an image that was pushed, and built, long before."""
    promoted = Candidate("main-1", B, moved_at=NOW, pushed_at=NOW - timedelta(days=90))
    rebuilt = Candidate("main-2", C, moved_at=NOW - timedelta(hours=1), pushed_at=NOW - timedelta(hours=1))
    answers = choose(policy("newest:main-"), Current("main-0", A), [rebuilt, promoted])
    assert [(candidate.tag, decision.reason.value) for candidate, decision in answers] == [
        ("main-1", "newer"),
        ("main-2", "superseded"),
    ]


def test_newest_goes_back_only_where_a_profile_says_so() -> None:
    current = Current("main-2", A, moved_at=NOW)
    late = Candidate("main-1", B, moved_at=NOW - timedelta(minutes=1))
    assert decide(policy("newest:main-"), current, late) == Decision(Reason.SUPERSEDED, {"by": ["main-2"]})
    assert decide(policy("newest:main-", allow_downgrade=True), current, late).reason is Reason.NEWER
    assert decide(policy("newest:main-"), Current("main-2", A), late).reason is Reason.NEWER


def test_newest_never_swings_between_tags_that_moved_together() -> None:
    first, second = (Candidate(tag, digest, moved_at=NOW) for tag, digest in (("main-1", B), ("main-2", C)))
    assert decide(policy("newest:main-"), Current("main-2", C, moved_at=NOW), first).reason is Reason.SUPERSEDED
    assert decide(policy("newest:main-"), Current("main-1", B, moved_at=NOW), second).reason is Reason.NEWER


def test_newest_never_swings_between_tags_whose_times_are_unknown() -> None:
    pushed = [Candidate("main-1", B), Candidate("main-2", C)]
    deployed = [
        each.tag for each, decision in choose(policy("newest:main-"), Current("main-1", B), pushed) if decision.deploys
    ]
    assert deployed == ["main-2"]
    assert not any(decision.deploys for _, decision in choose(policy("newest:main-"), Current("main-2", C), pushed))


def test_newest_among_several_believes_known_times_only() -> None:
    current = Current("main-2", A, moved_at=NOW)
    unknown, late = Candidate("main-1", B), Candidate("main-0", C, moved_at=NOW - timedelta(minutes=1))
    assert not any(decision.deploys for _, decision in choose(policy("newest:main-"), current, [unknown, late]))
    assert [decision.reason for _, decision in choose(policy("newest:main-"), current, [unknown])] == [Reason.NEWER]


def test_a_tag_moved_back_is_a_rollback_that_somebody_meant() -> None:
    for running, pushed in ((A, B), (B, A)):
        assert decide(policy("digest"), Current("prod", running), Candidate("prod", pushed)).reason is Reason.MOVED


def test_defect_21_every_policy_of_a_tag_decides() -> None:
    for text in ("digest", "digest:prod", "semver:1.x", "newest:main-", "numeric:build-", "calver:YYYY.MM.DD", "pin"):
        assert isinstance(decide(policy(text), Current("prod", A), Candidate("prod", B)), Decision)


def test_what_forbids_the_best_does_not_promote_the_next() -> None:
    pushed = [Candidate("1.4.3", B), Candidate("1.4.4", C)]
    against = Circumstances(quarantined=frozenset({C}))
    answers = choose(policy("semver:patch"), Current("1.4.2", A), pushed, against)
    assert [(candidate.tag, decision.reason.value) for candidate, decision in answers] == [
        ("1.4.4", "quarantined"),
        ("1.4.3", "superseded"),
    ]


def test_a_tag_that_moved_again_is_answered_at_its_last_digest() -> None:
    first = Candidate("prod", B, moved_at=NOW - timedelta(seconds=5))
    last = Candidate("prod", C, moved_at=NOW)
    answers = choose(policy("digest"), Current("prod", A), [last, first, last])
    assert [(candidate.digest, decision.reason) for candidate, decision in answers] == [
        (C, Reason.MOVED),
        (B, Reason.SUPERSEDED),
    ]


def test_nothing_to_choose_from_is_no_answer() -> None:
    assert choose(policy("digest"), Current("prod", A), []) == []


def test_every_reason_has_a_meaning_and_a_bare_code() -> None:
    for reason in Reason:
        assert reason.value == reason.value.lower().replace("_", "-").replace(" ", "-")
        assert reason.meaning and "\n" not in reason.meaning
        assert Decision(reason).as_json() == {"verdict": reason.verdict.value, "reason": reason.value, "detail": {}}
