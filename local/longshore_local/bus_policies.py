"""Whether the policy of an event bus lets another account's rule put an event there, as EventBridge decides."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

_LIKE = ("ArnEquals", "ArnLike", "StringLike")
_EQUAL = ("StringEquals", "Bool")


def allows_put(policy: str | None, role_arn: str, source: str) -> bool:
    """True when a statement allows a rule's role to put an event of this source."""
    statements = json.loads(policy)["Statement"] if policy else []
    known = {
        "aws:principalarn": role_arn,
        "aws:principalaccount": role_arn.split(":")[4],
        "events:source": source,
        "events:eventbusinvocation": "true",
    }
    return any(_applies(each, role_arn, known) for each in statements)


def _applies(statement: Mapping[str, Any], role_arn: str, known: Mapping[str, str]) -> bool:
    principals = _listed(statement["Principal"]["AWS"] if isinstance(statement["Principal"], dict) else "*")
    root = f"arn:aws:iam::{role_arn.split(':')[4]}:root"
    named = any(each in ("*", role_arn, root) for each in principals)
    actions = _listed(statement["Action"])
    conditions = statement.get("Condition") or {}
    holds = all(
        _holds(operator, known.get(key.lower()), _listed(wanted)) for operator, key, wanted in _flat(conditions)
    )
    return statement["Effect"] == "Allow" and named and "events:PutEvents" in actions and holds


def _flat(conditions: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(operator, key, wanted) for operator, keys in conditions.items() for key, wanted in keys.items()]


def _holds(operator: str, actual: str | None, wanted: list[Any]) -> bool:
    if actual is None:
        return False
    if operator in _LIKE:
        return any(fnmatchcase(actual, str(each)) for each in wanted)
    return operator in _EQUAL and actual in [str(each).lower() if operator == "Bool" else each for each in wanted]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
