"""The retry policy as the configuration's `recover` section says it (design 7, recover 4).

Keys that are not read here belong to others; the configuration's schema refuses those that belong to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from longshore.errors import ConfigurationError
from longshore.recover.breaker import BreakerLimits
from longshore.recover.recipe import Network
from longshore.recover.recovery import AttemptKind
from longshore.recover.retry import Backoff, Fallback, Match, MemoryStep, Retry, RetryPolicy, Rule

_Choice = TypeVar("_Choice", bound=StrEnum)
_DAY = 86400
_MOST = 10_000
_LARGEST_MEMORY = 8 * 1024 * 1024
_CODES = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)
_LARGEST_CODE = 255


def read_retry_policy(raw: object) -> RetryPolicy:
    """Reads the compiled configuration's `recover`. Raises ConfigurationError naming the key and the fix."""
    section = _Section("recover", raw if raw is not None else {})
    default = RetryPolicy()
    attempts, budgets, breaker = (section.section(name) for name in ("attempts", "budgets", "breaker"))
    return RetryPolicy(
        attempts={kind: attempts.number(kind.value, default.attempts[kind], most=20) for kind in AttemptKind},
        backoff=section.backoff("backoff", default.backoff),
        slow=section.backoff("slow", default.slow),
        stable=section.number("stable", default.stable),
        max_age=section.number("max_age", default.max_age),
        deadline=section.number("deadline", default.deadline),
        family_per_hour=budgets.number("family_per_hour", default.family_per_hour, most=_MOST),
        cluster_per_hour=budgets.number("cluster_per_hour", default.cluster_per_hour, most=_MOST),
        breaker=BreakerLimits(
            failures=breaker.number("failures", default.breaker.failures, most=_MOST),
            half_open_after=breaker.number("half_open_after", default.breaker.half_open_after),
        ),
        fallback=section.fallback() if "fallback" in section else default.fallback,
        memory=section.memory(default.memory),
        rules=tuple(_rule(each, default) for each in section.sections("rules")),
        networks=tuple(section.networks()),
    )


def _rule(section: _Section, default: RetryPolicy) -> Rule:
    retry = section.choice("retry", Retry)
    own = default.slow if retry is Retry.SLOW else default.backoff
    return Rule(
        match=_match(section.section("match")),
        retry=retry,
        kind=section.choice("counts", AttemptKind) if "counts" in section else AttemptKind.APP,
        attempts=section.number("attempts", 0, most=20) if "attempts" in section else None,
        backoff=section.backoff("backoff", own) if "backoff" in section else None,
        fallback=section.fallback() if "fallback" in section else None,
        memory=section.memory(default.memory) if "memory" in section else None,
    )


def _match(section: _Section) -> Match:
    return Match(
        classes=section.texts("class"),
        exit_codes=tuple(section.codes("exit_code")),
        families=section.texts("family"),
        clusters=section.texts("cluster"),
        owners=section.texts("owner"),
        containers=section.texts("container"),
        reasons=section.texts("reason"),
    )


class _Section:
    """A mapping of the configuration and the key that leads to it."""

    def __init__(self, key: str, raw: object) -> None:
        if not isinstance(raw, Mapping):
            raise ConfigurationError(key, f"is {str(raw)[:40]!r}", "write keys with values below it")
        self._key = key
        self._raw: Mapping[str, Any] = raw

    def __contains__(self, name: str) -> bool:
        return self._raw.get(name) is not None

    def section(self, name: str) -> _Section:
        return _Section(f"{self._key}.{name}", self._raw[name] if name in self else {})

    def sections(self, name: str) -> list[_Section]:
        raw = self._raw[name] if name in self else []
        if not isinstance(raw, list):
            raise self._error(name, "a list")
        return [_Section(f"{self._key}.{name}[{place}]", each) for place, each in enumerate(raw)]

    def number(self, name: str, default: int, least: int = 1, most: int = _DAY) -> int:
        value = self._raw[name] if name in self else default
        if name in self and (isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most):
            raise self._error(name, f"a whole number, {least} to {most}")
        return int(value)

    def choice(self, name: str, choices: type[_Choice]) -> _Choice:
        if self._raw.get(name) not in list(choices):
            raise self._error(name, "one of " + ", ".join(choices))
        return choices(self._raw[name])

    def backoff(self, name: str, default: Backoff) -> Backoff:
        raw = self.section(name)
        read = Backoff(
            base=raw.number("base", default.base),
            factor=raw.number("factor", default.factor, most=10),
            longest=raw.number("max", default.longest),
        )
        if read.base > read.longest:
            fix = "raise max, or lower base"
            raise ConfigurationError(
                f"{self._key}.{name}", f"begins with {read.base}s, more than its max of {read.longest}s", fix
            )
        return read

    def fallback(self) -> tuple[Fallback, ...]:
        found = self.texts("fallback")
        if unknown := [each for each in found if each not in list(Fallback)]:
            raise ConfigurationError(
                f"{self._key}.fallback", f"has {unknown[0][:40]!r}", "one of " + ", ".join(Fallback)
            )
        return tuple(each for each in Fallback if each in found)

    def memory(self, default: MemoryStep) -> MemoryStep:
        raw = self.section("memory")
        percent = raw.number("raise", default.percent, least=0, most=1000)
        return MemoryStep(percent, raw.number("cap", default.cap, most=_LARGEST_MEMORY))

    def networks(self) -> Iterator[tuple[str, Network]]:
        section = self.section("networks")
        for family in section._raw:
            raw = section.section(family)
            subnets, public = raw.texts("subnets"), raw._raw.get("public_ip", False)
            if not subnets:
                raise raw._error("subnets", "the ids of subnets")
            if not isinstance(public, bool):
                raise raw._error("public_ip", "true or false")
            yield family, Network(subnets, raw.texts("security_groups"), public)

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._raw[name] if name in self else []
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(each, str) and each for each in texts):
            raise self._error(name, "text, or a list of texts")
        return tuple(texts)

    def codes(self, name: str) -> list[tuple[int, int]]:
        value = self._raw[name] if name in self else []
        return [self._range(name, each) for each in (value if isinstance(value, list) else [value])]

    def _range(self, name: str, value: object) -> tuple[int, int]:
        match = None if isinstance(value, bool) else _CODES.fullmatch(str(value))
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not 0 <= low <= high <= _LARGEST_CODE:
            raise self._error(name, f"exit codes from 0 to {_LARGEST_CODE}, such as 75 or 1-125")
        return low, high

    def _error(self, name: str, fix: str) -> ConfigurationError:
        return ConfigurationError(f"{self._key}.{name}", f"is {str(self._raw.get(name))[:40]!r}", f"write {fix}")
