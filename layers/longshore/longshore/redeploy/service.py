"""Redeploy: an image moved; every workload that follows its repository is decided on, and moved (redeploy 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.decisions import Decision, Reason, Verdict
from longshore.errors import ConflictError, GoneError, PermanentError, TransientError
from longshore.events import Cause, Event, ImageMoved, Kind, RedeployRequested, SweepDue, WorkloadTagged
from longshore.images import Repository, is_artifact_tag, is_index
from longshore.outcomes import Outcome, announcements
from longshore.ports import Good, Head, Record
from longshore.redeploy.plan import Facts, Proposal, again, cooled, pacing_of, propose, way_back
from longshore.redeploy.state import Candidate
from longshore.redeploy.sweep import Sweeper
from longshore.workloads import Deployment, DeploymentStatus, Observation, Plan, Workload

if TYPE_CHECKING:
    from longshore.redeploy.policy import Profile
    from longshore.redeploy.ports import Ports, Registry

SETTLE = timedelta(seconds=5)
SETTLE_INDEX = timedelta(seconds=20)
SETTLE_CAP_SECONDS = 120
"""How long a tag must rest before it is acted on, and the most that further moves put it off (redeploy 8.3)."""

_INDEX_PATIENCE = timedelta(minutes=10)
_INDEX_RETRY = timedelta(seconds=15)
_LEASE = timedelta(seconds=150)  # longer than the function may run
_ASKED = {reason.value: reason for reason in (Reason.ROLLBACK, Reason.HEAL, Reason.RETIREMENT)}
_RESOLUTIONS = 4  # winners whose tag is gone are passed over this often


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator's configuration and the stack's parameters say."""

    profiles: Mapping[str, Profile]
    passable: tuple[str, ...] = ()
    observe_only: bool = False


