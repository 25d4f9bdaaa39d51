"""Deciding on workloads, one by one, and acting on each decision: begin, wait, hold or let be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.decisions import Decision, Reason, Verdict
from longshore.errors import ConflictError, GoneError, NotReadyError, PermanentError, TransientError
from longshore.events import PENDING, Kind
from longshore.images import is_tag
from longshore.ports import Good
from longshore.redeploy.batch import Batch
from longshore.redeploy.deploying import Deployer, abandoned
from longshore.redeploy.gating import Gatekeeper
from longshore.redeploy.looks import changed_unseen, look_again
from longshore.redeploy.ownership import put_in_line
from longshore.redeploy.plan import Facts, Proposal, again, cooled, is_gated, propose, way_back
from longshore.redeploy.stacks import with_stack
from longshore.redeploy.telling import Teller, decided
from longshore.workloads import DeploymentStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from longshore.errors import LongshoreError
    from longshore.events import Event
    from longshore.images import Repository
    from longshore.outcomes import Outcome
    from longshore.ports import Record
    from longshore.redeploy.arrivals import Arrival
    from longshore.redeploy.policy import Profile
    from longshore.redeploy.ports import Ports
    from longshore.redeploy.state import Candidate
    from longshore.workloads import Observation, Plan, Workload

_RESOLUTIONS = 25  # winners whose tag is gone are passed over this often
_REMINDER_GRACE = timedelta(minutes=5)
_WHY = 300
_PAGE = 25
_PAGE_EVERY = timedelta(seconds=10)
"""More followers than these are handed on, page by page: a function has two minutes, ECS five updates a second."""
_LOOK_AGAIN = timedelta(seconds=5)
_ASK_AGAIN = timedelta(minutes=5)
_STACK_AGAIN = timedelta(minutes=2)
_ASK_BACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator's configuration and the stack's parameters say."""

    profiles: Mapping[str, Profile]
    passable: tuple[str, ...] = ()
    observe_only: bool = False
    updatable: tuple[str, ...] = ()


