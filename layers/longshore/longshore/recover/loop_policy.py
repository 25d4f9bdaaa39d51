"""The policy of crash loops as the configuration's `recover.crash_loop` says it (design 7, recover O1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from longshore.errors import ConfigurationError
from longshore.recover.crash_loops import Act, CrashLoopPolicy

_KEY = "recover.crash_loop"
_DAY = 86400
_MOST_STOPS = 20


def read_crash_loop_policy(raw: object) -> CrashLoopPolicy:
    """Reads the compiled configuration's `recover`. Raises ConfigurationError naming the key and the fix."""
    section = raw.get("crash_loop") if isinstance(raw, Mapping) else None
    if section is None:
        return CrashLoopPolicy()
    if not isinstance(section, Mapping):
        raise ConfigurationError(_KEY, f"is {str(section)[:40]!r}", "write keys with values below it")
    default = CrashLoopPolicy()
    return CrashLoopPolicy(
        act=_act(section.get("act", default.act.value)),
        stops=_number(section, "stops", default.stops, _MOST_STOPS),
        within=_time(section, "within", default.within),
        ran=_time(section, "ran", default.ran),
        slow_stops=_number(section, "slow_stops", default.slow_stops, _MOST_STOPS),
        slow_within=_time(section, "slow_within", default.slow_within),
        quiet=_time(section, "quiet", default.quiet),
        again=_time(section, "again", default.again),
    )


def _act(value: object) -> Act:
    if value not in list(Act):
        raise ConfigurationError(f"{_KEY}.act", f"is {str(value)[:40]!r}", "write notify or rollback")
    return Act(str(value))


def _time(section: Mapping[str, Any], name: str, default: timedelta) -> timedelta:
    return timedelta(seconds=_number(section, name, int(default.total_seconds()), _DAY))


def _number(section: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = section.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ConfigurationError(f"{_KEY}.{name}", f"is {str(value)[:40]!r}", f"write a whole number, 1 to {most}")
    return value
