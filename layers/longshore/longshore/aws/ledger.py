"""The ledger's stores over one table. The keys are listed in docs/architecture.md; no other module knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from longshore.aws.table import Table, expiry
from longshore.errors import ConflictError
from longshore.images import Digest, Repository
from longshore.owners import Drift
from longshore.ports import Clock, Good, Head, Record
from longshore.workloads import (
    Action,
    Change,
    Deployment,
    DeploymentStatus,
    Hold,
    Plan,
    PlatformKind,
    Subject,
    Workload,
)

_HEADS_KEEP = timedelta(days=400)
_RECORDS_KEEP = timedelta(days=400)
_QUARANTINE_KEEP = timedelta(days=90)
_PENDING_KEEP = timedelta(days=14)
_DRIFT_KEEP = timedelta(days=400)
_TRUTH_KEEP = timedelta(days=400)


def _repository_key(repository: Repository) -> str:
    return f"REPOSITORY#{repository}"


def _workload_key(arn: str) -> str:
    return f"WORKLOAD#{arn}"


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


class LedgerHeads:
    """Tag heads: REPOSITORY#<repository> / HEAD#<tag>."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def observe(self, head: Head, cap_seconds: int) -> Head:
        """See `ports.Heads.observe`. Raises ConflictError when others keep writing the same head."""
        for _ in range(5):
            old = self.get(head.repository, head.tag)
            new = _moved(old, head, cap_seconds) if old else head
            if new == old:
                return new
            try:
                self._write(new, old)
            except ConflictError:
                continue
            return new
        raise ConflictError(f"the head of {head.repository}:{head.tag} is written too often")

    def _write(self, new: Head, old: Head | None) -> None:
        item = {
            "pk": _repository_key(new.repository),
            "sk": f"HEAD#{new.tag}",
            "digest": new.digest,
            "moved": new.moved.isoformat(),
            "settles": new.settles.isoformat(),
            "first": new.first.isoformat(),
            "previous": new.previous,
            "source": new.source,
            "expires": expiry(new.settles, _HEADS_KEEP),  # `moved` may be years ago when a tag is first seen
        }
        if old is None:
            self._table.put(item, "attribute_not_exists(pk)")
        else:
            self._table.put(
                item, "digest = :digest AND moved = :moved", {":digest": old.digest, ":moved": old.moved.isoformat()}
            )

    def get(self, repository: Repository, tag: str) -> Head | None:
        """One head."""
        item = self._table.get(_repository_key(repository), f"HEAD#{tag}")
        return _head(repository, item) if item else None

    def of(self, repository: Repository) -> Sequence[Head]:
        """Every head of a repository: one Query."""
        return [_head(repository, item) for item in self._table.query(_repository_key(repository), "HEAD#")]

    def forget(self, repository: Repository, tag: str) -> None:
        """Deletes one head."""
        self._table.delete(_repository_key(repository), f"HEAD#{tag}")


def _moved(old: Head, seen: Head, cap_seconds: int) -> Head:
    if seen.digest == old.digest or seen.moved < old.moved:
        return old
    first = old.first if seen.moved < old.settles else seen.first
    settles = min(seen.settles, first + timedelta(seconds=cap_seconds))
    return replace(seen, first=first, settles=settles, previous=old.digest)


def _head(repository: Repository, item: Mapping[str, Any]) -> Head:
    return Head(
        repository,
        item["sk"].removeprefix("HEAD#"),
        item["digest"],
        datetime.fromisoformat(item["moved"]),
        datetime.fromisoformat(item["settles"]),
        datetime.fromisoformat(item["first"]),
        item.get("previous"),
        item.get("source", "event"),
    )


