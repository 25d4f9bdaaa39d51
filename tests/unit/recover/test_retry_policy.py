"""The retry policy: rules, attempts, waits, and the family's breaker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import ConfigurationError
from longshore.recover.breaker import Breaker, BreakerLimits, BreakerState
from longshore.recover.catalogue import CLASSES, STUCK
from longshore.recover.diagnosis import Remedy
from longshore.recover.recipe import Network
from longshore.recover.recovery import Attempt, AttemptKind, Recovery
from longshore.recover.retry import BUILT_IN as BUILT_IN_RULES
from longshore.recover.retry import Backoff, Fallback, Match, MemoryStep, Retry, RetryPolicy, Rule, Symptom
from longshore.recover.rules import read_retry_policy
from tests.unit.recover.recover_samples import NOW, attempt, recovery

POLICY = RetryPolicy()
SECOND = timedelta(seconds=1)


def symptom(
    cls: str = "G4", family: str = "etl", exit_code: int | None = 75, reason: str = "Essential container in task exited"
) -> Symptom:
    return Symptom(cls, family, "jobs", "standalone", "app", exit_code, reason)


# -- rules ----------------------------------------------------------------------------------------------------------

BUILT_IN = [
    *[(cls, Retry.NOW, AttemptKind.INFRA, None) for cls in ["S1", "S2", "I1", "I2", "I3", "N1", "N2", "N3", "N4", "T1", "T3", "G5", "W2"]],
    *[(cls, Retry.NOW, AttemptKind.INFRA, 3) for cls in ("P1", "C4")],
    *[(cls, Retry.BACKOFF, AttemptKind.INFRA, 2) for cls in ("R1", "R3", "P5")],
    *[(cls, Retry.BACKOFF, AttemptKind.INFRA, 1) for cls in ("N5", "D1")],
    ("C1", Retry.BACKOFF, AttemptKind.INFRA, None),
    *[(cls, Retry.SLOW, AttemptKind.INFRA, 8) for cls in ("C2", "C5", "P4")],
    *[(cls, Retry.BACKOFF, AttemptKind.APP, 1) for cls in ("T2", "G1", "G2")],
    *[(cls, Retry.BACKOFF, AttemptKind.APP, None) for cls in ("M1", "X1", "H1", "W6")],
    *[(cls, Retry.NEVER, AttemptKind.APP, None) for cls in ("P2", "P3", "P6", "C3", "K1", "G3", "G4", "Z", "R2", "X2", "W7", "new")],
]  # fmt: skip


@pytest.mark.parametrize(("cls", "retry", "kind", "attempts"), BUILT_IN)
def test_every_class_has_its_rule(cls: str, retry: Retry, kind: AttemptKind, attempts: int | None) -> None:
    rule = POLICY.rule_for(symptom(cls))
    assert (rule.retry, rule.attempts) == (retry, attempts)
    assert retry is Retry.NEVER or rule.kind is kind


def test_every_class_that_is_diagnosed_to_be_replaced_has_a_rule_that_tries_again() -> None:
    again = {each.cls for each in CLASSES if each.alone is Remedy.REPLACE}
    assert len(again) > 20
    assert {cls for cls in again if POLICY.rule_for(symptom(cls)).retry is Retry.NEVER} == set()


def test_every_class_with_a_rule_that_tries_again_can_be_replaced() -> None:
    entries = (*CLASSES, *(stuck.entry for stuck in STUCK))
    mended = {each.cls for each in entries if each.alone in (Remedy.REPLACE, Remedy.STOP)}
    listed = {cls for rule in BUILT_IN_RULES if rule.retry is not Retry.NEVER for cls in rule.match.classes}
    assert listed - mended == set()


def test_what_a_rule_leaves_out_is_the_policys() -> None:
    policy = RetryPolicy(backoff=Backoff(7), memory=MemoryStep(10, 64), fallback=(Fallback.ON_DEMAND,))
    rule = policy.rule_for(symptom("C1"))
    assert (rule.backoff, rule.memory, rule.fallback) == (Backoff(7), MemoryStep(10, 64), (Fallback.ON_DEMAND,))
    assert policy.rule_for(symptom("C2")).backoff == policy.slow


@pytest.mark.parametrize(
    ("match", "covers"),
    [
        (Match(), True),
        (Match(classes=("G*",)), True),
        (Match(classes=("M1", "G4")), True),
        (Match(classes=("G5",)), False),
        (Match(exit_codes=((75, 75),)), True),
        (Match(exit_codes=((1, 74), (76, 255))), False),
        (Match(families=("etl*",), clusters=("jobs",)), True),
        (Match(families=("etl*",), clusters=("web",)), False),
        (Match(owners=("standalone",), containers=("a?p",)), True),
        (Match(reasons=("Essential*",)), True),
        (Match(reasons=("Essential",)), False),
        (Match(families=("[e]tl",)), False),
    ],
)
def test_a_rule_covers_what_matches_all_it_names(match: Match, covers: bool) -> None:
    assert match.covers(symptom()) is covers


def test_an_exit_code_that_is_not_there_matches_no_range() -> None:
    assert not Match(exit_codes=((0, 255),)).covers(symptom(exit_code=None))


def test_the_first_rule_that_matches_decides() -> None:
    first, second = (Rule(Match(classes=("G4",)), retry) for retry in (Retry.SLOW, Retry.NOW))
    assert RetryPolicy(rules=(first, second)).rule_for(symptom()).retry is Retry.SLOW
    assert RetryPolicy(rules=(first, second)).rule_for(symptom("I2")).retry is Retry.NOW


# -- attempts -------------------------------------------------------------------------------------------------------


def spent(cls: str, *attempts: Attempt) -> bool:
    return POLICY.spent(POLICY.rule_for(symptom(cls)), cls, recovery(*attempts))


@pytest.mark.parametrize(("cls", "kind", "limit"), [("S2", AttemptKind.INFRA, 5), ("M1", AttemptKind.APP, 3)])
def test_each_kind_has_its_number_of_attempts(cls: str, kind: AttemptKind, limit: int) -> None:
    made = [attempt(number, cls, kind=kind) for number in range(1, limit + 1)]
    assert not spent(cls, *made[:-1])
    assert spent(cls, *made)


def test_the_platforms_faults_do_not_use_up_the_applications_attempts() -> None:
    assert not spent("M1", *[attempt(number, "S2") for number in range(1, 6)])


def test_a_class_may_have_fewer_attempts_than_its_kind() -> None:
    assert spent("T2", attempt(1, "T2", kind=AttemptKind.APP))
    assert not spent("T2", attempt(1, "M1", kind=AttemptKind.APP))
    assert spent("T2", *[attempt(number, "M1", kind=AttemptKind.APP) for number in (1, 2, 3)])


def test_what_takes_long_has_more_attempts() -> None:
    assert not spent("C2", *[attempt(number, "C2") for number in range(1, 8)])
    assert spent("C2", *[attempt(number, "C2") for number in range(1, 9)])


# -- waits ----------------------------------------------------------------------------------------------------------


def wait(cls: str, attempts: tuple[Attempt, ...] = (), ran: float | None = None, jitter: float = 1.0) -> float:
    due = POLICY.due(POLICY.rule_for(symptom(cls)), recovery(*attempts), ran, NOW, jitter)
    return (due - NOW).total_seconds()


@pytest.mark.parametrize(
    ("cls", "waits"),
    [("I2", [0, 15, 30, 60, 120]), ("C1", [15, 30, 60, 120, 240]), ("C2", [120, 240, 480, 960, 1800, 1800])],
)
def test_waits_grow_up_to_their_cap(cls: str, waits: list[float]) -> None:
    made = [attempt(number, cls) for number in range(1, len(waits))]
    assert [wait(cls, tuple(made[:tries])) for tries in range(len(waits))] == waits


def test_jitter_is_full() -> None:
    assert [wait("C1", jitter=jitter) for jitter in (0.0, 0.5, 1.0)] == [0, 7.5, 15]


def test_a_long_run_begins_the_back_off_anew() -> None:
    made = tuple(attempt(number, "I2") for number in (1, 2, 3))
    assert wait("I2", made, ran=599) == 60
    assert wait("I2", made, ran=600) == 0
    after = (*made, attempt(4, "I2", ran=600))
    assert wait("I2", after) == 15


def test_the_other_kinds_attempts_do_not_lengthen_the_wait() -> None:
    assert wait("I2", (attempt(1, "M1", kind=AttemptKind.APP),)) == 0


@given(
    st.sampled_from(["I2", "C1", "C2", "M1"]),
    st.lists(st.tuples(st.sampled_from(AttemptKind), st.none() | st.integers(0, 2000)), max_size=12),
    st.none() | st.integers(0, 2000),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_waits_are_bounded_and_grow_with_chance(
    cls: str, history: list[tuple[AttemptKind, int | None]], ran: int | None, low: float, high: float
) -> None:
    made = tuple(attempt(place + 1, cls, kind=kind, ran=ran) for place, (kind, ran) in enumerate(history))
    low, high = sorted((low, high))
    rule = POLICY.rule_for(symptom(cls))
    assert rule.backoff is not None
    assert 0 <= wait(cls, made, ran, low) <= wait(cls, made, ran, high) <= rule.backoff.longest
    if made and made[-1].kind is rule.kind and (ran is None or ran < 600):
        assert wait(cls, made, ran, high) >= wait(cls, (), None, 0)


# -- the breaker ----------------------------------------------------------------------------------------------------

LIMITS = BreakerLimits(failures=3, half_open_after=600)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(3):
        assert breaker.state(LIMITS, NOW) is BreakerState.CLOSED
        breaker = breaker.failed(LIMITS, NOW)
    return breaker


def test_the_breaker_opens_after_failures_in_a_row_and_tries_one_later() -> None:
    breaker = opened()
    assert breaker.state(LIMITS, NOW + 599 * SECOND) is BreakerState.OPEN
    later = NOW + 600 * SECOND
    assert breaker.state(LIMITS, later) is BreakerState.HALF_OPEN
    trying = breaker.tried(LIMITS, later)
    assert trying.state(LIMITS, later + SECOND) is BreakerState.OPEN
    assert trying.failed(LIMITS, later + 60 * SECOND).state(LIMITS, later + 659 * SECOND) is BreakerState.OPEN
    assert trying.succeeded().state(LIMITS, later) is BreakerState.CLOSED


def test_one_success_begins_the_count_anew() -> None:
    breaker = Breaker().failed(LIMITS, NOW).failed(LIMITS, NOW).succeeded().failed(LIMITS, NOW)
    assert (breaker.failures, breaker.state(LIMITS, NOW)) == (1, BreakerState.CLOSED)


def test_a_closed_breaker_is_not_changed_by_a_try() -> None:
    assert Breaker(1).tried(LIMITS, NOW) == Breaker(1)


def test_a_breaker_survives_the_ledger_with_its_version() -> None:
    for breaker in (Breaker(2), opened()):
        assert Breaker.read(breaker.as_json(), 7) == breaker._replace(version=7)
    assert Breaker(2, version=7).succeeded().version == 7


# -- the ledger -----------------------------------------------------------------------------------------------------


def test_a_recovery_survives_the_ledger_with_its_version() -> None:
    whole = recovery(attempt(1, "S2", zone="eu-west-1a", exit_code=137, ran=12), attempt(2, "C1", task=""))
    assert Recovery.read(whole.as_json(), whole.version) == whole


def test_a_recovery_knows_its_lineage() -> None:
    whole = recovery(attempt(1), attempt(2, task=""))
    assert whole.tasks == (whole.root, attempt(1).task)
    assert whole.of(whole.root) == attempt(1)
    assert whole.of("other") is None
    assert whole.with_attempt(attempt(2)).attempts == (attempt(1), attempt(2))


# -- the configuration ----------------------------------------------------------------------------------------------


def test_without_a_section_the_policy_is_the_default() -> None:
    assert read_retry_policy(None) == read_retry_policy({}) == POLICY


def test_every_key_of_the_section_is_read() -> None:
    policy = read_retry_policy(
        {
            "attempts": {"infra": 7, "app": 1},
            "backoff": {"base": 5, "factor": 3, "max": 60},
            "slow": {"max": 3600},
            "stable": 60,
            "max_age": 3600,
            "deadline": 7200,
            "budgets": {"family_per_hour": 1, "cluster_per_hour": 2},
            "breaker": {"failures": 2, "half_open_after": 60},
            "fallback": ["next-size", "on-demand"],
            "memory": {"raise": 100, "cap": 16384},
            "rules": [
                {
                    "match": {"class": ["G4"], "exit_code": [75, "80-90"], "family": "etl-*", "cluster": "c", "owner": "scheduled", "container": "app", "reason": "*x*"},
                    "retry": "slow",
                    "counts": "infra",
                    "attempts": 2,
                    "backoff": {"base": 60},
                    "fallback": [],
                    "memory": {"cap": 4096},
                },
                {"retry": "never"},
            ],
            "networks": {
                "etl-*": {"subnets": ["subnet-a", "subnet-b"], "security_groups": ["sg-1"], "public_ip": True},
                "*": {"subnets": ["subnet-c"]},
            },
            "crash_loops": "somebody else's",
        }
    )  # fmt: skip
    assert policy == RetryPolicy(
        attempts={AttemptKind.INFRA: 7, AttemptKind.APP: 1},
        backoff=Backoff(5, 3, 60),
        slow=Backoff(120, 2, 3600),
        stable=60,
        max_age=3600,
        deadline=7200,
        family_per_hour=1,
        cluster_per_hour=2,
        breaker=BreakerLimits(2, 60),
        fallback=(Fallback.ON_DEMAND, Fallback.NEXT_SIZE),
        memory=MemoryStep(100, 16384),
        rules=(
            Rule(
                Match(("G4",), ((75, 75), (80, 90)), ("etl-*",), ("c",), ("scheduled",), ("app",), ("*x*",)),
                Retry.SLOW,
                AttemptKind.INFRA,
                2,
                Backoff(60, 2, 1800),
                (),
                MemoryStep(50, 4096),
            ),
            Rule(Match(), Retry.NEVER),
        ),
        networks=(
            ("etl-*", Network(("subnet-a", "subnet-b"), ("sg-1",), True)),
            ("*", Network(("subnet-c",), (), False)),
        ),
    )
    found = policy.declared("etl-nightly")
    assert found is not None
    assert (found.source, found.network) == ("configuration", policy.networks[0][1])
    assert POLICY.declared("etl-nightly") is None


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ([], "recover"),
        ({"attempts": 3}, "recover.attempts"),
        ({"attempts": {"app": 0}}, "recover.attempts.app"),
        ({"attempts": {"app": True}}, "recover.attempts.app"),
        ({"backoff": {"base": 1000}}, "recover.backoff"),
        ({"stable": "10m"}, "recover.stable"),
        ({"deadline": 100_000}, "recover.deadline"),
        ({"fallback": ["moon"]}, "recover.fallback"),
        ({"memory": {"cap": 0}}, "recover.memory.cap"),
        ({"rules": {}}, "recover.rules"),
        ({"networks": {"etl": {}}}, "recover.networks.etl.subnets"),
        ({"networks": {"etl": {"subnets": ["s"], "public_ip": "ENABLED"}}}, "recover.networks.etl.public_ip"),
        ({"rules": [3]}, "recover.rules[0]"),
        ({"rules": [{}]}, "recover.rules[0].retry"),
        ({"rules": [{"retry": "always"}]}, "recover.rules[0].retry"),
        ({"rules": [{"retry": "now"}, {"retry": "now", "match": {"class": [1]}}]}, "recover.rules[1].match.class"),
        *[
            ({"rules": [{"retry": "now", "match": {"exit_code": code}}]}, "recover.rules[0].match.exit_code")
            for code in (-1, 256, "9-1", "1-256", True, "x", [1, "2-"])
        ],
    ],
)
def test_what_cannot_be_read_is_named_with_its_key(raw: object, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_retry_policy(raw)
    assert caught.value.key == key
    assert caught.value.fix
