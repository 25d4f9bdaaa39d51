"""Mirrors from regsync.yml (regclient)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from longshore.images import ImageReference, is_tag
from longshore_cli.import_found import Found, Rules, UnreadableError, joined, range_of, texts

_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")  # Go's
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_LEAST: Final = 3600
_OF_ALL: Final = ("referrers", "digestTags")
_READ: Final = (*_OF_ALL, "interval", "source", "target", "type", "tags", "tagSets", "platform", "platforms")
_NEEDLESS: Final = ("version", "defaults", "sync", "creds", "parallel", "blobLimit", "cacheCount", "cacheTime")
_NEEDLESS_HERE: Final = ("userAgent", "fastCheck", "fastCopy", "forceRecursive", "referrerSlow")
"""How regsync works, which changes nothing of what is copied."""
_WHY: Final = {
    "backup": "overwritten tags are not kept",
    "schedule": "write every",
    "hooks": "hang a rule on Longshore's bus instead",
    "mediaTypes": "every type that is stored byte for byte is copied",
    "referrerFilters": "write referrers: signatures or none",
    "includeExternal": "foreign layers stay where they are",
    "ratelimit": "write keep_pulls",
    "skipDockerConfig": "logins are secrets by ARN here: write secret below the mirror",
}


def read_regsync(document: Mapping[str, Any], found: Found) -> None:
    """Adds what a file says. Raises UnreadableError."""
    entries, defaults = document.get("sync"), document.get("defaults") or {}
    if not isinstance(entries, list) or not isinstance(defaults, Mapping):
        raise UnreadableError("sync is no list, or defaults is no mapping")
    if document.get("creds"):
        found.skip("creds", "logins are secrets by ARN here: write secret below the mirror")
    _tell_rest(document, "the file", _NEEDLESS, found)
    _tell_rest(defaults, "defaults", (*_OF_ALL, "interval"), found)
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("source"), str):
            found.skip(str(entry)[:80], "it has no source")
            continue
        what = f"{entry['source']} -> {entry.get('target')}"
        try:
            _read_entry(entry, defaults, what, found)
        except ValueError as error:
            found.skip(what, str(error))


def _read_entry(entry: Mapping[str, Any], defaults: Mapping[str, Any], what: str, found: Found) -> None:
    source, target, kind = entry["source"], str(entry.get("target") or ""), entry.get("type")
    if "{{" in source + target:
        raise ValueError("it is a template: write it out")
    if kind not in ("image", "repository"):
        raise ValueError(f"of type {kind}: name each repository")
    upstream, downstream = ImageReference.parse(source), ImageReference.parse(target)
    along = [_flag(entry.get(name, defaults.get(name)), name) for name in _OF_ALL]
    members = {"platforms": _platforms(entry, what, found), "every": _every(entry, defaults, what, found)}
    _tell_rest(entry, what, _READ, found)
    if kind == "image":
        rules: Rules = {"include": [_tag(upstream, downstream)]}
    else:
        rules = _chosen(entry, what, found)
    lists_all = "include" not in rules and "regex" not in rules and "semver" not in rules
    found.add(upstream, downstream, rules, referrers=None if any(along) or lists_all else "none", **members)


def _tag(upstream: ImageReference, downstream: ImageReference) -> str:
    tag = upstream.effective_tag
    if upstream.digest or tag is None:
        raise ValueError("a digest: a mirror follows tags")
    if downstream.effective_tag != tag:
        raise ValueError("a copy under another tag: longshore mirror copy does it once")
    return tag


# -- which tags ------------------------------------------------------------------------------------------------------


def _chosen(entry: Mapping[str, Any], what: str, found: Found) -> Rules:
    """`tags` is one more of `tagSets`: what any of them takes is copied."""
    sets = entry.get("tagSets") or []
    if not isinstance(sets, list):
        raise ValueError("tagSets is no list")
    chosen: Rules | None = None
    for each in [*sets, *([entry["tags"]] if entry.get("tags") else [])]:
        rules = _rules(each, what, found)
        chosen = rules if chosen is None else joined(chosen, rules)
        if chosen is None:
            raise ValueError("its tagSets differ in what they deny, or in ranges: write a mirror for each")
    return chosen or {}


def _rules(raw: object, what: str, found: Found) -> Rules:
    """One set of filters, each of which a tag has to pass."""
    if not isinstance(raw, Mapping):
        raise ValueError("tags is no mapping of allow, deny and semverRange")
    _tell_rest(raw, f"{what}: tags", ("allow", "deny", "semverRange"), found)
    ranges = texts(raw.get("semverRange"), "semverRange")
    allow, deny = (found.expressions(raw.get(name), f"{what}: {name}") for name in ("allow", "deny"))
    if raw.get("allow") and not allow:
        raise ValueError("none of its allow can be taken over")
    if len(deny) < len(raw.get("deny") or []):
        raise ValueError("not all of its deny can be taken over, and more would be copied")
    if ranges and allow:
        raise ValueError("allow and semverRange together: a mirror takes what one of them allows, and would copy more")
    if len(ranges) > 1:
        raise ValueError("several ranges of versions: write a mirror for each")
    rules = {
        "include": list(filter(_is_literal, allow)),
        "regex": [f"^{text}$" for text in allow if not _is_literal(text)],
        "semver": range_of(ranges[0]) if ranges else "",
        "exclude": list(filter(_is_literal, deny)),
        "exclude_regex": [f"^{text}$" for text in deny if not _is_literal(text)],
    }
    return {name: value for name, value in rules.items() if value}


def _is_literal(expression: str) -> bool:
    """Whether an expression takes one tag alone: a dot takes any character."""
    return is_tag(expression) and "." not in expression


# -- the rest --------------------------------------------------------------------------------------------------------


def _platforms(entry: Mapping[str, Any], what: str, found: Found) -> list[str] | None:
    """`platform` names the image that takes the place of its index, `platforms` those that an index keeps."""
    one, many = entry.get("platform"), texts(entry.get("platforms"), "platforms")
    if one:
        return [str(one)]
    if len(many) == 1:
        found.tell(f"{what}: platforms", "an index is not kept for one platform: its image takes the place")
    return many or None


def _every(entry: Mapping[str, Any], defaults: Mapping[str, Any], what: str, found: Found) -> str | int | None:
    """Whole hours as such, else seconds. An entry with a `schedule` has no interval by default."""
    raw = entry.get("interval") or (None if entry.get("schedule") else defaults.get("interval"))
    if not raw:
        return None
    if not isinstance(raw, str) or _DURATION.fullmatch(raw) is None:
        found.skip(f"{what}: interval", f"{str(raw)[:40]!r} is no duration such as 12h or 1h30m")
        return None
    seconds = int(sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(raw)))
    if seconds < _LEAST:
        found.tell(f"{what}: interval", "a mirror is looked at once an hour at most")
    seconds = max(_LEAST, seconds)
    return seconds if seconds % _LEAST else f"{seconds // _LEAST}h"


def _flag(value: object, name: str) -> bool:
    if value in (None, "", "false", "False", "FALSE"):
        return False
    if value in ("true", "True", "TRUE"):
        return True
    raise ValueError(f"{name} is neither true nor false")


def _tell_rest(members: Mapping[str, Any], what: str, known: tuple[str, ...], found: Found) -> None:
    """Whatever is written there and is not read."""
    for name, value in members.items():
        harmless = name in known or name in _NEEDLESS or name in _NEEDLESS_HERE or str(name).startswith("x-")
        if value and value != "false" and not harmless:
            found.skip(f"{what}: {name}", _WHY.get(str(name), "Longshore has nothing like it"))
