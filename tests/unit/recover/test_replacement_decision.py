"""What follows from a failed task: replaced, refused, given up, told or left alone, each with its reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from longshore.recover.breaker import Breaker
from longshore.recover.changes import Changes
from longshore.recover.decide import Budget, Decision, decide
from longshore.recover.diagnosis import Owner, Remedy
from longshore.recover.reasons import Reason, Verdict
from longshore.recover.recovery import AttemptKind, AttemptState, RecoveryState
from longshore.recover.retry import Match, MemoryStep, Retry, RetryPolicy, Rule
from longshore.settings import Mode
from tests.unit.recover.recover_samples import (
    AUTO,
    DEFINITION,
    IDEMPOTENT,
    NOW,
    attempt,
    diagnosis,
    facts,
    failed_task,
    ran,
    recipe,
    recovery,
)

POLICY = RetryPolicy()
HOUR = timedelta(hours=1)
PLANNED = attempt(1, state=AttemptState.PLANNED, task="", changes=Changes(memory=1024), due=NOW + timedelta(minutes=5))


def decided(policy: RetryPolicy = POLICY, mode: Mode = Mode.AUTO, jitter: float = 0.5, **members: Any) -> Decision:
    return decide(facts(**members), policy, mode, NOW, jitter)


def told(**members: Any) -> tuple[Verdict, Reason]:
    decision = decided(**members)
    return decision.verdict, decision.reason


def test_what_never_started_is_replaced_at_once() -> None:
    assert decided() == Decision(Verdict.REPLACE, Reason.NEVER_STARTED, 1, AttemptKind.INFRA, NOW)


def test_what_ran_is_replaced_only_where_that_is_allowed() -> None:
    task = failed_task(**ran())
    assert told(task=task) == (Verdict.NOTIFY, Reason.NOT_IDEMPOTENT)
    assert told(task=task, definition_tags=IDEMPOTENT) == (Verdict.REPLACE, Reason.IDEMPOTENT)
    other = {**AUTO, "longshore:retry": "Idempotent"}
    assert told(task=task, definition_tags=other) == (Verdict.NOTIFY, Reason.NOT_IDEMPOTENT)


@pytest.mark.parametrize("owner", list(Owner))
def test_only_what_nobody_else_starts_again_is_replaced(owner: Owner) -> None:
    wanted = (Verdict.REPLACE, Reason.NEVER_STARTED) if owner.nobody else (Verdict.NOTIFY, Reason.OWNED_ELSEWHERE)
    assert told(diagnosis=diagnosis(owner=owner)) == wanted


@pytest.mark.parametrize("cls", ["A1", "A2", "Z", "I2", "G4"])
def test_a_diagnosis_without_remedy_provokes_nothing_whatever_the_rules(cls: str) -> None:
    """A person's stop, a scale-in, a deployment's churn and exit 0."""
    policy = RetryPolicy(rules=(Rule(Match(), Retry.NOW),))
    assert told(policy=policy, diagnosis=diagnosis(cls, Remedy.NONE)) == (Verdict.NONE, Reason.NOTHING_FAILED)


@pytest.mark.parametrize("remedy", [Remedy.NOTIFY, Remedy.REDEPLOY, Remedy.ROLLBACK, Remedy.DRAIN])
def test_another_remedy_than_to_replace_is_respected(remedy: Remedy) -> None:
    assert told(diagnosis=diagnosis("R1", remedy)) == (Verdict.NOTIFY, Reason.NOT_MENDED)


@pytest.mark.parametrize("cls", ["G4", "P3", "C3", "unheard-of"])
def test_what_another_try_does_not_mend_is_told(cls: str) -> None:
    assert told(diagnosis=diagnosis(cls)) == (Verdict.NOTIFY, Reason.NOT_MENDED)


def test_a_rule_of_the_operator_goes_beyond_the_diagnosis_but_not_beyond_safety() -> None:
    policy = RetryPolicy(rules=(Rule(Match(exit_codes=((75, 75),)), Retry.BACKOFF, attempts=2),))
    members: dict[str, Any] = {"policy": policy, "diagnosis": diagnosis("G4", Remedy.NOTIFY)}
    temporary = failed_task(**ran(exit_code=75))
    decision = decided(task=temporary, definition_tags=IDEMPOTENT, **members)
    assert (decision.verdict, decision.kind) == (Verdict.REPLACE, AttemptKind.APP)
    assert decision.due == NOW + timedelta(seconds=7.5)
    assert told(task=temporary, **members) == (Verdict.NOTIFY, Reason.NOT_IDEMPOTENT)
    assert told(task=failed_task(**ran(exit_code=1)), definition_tags=IDEMPOTENT, **members)[1] is Reason.NOT_MENDED


def test_a_rule_of_the_operator_may_forbid() -> None:
    assert told(policy=RetryPolicy(rules=(Rule(Match(classes=("I*",)), Retry.NEVER),)))[1] is Reason.NOT_MENDED


# -- opted in, observed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tags", [{}, {"longshore:recover": "yes"}, {"longshore:retry": "idempotent"}])
def test_what_is_not_opted_in_is_told_what_would_be_done(tags: dict[str, str]) -> None:
    decision = decided(definition_tags=tags)
    assert (decision.verdict, decision.reason, decision.would) == (
        Verdict.NOTIFY,
        Reason.NOT_OPTED_IN,
        Reason.NEVER_STARTED,
    )
    refused = decided(definition_tags=tags, recipe=recipe(network=None))
    assert (refused.verdict, refused.would) == (Verdict.NOTIFY, Reason.NETWORK_UNKNOWN)


def test_a_silenced_family_is_left_alone() -> None:
    assert told(definition_tags={"longshore:recover": "off"}) == (Verdict.NONE, Reason.SILENCED)


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.OFF])
def test_observing_decides_the_same_and_stops_there(mode: Mode) -> None:
    seen, done = decided(mode=mode), decided()
    assert (seen.verdict, seen.reason, seen.would) == (Verdict.NOTIFY, Reason.OBSERVE_ONLY, Reason.NEVER_STARTED)
    assert (seen.attempt, seen.due, seen.changes) == (done.attempt, done.due, done.changes)
    assert decided(mode=mode, budget=Budget(family=0)).would is Reason.FAMILY_BUDGET
    assert told(mode=mode, recipe=recipe(network=None)) == (Verdict.REFUSE, Reason.NETWORK_UNKNOWN)


# -- refusals, each with its reason ---------------------------------------------------------------------------------

EBS = {**DEFINITION, "volumes": [{"name": "data", "configuredAtLaunch": True}]}
OPEN = Breaker(5, NOW - timedelta(minutes=29))
REFUSALS: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.DEFINITION_INACTIVE, {"definition": {**DEFINITION, "status": "INACTIVE"}}),
    (Reason.NETWORK_UNKNOWN, {"recipe": recipe(network=None)}),
    (Reason.VOLUMES_UNKNOWN, {"definition": EBS}),
    (Reason.CAPACITY_UNKNOWN, {"task": failed_task(launchType=""), "recipe": recipe(launch_type=None)}),
    (Reason.GROUP_RESERVED, {"task": failed_task(group="service:web")}),
    (Reason.PASS_ROLE_NOT_GRANTED, {"definition": {**DEFINITION, "taskRoleArn": "arn:r"}, "passable_roles": ()}),
    (Reason.TOO_OLD, {"task": failed_task(stoppedAt=NOW - 6 * HOUR - timedelta(seconds=1))}),
    (Reason.BREAKER_OPEN, {"breaker": OPEN}),
    (Reason.NEXT_FIRING, {"next_firing": NOW}),
    (
        Reason.MEMORY_CAPPED,
        {
            "diagnosis": diagnosis("M1"),
            "task": failed_task(cpu="1024", memory="8192", **ran()),
            "definition_tags": IDEMPOTENT,
        },
    ),
]


@pytest.mark.parametrize(("reason", "members"), REFUSALS, ids=[reason.value for reason, _ in REFUSALS])
def test_every_refusal_has_its_reason_and_ends_what_was_begun(reason: Reason, members: dict[str, Any]) -> None:
    assert told(**members) == (Verdict.REFUSE, reason)
    begun = recovery(attempt(1, task="elsewhere")._replace(failure=attempt(3).failure))
    assert told(**members, recovery=begun) == (Verdict.GIVE_UP, reason)


@pytest.mark.parametrize(
    ("reason", "members"),
    [
        (Reason.NEVER_STARTED, {"task": failed_task(stoppedAt=NOW - 6 * HOUR)}),
        (Reason.NEVER_STARTED, {"breaker": OPEN._replace(opened=NOW - HOUR)}),
        (Reason.NEVER_STARTED, {"next_firing": NOW + timedelta(seconds=1)}),
        (
            Reason.NEVER_STARTED,
            {"definition": {**DEFINITION, "taskRoleArn": "arn:r"}, "passable_roles": ("arn:*",)},
        ),
    ],
)
def test_what_is_just_within_its_bounds_is_replaced(reason: Reason, members: dict[str, Any]) -> None:
    assert told(**members) == (Verdict.REPLACE, reason)


def test_the_next_firing_counts_against_the_back_off() -> None:
    soon = NOW + timedelta(seconds=20)
    members: dict[str, Any] = {"diagnosis": diagnosis("C2", owner=Owner.SCHEDULED), "next_firing": soon}
    assert told(jitter=0.9, **members) == (Verdict.REFUSE, Reason.NEXT_FIRING)
    assert told(jitter=0.1, **members)[0] is Verdict.REPLACE


# -- attempts, deadline, budgets ------------------------------------------------------------------------------------


def after(count: int, cls: str = "I2", **members: Any) -> dict[str, Any]:
    return {
        "task": failed_task(count),
        "recovery": recovery(*[attempt(n, cls) for n in range(1, count + 1)], **members),
    }


def test_attempts_go_on_and_end() -> None:
    assert decided(**after(4)).attempt == 5
    assert told(**after(5)) == (Verdict.GIVE_UP, Reason.ATTEMPTS_SPENT)


def test_after_the_deadline_it_is_given_up() -> None:
    assert told(**after(1, opened=NOW - 24 * HOUR)) == (Verdict.GIVE_UP, Reason.DEADLINE_PASSED)
    assert told(**after(1, opened=NOW - 23 * HOUR))[0] is Verdict.REPLACE


@pytest.mark.parametrize(
    ("reason", "members"),
    [
        (Reason.FAMILY_BUDGET, {"budget": Budget(family=0, cluster=0)}),
        (Reason.CLUSTER_BUDGET, {"budget": Budget(cluster=0)}),
    ],
)
def test_a_spent_budget_waits_for_the_next_hour(reason: Reason, members: dict[str, Any]) -> None:
    decision = decided(**members)
    assert (decision.verdict, decision.reason, decision.due) == (Verdict.WAIT, reason, NOW + HOUR)


def test_a_pause_waits() -> None:
    decision = decided(paused=True, budget=Budget(family=0))
    assert (decision.verdict, decision.reason) == (Verdict.WAIT, Reason.PAUSED)
    assert decision.due == NOW + timedelta(minutes=15)


# -- what is under way ----------------------------------------------------------------------------------------------


def test_a_planned_attempt_is_carried_out_as_it_was_planned() -> None:
    decision = decided(recovery=recovery(PLANNED), jitter=0.9, budget=Budget(0, 0), breaker=OPEN)
    assert decision == Decision(Verdict.REPLACE, Reason.NEVER_STARTED, 1, PLANNED.kind, PLANNED.due, PLANNED.changes)


@pytest.mark.parametrize(
    ("reason", "members"),
    [
        (Reason.NOT_IDEMPOTENT, {"task": failed_task(**ran())}),
        (Reason.DEFINITION_INACTIVE, {"definition": {**DEFINITION, "status": "INACTIVE"}}),
        (Reason.NOT_OPTED_IN, {"definition_tags": {}}),
        (Reason.TOO_OLD, {"recovery": recovery(PLANNED._replace(due=NOW - 7 * HOUR))}),
    ],
)
def test_a_planned_attempt_that_may_no_longer_be_is_given_up(reason: Reason, members: dict[str, Any]) -> None:
    assert told(**{"recovery": recovery(PLANNED), **members}) == (Verdict.GIVE_UP, reason)


def test_a_planned_attempt_waits_while_longshore_is_paused() -> None:
    decision = decided(recovery=recovery(PLANNED), paused=True)
    assert (decision.verdict, decision.attempt, decision.changes) == (Verdict.WAIT, 1, PLANNED.changes)


def test_what_was_replaced_is_not_replaced_again() -> None:
    assert told(recovery=recovery(attempt(1))) == (Verdict.NONE, Reason.ALREADY_REPLACED)


@pytest.mark.parametrize("state", [each for each in RecoveryState if each is not RecoveryState.OPEN])
def test_a_recovery_that_ended_stays_ended(state: RecoveryState) -> None:
    for begun in (recovery(state=state), recovery(attempt(1), state=state), recovery(PLANNED, state=state)):
        assert told(recovery=begun) == (Verdict.NONE, Reason.RECOVERY_CLOSED)


def test_a_refused_launch_is_tried_again_as_the_next_attempt() -> None:
    begun = recovery(attempt(1, state=AttemptState.REFUSED, task=""))
    decision = decided(recovery=begun, refused=True, diagnosis=diagnosis("C1"))
    assert (decision.verdict, decision.attempt) == (Verdict.REPLACE, 2)
    later = decided(recovery=begun)
    assert (later.verdict, later.attempt) == (Verdict.REPLACE, 2)


def test_a_launch_that_was_refused_for_the_instances_avoided_no_longer_avoids_them() -> None:
    begun = recovery(attempt(1, "T1", state=AttemptState.REFUSED, task="", changes=Changes(avoid=("i-1",))))
    members: dict[str, Any] = {
        "task": failed_task(launchType="EC2"),
        "recipe": recipe(launch_type="EC2"),
        "refused": True,
        "diagnosis": diagnosis("C3", Remedy.NOTIFY),
    }
    decision = decided(recovery=begun, **members)
    assert (decision.verdict, decision.changes) == (Verdict.REPLACE, Changes())
    plain = recovery(attempt(1, "T1", state=AttemptState.REFUSED, task=""))
    assert told(recovery=plain, **members) == (Verdict.GIVE_UP, Reason.NOT_MENDED)


def test_what_has_not_stopped_is_left_alone_unless_it_is_replaced_ahead() -> None:
    living = failed_task(lastStatus="RUNNING", stoppedAt=None, **ran())
    assert told(task=living, definition_tags=IDEMPOTENT) == (Verdict.NONE, Reason.NOT_FINAL)
    ahead: dict[str, Any] = {"task": living, "ahead": True, "diagnosis": diagnosis("S1")}
    assert told(**ahead, definition_tags=IDEMPOTENT) == (Verdict.REPLACE, Reason.IDEMPOTENT)
    assert told(**ahead) == (Verdict.NOTIFY, Reason.NOT_IDEMPOTENT)


def test_memory_is_part_of_the_plan() -> None:
    task = failed_task(cpu="256", memory="2048", **ran())
    policy = RetryPolicy(memory=MemoryStep(cap=4096))
    decision = decided(policy, task=task, definition_tags=IDEMPOTENT, diagnosis=diagnosis("M1"))
    assert decision.changes == Changes(cpu=512, memory=3072)
    assert decision.changes.members == ("overrides.cpu", "overrides.memory")


def test_every_reason_has_a_meaning_and_is_a_bare_code() -> None:
    assert all(each.meaning and each.value.replace("-", "").islower() for each in Reason)
    assert len({each.meaning for each in Reason}) == len(Reason)
