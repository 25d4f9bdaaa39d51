"""Properties of the decision: bounded attempts, no code run twice unasked, one end for whatever always fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.recover.changes import launch_token
from longshore.recover.decide import Budget, Decision, Facts, decide
from longshore.recover.diagnosis import Remedy
from longshore.recover.reasons import Verdict
from longshore.recover.recovery import Attempt, AttemptKind, AttemptState, Failure, Recovery, RecoveryState
from longshore.recover.retry import BUILT_IN, Match, Retry, RetryPolicy, Rule
from longshore.recover.sizes import MEMORY
from longshore.settings import Mode
from tests.unit.recover.recover_samples import (
    AUTO,
    IDEMPOTENT,
    NOW,
    ROOT,
    arn,
    attempt,
    diagnosis,
    facts,
    failed_task,
    ran,
    recipe,
    recovery,
    spot_recipe,
)

CLASSES = sorted({cls for rule in BUILT_IN for cls in rule.match.classes} | {"G4", "P3", "C3", "Z"})
JITTER = st.floats(0, 1, exclude_max=True)
MOST = {AttemptKind.INFRA: 8, AttemptKind.APP: 3}
"""The highest number of attempts of each kind that the defaults allow."""


@st.composite
def situations(draw: st.DrawFn) -> Facts:
    history = draw(
        st.lists(
            st.tuples(st.sampled_from(CLASSES), st.sampled_from(AttemptState), st.sampled_from(AttemptKind)), max_size=9
        )
    )
    attempts = [attempt(place + 1, cls, state=state, kind=kind) for place, (cls, state, kind) in enumerate(history)]
    state = draw(st.sampled_from(RecoveryState))
    living = draw(st.booleans())
    return facts(
        task=failed_task(
            draw(st.integers(0, 9)),
            **draw(st.sampled_from([{}, ran(), ran(3000, 137)])),
            lastStatus="RUNNING" if living else "STOPPED",
        ),
        diagnosis=diagnosis(draw(st.sampled_from(CLASSES)), draw(st.sampled_from(Remedy))),
        definition_tags=draw(st.sampled_from([{}, AUTO, IDEMPOTENT, {"longshore:recover": "off"}])),
        recipe=draw(st.sampled_from([recipe(), spot_recipe(), recipe(network=None)])),
        recovery=draw(st.sampled_from([None, recovery(*attempts, state=state)])),
        budget=Budget(draw(st.integers(0, 1)), draw(st.integers(0, 1))),
        paused=draw(st.booleans()),
        refused=draw(st.booleans()),
        ahead=draw(st.booleans()),
    )  # fmt: skip


POLICIES = st.sampled_from([RetryPolicy(), RetryPolicy(rules=(Rule(Match(), Retry.NOW, attempts=2),))])


@settings(max_examples=300)
@given(situations(), POLICIES, st.sampled_from(Mode), JITTER)
def test_nothing_is_replaced_that_may_not_be(situation: Facts, policy: RetryPolicy, mode: Mode, jitter: float) -> None:
    decision = decide(situation, policy, mode, NOW, jitter)
    assert decision == decide(situation, policy, mode, NOW, jitter)
    if decision.verdict is not Verdict.REPLACE:
        return
    assert mode is Mode.AUTO
    assert situation.definition_tags["longshore:recover"] == "auto"
    assert situation.task.never_started or situation.definition_tags.get("longshore:retry") == "idempotent"
    assert situation.diagnosis.remedy is not Remedy.NONE
    assert situation.diagnosis.owner.nobody
    assert situation.recipe.network is not None
    assert not situation.paused
    assert situation.recovery is None or situation.recovery.state is RecoveryState.OPEN
    assert decision.due is not None


@settings(max_examples=300)
@given(situations(), POLICIES, st.sampled_from(Mode), JITTER)
def test_a_verdict_is_its_reasons_but_for_what_was_begun(
    situation: Facts, policy: RetryPolicy, mode: Mode, jitter: float
) -> None:
    decision = decide(situation, policy, mode, NOW, jitter)
    begun = situation.recovery is not None and bool(situation.recovery.attempts)
    if decision.verdict is Verdict.GIVE_UP:
        assert begun
    else:
        assert decision.verdict is decision.reason.verdict
        assert not (begun and decision.verdict in (Verdict.NOTIFY, Verdict.REFUSE))
    assert (decision.would is not None) <= (decision.reason.value in ("not-opted-in", "observe-only"))


def lived(
    next_class: Callable[[int], str], jitter: Callable[[int], float], **members: Any
) -> tuple[Recovery, list[Decision]]:
    """A task, and every replacement of it, that fails as soon as it is launched, until something else is decided."""
    whole = Recovery(ROOT, "etl", "jobs", NOW)
    now, made = NOW, []
    for number in range(1, 40):
        cls, task = next_class(number), failed_task(number - 1, stoppedAt=now, **members)
        situation = facts(
            task=task, recovery=whole, diagnosis=diagnosis(cls), definition_tags=IDEMPOTENT, recipe=spot_recipe()
        )
        decision = decide(situation, RetryPolicy(), Mode.AUTO, now, jitter(number))
        made.append(decision)
        if decision.verdict is not Verdict.REPLACE:
            return whole.ended(RecoveryState.GIVEN_UP), made
        assert decision.due is not None
        assert now <= decision.due <= now + timedelta(minutes=30)
        assert decision.attempt == number
        token = launch_token(ROOT, number, decision.changes)
        assert token not in {each.token for each in whole.attempts}
        failure = Failure(now, cls, task.arn)
        launched = Attempt(
            number, decision.kind, failure, decision.due, token, decision.changes, AttemptState.LAUNCHED, arn(number)
        )
        whole, now = whole.with_attempt(launched), decision.due
    raise AssertionError("it went on for ever")


@settings(max_examples=100)
@given(st.data())
def test_what_always_fails_is_tried_within_its_attempts_and_given_up_once(data: st.DataObject) -> None:
    classes = data.draw(st.lists(st.sampled_from(CLASSES), min_size=40, max_size=40))
    chances = data.draw(st.lists(JITTER, min_size=40, max_size=40))
    whole, made = lived(lambda number: classes[number], lambda number: chances[number], **ran())
    for kind, most in MOST.items():
        assert sum(each.kind is kind for each in whole.attempts) <= most
    ends = [each for each in made if each.verdict is not Verdict.REPLACE]
    if whole.attempts:
        assert [each.verdict for each in ends] == [Verdict.GIVE_UP]
    again = facts(task=failed_task(len(whole.attempts)), recovery=whole, diagnosis=diagnosis("I2"))
    assert decide(again, RetryPolicy(), Mode.AUTO, NOW, 0).verdict is Verdict.NONE


def test_a_family_that_runs_out_of_memory_for_ever_ends_at_the_cap() -> None:
    whole, made = lived(lambda _: "M1", lambda _: 0.5, cpu="256", memory="512", **ran())
    assert len(whole.attempts) == 3
    assert made[-1].reason.value == "attempts-spent"
    for each in whole.attempts:
        assert each.changes.memory in MEMORY[each.changes.cpu or 256]


@given(st.sampled_from(CLASSES), JITTER, JITTER)
def test_chance_moves_only_the_time(cls: str, low: float, high: float) -> None:
    low, high = sorted((low, high))
    first, second = (
        decide(facts(diagnosis=diagnosis(cls)), RetryPolicy(), Mode.AUTO, NOW, each) for each in (low, high)
    )
    assert first._replace(due=None) == second._replace(due=None)
    assert first.due is None or second.due is None or first.due <= second.due
