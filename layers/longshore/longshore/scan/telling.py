"""What scan tells: findings of an image, that they are mended, acceptances that end, gates, and a team's digest.

Every detail is flat and bounded: an event holds 256 kB (EventBridge), the gravest findings come first, the rest is
counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from longshore.events import Kind
from longshore.gates import SCAN_GATE, GateResult
from longshore.outcomes import Outcome, announcements
from longshore.scan.gate import described
from longshore.scan.report import gravest

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.gates import GateQuestion, GateVerdict
    from longshore.images import Digest, Repository
    from longshore.ports import Publisher
    from longshore.scan.memory import Memory
    from longshore.scan.ports import Runner
    from longshore.scan.report import Cure, Report
    from longshore.scan.suppressions import Suppression
    from longshore.scan.team_digest import TeamDigest

MOST: Final = 10
"""Findings in an event."""
NAMED: Final = 20
"""Runners, tags, teams and acceptances in an event."""


class Teller:
    """Publishes outcomes before what they tell is recorded: told at least once (docs/events.md).

    `observe`: reports are only logged; gates are published all the same, because redeploy waits for them.
    """

    def __init__(self, publisher: Publisher, *, observe: bool = False) -> None:
        self._publisher = publisher
        self.observe = observe

    def tell(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Publishes what concerns somebody, and answers all of it as it was told."""
        told = [_observed(each) if self.observe else each for each in outcomes]
        if found := announcements(told):
            self._publisher.publish(found)
        return told


def _observed(outcome: Outcome) -> Outcome:
    if outcome.kind in (None, Kind.GATE_OPENED, Kind.GATE_CLOSED):
        return outcome
    return Outcome(outcome.verdict, "observe-only", outcome.correlation, outcome.workload, detail=outcome.detail)


def image_members(repository: Repository, digest: Digest, tags: Iterable[str]) -> dict[str, Any]:
    """What names an image."""
    return {
        "repository": repository.name,
        "registry": repository.account,
        "region": repository.region,
        "digest": digest,
        "tags": list(tags)[:NAMED],
    }


def reported(correlation: str, report: Report, runners: Sequence[Runner], cure: Cure | None) -> Outcome:
    """`Findings Reported` of a scan: what is new, worsened or reopened, the gravest first, and what runs it.

    `priority` is that of the gravest news. `new`, `worsened`, `reopened`, `fixed` and `unchanged` count findings that
    are worth telling; `counts` has all that count, by priority. `change` of a finding says which of the first three it
    is, `due` by when it is to be mended. Of `mended-upstream` only `cure` is news: a newer image mends what runs.
    """
    assessment, changed = report.look.assessment, report.changed
    priority = gravest(changed)
    detail = {
        **image_members(assessment.repository, assessment.digest, assessment.tags),
        "report": "scan",
        "scanner": assessment.scanner.value if assessment.scanner else None,
        "scanned": assessment.state.value,
        "scanned_at": assessment.at.isoformat() if assessment.at else None,
        "priority": priority.value if priority else None,
        "why": changed[0].text if changed else None,
        "new": len(report.comparison.new),
        "worsened": len(report.comparison.worsened),
        "reopened": len(report.reopened),
        "fixed": len(report.comparison.fixed),
        "unchanged": len(report.comparison.unchanged),
        "suppressed": len(report.look.suppressed),
        "suppressed_ending": report.look.expiring,
        "fixable": sum(each.finding.fix.exists for each in report.found),
        "counts": dict(report.memory.counts),
        "compared_to": report.compared_to,
        "findings": [_told(each, report) for each in changed[:MOST]],
        "more": max(0, len(changed) - MOST),
        **runner_members(runners),
        "cure": cured(cure),
    }
    return Outcome("report", report.reason, correlation, kind=Kind.FINDINGS_REPORTED, detail=detail)


def _told(each: Any, report: Report) -> dict[str, Any]:
    key = each.finding.key
    due, lapsed = report.dues.get(key), report.look.lapsed.get(key)
    return {
        **described(each),
        "change": report.news[key],
        "due": due.isoformat() if due else None,
        "accepted_by": (lapsed.owner or lapsed.id)[:128] if lapsed else None,
    }


def cured(cure: Cure | None) -> dict[str, Any] | None:
    """The newer image that lacks findings: "3 of 4 fixed in 1.8.4"."""
    if cure is None:
        return None
    return {"digest": cure.digest, "tags": list(cure.tags[:NAMED]), "fixed": cure.fixed, "of": cure.of}