class Redeployer:
    """Acts on events of images and workloads. Every method may be repeated: state decides, not the message."""

    def __init__(self, ports: Ports, rules: Rules) -> None:
        self._platform = ports.platform
        self._registry = ports.registry
        self._heads = ports.heads
        self._index = ports.index
        self._records = ports.records
        self._switches = ports.switches
        self._postponer = ports.postponer
        self._reminder = ports.reminder
        self._publisher = ports.publisher
        self._clock = ports.clock
        self._sweeper = Sweeper(ports)
        self._rules = rules

    def handle(self, event: Event) -> list[Outcome]:
        """Does what an event asks for and answers what came of it. Raises TransientError to be tried again."""
        now = self._clock.now()
        if event.deferral and now < event.deferral.not_before:
            self._postponer.postpone(event.body, event.deferral.not_before)
            return []
        match event.fact:
            case ImageMoved():
                return self._moved(event, event.fact, now)
            case RedeployRequested():
                return self._requested(event, event.fact)
            case WorkloadTagged():
                return self._sweeper.tagged(event, event.fact.arn)
            case SweepDue(repository=None, arns=()):
                return self._sweeper.all(event)
            case SweepDue(repository=None):
                return self._swept(event, self._sweeper.workloads(event.fact.arns))
            case SweepDue():
                return self._looked(event, event.fact)
            case _:
                return []

    # -- a tag moved ------------------------------------------------------------------------------------------------

    def _moved(self, event: Event, moved: ImageMoved, now: datetime) -> list[Outcome]:
        if moved.tag is None:
            return self._untagged(event, moved)
        if is_artifact_tag(moved.tag):
            return [_skipped(event, moved, Reason.ARTIFACT)]
        if event.deferral is None and moved.digest is not None:
            return self._settle(event, moved, now)
        head = self._heads.get(moved.repository, moved.tag)
        if head and now < head.settles and (event.deferral is None or event.deferral.reason == Reason.SETTLING):
            return [_skipped(event, moved, Reason.SUPERSEDED)]  # a later move sent its own copy
        return self._resolve(event, moved, now)

    def _untagged(self, event: Event, moved: ImageMoved) -> list[Outcome]:
        """A child of an index, or a restored image, which the event names by digest alone."""
        if moved.cause is not Cause.RESTORE or moved.digest is None:
            return [_skipped(event, moved, Reason.UNTAGGED)]
        outcomes: list[Outcome] = []
        for tag in self._registry.tags_of(moved.repository, moved.digest):
            if not is_artifact_tag(tag):
                outcomes += self._resolve(event, replace(moved, tag=tag), self._clock.now())
        return outcomes

    def _settle(self, event: Event, moved: ImageMoved, now: datetime) -> list[Outcome]:
        """Records the move and comes back when the tag has rested: an index is pushed in several steps."""
        assert moved.tag is not None
        assert moved.digest is not None
        rest = SETTLE_INDEX if is_index(moved.media_type) else SETTLE
        seen = Head(moved.repository, moved.tag, moved.digest, min(event.time, now), now + rest, now)
        head = self._heads.observe(seen, SETTLE_CAP_SECONDS)
        if head.settles > now:
            self._postponer.postpone(event.deferred(head.settles, Reason.SETTLING.value, now), head.settles)
            return [_skipped(event, moved, Reason.SETTLING)]
        return self._resolve(event, moved, now)

    def _resolve(self, event: Event, moved: ImageMoved, now: datetime) -> list[Outcome]:
        """What the tag names at this moment decides, whatever the event said."""
        assert moved.tag is not None
        resolved = self._registry.resolve(moved.repository, moved.tag)
        if resolved is None:
            return [_skipped(event, moved, Reason.IMAGE_MISSING)]
        if not resolved.is_image:
            return [_skipped(event, moved, Reason.ARTIFACT)]
        candidate = resolved.candidate
        assert candidate.digest is not None
        heads = {head.tag: head for head in self._heads.of(moved.repository)}
        known = heads.get(moved.tag)
        if known is None or known.digest != candidate.digest:
            seen = Head(moved.repository, moved.tag, candidate.digest, now, now, now, source=moved.cause.value)
            heads[moved.tag] = self._heads.observe(seen, SETTLE_CAP_SECONDS)
        if not candidate.complete and self._incomplete(event, now):
            return [_skipped(event, moved, Reason.INCOMPLETE_INDEX)]
        return self._each(
            event, self._index.runs(moved.repository), {moved.repository: list(heads.values())}, moved.tag, candidate
        )

    def _incomplete(self, event: Event, now: datetime) -> bool:
        """Comes back for an index whose images are still on their way; False once patience is over."""
        first = event.deferral.first if event.deferral else now
        if now - first >= _INDEX_PATIENCE:
            return False
        count = event.deferral.deferrals if event.deferral else 0
        until = min(now + _INDEX_RETRY * 2 ** min(count, 5), first + _INDEX_PATIENCE)
        self._postponer.postpone(event.deferred(until, Reason.INCOMPLETE_INDEX.value, now), until)
        return True

    # -- each workload ----------------------------------------------------------------------------------------------

    def _each(
        self,
        event: Event,
        workloads: Sequence[Workload],
        heads: Mapping[Repository, Sequence[Head]],
        tag: str | None = None,
        resolved: Candidate | None = None,
    ) -> list[Outcome]:
        """Decides on every workload; one that fails stops no other, and has the message tried again."""
        outcomes: list[Outcome] = []
        failures: list[TransientError] = []
        batch = _Batch(event, dict(heads), tag, resolved, self._switches.paused() if workloads else None)
        for workload in workloads:
            try:
                outcomes += self._one(batch, workload.arn, workload)
            except GoneError:
                self._index.remove(workload.arn)
            except TransientError as error:
                failures.append(error)
            except PermanentError as error:
                outcomes += self._refused(batch, workload.arn, error)
        if failures:
            raise failures[0]
        return outcomes

    def _refused(self, batch: _Batch, arn: str, error: PermanentError) -> list[Outcome]:
        return self._tell_once(self._records.get(arn), _failure(batch, arn, error), f"refused {error}"[:512])

    def _one(self, batch: _Batch, arn: str, known: Workload | None) -> list[Outcome]:
        observation = self._platform.observe(arn)
        if not observation.active:
            raise GoneError(f"{arn} is not active")
        if observation.workload.policy is None:
            self._index.remove(arn)
        elif known is None or _differs(known, observation.workload):
            self._index.put(observation.workload)
        return self._decide(batch, observation)

    def _decide(self, batch: _Batch, observation: Observation) -> list[Outcome]:
        arn = observation.workload.arn
        record = self._records.get(arn)
        if record.deployment and _abandoned(record.deployment, self._clock.now()):
            return self._resume(batch, observation, record.deployment)
        self._first_good(record, observation)
        facts, proposal = self._proposal(batch, observation, record)
        leading = proposal.leading
        if leading is None:
            return []
        if leading.deploys and proposal.plan:
            if capped := self._capped(batch, facts):
                return self._wait(batch, facts, proposal, capped)
            return self._begin(batch, facts, proposal.plan)
        if leading.verdict is Verdict.WAIT and leading.reason is not Reason.INCOMPLETE_INDEX:
            return self._wait(batch, facts, proposal, leading)
        return self._hold_or_skip(batch, record, proposal, leading)

    def _proposal(self, batch: _Batch, observation: Observation, record: Record) -> tuple[Facts, Proposal]:
        """Proposes on what the ledger knows; a winner is resolved in the registry before it is believed."""
        facts = Facts(
            observation=observation,
            record=record,
            candidates={r: self._candidates(batch, r) for r in observation.workload.repositories},
            now=self._clock.now(),
            heads={(h.repository, h.tag): h for heads in batch.heads.values() for h in heads},
            profiles=self._rules.profiles,
            passable=self._rules.passable,
            paused=batch.paused,
            observe_only=self._rules.observe_only,
        )
        proposal = propose(facts, batch.event.correlation)
        for _ in range(_RESOLUTIONS):
            unresolved = [
                (observation.workload.followed[container].repository, candidate)
                for container, candidate, decision in proposal.decisions
                if candidate and decision.verdict is not Verdict.SKIP and not batch.is_resolved(candidate)
            ]
            if not unresolved:
                break
            for repository, candidate in unresolved:
                assert repository is not None
                batch.resolve(self._registry, repository, candidate)
            facts = replace(facts, candidates={r: self._candidates(batch, r) for r in facts.candidates})
            proposal = propose(facts, batch.event.correlation)
        return facts, proposal

    def _candidates(self, batch: _Batch, repository: Repository) -> list[Candidate]:
        if repository not in batch.heads:
            batch.heads[repository] = self._heads.of(repository)
        return batch.candidates(repository)

    def _first_good(self, record: Record, observation: Observation) -> None:
        """The first steady digests observed are the first last known good ones (design 6.1)."""
        if not record.goods and observation.steady and observation.running and observation.desired > 0:
            self._records.good(record.arn, [Good(observation.running, self._clock.now())])

    # -- acting -----------------------------------------------------------------------------------------------------

    def _begin(self, batch: _Batch, facts: Facts, plan: Plan) -> list[Outcome]:
        """Claims the workload, sets the alarm clock, asks the platform, and records: in this order (redeploy 8.2)."""
        now = self._clock.now()
        pacing = pacing_of(facts)
        previous = facts.record.deployment
        deployment = Deployment(
            plan,
            DeploymentStatus.STARTING,
            began=now,
            deadline=now + timedelta(seconds=pacing.timeout),
            soak_seconds=pacing.soak,
            lease=now + _LEASE,
            version=previous.version + 1 if previous else 1,
            before=facts.observation.rollout,
        )
        try:
            self._records.begin(deployment, previous)
        except ConflictError:
            return self._wait(
                batch, facts, Proposal(plan.workload, ()), Decision(Reason.DEPLOYMENT_IN_PROGRESS, {"by": "Longshore"})
            )
        reminder = batch.event.message("Watch Due", {"workload": plan.workload}, now)
        self._reminder.postpone(reminder, deployment.deadline)
        return self._apply(batch, facts.observation, deployment, facts.record)

    def _apply(
        self, batch: _Batch, observation: Observation, deployment: Deployment, record: Record | None
    ) -> list[Outcome]:
        now = self._clock.now()
        try:
            rollout = self._platform.apply(observation, deployment.plan, resumed=record is None)
        except TransientError:
            self._records.advance(replace(deployment, lease=now))  # whoever retries need not wait for us
            raise
        except PermanentError as error:
            self._records.advance(deployment.ends(DeploymentStatus.FAILED, now, "refused"))
            return self._tell([_failure(batch, deployment.plan.workload, error)])
        return self._started(batch, replace(deployment, rollout=rollout), record)

    def _started(self, batch: _Batch, deployment: Deployment, record: Record | None) -> list[Outcome]:
        outcomes = self._tell([_begun(deployment)])
        self._records.advance(replace(deployment, status=DeploymentStatus.STARTED))
        if record and record.pending:
            self._records.forget(record.arn, record.pending)
        return outcomes

    def _resume(self, batch: _Batch, observation: Observation, deployment: Deployment) -> list[Outcome]:
        """Goes on where another invocation died: adopts what it asked for, or asks for it (the same plan)."""
        now = self._clock.now()
        claimed = self._records.advance(replace(deployment, lease=now + _LEASE))
        rollout = self._platform.find(deployment.plan.workload, deployment.began, deployment.before)
        if rollout:
            return self._started(batch, replace(claimed, rollout=rollout), None)
        return self._apply(batch, observation, claimed, None)

    def _capped(self, batch: _Batch, facts: Facts) -> Decision | None:
        """The blast radius: how many deployments one push, one hour and one cluster may begin (design 10)."""
        pacing = pacing_of(facts)
        cluster = facts.observation.workload.cluster
        if batch.begun >= pacing.per_push:
            until = facts.now + timedelta(minutes=1)
        elif not (
            self._switches.count("all", facts.now, pacing.per_hour)
            and self._switches.count(f"cluster/{cluster}", facts.now, pacing.per_hour)
        ):
            until = facts.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        else:
            batch.begun += 1
            return None
        return Decision(Reason.RATE_CAPPED, {"until": until.isoformat()})

    # -- not acting -------------------------------------------------------------------------------------------------

    def _wait(self, batch: _Batch, facts: Facts, proposal: Proposal, decision: Decision) -> list[Outcome]:
        """Remembers what is waited for, and sees to it that somebody looks again."""
        arn, now = facts.observation.workload.arn, facts.now
        for container, candidate, waiting in proposal.decisions:
            repository = facts.observation.workload.followed[container].repository if container else None
            if candidate and repository and waiting.verdict in (Verdict.WAIT, Verdict.DEPLOY):
                self._records.remember(arn, repository, candidate.tag, now)
        until = _until(facts, decision)
        ended = decision.reason is Reason.DEPLOYMENT_IN_PROGRESS and not _under_way(
            self._records.get(arn), facts.observation
        )
        if ended:  # while we wrote, so nobody else will look again
            until = now + SETTLE
        if until is not None:
            again_at = batch.event.message("Redeploy Requested", {"workload": arn, "reason": "pending"}, now)
            self._postponer.postpone(again_at, until)
        return [_outcome(batch, proposal, decision)]

    def _hold_or_skip(self, batch: _Batch, record: Record, proposal: Proposal, decision: Decision) -> list[Outcome]:
        outcome = _outcome(batch, proposal, decision)
        if decision.verdict is Verdict.SKIP:
            if record.pending:
                self._records.forget(record.arn, record.pending)
            return [outcome]
        if decision.verdict is Verdict.WAIT and decision.reason is not Reason.INCOMPLETE_INDEX:
            return [outcome]
        kind = Kind.DEPLOYMENT_PLANNED if decision.reason is Reason.OBSERVE_ONLY else Kind.DEPLOYMENT_HELD
        what = f"{decision.reason} {sorted(_digests(proposal))}"
        return self._tell_once(record, replace(outcome, kind=kind), what)

    def _tell_once(self, record: Record, outcome: Outcome, what: str) -> list[Outcome]:
        """Tells what stays true until something changes; a sweep would otherwise repeat it every hour."""
        if record.told == what:
            return [replace(outcome, kind=None)]
        self._tell([outcome])
        self._records.tell(record.arn, what)
        return [outcome]

    def _tell(self, outcomes: list[Outcome]) -> list[Outcome]:
        if found := announcements(outcomes):
            self._publisher.publish(found)
        return outcomes

    # -- requests and sweeps ----------------------------------------------------------------------------------------

    def _requested(self, event: Event, request: RedeployRequested) -> list[Outcome]:
        match request.reason:
            case "stop":
                return self._stop(request.arn)
            case reason if reason in _ASKED:
                return self._asked(event, request)
            case _:
                known = self._index.get(request.arn)
                return self._each(event, [known], {}) if known else []

    def _stop(self, arn: str) -> list[Outcome]:
        deployment = self._records.get(arn).deployment
        if deployment and deployment.status is DeploymentStatus.STOPPING and deployment.rollout:
            try:
                self._platform.stop(deployment.rollout)
            except ConflictError:
                return []  # it ended by itself; the watch sees how
        return []

    def _asked(self, event: Event, request: RedeployRequested) -> list[Outcome]:
        """A way back, a heal or a retirement: decided on like everything else, and refused like everything else."""
        batch = _Batch(event, {}, None, None, self._switches.paused())
        observation = self._platform.observe(request.arn)
        record = self._records.get(request.arn)
        if record.deployment and _abandoned(record.deployment, self._clock.now()):
            return self._resume(batch, observation, record.deployment)
        facts = Facts(
            observation,
            record,
            {},
            self._clock.now(),
            profiles=self._rules.profiles,
            passable=self._rules.passable,
            paused=batch.paused,
            observe_only=self._rules.observe_only,
        )
        reason = _ASKED[request.reason]
        proposal = (way_back if reason is Reason.ROLLBACK else again)(facts, event.correlation, reason)
        leading = proposal.leading
        assert leading is not None
        if leading.deploys and proposal.plan:
            return self._begin(batch, facts, proposal.plan)
        return self._hold_or_skip(batch, record, proposal, leading)

    def _swept(self, event: Event, observations: Sequence[Observation]) -> list[Outcome]:
        """Acts on workloads that lag behind what the ledger knows: their events were missed."""
        outcomes: list[Outcome] = []
        batch = _Batch(event, {}, None, None, self._switches.paused() if observations else None)
        for observation in observations:
            if observation.workload.policy is None:
                continue
            try:
                outcomes += self._decide(batch, observation)
            except PermanentError as error:
                outcomes += self._refused(batch, observation.workload.arn, error)
        return outcomes

    def _looked(self, event: Event, due: SweepDue) -> list[Outcome]:
        """Brings a repository's heads up to date; if events were missed, everyone who follows it is decided on."""
        assert due.repository is not None
        missed = self._sweeper.repository(due.repository)
        if not missed:
            return []
        outcome = Outcome(
            "skip",
            "swept",
            event.correlation,
            kind=Kind.EVENTS_MISSED,
            detail={"repository": str(due.repository), "tags": sorted(missed)[:100], "count": len(missed)},
        )
        self._tell([outcome])
        return [outcome, *self._each(event, self._index.runs(due.repository), {})]


