"""What recover keeps in the ledger: recipes, recoveries, breakers. The keys are listed in docs/architecture.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.aws.table import Table, expiry
from longshore.recover.breaker import Breaker
from longshore.recover.recipe import LaunchRecipe
from longshore.recover.recovery import Recovery, RecoveryState

if TYPE_CHECKING:
    from longshore.ports import Clock

_RECIPES_KEEP = timedelta(days=400)  # as long as a task may live between two of its events
_RECOVERIES_KEEP = timedelta(days=90)
_BREAKERS_KEEP = timedelta(days=14)


def _task_key(arn: str) -> str:
    return f"TASK#{arn}"


def recorded_key(account: str, region: str) -> str:
    """The partition that lists the tasks of an account and Region whose launch is recorded."""
    return f"RECIPES#{account}/{region}"


def _place(arn: str) -> tuple[str, str]:
    """Account and Region of an ARN."""
    parts = arn.split(":")
    return parts[4], parts[3]


class LedgerRecipes:
    """How tasks were launched: TASK#<arn> / RECIPE; whose is known: RECIPES#<account>/<region> / <arn>."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, task: str) -> LaunchRecipe | None:
        """What was recorded of a task."""
        item = self._table.get(_task_key(task), "RECIPE")
        return LaunchRecipe.read(item["recipe"]) if item else None

    def put(self, task: str, recipe: LaunchRecipe) -> None:
        """Records it."""
        expires = expiry(self._clock.now(), _RECIPES_KEEP)
        self._table.put({"pk": recorded_key(*_place(task)), "sk": task, "expires": expires})
        self._table.put({"pk": _task_key(task), "sk": "RECIPE", "recipe": recipe.as_json(), "expires": expires})

    def forget(self, task: str) -> None:
        """Deletes it."""
        self._table.delete(_task_key(task), "RECIPE")
        self._table.delete(recorded_key(*_place(task)), task)


class LedgerRecoveries:
    """Recoveries: TASK#<root> / RECOVERY, TASK#<arn> / ROOT; the open ones: RECOVERIES#<account>/<region> / <root>.

    The list of open ones is written before a recovery and cut after it: it may name one that has just ended, never
    lack one that has not for longer than until its next write.
    """

    def __init__(self, table: Table, clock: Clock, account: str, region: str) -> None:
        self._table = table
        self._clock = clock
        self._list = f"RECOVERIES#{account}/{region}"

    def get(self, root: str) -> Recovery | None:
        """The recovery of a root task."""
        item = self._table.get(_task_key(root), "RECOVERY")
        return Recovery.read(item["recovery"], item["version"]) if item else None

    def root_of(self, task: str) -> str | None:
        """The root whose replacement a task is."""
        item = self._table.get(_task_key(task), "ROOT")
        return str(item["root"]) if item else None

    def save(self, recovery: Recovery) -> Recovery:
        """Writes the next state under the fencing token."""
        saved = replace(recovery, version=recovery.version + 1)
        now = self._clock.now()
        expires = expiry(now, _RECOVERIES_KEEP)
        is_open = recovery.state is RecoveryState.OPEN
        if is_open:  # each time: it may be open again, or was cut by who saw it before it was written
            listed = {"pk": self._list, "sk": recovery.root, "opened": recovery.opened.isoformat()}
            self._table.put({**listed, "due": recovery.due.isoformat()} if recovery.due else listed)
        if recovery.last and recovery.last.task:
            child = {"pk": _task_key(recovery.last.task), "sk": "ROOT", "root": recovery.root, "expires": expires}
            self._table.put(child)
        item = {
            "pk": _task_key(recovery.root),
            "sk": "RECOVERY",
            "recovery": recovery.as_json(),
            "version": saved.version,
            "expires": expires,
        }
        if recovery.version == 0:
            self._table.put(item, "attribute_not_exists(pk)")
        else:
            self._table.put(item, "version = :version", {":version": recovery.version})
        if not is_open:
            self._table.delete(self._list, recovery.root)
        return saved

    def open(self, now: datetime | None = None) -> Iterable[str]:
        """One Query; the list says until when each waits."""
        listed = ((str(item["sk"]), item.get("due")) for item in self._table.query(self._list))
        return (root for root, due in listed if not (now and due and now < datetime.fromisoformat(due)))

    def close(self, root: str) -> None:
        """Takes one off the list of open recoveries."""
        self._table.delete(self._list, root)


class LedgerBreakers:
    """How a family's replacements went: FAMILY#<cluster>/<family> / BREAKER."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, cluster: str, family: str) -> Breaker:
        """The breaker of a family in a cluster."""
        item = self._table.get(_family_key(cluster, family), "BREAKER")
        return Breaker.read(item["breaker"], item["version"]) if item else Breaker()

    def save(self, cluster: str, family: str, breaker: Breaker) -> Breaker:
        """Writes it under the fencing token."""
        saved = breaker._replace(version=breaker.version + 1)
        item = {
            "pk": _family_key(cluster, family),
            "sk": "BREAKER",
            "breaker": saved.as_json(),
            "version": saved.version,
            "expires": expiry(self._clock.now(), _BREAKERS_KEEP),
        }
        if breaker.version == 0:
            self._table.put(item, "attribute_not_exists(pk)")
        else:
            self._table.put(item, "version = :version", {":version": breaker.version})
        return saved


def _family_key(cluster: str, family: str) -> str:
    return f"FAMILY#{cluster}/{family}"
