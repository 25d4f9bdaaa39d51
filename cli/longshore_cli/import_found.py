"""Mirrors as they are found in other tools' files: joined where one mirror says it all, and what had to be left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from longshore.images import ImageReference
from longshore.patterns import PatternError, compile_pattern
from longshore.versions import VersionError, parse_range

Rules = Mapping[str, Any]
"""The member `tags` of a mirror; empty for every tag."""
_CHOOSING: Final = ("include", "regex", "semver")
_EXCLUDING: Final = ("exclude", "exclude_regex")


class UnreadableError(Exception):
    """The file is none that can be read."""


@dataclass
class Found:
    """Mirrors by what they copy from and to, and what is to be told. `prefix` is where copies go, if not as written."""

    prefix: str | None
    mirrors: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def add(self, source: ImageReference, target: ImageReference, rules: Rules, **members: Any) -> None:
        """One more mirror. Members that are None are not written.

        Raises ValueError where the same repositories are copied on other terms already: one mirror has one set.
        """
        key = _repository(source), self._downstream(target)
        entry = {"from": key[0], "to": key[1]}
        told = {name: value for name, value in members.items() if value is not None}
        known = self.mirrors.get(key)
        if known is not None:
            unlike = sorted(name for name in members if known.get(name) != told.get(name))
            both = joined(known.get("tags", {}), rules)
            if unlike or both is None:
                differs = ", ".join(unlike) or "what is denied, or in ranges of versions"
                raise ValueError(f"these repositories are copied on other terms already, which differ in {differs}")
            rules = both
        self.mirrors[key] = {**entry, **({"tags": dict(rules)} if rules else {}), **told}

    def skip(self, what: str, why: str) -> None:
        """Something that is not taken over."""
        self.left.append(f"left out {what}: {why}")

    def tell(self, what: str, why: str) -> None:
        """Something that is taken over, and becomes another thing."""
        self.left.append(f"{what}: {why}")

    def expressions(self, raw: object, what: str) -> list[str]:
        """Those that are surely fast when they are anchored; the others are told. Raises ValueError for no list."""
        kept = []
        for text in texts(raw, what):
            try:
                compile_pattern(f"^{text}$")
            except PatternError as error:
                self.skip(f"{what}: {text}", str(error))
                continue
            kept.append(text)
        return kept

    def _downstream(self, target: ImageReference) -> str:
        if self.prefix is None:
            return _repository(target)
        separator = "" if self.prefix.endswith(":") else "/"
        return f"{self.prefix}{separator}{target.name}"


def joined(one: Rules, other: Rules) -> Rules | None:
    """The rules for what either chooses; None where none can say it, as what one denies the other may want."""
    if any(set(one.get(name, ())) != set(other.get(name, ())) for name in _EXCLUDING):
        return None
    denied = {name: one[name] for name in _EXCLUDING if name in one}
    if not _chooses(one) or not _chooses(other):
        return denied
    ranges = {rules["semver"] for rules in (one, other) if "semver" in rules}
    if len(ranges) > 1:
        return None
    both = {name: list(dict.fromkeys([*one.get(name, ()), *other.get(name, ())])) for name in ("include", "regex")}
    chosen = {name: value for name, value in both.items() if value}
    return {**chosen, **({"semver": ranges.pop()} if ranges else {}), **denied}


def _chooses(rules: Rules) -> bool:
    return any(name in rules for name in _CHOOSING)


def texts(raw: object, what: str) -> list[str]:
    """A list of texts; none for nothing. Raises ValueError."""
    if raw is None or raw == "":
        return []
    if not isinstance(raw, list) or not all(isinstance(each, str) and each for each in raw):
        raise ValueError(f"{what}: no list of texts")
    return raw


def range_of(text: str) -> str:
    """A range of versions in Longshore's manner. Raises ValueError."""
    tidy = " ".join(text.replace(",", " ").split())
    try:
        parse_range(tidy)
    except VersionError as error:
        raise ValueError(f"the range {text[:80]!r} {error}") from None
    return tidy


def _repository(reference: ImageReference) -> str:
    return str(ImageReference(reference.host, reference.name))
