"""Which of upstream's tags a mirror is about: chosen by name, pattern or version, and of versions the newest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from longshore.images import is_artifact_tag
from longshore.mirror.reasons import Reason
from longshore.mirror.rules import By, Per
from longshore.versions import SemverTag, parse_semver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from longshore.mirror.rules import TagRules
    from longshore.patterns import Pattern

Choice = tuple[list[str], dict[str, Reason]]
"""The chosen tags, sorted, and why each of the others is left out."""


def choose(
    rules: TagRules, tags: Iterable[str], seen: Mapping[str, datetime], ripe: Mapping[str, bool] | None = None
) -> Choice:
    """Chooses among upstream's tags; `seen` is since when each is known to be there (for `by: time`).

    Asking again with more tags never chooses one that the rules leave out, and at most `latest` of each group. With
    `ripe`, so many that it says are out of quarantine, and newer ones that are not: those it knows, and as many more as
    `latest`. A quarantine begins with being chosen; without them, what is released often would never be copied.
    """
    refusals = {tag: _refusal(rules, tag) for tag in sorted(set(tags))}
    chosen = [tag for tag, refusal in refusals.items() if refusal is None]
    left = {tag: refusal for tag, refusal in refusals.items() if refusal is not None}
    if rules.latest is not None:
        kept = _newest(rules, chosen, seen, ripe)
        left.update((tag, Reason.OLDER) for tag in chosen if tag not in kept)
        chosen = [tag for tag in chosen if tag in kept]
    return chosen, left


def candidates(rules: TagRules, tags: Iterable[str]) -> list[str]:
    """The tags of which `latest` keeps some; of each group the oldest first, by version or else by name."""
    _, groups = _grouped(rules, [tag for tag in set(tags) if _refusal(rules, tag) is None])
    return [tag for group in groups for tag in sorted(group, key=_precedence)]


def _refusal(rules: TagRules, tag: str) -> Reason | None:
    """Why a tag by itself is left out. What is chosen by its very name needs no other ground."""
    if _any(rules.exclude, tag):
        return Reason.EXCLUDED
    if tag in rules.names:
        return None
    if is_artifact_tag(tag):
        return Reason.ARTIFACT
    if not (rules.include or rules.regex or rules.semver):
        return None
    if _any(rules.include, tag) or _any(rules.regex, tag):
        return None
    return _version_refusal(rules, tag) if rules.semver else Reason.NOT_CHOSEN


def _version_refusal(rules: TagRules, tag: str) -> Reason | None:
    version = parse_semver(tag)
    if version is None or rules.semver is None or not rules.semver.permits(version, version):
        return Reason.NOT_CHOSEN
    if version.prerelease and not rules.prerelease:
        return Reason.PRERELEASE
    return None if version.variant in rules.variants else Reason.VARIANT


def _any(patterns: Iterable[Pattern], tag: str) -> bool:
    return any(pattern.matches(tag) for pattern in patterns)


def _newest(
    rules: TagRules, tags: Iterable[str], seen: Mapping[str, datetime], ripe: Mapping[str, bool] | None
) -> set[str]:
    """What stays of `tags`: the newest of each group, and what belongs to none."""
    kept, groups = _grouped(rules, tags)
    for group in groups:
        group.sort(key=_precedence)
        if rules.by is By.TIME:
            # A tag that is not known yet is the newest there is.
            group.sort(key=lambda tag: (tag not in seen, seen[tag].timestamp() if tag in seen else 0.0))
        kept.update(_last(group, rules.latest or 0, ripe))
    return kept


def _last(group: list[str], latest: int, ripe: Mapping[str, bool] | None) -> list[str]:
    """The last of a sorted group, and with `ripe` those that may be so later."""
    if ripe is None:
        return group[-latest:]
    found: list[str] = []
    wanted = latest
    for tag in reversed(group):
        if wanted == 0:
            break
        if tag in ripe or len(found) < latest:
            found.append(tag)
        wanted -= ripe.get(tag, False)
    return found


def _grouped(rules: TagRules, tags: Iterable[str]) -> tuple[set[str], list[list[str]]]:
    """The tags that belong to no group, and the groups: of each all are versions, or none is."""
    apart: set[str] = set()
    groups: dict[tuple[object, ...], list[str]] = {}
    for tag in tags:
        version = parse_semver(tag)
        if tag in rules.names or (version is None and rules.by is By.VERSION):
            apart.add(tag)  # `latest`, say: it has no place in the order
        else:
            groups.setdefault(_group(rules.per, version), []).append(tag)
    return apart, list(groups.values())


def _group(per: Per, version: SemverTag | None) -> tuple[object, ...]:
    if version is None:
        return ()
    depth = {Per.ALL: 0, Per.MAJOR: 1, Per.MINOR: 2}[per]
    return (version.variant, *version.core[:depth])


def _precedence(tag: str) -> tuple[object, str]:
    """By version, else by name, in which numbers count as such: ``build-9`` is before ``build-10``."""
    version = parse_semver(tag)
    if version is not None:
        return version.precedence, tag
    return [int(part) if at % 2 else part for at, part in enumerate(re.split("([0-9]+)", tag))], tag