class LedgerIndex:
    """Image -> workload: REPOSITORY#<repository> / RUNS#<arn>, and INDEX#<account>/<region> / <arn>."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def runs(self, repository: Repository) -> Sequence[Workload]:
        """Who follows a repository: one Query."""
        return [_workload(item) for item in self._table.query(_repository_key(repository), "RUNS#")]

    def get(self, arn: str) -> Workload | None:
        """One workload, or None when it is not followed."""
        item = self._table.get(*_index_key(arn))
        return _workload(item) if item else None

    def put(self, workload: Workload) -> bool:
        """Writes the workload under its own key and under each of its repositories, all or nothing."""
        old = self.get(workload.arn)
        if old == workload.remembered:
            return False
        members = _members(workload)
        puts = [{"pk": _repository_key(r), "sk": f"RUNS#{workload.arn}", **members} for r in workload.repositories]
        pk, sk = _index_key(workload.arn)
        gone = (old.repositories if old else frozenset()) - workload.repositories
        deletes = [(_repository_key(r), f"RUNS#{workload.arn}") for r in gone]
        self._table.transact([{"pk": pk, "sk": sk, **members}, *puts], deletes)
        return True

    def remove(self, arn: str) -> bool:
        """Deletes every trace of the workload from the index."""
        old = self.get(arn)
        if old is None:
            return False
        deletes = [(_repository_key(r), f"RUNS#{arn}") for r in old.repositories]
        self._table.transact([], [_index_key(arn), *deletes])
        return True

    def all(self, account: str, region: str) -> Iterable[Workload]:
        """Every workload of an account and Region."""
        return (_workload(item) for item in self._table.query(f"INDEX#{account}/{region}"))


def _index_key(arn: str) -> tuple[str, str]:
    _, _, _, region, account, *_ = arn.split(":", 5)
    return f"INDEX#{account}/{region}", arn


def _members(workload: Workload) -> dict[str, Any]:
    return {
        "arn": workload.arn,
        "platform": workload.platform.value,
        "account": workload.account,
        "region": workload.region,
        "cluster": workload.cluster,
        "name": workload.name,
        "tags": dict(workload.remembered.tags),
        "images": dict(workload.images),
        "task_definition": workload.task_definition,
    }


def _workload(item: Mapping[str, Any]) -> Workload:
    return Workload(
        item["arn"],
        PlatformKind(item["platform"]),
        item["account"],
        item["region"],
        item["cluster"],
        item["name"],
        item.get("tags", {}),
        item.get("images", {}),
        item.get("task_definition", ""),
    )


class LedgerRecords:
    """What was done to a workload: WORKLOAD#<arn> / DEPLOYMENT, HOLD, GOOD, TOLD, DRIFT, TRUTH, PENDING# and so on."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, arn: str) -> Record:
        """One Query reads all of it; what has expired but is not yet deleted does not count."""
        now = int(self._clock.now().timestamp())
        record = Record(arn)
        quarantined: dict[Digest, datetime] = {}
        pending: dict[tuple[Repository, str], datetime] = {}
        for item in self._table.query(_workload_key(arn)):
            if item.get("expires", now + 1) <= now:
                continue
            kind, _, rest = item["sk"].partition("#")
            if kind == "QUARANTINE":
                quarantined[rest] = datetime.fromisoformat(item["at"])
            elif kind == "PENDING":
                repository, _, tag = rest.rpartition("#")
                pending[Repository.parse(repository), tag] = datetime.fromisoformat(item["at"])
            elif kind in _MEMBERS:
                record = replace(record, **_MEMBERS[kind](item))
        return replace(record, quarantined=quarantined, pending=pending)

    def begin(self, deployment: Deployment, previous: Deployment | None) -> None:
        """Claims the workload: writes the deployment unless another was begun since `previous` was read."""
        now = self._clock.now()
        item = _deployment_item(deployment, now)
        if previous is None:  # what has expired was not read, though it may still be there
            self._table.put(item, "attribute_not_exists(pk) OR expires <= :now", {":now": int(now.timestamp())})
        else:
            self._table.put(item, "version = :version", {":version": previous.version})

    def advance(self, deployment: Deployment) -> Deployment:
        """Writes the next state under the fencing token."""
        advanced = replace(deployment, version=deployment.version + 1)
        item = _deployment_item(advanced, self._clock.now())
        self._table.put(item, "version = :version", {":version": deployment.version})
        return advanced

    def good(self, arn: str, goods: Sequence[Good]) -> None:
        """Replaces the last known good digests."""
        items = [{"digests": dict(g.digests), "since": g.since.isoformat(), "tags": dict(g.tags)} for g in goods]
        expires = expiry(self._clock.now(), _RECORDS_KEEP)
        self._table.put({"pk": _workload_key(arn), "sk": "GOOD", "goods": items, "expires": expires})

    def quarantine(self, arn: str, digests: Iterable[Digest], reason: str, at: datetime) -> None:
        """Refuses digests for ninety days or until cleared."""
        for digest in digests:
            self._table.put(
                {
                    "pk": _workload_key(arn),
                    "sk": f"QUARANTINE#{digest}",
                    "reason": reason,
                    "at": at.isoformat(),
                    "expires": expiry(at, _QUARANTINE_KEEP),
                }
            )

    def hold(self, arn: str, hold: Hold | None) -> None:
        """Sets or lifts the hold."""
        if hold is None:
            self._table.delete(_workload_key(arn), "HOLD")
            return
        self._table.put(
            {
                "pk": _workload_key(arn),
                "sk": "HOLD",
                "reason": hold.reason,
                "actor": hold.actor,
                "since": hold.since.isoformat(),
                "until": hold.until.isoformat() if hold.until else None,
            }
        )

    def tell(self, arn: str, what: str) -> None:
        """Keeps what was told last."""
        expires = expiry(self._clock.now(), _PENDING_KEEP)
        self._table.put({"pk": _workload_key(arn), "sk": "TOLD", "what": what, "expires": expires})

    def drift(self, arn: str, drifts: Sequence[Drift]) -> None:
        """Replaces what is declared otherwise than the owner declares it; nothing is kept of nothing."""
        if not drifts:
            self._table.delete(_workload_key(arn), "DRIFT")
            return
        expires = expiry(self._clock.now(), _DRIFT_KEEP)
        item = {"pk": _workload_key(arn), "sk": "DRIFT", "drifts": [_drift_item(each) for each in drifts]}
        self._table.put({**item, "expires": expires})

    def published(self, arn: str, images: Mapping[str, str]) -> None:
        """Keeps what the workload's parameters hold, by name."""
        expires = expiry(self._clock.now(), _TRUTH_KEEP)
        self._table.put({"pk": _workload_key(arn), "sk": "TRUTH", "images": dict(images), "expires": expires})

    def remember(self, arn: str, repository: Repository, tag: str, at: datetime) -> None:
        """Keeps a tag to look at when the running deployment ends."""
        self._table.put(
            {
                "pk": _workload_key(arn),
                "sk": f"PENDING#{repository}#{tag}",
                "at": at.isoformat(),
                "expires": expiry(at, _PENDING_KEEP),
            }
        )

    def forget(self, arn: str, seen: Mapping[tuple[Repository, str], datetime]) -> None:
        """Drops remembered tags, unless they were remembered again since."""
        for (repository, tag), at in seen.items():
            with suppress(ConflictError):
                self._table.delete(_workload_key(arn), f"PENDING#{repository}#{tag}", {"at": at.isoformat()})


