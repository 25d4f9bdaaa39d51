"""The retry policy: which failures are tried again, how often, how soon, and by which remedies (recover 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import NamedTuple

from longshore.recover.breaker import BreakerLimits
from longshore.recover.recipe import LaunchRecipe, Network
from longshore.recover.recovery import AttemptKind, Recovery


class Retry(StrEnum):
    """How soon another try comes: NOW tries at once first and then backs off, SLOW backs off for what takes longer."""

    NOW = "now"
    BACKOFF = "backoff"
    SLOW = "slow"
    NEVER = "never"


class Fallback(StrEnum):
    """What a replacement may do differently to find capacity, in the order in which it is tried (recover 4)."""

    OTHER_SUBNET = "other-subnet"
    ON_DEMAND = "on-demand"
    NEXT_SIZE = "next-size"


class Backoff(NamedTuple):
    """Seconds: the first wait is up to `base`, each further one up to `factor` times that, none beyond `longest`."""

    base: int = 15
    factor: int = 2
    longest: int = 900

    def delay(self, tries: int, jitter: float) -> timedelta:
        """The wait after `tries` earlier ones: full jitter, anywhere between nothing and the step's ceiling."""
        ceiling = self.base
        for _ in range(tries):
            ceiling = min(self.longest, ceiling * self.factor)
        return timedelta(seconds=jitter * min(self.longest, ceiling))


class MemoryStep(NamedTuple):
    """By how many percent memory is raised after it ran out, and the MiB that no raise exceeds."""

    percent: int = 50
    cap: int = 8192


class Symptom(NamedTuple):
    """What rules look at: a diagnosed failure, as far as it can be matched."""

    cls: str
    family: str
    cluster: str
    owner: str
    container: str = ""
    exit_code: int | None = None
    reason: str = ""


class Match(NamedTuple):
    """What a rule is for: all that is named must match; globs but for `exit_codes`, which are ranges with both ends."""

    classes: tuple[str, ...] = ()
    exit_codes: tuple[tuple[int, int], ...] = ()
    families: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def covers(self, symptom: Symptom) -> bool:
        """Whether a rule with this match is for a failure."""
        globs = (
            (self.classes, symptom.cls),
            (self.families, symptom.family),
            (self.clusters, symptom.cluster),
            (self.owners, symptom.owner),
            (self.containers, symptom.container),
            (self.reasons, symptom.reason),
        )
        return self._covers_code(symptom.exit_code) and all(_any(patterns, text) for patterns, text in globs)

    def _covers_code(self, code: int | None) -> bool:
        return not self.exit_codes or (code is not None and any(low <= code <= high for low, high in self.exit_codes))


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(fnmatchcase(text, each.replace("[", "[[]")) for each in patterns)


class Rule(NamedTuple):
    """What is done about failures that match; None means what the policy says. `built_in`: nobody wrote it."""

    match: Match
    retry: Retry
    kind: AttemptKind = AttemptKind.APP
    attempts: int | None = None
    backoff: Backoff | None = None
    fallback: tuple[Fallback, ...] | None = None
    memory: MemoryStep | None = None
    built_in: bool = False


def _rule(classes: str, retry: Retry, kind: AttemptKind, attempts: int | None = None) -> Rule:
    return Rule(Match(tuple(classes.split())), retry, kind, attempts, built_in=True)


BUILT_IN = (
    _rule("S1 S2 I1 I2 I3 N1 N2 N3 N4 T1 T3 G5 W2", Retry.NOW, AttemptKind.INFRA),
    _rule("P1 C4", Retry.NOW, AttemptKind.INFRA, 3),
    _rule("R1 R3", Retry.BACKOFF, AttemptKind.INFRA, 2),
    _rule("N5 D1", Retry.BACKOFF, AttemptKind.INFRA, 1),
    _rule("P5", Retry.BACKOFF, AttemptKind.INFRA, 2),
    _rule("C1", Retry.BACKOFF, AttemptKind.INFRA),
    _rule("C2 C5 P4", Retry.SLOW, AttemptKind.INFRA, 8),
    _rule("T2 G1 G2", Retry.BACKOFF, AttemptKind.APP, 1),
    _rule("M1 X1 H1 W6", Retry.BACKOFF, AttemptKind.APP),
    Rule(Match(), Retry.NEVER, built_in=True),
)
"""What holds where the operator's rules say nothing (recover 2.4, 4); the last one takes everything."""

_ATTEMPTS: Mapping[AttemptKind, int] = MappingProxyType({AttemptKind.INFRA: 5, AttemptKind.APP: 3})


class RetryPolicy(NamedTuple):
    """The whole policy; durations are seconds. `stable` is how long a replacement must run for the back-off to begin
    anew, `max_age` how old a failure may be, `deadline` how long after the first failure attempts are made,
    `window` how long attempts count once a replacement had brought the task back, `networks` those of families, by
    pattern, for tasks whose own is not known.
    """

    attempts: Mapping[AttemptKind, int] = _ATTEMPTS
    backoff: Backoff = Backoff()
    slow: Backoff = Backoff(base=120, longest=1800)
    stable: int = 600
    max_age: int = 21600
    deadline: int = 86400
    window: int = 86400
    family_per_hour: int = 10
    cluster_per_hour: int = 60
    breaker: BreakerLimits = BreakerLimits()
    fallback: tuple[Fallback, ...] = tuple(Fallback)
    memory: MemoryStep = MemoryStep()
    rules: tuple[Rule, ...] = ()
    networks: tuple[tuple[str, Network], ...] = ()

    def declared(self, family: str) -> LaunchRecipe | None:
        """What the operator says of a family's launches: the last resort, where nothing else tells (recover 3.1)."""
        network = next((each for pattern, each in self.networks if _any((pattern,), family)), None)
        return network and LaunchRecipe(source="configuration", network=network)

    def rule_for(self, symptom: Symptom) -> Rule:
        """The first rule that matches, the operator's before the built-in ones; what it leaves out is filled in."""
        rule = next(each for each in (*self.rules, *BUILT_IN) if each.match.covers(symptom))
        return rule._replace(
            backoff=rule.backoff or (self.slow if rule.retry is Retry.SLOW else self.backoff),
            fallback=self.fallback if rule.fallback is None else rule.fallback,
            memory=rule.memory or self.memory,
        )

    def spent(self, rule: Rule, cls: str, recovery: Recovery | None) -> bool:
        """Whether no attempt is left: neither for this class by its rule, nor for its kind altogether."""
        attempts = recovery.attempts if recovery else ()
        of_kind = sum(each.kind is rule.kind for each in attempts)
        of_class = sum(each.failure.cls == cls for each in attempts)
        limit = self.attempts[rule.kind]
        return of_kind >= max(limit, rule.attempts or 0) or of_class >= (rule.attempts or limit)

    def due(self, rule: Rule, recovery: Recovery | None, ran: float | None, now: datetime, jitter: float) -> datetime:
        """When the next attempt is made. `ran` is for how many seconds what failed now had run."""
        backoff = rule.backoff or self.backoff
        tries = 0 if ran is not None and ran >= self.stable else self._tries(rule.kind, recovery)
        if rule.retry is Retry.NOW:
            return now if tries == 0 else now + backoff.delay(tries - 1, jitter)
        return now + backoff.delay(tries, jitter)

    def _tries(self, kind: AttemptKind, recovery: Recovery | None) -> int:
        """Attempts of a kind since something ran long enough to begin anew."""
        tries = 0
        for each in reversed(recovery.attempts if recovery else ()):
            tries += each.kind is kind
            if each.failure.ran is not None and each.failure.ran >= self.stable:
                break
        return tries