class Decider:
    """Observes a workload, has it decided on, and sees to what follows. Repeating it changes nothing."""

    def __init__(self, ports: Ports, rules: Rules, teller: Teller) -> None:
        self._platform = ports.platform
        self._stacks = ports.stacks
        self._registry = ports.registry
        self._heads = ports.heads
        self._index = ports.index
        self._records = ports.records
        self._switches = ports.switches
        self._postponer = ports.postponer
        self._reminder = ports.reminder
        self._clock = ports.clock
        self._rules = rules
        self._teller = teller
        self._deployer = Deployer(ports, teller)
        self._gatekeeper = Gatekeeper(ports.gates, ports.asker, ports.clock)

    def each(self, event: Event, workloads: Sequence[Workload], arrival: Arrival | None = None) -> list[Outcome]:
        """Decides on every workload; one that fails stops no other, and has the message tried again."""
        if not workloads:
            return []
        batch = Batch(event, self._switches.paused(), arrival)
        outcomes: list[Outcome] = []
        failures: list[TransientError] = []
        self._hand_on(event, workloads[_PAGE:])
        for workload in workloads[:_PAGE]:
            try:
                outcomes += self._one(batch, workload)
            except GoneError:
                self._index.remove(workload.arn)
            except TransientError as error:
                failures.append(error)
            except PermanentError as error:
                outcomes += self._teller.refuse(event, workload.arn, workload.subject, error)
        if failures:
            raise failures[0]
        return outcomes

    def _hand_on(self, event: Event, workloads: Sequence[Workload]) -> None:
        now = self._clock.now()
        for place, workload in enumerate(workloads):
            detail = {"workload": workload.arn, "reason": PENDING}
            page = 1 + place // _PAGE
            self._postponer.postpone(event.message("Redeploy Requested", detail, now), now + page * _PAGE_EVERY)

    def observed(self, event: Event, observations: Iterable[Observation]) -> list[Outcome]:
        """Decides on workloads that were observed already: those that lag behind what the ledger knows."""
        batch = Batch(event, self._switches.paused())
        outcomes: list[Outcome] = []
        failures: list[TransientError] = []
        for observation in observations:
            try:
                outcomes += self._decide(batch, observation)
            except TransientError as error:
                failures.append(error)
            except PermanentError as error:
                workload = observation.workload
                outcomes += self._teller.refuse(event, workload.arn, workload.subject, error)
        if failures:
            raise failures[0]
        return outcomes

    def asked(self, event: Event, workload: Workload, reason: Reason) -> list[Outcome]:
        """A way back, a heal or a retirement: decided on like everything else, and refused like everything else."""
        batch = Batch(event, self._switches.paused())
        observation = self._observed(workload)
        record = self._records.get(workload.arn)
        if observation.workload.policy is None or abandoned(record, self._clock.now()):
            return self._decide(batch, observation)
        facts = self._facts(batch, observation, record, {})
        if reason is Reason.HEAL and self._gone(batch, facts):
            return self._decide(batch, observation)  # what runs cannot be deployed again, and nothing else was judged
        proposal = (way_back if reason is Reason.ROLLBACK else again)(facts, event.correlation, reason)
        decision = proposal.leading or Decision(Reason.SAME_DIGEST)
        if decision.deploys and proposal.plan:
            self._blame(record, reason)
            return self._begin(batch, facts, proposal, proposal.plan)
        if reason is Reason.ROLLBACK:
            self._ask_back_later(event, facts)
        outcomes = self._stay(batch, facts, proposal, decision)
        return outcomes + self._decide(batch, observation) if record.pending else outcomes

    def _blame(self, record: Record, reason: Reason) -> None:
        """What never got steady says nothing against its image, until somebody who saw why asks for the way back."""
        last = record.deployment
        if reason is not Reason.ROLLBACK or last is None or last.outcome != "not-steady":
            return
        if brought := sorted(last.plan.brought - record.quarantined.keys()):
            self._records.quarantine(record.arn, brought, last.outcome, self._clock.now())

    def _ask_back_later(self, event: Event, facts: Facts) -> None:
        """A way back that is asked for while Longshore's own deployment is followed is asked for again at its end.

        What was verified by then is the last known good, and stays. Somebody else's deployment is not undone.
        """
        deployment = facts.record.deployment
        if deployment is None or not deployment.status.active:
            return
        until = max(deployment.deadline, facts.now) + _ASK_BACK
        detail = {"workload": facts.record.arn, "reason": Reason.ROLLBACK.value}
        back = event.message("Redeploy Requested", detail, facts.now)
        self._postponer.postpone(event.deferred(until, Reason.ROLLBACK.value, facts.now, back), until)

    def complete(self, event: Event, arn: str) -> list[Outcome]:
        """What the platform has prepared for a deployment of Longshore's is completed; nothing is decided anew."""
        return self._deployer.complete(event, self._records.get(arn))

    def _gone(self, batch: Batch, facts: Facts) -> bool:
        """Whether an image that runs behind a gate is no longer in its registry."""
        followed = facts.observation.workload.followed
        running = [(ref.origin, facts.observation.running.get(name)) for name, ref in followed.items()]
        keys = [(origin, digest) for origin, digest in running if origin and digest] if is_gated(facts) else []
        return not all(batch.resolve(self._registry, key) for key in keys)

    def _one(self, batch: Batch, known: Workload) -> list[Outcome]:
        return self._decide(batch, self._observed(known))

    def _observed(self, known: Workload) -> Observation:
        """What runs now, with the index brought up to date. Raises GoneError for what does not."""
        observation = self._platform.observe(known.arn)
        if not observation.active:
            raise GoneError(f"{known.arn} is not active")
        if observation.workload.policy is None:
            self._index.remove(known.arn)
        elif known != observation.workload.remembered:
            self._index.put(observation.workload)
        return observation

    def _decide(self, batch: Batch, observation: Observation) -> list[Outcome]:
        record = self._records.get(observation.workload.arn)
        now = self._clock.now()
        if abandoned(record, now):
            return self._resume(batch, observation, record)
        if _overdue(record, now):
            self._reminder.postpone(batch.event.message("Watch Due", {"workload": record.arn}, now), now)
        if changed_unseen(record, observation) or put_in_line(record, observation):
            return self._have_it_noticed(batch, observation)
        self._first_good(record, observation)
        facts, proposal = self._proposal(batch, observation, record)
        decision = proposal.leading
        if decision is None:
            return []
        asked = self._gatekeeper.ask(batch.event, facts, proposal)
        if decision.deploys and proposal.plan:
            capped = self._deployer.capped(batch.begun, facts)
            if capped:
                return self._wait(batch, facts, proposal, capped)
            outcomes = self._begin(batch, facts, proposal, proposal.plan)
            self._forget(record)
            return outcomes
        if decision.verdict is Verdict.WAIT and decision.reason is not Reason.INCOMPLETE_INDEX:
            return self._wait(batch, facts, proposal, decision, asked)
        if decision.verdict is Verdict.SKIP:
            self._forget(record)
        return self._stay(batch, facts, proposal, decision)

    def _have_it_noticed(self, batch: Batch, observation: Observation) -> list[Outcome]:
        """The watch looks first, for it may be a way back, which is a hold; it then asks for what is remembered."""
        workload, now = observation.workload, self._clock.now()
        for container, reference in workload.followed.items():
            tag = batch.tag or observation.human_tags.get(container) or reference.effective_tag
            if tag and reference.origin:
                self._records.remember(workload.arn, reference.origin, tag, now)
        look = {"workload": workload.arn, "changed": True}
        self._reminder.postpone(batch.event.message("Watch Due", look, now), now)
        return []

    def _forget(self, record: Record) -> None:
        """What was remembered has been decided on; what is remembered since then stays."""
        if record.pending:
            self._records.forget(record.arn, record.pending)

    def _resume(self, batch: Batch, observation: Observation, record: Record) -> list[Outcome]:
        """First what another invocation left behind, then what this event is about."""
        outcomes = self._deployer.resume(
            batch.event, observation, record, forbidden=self._forbidden(batch, observation, record)
        )
        return outcomes + self._decide(batch, observation)

    def _forbidden(self, batch: Batch, observation: Observation, record: Record) -> bool:
        """Whether what was claimed may not be begun any more: somebody said stop in between."""
        held = record.hold is not None and record.hold.stands(self._clock.now())
        rollback = record.deployment is not None and record.deployment.plan.rollback
        stopped = batch.paused is not None or self._rules.observe_only or (held and not rollback)
        if stopped or observation.workload.policy is None:
            return True
        deployment = record.deployment
        return deployment is not None and not rollback and self._gatekeeper.refuses(observation, deployment.plan)

    def _begin(self, batch: Batch, facts: Facts, proposal: Proposal, plan: Plan) -> list[Outcome]:
        try:
            outcomes = self._deployer.begin(batch.event, facts, plan)
        except ConflictError:
            return self._wait(batch, facts, proposal, Decision(Reason.DEPLOYMENT_IN_PROGRESS, {"by": "Longshore"}))
        batch.begun += 1
        return outcomes

    def _facts(
        self,
        batch: Batch,
        observation: Observation,
        record: Record,
        candidates: Mapping[Repository, Sequence[Candidate]],
    ) -> Facts:
        return Facts(
            observation=observation,
            record=record,
            candidates=candidates,
            now=self._clock.now(),
            heads={(head.repository, head.tag): head for heads in batch.heads.values() for head in heads},
            contents=batch.contents(observation),
            profiles=self._rules.profiles,
            passable=self._rules.passable,
            paused=batch.paused,
            observe_only=self._rules.observe_only,
            updatable=self._rules.updatable,
        )

    def _proposal(self, batch: Batch, observation: Observation, record: Record) -> tuple[Facts, Proposal]:
        """Proposes on what the ledger knows; a winner is resolved in the registry before it is believed."""
        repositories = observation.workload.repositories
        for repository in repositories - batch.heads.keys():
            batch.heads[repository] = self._heads.of(repository)
        for _ in range(_RESOLUTIONS):
            facts = self._facts(batch, observation, record, {r: batch.candidates(r) for r in repositories})
            proposal = propose(facts, batch.event.correlation)
            unresolved = batch.unresolved(proposal, observation)
            if not unresolved:
                facts, proposal = self._gatekeeper.gated(facts, proposal, batch.event.correlation)
                return with_stack(facts, proposal, batch.event.correlation, self._stacks)
            for key in unresolved:
                try:
                    there = batch.resolve(self._registry, key)
                except (TransientError, PermanentError) as error:
                    if not key[0].is_public:
                        raise
                    return facts, _unreachable(proposal, facts.now, error)
                if not there and is_tag(key[1]):
                    self._heads.forget(*key)
        raise NotReadyError(f"{_RESOLUTIONS} tags in a row that {observation.workload.arn} could follow are gone")

    def _first_good(self, record: Record, observation: Observation) -> None:
        """The first steady digests observed are the first last known good ones (design 6.1)."""
        if not record.goods and observation.steady and observation.running and observation.desired > 0:
            self._records.good(record.arn, [Good(observation.running, self._clock.now(), observation.tags)])

    def _wait(
        self, batch: Batch, facts: Facts, proposal: Proposal, decision: Decision, asked: datetime | None = None
    ) -> list[Outcome]:
        """Remembers what is waited for, and sees to it that somebody looks again."""
        workload, now = facts.observation.workload, facts.now
        for container, candidate, each in proposal.decisions:
            repository = workload.followed[container].origin if container else None
            if candidate and repository and each.verdict in (Verdict.WAIT, Verdict.DEPLOY):
                self._records.remember(workload.arn, repository, candidate.tag, now)
        until = asked if decision.reason is Reason.GATE_PENDING else _until(facts, decision)
        if decision.reason is Reason.DEPLOYMENT_IN_PROGRESS:
            until = self._unless_watched(batch.event, facts.observation, now)
        if until is not None:
            again = batch.event.message("Redeploy Requested", {"workload": workload.arn, "reason": PENDING}, now)
            self._postponer.postpone(batch.event.deferred(until, decision.reason, now, again), until)
        return [decided(batch.event, batch.tag, workload.subject, proposal, decision)]

    def _unless_watched(self, event: Event, observation: Observation, now: datetime) -> datetime | None:
        """When to look again; None while a deployment is under way whose end the watch will see."""
        arn = observation.workload.arn
        deployment = self._records.get(arn).deployment
        if deployment and deployment.status is DeploymentStatus.STARTING:
            return (deployment.lease or now) + _LOOK_AGAIN  # whoever claimed it may have died
        if deployment and deployment.status.active:
            return None
        if observation.is_silent:
            return look_again(event, Reason.DEPLOYMENT_IN_PROGRESS, now)
        if observation.rollout_active and self._platform.observe(arn).rollout_active:
            return None
        return now + _LOOK_AGAIN  # it ended while we wrote, so nobody else will look

    def _stay(self, batch: Batch, facts: Facts, proposal: Proposal, decision: Decision) -> list[Outcome]:
        """Nothing is done; a hold is told, once."""
        outcome = decided(batch.event, batch.tag, facts.observation.workload.subject, proposal, decision)
        quiet = decision.verdict is Verdict.WAIT and decision.reason is not Reason.INCOMPLETE_INDEX
        if decision.verdict is Verdict.SKIP or quiet:
            return [outcome]
        kind = Kind.DEPLOYMENT_PLANNED if decision.reason is Reason.OBSERVE_ONLY else Kind.DEPLOYMENT_HELD
        return self._teller.tell_once(facts.record, replace(outcome, kind=kind), _what(decision, proposal))


