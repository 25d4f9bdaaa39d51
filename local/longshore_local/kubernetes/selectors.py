"""Label and field selectors of list and watch."""

import re
from collections.abc import Mapping
from typing import Any

from longshore_local.kubernetes.refusals import StatusError

_REQUIREMENT = re.compile(
    r"\s*(?:(?P<absent>!)?(?P<key>[\w./-]+))\s*"
    r"(?:(?P<operator>==|!=|=|\bin\b|\bnotin\b)\s*(?:\((?P<values>[^)]*)\)|(?P<value>[\w.-]*)))?\s*(?:,|$)"
)


def matches_labels(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fit a selector (``app=web,tier in (a,b),!old``). Raises 400 for one that cannot be read."""
    place = 0
    while place < len(selector):
        found = _REQUIREMENT.match(selector, place)
        if found is None:
            raise StatusError(400, f"unable to parse requirement: {selector!r}")
        if not _holds(found, labels):
            return False
        place = found.end()
    return True


def _holds(found: re.Match[str], labels: Mapping[str, str]) -> bool:
    key, operator = found["key"], found["operator"]
    if operator is None:
        return (key in labels) != bool(found["absent"])
    values = {each.strip() for each in (found["values"] or found["value"] or "").split(",")}
    if operator in ("!=", "notin"):
        return labels.get(key) not in values
    return labels.get(key) in values


def matches_fields(selector: str, found: Mapping[str, Any]) -> bool:
    """Whether an object fits a field selector (``metadata.name=web``)."""
    for each in filter(None, selector.split(",")):
        path, unequal, value = each.partition("!=")
        if not unequal:
            path, _, value = each.partition("=")
        at: Any = found
        for step in path.split("."):
            at = at.get(step, "") if isinstance(at, Mapping) else ""
        if (str(at) == value.lstrip("=")) == bool(unequal):
            return False
    return True


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether the LabelSelector of a spec selects labels."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _expressed(each, labels) for each in selector.get("matchExpressions") or []
    )


def _expressed(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
