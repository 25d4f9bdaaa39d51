"""The filters of an event pattern's field: one predicate each (local 6)."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any

OPERATORS = frozenset(
    {"exists", "prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "cidr"}
)

_NUMERIC_BOUND = 5e9  # EventBridge compares numbers between -5e9 and 5e9

Filter = Callable[[Any], bool]


class InvalidPatternError(ValueError):
    """An event pattern that EventBridge would refuse; the message names the field."""


def exact_key(value: Any) -> object:
    """A value as a set's key under EventBridge equality: 3 is 3.0, 1 is neither "1" nor true."""
    return (value,) if isinstance(value, bool) else value


def compile_filter(path: str, item: dict[str, Any]) -> Filter:
    """One `{operator: operand}` as a predicate over scalar values."""
    if len(item) != 1:
        raise InvalidPatternError(f"{path}: a filter names exactly one operator, got {sorted(item)}")
    ((operator, operand),) = item.items()
    compiler = _COMPILERS.get(operator)
    if compiler is None:
        raise InvalidPatternError(f"{path}: unknown operator {operator!r}, known are {', '.join(sorted(OPERATORS))}")
    return compiler(f"{path}: {operator}", operand)


def _exists(where: str, operand: Any) -> Filter:
    if operand is not True:
        raise InvalidPatternError(f"{where} takes true or false")
    return lambda _value: True


def _prefix(where: str, operand: Any) -> Filter:
    if isinstance(operand, dict):
        folded = _ignore_case_operand(where, operand)
        return lambda value: isinstance(value, str) and value.lower().startswith(folded)
    text = _text(where, operand)
    return lambda value: isinstance(value, str) and value.startswith(text)


def _suffix(where: str, operand: Any) -> Filter:
    if isinstance(operand, dict):
        folded = _ignore_case_operand(where, operand)
        return lambda value: isinstance(value, str) and value.lower().endswith(folded)
    text = _text(where, operand)
    return lambda value: isinstance(value, str) and value.endswith(text)


def _ignore_case_operand(where: str, operand: dict[str, Any]) -> str:
    if operand.keys() != {"equals-ignore-case"}:
        raise InvalidPatternError(f"{where} takes a string or equals-ignore-case")
    return _text(where, operand["equals-ignore-case"]).lower()


def _equals_ignore_case(where: str, operand: Any) -> Filter:
    folded = _text(where, operand).lower()
    return lambda value: isinstance(value, str) and value.lower() == folded


def _wildcard(where: str, operand: Any) -> Filter:
    expression = re.compile(_wildcard_expression(where, _text(where, operand)), re.DOTALL)
    return lambda value: isinstance(value, str) and expression.fullmatch(value) is not None


def _wildcard_expression(where: str, text: str) -> str:
    pieces: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
            if text[position : position + 1] not in ("*", "\\"):
                raise InvalidPatternError(f"{where}: a backslash escapes only * and \\")
            pieces.append(re.escape(text[position]))
        elif character == "*":
            if pieces[-1:] == [".*"]:
                raise InvalidPatternError(f"{where}: consecutive * are not allowed")
            pieces.append(".*")
        else:
            pieces.append(re.escape(character))
        position += 1
    return "".join(pieces)


def _anything_but(where: str, operand: Any) -> Filter:
    if isinstance(operand, dict):
        return _anything_but_filter(where, operand)
    values = operand if isinstance(operand, list) else [operand]
    if not values or not (all(isinstance(v, str) for v in values) or all(map(_is_number, values))):
        raise InvalidPatternError(f"{where} takes strings only or numbers only, and at least one")
    refused = frozenset(map(exact_key, values))
    return lambda value: exact_key(value) not in refused


def _anything_but_filter(where: str, operand: dict[str, Any]) -> Filter:
    ((operator, inner),) = operand.items() if len(operand) == 1 else ((None, None),)
    if operator not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
        raise InvalidPatternError(f"{where} takes one of prefix, suffix, equals-ignore-case, wildcard")
    texts = inner if isinstance(inner, list) else [inner]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise InvalidPatternError(f"{where} {operator} takes non-empty strings")
    refused = [_COMPILERS[operator](where, text) for text in texts]
    return lambda value: not any(test(value) for test in refused)


def _numeric(where: str, operand: Any) -> Filter:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise InvalidPatternError(f'{where} takes a list such as [">", 0, "<=", 5]')
    for bound in operand[1::2]:
        if not _is_number(bound) or abs(bound) > _NUMERIC_BOUND:
            raise InvalidPatternError(f"{where}: {bound!r} is not a number between -5e9 and 5e9")
    tests = [_comparison(where, sign, bound) for sign, bound in zip(operand[::2], operand[1::2], strict=True)]
    if len(tests) == 2:
        _check_range(where, operand)
    return lambda value: _is_number(value) and all(test(value) for test in tests)


def _comparison(where: str, sign: Any, bound: float) -> Filter:
    match sign:
        case "=":
            return lambda value: bool(value == bound)
        case "<":
            return lambda value: bool(value < bound)
        case "<=":
            return lambda value: bool(value <= bound)
        case ">":
            return lambda value: bool(value > bound)
        case ">=":
            return lambda value: bool(value >= bound)
    raise InvalidPatternError(f"{where}: {sign!r} is not one of = < <= > >=")


def _check_range(where: str, operand: list[Any]) -> None:
    lower, bottom, upper, top = operand
    if lower not in (">", ">=") or upper not in ("<", "<="):
        raise InvalidPatternError(f"{where}: a range is a lower bound, then an upper bound")
    if bottom >= top:
        raise InvalidPatternError(f"{where}: the lower bound {bottom} is not below the upper bound {top}")


def _cidr(where: str, operand: Any) -> Filter:
    try:
        network = ipaddress.ip_network(_text(where, operand), strict=False)
    except ValueError as error:
        raise InvalidPatternError(f"{where}: {error}") from error

    def inside(value: Any) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return inside


def _text(where: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise InvalidPatternError(f"{where} takes a string, got {type(operand).__name__}")
    return operand


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_COMPILERS: dict[str, Callable[[str, Any], Filter]] = {
    "exists": _exists,
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}
