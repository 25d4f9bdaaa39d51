"""Durations as the configuration writes them."""

from __future__ import annotations

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(duration: int | str) -> int:
    """A duration of the schema, ``90``, ``90s``, ``5m``, ``2h``, ``1d`` or ``2w``, in seconds."""
    return duration if isinstance(duration, int) else int(duration[:-1]) * _SECONDS[duration[-1]]
