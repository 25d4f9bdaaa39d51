"""Asking scan before a deployment: the question, its answer, and when to look again (design 6.4, redeploy 8.11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from longshore.decisions import Reason
from longshore.gates import GATE_DUE, SCAN_GATE, Gate, GateQuestion, GateReason, GateResult
from longshore.redeploy.plan import Facts, Proposal, propose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from longshore.events import Event
    from longshore.images import Digest, Repository
    from longshore.ports import Clock, Gates, Postponer
    from longshore.redeploy.state import Candidate
    from longshore.workloads import Observation, Plan

_TRUSTED = timedelta(hours=36)
"""For so long a verdict is believed: scan judges each anew once a day, or an hour later, for events that were lost."""
_GRACE = timedelta(minutes=10)
"""How long after its deadline an answer is waited for; then there is no result (`timed-out`)."""


class Answer(NamedTuple):
    """What the gate says of one digest, and until when that is to be waited for."""

    reason: GateReason
    at: datetime | None = None
    until: datetime | None = None
    counts: Mapping[str, int] = {}
    findings: tuple[Mapping[str, object], ...] = ()


Answers = dict[tuple["Repository", "Digest"], Answer]


class Gatekeeper:
    """Asks scan about the digests that are about to be deployed, and knows what it said.

    Without `asker`, the way to scan's queue, scan is off and nobody judges: no result.
    """

    def __init__(self, gates: Gates, asker: Postponer | None, clock: Clock) -> None:
        self._gates = gates
        self._asker = asker
        self._clock = clock

    def gated(self, facts: Facts, proposal: Proposal, correlation: str) -> tuple[Facts, Proposal]:
        """See `gated`."""
        return gated(facts, proposal, correlation, self._gates if self._asker else None)

    def ask(self, event: Event, facts: Facts, proposal: Proposal) -> datetime | None:
        """Asks about every digest that waits for its gate; answers when to look again, None when none does.

        What is asked already, and may still be answered, is not asked again.
        """
        until: list[datetime] = []
        for question in _questions(facts, proposal, event.correlation):
            known = self._gates.get(question.repository, question.workload, question.digest)
            if known is None or not known.question.same(question) or not self._open(known):
                self._gates.ask(question)
                known = Gate(question)
            if known.verdict is None and self._asker:  # a crash may have kept it from being asked aloud
                self._asker.postpone(event.message(GATE_DUE, known.question.named, facts.now), facts.now)
            until.append(known.question.until + _GRACE)
        return min(until, default=None)

    def _open(self, gate: Gate) -> bool:
        """Whether an answer is still to come."""
        unanswered = gate.verdict is None or gate.verdict.result is GateResult.WAIT
        return unanswered and self._clock.now() < gate.question.until + _GRACE

    def refuses(self, observation: Observation, plan: Plan) -> bool:
        """Whether what a plan brings was judged otherwise since it was made: a gate may close again."""
        for change in plan.changes:
            reference = observation.workload.followed.get(change.container)
            repository = reference.origin if reference else None
            gate = self._gates.get(repository, plan.workload, change.digest) if repository else None
            if gate and gate.verdict and not gate.question.terms.admit(gate.verdict.reason):
                return True
        return False


def gated(facts: Facts, proposal: Proposal, correlation: str, gates: Gates | None) -> tuple[Facts, Proposal]:
    """The same, with what is on record of the digests that wait for their gate; without `gates` scan is off."""
    while said := _answers(facts, proposal, gates):
        facts = replace(facts, gates={**facts.gates, **said})
        proposal = propose(facts, correlation)
    return facts, proposal


def _answers(facts: Facts, proposal: Proposal, gates: Gates | None) -> Answers:
    return {
        (question.repository, question.digest): _answer(question, gates, facts.now)
        for question in _questions(facts, proposal, "")
        if (question.repository, question.digest) not in facts.gates
    }


def _answer(question: GateQuestion, gates: Gates | None, now: datetime) -> Answer:
    if gates is None:
        return Answer(GateReason.OFF)
    if question.repository.is_public:
        return Answer(GateReason.NOT_SCANNED)  # nobody scans ECR Public
    gate = gates.get(question.repository, question.workload, question.digest)
    if gate is None or not gate.question.same(question):
        return Answer(GateReason.SCANNING)
    verdict, asked = gate.verdict, gate.question
    if verdict is None or verdict.result is GateResult.WAIT:
        late = asked.until + _GRACE <= now < asked.asked + _TRUSTED
        return Answer(GateReason.TIMED_OUT if late else GateReason.SCANNING, until=asked.until)
    if now - verdict.at >= _TRUSTED or (verdict.until and now >= verdict.until):
        return Answer(GateReason.SCANNING)
    return Answer(verdict.reason, verdict.at, asked.until, verdict.counts, verdict.findings)


def _questions(facts: Facts, proposal: Proposal, correlation: str) -> Iterator[GateQuestion]:
    """What is to be asked: of each digest, once, that nothing but its gate stands in the way of."""
    workload, asked = facts.observation.workload, set()
    terms = proposal.policy.options.gates.get(SCAN_GATE) if proposal.policy else None
    for container, candidate, decision in proposal.decisions:
        pending = decision.reason is Reason.GATE_PENDING and decision.detail.get("gate") == SCAN_GATE
        repository = workload.followed[container].origin if container else None
        if not (terms and pending and candidate and repository) or (repository, candidate.digest) in asked:
            continue
        asked.add((repository, candidate.digest))
        yield GateQuestion(
            workload=workload.arn,
            repository=repository,
            digest=candidate.digest,
            tag=candidate.tag,
            images=_images(candidate, facts.observation.platforms),
            running=tuple(sorted(_running(facts, repository))),
            terms=terms,
            asked=facts.now,
            correlation=correlation,
            subject=workload.subject,
        )


def _images(candidate: Candidate, platforms: Iterable[str]) -> tuple[Digest, ...]:
    """The images that a scanner looks at: never an index, only what the workload would run of it."""
    wanted = frozenset().union(*map(candidate.on, platforms)) or frozenset(candidate.platforms.values())
    return tuple(sorted(wanted)) or (candidate.digest,)


def _running(facts: Facts, repository: Repository) -> set[Digest]:
    """What containers of this repository run now, an index as those of its images that run."""
    observation = facts.observation
    found: set[Digest] = set()
    for container, reference in observation.workload.followed.items():
        digest = observation.running.get(container)
        if digest and reference.origin == repository:
            content = facts.contents.get(digest)
            found.update(_images(content, observation.platforms) if content else (digest,))
    return found