def _deployment_item(deployment: Deployment, now: datetime) -> dict[str, Any]:
    plan = deployment.plan
    return {
        "pk": _workload_key(plan.workload),
        "sk": "DEPLOYMENT",
        "action": plan.action.value,
        "changes": [
            {
                "container": c.container,
                "image": c.image,
                "digest": c.digest,
                "tag": c.tag,
                "accepts": list(c.accepts),
                "previous": c.previous,
                "declared": c.declared,
            }
            for c in plan.changes
        ],
        "reason": plan.reason,
        "correlation": plan.correlation,
        "rollback": plan.rollback,
        "subject": asdict(plan.subject),
        "drifts": [_drift_item(each) for each in plan.drifts],
        "parameters": dict(plan.parameters),
        "status": deployment.status.value,
        "began": deployment.began.isoformat(),
        "deadline": deployment.deadline.isoformat(),
        "soak_seconds": deployment.soak_seconds,
        "lease": deployment.lease.isoformat() if deployment.lease else None,
        "soaking": deployment.soaking.isoformat() if deployment.soaking else None,
        "version": deployment.version,
        "rollout": deployment.rollout,
        "before": deployment.before,
        "ended": deployment.ended.isoformat() if deployment.ended else None,
        "outcome": deployment.outcome,
        "silent": deployment.silent,
        "expires": expiry(now, _RECORDS_KEEP),
    }


def _deployment(item: Mapping[str, Any]) -> Deployment:
    changes = tuple(
        Change(
            c["container"],
            c["image"],
            c["digest"],
            c.get("tag"),
            tuple(c.get("accepts", ())),
            c.get("previous"),
            c.get("declared", ""),
        )
        for c in item["changes"]
    )
    arn = item["pk"].removeprefix("WORKLOAD#")
    plan = Plan(
        arn,
        Action(item["action"]),
        changes,
        item["reason"],
        item["correlation"],
        item.get("rollback", False),
        Subject(**item.get("subject", {})),
        tuple(_drift(each) for each in item.get("drifts", ())),
        item.get("parameters", {}),
    )
    return Deployment(
        plan,
        DeploymentStatus(item["status"]),
        datetime.fromisoformat(item["began"]),
        datetime.fromisoformat(item["deadline"]),
        item.get("soak_seconds", 300),
        _time(item.get("lease")),
        _time(item.get("soaking")),
        item["version"],
        item.get("rollout"),
        item.get("before"),
        _time(item.get("ended")),
        item.get("outcome", ""),
        item.get("silent", False),
    )


def _drift_item(drift: Drift) -> dict[str, Any]:
    return {**drift._asdict(), "since": drift.since.isoformat() if drift.since else None}


def _drift(item: Mapping[str, Any]) -> Drift:
    return Drift(**{**item, "since": _time(item.get("since"))})


def _hold(item: Mapping[str, Any]) -> Hold:
    return Hold(item["reason"], item["actor"], datetime.fromisoformat(item["since"]), _time(item.get("until")))


def _good(item: Mapping[str, Any]) -> Good:
    return Good(item["digests"], datetime.fromisoformat(item["since"]), item.get("tags", {}))


_MEMBERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "DEPLOYMENT": lambda item: {"deployment": _deployment(item)},
    "HOLD": lambda item: {"hold": _hold(item)},
    "GOOD": lambda item: {"goods": tuple(_good(each) for each in item["goods"])},
    "TOLD": lambda item: {"told": item["what"]},
    "DRIFT": lambda item: {"drifts": tuple(_drift(each) for each in item["drifts"])},
    "TRUTH": lambda item: {"published": item["images"]},
}
"""The members of a Record that an item of each sort key holds."""
