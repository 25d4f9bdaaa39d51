"""The objects of a cluster: optimistic concurrency by resourceVersion, generations, and a log that watches read."""

import copy
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from longshore_local.kubernetes import defaults, field_owners
from longshore_local.kubernetes.kinds import CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, KINDS, POD, STATEFUL_SET, Kind
from longshore_local.kubernetes.refusals import StatusError, already_exists, conflict, not_found

Object = dict[str, Any]
_LOGGED = 10_000
_GENERATED = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, CRON_JOB, JOB)


class Change(NamedTuple):
    """One line of the log: ADDED, MODIFIED or DELETED, and the object as it was then."""

    version: int
    type: str
    kind: Kind
    found: Object


class Store:
    """Everything that a cluster keeps. `changed` hears of what was written, and of pods that went."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._objects: dict[Kind, dict[tuple[str, str], Object]] = {kind: {} for kind in KINDS}
        self._log: list[Change] = []
        self._version = 100
        self.lock = threading.Condition(threading.RLock())
        self.changed: Callable[[Kind, Object], None] = lambda kind, found: None

    @property
    def version(self) -> str:
        """The resourceVersion of the whole, which a list carries."""
        return str(self._version)

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object. Raises 404."""
        with self.lock:
            found = self._objects[kind].get((namespace, name))
            if found is None:
                raise not_found(kind, name)
            return copy.deepcopy(found)

    def all(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """All objects of a kind, in all namespaces when none is named, by namespace and name."""
        with self.lock:
            held = sorted(self._objects[kind].items())
            return [copy.deepcopy(found) for (where, _), found in held if namespace in (None, where)]

    def create(
        self, kind: Kind, namespace: str, given: Mapping[str, Any], manager: str, *, dry: bool = False
    ) -> Object:
        """Takes an object in. Raises 409 for a name that is taken, 422 for what is invalid."""
        found = copy.deepcopy(dict(given))
        meta = found.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        if kind.namespaced:
            meta["namespace"] = namespace
        found |= {"apiVersion": kind.api_version, "kind": kind.name}
        defaults.complete(kind, found)
        defaults.check(kind, found)
        with self.lock:
            key = (namespace if kind.namespaced else "", str(meta["name"]))
            if key in self._objects[kind]:
                raise already_exists(kind, key[1])
            meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": self._now().strftime("%Y-%m-%dT%H:%M:%SZ")}
            if kind in _GENERATED:
                meta["generation"] = 1
                found.setdefault("status", {})
            field_owners.record(None, found, manager, self._now())
            return self._put(kind, key, found, "ADDED", dry=dry)

    def change(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        edit: Callable[[Object], Object],
        manager: str,
        *,
        dry: bool = False,
    ) -> Object:
        """Writes what `edit` makes of an object. Raises 409 when what it answers carries an older resourceVersion."""
        with self.lock:
            before = self.get(kind, namespace, name)
            after = edit(copy.deepcopy(before))
            meta, was = after.setdefault("metadata", {}), before["metadata"]
            if meta.get("resourceVersion") not in (None, "", was["resourceVersion"]):
                raise conflict(kind, name)
            for field in ("name", "namespace", "uid", "creationTimestamp", "generation", "managedFields"):
                if field in was:
                    meta[field] = was[field]
            meta["resourceVersion"] = was["resourceVersion"]
            after |= {"apiVersion": kind.api_version, "kind": kind.name, "status": before.get("status", {})}
            if "status" not in before:
                del after["status"]
            defaults.complete(kind, after)
            defaults.check(kind, after, before)
            if after == before:
                return before
            if kind in _GENERATED and _bumps(kind, before, after):
                meta["generation"] = was["generation"] + 1
            field_owners.record(before, after, manager, self._now())
            return self._put(kind, (was.get("namespace", ""), name), after, "MODIFIED", dry=dry)

    def set_status(self, kind: Kind, namespace: str, name: str, status: Mapping[str, Any]) -> None:
        """The status subresource, which only controllers write."""
        with self.lock:
            found = self._objects[kind].get((namespace, name))
            if found is not None and found.get("status") != status:
                self._put(kind, (namespace, name), {**found, "status": copy.deepcopy(dict(status))}, "MODIFIED")

    def delete(self, kind: Kind, namespace: str, name: str, *, dry: bool = False) -> Object:
        """Removes an object, and whatever it owns."""
        with self.lock:
            found = self.get(kind, namespace, name)
            if dry:
                return found
            del self._objects[kind][found["metadata"].get("namespace", ""), name]
            self._version += 1
            found["metadata"]["resourceVersion"] = self.version
            self._note("DELETED", kind, found)
            if kind == POD:
                self.changed(kind, found)
            for owned, held in self._owned_by(found["metadata"]["uid"]):
                self.delete(owned, held["metadata"].get("namespace", ""), held["metadata"]["name"])
            return found

    def since(self, version: int) -> list[Change]:
        """What happened after a version. Raises 410 when the log no longer reaches back so far."""
        with self.lock:
            if self._log and len(self._log) == _LOGGED and version < self._log[0].version - 1:
                raise StatusError(410, f"too old resource version: {version} ({self._version})")
            return [change for change in self._log if change.version > version]

    def wake(self) -> None:
        """Has every watch look up."""
        with self.lock:
            self.lock.notify_all()

    def _put(self, kind: Kind, key: tuple[str, str], found: Object, type: str, *, dry: bool = False) -> Object:
        if dry:
            return found
        self._version += 1
        found["metadata"] = {**found["metadata"], "resourceVersion": self.version}
        self._objects[kind][key] = found
        self._note(type, kind, found)
        self.changed(kind, found)
        return copy.deepcopy(found)

    def _note(self, type: str, kind: Kind, found: Object) -> None:
        self._log.append(Change(self._version, type, kind, copy.deepcopy(found)))
        del self._log[:-_LOGGED]
        self.lock.notify_all()

    def _owned_by(self, uid: str) -> Iterator[tuple[Kind, Object]]:
        for kind, held in self._objects.items():
            for found in list(held.values()):
                if any(each["uid"] == uid for each in found["metadata"].get("ownerReferences", [])):
                    yield kind, found


def _bumps(kind: Kind, before: Object, after: Object) -> bool:
    """A new spec is a new generation; of Deployments new annotations are as well."""
    annotated = before["metadata"].get("annotations") != after["metadata"].get("annotations")
    return before.get("spec") != after.get("spec") or (kind == DEPLOYMENT and annotated)
