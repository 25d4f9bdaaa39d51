"""How tags order: semantic versions with variants, ranges of them, numbers and calendar versions (redeploy 8.4)."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from longshore.patterns import LONGEST_TAG

if TYPE_CHECKING:
    from collections.abc import Callable

    from semver import Version

_NUMBER = r"0|[1-9][0-9]*"
_SEMVER = re.compile(rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-([0-9A-Za-z._-]+))?")
_STAGE = r"(?i:alpha|beta|rc|preview|pre|dev|snapshot|m|next|canary|nightly)[0-9]*"
_PRERELEASE = re.compile(rf"{_STAGE}(?:[.-](?:{_STAGE}|[0-9]+)(?=[.-]|$))*(?=[.-]|$)")
_PADDED_NUMBER = re.compile(r"(?:^|\.)0[0-9]+(?=\.|$)")  # SemVer 2.0 item 9 forbids it

Core = tuple[int, int, int]
Magnitude = tuple[int, str]
"""A number of any length: digits without leading zeros, ordered by how many and then by which."""


class VersionError(ValueError):
    """A range or a calendar pattern is malformed."""


@dataclass(frozen=True)
class SemverTag:
    """A tag read as ``[v]MAJOR.MINOR.PATCH[-PRERELEASE][-VARIANT]``, as in ``1.2.0-rc.1-alpine``."""

    core: Core
    prerelease: str = ""
    variant: str = ""

    @cached_property
    def precedence(self) -> Version:
        """Its place in the order of SemVer 2.0, which variants do not affect."""
        from semver import Version  # noqa: PLC0415  30 ms, which only those who follow versions pay

        return Version(*self.core, prerelease=self.prerelease or None)

    @property
    def channel(self) -> str:
        """The first word of the pre-release: ``rc`` for ``rc.2`` and ``RC2``, empty for a final release."""
        return re.split(r"[0-9.-]", self.prerelease, maxsplit=1)[0].lower()


@lru_cache(maxsize=4096)
def parse_semver(tag: str) -> SemverTag | None:
    """Reads a tag strictly, in three parts; None when it is not a semantic version."""
    match = _SEMVER.fullmatch(tag) if len(tag) <= LONGEST_TAG else None
    if match is None:
        return None
    suffix = match[4] or ""
    stage = _PRERELEASE.match(suffix)
    prerelease = stage[0] if stage else ""
    if _PADDED_NUMBER.search(prerelease):
        return None
    variant = suffix[len(prerelease) + 1 :] if stage else suffix
    major, minor, patch = map(int, match.groups()[:3])
    return SemverTag((major, minor, patch), prerelease, variant)


class Level(StrEnum):
    """How far a version may move from the current one."""

    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"

    def permits(self, current: SemverTag, candidate: SemverTag) -> bool:
        """Whether everything above this level stays as it is."""
        fixed = {Level.PATCH: 2, Level.MINOR: 1, Level.MAJOR: 0}[self]
        return candidate.core[:fixed] == current.core[:fixed]


_COMPARATOR = re.compile(
    rf"(?P<op>>=|<=|>|<|=|~|\^)?v?(?P<major>{_NUMBER})"
    rf"(?:\.(?:(?P<minor>{_NUMBER})(?:\.(?:(?P<patch>{_NUMBER})(?:-(?P<pre>[0-9A-Za-z.-]+))?|[xX*]))?|[xX*](?:\.[xX*])?))?"
)
_OPERATOR_SPACE = re.compile(r"(>=|<=|>|<|=|~|\^)\s+")


_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Bound:
    """One side of a range: `relation` to `version`."""

    relation: str
    version: SemverTag

    def holds(self, candidate: SemverTag) -> bool:
        """Whether `candidate` is on the right side; ``<2`` leaves out the pre-releases of 2.0.0 as well."""
        if self.relation == "<" and not self.version.prerelease:
            return candidate.core < self.version.core
        return _HOLDS[self.relation](candidate.precedence, self.version.precedence)


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds that must all hold."""

    text: str
    bounds: tuple[Bound, ...] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.text

    def permits(self, current: SemverTag, candidate: SemverTag) -> bool:
        """Whether `candidate` lies within the range, wherever `current` does."""
        return all(bound.holds(candidate) for bound in self.bounds)


def parse_range(text: str) -> Range:
    """Reads ``>=1.2 <2``, ``~1.4``, ``^1``, ``1.x``, ``1.4.2``: comparators separated by spaces that must all hold.

    Raises VersionError, for ``||``, commas and hyphen ranges too.
    """
    words = _OPERATOR_SPACE.sub(r"\1", text.strip()).split()
    if not words or len(text) > LONGEST_TAG:
        raise VersionError("is not a range")
    bounds: list[Bound] = []
    for word in words:
        match = _COMPARATOR.fullmatch(word)
        if match is None:
            raise VersionError(f"has {word[:40]!r}, which is not a comparator such as >=1.2, <2, ~1.4, ^1 or 1.x")
        bounds += _bounds(match)
    return Range(" ".join(words), tuple(bounds))


