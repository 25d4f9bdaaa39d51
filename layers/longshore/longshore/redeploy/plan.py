"""From decisions to one plan for a workload: pure; a dry run stops here (design 3, redeploy 8.7)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from longshore.decisions import Decision, Reason, Verdict
from longshore.gates import SCAN_GATE
from longshore.redeploy.decide import Candidate, Circumstances, Current, Veto, choose
from longshore.redeploy.ownership import Ownership, Stack, as_owned, objection
from longshore.redeploy.pacing import Pacing
from longshore.redeploy.policy import DigestPolicy, Policy, PolicyError, Profile, Write, parse_policy
from longshore.workloads import Action, Change, Controller, DeploymentStatus, Observation, Plan, Workload

if TYPE_CHECKING:
    from longshore.images import Digest, ImageReference, Repository
    from longshore.ports import Head, Record
    from longshore.redeploy.gating import Answers

_CONTROLLERS = {Controller.EXTERNAL: Reason.CONTROLLER_EXTERNAL}
_EXTERNAL = {"why": "whoever creates its task sets deploys it; under deployment controller ECS it would be followed"}


_ON_WHAT_RUNS = frozenset(
    {Reason.UNKNOWN_RUNNING, Reason.SAME_DIGEST, Reason.SAME_CONTENT, Reason.IMMUTABLE_RETAG, Reason.RETAG_IGNORED}
)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that one workload is decided on: what runs, what the ledger knows, and what was found in the registry.

    `candidates` are those of each repository that concern the workload now, `heads` the moves that the ledger knows
    (only their times are used). `contents` are the indexes that run, by digest: one that differs in its attestations
    alone is no other content (redeploy 8.3). `passable` are patterns of role ARNs. `paused` is the reason of the global
    pause. `gates` is what scan said of digests. `updatable` are patterns of the ARNs of stacks, `stack` is the owner's
    where a plan hangs on it.
    """

    observation: Observation
    record: Record
    candidates: Mapping[Repository, Sequence[Candidate]]
    now: datetime
    heads: Mapping[tuple[Repository, str], Head] = field(default_factory=dict)
    contents: Mapping[Digest, Candidate] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    passable: tuple[str, ...] = ()
    paused: str | None = None
    observe_only: bool = False
    gates: Answers = field(default_factory=dict)
    updatable: tuple[str, ...] = ()
    stack: Stack | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed for one workload: a plan if anything deploys, and the decision on every candidate."""

    workload: str
    decisions: tuple[tuple[str, Candidate | None, Decision], ...]
    plan: Plan | None = None
    policy: Policy | None = None

    @property
    def leading(self) -> Decision | None:
        """The decision that says most of the workload: a deployment, else a wait, else a hold, else why not.

        What waits is decided again, and a hold beside it is told then; the other way round the wait would be forgotten.
        """
        order = (Verdict.DEPLOY, Verdict.WAIT, Verdict.HOLD, Verdict.SKIP)
        ranked = sorted((d for _, _, d in self.decisions), key=lambda d: order.index(d.verdict))
        return ranked[0] if ranked else None


def propose(facts: Facts, correlation: str) -> Proposal:
    """Decides on every candidate of every followed container, and plans what deploys as one change of the workload."""
    workload = facts.observation.workload
    if workload.policy is None:
        return _whole(facts, Decision(Reason.NOT_OPTED_IN))
    try:
        policy = parse_policy(workload.policy, facts.profiles)
    except PolicyError as error:
        return _whole(facts, Decision(error.reason, {"problem": str(error)}))
    if facts.observation.refusal and not workload.images:
        return _whole(facts, Decision(facts.observation.refusal.reason, {"why": facts.observation.refusal.why}))
    decisions: list[tuple[str, Candidate | None, Decision]] = []
    changes: list[Change] = []
    for container, reference in sorted(workload.followed.items()):
        offered = facts.candidates.get(_repository(reference), ())
        for candidate, decision in _decided(facts, policy, container, reference, offered):
            decisions.append((container, candidate, decision))
            if decision.deploys:
                changes.append(_change(facts, policy, container, reference, candidate))
    if not changes:
        return Proposal(workload.arn, tuple(decisions), policy=policy)
    kept, unknown = _kept(facts, {change.container for change in changes}) if policy.options.gated else ([], None)
    changes += kept
    why, action = _why(decisions), _action(facts, changes)
    plan = Plan(workload.arn, action, tuple(changes), why, correlation, subject=workload.subject)
    plan = _as_owned(facts, plan)
    along = unknown if policy.options.gated else _taken_along(workload, decisions)
    refusal = along or _refusal(facts, plan)
    if refusal is None:
        return Proposal(workload.arn, tuple(decisions), plan, policy)
    refused = tuple((c, k, refusal if d.deploys else d) for c, k, d in decisions)
    return Proposal(workload.arn, refused, plan, policy)


def _kept(facts: Facts, besides: Collection[str]) -> tuple[list[Change], Decision | None]:
    """What writes the running digests into the containers that stay: behind a gate a deployment resolves no tag anew.

    Else it would bring in whatever a tag names by then, which nobody judged (redeploy 4, defect 1). A decision instead
    where what runs is not known.
    """
    kept: list[Change] = []
    for container, reference in sorted(facts.observation.workload.followed.items()):
        if container in besides or reference.digest:
            continue
        running = facts.observation.running.get(container)
        if running is None:
            return [], Decision(Reason.UNKNOWN_RUNNING, {"container": container})
        tag = facts.observation.human_tags.get(container) or reference.effective_tag
        image = str(reference.with_digest(running))
        declared = facts.observation.workload.images[container]
        kept.append(Change(container, image, running, tag, previous=running, declared=declared))
    return kept, None


def _taken_along(workload: Workload, decisions: Iterable[tuple[str, Candidate | None, Decision]]) -> Decision | None:
    """What forbids an image that any deployment would take up: ECS resolves the tags of all containers anew."""
    for container, candidate, decision in decisions:
        reference = workload.followed[container]
        forbidden = decision.verdict in (Verdict.HOLD, Verdict.WAIT)
        if candidate and forbidden and not reference.digest and candidate.tag == reference.effective_tag:
            return Decision(decision.reason, {**decision.detail, "container": container})
    return None


def way_back(facts: Facts, correlation: str, reason: Reason) -> Proposal:
    """The plan that puts the last known good digests back, by digest and not by revision number (redeploy 8.10)."""
    workload = facts.observation.workload
    good = facts.record.goods[0].digests if facts.record.goods else {}
    tags = _tags_back(facts)
    # A failed deployment leaves the good tasks running, but whatever ECS starts from now on is of the bad image.
    restored = facts.observation.running if facts.observation.steady else {}
    changes = tuple(
        Change(
            container,
            str(reference.with_digest(good[container])),
            good[container],
            tags.get(container) or facts.observation.human_tags.get(container) or reference.tag,
            previous=facts.observation.running.get(container),
            declared=str(reference),
        )
        for container, reference in sorted(workload.followed.items())
        if container in good and reference.digest != good[container]  # all of them: a deployment resolves every tag
    )
    if all(restored.get(change.container) == change.digest for change in changes):
        return _whole(facts, Decision(Reason.SAME_DIGEST, {"why": "nothing else is known to have worked"}))
    plan = Plan(
        workload.arn, Action.REVISE, changes, reason.value, correlation, rollback=True, subject=workload.subject
    )
    plan = _as_owned(facts, plan)
    decision = _refusal(facts, plan) or Decision(reason)
    return Proposal(workload.arn, tuple((c.container, None, decision) for c in changes), plan)


def _tags_back(facts: Facts) -> Mapping[str, str]:
    """What the last known good images were called: else the version that failed would count as the current one.

    `digest` orders nothing: it goes on to follow the tag that is declared now.
    """
    try:
        policy = parse_policy(facts.observation.workload.policy or "", facts.profiles)
    except PolicyError:
        return {}
    return facts.record.goods[0].tags if facts.record.goods and not isinstance(policy, DigestPolicy) else {}


def again(facts: Facts, correlation: str, reason: Reason) -> Proposal:
    """The plan that deploys what is declared once more, as healing and retirement ask for; behind a gate, what runs."""
    workload = facts.observation.workload
    kept, unknown = _kept(facts, ()) if is_gated(facts) else ([], None)
    action = _action(facts, kept)
    plan = Plan(workload.arn, action, tuple(kept), reason.value, correlation, subject=workload.subject)
    plan = _as_owned(facts, plan)
    decision = _veto(facts) or unknown or _refusal(facts, plan) or Decision(reason)
    return Proposal(workload.arn, (("", None, decision),), plan)


def _as_owned(facts: Facts, plan: Plan) -> Plan:
    return as_owned(plan, facts.observation.workload, ownership_of(facts), facts.record, facts.now)


def is_gated(facts: Facts) -> bool:
    """Whether the workload's profile judges images before they are deployed."""
    try:
        return parse_policy(facts.observation.workload.policy or "", facts.profiles).options.gated
    except PolicyError:
        return False