def _what(decision: Decision, proposal: Proposal) -> str:
    """What makes a hold the same as before: its reason and its images, or the tag that nothing compares to."""
    if decision.reason is Reason.CURRENT_NOT_COMPARABLE:
        return f"{decision.reason} {decision.detail.get('current')}"
    held = {candidate.digest for _, candidate, each in proposal.decisions if candidate and each.verdict is Verdict.HOLD}
    return f"{decision.reason} {hashlib.sha256(' '.join(sorted(held)).encode()).hexdigest()}"


def _unreachable(proposal: Proposal, now: datetime, error: LongshoreError) -> Proposal:
    """The same proposal while a public registry does not answer: whatever is wanted waits, all of it together.

    What refuses to answer is left to the sweep.
    """
    until = {"until": (now + _ASK_AGAIN).isoformat()} if isinstance(error, TransientError) else {}
    waits = Decision(Reason.REGISTRY_UNREACHABLE, {"why": str(error)[:_WHY], **until})
    decisions = ((c, k, d if d.verdict is Verdict.SKIP else waits) for c, k, d in proposal.decisions)
    return Proposal(proposal.workload, tuple(decisions), policy=proposal.policy)


def _overdue(record: Record, now: datetime) -> bool:
    """Whether a deployment should have ended or been looked at, and was not: its reminder was lost."""
    deployment = record.deployment
    return deployment is not None and deployment.status.active and now >= deployment.deadline + _REMINDER_GRACE


def _until(facts: Facts, decision: Decision) -> datetime | None:
    if decision.reason is Reason.COOLDOWN:
        return cooled(facts)
    if decision.reason is Reason.STACK_BUSY:
        return facts.now + _STACK_AGAIN
    until = decision.detail.get("until")
    return datetime.fromisoformat(str(until)) if until else None
