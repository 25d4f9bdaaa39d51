"""A family's breaker: after several replacements in a row that failed, no more are tried for a while (recover 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple


class BreakerState(StrEnum):
    """CLOSED lets replacements through, OPEN none; HALF_OPEN one, and what becomes of it decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerLimits(NamedTuple):
    """How many replacements must fail in a row to open it, and after how many seconds one more is tried."""

    failures: int = 5
    half_open_after: int = 1800


class Breaker(NamedTuple):
    """What the ledger keeps of a family: its failures in a row, and since when it is open. `version` fences writers.

    A first failure is not counted, because it says nothing about replacements; nor is a launch that ECS refused.
    """

    failures: int = 0
    opened: datetime | None = None
    version: int = 0

    def state(self, limits: BreakerLimits, now: datetime) -> BreakerState:
        """Where it stands."""
        if self.opened is None:
            return BreakerState.CLOSED
        over = now >= self.opened + timedelta(seconds=limits.half_open_after)
        return BreakerState.HALF_OPEN if over else BreakerState.OPEN

    def tried(self, limits: BreakerLimits, now: datetime) -> Breaker:
        """After a replacement was let through: half-open, it is open again for all others until that one has ended."""
        return self._replace(opened=now) if self.state(limits, now) is BreakerState.HALF_OPEN else self

    def failed(self, limits: BreakerLimits, now: datetime) -> Breaker:
        """After a replacement failed; tell people when this opens what was closed."""
        failures = self.failures + 1
        return self._replace(failures=failures, opened=now if failures >= limits.failures else self.opened)

    def succeeded(self) -> Breaker:
        """After a replacement, or any task of the family, ended well."""
        return Breaker(version=self.version)

    def as_json(self) -> dict[str, Any]:
        """What the ledger keeps, less the version."""
        return {"failures": self.failures, "opened": self.opened.isoformat() if self.opened else None}

    @classmethod
    def read(cls, kept: Mapping[str, Any], version: int) -> Breaker:
        """What `as_json` made."""
        opened = kept.get("opened")
        return cls(kept["failures"], datetime.fromisoformat(opened) if opened else None, version)
