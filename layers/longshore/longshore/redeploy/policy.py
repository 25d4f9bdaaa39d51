"""Policies: which tags a workload follows, and the grammar that fits into an AWS tag (design 6.1, redeploy 8.4).

One policy applies to every container that the workload follows; `longshore:containers` says which those are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from longshore.decisions import Reason
from longshore.errors import ConfigurationError
from longshore.images import is_tag
from longshore.redeploy.ownership import Ownership
from longshore.redeploy.pacing import Pacing
from longshore.versions import CalverPattern, Level, Range, VersionError, parse_calver, parse_range
from longshore.workloads import POLICY_TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from longshore.gates import GateTerms
    from longshore.patterns import Pattern


LONGEST_POLICY = 256
"""Characters; an AWS tag value is no longer."""
_GRAMMAR = (
    "write digest, digest:TAG, semver:patch|minor|major, semver:1.x, semver:1.4.x, newest:PREFIX, numeric:PREFIX, "
    "calver:YYYY.MM.DD, pin or profile:NAME"
)
_WILDCARD = re.compile(r"(?:0|[1-9][0-9]*)\.(?:(?:0|[1-9][0-9]*)\.)?x")


class PolicyError(ConfigurationError):
    """A policy or a profile cannot be read; `reason` is the code of the hold that follows."""

    def __init__(self, key: str, problem: str, fix: str = "", reason: Reason = Reason.INVALID_POLICY) -> None:
        super().__init__(key, problem, fix)
        self.reason = reason


class Retag(StrEnum):
    """What to do when the current version is pushed again with another image."""

    ALERT = "alert"
    DEPLOY = "deploy"
    IGNORE = "ignore"


class OnUnknown(StrEnum):
    """What `digest` does when the platform cannot tell which digest runs (redeploy 8.1)."""

    HOLD = "hold"
    DEPLOY = "deploy"


class RedeployOn(StrEnum):
    """What must differ for a deployment: what the workload's platforms run, or the index too (redeploy 8.3)."""

    CONTENT = "content"
    INDEX = "index"


class Write(StrEnum):
    """What a deployment writes into the workload: the tag as declared, or the digest decided on (redeploy 8.5)."""

    DECLARED = "declared"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Options:
    """What only a profile can say; the defaults are those of a policy without one.

    `prerelease` is ``exclude``, ``include`` or ``channel:NAME``. `gates` are those that an image must pass, by
    name, with their terms; `approval` says that somebody must approve it.
    """

    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()
    extract: Pattern | None = None
    prerelease: str = "exclude"
    max_major_jump: int = 5
    immutable_retag: Retag = Retag.ALERT
    allow_downgrade: bool = False
    on_unknown: OnUnknown = OnUnknown.HOLD
    redeploy_on: RedeployOn = RedeployOn.CONTENT
    declared_write: Write | None = None
    gates: Mapping[str, GateTerms] = field(default_factory=dict, hash=False)
    approval: bool = False

    @property
    def gated(self) -> bool:
        """Whether something is bound to the digest that is then deployed."""
        return bool(self.gates) or self.approval

    @property
    def write(self) -> Write:
        """The effective mode: `declared` unless the profile says otherwise or something is bound to the digest."""
        return self.declared_write or (Write.DIGEST if self.gated else Write.DECLARED)


@dataclass(frozen=True, slots=True)
class Profile:
    """A named policy of the configuration with its options; ranges may stand in its policy."""

    name: str
    policy: str
    options: Options = Options()
    pacing: Pacing = field(default_factory=Pacing)
    ownership: Ownership = field(default_factory=Ownership)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What every policy has; `str` gives the text that `parse_policy` reads back."""

    options: Options = Options()
    profile: str | None = None

    @property
    def rule(self) -> str:
        """The policy without its profile, in the grammar."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"profile:{self.profile}" if self.profile else self.rule


@dataclass(frozen=True, slots=True)
class DigestPolicy(Policy):
    """Follows one mutable tag: `tag`, or the one that the workload declares."""

    tag: str | None = None

    @property
    def rule(self) -> str:
        return f"digest:{self.tag}" if self.tag else "digest"


@dataclass(frozen=True, slots=True)
class SemverPolicy(Policy):
    """Follows semantic versions as far as a level or a range allows."""

    allowed: Level | Range

    @property
    def rule(self) -> str:
        return f"semver:{self.allowed}"


@dataclass(frozen=True, slots=True)
class NewestPolicy(Policy):
    """Follows whichever tag with the prefix moved last."""

    prefix: str = ""

    @property
    def rule(self) -> str:
        return f"newest:{self.prefix}" if self.prefix else "newest"


