"""IAM as far as Longshore's policies use it: statements, wildcards, conditions. What it does not know, it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.template.rendered import Rendered

_STATEMENT = {"Sid", "Effect", "Action", "Resource", "Condition"}


class UnknownPolicyError(AssertionError):
    """A policy uses an element or a condition operator that this evaluator does not know."""


@dataclass(frozen=True, slots=True)
class Request:
    """One action on one resource, with the context keys that its service gives IAM (absent keys are absent)."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}" + (f" with {dict(self.context)}" if self.context else "")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy."""

    sid: str
    allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Statement:
        """Reads a statement; refuses elements such as NotAction that are not evaluated."""
        if unknown := set(raw) - _STATEMENT:
            raise UnknownPolicyError(f"statement {raw.get('Sid', raw)}: {sorted(unknown)} is not evaluated here")
        statement = cls(
            raw.get("Sid", ""),
            {"Allow": True, "Deny": False}[raw["Effect"]],
            tuple(_list(raw["Action"])),
            tuple(_list(raw["Resource"])),
            raw.get("Condition", {}),
        )
        for operator in statement.conditions:
            _operator(operator)
        return statement

    def covers(self, request: Request) -> bool:
        """Whether the statement speaks of this request."""
        return (
            any(_like(pattern.lower(), request.action.lower()) for pattern in self.actions)
            and any(_like(pattern, request.resource) for pattern in self.resources)
            and all(_holds(operator, keys, request.context) for operator, keys in self.conditions.items())
        )


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the stack with its inline policies."""

    name: str
    statements: tuple[Statement, ...]

    def allows(self, request: Request) -> bool:
        """IAM's order: an explicit denial, else an allowance, else denied."""
        covering = [statement for statement in self.statements if statement.covers(request)]
        return bool(covering) and all(statement.allow for statement in covering)

    def grants(self) -> Iterator[tuple[Statement, str]]:
        """Every action that is granted, with its statement."""
        return ((s, action) for s in self.statements if s.allow for action in s.actions)


def roles(rendered: Rendered) -> dict[str, Role]:
    """The roles of a stack by logical id; managed policies are refused, for nobody here can read them."""
    found = {}
    for name, properties in rendered.of_type("AWS::IAM::Role").items():
        if properties.get("ManagedPolicyArns"):
            raise UnknownPolicyError(f"{name} has managed policies")
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        statements = [Statement.read(raw) for document in documents for raw in document["Statement"]]
        found[name] = Role(name, tuple(statements))
    return found


def function_roles(rendered: Rendered) -> dict[str, str]:
    """The logical id of each function's role, by the function's logical id."""
    by_arn = {rendered.arn(name): name for name in rendered.of_type("AWS::IAM::Role")}
    return {name: by_arn[p["Role"]] for name, p in rendered.of_type("AWS::Lambda::Function").items()}


def denied(role: Role, requests: Iterable[Request]) -> list[str]:
    """What a role does not allow, each said once."""
    return sorted({f"{role.name} does not allow {r}" for r in requests if not role.allows(r)})


def unused(role: Role, requests: Iterable[Request]) -> list[str]:
    """What a role grants and nobody asked for: an action never called, a resource pattern that matched nothing."""
    asked = list(requests)
    found = []
    for statement in role.statements:
        covered = [r for r in asked if statement.allow and statement.covers(r)]
        for action in statement.actions:
            if not any(_like(action.lower(), r.action.lower()) for r in covered):
                found.append(f"{role.name} grants {action} in {statement.sid}, and nothing called it")
        for resource in statement.resources:
            if covered and not any(_like(resource, r.resource) for r in covered):
                found.append(f"{role.name} grants {resource} in {statement.sid}, and nothing needed it")
    return found


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _like(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A star is any run of characters, a question mark any one; nothing else is special, brackets neither."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character, re.escape(character)) for character in pattern), re.DOTALL)


def _arn_like(pattern: str, text: str) -> bool:
    """Each of the six parts on its own: a star does not cross a colon."""
    left, right = pattern.split(":", 5), text.split(":", 5)
    return len(left) == len(right) and all(_like(a, b) for a, b in zip(left, right, strict=True))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, given: wanted == given,
    "StringLike": _like,
    "ForAllValues:StringEquals": lambda wanted, given: wanted == given,  # of what we call, each names one value
    "ArnLike": _arn_like,
}


def _operator(name: str) -> Callable[[str, str], bool] | None:
    if name == "Null":
        return None
    if name not in _OPERATORS:
        raise UnknownPolicyError(f"the condition operator {name} is not evaluated here")
    return _OPERATORS[name]


def _holds(operator: str, keys: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    matches = _operator(operator)
    given = {key.lower(): value for key, value in context.items()}  # condition keys know no case
    for key, wanted in keys.items():
        present = given.get(key.lower())
        if matches is None:
            if str(wanted).lower() != str(present is None).lower():
                return False
        elif present is None or not any(matches(str(each), present) for each in _list(wanted)):
            return False
    return True
