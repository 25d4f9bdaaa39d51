"""Troubles of services in the ledger, and the list of recorded tasks. The keys are listed in docs/architecture.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.aws.recovery import recorded_key
from longshore.aws.table import Table, expiry
from longshore.recover.troubles import Trouble

if TYPE_CHECKING:
    from longshore.ports import Clock

_KEEP = timedelta(days=30)


class LedgerTroubles:
    """Troubles: TROUBLE#<subject> / <key>; the open ones: TROUBLES#<account>/<region> / <subject>#<key>.

    The list of open ones is written before a trouble and cut after it: it may name one that has just ended, never lack
    one that has not.
    """

    def __init__(self, table: Table, clock: Clock, account: str, region: str) -> None:
        self._table = table
        self._clock = clock
        self._list = f"TROUBLES#{account}/{region}"

    def get(self, subject: str, key: str) -> Trouble:
        """One trouble, or an empty one."""
        item = self._table.get(f"TROUBLE#{subject}", key)
        return Trouble.read(item["trouble"], item["version"]) if item else Trouble(subject, key)

    def of(self, subject: str) -> Sequence[Trouble]:
        """One Query."""
        return [Trouble.read(item["trouble"], item["version"]) for item in self._table.query(f"TROUBLE#{subject}")]

    def save(self, trouble: Trouble) -> Trouble:
        """Writes it under the fencing token."""
        saved = replace(trouble, version=trouble.version + 1)
        expires = expiry(self._clock.now(), _KEEP)
        listed = f"{trouble.subject}#{trouble.key}"
        if trouble.is_open:
            members = {"subject": trouble.subject, "key": trouble.key, "expires": expires}
            self._table.put({"pk": self._list, "sk": listed, **members})
        item = {
            "pk": f"TROUBLE#{trouble.subject}",
            "sk": trouble.key,
            "trouble": trouble.as_json(),
            "version": saved.version,
            "expires": expires,
        }
        if trouble.version == 0:
            self._table.put(item, "attribute_not_exists(pk)")
        else:
            self._table.put(item, "version = :version", {":version": trouble.version})
        if trouble.resolved is not None:
            self._table.delete(self._list, listed)
        return saved

    def open(self) -> Iterable[tuple[str, str]]:
        """One Query."""
        return [(str(item["subject"]), str(item["key"])) for item in self._table.query(self._list)]


class LedgerWatched:
    """The tasks whose launch is recorded: RECIPES#<account>/<region> / <arn>, written with their recipes."""

    def __init__(self, table: Table, account: str, region: str) -> None:
        self._table = table
        self._list = recorded_key(account, region)

    def all(self) -> Iterable[str]:
        """One Query."""
        return [str(item["sk"]) for item in self._table.query(self._list)]

    def drop(self, task: str) -> None:
        """Takes one off the list; its recipe stays."""
        self._table.delete(self._list, task)
