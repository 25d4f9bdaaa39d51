"""Run-time switches and counters in the ledger. The keys are listed in docs/architecture.md."""

from __future__ import annotations

from datetime import datetime, timedelta

from longshore.aws.table import Table, expiry
from longshore.errors import ConflictError

_COUNTER_KEEP = timedelta(hours=3)


class LedgerSwitches:
    """Run-time switches and counters: SWITCH#<account>/<region> / PAUSE, COUNT#<counter>#<hour>."""

    def __init__(self, table: Table, account: str, region: str) -> None:
        self._table = table
        self._pk = f"SWITCH#{account}/{region}"

    def paused(self) -> str | None:
        """The reason that was given for the global pause, or None."""
        item = self._table.get(self._pk, "PAUSE")
        return str(item.get("reason", "")) if item else None

    def count(self, counter: str, at: datetime, limit: int) -> bool:
        """Counts within the hour of `at`, atomically."""
        try:
            self._table.update(
                self._pk,
                f"COUNT#{counter}#{at:%Y-%m-%dT%H}",
                "SET expires = :expires, #schema = :schema ADD times :one",
                {":expires": expiry(at, _COUNTER_KEEP), ":one": 1, ":limit": limit},
                "attribute_not_exists(times) OR times < :limit",
            )
        except ConflictError:
            return False
        return True
