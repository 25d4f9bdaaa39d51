"""Suppressions as plain data: in the compiled configuration, in the ledger, and in what commands write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from longshore.errors import ConfigurationError
from longshore.images import is_digest
from longshore.scan.globs import GlobError, alternatives
from longshore.scan.purls import PurlError, read_purl
from longshore.scan.suppressions import Justification, Origin, Status, Suppression

LONGEST_TEXT = 1024
"""Characters of an owner or a reason."""
MOST = 100
"""Entries of one list."""
_LONGEST_NAME = 128
_MATCHING = ("vulnerability", "aliases", "packages", "paths", "repositories", "digests")
_LISTS = ("aliases", "packages", "paths", "repositories", "digests")
_Word = TypeVar("_Word", bound=StrEnum)


def as_json(suppression: Suppression) -> dict[str, Any]:
    """A suppression as plain data: what it leaves open is left out."""
    raw: dict[str, Any] = {"id": suppression.id, "origin": suppression.origin.value}
    for name in ("vulnerability", *_LISTS, "until_fix", "owner", "reason", "justification", "status"):
        value = getattr(suppression, name)
        if value:
            raw[name] = list(value) if isinstance(value, tuple) else value
    for name in ("expires", "stated"):
        moment = getattr(suppression, name)
        if moment is not None:
            raw[name] = moment.isoformat()
    return raw


def read_suppressions(raw: object, key: str = "scan.suppressions") -> tuple[Suppression, ...]:
    """What `as_json` made of several. Raises ConfigurationError naming the key."""
    if not isinstance(raw, list | tuple):
        raise ConfigurationError(key, "is not a list", "build the configuration again")
    return tuple(read_suppression(each, f"{key}[{index}]") for index, each in enumerate(raw))


def read_suppression(raw: object, key: str = "suppression") -> Suppression:
    """What `as_json` made of one, or an item of the ledger. Raises ConfigurationError naming the key.

    What has no id is given one that follows from what it matches, so that the same once more takes its place.
    """
    if not isinstance(raw, Mapping):
        raise ConfigurationError(key, "is not a mapping", "write at least vulnerability: CVE-2026-1")
    fields = _Fields(key, raw)
    return Suppression(
        id=fields.text("id", _LONGEST_NAME * 2) or identity(raw),
        origin=fields.word("origin", Origin) or Origin.SWITCH,
        vulnerability=fields.vulnerability("vulnerability", raw.get("vulnerability")),
        packages=tuple(fields.package(*each) for each in fields.items("packages")),
        paths=tuple(fields.path(*each) for each in fields.items("paths")),
        repositories=tuple(fields.glob(*each) for each in fields.items("repositories")),
        digests=tuple(fields.digest(*each) for each in fields.items("digests")),
        expires=fields.moment("expires"),
        until_fix=fields.flag("until_fix"),
        owner=fields.text("owner", LONGEST_TEXT),
        reason=fields.text("reason", LONGEST_TEXT),
        aliases=tuple(fields.vulnerability(*each) for each in fields.items("aliases")),
        justification=fields.word("justification", Justification),
        status=fields.word("status", Status),
        stated=fields.moment("stated"),
    )


def identity(raw: Mapping[str, Any]) -> str:
    """An id that follows from what a suppression matches alone: CVE-2026-1-5d41402abc."""
    matching = {
        name: sorted(value) if isinstance(value, list | tuple) else value
        for name in _MATCHING
        if (value := raw.get(name))
    }
    digest = hashlib.sha256(json.dumps(matching, sort_keys=True, default=str).encode()).hexdigest()
    return f"{raw.get('vulnerability')}-{digest[:10]}"


def moment_of(text: str) -> datetime:
    """A moment with an offset, or a date: its beginning in UTC, as Trivy reads `expired_at`. Raises ValueError."""
    if len(text) == len("2026-12-31"):
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no offset from UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is beyond the calendar") from error


class _Fields:
    """Reads the members of one suppression; errors name their keys."""

    def __init__(self, key: str, raw: Mapping[str, Any]) -> None:
        self._key = key
        self._raw = raw

    def items(self, name: str) -> list[tuple[str, object]]:
        """Each entry of a list, with its key."""
        value = self._raw.get(name) or []
        if not isinstance(value, list | tuple) or len(value) > MOST:
            raise self._error(
                name,
                "is not a list" if not isinstance(value, list | tuple) else f"has {len(value)} entries",
                f"at most {MOST} entries",
            )
        return [(f"{name}[{index}]", each) for index, each in enumerate(value)]

    def text(self, name: str, longest: int) -> str:
        return self._text(name, self._raw.get(name) or "", longest)

    def vulnerability(self, name: str, value: object) -> str:
        text = self._text(name, value, _LONGEST_NAME).strip()
        if not text:
            raise self._error(name, "is missing", "write the id of a vulnerability, such as CVE-2026-1")
        return text

    def package(self, name: str, value: object) -> str:
        text = self._text(name, value, LONGEST_TEXT)
        try:
            read_purl(text)
        except PurlError as error:
            raise self._error(
                name, f"{text[:80]!r} {error}", "write a package URL, such as pkg:deb/debian/openssl"
            ) from error
        return text

    def path(self, name: str, value: object) -> str:
        text = self._text(name, value, LONGEST_TEXT)
        try:
            alternatives(text)
        except GlobError as error:
            raise self._error(name, f"{text[:80]!r} {error}", "write a path, such as app/**/package.json") from error
        return text

    def glob(self, name: str, value: object) -> str:
        text = self._text(name, value, LONGEST_TEXT)
        if not text:
            raise self._error(name, "is empty", "write the name of a repository, or a pattern such as team/*")
        return text

    def digest(self, name: str, value: object) -> str:
        text = self._text(name, value, _LONGEST_NAME)
        if not is_digest(text):
            raise self._error(name, f"{text[:80]!r} is no digest", "write sha256: and 64 hexadecimal digits")
        return text

    def flag(self, name: str) -> bool:
        value = self._raw.get(name) or False
        if not isinstance(value, bool):
            raise self._error(name, f"is {str(value)[:80]!r}", "write true or false")
        return value

    def word(self, name: str, words: type[_Word]) -> _Word | None:
        value = self._raw.get(name)
        if value is None:
            return None
        if value not in list(words):
            raise self._error(name, f"is {str(value)[:80]!r}", "one of " + ", ".join(words))
        return words(value)

    def moment(self, name: str) -> datetime | None:
        value = self._raw.get(name)
        if value is None:
            return None
        text = self._text(name, value, _LONGEST_NAME)
        try:
            return moment_of(text)
        except ValueError as error:
            fix = "write a date, such as 2026-12-31, or a moment with its offset"
            raise self._error(name, f"is {text!r}", fix) from error

    def _text(self, name: str, value: object, longest: int) -> str:
        if not isinstance(value, str):
            raise self._error(name, "is not text", "write text, in quotes")
        if len(value) > longest:
            raise self._error(name, f"has {len(value)} characters", f"at most {longest}")
        return value

    def _error(self, name: str, problem: str, fix: str) -> ConfigurationError:
        return ConfigurationError(f"{self._key}.{name}", problem, fix)
