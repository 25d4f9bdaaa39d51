"""The decision: does a candidate replace what a workload runs? Pure: state in, reason out (redeploy 8.3, 8.4, 8.7).

First the policy and its order of tags, then whether the content differs at all, and only for what would then be
deployed whatever may forbid it, so that the reason given is the one that matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.decisions import Decision, Reason
from longshore.gates import GateReason, GateResult, GateTerms
from longshore.redeploy.order import follow, place, preference, recency, unchanged
from longshore.redeploy.policy import NewestPolicy, Policy, Write
from longshore.redeploy.state import FREE, Approval, Candidate, Circumstances, Current, Veto

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

__all__ = ["FREE", "Approval", "Candidate", "Circumstances", "Current", "Veto", "choose", "decide"]

Answer = tuple[Candidate, Decision]

_PRECEDENCE = {reason: rank for rank, reason in enumerate(Reason)}
_GATES = {
    GateResult.FAIL: Reason.GATE_FAILED,
    GateResult.NO_RESULT: Reason.GATE_NO_RESULT,
    GateResult.WAIT: Reason.GATE_PENDING,
}
_STRICT = GateTerms()
_APPROVALS = {
    Approval.REJECTED: Reason.APPROVAL_REJECTED,
    Approval.EXPIRED: Reason.APPROVAL_EXPIRED,
    Approval.PENDING: Reason.APPROVAL_PENDING,
}


def decide(
    policy: Policy,
    current: Current,
    candidate: Candidate,
    circumstances: Circumstances = FREE,
    now: datetime | None = None,
) -> Decision:
    """Decides on one candidate. Total: whatever the text of tags and digests, the answer is a Decision."""
    wanted = follow(policy, current, candidate, circumstances.required_platforms)
    return _permit(wanted, policy, current, candidate, circumstances, now) if wanted.deploys else wanted


def choose(
    policy: Policy,
    current: Current,
    candidates: Iterable[Candidate],
    circumstances: Circumstances = FREE,
    now: datetime | None = None,
) -> list[Answer]:
    """Decides on many candidates: at most one is deployed, the best. Neither their order nor repetition matters.

    What forbids the best does not promote the next: the best is what the workload waits for. Each pair of tag and
    digest is answered once, the best first and the others by tag.
    """
    latest, outdated = _latest(candidates)
    followed = _beside_current(
        policy, current, [(each, follow(policy, current, each, circumstances.required_platforms)) for each in latest]
    )
    wanted = [answer for answer in followed if answer[1].deploys]
    top = max((place(policy, each) for each, _ in wanted), default=None)
    rivals = [answer for answer in wanted if place(policy, answer[0]) == top]
    best = _resolve(rivals, policy, current, circumstances, now)
    by = sorted(each.tag for each, _ in best)
    beaten = [each for each, _ in wanted if each.tag not in by] + outdated
    others = [answer for answer in followed if not answer[1].deploys]
    others += [(each, Decision(Reason.SUPERSEDED, {"by": by or [each.tag]})) for each in beaten]
    return best + sorted(others, key=lambda answer: (answer[0].tag, answer[0].digest))


def _beside_current(policy: Policy, current: Current, followed: list[Answer]) -> list[Answer]:
    """Leaves out what `newest` orders before the current tag.

    One tag alone is newer by definition; among several, what moved at an unknown time comes before what moved at a
    known one, or two tags could replace each other for ever.
    """
    if not isinstance(policy, NewestPolicy) or not followed[1:]:
        return followed
    standing = [recency(each) for each, _ in followed if each.tag == current.tag]
    standing += [recency(current)] if current.moved_at else []
    older = Decision(Reason.SUPERSEDED, {"by": [current.tag]})
    return [
        (each, older if decision.deploys and any(recency(each) < moment for moment in standing) else decision)
        for each, decision in followed
    ]


def _resolve(
    rivals: list[Answer], policy: Policy, current: Current, circumstances: Circumstances, now: datetime | None
) -> list[Answer]:
    """Answers tags that stand for the same version: one of them for the same image, all ambiguous otherwise."""
    rivals = sorted(rivals, key=lambda answer: preference(current, answer[0]))
    if len({candidate.digest for candidate, _ in rivals}) > 1:
        tags = sorted(candidate.tag for candidate, _ in rivals)
        return [(candidate, Decision(Reason.AMBIGUOUS, {"tags": tags})) for candidate, _ in rivals]
    return [
        (candidate, _permit(wanted, policy, current, candidate, circumstances, now)) for candidate, wanted in rivals[:1]
    ]


def _latest(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Each tag as it moved last, and the digests that it named before."""
    latest: dict[str, Candidate] = {}
    outdated: dict[tuple[str, str], Candidate] = {}
    for candidate in sorted(candidates, key=_freshness):
        before = latest.get(candidate.tag)
        if before:
            outdated[before.tag, before.digest] = before
        latest[candidate.tag] = candidate
    newest = {(each.tag, each.digest) for each in latest.values()}
    return list(latest.values()), [each for pair, each in outdated.items() if pair not in newest]