@dataclass(frozen=True, slots=True)
class NumericPolicy(Policy):
    """Follows the highest number after the prefix."""

    prefix: str = ""

    @property
    def rule(self) -> str:
        return f"numeric:{self.prefix}" if self.prefix else "numeric"


@dataclass(frozen=True, slots=True)
class CalverPolicy(Policy):
    """Follows calendar versions."""

    pattern: CalverPattern

    @property
    def rule(self) -> str:
        return f"calver:{self.pattern.text}"


@dataclass(frozen=True, slots=True)
class PinPolicy(Policy):
    """Never moves."""

    @property
    def rule(self) -> str:
        return "pin"


_NO_PROFILES: Mapping[str, Profile] = MappingProxyType({})


def parse_policy(text: str, profiles: Mapping[str, Profile] = _NO_PROFILES) -> Policy:
    """Reads the text of `longshore:policy`; blanks around it do not matter.

    Raises PolicyError naming the tag, or the key of the profile, and what to write instead.
    """
    text = text.strip()
    kind, _, name = text.partition(":")
    if kind != "profile":
        return _Reader(POLICY_TAG, text).read()
    if name not in profiles:
        problem = f"names the profile {name[:80]!r}, which the configuration does not have"
        fix = "profiles: " + (" ".join(sorted(profiles))[:200] or "none")
        raise PolicyError(POLICY_TAG, problem, fix, Reason.PROFILE_UNKNOWN)
    profile = profiles[name]
    key = f"profiles.{name}.policy"
    policy = _Reader(key, profile.policy.strip(), profile.options, name).read()
    if profile.options.allow_downgrade and not isinstance(policy, NewestPolicy):
        raise PolicyError(f"profiles.{name}.allow_downgrade", "is for `newest` alone", "no other policy goes back")
    return policy


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one rule; errors name `key`."""

    key: str
    text: str
    options: Options = field(default=Options())
    profile: str | None = None

    def read(self) -> Policy:
        kind, colon, argument = self.text.partition(":")
        if len(self.text) > LONGEST_POLICY:
            raise self._error(f"is longer than {LONGEST_POLICY} characters")
        if kind not in _KINDS or (colon and not argument):
            raise self._error(f"is {self.text[:80]!r}, which is not a policy")
        return _KINDS[kind](self, argument)

    def digest(self, argument: str) -> Policy:
        return DigestPolicy(tag=self._tag_part(argument), options=self.options, profile=self.profile)

    def newest(self, argument: str) -> Policy:
        return NewestPolicy(prefix=self._tag_part(argument) or "", options=self.options, profile=self.profile)

    def numeric(self, argument: str) -> Policy:
        return NumericPolicy(prefix=self._tag_part(argument) or "", options=self.options, profile=self.profile)

    def semver(self, argument: str) -> Policy:
        allowed = Level(argument) if argument in list(Level) else self._range(argument)
        return SemverPolicy(allowed=allowed, options=self.options, profile=self.profile)

    def calver(self, argument: str) -> Policy:
        try:
            pattern = parse_calver(argument)
        except VersionError as error:
            raise self._error(f"is {self.text[:80]!r}; the pattern {error}", "as in calver:YYYY.MM.DD") from error
        return CalverPolicy(pattern=pattern, options=self.options, profile=self.profile)

    def pin(self, argument: str) -> Policy:
        if argument:
            raise self._error(f"is {self.text[:80]!r}, but pin takes nothing", "declare the image and write pin")
        return PinPolicy(options=self.options, profile=self.profile)

    def _tag_part(self, argument: str) -> str | None:
        if argument and not is_tag(argument):
            raise self._error(f"is {self.text[:80]!r}, but no tag is or begins with {argument[:80]!r}")
        return argument or None

    def _range(self, argument: str) -> Range:
        if self.profile is None and not _WILDCARD.fullmatch(argument):
            fix = "write semver:patch|minor|major, semver:1.x or semver:1.4.x; other ranges belong in a profile"
            raise self._error(f"is {self.text[:80]!r}, which has no level or wildcard", fix)
        try:
            return parse_range(argument)
        except VersionError as error:
            raise self._error(f"is {self.text[:80]!r}; the range {error}", "as in semver:>=1.2 <2") from error

    def _error(self, problem: str, fix: str = _GRAMMAR) -> PolicyError:
        return PolicyError(self.key, problem, fix)


_KINDS: Mapping[str, Callable[[_Reader, str], Policy]] = {
    "digest": _Reader.digest,
    "semver": _Reader.semver,
    "newest": _Reader.newest,
    "numeric": _Reader.numeric,
    "calver": _Reader.calver,
    "pin": _Reader.pin,
}
