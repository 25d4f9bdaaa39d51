"""What pods say: which digests they run, and why they do not come up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from longshore.images import Digest, is_digest

Object = Mapping[str, Any]

_TEMPLATE_HASH = "pod-template-hash"


def is_ready(pod: Object) -> bool:
    """Whether a pod serves."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def owned(found: Object, pods: Iterable[Object]) -> Sequence[Object]:
    """Those that a workload made itself: others may carry the labels that it selects by, such as its canary's.

    A Deployment owns pods through ReplicaSets, each named by it and by the hash of its template.
    """
    meta = found["metadata"]

    def mine(pod: Object) -> bool:
        of = f"{meta['name']}-{(pod['metadata'].get('labels') or {}).get(_TEMPLATE_HASH)}"
        owners = pod["metadata"].get("ownerReferences") or []
        return any(o["uid"] == meta["uid"] or (o["kind"], o["name"]) == ("ReplicaSet", of) for o in owners)

    return [pod for pod in pods if mine(pod)]


def running(pods: Iterable[Object], *, ended: bool = False) -> Mapping[str, Digest]:
    """The digest that most pods run, by container: of ready ones, or with `ended` of those of a job.

    An imageID without a repository is that of a local image, and nothing that a registry knows.
    """
    counts: dict[str, Counter[str]] = {}
    for pod in pods:
        if ended or is_ready(pod):
            for each in (pod.get("status") or {}).get("containerStatuses") or []:
                digest = str(each.get("imageID", "")).partition("@")[2]
                if is_digest(digest):
                    counts.setdefault(str(each["name"]), Counter())[digest] += 1
    return {name: max(sorted(found), key=found.__getitem__) for name, found in counts.items()}


def complaints(pods: Iterable[Object]) -> Iterator[str]:
    """What keeps pods from being ready, a line for each reason of each container."""
    seen: set[str] = set()
    for pod in pods:
        for each in (pod.get("status") or {}).get("containerStatuses") or []:
            waiting = (each.get("state") or {}).get("waiting") or {}
            line = f"{each.get('name')}: {waiting.get('reason')}: {waiting.get('message', '')}"[:300]
            if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing") and line not in seen:
                seen.add(line)
                yield line


def selector_of(found: Object) -> str:
    """The label selector of a workload's pods, as a list takes it."""
    selector = found["spec"].get("selector") or {}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for each in selector.get("matchExpressions") or []:
        key, values = each["key"], ",".join(each.get("values") or [])
        match each["operator"]:
            case "In" | "NotIn":
                terms.append(f"{key} {each['operator'].lower()} ({values})")
            case "Exists":
                terms.append(key)
            case "DoesNotExist":
                terms.append(f"!{key}")
    return ",".join(terms)
