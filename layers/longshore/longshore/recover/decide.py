"""The decision about a failed task: pure, from what is known of it now (design 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.recover.breaker import Breaker, BreakerState
from longshore.recover.changes import Changes
from longshore.recover.diagnosis import Diagnosis, Remedy
from longshore.recover.launch import missing, unpassable_roles
from longshore.recover.reasons import Reason, Verdict
from longshore.recover.recovery import Attempt, AttemptKind, AttemptState, Recovery, RecoveryState
from longshore.recover.remedies import Failed, changes_for
from longshore.recover.retry import Retry, RetryPolicy, Rule, Symptom
from longshore.settings import Mode
from longshore.tasks import RECOVER_TAG, RETRY_TAG, Task

if TYPE_CHECKING:
    from longshore.recover.recipe import LaunchRecipe

_LOOK_AGAIN = timedelta(minutes=15)


class Budget(NamedTuple):
    """Replacements that the family and the cluster may still have in this hour."""

    family: int = 1
    cluster: int = 1


class Facts(NamedTuple):
    """All that a decision rests on, but the policy, the mode, the time and chance.

    `definition` is the task definition of DescribeTaskDefinition, `definition_tags` its tags. `recovery` is None when
    nothing of its lineage is in the ledger. `breaker` is the family's. `next_firing` is known of scheduled tasks only.
    `passable_roles` are the patterns of `PassableRoleArns` (None: not asked), `instance` the EC2 instance it ran on.
    `refused` says that RunTask has just refused to launch a replacement of `task`, which is what `diagnosis` is about;
    `ahead` that `task` still runs and is to be replaced before AWS ends it.
    """

    diagnosis: Diagnosis
    task: Task
    definition: Mapping[str, Any]
    definition_tags: Mapping[str, str]
    recipe: LaunchRecipe
    recovery: Recovery | None = None
    breaker: Breaker = Breaker()
    budget: Budget = Budget()
    paused: bool = False
    next_firing: datetime | None = None
    passable_roles: tuple[str, ...] | None = None
    instance: str = ""
    refused: bool = False
    ahead: bool = False


class Decision(NamedTuple):
    """What is done about a failed task, and why.

    `attempt` is the number of the attempt that follows (0: none), `due` when (for WAIT: when to decide again), `kind`
    what it counts against. Where it is only told, `would` is the reason, and with it the verdict, that `auto` would
    have had for a family that opted in.
    """

    verdict: Verdict
    reason: Reason
    attempt: int = 0
    kind: AttemptKind = AttemptKind.INFRA
    due: datetime | None = None
    changes: Changes = Changes()
    would: Reason | None = None


def decide(facts: Facts, policy: RetryPolicy, mode: Mode, now: datetime, jitter: float) -> Decision:
    """What follows from a failed task. `jitter` is drawn by the caller, from 0 up to but not including 1."""
    decision = _unasked(facts, now, policy) or _replacement(facts, policy, now, jitter)
    return _given_up(facts, _told_only(facts, mode, decision))


def symptom(facts: Facts) -> Symptom:
    """What the policy's rules look at."""
    task, container = facts.task, facts.diagnosis.culprit
    code = next((each.exit_code for each in task.containers if each.name == container), None)
    reasons = " ".join(filter(None, (task.stopped_reason, *(each.reason for each in task.containers))))
    return Symptom(_class(facts), task.family, task.cluster_name, facts.diagnosis.owner, container, code, reasons)


def _class(facts: Facts) -> str:
    """The failure's class; where only our own constraint could not be met, it is want of capacity."""
    return "C2" if _misplaced(facts) else facts.diagnosis.cls


def _misplaced(facts: Facts) -> bool:
    """Whether a launch was refused because it was to avoid instances; the next one does not."""
    last = facts.recovery.last if facts.recovery else None
    return facts.refused and facts.diagnosis.cls == "C3" and last is not None and bool(last.changes.avoid)


def _unasked(facts: Facts, now: datetime, policy: RetryPolicy) -> Decision | None:
    """What is decided before anything is asked of the policy: nothing to do, or done already."""
    if facts.definition_tags.get(RECOVER_TAG) == "off":
        return _because(Reason.SILENCED)
    if not (facts.task.final or facts.refused or facts.ahead):
        return _because(Reason.NOT_FINAL)
    if facts.recovery is not None and facts.recovery.state is not RecoveryState.OPEN:
        return _because(Reason.RECOVERY_CLOSED)
    if facts.diagnosis.remedy is Remedy.NONE:
        return _because(Reason.NOTHING_FAILED)
    attempt = facts.recovery.of(facts.task.arn) if facts.recovery else None
    if attempt is None or attempt.state is AttemptState.REFUSED or facts.refused:
        return None
    if attempt.state is AttemptState.LAUNCHED:
        return _because(Reason.ALREADY_REPLACED)
    return _resumed(facts, attempt, now, policy)


def _resumed(facts: Facts, attempt: Attempt, now: datetime, policy: RetryPolicy) -> Decision:
    """A planned attempt is carried out as it was planned, unless it has waited for too long or may no longer be."""
    late = now > attempt.due + timedelta(seconds=policy.max_age)
    safe = safe_again(facts)
    refusal = Reason.TOO_OLD if late else missing(facts.task, facts.recipe, facts.definition)
    if refusal or safe is None:
        return _because(refusal or Reason.NOT_IDEMPOTENT)
    reason, due = (Reason.PAUSED, now + _LOOK_AGAIN) if facts.paused else (safe, attempt.due)
    return Decision(reason.verdict, reason, attempt.number, attempt.kind, due, attempt.changes)


