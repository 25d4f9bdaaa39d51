"""The gate: a question of redeploy, what scanners found, and the clock make a verdict (design 6.4, notify 2.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from longshore.gates import GateReason, GateResult, GateVerdict
from longshore.scan.compare import Material, materials, short
from longshore.scan.findings import Fix, ScanState, Severity
from longshore.scan.priority import ranked

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.gates import GateQuestion, GateTerms
    from longshore.scan.findings import Assessment, Key
    from longshore.scan.priority import Ranked
    from longshore.scan.rules import ScanPolicy

MOST: Final = 10
"""Findings that a verdict names; the rest is counted."""

_NO_RESULT: Final[Mapping[ScanState, GateReason]] = {
    ScanState.FAILED: GateReason.SCAN_FAILED,
    ScanState.UNSUPPORTED: GateReason.UNSUPPORTED,
    ScanState.TOO_LARGE: GateReason.TOO_LARGE,
    ScanState.ARCHIVED: GateReason.ARCHIVED,
    ScanState.EXPIRED: GateReason.EXPIRED,
    ScanState.GONE: GateReason.GONE,
}
_MAY_COME: Final[Mapping[ScanState, GateReason]] = {
    ScanState.COMPLETE: GateReason.TIMED_OUT,
    ScanState.PENDING: GateReason.TIMED_OUT,
    ScanState.NOT_SCANNED: GateReason.NOT_SCANNED,
}
"""What a result is still waited for in, and what it is called once the time is up. `NOT_SCANNED` may only mean that the
scan has not begun; `COMPLETE` is here for an image of the question that was not looked at."""


def judge(
    question: GateQuestion,
    assessment: Assessment,
    running: Sequence[Assessment],
    accepted: Collection[Key],
    policy: ScanPolicy,
    now: datetime,
) -> GateVerdict:
    """What the gate says.

    `assessment` is that of the question's digest, `running` those of what runs, `accepted` the findings of the digest
    that somebody accepted. Nothing passes unless every image in question was scanned to the end. The image is ranked
    as one that runs, which it is about to. Of what runs only complete assessments tell what is not new: without one
    everything is. Of several images without a result the one that the terms do not admit decides; findings of those
    with a result close the gate at once, but never open it before the rest is known.
    """
    forbidden, counted = _findings(question, assessment, running, accepted, policy)
    missing = _missing(question, assessment, now)
    closing = [reason for reason in missing if not question.terms.admit(reason)]
    if counted and not (closing and question.terms.tell_only):
        return GateVerdict(GateReason.FINDINGS, now, _counts(counted), tuple(described(e) for e in counted[:MOST]))
    if missing:
        return GateVerdict(min(closing or missing, key=lambda reason: reason.result is GateResult.WAIT), now)
    reason = GateReason.NOT_NEW if forbidden else GateReason.CLEAN
    return GateVerdict(reason, now, _counts(forbidden))


def _findings(
    question: GateQuestion,
    assessment: Assessment,
    running: Sequence[Assessment],
    accepted: Collection[Key],
    policy: ScanPolicy,
) -> tuple[list[Ranked], list[Ranked]]:
    """What the terms forbid, and what of it counts against the image."""
    if not _is_about(question, assessment):
        return [], []
    found = [each for each in ranked(assessment.findings, policy, running=True) if each.finding.key not in accepted]
    forbidden = [each for each in found if _forbidden(each, question.terms)]
    return forbidden, _new(forbidden, running, policy) if question.terms.new_only else forbidden


def described(ranked: Ranked) -> dict[str, Any]:
    """A finding in an event: flat, and of bounded length."""
    finding = ranked.finding
    return {
        "id": finding.vulnerability[:64],
        "package": finding.package[:128],
        "version": finding.version[:64],
        "fixed_in": finding.fixed_in[:64] or None,
        "fix": finding.fix.value,
        "path": finding.path[:256] or None,
        "severity": ranked.severity.name if finding.severity is not None else None,
        "score": finding.score,
        "epss": finding.epss,
        "exploit": finding.exploit or finding.exploited,
        "kev": finding.kev,
        "kev_due": finding.kev_due.isoformat() if finding.kev_due else None,
        "priority": ranked.priority.value,
        "rule": ranked.rule.value,
        "why": ranked.text,
        "title": finding.title[:160] or None,
        "url": finding.url[:512] or None,
        "layer": finding.layer[:80] or None,
    }


def _is_about(question: GateQuestion, assessment: Assessment) -> bool:
    return (assessment.repository, assessment.digest) == (question.repository, question.digest)


def _missing(question: GateQuestion, assessment: Assessment, now: datetime) -> list[GateReason]:
    """Why there is no result for every image that is asked about; empty when there is."""
    needed = set(question.images) or {question.digest}
    if not _is_about(question, assessment):
        states = [ScanState.NOT_SCANNED]
    else:
        states = [state for state in (*assessment.states, assessment.state) if not state.finished]
        if not states and not needed <= {assessment.digest, *assessment.images}:
            states = [ScanState.COMPLETE]
    return list(dict.fromkeys(_unfinished(question, state, now) for state in states))


def _unfinished(question: GateQuestion, state: ScanState, now: datetime) -> GateReason:
    if ended := _NO_RESULT.get(state):
        return ended
    return GateReason.SCANNING if now < question.until else _MAY_COME[state]


def _forbidden(ranked: Ranked, terms: GateTerms) -> bool:
    """Whether the terms name it. What CISA lists counts without a fix as well; basic scanning tells of no fix, so that
    there one may exist."""
    if terms.fixable_only and ranked.finding.fix is Fix.NO and not ranked.finding.kev:
        return False
    grave = terms.severity is not None and ranked.severity >= Severity[terms.severity]
    return grave or ranked.priority in terms.priorities


def _new(forbidden: Iterable[Ranked], running: Iterable[Assessment], policy: ScanPolicy) -> list[Ranked]:
    """Those that do not run already, or not as grave."""
    known: dict[str, list[Material]] = {}
    for each in running:
        if each.state.finished:
            for key, material in materials(ranked(each.findings, policy, running=True), policy.epss).items():
                known.setdefault(key, []).append(material)
    return [each for each in forbidden if not _runs(each, known.get(short(each.finding.key), ()))]


def _runs(each: Ranked, known: Iterable[Material]) -> bool:
    return any(m.priority <= each.priority and m.severity >= each.severity for m in known)


def _counts(found: Iterable[Ranked]) -> dict[str, int]:
    return dict(sorted(Counter(each.priority.value for each in found).items()))
