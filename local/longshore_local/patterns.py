"""EventBridge event patterns: compiled once, matched as AWS's own rule engine does (local 6)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from longshore_local.pattern_filters import OPERATORS, InvalidPatternError, compile_filter, exact_key

__all__ = ["InvalidPatternError", "Pattern", "compile_pattern"]

_MAX_ALTERNATIVES = 1000  # EventBridge refuses patterns whose $or arms multiply beyond this

Membership = tuple[tuple[int, int], ...]  # (array, index of the element) for each array on the way


@dataclass(frozen=True, slots=True)
class _Field:
    """What one path of a pattern accepts: exact values, other filters, or absence."""

    path: str
    exact: frozenset[object]
    filters: tuple[Callable[[Any], bool], ...]
    absent: bool

    def accepts(self, value: Any) -> bool:
        return exact_key(value) in self.exact or any(test(value) for test in self.filters)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled event pattern: alternatives of which one must hold, each a conjunction of fields."""

    alternatives: tuple[tuple[_Field, ...], ...]
    prefixes: frozenset[str]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether the event satisfies the pattern."""
        leaves: dict[str, list[tuple[Any, Membership]]] = {}
        _Collector(self.prefixes, leaves).collect("", event, ())
        return any(_holds(fields, leaves) for fields in self.alternatives)


def compile_pattern(pattern: Mapping[str, Any]) -> Pattern:
    """Checks and compiles a pattern; raises InvalidPatternError where EventBridge would refuse it."""
    alternatives = tuple(_alternatives("", pattern))
    paths = {field.path for fields in alternatives for field in fields}
    return Pattern(alternatives, frozenset(prefix for path in paths for prefix in _prefixes(path)))


def _alternatives(path: str, node: Mapping[str, Any]) -> list[tuple[_Field, ...]]:
    if not node:
        raise InvalidPatternError(f"{path or 'the pattern'}: an empty object matches nothing, name at least one field")
    found: list[tuple[_Field, ...]] = [()]
    for key, value in node.items():
        arms = _arms(path, key, value)
        found = [left + right for left in found for right in arms]
        if len(found) > _MAX_ALTERNATIVES:
            raise InvalidPatternError(f"{path or '$or'}: more than {_MAX_ALTERNATIVES} combinations of $or")
    return found


def _arms(path: str, key: str, value: Any) -> list[tuple[_Field, ...]]:
    if key == "$or" and _is_or(value):
        return [fields for arm in value for fields in _alternatives(path, arm)]
    inner = f"{path}.{key}" if path else key
    if isinstance(value, dict):
        return _alternatives(inner, value)
    return [(_compile_field(inner, value),)]


def _is_or(value: Any) -> bool:
    """Only a list of two or more objects that are not filters is a relationship, else `$or` is a field's name."""
    return (
        isinstance(value, list)
        and len(value) >= 2
        and all(isinstance(arm, dict) and not OPERATORS & arm.keys() for arm in value)
    )


def _compile_field(path: str, value: Any) -> _Field:
    if not isinstance(value, list):
        raise InvalidPatternError(f"{path}: a field's filters are a list, got {type(value).__name__}")
    if not value:
        raise InvalidPatternError(f"{path}: an empty list of filters can never match")
    exact, filters, absent = [], [], False
    for item in value:
        if isinstance(item, dict):
            if item == {"exists": False}:
                absent = True
            else:
                filters.append(compile_filter(path, item))
        elif isinstance(item, list):
            raise InvalidPatternError(f"{path}: a list inside the list of filters is not allowed")
        else:
            exact.append(exact_key(item))
    return _Field(path, frozenset(exact), tuple(filters), absent)


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split(".")
    return (".".join(parts[: length + 1]) for length in range(len(parts)))


class _Collector:
    """Gathers an event's scalar values by path, as far as the pattern asks for them."""

    __slots__ = ("arrays", "leaves", "prefixes")

    def __init__(self, prefixes: frozenset[str], leaves: dict[str, list[tuple[Any, Membership]]]) -> None:
        self.prefixes = prefixes
        self.leaves = leaves
        self.arrays = 0

    def collect(self, path: str, node: Any, membership: Membership) -> None:
        if isinstance(node, Mapping):
            for key, value in node.items():
                inner = f"{path}.{key}" if path else key
                if inner in self.prefixes or ("." in key and self._reaches(inner)):
                    self.collect(inner, value, membership)
        elif isinstance(node, list):
            self.arrays += 1
            array = self.arrays
            for index, value in enumerate(node):
                self.collect(path, value, (*membership, (array, index)))
        else:
            self.leaves.setdefault(path, []).append((node, membership))

    def _reaches(self, path: str) -> bool:
        return any(prefix.startswith(path) for prefix in self.prefixes)


def _holds(fields: tuple[_Field, ...], leaves: dict[str, list[tuple[Any, Membership]]]) -> bool:
    candidates: list[list[Membership]] = []
    for field in fields:
        values = leaves.get(field.path)
        if values is None:
            if not field.absent:
                return False
            continue
        accepted = [membership for value, membership in values if field.accepts(value)]
        if not accepted:
            return False
        if () not in accepted:
            candidates.append(accepted)
    return len(candidates) < 2 or _consistent(candidates, 0, {})


def _consistent(candidates: list[list[Membership]], at: int, chosen: dict[int, int]) -> bool:
    """Whether one value per field can be chosen so that no two come from different elements of one array."""
    if at == len(candidates):
        return True
    for membership in candidates[at]:
        if all(chosen.get(array, index) == index for array, index in membership) and _consistent(
            candidates, at + 1, {**chosen, **dict(membership)}
        ):
            return True
    return False
