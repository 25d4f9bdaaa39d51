"""The controllers of workloads, one pod a step on the bundle's timeline: rollouts that end, hang or run out of time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from longshore_local.kubernetes.defaults import template_of
from longshore_local.kubernetes.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    NODE,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    Kind,
)
from longshore_local.kubernetes.pods import TEMPLATE_HASH, Kubelet, is_ready, owned, template_hash
from longshore_local.kubernetes.refusals import StatusError
from longshore_local.kubernetes.store import Object, Store
from longshore_local.timeline import Timeline, Timer

_MANAGER = "kube-controller-manager"
_OWNERS = {"StatefulSet": STATEFUL_SET, "DaemonSet": DAEMON_SET}
_HASHES = {STATEFUL_SET: "controller-revision-hash", DAEMON_SET: "controller-revision-hash", DEPLOYMENT: TEMPLATE_HASH}


class _View(NamedTuple):
    """The pods of a workload: of its template of now and of older ones, how many are wanted, how many of the new."""

    new: list[Object]
    old: list[Object]
    wanted: int
    aim: int

    @property
    def pods(self) -> list[Object]:
        return [*self.old, *self.new]

    @property
    def stuck(self) -> list[Object]:
        return [p for p in self.new if not is_ready(p)]

    @property
    def is_done(self) -> bool:
        return len(self.new) >= self.aim and not self.stuck and len(self.pods) == self.wanted


class Controllers:
    """Brings pods to what the workloads' specs want, one pod every `step` seconds."""

    def __init__(self, store: Store, kubelet: Kubelet, timeline: Timeline, step: float) -> None:
        self._store = store
        self._kubelet = kubelet
        self._timeline = timeline
        self._step = timedelta(seconds=step)
        self._progress: dict[str, tuple[str, datetime]] = {}
        self._due: dict[str, Timer] = {}
        self._serial = 0
        store.changed = self._wake

    def run(self, namespace: str, name: str) -> Object:
        """A CronJob's schedule comes: its job runs to its end."""
        cron = self._store.get(CRON_JOB, namespace, name)
        self._serial += 1
        reference = {k: cron[k] for k in ("apiVersion", "kind")} | {k: cron["metadata"][k] for k in ("name", "uid")}
        spec = cron["spec"]["jobTemplate"]["spec"]
        named = f"{name}-{self._serial}"
        meta = {"name": named, "ownerReferences": [{**reference, "controller": True}]}
        job = self._store.create(JOB, namespace, {"metadata": meta, "spec": spec}, _MANAGER)
        labels = {"batch.kubernetes.io/job-name": named, "job-name": named}
        pod = self._kubelet.start(job, spec["template"], f"{named}-pod", labels)
        ended = {"succeeded": 1} if is_ready(pod) else {"failed": 1}
        self._store.set_status(JOB, namespace, named, ended)
        self._store.set_status(CRON_JOB, namespace, name, {"lastScheduleTime": self._now()})
        return job

    def _now(self) -> str:
        return self._timeline.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _wake(self, kind: Kind, found: Object) -> None:
        if kind in _HASHES:
            self._again(kind, found["metadata"]["namespace"], found["metadata"]["name"])
        elif kind == POD:
            for owner in found["metadata"].get("ownerReferences", []):
                name = owner["name"].rpartition("-")[0] if owner["kind"] == "ReplicaSet" else owner["name"]
                self._again(_OWNERS.get(owner["kind"], DEPLOYMENT), found["metadata"]["namespace"], name)
        elif kind == NODE:
            for each in self._store.all(DAEMON_SET):
                self._wake(DAEMON_SET, each)

    def _again(self, kind: Kind, namespace: str, name: str, after: timedelta | None = None) -> None:
        """Sets the next turn, unless an earlier one is set."""
        key, when = f"{kind.plural}/{namespace}/{name}", self._timeline.now() + (after or self._step)
        if (timer := self._due.get(key)) is not None:
            if timer.when <= when:
                return
            timer.cancel()
        self._due[key] = self._timeline.at(when, partial(self._turn, kind, namespace, name))

    def _turn(self, kind: Kind, namespace: str, name: str) -> None:
        with self._store.lock:
            self._due.pop(f"{kind.plural}/{namespace}/{name}", None)
            try:
                found = self._store.get(kind, namespace, name)
            except StatusError:
                return  # it was deleted meanwhile
            if found["spec"].get("paused"):
                return
            again = self._reconcile(kind, found)
            if again is not None:
                self._again(kind, namespace, name, again)

    def _reconcile(self, kind: Kind, found: Object) -> timedelta | None:
        """One step; answers when to take the next, None at the end."""
        revision = template_hash(template_of(kind, found) or {})
        moved = self._move(kind, found, self._view(kind, found, revision), revision)
        if moved:
            self._progress[found["metadata"]["uid"]] = (revision, self._timeline.now())
        view, late = self._view(kind, found, revision), self._late(found, revision)
        self._tell(kind, found, revision, view, late=late)
        if view.is_done or late:
            return None
        return self._deadline(found, revision) if view.stuck and not moved else self._step

    def _view(self, kind: Kind, found: Object, revision: str) -> _View:
        pods = self._pods(kind, found)
        wanted = len(self._store.all(NODE)) if kind == DAEMON_SET else int(found["spec"].get("replicas", 1))
        strategy = found["spec"].get("updateStrategy", {})
        partition = strategy.get("rollingUpdate", {}).get("partition", 0)
        new = [p for p in pods if p["metadata"]["labels"].get(_HASHES[kind]) == revision]
        old = [p for p in pods if p["metadata"]["labels"].get(_HASHES[kind]) != revision]
        by_hand = strategy.get("type") == "OnDelete" and len(pods) >= wanted
        return _View(new, old, wanted, len(new) if by_hand else max(wanted - partition, 0))

    def _move(self, kind: Kind, found: Object, view: _View, revision: str) -> bool:
        """Starts a pod and ends those it replaces; False when nothing is to be done or can be."""
        if _blocked(kind, found, view.old):
            return False
        starts = not view.stuck and len(view.new) < view.aim
        gone = _spare(view) if kind == DEPLOYMENT else _replaced(view, starts=starts)
        for pod in gone:
            self._store.delete(POD, pod["metadata"]["namespace"], pod["metadata"]["name"])
        if starts:
            owner = self._replica_set(found, revision) if kind == DEPLOYMENT else found
            self._serial += 1
            name = f"{owner['metadata']['name']}-{self._serial:05d}"
            self._kubelet.start(owner, template_of(kind, found) or {}, name, {_HASHES[kind]: revision})
        return starts or bool(gone)

    def _pods(self, kind: Kind, found: Object) -> list[Object]:
        if kind != DEPLOYMENT:
            return owned(self._store, found)
        sets = self._store.all(REPLICA_SET, found["metadata"]["namespace"])
        uid = found["metadata"]["uid"]
        mine = [s for s in sets if any(r["uid"] == uid for r in s["metadata"].get("ownerReferences", []))]
        return [pod for each in mine for pod in owned(self._store, each)]

    def _replica_set(self, found: Object, revision: str) -> Object:
        namespace, name = found["metadata"]["namespace"], f"{found['metadata']['name']}-{revision}"
        try:
            return self._store.get(REPLICA_SET, namespace, name)
        except StatusError:
            pass
        reference = {k: found[k] for k in ("apiVersion", "kind")} | {k: found["metadata"][k] for k in ("name", "uid")}
        labels = {**found["spec"]["template"].get("metadata", {}).get("labels", {}), TEMPLATE_HASH: revision}
        template = {**found["spec"]["template"], "metadata": {"labels": labels}}
        meta = {"name": name, "labels": labels, "ownerReferences": [{**reference, "controller": True}]}
        spec = {"selector": {"matchLabels": labels}, "template": template, "replicas": found["spec"]["replicas"]}
        return self._store.create(REPLICA_SET, namespace, {"metadata": meta, "spec": spec}, _MANAGER)

    def _late(self, found: Object, revision: str) -> bool:
        return self._deadline(found, revision) <= timedelta() and "progressDeadlineSeconds" in found["spec"]

    def _deadline(self, found: Object, revision: str) -> timedelta:
        """How long the rollout may still go without progress; a DaemonSet and a StatefulSet know no end of it."""
        was, since = self._progress.get(found["metadata"]["uid"], ("", self._timeline.now()))
        if was != revision:
            since = self._timeline.now()
            self._progress[found["metadata"]["uid"]] = (revision, since)
        allowed = timedelta(seconds=int(found["spec"].get("progressDeadlineSeconds", 3600)))
        return since + allowed - self._timeline.now()

    def _tell(self, kind: Kind, found: Object, revision: str, view: _View, *, late: bool) -> None:
        ready = sum(map(is_ready, view.pods))
        counts = _COUNTS[kind](view.wanted, len(view.pods), len(view.new), ready)
        status = {"observedGeneration": found["metadata"]["generation"], **counts}
        if kind == STATEFUL_SET:
            before = found.get("status", {}).get("currentRevision") or revision
            status |= {"updateRevision": revision, "currentRevision": revision if view.is_done else before}
        if kind == DEPLOYMENT:
            available = ready >= view.wanted
            status["conditions"] = _conditions(found, revision, available, view.is_done, late, self._now())
        where = (found["metadata"]["namespace"], found["metadata"]["name"])
        if {**found.get("status", {})} != status:
            self._quietly(kind, where, status)

    def _quietly(self, kind: Kind, where: tuple[str, str], status: Mapping[str, Any]) -> None:
        """Writes a status without being woken by it."""
        wake, self._store.changed = self._store.changed, lambda kind, found: None
        try:
            self._store.set_status(kind, *where, status)
        finally:
            self._store.changed = wake