def _whole(facts: Facts, decision: Decision) -> Proposal:
    return Proposal(facts.observation.workload.arn, (("", None, decision),))


def _repository(reference: ImageReference) -> Repository:
    repository = reference.origin
    assert repository is not None  # Workload.followed has no others
    return repository


def _decided(
    facts: Facts, policy: Policy, container: str, reference: ImageReference, offered: Iterable[Candidate]
) -> list[tuple[Candidate, Decision]]:
    repository = _repository(reference)
    tag = facts.observation.human_tags.get(container) or reference.effective_tag
    running = facts.observation.running.get(container)
    head = facts.heads.get((repository, tag)) if tag else None
    same = _equivalents(facts, running)
    moved, since = head.moved if head else None, facts.observation.since
    current = Current(tag=tag, digest=running, equivalents=same, moved_at=moved, since=since)
    answers = choose(policy, current, offered, _circumstances(facts, repository), facts.now)
    return [(candidate, _explained(facts, decision)) for candidate, decision in answers]


def _equivalents(facts: Facts, running: Digest | None) -> frozenset[Digest]:
    """The images of the running index that the workload's platforms run."""
    content = facts.contents.get(running) if running else None
    if content is None:
        return frozenset()
    required = facts.observation.platforms
    return frozenset().union(*map(content.on, required)) if required else frozenset(content.platforms.values())


