"""Whether a queue's resource policy lets a rule send to it, as SQS decides for events.amazonaws.com."""

import json
from fnmatch import fnmatchcase
from typing import Any

_LIKE = ("ArnEquals", "ArnLike", "StringLike")
_EQUAL = ("StringEquals",)


def allows_send(policy: str | None, queue_arn: str, rule_arn: str) -> bool:
    """True when a statement allows the rule and none denies it."""
    if not policy:
        return False
    statements = _listed(json.loads(policy).get("Statement", []))
    effects = {statement["Effect"] for statement in statements if _applies(statement, queue_arn, rule_arn)}
    return effects == {"Allow"}


def _applies(statement: dict[str, Any], queue_arn: str, rule_arn: str) -> bool:
    return (
        _names_events(statement.get("Principal"))
        and any(fnmatchcase("sqs:sendmessage", action.lower()) for action in _listed(statement.get("Action", [])))
        and any(fnmatchcase(queue_arn, resource) for resource in _listed(statement.get("Resource", [])))
        and _conditions_hold(statement.get("Condition", {}), rule_arn)
    )


def _names_events(principal: Any) -> bool:
    if principal == "*":
        return True
    services = _listed(principal.get("Service", [])) if isinstance(principal, dict) else []
    return "events.amazonaws.com" in services or (isinstance(principal, dict) and principal.get("AWS") == "*")


def _conditions_hold(conditions: dict[str, Any], rule_arn: str) -> bool:
    known = {"aws:sourcearn": rule_arn, "aws:sourceaccount": rule_arn.split(":")[4], "aws:securetransport": "true"}
    return all(
        _condition_holds(operator, known.get(key.lower()), [str(value).strip() for value in _listed(wanted)])
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _condition_holds(operator: str, actual: str | None, wanted: list[str]) -> bool:
    if actual is None:
        return False
    if operator in _LIKE:
        return any(fnmatchcase(actual, pattern) for pattern in wanted)
    if operator == "Bool":
        return actual in [value.lower() for value in wanted]
    return operator in _EQUAL and actual in wanted


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