def runner_members(runners: Sequence[Runner]) -> dict[str, Any]:
    """Who runs it, and whom that concerns: `team`, `channel` and `environment` where all agree."""
    named = [
        {
            "name": each.name,
            "arn": each.arn or None,
            "cluster": each.cluster or None,
            "environment": each.environment or None,
            "team": each.team or None,
            "units": each.units,
        }
        for each in runners[:NAMED]
    ]
    shared = {name: {getattr(each, name) for each in runners} for name in ("team", "channel", "environment")}
    return {
        "running": named,
        "running_count": len(runners),
        "teams": sorted({each.team for each in runners if each.team})[:NAMED],
        **{name: next(iter(found)) or None if len(found) == 1 else None for name, found in shared.items()},
    }


def resolved(
    correlation: str,
    repository: Repository,
    digest: Digest,
    memory: Memory,
    reason: str,
    now: datetime,
    by: Mapping[str, Any] | None = None,
    runners: Sequence[Runner] = (),
) -> Outcome:
    """`Findings Resolved`: nothing that was told of an image is left to mend.

    `reason`: ``fixed``, ``accepted``, ``replaced`` (nothing runs it any more; `by` is what runs instead), ``gone``.
    """
    detail = {
        **image_members(repository, digest, memory.tags),
        "counts": dict(memory.counts),
        "findings": len(memory.findings),
        "opened": memory.opened.isoformat() if memory.opened else None,
        "open_seconds": int((now - memory.opened).total_seconds()) if memory.opened else None,
        "by": dict(by) if by else None,
        **runner_members(runners),
    }
    return Outcome("resolve", reason, correlation, kind=Kind.FINDINGS_RESOLVED, detail=detail)


def gate(question: GateQuestion, verdict: GateVerdict) -> Outcome:
    """`Gate Opened` or `Gate Closed` of a workload; a gate that waits is only logged.

    `result` is pass, fail or no-result: an opened gate that did not pass is one whose terms let that through.
    """
    opened = question.terms.admit(verdict.reason)
    detail = {
        **question.subject.members(),
        "gate": SCAN_GATE,
        **image_members(question.repository, question.digest, [question.tag] if question.tag else []),
        "result": verdict.result.value,
        "meaning": verdict.reason.meaning,
        "counts": dict(verdict.counts),
        "findings": [dict(each) for each in verdict.findings],
        "more": max(0, sum(verdict.counts.values()) - len(verdict.findings)) if verdict.findings else 0,
        "asked": question.asked.isoformat(),
        "until": question.until.isoformat(),
    }
    word = "open" if opened else "wait" if verdict.result is GateResult.WAIT else "close"
    kind = {"open": Kind.GATE_OPENED, "close": Kind.GATE_CLOSED}.get(word)
    return Outcome(word, verdict.reason.value, question.correlation, question.workload, kind, detail)


def expiring(correlation: str, suppressions: Sequence[Suppression], now: datetime) -> Outcome:
    """`Findings Reported` of acceptances that end within a week, each of which is told once."""
    owners = Counter(each.owner for each in suppressions)
    detail = {
        "report": "expiring",
        "acceptances": [_acceptance(each, now) for each in suppressions[:NAMED]],
        "more": max(0, len(suppressions) - NAMED),
        "owners": sorted(owner for owner in owners if owner)[:NAMED],
    }
    return Outcome("report", "expiring", correlation, kind=Kind.FINDINGS_REPORTED, detail=detail)


def _acceptance(each: Suppression, now: datetime) -> dict[str, Any]:
    return {
        "id": each.id[:256],
        "vulnerability": each.vulnerability[:64],
        "repositories": list(each.repositories[:5]),
        "owner": each.owner[:128] or None,
        "reason": each.reason[:300] or None,
        "origin": each.origin.value,
        "expires": each.expires.isoformat() if each.expires else None,
        "days_left": max(0, (each.expires - now).days) if each.expires else None,
    }


def digest(correlation: str, found: TeamDigest, now: datetime) -> Outcome:
    """`Findings Reported` of a team's digest: what is overdue, accepted for a last week, unscanned, or behind.

    `counts` are open findings of what the team runs, by priority; `trend` is their growth since the digest before.
    """
    detail = {
        "report": "digest",
        "team": found.team or None,
        "channel": None,
        "due": found.due.isoformat(),
        "priority": min(found.counts, default=None),
        "images": found.images,
        "repositories": found.repositories,
        "counts": dict(found.counts),
        "trend": dict(found.trend) if found.trend is not None else None,
        "overdue": found.overdue,
        "worst": [dict(each) for each in found.worst],
        "unscanned": [dict(each) for each in found.unscanned],
        "unscanned_count": found.unscanned_count,
        "behind": [dict(each) for each in found.behind],
        "behind_count": found.behind_count,
        "acceptances": [_acceptance(each, now) for each in found.expiring[:MOST]],
        "acceptances_count": len(found.expiring),
        "suppressed": found.suppressed,
    }
    return Outcome("report", "digest", correlation, kind=Kind.FINDINGS_REPORTED, detail=detail)