def _explained(facts: Facts, decision: Decision) -> Decision:
    """The same decision, unless it rests on what runs while that is just changing, or cannot be known.

    During a deployment the service declares what comes and still runs what goes, so whether a tag moved is only known
    at its end. Of a service that another controller rolls out, ECS keeps no service revisions.
    """
    if decision.reason not in _ON_WHAT_RUNS:
        return decision
    unknown = decision.reason is Reason.UNKNOWN_RUNNING
    controller = facts.observation.controller
    if unknown and controller in _CONTROLLERS:
        return Decision(_CONTROLLERS[controller], {**decision.detail, **_EXTERNAL})
    if unknown and facts.observation.desired == 0:
        return Decision(Reason.NOT_RUNNING, decision.detail)
    under_way = _under_way(facts)
    return replace(under_way, detail={**decision.detail, **under_way.detail}) if under_way else decision


def _circumstances(facts: Facts, repository: Repository) -> Circumstances:
    said = {digest: {SCAN_GATE: each.reason} for (where, digest), each in facts.gates.items() if where == repository}
    return Circumstances(
        vetoes=tuple(_vetoes(facts)),
        required_platforms=facts.observation.platforms,
        quarantined=frozenset(facts.record.quarantined),
        gates=said,
    )


def _vetoes(facts: Facts) -> Iterable[Veto]:
    """What forbids any deployment of the workload, whatever the image."""
    record, observation = facts.record, facts.observation
    if observation.refusal:
        yield Veto(observation.refusal.reason, detail={"why": observation.refusal.why})
    if observation.controller in _CONTROLLERS:
        yield Veto(_CONTROLLERS[observation.controller], detail=_EXTERNAL)
    owner = observation.workload.owner
    if owner and owner.kind.undoes:
        why = f"{owner.kind.label} owns the workload and would undo the change"
        yield Veto(Reason.GITOPS_OWNED, detail={"why": f"{why} ({owner.name})" if owner.name else why})
    if facts.paused is not None:
        yield Veto(Reason.PAUSED, detail={"why": facts.paused})
    if record.hold:
        detail = {"why": record.hold.reason, "by": record.hold.actor, "since": record.hold.since.isoformat()}
        yield Veto(Reason.HELD, record.hold.until, detail)
    if under_way := _under_way(facts):
        yield Veto(under_way.reason, detail=under_way.detail)
    elif record.deployment and (until := cooled(facts)) > facts.now:
        yield Veto(Reason.COOLDOWN, until, {"until": until.isoformat()})


