"""What the configuration's `recover.platform` says about that which lies under tasks (design 7, recover O4, O5)."""

from __future__ import annotations

from collections.abc import Mapping

from longshore.errors import ConfigurationError
from longshore.recover.upkeep import UpkeepPolicy

_KEY = "recover.platform"
_DRAIN = {"drain": True, "notify": False}
_LEAST, _MOST = 3600, 86_400


def read_upkeep_policy(raw: object) -> UpkeepPolicy:
    """Reads the compiled configuration's `recover`. Raises ConfigurationError naming the key and the fix."""
    section = raw.get("platform") if isinstance(raw, Mapping) else None
    if section is None:
        return UpkeepPolicy()
    if not isinstance(section, Mapping):
        raise ConfigurationError(_KEY, f"is {str(section)[:40]!r}", "write keys with values below it")
    rebalance = section.get("rebalance", "notify")
    if not isinstance(rebalance, str) or rebalance not in _DRAIN:
        raise ConfigurationError(f"{_KEY}.rebalance", f"is {str(rebalance)[:40]!r}", "write notify or drain")
    before = section.get("retirement_before", UpkeepPolicy().retirement_before)
    if isinstance(before, bool) or not isinstance(before, int) or not _LEAST <= before <= _MOST:
        fix = f"write seconds from {_LEAST} to {_MOST}, or text such as 12h"
        raise ConfigurationError(f"{_KEY}.retirement_before", f"is {str(before)[:40]!r}", fix)
    return UpkeepPolicy(rebalance_drains=_DRAIN[rebalance], retirement_before=before)
