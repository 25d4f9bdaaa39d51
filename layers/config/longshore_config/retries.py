"""What a schema cannot say of `recover`: waits that grow, codes that ascend, rules that can be reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from longshore_config.document import Problem, dotted
from longshore_config.durations import seconds

if TYPE_CHECKING:
    from longshore_config.document import Document, KeyPath

_DURATIONS = frozenset(
    {
        "base",
        "max",
        "stable",
        "max_age",
        "deadline",
        "half_open_after",
        "within",
        "ran",
        "slow_within",
        "quiet",
        "again",
        "retirement_before",
    }
)
_READERS = (
    ("longshore.recover.rules", "read_retry_policy"),
    ("longshore.recover.loop_policy", "read_crash_loop_policy"),
    ("longshore.recover.upkeep_rules", "read_upkeep_policy"),
)
_PART = re.compile(r"[^.\[\]]+")


def compiled_retries(section: Any) -> Any:
    """The section with every duration in seconds."""
    if isinstance(section, list):
        return [compiled_retries(each) for each in section]
    if not isinstance(section, dict):
        return section
    return {key: seconds(each) if key in _DURATIONS else compiled_retries(each) for key, each in section.items()}


def retry_problems(document: Document) -> list[Problem]:
    """The problems of a section that its schema accepts; the product's own reader judges it, where it is there."""
    section = (document.data or {}).get("recover") or {}
    return [*_unread(document, section), *_unreachable(document, section.get("rules") or [])]


def _unread(document: Document, section: dict[str, Any]) -> Iterator[Problem]:
    if find_spec("longshore") is None:
        return
    for module, reader in _READERS:
        try:
            getattr(import_module(module), reader)(compiled_retries(section))
        except import_module("longshore.errors").ConfigurationError as error:
            path = tuple(int(part) if part.isdecimal() else part for part in _PART.findall(error.key))
            yield _problem(document, path, error.problem, error.fix)


def _unreachable(document: Document, rules: list[Any]) -> Iterator[Problem]:
    """A rule that takes everything hides those below it."""
    for index, rule in enumerate(rules[:-1]):
        if not rule.get("match"):
            fix = "move it down, or give it a match"
            message = f"no failure ever gets here: rules[{index}] takes everything"
            yield _problem(document, ("recover", "rules", index + 1), message, fix)
            return


def _problem(document: Document, path: KeyPath, message: str, fix: str) -> Problem:
    return Problem(*document.place(path), dotted(path), message, fix)