def _bounds(match: re.Match[str]) -> list[Bound]:
    """A part that is left out stands for all of its values: ``>1.2`` begins at 1.3.0, ``=1.2`` is ``1.2.x``."""
    parts = [int(part) for part in match.group("major", "minor", "patch") if part is not None]
    low = SemverTag(_core(parts), match["pre"] or "")
    exact = match["patch"] is not None
    relation = match["op"] or "="
    if relation in (">=", "<") or (exact and relation in (">", "<=")):
        return [Bound(relation, low)]
    if relation in (">", "<="):
        return [Bound({">": ">=", "<=": "<"}[relation], _next(parts))]
    if relation == "=" and exact:
        return [Bound(">=", low), Bound("<=", low)]
    significant = len(parts)
    if relation == "~":
        significant = min(2, len(parts))
    elif relation == "^":
        significant = 1 + next((i for i, part in enumerate(parts) if part), len(parts) - 1)
    return [Bound(">=", low), Bound("<", _next(parts[:significant]))]


def _core(parts: list[int]) -> Core:
    major, minor, patch = [*parts, 0, 0][:3]
    return major, minor, patch


def _next(parts: list[int]) -> SemverTag:
    return SemverTag(_core([*parts[:-1], parts[-1] + 1]))


def magnitude(text: str) -> Magnitude | None:
    """Reads ASCII digits, however many; None for anything else. Nothing is rounded (redeploy 4, defect 6)."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return len(digits), digits


@dataclass(frozen=True, slots=True)
class _Token:
    rank: int
    pattern: str
    padded: str = ""  # empty: of any length


_TOKENS = {
    "YYYY": _Token(0, "[0-9]{4}", "[0-9]{4}"),
    "0Y": _Token(0, "[0-9]{2}", "[0-9]{2}"),
    "YY": _Token(0, "[0-9]{2}", "[0-9]{2}"),
    "0M": _Token(1, "0[1-9]|1[0-2]", "0[1-9]|1[0-2]"),
    "MM": _Token(1, "0?[1-9]|1[0-2]", "0[1-9]|1[0-2]"),
    "0W": _Token(1, "[0-4][0-9]|5[0-3]", "[0-4][0-9]|5[0-3]"),
    "WW": _Token(1, "[0-4]?[0-9]|5[0-3]", "[0-4][0-9]|5[0-3]"),
    "0D": _Token(2, "0[1-9]|[12][0-9]|3[01]", "0[1-9]|[12][0-9]|3[01]"),
    "DD": _Token(2, "0?[1-9]|[12][0-9]|3[01]", "0[1-9]|[12][0-9]|3[01]"),
    "MAJOR": _Token(3, "[0-9]+"),
    "MINOR": _Token(4, "[0-9]+"),
    "MICRO": _Token(5, "[0-9]+"),
}
_CALVER_PIECE = re.compile("(MAJOR|MINOR|MICRO|YYYY|0Y|YY|0M|MM|0W|WW|0D|DD)|([a-z0-9_.-])")


@dataclass(frozen=True, slots=True)
class CalverPattern:
    """A calendar pattern such as ``YYYY.MM.DD``, in the tokens of calver.org."""

    text: str
    _regex: re.Pattern[str] = field(repr=False, compare=False)

    def key(self, tag: str) -> tuple[Magnitude, ...] | None:
        """The numbers of `tag` by significance, or None when it does not have the pattern."""
        match = self._regex.fullmatch(tag)
        return tuple(number for part in match.groups() if (number := magnitude(part))) if match else None


def parse_calver(text: str) -> CalverPattern:
    """Compiles a pattern. Raises VersionError unless its tokens run from the year down and tags have one reading."""
    pieces = [match.groups() for match in _CALVER_PIECE.finditer(text)]
    if "".join(token or literal for token, literal in pieces) != text or len(text) > LONGEST_TAG:
        raise VersionError("has a token that is not one of " + " ".join(_TOKENS))
    ranks = [_TOKENS[token].rank for token, _ in pieces if token]
    if not ranks or ranks[0] != 0 or ranks != sorted(set(ranks)):
        raise VersionError("must begin with the year and go on to ever smaller parts, each once")
    tokens = [None, *(token for token, _ in pieces), None]
    regex = ""
    for before, (token, literal), after in zip(tokens, pieces, tokens[2:], strict=False):
        if token and after and not _TOKENS[token].padded:
            raise VersionError(f"needs a separator after {token}")
        regex += re.escape(literal) if not token else f"({_token(token, padded=bool(before or after))})"
    return CalverPattern(text, re.compile(regex))


def _token(name: str, padded: bool) -> str:
    token = _TOKENS[name]
    return token.padded if padded and token.padded else token.pattern
