"""What a rule's target receives of an event: Input, InputPath and InputTransformer as EventBridge applies them."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

_PLACEHOLDER = re.compile(r"<([^<>\s]+)>")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
_MISSING = object()


class InputError(ValueError):
    """The target's input specification cannot be applied to the event."""


def target_input(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str, ingested: datetime) -> str:
    """The text that the target receives."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        found = json_path(event, target["InputPath"])
        return json.dumps(None if found is _MISSING else found)
    if "InputTransformer" in target:
        return _transform(target["InputTransformer"], event, rule_arn, ingested)
    return json.dumps(event)


def json_path(document: Any, path: str) -> Any:
    """The value at `$.a.b[0]`; a private marker (never None) where nothing is there."""
    if not path.startswith("$"):
        raise InputError(f"{path!r} is not a JSON path, it starts with $")
    node = document
    for key in _steps(path):
        node = _member(node, key)
    return node


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise InputError(f"{path!r} is not a JSON path that EventBridge takes, at {path[position:]!r}")
        position = step.end()
        name, index, quoted = step.groups()
        steps.append(int(index) if index is not None else name or quoted)
    return steps


def _member(node: Any, key: str | int) -> Any:
    if isinstance(key, int):
        return node[key] if isinstance(node, list) and key < len(node) else _MISSING
    return node.get(key, _MISSING) if isinstance(node, Mapping) else _MISSING


def _transform(transformer: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str, ingested: datetime) -> str:
    values = {name: json_path(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rpartition("/")[2],
        "aws.events.event.ingestion-time": ingested.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": event,
    }
    template: str = transformer["InputTemplate"]
    text = "".join(_substituted(template, values))
    if template.lstrip().startswith(("{", "[")):
        _check_json(text)
    return text


def _substituted(template: str, values: Mapping[str, Any]) -> list[str]:
    pieces: list[str] = []
    position, quoted = 0, False
    for placeholder in _PLACEHOLDER.finditer(template):
        before = template[position : placeholder.start()]
        pieces.append(before)
        quoted ^= _toggles_quotes(before)
        value = values.get(placeholder.group(1), _MISSING)
        pieces.append(_as_text(value) if quoted else _as_json(value))
        position = placeholder.end()
    return [*pieces, template[position:]]


def _toggles_quotes(text: str) -> bool:
    return len(re.findall(r'(?<!\\)"', text)) % 2 == 1


def _as_json(value: Any) -> str:
    return '""' if value is _MISSING else json.dumps(value)


def _as_text(value: Any) -> str:
    if value is _MISSING:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]


def _check_json(text: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise InputError(f"the transformed input is not JSON: {error}") from error