def _freshness(candidate: Candidate) -> tuple[object, ...]:
    moments = [moment.timestamp() if moment else float("-inf") for moment in (candidate.moved_at, candidate.pushed_at)]
    return (candidate.tag, *moments, candidate.digest, candidate.complete, sorted(candidate.platforms.items()))


def _permit(
    wanted: Decision,
    policy: Policy,
    current: Current,
    candidate: Candidate,
    circumstances: Circumstances,
    now: datetime | None,
) -> Decision:
    """`wanted`, unless nothing would change or something forbids it: then the reason that stands first in Reason."""
    same = unchanged(policy.options, current, candidate, circumstances.required_platforms)
    if same is not None:
        return same
    against = list(_objections(policy, candidate, circumstances, now))
    return min(against, key=lambda decision: _PRECEDENCE[decision.reason]) if against else wanted


def _objections(
    policy: Policy, candidate: Candidate, circumstances: Circumstances, now: datetime | None
) -> Iterator[Decision]:
    for veto in circumstances.vetoes:
        if veto.stands(now):
            until = {"until": veto.until.isoformat()} if veto.until else {}
            yield Decision(veto.reason, {**veto.detail, **until})
    if candidate.digest in circumstances.quarantined:
        yield Decision(Reason.QUARANTINED, {"digest": candidate.digest})
    if not candidate.complete:
        yield Decision(Reason.INCOMPLETE_INDEX, {"digest": candidate.digest})
    elif missing := _missing(candidate, circumstances):
        yield Decision(Reason.PLATFORM, {"missing": missing, "offered": sorted(candidate.platforms)})
    yield from _judgements(policy, candidate, circumstances)


def _missing(candidate: Candidate, circumstances: Circumstances) -> list[str]:
    """The platforms that an index lacks; what a single image runs on, its manifest does not say."""
    if not candidate.platforms:
        return []
    return sorted(platform for platform in circumstances.required_platforms if not candidate.on(platform))


def _judgements(policy: Policy, candidate: Candidate, circumstances: Circumstances) -> Iterator[Decision]:
    """Gates and approvals, of this digest alone: those that the profile asks for, and any others that are on record."""
    results = circumstances.gates.get(candidate.digest, {})
    approval = circumstances.approvals.get(candidate.digest, Approval.PENDING if policy.options.approval else None)
    for gate in sorted({*policy.options.gates, *results}):
        says = results.get(gate, GateReason.SCANNING)
        if not policy.options.gates.get(gate, _STRICT).admit(says):
            yield Decision(_GATES[says.result], {"gate": gate, "digest": candidate.digest, "why": says.value})
    if approval and approval is not Approval.GRANTED:
        yield Decision(_APPROVALS[approval], {"digest": candidate.digest})
    if policy.options.write is Write.DECLARED and (policy.options.gated or results or approval):
        yield Decision(Reason.GATE_NEEDS_DIGEST, {"write": policy.options.write.value})
