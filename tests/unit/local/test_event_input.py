"""What a target receives of an event."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from longshore_local.event_input import InputError, target_input

EVENT = {"source": "s", "detail": {"name": 'a "b"', "n": 3, "list": [{"x": None}], "obj": {"k": "v"}}}
RULE = "arn:aws:events:eu-west-1:123456789012:rule/bus/mine"


def received(target: dict[str, Any]) -> str:
    return target_input(target, EVENT, RULE, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, EVENT),
        ({"Input": '{"fixed": 1}'}, {"fixed": 1}),
        ({"InputPath": "$.detail.n"}, 3),
        ({"InputPath": "$.detail.list[0].x"}, None),
        ({"InputPath": "$['detail']['obj']"}, {"k": "v"}),
        ({"InputPath": "$.nothing"}, None),
    ],
)
def test_input_and_path(target: dict[str, Any], expected: Any) -> None:
    assert json.loads(received(target)) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"name": <name>}', '{"name": "a \\"b\\""}'),
        ('{"name": "<name>!"}', '{"name": "a \\"b\\"!"}'),
        ('{"n": <n>, "obj": <obj>}', '{"n": 3, "obj": {"k": "v"}}'),
        ('{"gone": <gone>, "quoted": "<gone>"}', '{"gone": "", "quoted": ""}'),
        ('"name <n> of <aws.events.rule-name>"', '"name 3 of mine"'),
        ('{"at": "<aws.events.event.ingestion-time>"}', '{"at": "2026-01-02T03:04:05Z"}'),
        ('{"e": <aws.events.event>}', '{"e": {"source": "s"}}'),
    ],
)
def test_transformer(template: str, expected: str) -> None:
    paths = {"name": "$.detail.name", "n": "$.detail.n", "obj": "$.detail.obj", "gone": "$.detail.gone"}
    assert received({"InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}}) == expected


def test_a_template_that_yields_no_json_is_refused() -> None:
    with pytest.raises(InputError, match="is not JSON"):
        received({"InputTransformer": {"InputTemplate": '{"a": }'}})


@pytest.mark.parametrize("path", ["detail", "$.a[?(@.b)]", "$..x"])
def test_a_path_that_eventbridge_does_not_take_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="not a JSON path"):
        received({"InputPath": path})
