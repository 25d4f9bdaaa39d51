"""Pacing: how fast deployments may follow each other, and how long one may take (redeploy 8.9, 8.12; design 10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_LONGEST = 86400


class Pacing(NamedTuple):
    """Seconds and counts: `soak` after success until it counts, `timeout` until a deployment is stopped, `cooldown`
    between two deployments of one workload, and how many workloads one push and one hour may deploy."""

    soak: int = 300
    timeout: int = 1200
    cooldown: int = 300
    per_push: int = 100
    per_hour: int = 300


def read_pacing(raw: Mapping[str, Any]) -> Pacing:
    """The pacing members of a profile. Raises ValueError as ``(member, problem)``."""
    limits = raw.get("limits") or {}
    if not isinstance(limits, Mapping):
        raise ValueError("limits", "is not a mapping")
    default = Pacing()
    return Pacing(
        soak=read_seconds("soak", raw.get("soak", default.soak)),
        timeout=read_seconds("timeout", raw.get("timeout", default.timeout), least=60),
        cooldown=read_seconds("cooldown", raw.get("cooldown", default.cooldown)),
        per_push=_count("limits.per_push", limits.get("per_push", default.per_push)),
        per_hour=_count("limits.per_hour", limits.get("per_hour", default.per_hour)),
    )


def read_seconds(name: str, value: object, least: int = 0) -> int:
    """A duration, at most a day, in seconds. Raises ValueError as ``(member, problem)``."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    seconds = int(match[1]) * _UNITS[match[2]] if match else value
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not least <= seconds <= _LONGEST:
        raise ValueError(
            name, f"is {str(value)[:40]!r}; write {least} to {_LONGEST} seconds, or text such as 90s, 5m, 2h"
        )
    return seconds


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(name, f"is {str(value)[:40]!r}; write a whole number, 1 or more")
    return value