class _Batch:
    """What the decisions on one event share: heads, resolved candidates, the pause, and how many began."""

    def __init__(
        self,
        event: Event,
        heads: dict[Repository, Sequence[Head]],
        tag: str | None,
        resolved: Candidate | None,
        paused: str | None,
    ) -> None:
        self.event = event
        self.heads = heads
        self.paused = paused
        self.begun = 0
        self.tag = tag
        self._resolved: dict[tuple[Repository, str], Candidate | None] = {}
        if resolved:
            self._resolved[next(iter(heads)), resolved.tag] = resolved

    def candidates(self, repository: Repository) -> list[Candidate]:
        """Every tag that the ledger knows, each as the registry resolved it where that was asked."""
        found = []
        for head in self.heads[repository]:
            key = (repository, head.tag)
            if key not in self._resolved:
                found.append(Candidate(head.tag, head.digest, moved_at=head.moved))
            elif resolved := self._resolved[key]:
                found.append(replace(resolved, moved_at=head.moved))
        return [c for c in found if not is_artifact_tag(c.tag)]

    def is_resolved(self, candidate: Candidate) -> bool:
        """Whether the registry was asked for this candidate."""
        return any(c and (c.tag, c.digest) == (candidate.tag, candidate.digest) for c in self._resolved.values())

    def resolve(self, registry: Registry, repository: Repository, candidate: Candidate) -> None:
        """Asks the registry; a tag that is gone, or no image, is no candidate."""
        resolved = registry.resolve(repository, candidate.tag)
        self._resolved[repository, candidate.tag] = resolved.candidate if resolved and resolved.is_image else None


