"""What the API server adds to an object that it takes in, and what it refuses."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from longshore_local.kubernetes.kinds import CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, STATEFUL_SET, Kind
from longshore_local.kubernetes.refusals import StatusError, invalid
from longshore_local.kubernetes.selectors import selects

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.:]*[a-z0-9])?")
_WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET)
_ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
_SPECS: Mapping[Kind, Mapping[str, Any]] = {
    DEPLOYMENT: {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "strategy": _ROLLING,
    },
    STATEFUL_SET: {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    },
    DAEMON_SET: {
        "revisionHistoryLimit": 10,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    },
    REPLICA_SET: {"replicas": 1},
    CRON_JOB: {
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    },
}
_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "resources": {}}
_POD = {"terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}


def template_of(kind: Kind, found: Mapping[str, Any]) -> dict[str, Any] | None:
    """The pod template of a workload, None for what has none."""
    spec = found.get("spec") or {}
    if kind == CRON_JOB:
        spec = spec.get("jobTemplate", {}).get("spec", {})
    template: dict[str, Any] | None = spec.get("template")
    return template


def complete(kind: Kind, found: dict[str, Any]) -> None:
    """Fills in what was not said."""
    if kind in _SPECS:
        spec = found.setdefault("spec", {})
        for key, value in _SPECS[kind].items():
            spec.setdefault(key, value)
    pods = found.get("spec") if kind == POD else (template_of(kind, found) or {}).get("spec")
    if pods is None:
        return
    pods.setdefault("restartPolicy", "Always")
    for key, value in _POD.items():
        pods.setdefault(key, value)
    for container in _containers(pods):
        image = str(container.get("image", ""))
        latest = "@" not in image and (":" not in image.rpartition("/")[2] or image.endswith(":latest"))
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
        for key, value in _CONTAINER.items():
            container.setdefault(key, value)


def check(kind: Kind, found: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
    """Raises 422 for what the API server's validation refuses."""
    name = found["metadata"].get("name", "")
    if _NAME.fullmatch(name) is None:
        raise invalid(kind, name, "metadata.name", "a lowercase RFC 1123 subdomain must consist of lower case letters")
    if kind in _WORKLOADS:
        _check_selector(kind, found, before)
    template = template_of(kind, found)
    if template is not None or kind in (*_WORKLOADS, JOB, CRON_JOB):
        _check_containers(kind, name, (template or {}).get("spec") or {})


def _check_selector(kind: Kind, found: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    name, spec = found["metadata"]["name"], found["spec"]
    selector = spec.get("selector")
    if not selector:
        raise invalid(kind, name, "spec.selector", "Required value")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not selects(selector, labels):
        raise invalid(kind, name, "spec.template.metadata.labels", "`selector` does not match template `labels`")
    if before and before["spec"]["selector"] != selector:
        raise invalid(kind, name, "spec.selector", "field is immutable")


def _check_containers(kind: Kind, name: str, pods: Mapping[str, Any]) -> None:
    where, seen = "spec.template.spec.containers", set()
    if not pods.get("containers"):
        raise invalid(kind, name, where, "Required value")
    for place, container in enumerate(_containers(pods)):
        if not isinstance(container, Mapping):
            raise StatusError(400, f"{where}[{place}] is no object")
        if not container.get("image"):
            raise invalid(kind, name, f"{where}[{place}].image", "Required value")
        if not container.get("name") or container["name"] in seen:
            raise invalid(kind, name, f"{where}[{place}].name", "Required and unique value")
        seen.add(container["name"])


def _containers(pods: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pods.get("containers") or []
    yield from pods.get("initContainers") or []
