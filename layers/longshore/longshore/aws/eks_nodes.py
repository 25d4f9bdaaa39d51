"""Where pods may land: the platforms that their image must offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Object = Mapping[str, Any]

_ARCHITECTURE: Final = "kubernetes.io/arch"
_SYSTEM: Final = "kubernetes.io/os"
_COMPUTE: Final = "eks.amazonaws.com/compute-type"
_FARGATE: Final = frozenset({"linux/amd64"})


def slim(node: Object) -> Object:
    """What is kept of a node, which is big."""
    return {
        "metadata": {"name": node["metadata"]["name"], "labels": node["metadata"].get("labels") or {}},
        "spec": {"taints": (node.get("spec") or {}).get("taints") or []},
        "status": {"nodeInfo": (node.get("status") or {}).get("nodeInfo") or {}},
    }


def platforms(template: Object, nodes: Sequence[Object], pods: Iterable[Object]) -> frozenset[str]:
    """What an image must offer: the kinds of all nodes that the pods may land on; none where that is not known."""
    spec = template["spec"]
    wanted = _wanted(spec)
    if _ARCHITECTURE in wanted:
        systems = wanted.get(_SYSTEM) or {"linux"}
        return frozenset(f"{s}/{a}" for s in systems for a in wanted[_ARCHITECTURE])
    by_name = {n["metadata"]["name"]: n for n in nodes}
    places = [by_name[p["spec"]["nodeName"]] for p in pods if p["spec"].get("nodeName") in by_name]
    if places and all(_labels(n).get(_COMPUTE) == "fargate" for n in places):
        return _FARGATE
    open_to = [n for n in nodes if _admits(n, spec, wanted)]
    return frozenset(filter(None, map(_platform, [*open_to, *places])))


def _wanted(spec: Object) -> dict[str, set[str]]:
    """The labels that a node must carry, by selector and by required affinity of a single term."""
    wanted = {key: {value} for key, value in (spec.get("nodeSelector") or {}).items()}
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    terms = affinity.get("nodeSelectorTerms") or []
    if len(terms) == 1:
        for each in terms[0].get("matchExpressions") or []:
            if each.get("operator") == "In":
                values = set(each.get("values") or [])
                wanted[each["key"]] = wanted.get(each["key"], values) & values
    return wanted


def _admits(node: Object, spec: Object, wanted: Mapping[str, set[str]]) -> bool:
    taints = (node.get("spec") or {}).get("taints") or []
    labels = _labels(node)
    return all(labels.get(key) in values for key, values in wanted.items()) and all(
        any(_tolerates(t, taint) for t in spec.get("tolerations") or [])
        for taint in taints
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not taint["key"].startswith("node.kubernetes.io/")
    )


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


def _platform(node: Object) -> str | None:
    info = (node.get("status") or {}).get("nodeInfo") or {}
    if not info.get("architecture"):
        return None
    return f"{info.get('operatingSystem') or 'linux'}/{info['architecture']}"


def _labels(node: Object) -> Mapping[str, str]:
    return node["metadata"].get("labels") or {}