def _spare(view: _View) -> list[Object]:
    """Of a Deployment: old pods that do not come up, and one for each new one that serves."""
    ready = [p for p in view.old if is_ready(p)]
    spare = len(ready) + len(view.new) - len(view.stuck) - view.wanted
    return [p for p in view.old if not is_ready(p)] + ready[: max(spare, 0)] + _surplus(view)


def _replaced(view: _View, *, starts: bool) -> list[Object]:
    """Of the others, which never have more pods than are wanted: the one whose place is taken, broken ones first."""
    old = sorted(view.old, key=is_ready)
    return old[: 1 if starts and len(view.pods) >= view.wanted else 0] + _surplus(view)


def _surplus(view: _View) -> list[Object]:
    return view.new[: max(len(view.new) - view.wanted, 0)] if not view.old else []


def _blocked(kind: Kind, found: Object, old: Sequence[Object]) -> bool:
    """A StatefulSet in order waits for a broken pod of an older template until somebody deletes it."""
    ordered = kind == STATEFUL_SET and found["spec"]["podManagementPolicy"] == "OrderedReady"
    return ordered and not all(map(is_ready, old))


def _conditions(found: Object, revision: str, available: bool, done: bool, late: bool, now: str) -> list[Any]:
    name = f"{found['metadata']['name']}-{revision}"
    if late:
        why = ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
    elif done:
        why = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    else:
        why = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
    enough = ("True", "MinimumReplicasAvailable") if available else ("False", "MinimumReplicasUnavailable")
    before = {c["type"]: c for c in found.get("status", {}).get("conditions", [])}
    told = [
        {"type": "Available", "status": enough[0], "reason": enough[1], "message": ""},
        {"type": "Progressing", "status": why[0], "reason": why[1], "message": why[2]},
    ]
    for each in told:
        same = before.get(each["type"], {})
        unchanged = all(same.get(k) == v for k, v in each.items())
        each |= {"lastUpdateTime": same["lastUpdateTime"] if unchanged else now}
        each |= {"lastTransitionTime": same.get("lastTransitionTime", now)}
    return told


def _deployment(wanted: int, count: int, updated: int, ready: int) -> Object:
    unavailable = {"unavailableReplicas": count - ready} if count > ready else {}
    counts = {"replicas": count, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": ready}
    return {**{k: v for k, v in counts.items() if v}, **unavailable}


def _stateful_set(wanted: int, count: int, updated: int, ready: int) -> Object:
    counts = {"updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": ready}
    return {"replicas": count, **{k: v for k, v in counts.items() if v}}


def _daemon_set(wanted: int, count: int, updated: int, ready: int) -> Object:
    return {
        "desiredNumberScheduled": wanted,
        "currentNumberScheduled": min(count, wanted),
        "numberMisscheduled": 0,
        "updatedNumberScheduled": updated,
        "numberReady": ready,
        **({"numberAvailable": ready} if ready else {}),
    }


_COUNTS: Mapping[Kind, Callable[[int, int, int, int], Object]] = {
    DEPLOYMENT: _deployment,
    STATEFUL_SET: _stateful_set,
    DAEMON_SET: _daemon_set,
}