def _under_way(facts: Facts) -> Decision | None:
    """That a deployment of the workload is under way, Longshore's or somebody else's."""
    last = facts.record.deployment
    if last and last.status.active:
        return Decision(Reason.DEPLOYMENT_IN_PROGRESS, {"digests": dict(last.plan.digests)})
    if facts.observation.rollout_active and not _given_up(facts):
        return Decision(Reason.DEPLOYMENT_IN_PROGRESS, {"by": "somebody else"})
    return None


def cooled(facts: Facts) -> datetime:
    """When the workload may be deployed to again: `cooldown` after its last deployment began (redeploy 8.12)."""
    last = facts.record.deployment
    if last is None or last.plan.rollback:
        return facts.now
    return last.began + timedelta(seconds=pacing_of(facts).cooldown)


def pacing_of(facts: Facts) -> Pacing:
    """The pacing of the workload's profile."""
    profile = _profile(facts)
    return profile.pacing if profile else Pacing()


def ownership_of(facts: Facts) -> Ownership:
    """What the workload's profile says of owners."""
    profile = _profile(facts)
    return profile.ownership if profile else Ownership()


def _profile(facts: Facts) -> Profile | None:
    policy = facts.observation.workload.policy or ""
    return facts.profiles.get(policy.strip().removeprefix("profile:"))


def _given_up(facts: Facts) -> bool:
    """Whether the platform still works on a deployment of Longshore's that failed."""
    last = facts.record.deployment
    if last is None or last.status is not DeploymentStatus.FAILED:
        return False
    return last.rollout == facts.observation.rollout


def _veto(facts: Facts, *ignored: Reason) -> Decision | None:
    for veto in _vetoes(facts):
        if veto.stands(facts.now) and veto.reason not in (Reason.COOLDOWN, *ignored):
            return Decision(veto.reason, veto.detail)
    return Decision(Reason.OBSERVE_ONLY) if facts.observe_only else None


def _change(facts: Facts, policy: Policy, container: str, reference: ImageReference, candidate: Candidate) -> Change:
    assert candidate.digest is not None  # decide deploys nothing whose digest is unknown
    by_digest = (
        policy.options.write is Write.DIGEST
        or (reference.digest is not None and container not in facts.observation.human_tags)
        or facts.observation.controller is Controller.CODE_DEPLOY  # there ECS fixes no digests: each task asks the tag
    )
    image = reference.with_digest(candidate.digest) if by_digest else reference.with_tag(candidate.tag)
    required = sorted(facts.observation.platforms)
    exact = [candidate.platforms[platform] for platform in required if platform in candidate.platforms]
    variants = sorted(frozenset[str]().union(*map(candidate.on, required)))
    accepts = tuple(dict.fromkeys((*exact, *variants)))
    declared = facts.observation.workload.images[container]
    # A declared image that means the same tag is left as it is written (`name` for `name:latest`).
    same = not by_digest and reference.digest is None and reference.effective_tag == candidate.tag
    return Change(
        container,
        declared if same else str(image),
        candidate.digest,
        candidate.tag,
        accepts or tuple(candidate.platforms.values()),
        facts.observation.running.get(container),
        declared,
    )


def _action(facts: Facts, changes: Iterable[Change]) -> Action:
    same = facts.observation.refreshes and all(change.image == change.declared for change in changes)
    return Action.REFRESH if same else Action.REVISE


def _why(decisions: Iterable[tuple[str, Candidate | None, Decision]]) -> str:
    return next(d.reason.value for _, _, d in decisions if d.deploys)


def _refusal(facts: Facts, plan: Plan) -> Decision | None:
    """What stands against a plan that no single candidate shows: a role that may not be passed, or observing only."""
    if plan.rollback and (veto := _veto(facts, Reason.HELD)):
        return veto
    if against := objection(plan, facts.observation.workload, ownership_of(facts), facts.stack, facts.updatable):
        return against
    if plan.action is Action.REVISE:
        missing = [role for role in facts.observation.roles if not is_passable(role, facts.passable)]
        if missing:
            return Decision(Reason.PASS_ROLE_NOT_GRANTED, {"roles": missing, "parameter": "PassableRoleArns"})
    return Decision(Reason.OBSERVE_ONLY, {"would": plan.action.value}) if facts.observe_only else None


def is_passable(role: str, patterns: Iterable[str]) -> bool:
    """Whether `PassableRoleArns`, whose stars stand for anything, lets a new revision carry a role."""
    return any(fnmatchcase(role, pattern.strip().replace("[", "[[]")) for pattern in patterns)
