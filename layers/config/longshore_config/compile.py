"""Compiles `longshore.yaml` to the `config.json` that the functions read: /opt/longshore/config.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from longshore_config.check import read

if TYPE_CHECKING:
    from pathlib import Path

    from longshore_config.document import Problem

DURATIONS = {"soak", "timeout", "cooldown"}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


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
    for mirror in config.get("mirrors", {}).values():
        _count_seconds(mirror, "every")
        _count_seconds(mirror.get("tags", {}), "min_age")
        _count_seconds(mirror.get("prune", {}), "after")
    return config


def _count_seconds(members: dict[str, Any], key: str) -> None:
    if key in members:
        members[key] = seconds(members[key])


def seconds(duration: int | str) -> int:
    """A duration of the schema, ``90``, ``90s``, ``5m``, ``2h``, ``1d`` or ``2w``, in seconds."""
    return duration if isinstance(duration, int) else int(duration[:-1]) * _SECONDS[duration[-1]]


def canonical(config: dict[str, Any]) -> str:
    """The same text for the same meaning, so that a comment or another order of keys is no new layer version."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