def _differs(known: Workload, seen: Workload) -> bool:
    ours = {k: v for k, v in seen.tags.items() if k.startswith("longshore:")}
    return replace(known, tags={}) != replace(seen, tags={}) or dict(known.tags) != ours


def _abandoned(deployment: Deployment, now: datetime) -> bool:
    return deployment.status is DeploymentStatus.STARTING and (deployment.lease is None or now >= deployment.lease)


def _under_way(record: Record, observation: Observation) -> bool:
    return observation.rollout_active or bool(record.deployment and record.deployment.status.active)


def _until(facts: Facts, decision: Decision) -> datetime | None:
    if decision.reason is Reason.COOLDOWN:
        return cooled(facts)
    until = decision.detail.get("until")
    return datetime.fromisoformat(str(until)) if until else None


def _digests(proposal: Proposal) -> set[str]:
    return {str(c.digest) for _, c, d in proposal.decisions if c and d.verdict is not Verdict.SKIP}


def _skipped(event: Event, moved: ImageMoved, reason: Reason) -> Outcome:
    detail = {"repository": str(moved.repository), "tag": moved.tag, "digest": moved.digest}
    return Outcome(reason.verdict.value, reason.value, event.correlation, detail=detail)


def _failure(batch: _Batch, arn: str, error: PermanentError) -> Outcome:
    detail = {"why": str(error)[:1000], "error": type(error).__name__}
    return Outcome("hold", "refused", batch.event.correlation, arn, Kind.DEPLOYMENT_FAILED, detail)


def _outcome(batch: _Batch, proposal: Proposal, decision: Decision) -> Outcome:
    """The leading decision, and beside it what was decided on the tag that the event named."""
    shown = [
        {"container": container, "tag": candidate.tag, "digest": candidate.digest, "reason": each.reason.value}
        for container, candidate, each in proposal.decisions
        if candidate and (each.verdict is not Verdict.SKIP or candidate.tag == batch.tag)
    ]
    detail = {**decision.detail, "candidates": shown[:20]}
    return Outcome(
        decision.verdict.value, decision.reason.value, batch.event.correlation, proposal.workload, detail=detail
    )


def _begun(deployment: Deployment) -> Outcome:
    plan = deployment.plan
    detail = {
        "action": plan.action.value,
        "why": plan.reason,
        "changes": [
            {"container": c.container, "tag": c.tag, "digest": c.digest, "image": c.image, "previous": c.previous}
            for c in plan.changes
        ],
        "rollout": deployment.rollout,
        "deadline": deployment.deadline.isoformat(),
        "rollback": plan.rollback,
    }
    return Outcome("deploy", plan.reason, plan.correlation, plan.workload, Kind.DEPLOYMENT_STARTED, detail)
