"""Judging gates: when redeploy asks, when the time to wait is over, and when anything about the image is new."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.gates import GATE_DUE, GateResult
from longshore.scan import telling
from longshore.scan.findings import ScanState
from longshore.scan.gate import judge

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.gates import Gate, GateQuestion, GateVerdict
    from longshore.images import Digest, Repository
    from longshore.outcomes import Outcome
    from longshore.scan.findings import Assessment
    from longshore.scan.looking import Looker, Running
    from longshore.scan.messages import Message
    from longshore.scan.ports import Ports
    from longshore.scan.rules import ScanPolicy
    from longshore.scan.telling import Teller

_MOST: Final = 20
"""Gates that one message judges; the others are judged by messages of their own."""
_KEEP: Final = timedelta(days=14)
_SPREAD: Final = timedelta(seconds=1)
_AGAIN: Final = "again"
"""Says in a message that something about the image is new, and nobody asks for the first time."""
_MATERIAL: Final = ("id", "package", "path", "severity", "priority", "rule")
"""What a finding must have otherwise before a verdict is another one; scores move every day."""


class Judge:
    """The use case of gates.

    A verdict is recorded, then told, then it is noted that it was told: whoever hears of it finds it in the ledger, and
    a process that ends in between has the message again and tells it then.
    """

    def __init__(self, ports: Ports, policy: ScanPolicy, looker: Looker, teller: Teller) -> None:
        self._ports = ports
        self._policy = policy
        self._looker = looker
        self._teller = teller

    def asked(self, message: Message, repository: Repository, workload: str, digest: Digest) -> list[Outcome]:
        """One gate, and those about the same image that are as old; nothing when nobody asks any more.

        A hundred workloads that follow a tag ask a hundred times: whose gate was judged since is only told.
        """
        gate, now = self._ports.gates.get(repository, workload, digest), self._ports.clock.now()
        if gate is None:
            return []
        if gate.verdict and gate.verdict.at > message.time and gate.verdict.result is not GateResult.WAIT:
            return self._tell(gate.question, gate.verdict, now)
        again = message.detail.get(_AGAIN) is True
        alike = [
            each
            for each in self._ports.gates.of(repository)
            if each.question.digest == digest
            and each.question.workload != workload
            and (each.verdict is None or (again and each.verdict.at < message.time))
        ]
        outcomes = self._judge(message, gate, late=again or now >= gate.question.until)
        for each in alike[: _MOST - 1]:
            outcomes += self._judge(message, each, late=again)
        return outcomes

    def again(
        self, message: Message, repository: Repository, images: Collection[Digest] | None = None
    ) -> list[Outcome]:
        """Those questions of a repository that are still open; of some `images` only, or of all."""
        gates = [each for each in self._ports.gates.of(repository) if _concerns(each.question, images)]
        waiting = self._retired(gates, self._looker.running(repository)) if gates else []
        outcomes = [outcome for each in waiting[:_MOST] for outcome in self._judge(message, each, late=True)]
        now = self._ports.clock.now()
        for place, each in enumerate(waiting[_MOST:], 1):
            body = message.message(GATE_DUE, {**each.question.named, _AGAIN: True}, now)
            self._ports.postponer.postpone(body, now + _SPREAD * place)
        return outcomes

    def _retired(self, gates: Sequence[Gate], running: Running) -> list[Gate]:
        """Those about which somebody may still want to know; the others are no more."""
        kept = []
        for each in gates:
            if self._is_over(each.question, running):
                self._ports.gates.retire(each.question)
            else:
                kept.append(each)
        return kept

    def _is_over(self, question: GateQuestion, running: Running) -> bool:
        """Whether the workload runs the image, or nothing any more of what it ran when it asked, or is not followed."""
        runs = running.by(question.workload)
        if not runs:
            return self._ports.index.get(question.workload) is None
        was = set(question.running)
        return not runs.isdisjoint({question.digest, *question.images}) or (bool(was) and was.isdisjoint(runs))

    def _judge(self, message: Message, gate: Gate, *, late: bool) -> list[Outcome]:
        """`late`: it was asked some time ago, and its tag may name another image by now."""
        question, now = gate.question, self._ports.clock.now()
        assessment = self._assess(question, question.digest, question.images)
        if late and _has_moved(gate, assessment):
            self._ports.gates.retire(question)
            return []
        verdict = self._verdict(question, assessment, now)
        if gate.verdict and _same(gate.verdict, verdict):
            verdict = replace(verdict, since=gate.verdict.since or gate.verdict.at)
        if verdict.result is GateResult.WAIT:
            self._wait(message, question, now)
        if not self._ports.gates.judge(question, verdict):
            return []  # something else is asked by now
        return self._tell(question, verdict, now)

    def _verdict(self, question: GateQuestion, assessment: Assessment, now: datetime) -> GateVerdict:
        running: Sequence[Assessment] = ()
        if question.terms.new_only and assessment.findings:
            running = [self._assess(question, each, ()) for each in question.running]
        suppressed = self._looker.suppressions_of(assessment, gate=True).split(assessment, now).suppressed
        accepted = frozenset(finding.key for finding, _ in suppressed)
        verdict = judge(question, assessment, running, accepted, self._policy, now)
        ends = [by.expires for _, by in suppressed if by.expires] if verdict.result is GateResult.PASS else []
        return replace(verdict, until=min(ends, default=None), since=now)

    def _assess(self, question: GateQuestion, digest: Digest, images: tuple[Digest, ...]) -> Assessment:
        only = images if images and images != (digest,) else None
        return self._ports.scans.assess(question.repository, digest, only)

    def _wait(self, message: Message, question: GateQuestion, now: datetime) -> None:
        """One look when the time is up, for the event that was lost."""
        what = f"wait {question.workload}@{question.digest} {question.asked.isoformat()}"
        if not self._ports.reports.done(what, now):
            self._ports.postponer.postpone(message.message(GATE_DUE, question.named, now), question.until)
            self._ports.reports.once(what, now, max(question.until, now) + _KEEP)

    def _tell(self, question: GateQuestion, verdict: GateVerdict, now: datetime) -> list[Outcome]:
        outcome = telling.gate(question, verdict)
        since = verdict.since or verdict.at
        if outcome.kind is None:
            return [outcome]
        moment = f"{question.asked.isoformat()} {since.isoformat()}"
        what = f"gate {question.workload}@{question.digest} {moment} {verdict.reason.value}"
        if now >= since + _KEEP or self._ports.reports.done(what, now):
            return []  # no message that could have begun to tell it is as old as what is kept in mind
        outcomes = self._teller.tell([outcome])
        self._ports.reports.once(what, now, since + _KEEP)
        return outcomes


def _concerns(question: GateQuestion, images: Collection[Digest] | None) -> bool:
    return images is None or not {question.digest, *question.images}.isdisjoint(images)


def _has_moved(gate: Gate, assessment: Assessment) -> bool:
    """Whether the tag names another image by now: that one is asked about. An image that is gone is told once, to who
    waits for an answer; of a registry that is not asked no tag is known."""
    if assessment.state is ScanState.GONE:
        return gate.verdict is not None and gate.verdict.result is not GateResult.WAIT
    known = bool(assessment.tags) or assessment.state is not ScanState.NOT_SCANNED
    return known and bool(gate.question.tag) and gate.question.tag not in assessment.tags


def _same(old: GateVerdict, new: GateVerdict) -> bool:
    return _material(old) == _material(new)


def _material(verdict: GateVerdict) -> object:
    findings = sorted(tuple(str(each.get(name)) for name in _MATERIAL) for each in verdict.findings)
    return verdict.reason, dict(verdict.counts), findings