def _replacement(facts: Facts, policy: RetryPolicy, now: datetime, jitter: float) -> Decision:
    rule = policy.rule_for(symptom(facts))
    safe = safe_again(facts)
    refusal = _left_alone(facts, rule, safe) or _refusal(facts, policy, rule, now)
    if refusal or safe is None:
        return _because(refusal or Reason.NOT_IDEMPOTENT)
    changes = changes_for(_failed(facts), rule)
    if changes is None:
        return _because(Reason.MEMORY_CAPPED)
    due = policy.due(rule, facts.recovery, facts.task.ran_for, now, jitter)
    if late := _late(facts, policy, due, now):
        return _because(late)
    last = facts.recovery.last if facts.recovery else None
    number = last.number + 1 if last else 1  # never one that was there before: tokens are made of it
    if waiting := _waiting(facts):
        return Decision(Verdict.WAIT, waiting, number, rule.kind, _later(waiting, now), changes)
    return Decision(Verdict.REPLACE, safe, number, rule.kind, due, changes)


def _failed(facts: Facts) -> Failed:
    return Failed(
        cls=_class(facts),
        task=facts.task,
        recipe=facts.recipe,
        definition=facts.definition,
        culprit=facts.diagnosis.culprit,
        instance=facts.instance,
        recovery=facts.recovery,
    )


def safe_again(facts: Facts) -> Reason | None:
    """Why it may be run again, or None: the line of safety (recover 2.1)."""
    if facts.task.never_started:
        return Reason.NEVER_STARTED
    return Reason.IDEMPOTENT if facts.definition_tags.get(RETRY_TAG) == "idempotent" else None


def _left_alone(facts: Facts, rule: Rule, safe: Reason | None) -> Reason | None:
    """Why another try is not ours, not wanted or not allowed. Only an operator's rule goes beyond the diagnosis."""
    if not facts.diagnosis.owner.nobody:
        return Reason.OWNED_ELSEWHERE
    if rule.retry is Retry.NEVER:
        return Reason.NOT_MENDED
    if safe is None:
        return Reason.NOT_IDEMPOTENT
    mends = facts.diagnosis.remedy in (Remedy.REPLACE, Remedy.STOP) or not rule.built_in or _misplaced(facts)
    return None if mends else Reason.NOT_MENDED


def _refusal(facts: Facts, policy: RetryPolicy, rule: Rule, now: datetime) -> Reason | None:
    """Why it should be replaced and cannot be."""
    if unknown := missing(facts.task, facts.recipe, facts.definition):
        return unknown
    patterns = facts.passable_roles
    if patterns is not None and unpassable_roles(facts.task, facts.definition, patterns):
        return Reason.PASS_ROLE_NOT_GRANTED
    if facts.task.stopped is not None and now > facts.task.stopped + timedelta(seconds=policy.max_age):
        return Reason.TOO_OLD
    if policy.spent(rule, _class(facts), facts.recovery):
        return Reason.ATTEMPTS_SPENT
    return Reason.BREAKER_OPEN if facts.breaker.state(policy.breaker, now) is BreakerState.OPEN else None


def _late(facts: Facts, policy: RetryPolicy, due: datetime, now: datetime) -> Reason | None:
    """Why it would come too late."""
    opened = facts.recovery.opened if facts.recovery else now
    if due > opened + timedelta(seconds=policy.deadline):
        return Reason.DEADLINE_PASSED
    return Reason.NEXT_FIRING if facts.next_firing is not None and facts.next_firing <= due else None


def _waiting(facts: Facts) -> Reason | None:
    if facts.paused:
        return Reason.PAUSED
    if facts.budget.family < 1:
        return Reason.FAMILY_BUDGET
    return Reason.CLUSTER_BUDGET if facts.budget.cluster < 1 else None


def _later(reason: Reason, now: datetime) -> datetime:
    """When to decide again: budgets are of the hour, a pause may end at any time."""
    if reason is Reason.PAUSED:
        return now + _LOOK_AGAIN
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _because(reason: Reason) -> Decision:
    return Decision(reason.verdict, reason)


def _told_only(facts: Facts, mode: Mode, decision: Decision) -> Decision:
    """The same decision, stopped: what is not opted in, or only observed, is told and not touched."""
    if decision.verdict in (Verdict.NONE, Verdict.NOTIFY):
        return decision
    if facts.definition_tags.get(RECOVER_TAG) != "auto":
        return decision._replace(verdict=Verdict.NOTIFY, reason=Reason.NOT_OPTED_IN, would=decision.reason)
    if mode is not Mode.AUTO and decision.verdict in (Verdict.REPLACE, Verdict.WAIT):
        return decision._replace(verdict=Verdict.NOTIFY, reason=Reason.OBSERVE_ONLY, would=decision.reason)
    return decision


def _given_up(facts: Facts, decision: Decision) -> Decision:
    """Once attempts were made, what would be told or refused ends the recovery."""
    begun = facts.recovery is not None and facts.recovery.attempts
    ends = decision.verdict in (Verdict.NOTIFY, Verdict.REFUSE)
    return decision._replace(verdict=Verdict.GIVE_UP) if begun and ends else decision
