"""Pods as a kubelet starts them: an image is pulled or found on the node, and comes up, crashes or cannot be had."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from longshore_local.kubernetes.kinds import NODE, POD
from longshore_local.kubernetes.store import Object, Store

TEMPLATE_HASH = "pod-template-hash"
_MANAGER = "kubelet"

Resolve = Callable[[str], str | None]
"""The digest of a declared image now, None for one that cannot be pulled."""


def template_hash(template: Mapping[str, Any]) -> str:
    """A name for a pod template: equal templates have equal ones."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


class Kubelet:
    """Starts pods. `failing` holds digests whose containers crash."""

    def __init__(self, store: Store, resolve: Resolve, now: Callable[[], datetime]) -> None:
        self._store = store
        self._resolve = resolve
        self._now = now
        self._pulled: dict[str, str] = {}
        self.failing: set[str] = set()

    def start(self, owner: Object, template: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> Object:
        """Creates a pod of a template; its owner controls it. It is ready unless an image is bad."""
        meta = template.get("metadata") or {}
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
        nodes = self._store.all(NODE)
        spec = {**template["spec"], **({"nodeName": nodes[0]["metadata"]["name"]} if nodes else {})}
        pod = {
            "metadata": {
                "name": name,
                "labels": {**(meta.get("labels") or {}), **labels},
                "annotations": dict(meta.get("annotations") or {}),
                "ownerReferences": [reference],
            },
            "spec": spec,
            "status": self._status(template["spec"]),
        }
        return self._store.create(POD, owner["metadata"]["namespace"], pod, _MANAGER)

    def _status(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        statuses = [self._container(each) for each in spec["containers"]]
        ready = all(each["ready"] for each in statuses)
        conditions = [{"type": "Ready", "status": str(ready)}]
        return {"phase": "Running" if ready else "Pending", "conditions": conditions, "containerStatuses": statuses}

    def _container(self, container: Mapping[str, Any]) -> dict[str, Any]:
        image = str(container["image"])
        cached = self._pulled.get(image) if container.get("imagePullPolicy") == "IfNotPresent" else None
        digest = cached or self._resolve(image)
        status = {"name": container["name"], "image": image, "imageID": "", "ready": False, "restartCount": 0}
        if digest is None:
            why = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
            return {**status, "state": {"waiting": why}}
        self._pulled[image] = digest
        repository = image.partition("@")[0]
        if ":" in repository.rpartition("/")[2]:
            repository = repository.rpartition(":")[0]
        status |= {"imageID": f"{repository}@{digest}", "containerID": f"containerd://{uuid.uuid4().hex}"}
        if digest in self.failing:
            why = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
            return {**status, "restartCount": 3, "state": {"waiting": why}}
        return {**status, "ready": True, "state": {"running": {"startedAt": f"{self._now():%Y-%m-%dT%H:%M:%SZ}"}}}


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether its containers are up."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def owned(store: Store, owner: Object) -> list[Object]:
    """The pods that an object controls."""
    uid = owner["metadata"]["uid"]
    pods = store.all(POD, owner["metadata"]["namespace"])
    return [p for p in pods if any(r["uid"] == uid for r in p["metadata"].get("ownerReferences", []))]
