"""Mirrors from the YAML of `skopeo sync`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from longshore.images import ImageReference, is_digest
from longshore_cli.import_found import Found, Rules, UnreadableError, range_of, texts

_READ: Final = ("images", "images-by-tag-regex", "images-by-semver", "credentials", "cert-dir", "tls-verify")


def read_skopeo(document: Mapping[str, Any], found: Found) -> None:
    """Adds what a file says. Raises UnreadableError."""
    if found.prefix is None:
        raise UnreadableError("names no destination: add --to, as in --to ecr:mirror")
    for host, registry in document.items():
        if not isinstance(registry, Mapping):
            raise UnreadableError(f"{host} is no registry of skopeo's")
        _tell_rest(host, registry, found)
        for name, what, rules in _images(host, registry, found):
            try:
                upstream = ImageReference.parse(f"{host}/{name}")
                # All tags are those of cosign's signatures too.
                found.add(upstream, upstream, rules, referrers="none" if rules else None)
            except ValueError as error:
                found.skip(what, str(error))


def _tell_rest(host: str, registry: Mapping[str, Any], found: Found) -> None:
    if registry.get("credentials"):
        found.skip(f"{host}: credentials", "logins are secrets by ARN here: write secret below the mirror")
    if registry.get("cert-dir") or str(registry.get("tls-verify")).lower() == "false":
        found.skip(f"{host}: cert-dir, tls-verify", "Longshore trusts public certificates only")
    for name in registry:
        if name not in _READ:
            found.skip(f"{host}: {name}", "this is no key of skopeo's")


def _images(host: str, registry: Mapping[str, Any], found: Found) -> Iterator[tuple[str, str, Rules]]:
    for kind, read in (("images", _tags), ("images-by-tag-regex", _regex), ("images-by-semver", _semver)):
        section = registry.get(kind) or {}
        if not isinstance(section, Mapping):
            found.skip(f"{host}: {kind}", "it is no mapping: write NAME: [] for all tags of NAME")
            continue
        for name, value in section.items():
            what = f"{host}/{name}"
            try:
                rules = read(value, what, found)
            except ValueError as error:
                found.skip(what, str(error))
                continue
            if rules is not None:
                yield name, what, rules


def _tags(value: object, what: str, found: Found) -> Rules | None:
    listed = texts(value, "tags")
    digests = [tag for tag in listed if is_digest(tag)]
    if digests:
        found.skip(f"{what}: {len(digests)} digests", "a mirror follows tags")
    if not listed:
        return {}
    tags = [tag for tag in listed if tag not in digests]
    return {"include": tags} if tags else None


def _regex(value: object, what: str, found: Found) -> Rules | None:
    if not isinstance(value, str) or not value:
        raise ValueError("its expression is no text")
    return {"regex": [f"^{kept[0]}$"]} if (kept := found.expressions([_unanchored(value)], what)) else None


def _semver(value: object, what: str, found: Found) -> Rules:
    if not isinstance(value, str):
        raise ValueError("its range is no text")
    return {"semver": range_of(value)}


def _unanchored(text: str) -> str:
    """skopeo searches: an end that is not anchored takes anything."""
    begin, end = text.startswith("^"), text.endswith("$") and not text.endswith("\\$")
    middle = text[1 if begin else 0 : -1 if end else None]
    if "|" in middle and not (begin or end):
        middle = f"(?:{middle})"  # each side of it may be anywhere
    return ("" if begin else ".*") + middle + ("" if end else ".*")
