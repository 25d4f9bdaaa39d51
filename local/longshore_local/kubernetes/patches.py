"""The three patches of the Kubernetes API: strategic merge, JSON merge (RFC 7386) and JSON patch (RFC 6902)."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from longshore_local.kubernetes.refusals import StatusError

MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "conditions": "type",
    "ownerReferences": "uid",
}
"""Lists that merge by a key of their elements (`x-kubernetes-patch-merge-key` of the API's OpenAPI); others replace."""
_SETS = frozenset({"finalizers"})
_DIRECTIVE = "$patch"
_ORDER, _REMOVED, _RETAINED = "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys"

Json = dict[str, Any]


def merge(original: Any, patch: Any) -> Any:
    """JSON merge patch: null removes, objects merge, everything else replaces: lists as a whole."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    merged = dict(original) if isinstance(original, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def strategic_merge(original: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    """Merge patch that knows the API's lists, with the directives that kubectl writes."""
    if patch.get(_DIRECTIVE) == "replace":
        return {k: copy.deepcopy(v) for k, v in patch.items() if k != _DIRECTIVE}
    if patch.get(_DIRECTIVE) == "delete":
        return {}
    merged = {k: v for k, v in original.items() if _RETAINED not in patch or k in patch[_RETAINED]}
    for key, value in patch.items():
        if key.startswith(_REMOVED):
            field = key.removeprefix(_REMOVED)
            merged[field] = [each for each in merged.get(field, []) if each not in value]
        elif not key.startswith("$"):
            _merge_member(merged, key, value)
    for key, order in patch.items():
        field = key.removeprefix(_ORDER)
        if key != field and isinstance(merged.get(field), list):
            merged[field] = _ordered(merged[field], order, MERGE_KEYS.get(field))
    return merged


def _merge_member(merged: Json, key: str, value: Any) -> None:
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, Mapping):
        before = merged.get(key)
        merged[key] = strategic_merge(before if isinstance(before, Mapping) else {}, value)
    elif isinstance(value, list) and key in MERGE_KEYS:
        merged[key] = _merge_list(merged.get(key) or [], value, key)
    elif isinstance(value, list) and key in _SETS:
        merged[key] = [*merged.get(key, []), *(each for each in value if each not in merged.get(key, []))]
    else:
        merged[key] = copy.deepcopy(value)


def _merge_list(original: Sequence[Any], patch: Sequence[Any], field: str) -> list[Any]:
    key = MERGE_KEYS[field]
    if any(isinstance(each, Mapping) and each.get(_DIRECTIVE) == "replace" and key not in each for each in patch):
        return [strategic_merge({}, each) for each in patch if each.get(_DIRECTIVE) != "replace"]
    merged = {each.get(key): each for each in original}
    for each in patch:
        if not isinstance(each, Mapping) or key not in each:
            raise StatusError(422, f"map: {each} does not contain declared merge key: {key}")
        if each.get(_DIRECTIVE) == "delete":
            merged.pop(each[key], None)
        else:
            merged[each[key]] = strategic_merge(merged.get(each[key], {}), each)
    return list(merged.values())


def _ordered(elements: Sequence[Any], order: Sequence[Any], key: str | None) -> list[Any]:
    """The elements in the order that is wished; those it does not name stay behind them."""
    wished = [each.get(key) if key and isinstance(each, Mapping) else each for each in order]

    def place(element: Any) -> int:
        value = element.get(key) if key and isinstance(element, Mapping) else element
        return wished.index(value) if value in wished else len(wished)

    return sorted(elements, key=place)


def json_patch(original: Any, operations: Any) -> Any:
    """Applies the operations in turn, all or none."""
    if not isinstance(operations, list):
        raise StatusError(400, "a JSON patch is a list of operations")
    patched = copy.deepcopy(original)
    for each in operations:
        try:
            patched = _OPERATIONS[each["op"]](patched, each)
        except StatusError:
            raise
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise StatusError(422, f"the server rejected our request due to an error in our request: {error}") from None
    return patched


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is not a JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _at(document: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _add(document: Any, pointer: str, value: Any) -> Any:
    steps = _steps(pointer)
    if not steps:
        return value
    parent, last = _at(document, steps[:-1]), steps[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        parent[last] = value
    return document


def _remove(document: Any, pointer: str) -> Any:
    *steps, last = _steps(pointer)
    parent = _at(document, steps)
    del parent[int(last) if isinstance(parent, list) else last]
    return document


def _replace(document: Any, operation: Json) -> Any:
    _at(document, _steps(operation["path"]))  # must exist
    if not operation["path"]:
        return operation["value"]
    *steps, last = _steps(operation["path"])
    parent = _at(document, steps)
    parent[int(last) if isinstance(parent, list) else last] = operation["value"]
    return document


def _test(document: Any, operation: Json) -> Any:
    if _at(document, _steps(operation["path"])) != operation["value"]:
        raise StatusError(422, f"testing path {operation['path']} failed")
    return document


def _move(document: Any, operation: Json) -> Any:
    value = _at(document, _steps(operation["from"]))
    return _add(_remove(document, operation["from"]), operation["path"], value)


def _copy(document: Any, operation: Json) -> Any:
    return _add(document, operation["path"], copy.deepcopy(_at(document, _steps(operation["from"]))))


_OPERATIONS: Mapping[str, Callable[[Any, Json], Any]] = {
    "add": lambda document, operation: _add(document, operation["path"], operation["value"]),
    "remove": lambda document, operation: _remove(document, operation["path"]),
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
