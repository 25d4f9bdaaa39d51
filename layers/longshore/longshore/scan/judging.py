"""Judging gates: when redeploy asks, when the time to wait is over, and when anything about the image is new."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.gates import GATE_DUE, GateResult
from longshore.scan import telling
from longshore.scan.gate import judge

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.gates import Gate, GateQuestion, GateVerdict
    from longshore.images import Digest, Repository
    from longshore.outcomes import Outcome
    from longshore.scan.findings import Assessment
    from longshore.scan.looking import Looker
    from longshore.scan.messages import Message
    from longshore.scan.ports import Ports
    from longshore.scan.rules import ScanPolicy
    from longshore.scan.telling import Teller

_MOST: Final = 20
"""Gates that one message judges; the others are judged by messages of their own."""
_KEEP: Final = timedelta(days=14)
_SPREAD: Final = timedelta(seconds=1)

_Assessed = dict[tuple["Digest", tuple["Digest", ...]], "Assessment"]


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
        """One gate; nothing when nobody asks any more."""
        gate = self._ports.gates.get(repository, workload, digest)
        return self._judge(message, gate, {}) if gate else []

    def again(
        self, message: Message, repository: Repository, images: Collection[Digest] | None = None
    ) -> list[Outcome]:
        """Those questions of a repository whose image does not run yet; of some `images` only, or of all."""
        gates = [each for each in self._ports.gates.of(repository) if _concerns(each.question, images)]
        if not gates:
            return []
        running = self._looker.running(repository)
        waiting = [
            each for each in gates if not _runs(each.question, running.of(each.question.digest, each.question.images))
        ]
        assessed: _Assessed = {}
        outcomes = [outcome for each in waiting[:_MOST] for outcome in self._judge(message, each, assessed)]
        now = self._ports.clock.now()
        for place, gate in enumerate(waiting[_MOST:]):
            body = message.message(GATE_DUE, gate.question.named, now)
            self._ports.postponer.postpone(body, now + _SPREAD * (place // _MOST))
        return outcomes

    def _judge(self, message: Message, gate: Gate, assessed: _Assessed) -> list[Outcome]:
        question, now = gate.question, self._ports.clock.now()
        verdict = self._verdict(question, assessed, now)
        if gate.verdict and _same(gate.verdict, verdict):
            verdict = gate.verdict
        if verdict.result is GateResult.WAIT:
            self._wait(message, question, now)
        if verdict is not gate.verdict and not self._ports.gates.judge(question, verdict):
            return []  # something else is asked by now
        return self._tell(question, verdict, now)

    def _verdict(self, question: GateQuestion, assessed: _Assessed, now: datetime) -> GateVerdict:
        assessment = self._assess(question, question.digest, question.images, assessed)
        running: Sequence[Assessment] = ()
        if question.terms.new_only and assessment.findings:
            running = [self._assess(question, each, (), assessed) for each in question.running]
        suppressed = self._looker.suppressions_of(assessment).split(assessment, now).suppressed
        accepted = frozenset(finding.key for finding, _ in suppressed)
        return judge(question, assessment, running, accepted, self._policy, now)

    def _assess(
        self, question: GateQuestion, digest: Digest, images: tuple[Digest, ...], assessed: _Assessed
    ) -> Assessment:
        key = digest, images
        if key not in assessed:
            only = images if images and images != (digest,) else None
            assessed[key] = self._ports.scans.assess(question.repository, digest, only)
        return assessed[key]

    def _wait(self, message: Message, question: GateQuestion, now: datetime) -> None:
        """One look when the time is up, for the event that was lost."""
        what = f"wait {question.workload}@{question.digest} {question.asked.isoformat()}"
        if not self._ports.reports.done(what, now):
            self._ports.postponer.postpone(message.message(GATE_DUE, question.named, now), question.until)
            self._ports.reports.once(what, now, max(question.until, now) + _KEEP)

    def _tell(self, question: GateQuestion, verdict: GateVerdict, now: datetime) -> list[Outcome]:
        outcome = telling.gate(question, verdict)
        if outcome.kind is None:
            return [outcome]
        moment = f"{question.asked.isoformat()} {verdict.at.isoformat()}"
        what = f"gate {question.workload}@{question.digest} {moment} {verdict.reason.value}"
        if self._ports.reports.done(what, now):
            return []
        outcomes = self._teller.tell([outcome])
        self._ports.reports.once(what, now, now + _KEEP)
        return outcomes


def _concerns(question: GateQuestion, images: Collection[Digest] | None) -> bool:
    return images is None or not {question.digest, *question.images}.isdisjoint(images)


def _runs(question: GateQuestion, runners: Sequence[object]) -> bool:
    """Whether it was deployed: then there is no gate any more."""
    return any(getattr(each, "arn", "") == question.workload for each in runners)


def _same(old: GateVerdict, new: GateVerdict) -> bool:
    return (old.reason, dict(old.counts), old.findings) == (new.reason, dict(new.counts), new.findings)
