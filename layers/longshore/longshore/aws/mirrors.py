"""Mirror's stores in the ledger: what was copied and seen, pulls, leases, jobs, and uploads that can go on.

Keys (pk / sk), each with account and Region:
MIRROR#<account>/<region>#<mirror> / TAG#<host>/<name>#<tag>   what was copied there under a tag
MIRROR#<account>/<region>#<mirror> / SEEN#<tag>                since when upstream's tag names its image
MIRROR#<account>/<region>#<mirror> / LISTED#<tag>              since when upstream lists a tag
PULLS#<account>/<region> / <host>#<login>                      a registry's budget of pulls
LEASE#<account>/<region> / <what>                              who works on something, and when it was last done
JOB#<account>/<region> / <job>[#<part>]                        blobs that a fanned-out copy waits for
UPLOAD#<account>/<region> / <host>/<name>@<digest>             an upload session and what it has
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.table import Table, expiry
from longshore.errors import ConflictError
from longshore.images import Digest, Endpoint
from longshore.mirror.budget import Budget, Promise
from longshore.mirror.plan import Known, Sighting
from longshore.mirror.ports import RateLimit, Upload
from longshore.mirror.stores import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.ports import Clock

_KEEP = timedelta(days=400)
_ARRIVALS_KEEP = timedelta(days=3650)
"""A tag of which this were forgotten while upstream still lists it would be the newest."""
_PULLS_KEEP = timedelta(days=7)
_JOB_KEEP = timedelta(days=14)
_JOB_BLOBS = 2_500
"""In one item: a sha512 takes 138 bytes there."""
_UPLOAD_KEEP = timedelta(hours=24)
"""For so long sessions live in registries that say (distribution's purge age is a week, ECR says nothing)."""
_TRIES = 8


class LedgerMemory:
    """See `mirror.stores.Memory`. Reading a mirror is one Query."""

    def __init__(self, table: Table, clock: Clock, account: str, region: str) -> None:
        self._table = table
        self._clock = clock
        self._place = f"{account}/{region}"

    def known(self, mirror: str) -> Mapping[Endpoint, Mapping[str, Known]]:
        """See the port."""
        found: dict[Endpoint, dict[str, Known]] = {}
        for item in self._table.query(self._pk(mirror), "TAG#"):
            found.setdefault(Endpoint(item["host"], item["name"]), {})[item["tag"]] = _known(item)
        return found

    def remember(self, mirror: str, downstream: Endpoint, known: Known) -> None:
        """See the port."""
        self._table.put(
            {
                "pk": self._pk(mirror),
                "sk": _tag_key(downstream, known.tag),
                "host": downstream.host,
                "name": downstream.name,
                **_members(known),
                "expires": expiry(self._clock.now(), _KEEP),
            }
        )

    def forget(self, mirror: str, downstream: Endpoint, tag: str) -> None:
        """See the port."""
        self._table.delete(self._pk(mirror), _tag_key(downstream, tag))

    def sightings(self, mirror: str) -> Mapping[str, Sighting]:
        """See the port."""
        items = self._table.query(self._pk(mirror), "SEEN#")
        return {
            item["sk"].removeprefix("SEEN#"): Sighting(item["digest"], datetime.fromisoformat(item["since"]))
            for item in items
        }

    def arrivals(self, mirror: str) -> Mapping[str, datetime]:
        """See the port."""
        items = self._table.query(self._pk(mirror), "LISTED#")
        return {item["sk"].removeprefix("LISTED#"): datetime.fromisoformat(item["since"]) for item in items}

    def arrive(self, mirror: str, arrivals: Mapping[str, datetime]) -> None:
        """See the port."""
        for tag, since in arrivals.items():
            key = {"pk": self._pk(mirror), "sk": f"LISTED#{tag}", "expires": expiry(since, _ARRIVALS_KEEP)}
            try:
                self._table.put({**key, "since": since.isoformat()}, "attribute_not_exists(pk)")
            except ConflictError:
                continue

    def sight(self, mirror: str, sightings: Mapping[str, Sighting]) -> None:
        """See the port."""
        for tag, sighting in sightings.items():
            item = {"digest": sighting.digest, "since": sighting.since.isoformat()}
            key = {"pk": self._pk(mirror), "sk": f"SEEN#{tag}", "expires": expiry(sighting.since, _KEEP)}
            try:
                self._table.put(
                    {**key, **item}, "attribute_not_exists(pk) OR digest <> :digest", {":digest": sighting.digest}
                )
            except ConflictError:
                continue  # it was seen before

    def _pk(self, mirror: str) -> str:
        return f"MIRROR#{self._place}#{mirror}"


def _tag_key(downstream: Endpoint, tag: str) -> str:
    return f"TAG#{downstream}#{tag}"


def _members(known: Known) -> dict[str, Any]:
    return {
        "tag": known.tag,
        "source": known.source,
        "stored": known.stored,
        "terms": known.terms,
        "referrers": known.referrers,
        "pulls": known.pulls,
        "copied": known.copied.isoformat() if known.copied else None,
        "gone": known.gone.isoformat() if known.gone else None,
        "refused": known.refused,
        "refused_at": known.refused_at.isoformat() if known.refused_at else None,
        "told": known.told,
    }


def _known(item: Mapping[str, Any]) -> Known:
    return Known(
        tag=item["tag"],
        source=item.get("source", ""),
        stored=item.get("stored", ""),
        terms=item.get("terms", ""),
        referrers=item.get("referrers", ""),
        pulls=item.get("pulls"),
        copied=_time(item.get("copied")),
        gone=_time(item.get("gone")),
        refused=item.get("refused", ""),
        refused_at=_time(item.get("refused_at")),
        told=item.get("told", ""),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


class LedgerPulls:
    """See `mirror.stores.Pulls`: every change is made on what was read, or not at all."""

    def __init__(self, table: Table, account: str, region: str) -> None:
        self._table = table
        self._pk = f"PULLS#{account}/{region}"

    def budget(self, whose: str) -> Budget:
        """See the port."""
        item = self._table.get(self._pk, whose)
        if item is None:
            return Budget()
        return Budget(
            limit=item.get("limit"),
            remaining=item.get("remaining", 0),
            window=timedelta(seconds=item["window"]),
            told=_time(item.get("told")),
            promises=tuple(
                Promise(each["token"], each["pulls"], datetime.fromisoformat(each["until"]))
                for each in item.get("promises", ())
            ),
            version=item["version"],
        )

    def reserve(self, whose: str, promise: Promise, now: datetime, keep: int) -> Budget | None:
        """See the port."""
        return self._change(whose, now, lambda budget: budget.reserve(promise, now, keep))

    def settle(self, whose: str, token: str, rate: RateLimit | None, now: datetime) -> None:
        """See the port."""
        self._change(whose, now, lambda budget: budget.settle(token, rate, now))

    def _change(self, whose: str, now: datetime, change: Callable[[Budget], Budget | None]) -> Budget | None:
        for _ in range(_TRIES):
            before = self.budget(whose)
            after = change(before)
            if after is None or after == before:
                return after
            try:
                self._write(whose, before, after, now)
            except ConflictError:
                continue
            return after
        raise ConflictError(f"the pulls of {whose} are written too often")

    def _write(self, whose: str, before: Budget, after: Budget, now: datetime) -> None:
        item = {
            "pk": self._pk,
            "sk": whose,
            "limit": after.limit,
            "remaining": after.remaining,
            "window": int(after.window.total_seconds()),
            "told": after.told.isoformat() if after.told else None,
            "promises": [{**each._asdict(), "until": each.until.isoformat()} for each in after.promises],
            "version": before.version + 1,
            "expires": expiry(now, _PULLS_KEEP),
        }
        if before.version:
            self._table.put(item, "version = :version", {":version": before.version})
        else:
            self._table.put(item, "attribute_not_exists(pk)")


class LedgerLeases:
    """See `mirror.stores.Leases`.

    A token is never given twice, though what was never `done` leaves no item: it is no less than the time, in ms.
    """

    def __init__(self, table: Table, account: str, region: str) -> None:
        self._table = table
        self._pk = f"LEASE#{account}/{region}"

    def take(self, what: str, now: datetime, until: datetime) -> Lease | None:
        """See the port."""
        item = self._table.get(self._pk, what)
        if item and item.get("until") and datetime.fromisoformat(item["until"]) > now:
            return None
        token = item["fence"] if item else 0
        lease = Lease(what, max(token + 1, _milliseconds(now)), until)
        try:
            self._put(lease, until.isoformat(), item.get("last") if item else None, token)
        except ConflictError:
            return None
        return lease

    def renew(self, lease: Lease, until: datetime) -> Lease | None:
        """See the port."""
        item = self._table.get(self._pk, lease.what) or {}
        renewed = lease._replace(until=until)
        try:
            self._put(renewed, until.isoformat(), item.get("last"), lease.token)
        except ConflictError:
            return None
        return renewed

    def release(self, lease: Lease) -> None:
        """See the port."""
        item = self._table.get(self._pk, lease.what) or {}
        with contextlib.suppress(ConflictError):
            if item.get("last"):
                self._put(lease, None, item["last"], lease.token)
            else:
                self._table.delete(self._pk, lease.what, {"fence": lease.token})

    def last(self, what: str) -> datetime | None:
        """See the port."""
        item = self._table.get(self._pk, what)
        return _time(item.get("last")) if item else None

    def done(self, what: str, at: datetime) -> None:
        """See the port."""
        for _ in range(_TRIES):
            item = self._table.get(self._pk, what)
            token = item["fence"] if item else 0
            lease = Lease(what, token or 1, at)
            try:
                self._put(lease, item.get("until") if item else None, at.isoformat(), token)
            except ConflictError:
                continue
            return
        raise ConflictError(f"the lease of {what} is written too often")

    def _put(self, lease: Lease, until: str | None, last: str | None, token: int) -> None:
        item = {"pk": self._pk, "sk": lease.what, "fence": lease.token, "until": until or "", "last": last or ""}
        item["expires"] = expiry(lease.until, _KEEP)
        if token:
            self._table.put(item, "fence = :fence", {":fence": token})
        else:
            self._table.put(item, "attribute_not_exists(pk)")


class LedgerJobs:
    """See `mirror.stores.Jobs`. An item holds 400 kB: of many blobs there are several, of which the first counts them.

    Who has struck off its blobs looks at all of them again: of two that do so at once, both may find nothing left, and
    the later one does.
    """

    def __init__(self, table: Table, account: str, region: str) -> None:
        self._table = table
        self._pk = f"JOB#{account}/{region}"

    def begin(self, job: str, blobs: Collection[Digest], now: datetime) -> None:
        """See the port."""
        every = sorted(set(blobs))
        parts = [every[start : start + _JOB_BLOBS] for start in range(0, len(every), _JOB_BLOBS)] or [[]]
        common = {"pk": self._pk, "version": 1, "parts": len(parts), "expires": expiry(now, _JOB_KEEP)}
        for part, listed in reversed(list(enumerate(parts))):  # the first one last: with it the job exists
            self._table.put({**common, "sk": _part_key(job, part), "blobs": listed})

    def arrived(self, job: str, blobs: Collection[Digest]) -> int | None:
        """See the port."""
        first = self._table.get(self._pk, job)
        if first is None:
            return None
        keys = [_part_key(job, part) for part in range(first.get("parts", 1))]
        left = [self._struck(key, frozenset(blobs)) for key in keys]
        return left[0] if len(keys) == 1 else sum(self._struck(key, ()) for key in keys)

    def _struck(self, key: str, blobs: Collection[Digest]) -> int:
        """Strikes blobs off an item; answers how many are left in it."""
        for _ in range(_TRIES):
            item = self._table.get(self._pk, key)
            if item is None:
                return 0
            left = [digest for digest in item["blobs"] if digest not in blobs]
            if left == item["blobs"]:
                return len(left)
            try:
                self._table.put(
                    {**item, "blobs": left, "version": item["version"] + 1},
                    "version = :version",
                    {":version": item["version"]},
                )
            except ConflictError:
                continue
            return len(left)
        raise ConflictError(f"the job {key} is written too often")

    def end(self, job: str) -> None:
        """See the port."""
        first = self._table.get(self._pk, job)
        for part in range(first.get("parts", 1) if first else 0):
            self._table.delete(self._pk, _part_key(job, part))


class LedgerUploads:
    """See `mirror.ports.UploadLedger`."""

    def __init__(self, table: Table, clock: Clock, account: str, region: str) -> None:
        self._table = table
        self._clock = clock
        self._pk = f"UPLOAD#{account}/{region}"

    def load(self, host: str, repository: str, digest: Digest) -> Upload | None:
        """See the port."""
        item = self._table.get(self._pk, _upload_key(host, repository, digest))
        if item is None or item["expires"] <= self._clock.now().timestamp():
            return None  # DynamoDB deletes late
        return Upload.parse(item)

    def save(self, host: str, digest: Digest, upload: Upload) -> None:
        """See the port."""
        key = {"pk": self._pk, "sk": _upload_key(host, upload.repository, digest)}
        self._table.put({**key, **upload.item(), "expires": expiry(self._clock.now(), _UPLOAD_KEEP)})

    def forget(self, host: str, repository: str, digest: Digest) -> None:
        """See the port."""
        self._table.delete(self._pk, _upload_key(host, repository, digest))


def _part_key(job: str, part: int) -> str:
    return f"{job}#{part}" if part else job


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _upload_key(host: str, repository: str, digest: Digest) -> str:
    return f"{host}/{repository}@{digest}"
