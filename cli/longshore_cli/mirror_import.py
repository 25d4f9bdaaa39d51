"""Mirrors from other tools' files: regsync.yml (regclient) and the YAML of `skopeo sync`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from longshore.errors import ConfigurationError
from longshore.images import ImageReference, is_digest, is_tag
from longshore.mirror.reading import read_mirrors
from longshore.patterns import PatternError, compile_pattern
from longshore.versions import VersionError, parse_range

_LONGEST_NAME: Final = 64
_HOURS: Final = re.compile(r"(\d+)h(?:0m)?(?:0s)?|(\d+)m(?:0s)?|(\d+)s")
_LEAST: Final = 3600


class UnreadableError(Exception):
    """The file is none that can be read."""


@dataclass
class _Import:
    """Mirrors as they are found, by what they copy from and to, and what had to be left."""

    prefix: str | None
    mirrors: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def add(self, source: str, target: str, tags: Mapping[str, list[str] | str], **members: Any) -> None:
        """One more; tags of the same repositories are joined."""
        entry = self.mirrors.setdefault((source, target), {"from": source, "to": target})
        fresh = {name: value for name, value in tags.items() if value}
        known = entry.get("tags")
        if len(entry) == 2 and known is None:  # noqa: PLR2004 - the first of its kind
            entry.update({"tags": fresh} if fresh else {})
        elif known is None or not fresh:
            entry.pop("tags", None)  # one of them takes every tag
        else:
            _join(known, fresh)
        entry.update({name: value for name, value in members.items() if value is not None})

    def skip(self, what: str, why: str) -> None:
        """Something that cannot be taken over."""
        self.left.append(f"left out {what}: {why}")


def _join(known: dict[str, Any], fresh: Mapping[str, list[str] | str]) -> None:
    for name, value in fresh.items():
        if isinstance(value, list) and isinstance(known.get(name, []), list):
            known[name] = list(dict.fromkeys([*known.get(name, []), *value]))
        else:
            known.setdefault(name, value)


def imported(content: bytes, prefix: str | None) -> tuple[str, list[str]]:
    """The text of a `mirrors` section, empty when there is nothing in it, and what was left out.

    Raises UnreadableError for a file that is neither tool's.
    """
    try:
        document = yaml.safe_load(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UnreadableError(f"is no YAML: {str(error)[:300]}") from error
    if not isinstance(document, dict) or not document:
        raise UnreadableError("is neither regsync.yml nor the YAML of skopeo sync")
    found = _Import(prefix.rstrip("/") if prefix else None)
    if "sync" in document:
        _regsync(document, found)
    else:
        _skopeo(document, found)
    mirrors = _named(found)
    if not mirrors:
        return "", found.left
    return yaml.safe_dump({"mirrors": mirrors}, sort_keys=False, allow_unicode=True, width=120), found.left


def _named(found: _Import) -> dict[str, Any]:
    """Mirrors with names; those that `longshore config check` would refuse are left out with its reason."""
    named: dict[str, Any] = {}
    for entry in found.mirrors.values():
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", entry["from"].rpartition("/")[2])[: _LONGEST_NAME - 4] or "mirror"
        name = next(n for n in (base, *(f"{base}-{i}" for i in range(2, 1000))) if n not in named)
        try:
            read_mirrors({**named, name: entry})
        except ConfigurationError as error:
            found.skip(f"{entry['from']} -> {entry['to']}", str(error))
            continue
        named[name] = entry
    return named


# -- regsync ---------------------------------------------------------------------------------------------------------


def _regsync(document: Mapping[str, Any], found: _Import) -> None:
    defaults = document.get("defaults") or {}
    if document.get("creds"):
        found.skip("creds", "logins are secrets by ARN here: write secret below the mirror")
    entries = document.get("sync")
    if not isinstance(entries, list):
        raise UnreadableError("sync is no list")
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("source"), str):
            found.skip(str(entry)[:80], "it has no source")
            continue
        what = f"{entry['source']} -> {entry.get('target')}"
        try:
            _regsync_entry({**defaults, **entry}, what, found)
        except ValueError as error:
            found.skip(what, str(error))


def _regsync_entry(entry: Mapping[str, Any], what: str, found: _Import) -> None:
    source, target, kind = entry["source"], str(entry.get("target") or ""), entry.get("type")
    if "{{" in source + target:
        raise ValueError("it is a template: write it out")
    if kind not in ("image", "repository"):
        raise ValueError(f"of type {kind}: name each repository")
    _tell_unsupported(entry, what, found)
    upstream, downstream = ImageReference.parse(source), ImageReference.parse(target)
    members = {
        "platforms": _platforms(entry),
        "referrers": None if entry.get("referrers") or entry.get("digestTags") else "none",
        "every": _every(entry.get("interval")),
    }
    if kind == "image":
        if upstream.digest or downstream.effective_tag != upstream.effective_tag:
            raise ValueError("a copy under another tag: longshore mirror copy does it once")
        tags: dict[str, Any] = {"include": [upstream.effective_tag]}
    else:
        tags = _regsync_tags(entry, what, found)
    found.add(_repository(upstream), _downstream(downstream, found.prefix), tags, **members)


def _regsync_tags(entry: Mapping[str, Any], what: str, found: _Import) -> dict[str, Any]:
    rules = entry.get("tags") or {}
    allow, deny = _expressions(rules.get("allow"), what, found), _expressions(rules.get("deny"), what, found)
    tags: dict[str, Any] = {
        "include": [text for text in allow if is_tag(text)],
        "regex": [f"^{text}$" for text in allow if not is_tag(text)],
        "exclude": [text for text in deny if is_tag(text)],
        "exclude_regex": [f"^{text}$" for text in deny if not is_tag(text)],
    }
    if rules.get("allow") and not allow:
        raise ValueError("none of its allow can be taken over")
    if len(deny) < len(rules.get("deny") or []):
        raise ValueError("not all of its deny can be taken over, and more would be copied")
    ranges = rules.get("semverRange")
    if ranges:
        texts = ranges if isinstance(ranges, list) else [ranges]
        if len(texts) != 1:
            raise ValueError("several ranges of versions: write a mirror for each")
        tags["semver"] = _range(str(texts[0]))
    return tags


def _expressions(raw: object, what: str, found: _Import) -> list[str]:
    """Those that are surely fast; regsync anchors them by itself."""
    kept = []
    for text in raw if isinstance(raw, list) else [raw] if raw else []:
        try:
            compile_pattern(f"^{text}$")
        except PatternError as error:
            found.skip(f"{what}: {text}", str(error))
            continue
        kept.append(str(text))
    return kept


def _platforms(entry: Mapping[str, Any]) -> list[str] | None:
    one, many = entry.get("platform"), entry.get("platforms")
    return [str(one)] if one else [str(each) for each in many] if isinstance(many, list) and many else None


def _tell_unsupported(entry: Mapping[str, Any], what: str, found: _Import) -> None:
    for name, why in (
        ("backup", "overwritten tags are not kept"),
        ("schedule", "write every"),
        ("hooks", "hang a rule on Longshore's bus instead"),
        ("mediaTypes", "every type that is stored byte for byte is copied"),
        ("referrerFilters", "write referrers: signatures or none"),
    ):
        if entry.get(name):
            found.skip(f"{what}: {name}", why)


def _every(interval: object) -> str | int | None:
    match = _HOURS.fullmatch(str(interval or ""))
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if hours:
        return f"{hours}h"
    return max(_LEAST, minutes * 60 + seconds)


# -- skopeo ----------------------------------------------------------------------------------------------------------


def _skopeo(document: Mapping[str, Any], found: _Import) -> None:
    if found.prefix is None:
        raise UnreadableError("names no destination: add --to, as in --to ecr:mirror")
    for host, registry in document.items():
        if not isinstance(registry, dict):
            raise UnreadableError(f"{host} is no registry of skopeo's")
        if registry.get("credentials"):
            found.skip(f"{host}: credentials", "logins are secrets by ARN here: write secret below the mirror")
        if registry.get("cert-dir") or registry.get("tls-verify") is False:
            found.skip(f"{host}: cert-dir, tls-verify", "Longshore trusts public certificates only")
        for name, what, tags in _skopeo_images(host, registry, found):
            try:
                upstream = ImageReference.parse(f"{host}/{name}")
                found.add(_repository(upstream), _downstream(upstream, found.prefix), tags, referrers="none")
            except ValueError as error:
                found.skip(what, str(error))


def _skopeo_images(host: str, registry: Mapping[str, Any], found: _Import) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, tags in (registry.get("images") or {}).items():
        what = f"{host}/{name}"
        listed = [str(tag) for tag in tags or []]
        digests = [tag for tag in listed if is_digest(tag)]
        if digests:
            found.skip(f"{what}: {len(digests)} digests", "a mirror follows tags")
        if not listed or len(digests) < len(listed):
            yield name, what, {"include": [tag for tag in listed if tag not in digests]}
    for name, text in (registry.get("images-by-tag-regex") or {}).items():
        for each in _expressions(_unanchored(str(text)), f"{host}/{name}", found):
            yield name, f"{host}/{name}", {"regex": [f"^{each}$"]}
    for name, text in (registry.get("images-by-semver") or {}).items():
        try:
            yield name, f"{host}/{name}", {"semver": _range(str(text))}
        except ValueError as error:
            found.skip(f"{host}/{name}", str(error))


def _unanchored(text: str) -> str:
    """skopeo searches: an end that is not anchored takes anything."""
    begin, end = text.startswith("^"), text.endswith("$") and not text.endswith("\\$")
    middle = text[1 if begin else 0 : -1 if end else None]
    return ("" if begin else ".*") + middle + ("" if end else ".*")


# -- both ------------------------------------------------------------------------------------------------------------


def _range(text: str) -> str:
    tidy = text.replace(",", " ").strip()
    try:
        parse_range(tidy)
    except VersionError as error:
        raise ValueError(f"the range {text[:80]!r} {error}") from None
    return tidy


def _repository(reference: ImageReference) -> str:
    return str(ImageReference(reference.host, reference.name))


def _downstream(reference: ImageReference, prefix: str | None) -> str:
    if prefix is None:
        return _repository(reference)
    separator = "" if prefix.endswith(":") else "/"
    return f"{prefix}{separator}{reference.name}"
