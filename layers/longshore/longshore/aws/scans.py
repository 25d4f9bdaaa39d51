"""Scan's stores in the ledger: what was told of images, first sights, gates, and what people accepted at run time.

Keys (pk / sk), each with account and Region:
REPORTS#<repository> / <digest>                 what was told of an image, and what is remembered of it
SIGHTS#<repository> / <first hexadecimal digit> since when findings are known there, by short key
ONCE#<account>/<region>#<what> / ONCE           what was done, and until when that is kept in mind
DIGESTS#<account>/<region> / <team>             what a team's last digest said
GATES#<repository> / <workload>@<digest>        redeploy's question, and scan's answer
ACCEPTED#<account>/<region> / <id>              a suppression that somebody set
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from longshore.aws.table import Table, expiry
from longshore.errors import ConfigurationError, ConflictError
from longshore.scan.acceptance import as_json, read_suppression
from longshore.scan.compare import short
from longshore.scan.ports import Reported

if TYPE_CHECKING:
    from longshore.images import Digest, Repository
    from longshore.ports import Clock
    from longshore.scan.findings import Key
    from longshore.scan.suppressions import Suppression

_REPORTS_KEEP: Final = timedelta(days=180)
_IDLE_KEEP: Final = timedelta(days=14)
"""So long an image that nothing runs is remembered: all those of a repository are read at each look."""
_SIGHTS_KEEP: Final = timedelta(days=400)
_SIGHTS_FRESH: Final = timedelta(days=30)
"""A sight that is written again no sooner: most looks find nothing to write."""
_DIGESTS_KEEP: Final = timedelta(days=180)
_LAPSED_KEEP: Final = timedelta(days=30)
"""So long a suppression that ended is kept, for who it was."""
_TRIES: Final = 8


class LedgerReports:
    """See `scan.ports.Reports`."""

    def __init__(self, table: Table, clock: Clock, account: str, region: str) -> None:
        self._table = table
        self._clock = clock
        self._place = f"{account}/{region}"

    def get(self, repository: Repository, digest: Digest) -> Reported | None:
        """See the port."""
        item = self._table.get(f"REPORTS#{repository}", digest)
        return _reported(repository, item) if item else None

    def put(self, reported: Reported) -> None:
        """See the port."""
        item = {
            "pk": f"REPORTS#{reported.repository}",
            "sk": reported.digest,
            "fingerprint": reported.fingerprint,
            "open": reported.open,
            "told": reported.told.isoformat(),
            "correlation": reported.correlation,
            "summary": json.dumps(reported.summary, separators=(",", ":")),
            "version": reported.version + 1,
            "expires": expiry(self._clock.now(), _REPORTS_KEEP if reported.summary.get("runs") else _IDLE_KEEP),
        }
        if reported.version:
            self._table.put(item, "version = :version", {":version": reported.version})
        else:
            self._table.put(item, "attribute_not_exists(pk)")

    def of(self, repository: Repository) -> Sequence[Reported]:
        """One Query."""
        return [_reported(repository, item) for item in self._table.query(f"REPORTS#{repository}")]

    def seen(self, repository: Repository, keys: Iterable[Key], at: datetime) -> Mapping[Key, datetime]:
        """One Query, and a write for each of at most sixteen groups in which a key is new."""
        names = {key: short(key) for key in keys}
        groups: dict[str, list[str]] = defaultdict(list)
        for name in sorted(set(names.values())):
            groups[name[0]].append(name)
        known = {item["sk"]: item for item in self._table.query(f"SIGHTS#{repository}")} if groups else {}
        firsts: dict[str, int] = {}
        for group, members in groups.items():
            firsts.update(self._see(repository, group, members, known.get(group), at))
        return {key: datetime.fromtimestamp(firsts[name], UTC) for key, name in names.items()}

    def _see(
        self, repository: Repository, group: str, names: Sequence[str], item: Mapping[str, Any] | None, at: datetime
    ) -> Mapping[str, int]:
        """The first sights of one group, written where one is new or was not written for long."""
        pk, now = f"SIGHTS#{repository}", int(at.timestamp())
        for _ in range(_TRIES):
            sights: dict[str, list[int]] = json.loads(item["sights"]) if item else {}
            stale = now - int(_SIGHTS_FRESH.total_seconds())
            news = {name: sights.get(name, [now])[0] for name in names if sights.get(name, [0, 0])[1] < stale}
            firsts = {name: news[name] if name in news else sights[name][0] for name in names}
            if not news:
                return firsts
            oldest = now - int(_SIGHTS_KEEP.total_seconds())
            kept = {name: sight for name, sight in sights.items() if sight[1] >= oldest}
            kept.update({name: [first, now] for name, first in news.items()})
            version = item["version"] if item else 0
            try:
                self._write(pk, group, kept, version, at)
            except ConflictError:
                item = self._table.get(pk, group)
                continue
            return firsts
        raise ConflictError(f"the sights of {repository} are written too often")

    def _write(self, pk: str, group: str, sights: Mapping[str, list[int]], version: int, at: datetime) -> None:
        item = {
            "pk": pk,
            "sk": group,
            "sights": json.dumps(sights, separators=(",", ":")),
            "version": version + 1,
            "expires": expiry(at, _SIGHTS_KEEP),
        }
        if version:
            self._table.put(item, "version = :version", {":version": version})
        else:
            self._table.put(item, "attribute_not_exists(pk)")

    def done(self, what: str, at: datetime) -> bool:
        """See the port."""
        item = self._table.get(self._once(what), "ONCE")
        return item is not None and item["kept"] > int(at.timestamp())

    def once(self, what: str, at: datetime, keep: datetime) -> bool:
        """See the port."""
        kept = int(keep.timestamp())
        item = {"pk": self._once(what), "sk": "ONCE", "kept": kept, "expires": kept}
        try:
            self._table.put(item, "attribute_not_exists(pk) OR kept <= :at", {":at": int(at.timestamp())})
        except ConflictError:
            return False
        return True

    def digest(self, team: str) -> Mapping[str, Any] | None:
        """See the port."""
        item = self._table.get(f"DIGESTS#{self._place}", _team(team))
        figures: Mapping[str, Any] | None = json.loads(item["figures"]) if item else None
        return figures

    def keep_digest(self, team: str, figures: Mapping[str, Any], at: datetime) -> None:
        """See the port."""
        item = {"pk": f"DIGESTS#{self._place}", "sk": _team(team), "figures": json.dumps(figures)}
        self._table.put({**item, "expires": expiry(at, _DIGESTS_KEEP)})

    def _once(self, what: str) -> str:
        return f"ONCE#{self._place}#{what}"


def _team(team: str) -> str:
    return f"TEAM#{team}"  # a sort key is never empty


def _reported(repository: Repository, item: Mapping[str, Any]) -> Reported:
    return Reported(
        repository=repository,
        digest=item["sk"],
        fingerprint=item["fingerprint"],
        open=item["open"],
        told=datetime.fromisoformat(item["told"]),
        correlation=item["correlation"],
        summary=json.loads(item["summary"]),
        version=item["version"],
    )


class LedgerAcceptances:
    """See `scan.ports.Acceptances`; `put` and `remove` are for those who set them."""

    def __init__(self, table: Table, clock: Clock, account: str, region: str) -> None:
        self._table = table
        self._clock = clock
        self._pk = f"ACCEPTED#{account}/{region}"

    def all(self) -> Sequence[Suppression]:
        """One Query. What cannot be read suppresses nothing, and hides no other."""
        found = []
        for item in self._table.query(self._pk):
            try:
                found.append(read_suppression(json.loads(item["suppression"]), f"the suppression {item['sk']}"))
            except ConfigurationError:
                continue
        return found

    def put(self, suppression: Suppression) -> None:
        """Sets one, in place of one with the same id."""
        keep = (
            expiry(max(suppression.expires, self._clock.now()), _LAPSED_KEEP)  # one without an end stays
            if suppression.expires
            else None
        )
        item = {"pk": self._pk, "sk": suppression.id, "suppression": json.dumps(as_json(suppression))}
        self._table.put({**item, "expires": keep})

    def remove(self, identity: str) -> bool:
        """Takes one away; whether it was there."""
        if self._table.get(self._pk, identity) is None:
            return False
        self._table.delete(self._pk, identity)
        return True
