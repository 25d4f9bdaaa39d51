"""The gate's truth table, every row of it, and what holds whatever is asked (design 6.4; issue 6)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.gates import GateQuestion, GateReason, GateResult, GateTerms, GateVerdict
from longshore.images import Repository
from longshore.scan.findings import Assessment, Finding, Fix, ScanState, Severity
from longshore.scan.gate import MOST, judge
from longshore.scan.rules import ScanPolicy
from longshore.workloads import Subject
from tests.fakes import START

WEB = Repository("123456789012", "eu-west-1", "shop/web")
NEW, OLD, OTHER = (f"sha256:{digit * 64}" for digit in "123")
ARM, AMD = (f"sha256:{digit * 64}" for digit in "45")
POLICY = ScanPolicy()
NO_RESULTS = frozenset(reason for reason in GateReason if reason.result is GateResult.NO_RESULT)

CRITICAL = Finding("CVE-2026-1", "openssl", severity=Severity.CRITICAL, fix=Fix.YES)
UNFIXED = Finding("CVE-2026-2", "zlib", severity=Severity.CRITICAL, fix=Fix.NO)
LISTED = Finding("CVE-2026-3", "xz", severity=Severity.LOW, fix=Fix.NO, kev=True)
HIGH = Finding("CVE-2026-4", "curl", severity=Severity.HIGH, fix=Fix.YES)
MINOR = Finding("CVE-2026-5", "tar", severity=Severity.LOW, fix=Fix.YES)
BASIC = Finding("CVE-2026-6", "bash", severity=Severity.CRITICAL)


def question(terms: GateTerms | None = None, **members: object) -> GateQuestion:
    asked = GateQuestion("arn:web", WEB, NEW, "prod", (NEW,), (OLD,), terms or GateTerms(), START, "c", Subject("web"))
    return replace(asked, **members)  # type: ignore[arg-type]


def assessment(*findings: Finding, state: ScanState = ScanState.COMPLETE, digest: str = NEW) -> Assessment:
    return Assessment(WEB, digest, state, findings=findings)


def verdict(
    asked: GateQuestion,
    found: Assessment,
    running: tuple[Assessment, ...] = (),
    accepted: tuple[Finding, ...] = (),
    now: datetime = START,
) -> GateVerdict:
    return judge(asked, found, running, {each.key for each in accepted}, POLICY, now)


# -- the table ------------------------------------------------------------------------------------------------------

ENDED = {
    ScanState.FAILED: GateReason.SCAN_FAILED,
    ScanState.UNSUPPORTED: GateReason.UNSUPPORTED,
    ScanState.TOO_LARGE: GateReason.TOO_LARGE,
    ScanState.ARCHIVED: GateReason.ARCHIVED,
    ScanState.EXPIRED: GateReason.EXPIRED,
    ScanState.GONE: GateReason.GONE,
}
LATE = {ScanState.PENDING: GateReason.TIMED_OUT, ScanState.NOT_SCANNED: GateReason.NOT_SCANNED}
PRIORITIES = [frozenset[str](), frozenset({"P1"}), frozenset({"P1", "P2"}), frozenset({"P1", "P2", "P3", "P4"})]
SEVERITIES = [None, "CRITICAL", "HIGH", "LOW"]
FLAGS = [False, True]
TERMS = [
    GateTerms(priorities, severity, fixable, new, no_result=admitted, tell_only=tell)
    for priorities, severity, fixable, new, admitted, tell in itertools.product(
        PRIORITIES, SEVERITIES, FLAGS, FLAGS, [frozenset[GateReason](), NO_RESULTS], FLAGS
    )
]


def expected(state: ScanState, late: bool) -> GateReason:
    """Of an image without findings."""
    if state is ScanState.COMPLETE:
        return GateReason.CLEAN
    return ENDED[state] if state in ENDED else LATE[state] if late else GateReason.SCANNING


@pytest.mark.parametrize("late", FLAGS, ids=["in-time", "late"])
@pytest.mark.parametrize("state", list(ScanState))
def test_every_state_under_all_terms(state: ScanState, late: bool) -> None:
    for terms in TERMS:
        asked = question(terms)
        now = asked.until if late else asked.until - timedelta(microseconds=1)
        said = verdict(asked, assessment(state=state), now=now)
        assert said.reason is expected(state, late), terms
        assert said.at == now
        admitted = said.result is GateResult.PASS or said.reason in terms.no_result
        assert terms.admit(said.reason) is admitted, terms


KINDS = {"critical": CRITICAL, "unfixed": UNFIXED, "kev": LISTED, "high": HIGH, "minor": MINOR, "basic": BASIC}
PRIORITY_OF = {"critical": "P2", "unfixed": "P3", "kev": "P1", "high": "P3", "minor": "P4", "basic": "P2"}
ORDER = ["LOW", "MEDIUM", "HIGH", "CRITICAL"]


def forbidden(kind: str, terms: GateTerms) -> bool:
    """The rule once more, in other words."""
    finding = KINDS[kind]
    assert finding.severity is not None
    if terms.fixable_only and kind == "unfixed":
        return False
    by_severity = terms.severity is not None and ORDER.index(finding.severity.name) >= ORDER.index(terms.severity)
    return by_severity or PRIORITY_OF[kind] in terms.priorities


@pytest.mark.parametrize("runs", FLAGS, ids=["runs-not", "runs-already"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_finding_under_all_terms(kind: str, runs: bool) -> None:
    for terms in TERMS:
        running = (assessment(*([KINDS[kind]] if runs else []), digest=OLD),)
        said = verdict(question(terms), assessment(KINDS[kind]), running)
        if not forbidden(kind, terms):
            assert said.reason is GateReason.CLEAN, terms
        elif terms.new_only and runs:
            assert said.reason is GateReason.NOT_NEW, terms
        else:
            assert said.reason is GateReason.FINDINGS, terms
            assert said.counts == {PRIORITY_OF[kind]: 1}
            assert [each["id"] for each in said.findings] == [KINDS[kind].vulnerability]
        assert verdict(question(terms), assessment(KINDS[kind]), running, (KINDS[kind],)).reason is GateReason.CLEAN


# -- the corners ----------------------------------------------------------------------------------------------------


def test_without_an_assessment_of_what_runs_everything_is_new() -> None:
    gone = assessment(CRITICAL, state=ScanState.EXPIRED, digest=OLD)
    assert verdict(question(), assessment(CRITICAL), (gone,)).reason is GateReason.FINDINGS
    assert verdict(question(), assessment(CRITICAL), ()).reason is GateReason.FINDINGS


def test_what_runs_less_grave_is_new() -> None:
    milder = replace(CRITICAL, severity=Severity.HIGH)
    assert verdict(question(), assessment(CRITICAL), (assessment(milder, digest=OLD),)).reason is GateReason.FINDINGS
    graver = replace(CRITICAL, kev=True)
    assert verdict(question(), assessment(CRITICAL), (assessment(graver, digest=OLD),)).reason is GateReason.NOT_NEW


def test_every_image_in_question_must_have_been_looked_at() -> None:
    asked = question(images=(AMD, ARM))
    part = replace(assessment(), images=(AMD,))
    assert verdict(asked, part).reason is GateReason.SCANNING
    assert verdict(asked, part, now=asked.until).reason is GateReason.TIMED_OUT
    assert verdict(asked, replace(part, images=(ARM, AMD))).reason is GateReason.CLEAN


def test_another_image_answers_nothing() -> None:
    for other in (assessment(digest=OTHER), replace(assessment(), repository=WEB._replace(name="shop/api"))):
        assert verdict(question(), other).reason is GateReason.SCANNING
        assert verdict(question(), other, now=question().until).result is GateResult.NO_RESULT


def test_what_lets_one_image_pass_hides_no_other() -> None:
    """Of several images without a result the one that the terms do not admit decides."""
    terms = GateTerms(no_result=frozenset({GateReason.UNSUPPORTED}))
    states = (ScanState.UNSUPPORTED, ScanState.FAILED, ScanState.COMPLETE)
    mixed = replace(assessment(), state=states[0], states=states, images=(AMD, ARM))
    assert verdict(question(terms, images=(AMD, ARM)), mixed).reason is GateReason.SCAN_FAILED
    pending = replace(mixed, states=(ScanState.UNSUPPORTED, ScanState.PENDING))
    assert verdict(question(terms), pending).reason is GateReason.SCANNING
    only = replace(mixed, states=(ScanState.UNSUPPORTED, ScanState.COMPLETE))
    assert terms.admit(verdict(question(terms), only).reason)
    found = replace(only, findings=(CRITICAL,))
    assert verdict(question(terms), found).reason is GateReason.FINDINGS


def test_telling_alone_waits_for_the_rest() -> None:
    """Findings that are only told must not let in what was not scanned to its end."""
    terms = GateTerms(tell_only=True)
    part = assessment(CRITICAL, state=ScanState.PENDING)
    assert verdict(question(terms), part).reason is GateReason.SCANNING
    assert verdict(question(), part).reason is GateReason.FINDINGS


def test_a_verdict_names_the_gravest_and_counts_all() -> None:
    many = tuple(replace(CRITICAL, package=f"p{n}") for n in range(30))
    said = verdict(question(), assessment(*many, LISTED))
    assert said.counts == {"P1": 1, "P2": 30}
    assert len(said.findings) == MOST
    assert said.findings[0]["id"] == LISTED.vulnerability
    assert said.findings[0]["why"] == "P1: in CISA KEV"


# -- whatever is asked ----------------------------------------------------------------------------------------------

findings = st.builds(
    Finding,
    vulnerability=st.sampled_from(["CVE-2026-1", "CVE-2026-2", "CVE-2026-3"]),
    package=st.sampled_from(["a", "b"]),
    severity=st.none() | st.sampled_from(list(Severity)),
    fix=st.sampled_from(list(Fix)),
    exploit=st.booleans(),
    exploited=st.booleans(),
    kev=st.booleans(),
    epss=st.none() | st.floats(0, 1),
)
lists = st.lists(findings, max_size=5, unique_by=lambda each: each.key).map(tuple)
terms_of = st.builds(
    GateTerms,
    priorities=st.frozensets(st.sampled_from(["P1", "P2", "P3", "P4"])),
    severity=st.sampled_from(SEVERITIES),
    fixable_only=st.booleans(),
    new_only=st.booleans(),
    no_result=st.frozensets(st.sampled_from(sorted(NO_RESULTS))),
    tell_only=st.booleans(),
)
states = st.sampled_from(list(ScanState))
images = st.sets(st.sampled_from([NEW, ARM, AMD])).map(lambda each: tuple(sorted(each)))
assessments = st.builds(
    lambda found, state, all_states, of, digest: Assessment(WEB, digest, state, None, found, of, states=all_states),
    lists,
    states,
    st.lists(states, max_size=3).map(tuple),
    images,
    st.sampled_from([NEW, OTHER]),
)
moments = st.sampled_from([START, START + timedelta(minutes=30), START + timedelta(days=1)])


@given(terms=terms_of, of=images, found=assessments, running=st.lists(assessments, max_size=2), now=moments)
def test_nothing_passes_unless_every_image_was_scanned(
    terms: GateTerms, of: tuple[str, ...], found: Assessment, running: list[Assessment], now: datetime
) -> None:
    asked = question(terms, images=of)
    said = verdict(asked, found, tuple(running), now=now)
    if said.result is GateResult.PASS:
        assert found.digest == NEW
        assert {found.state, *found.states} == {ScanState.COMPLETE}
        assert set(of) <= {found.digest, *found.images}
    if now >= asked.until:
        assert said.result is not GateResult.WAIT


@given(terms=terms_of, found=assessments, more=findings, running=st.lists(assessments, max_size=2), now=moments)
def test_another_finding_never_opens(
    terms: GateTerms, found: Assessment, more: Finding, running: list[Assessment], now: datetime
) -> None:
    if more.key in {each.key for each in found.findings}:
        return
    worse = replace(found, findings=(*found.findings, more))
    if not terms.admit(verdict(question(terms), found, tuple(running), now=now).reason):
        assert not terms.admit(verdict(question(terms), worse, tuple(running), now=now).reason)


def stricter(terms: GateTerms, priority: str) -> list[GateTerms]:
    rank = SEVERITIES.index(terms.severity)
    return [
        replace(terms, priorities=terms.priorities | {priority}),
        replace(terms, severity=SEVERITIES[min(rank + 1, len(SEVERITIES) - 1)]),
        replace(terms, fixable_only=False),
        replace(terms, new_only=False),
        replace(terms, no_result=frozenset()),
        replace(terms, tell_only=False),
    ]


@given(
    terms=terms_of,
    found=assessments,
    running=st.lists(assessments, max_size=2),
    now=moments,
    priority=st.sampled_from(["P1", "P2", "P3", "P4"]),
)
def test_stricter_terms_never_open(
    terms: GateTerms, found: Assessment, running: list[Assessment], now: datetime, priority: str
) -> None:
    if terms.admit(verdict(question(terms), found, tuple(running), now=now).reason):
        return
    for strict in stricter(terms, priority):
        assert not strict.admit(verdict(question(strict), found, tuple(running), now=now).reason)


@given(terms=terms_of, found=assessments, running=st.lists(assessments, max_size=2), now=moments)
def test_what_is_accepted_never_closes(
    terms: GateTerms, found: Assessment, running: list[Assessment], now: datetime
) -> None:
    said = verdict(question(terms), found, tuple(running), found.findings, now)
    assert said.reason is not GateReason.FINDINGS
    none = verdict(question(terms), replace(found, findings=()), tuple(running), (), now)
    assert said.reason is none.reason
