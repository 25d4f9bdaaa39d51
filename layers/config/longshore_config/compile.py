"""Compiles `longshore.yaml` to the `config.json` that the functions read: /opt/longshore/config.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from longshore_config.check import read
from longshore_config.durations import seconds
from longshore_config.retries import compiled_retries
from longshore_config.scanning import compiled_scan

if TYPE_CHECKING:
    from pathlib import Path

    from longshore_config.document import Problem

DURATIONS = {"soak", "timeout", "cooldown"}


class InvalidConfigError(Exception):
    """The file has problems; the text lists them, one on each line."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        super().__init__("\n".join(problem.located(name) for problem in problems))
        self.problems = problems


def compile_config(path: Path) -> dict[str, Any]:
    """The checked content of a configuration file, durations in seconds.

    Raises InvalidConfigError, or OSError when the file cannot be read.
    """
    config, problems = read(path)
    if problems:
        raise InvalidConfigError(path.name, problems)
    for profile in config.get("profiles", {}).values():
        for key in DURATIONS & profile.keys():
            profile[key] = seconds(profile[key])
        for terms in profile["gates"].values() if isinstance(profile.get("gates"), dict) else ():
            _count_seconds(terms or {}, "wait")
    for mirror in config.get("mirrors", {}).values():
        _count_seconds(mirror, "every")
        _count_seconds(mirror.get("tags", {}), "min_age")
        _count_seconds(mirror.get("prune", {}), "after")
    if "recover" in config:
        config["recover"] = compiled_retries(config["recover"])
    if "scan" in config:
        config["scan"] = compiled_scan(config["scan"], path.parent)
    return config


def _count_seconds(members: dict[str, Any], key: str) -> None:
    if key in members:
        members[key] = seconds(members[key])


def canonical(config: dict[str, Any]) -> str:
    """The same text for the same meaning, so that a comment or another order of keys is no new layer version."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
