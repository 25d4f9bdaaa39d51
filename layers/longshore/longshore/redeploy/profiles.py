"""Profiles: the `profiles` of the configuration, read into policies' options (design 7, redeploy 8.4).

Keys that are not read here belong to others; the configuration's schema refuses those that belong to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from longshore.patterns import Pattern, PatternError, compile_pattern
from longshore.redeploy.ownership import Ownership, read_ownership
from longshore.redeploy.pacing import Pacing, read_pacing
from longshore.redeploy.policy import OnUnknown, Options, PolicyError, Profile, RedeployOn, Retag, Write, parse_policy
from longshore.redeploy.terms import TermsError, read_gates

if TYPE_CHECKING:
    from longshore.gates import GateTerms

_Choice = TypeVar("_Choice", bound=StrEnum)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PRERELEASE = re.compile(r"exclude|include|channel:[a-z]+")


def read_profiles(raw: object) -> dict[str, Profile]:
    """Reads the compiled configuration's `profiles` and checks every one as a policy.

    Raises PolicyError naming the key and the fix.
    """
    if not isinstance(raw, Mapping):
        raise PolicyError("profiles", "is not a mapping", "name each profile: web-prod: {policy: semver:minor}")
    profiles = {name: read_profile(name, raw[name]) for name in raw}
    for name in profiles:
        parse_policy(f"profile:{name}", profiles)
    return profiles


def read_profile(name: object, raw: object) -> Profile:
    """Reads one profile. Raises PolicyError naming the key and the fix."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PolicyError("profiles", f"has the name {str(name)[:80]!r}", "letters, digits and _ . -, at most 64")
    key = f"profiles.{name}"
    if not isinstance(raw, Mapping):
        raise PolicyError(key, "is not a mapping", "write at least policy: semver:minor")
    if not raw.get("policy") or not isinstance(raw["policy"], str):
        raise PolicyError(f"{key}.policy", "is missing or not text", "as in policy: semver:minor")
    options = _Fields(key, raw).options()
    if options.gated and options.write is Write.DECLARED:
        fix = "write: digest, so that what was judged is what is deployed"
        raise PolicyError(f"{key}.write", "is `declared` beside gates or approvals", fix)
    return Profile(name, _policy(raw), options, _pacing(key, raw), _ownership(key, raw))


def _policy(raw: Mapping[str, Any]) -> str:
    """A range may stand apart from its policy: ``policy: semver`` with ``range: ">=1.2 <2"``."""
    policy = str(raw["policy"])
    return f"semver:{raw['range']}" if policy == "semver" and raw.get("range") else policy


def _pacing(key: str, raw: Mapping[str, Any]) -> Pacing:
    try:
        return read_pacing(raw)
    except ValueError as error:
        member, problem = error.args
        raise PolicyError(f"{key}.{member}", problem) from error


def _ownership(key: str, raw: Mapping[str, Any]) -> Ownership:
    try:
        return read_ownership(raw)
    except ValueError as error:
        member, problem = error.args
        raise PolicyError(f"{key}.{member}", problem) from error


@dataclass(frozen=True, slots=True)
class _Fields:
    key: str
    raw: Mapping[str, Any]

    def options(self) -> Options:
        defaults = Options()
        search = self._flag("search")
        return Options(
            allow=self._patterns("allow", search),
            deny=self._patterns("deny", search),
            extract=self._extract(search),
            prerelease=self._prerelease(),
            max_major_jump=self._count("max_major_jump", defaults.max_major_jump),
            immutable_retag=self._choice("immutable_retag", defaults.immutable_retag, Retag),
            allow_downgrade=self._flag("allow_downgrade"),
            on_unknown=self._choice("on_unknown", defaults.on_unknown, OnUnknown),
            redeploy_on=self._choice("redeploy_on", defaults.redeploy_on, RedeployOn),
            declared_write=self._choice("write", None, Write),
            gates=self._gates(),
            approval=bool(self.raw.get("approvals")),
        )

    def _choice(self, name: str, default: Any, choices: type[_Choice]) -> Any:
        value = self.raw.get(name, default)
        if value is not default and value not in list(choices):
            raise self._error(name, value, "one of " + ", ".join(choices))
        return value if value is default else choices(value)

    def _flag(self, name: str) -> bool:
        value = self.raw.get(name, False)
        if not isinstance(value, bool):
            raise self._error(name, value, "true or false")
        return value

    def _count(self, name: str, default: int) -> int:
        value = self.raw.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._error(name, value, "a whole number, 0 or more")
        return value

    def _prerelease(self) -> str:
        value = self.raw.get("prerelease", "exclude")
        if not isinstance(value, str) or not _PRERELEASE.fullmatch(value):
            raise self._error("prerelease", value, "exclude, include, or a channel as in channel:rc")
        return value

    def _gates(self) -> dict[str, GateTerms]:
        try:
            return read_gates(self.raw.get("gates") or {})
        except TermsError as error:
            raise PolicyError(f"{self.key}.{error.key}", error.problem, error.fix) from error

    def _patterns(self, name: str, search: bool) -> tuple[Pattern, ...]:
        value = self.raw.get(name, ())
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple):
            raise self._error(name, value, "a list of regular expressions")
        return tuple(self._pattern(name, text, search) for text in texts)

    def _pattern(self, name: str, text: object, search: bool) -> Pattern:
        if not isinstance(text, str):
            raise self._error(name, text, "a regular expression, in quotes")
        try:
            return compile_pattern(text, search)
        except PatternError as error:
            fix = r"as in '^v?\d+\.\d+\.\d+$', or with search: true to match any part"
            raise PolicyError(f"{self.key}.{name}", f"{text[:80]!r} {error}", fix) from error

    def _extract(self, search: bool) -> Pattern | None:
        if self.raw.get("extract") is None:
            return None
        pattern = self._pattern("extract", self.raw["extract"], search)
        if not pattern.has_key:
            fix = r"as in '^app-(?P<key>\d+\.\d+\.\d+)$'"
            raise PolicyError(f"{self.key}.extract", "has no group named key", fix)
        return pattern

    def _error(self, name: str, value: object, fix: str) -> PolicyError:
        return PolicyError(f"{self.key}.{name}", f"is {str(value)[:80]!r}", fix)
