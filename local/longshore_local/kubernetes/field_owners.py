"""metadata.managedFields: who wrote which field last, and when, as the API server keeps it."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from longshore_local.kubernetes.patches import MERGE_KEYS

_NOT_OWNED = frozenset({"apiVersion", "kind", "status"})
_NOT_OWNED_METADATA = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}
)
Path = tuple[str, ...]


def record(before: Mapping[str, Any] | None, after: dict[str, Any], manager: str, at: datetime) -> None:
    """Gives the fields that differ to the manager and takes them from whoever had them."""
    old, new = dict(_leaves(before or {})), dict(_leaves(after))
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    gone = old.keys() - new.keys()
    if not changed and not gone:
        return
    kept: list[dict[str, Any]] = []
    mine: set[Path] = set(changed)
    for entry in (before or {}).get("metadata", {}).get("managedFields", []):
        paths = set(_paths(entry["fieldsV1"])) - gone
        if entry["manager"] == manager and entry["operation"] == "Update":
            mine |= paths
        elif paths - changed:
            kept.append({**entry, "fieldsV1": _tree(paths - changed)})
    entry = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": after["apiVersion"],
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fieldsType": "FieldsV1",
        "fieldsV1": _tree(mine),
    }
    after["metadata"]["managedFields"] = [*kept, entry] if mine else kept


def _leaves(found: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for key, value in found.items():
        if key in _NOT_OWNED:
            continue
        members = value
        if key == "metadata":
            members = {k: v for k, v in value.items() if k not in _NOT_OWNED_METADATA}
        yield from _below((f"f:{key}",), key, members)


def _below(path: Path, key: str, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and value:
        for name, member in value.items():
            yield from _below((*path, f"f:{name}"), name, member)
    elif isinstance(value, list) and key in MERGE_KEYS and all(isinstance(each, Mapping) for each in value):
        for each in value:
            selected = "k:" + json.dumps({MERGE_KEYS[key]: each.get(MERGE_KEYS[key])}, separators=(",", ":"))
            for name, member in each.items():
                yield from _below((*path, selected, f"f:{name}"), name, member)
    else:
        yield path, value


def _tree(paths: set[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        at = tree
        for step in path:
            at = at.setdefault(step, {})
    return tree


def _paths(tree: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    for step, below in tree.items():
        if below:
            yield from _paths(below, (*path, step))
        else:
            yield (*path, step)
