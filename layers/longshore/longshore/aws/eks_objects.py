"""What Kubernetes objects say of a workload: the template of its pods, how its rollout stands, who may own it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from longshore.owners import MANAGER, is_mark

Object = Mapping[str, Any]

PREFIX: Final = "longshore.dev/"
"""Of annotations: what `longshore:` is among AWS tags."""
POLICY: Final = f"{PREFIX}policy"
RESTARTED: Final = f"{PREFIX}restarted-at"
"""On a pod template: when a restart was asked for last."""
STOPPED: Final = f"{PREFIX}stopped"
"""On a workload: the rollout that ran out of time."""
HUMAN: Final = f"{PREFIX}tag"
_READ: Final = ("policy", "containers", "team", "channel")

GRACE: Final = timedelta(seconds=1)
"""Kubernetes rounds its times to seconds."""

ROOTS: Final = {
    "deployment": "/apis/apps/v1/{}deployments",
    "statefulset": "/apis/apps/v1/{}statefulsets",
    "daemonset": "/apis/apps/v1/{}daemonsets",
    "cronjob": "/apis/batch/v1/{}cronjobs",
}
"""The kinds that Longshore deploys to, with the path of all their objects, whatever the namespace."""


def path(kind: str, namespace: str = "", name: str = "") -> str:
    """The API path of an object, of a namespace's objects of a kind, or of all."""
    root = ROOTS[kind].format(f"namespaces/{namespace}/" if namespace else "")
    return f"{root}/{name}" if name else root


def patch_of(kind: str, template: Object) -> dict[str, Any]:
    """The spec of a patch that changes the pod template."""
    spec = {"template": dict(template)}
    return {"jobTemplate": {"spec": spec}} if kind == "cronjob" else spec


def template_of(kind: str, found: Object) -> Object:
    """The pod template."""
    spec = found["spec"]["jobTemplate"]["spec"] if kind == "cronjob" else found["spec"]
    template: Object = spec["template"]
    return template


def containers_of(template: Object) -> Sequence[Object]:
    """The containers of a pod template; init containers are nobody's concern."""
    return template["spec"].get("containers") or []


def fingerprint(template: Object) -> str:
    """The id of a rollout: equal templates run the same thing. Replicas are no part of it, so that scaling is none."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]


def notes(found: Object) -> Mapping[str, str]:
    """An object's annotations."""
    return found.get("metadata", {}).get("annotations") or {}


def tags_of(found: Object) -> Mapping[str, str]:
    """What is asked of Longshore by annotation, under the names of the same things as AWS tags; and owners' marks.

    Those are labels, annotations, and whoever manages fields of the spec.
    """
    meta, noted = found.get("metadata", {}), notes(found)
    asked = {f"longshore:{key}": noted[PREFIX + key] for key in _READ if PREFIX + key in noted}
    managers = (e.get("manager") for e in meta.get("managedFields") or [] if "f:spec" in (e.get("fieldsV1") or {}))
    borne = {**(meta.get("labels") or {}), **noted, **{f"{MANAGER}{name}": "" for name in managers}}
    return {**{key: str(text) for key, text in borne.items() if is_mark(key)}, **asked}


def human_tags(found: Object, images: Mapping[str, str]) -> Mapping[str, str]:
    """The tags behind written digests, by container."""
    pairs = (entry.partition("=") for entry in notes(found).get(HUMAN, "").split())
    return {name: tag for name, _, tag in pairs if tag and "@" in images.get(name, "")}


def changed_at(kind: str, found: Object) -> datetime:
    """When somebody wrote the pod template last, by metadata.managedFields; else when the object was made."""
    meta = found["metadata"]
    steps = ("f:spec", "f:jobTemplate", "f:spec", "f:template") if kind == "cronjob" else ("f:spec", "f:template")
    times = [e["time"] for e in meta.get("managedFields") or [] if e.get("time") and _owns(e.get("fieldsV1"), steps)]
    return datetime.fromisoformat(max([str(meta["creationTimestamp"]), *map(str, times)]))


def _owns(fields: Any, steps: Iterable[str]) -> bool:
    for step in steps:
        if not isinstance(fields, Mapping) or step not in fields:
            return False
        fields = fields[step]
    return True


class Standing(NamedTuple):
    """How the rollout of the current template stands: still replacing pods, complete, or given up with a reason.

    Complete is more than not rolling: as many pods as are wanted must be available.
    """

    rolling: bool
    complete: bool
    failed: str = ""
    desired: int = 0


def standing(kind: str, found: Object) -> Standing:
    """As `kubectl rollout status` reads a status; a CronJob has none: its next run has the new template."""
    if kind == "cronjob":
        return Standing(rolling=False, complete=True)
    spec, status = found["spec"], found.get("status") or {}
    observed = int(status.get("observedGeneration") or 0) >= int(found["metadata"].get("generation") or 0)
    told = _STANDINGS[kind](spec, status)
    if told.failed and _is_old(kind, found):
        told = told._replace(rolling=True, failed="")
    if not observed or spec.get("paused"):
        return told._replace(rolling=True, complete=False, failed="")
    return told


def _progress(status: Object) -> Object:
    found: Object = next((c for c in status.get("conditions") or [] if c.get("type") == "Progressing"), {})
    return found


def _is_old(kind: str, found: Object) -> bool:
    """Whether an earlier template ran out of time: the condition stays until the next one makes progress."""
    told = _progress(found.get("status") or {}).get("lastUpdateTime")
    return bool(told) and datetime.fromisoformat(str(told)) < changed_at(kind, found)


def _deployment(spec: Object, status: Object) -> Standing:
    desired = int(spec.get("replicas", 1))
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    progress = _progress(status)
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return Standing(False, False, f"ProgressDeadlineExceeded: {progress.get('message', '')}", desired)
    replaced = updated >= desired and int(status.get("replicas") or 0) <= updated
    rolling = not replaced and progress.get("reason") != "NewReplicaSetAvailable"
    return Standing(rolling, replaced and available >= updated, desired=desired)


def _stateful_set(spec: Object, status: Object) -> Standing:
    desired = int(spec.get("replicas", 1))
    if partition := _partition(spec):
        rolling = int(status.get("updatedReplicas") or 0) < desired - partition
    else:
        rolling = status.get("updateRevision") != status.get("currentRevision")
    ready = int(status.get("readyReplicas") or 0) >= desired
    return Standing(rolling, ready and not rolling, desired=desired)


def _daemon_set(spec: Object, status: Object) -> Standing:
    desired = int(status.get("desiredNumberScheduled") or 0)
    rolling = int(status.get("updatedNumberScheduled") or 0) < desired
    available = int(status.get("numberAvailable") or 0) >= desired
    return Standing(rolling, available and not rolling, desired=desired)


_STANDINGS: Final = {"deployment": _deployment, "statefulset": _stateful_set, "daemonset": _daemon_set}


def by_hand(kind: str, found: Object) -> bool:
    """Whether pods are replaced only when somebody deletes them."""
    strategy = found["spec"].get("updateStrategy") or {}
    return kind in ("statefulset", "daemonset") and strategy.get("type") == "OnDelete"


def partition(kind: str, found: Object) -> int:
    """Below which ordinal the pods of a StatefulSet keep the template that they have."""
    return _partition(found["spec"]) if kind == "statefulset" else 0


def _partition(spec: Object) -> int:
    return int(((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0)
