"""Evidence: which field and text decided, short and without secrets (design 10; recover 2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from longshore.redaction import MARK, redact

if TYPE_CHECKING:
    from longshore.tasks import Task

LIMIT = 300
"""Characters of one piece of evidence."""
_MOST = 6
_LONG = 8
"""A value of the environment from this length on is taken out wherever it stands; a shorter one if its name tells."""
_SHORT = 4
"""A value shorter than this, such as a digit, is no secret of a log: all its lines would be full of marks."""
_TELLING = re.compile(r"pass|pwd|secret|token|key|credential|auth|dsn|salt|pin\b", re.IGNORECASE)


def told(lines: Iterable[str], secrets: Iterable[str] = ()) -> tuple[str, ...]:
    """Evidence that may be told: printable, redacted, without any of the secrets, cut."""
    hidden = sorted({tidy for secret in secrets if (tidy := _tidy(secret))}, key=lambda each: (-len(each), each))
    pattern = "|".join(map(re.escape, hidden))
    return tuple(_cut(_clean(line, pattern)) for line in tuple(lines)[:_MOST])


def without(text: str, secrets: Iterable[str]) -> str:
    """Lines without any of the secrets; a short one only where it stands as a word, the shortest not at all.

    A secret of several lines is taken out line by line, for others' lines may stand between them.
    """
    parts = {
        (line.strip(), _LONG if "\n" in each.strip() else _SHORT) for each in secrets for line in each.splitlines()
    }
    hidden = sorted({line for line, least in parts if len(line) >= least}, key=lambda each: (-len(each), each))
    words = (re.escape(each) if len(each) >= _LONG else rf"(?<!\w){re.escape(each)}(?!\w)" for each in hidden)
    return re.sub("|".join(words), MARK, text) if hidden else text


def secrets_of(task: Task, definition: Mapping[str, Any] | None) -> frozenset[str]:
    """Values of the environment that must not be told: what the overrides and the task definition set.

    A value that stands in the task's own ARNs and images is known anyway, and is left.
    """
    known = " ".join((task.arn, task.cluster, task.definition, *(each.image for each in task.containers)))
    containers = (*_listed(task.overrides, "containerOverrides"), *_listed(definition or {}, "containerDefinitions"))
    values = (pair for each in containers for pair in _listed(each, "environment"))
    return frozenset(secret for pair in values for secret in _secret(pair) if secret not in known)


def _secret(pair: Mapping[str, Any]) -> Iterator[str]:
    name, value = pair.get("name"), pair.get("value")
    if isinstance(value, str) and (len(value) >= _LONG or (value and isinstance(name, str) and _TELLING.search(name))):
        yield value


def _clean(line: str, hidden: str) -> str:
    """Without secrets before it is redacted: what redaction cuts out of the middle of one would leave its ends."""
    text = _tidy(line)
    return redact(re.sub(hidden, MARK, text) if hidden else text).text


def _tidy(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _cut(text: str) -> str:
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"


def _listed(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    members = value.get(key)
    return [each for each in members if isinstance(each, Mapping)] if isinstance(members, list | tuple) else []
