"""Event patterns against AWS's own answers, and properties of matching."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore_local.patterns import InvalidPatternError, compile_pattern

CASES = json.loads((Path(__file__).parents[2] / "data" / "eventpatterns.json").read_text())

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-1000, 1000), st.text(max_size=8))
NAMES = st.text("abcxyz", min_size=1, max_size=3)
EVENTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS, lambda inner: st.dictionaries(NAMES, inner, min_size=1) | st.lists(inner, min_size=1), max_leaves=8
    ),
    min_size=1,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_agrees_with_event_ruler(case: dict[str, Any]) -> None:
    if case.get("invalid"):
        with pytest.raises(InvalidPatternError):
            compile_pattern(case["pattern"])
    else:
        assert compile_pattern(case["pattern"]).matches(case["event"]) is case["matches"]


@pytest.mark.parametrize(
    "pattern",
    [
        {"a": [{"numeric": ["<", 1, ">", 0]}]},
        {"a": [{"numeric": [">", 5, "<", 5]}]},
        {"a": [{"numeric": [">", "1"]}]},
        {"a": [{"numeric": ["~", 1]}]},
        {"a": [{"numeric": ["=", 6e9]}]},
        {"a": [{"frobnicate": 1}]},
        {"a": [{"anything-but": []}]},
        {"a": [{"anything-but": ["x", 1]}]},
        {"a": [{"anything-but": {"prefix": ""}}]},
        {"a": [{"anything-but": {}}]},
        {"a": [{"cidr": "10.0.0.0/99"}]},
        {"a": [{"exists": "yes"}]},
        {"a": [{"wildcard": "a\\b"}]},
        {"a": [["nested"]]},
        {"a": 3},
        {"$or": [{"b": [1]}, {}]},
    ],
)
def test_refuses_what_eventbridge_refuses(pattern: dict[str, Any]) -> None:
    with pytest.raises(InvalidPatternError, match=r"a|or"):
        compile_pattern(pattern)


def test_fields_of_different_array_elements_do_not_match_together() -> None:
    pattern = compile_pattern({"detail": {"containers": {"name": ["app"], "exitCode": [137]}}})
    healthy_app = {"containers": [{"name": "app", "exitCode": 0}, {"name": "sidecar", "exitCode": 137}]}
    assert not pattern.matches({"detail": healthy_app})


@pytest.mark.parametrize(("address", "inside"), [("10.0.0.7", True), ("10.0.1.7", False), ("no address", False)])
def test_cidr(address: str, inside: bool) -> None:
    assert compile_pattern({"ip": [{"cidr": "10.0.0.0/24"}]}).matches({"ip": address}) is inside


def test_dotted_key_of_an_event_is_a_path() -> None:
    assert compile_pattern({"a": {"b": {"c": [1]}}}).matches({"a.b": {"c": 1}})
    assert compile_pattern({"a.b": [1]}).matches({"a": {"b": 1}})


def test_the_number_of_combinations_is_bounded() -> None:
    arms = [{f"f{i}": [i]} for i in range(11)]
    nested = {"a": {"$or": arms}, "b": {"$or": arms}, "c": {"$or": arms}}
    with pytest.raises(InvalidPatternError, match="combinations"):
        compile_pattern(nested)


@given(EVENTS, st.data())
def test_anything_but_never_accepts_what_exact_accepts_alone(event: dict[str, Any], data: st.DataObject) -> None:
    text = data.draw(st.text(max_size=5))
    event = {**event, "field": text}
    assert compile_pattern({"field": [text]}).matches(event)
    assert not compile_pattern({"field": [{"anything-but": text}]}).matches(event)


@given(EVENTS, NAMES, SCALARS)
def test_exists_is_the_opposite_of_absent(event: dict[str, Any], name: str, value: Any) -> None:
    exists = compile_pattern({name: [{"exists": True}]})
    absent = compile_pattern({name: [{"exists": False}]})
    assert exists.matches(event) is not absent.matches(event)
    assert exists.matches({**event, name: value})


@given(EVENTS, NAMES, SCALARS, NAMES, SCALARS)
def test_or_is_the_union_of_its_arms(event: dict[str, Any], a: str, x: Any, b: str, y: Any) -> None:
    left, right = {a: [x]}, {b: [y]}
    union = compile_pattern({"$or": [left, right]}).matches(event)
    assert union is (compile_pattern(left).matches(event) or compile_pattern(right).matches(event))
