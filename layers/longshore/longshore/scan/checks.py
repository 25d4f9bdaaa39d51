"""Checks of what scanners say: each answers a usable value or names the field (BadEventError)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from longshore.envelopes import json_object, text
from longshore.errors import BadEventError
from longshore.scan.findings import Severity
from longshore.scan.times import read_time

if TYPE_CHECKING:
    from datetime import datetime

MOST: Final = 1000
"""Things of one kind that one answer may hold: packages of a finding, entries of a list."""
LONGEST_NAME: Final = 1024
"""Characters of a package's name, version or path (inspector2's model)."""
LONGEST_ID: Final = 128
"""Characters of a vulnerability's id (inspector2's model)."""
_TITLE: Final = 300


def at(where: str, key: str) -> str:
    """The path of a member."""
    return f"{where}.{key}" if where else key


def member(container: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    """An object; an empty one where it is missing or null."""
    value = container.get(key)
    return {} if value is None else json_object(value, at(where, key))


def members(container: Mapping[str, Any], key: str, where: str, most: int = MOST) -> Sequence[Any]:
    """A list of at most `most`; an empty one where it is missing or null."""
    value = container.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > most:
        raise BadEventError(at(where, key), f"must be a list of at most {most}")
    return value


def identifier(container: Mapping[str, Any], key: str, where: str, limit: int = LONGEST_ID) -> str:
    """A text that must be there."""
    return text(container, key, where=where, limit=limit)


def name(container: Mapping[str, Any], key: str, where: str, limit: int = LONGEST_NAME) -> str:
    """A name, a version or a path of somebody's file; empty where it is missing.

    It is part of what a finding is known by, so that what cannot be printed is written out instead of dropped.
    """
    value = container.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadEventError(at(where, key), f"must be a string, not {type(value).__name__}")
    if len(value) > limit:
        raise BadEventError(at(where, key), f"is longer than {limit} characters")
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in value)


def free_text(container: Mapping[str, Any], key: str, limit: int = _TITLE) -> str:
    """A text for people: what it holds is of no consequence, so that it is cut and cleaned instead of refused."""
    value = container.get(key)
    if not isinstance(value, str):
        return ""
    return " ".join("".join(each if each.isprintable() else " " for each in value[:limit]).split())


def address(container: Mapping[str, Any], *keys: str) -> str:
    """The first web address of some members, for people to follow; empty where there is none."""
    for key in keys:
        value = container.get(key)
        if isinstance(value, str) and value.startswith(("https://", "http://")) and value.isprintable():
            return value[:LONGEST_NAME]
    return ""


def word(container: Mapping[str, Any], key: str, where: str) -> str:
    """A code of a scanner in capitals; empty where it is missing. AWS adds codes, so that any is taken."""
    return name(container, key, where, 64).strip().upper()


def severity(container: Mapping[str, Any], where: str) -> Severity | None:
    """`severity`; None for UNDEFINED, UNTRIAGED, none at all, and a word that no model knows yet."""
    return Severity.__members__.get(word(container, "severity", where))


def number(container: Mapping[str, Any], key: str, where: str, most: float) -> float | None:
    """A number from 0 to `most`, or None where it is missing."""
    value = container.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadEventError(at(where, key), "must be a number")
    if not 0 <= value <= most:
        raise BadEventError(at(where, key), f"must be a number from 0 to {most:g}")
    return float(value)


def time(container: Mapping[str, Any], key: str, where: str) -> datetime | None:
    """A time in any form that AWS writes, or None where it is missing."""
    value = container.get(key)
    return None if value is None else read_time(value, at(where, key))
