"""What recover remembers of that which lies under tasks. The keys are listed in docs/architecture.md."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.aws.table import Table, expiry
from longshore.errors import ConflictError
from longshore.recover.hosts import Drains, Watch
from longshore.recover.refused_tasks import RefusedLaunch

if TYPE_CHECKING:
    from longshore.ports import Clock

_WATCHES_KEEP = timedelta(days=30)  # longer than AWS announces a retirement ahead
_DRAINS_KEEP = timedelta(days=1)
_REFUSED_KEEP = timedelta(days=90)  # as long as its recovery
_FIRST, _NEXT = "attribute_not_exists(pk)", "version = :version"


class LedgerWatches:
    """What is watched: WATCH#<account>/<region>#<thing> / WATCH."""

    def __init__(self, table: Table, clock: Clock, account: str, region: str) -> None:
        self._table = table
        self._clock = clock
        self._prefix = f"WATCH#{account}/{region}#"

    def get(self, thing: str) -> Watch | None:
        """What is remembered of a thing."""
        item = self._table.get(self._prefix + thing, "WATCH")
        return Watch(thing, datetime.fromisoformat(item["since"]), item["told"], item["version"]) if item else None

    def save(self, watch: Watch) -> Watch:
        """Writes it under the fencing token."""
        saved = watch._replace(version=watch.version + 1)
        now = self._clock.now()
        item = {
            "pk": self._prefix + watch.thing,
            "sk": "WATCH",
            "since": watch.since.isoformat(),
            "told": watch.told,
            "version": saved.version,
            "expires": expiry(max(now, watch.since), _WATCHES_KEEP),
        }
        _put(self._table, item, watch.version)
        return saved

    def forget(self, thing: str) -> None:
        """Deletes it."""
        self._table.delete(self._prefix + thing, "WATCH")


class LedgerDrains:
    """What was drained: CLUSTER#<arn> / DRAINS."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, cluster: str) -> Drains:
        """What was drained lately."""
        item = self._table.get(f"CLUSTER#{cluster}", "DRAINS")
        if item is None:
            return Drains(cluster)
        return Drains(cluster, {each: datetime.fromisoformat(at) for each, at in item["at"].items()}, item["version"])

    def save(self, drains: Drains) -> Drains:
        """Writes it under the fencing token."""
        saved = drains._replace(version=drains.version + 1)
        item = {
            "pk": f"CLUSTER#{drains.cluster}",
            "sk": "DRAINS",
            "at": {each: at.isoformat() for each, at in drains.at.items()},
            "version": saved.version,
            "expires": expiry(self._clock.now(), _DRAINS_KEEP),
        }
        _put(self._table, item, drains.version)
        return saved


class LedgerRefused:
    """Refused launches: TASK#<arn> / REFUSED."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, root: str) -> RefusedLaunch | None:
        """One of them."""
        item = self._table.get(f"TASK#{root}", "REFUSED")
        return RefusedLaunch.read(item["launch"]) if item else None

    def put(self, launch: RefusedLaunch) -> None:
        """Records one, unless it is there."""
        expires = expiry(self._clock.now(), _REFUSED_KEEP)
        item = {"pk": f"TASK#{launch.root}", "sk": "REFUSED", "launch": launch.as_json(), "expires": expires}
        try:
            self._table.put(item, _FIRST)
        except ConflictError:
            return


def _put(table: Table, item: dict[str, object], version: int) -> None:
    if version == 0:
        table.put(item, _FIRST)
    else:
        table.put(item, _NEXT, {":version": version})
