"""The stand-in's patches, as the API server applies them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore_local.kubernetes.patches import json_patch, merge, strategic_merge
from longshore_local.kubernetes.refusals import StatusError

POD: dict[str, Any] = {
    "containers": [
        {"name": "app", "image": "web:1", "env": [{"name": "A", "value": "1"}], "args": ["-a", "-b"]},
        {"name": "envoy", "image": "envoy:1"},
    ],
    "nodeSelector": {"disk": "ssd", "zone": "a"},
}


def test_a_strategic_merge_changes_one_container_and_keeps_its_siblings() -> None:
    patched = strategic_merge(POD, {"containers": [{"name": "app", "image": "web:2"}]})
    assert patched == {**POD, "containers": [{**POD["containers"][0], "image": "web:2"}, POD["containers"][1]]}


def test_a_merge_patch_loses_the_sidecar() -> None:
    patched = merge(POD, {"containers": [{"name": "app", "image": "web:2"}]})
    assert patched["containers"] == [{"name": "app", "image": "web:2"}]


@pytest.mark.parametrize(
    ("patch", "names"),
    [
        ({"containers": [{"name": "envoy", "$patch": "delete"}]}, ["app"]),
        ({"containers": [{"$patch": "replace"}, {"name": "new", "image": "x:1"}]}, ["new"]),
        ({"containers": [{"name": "new", "image": "x:1"}]}, ["app", "envoy", "new"]),
        ({"$setElementOrder/containers": [{"name": "envoy"}, {"name": "app"}]}, ["envoy", "app"]),
        ({"containers": [], "$setElementOrder/containers": []}, ["app", "envoy"]),
    ],
)
def test_directives_for_lists(patch: dict[str, Any], names: list[str]) -> None:
    assert [each["name"] for each in strategic_merge(POD, patch)["containers"]] == names


@pytest.mark.parametrize(
    ("patch", "selector"),
    [
        ({"nodeSelector": {"zone": None}}, {"disk": "ssd"}),
        ({"nodeSelector": {"$patch": "replace", "os": "linux"}}, {"os": "linux"}),
        ({"nodeSelector": {"$patch": "delete"}}, {}),
        ({"nodeSelector": {"$retainKeys": ["disk"], "disk": "hdd"}}, {"disk": "hdd"}),
        ({"nodeSelector": None}, None),
    ],
)
def test_directives_for_objects(patch: dict[str, Any], selector: Any) -> None:
    assert strategic_merge(POD, patch).get("nodeSelector") == selector


def test_lists_without_merge_keys_are_replaced() -> None:
    assert strategic_merge(POD, {"containers": [{"name": "app", "args": ["-c"]}]})["containers"][0]["args"] == ["-c"]


def test_an_element_without_its_merge_key_is_refused() -> None:
    with pytest.raises(StatusError, match="merge key: name"):
        strategic_merge(POD, {"containers": [{"image": "web:2"}]})


def test_finalizers_are_a_set() -> None:
    meta = {"finalizers": ["a", "b"]}
    assert strategic_merge(meta, {"finalizers": ["b", "c"]})["finalizers"] == ["a", "b", "c"]
    assert strategic_merge(meta, {"$deleteFromPrimitiveList/finalizers": ["a"]})["finalizers"] == ["b"]


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "replace", "path": "/a/0", "value": 9}], {"a": [9, 2], "b~/": 1}),
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3], "b~/": 1}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2], "b~/": 1}),
        ([{"op": "remove", "path": "/b~0~1"}], {"a": [1, 2]}),
        ([{"op": "move", "from": "/a", "path": "/c"}], {"c": [1, 2], "b~/": 1}),
        ([{"op": "copy", "from": "/a/1", "path": "/d"}], {"a": [1, 2], "b~/": 1, "d": 2}),
        ([{"op": "test", "path": "/a/0", "value": 1}], {"a": [1, 2], "b~/": 1}),
    ],
)
def test_json_patch(operations: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert json_patch({"a": [1, 2], "b~/": 1}, operations) == expected


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/a/0", "value": 2}],
        [{"op": "replace", "path": "/missing", "value": 2}],
        [{"op": "remove", "path": "/a/7"}],
        [{"op": "conjure", "path": "/a"}],
        [{"path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
    ],
)
def test_a_json_patch_that_does_not_fit_changes_nothing(operations: list[dict[str, Any]]) -> None:
    document = {"a": [1, 2]}
    with pytest.raises(StatusError) as refused:
        json_patch(document, [{"op": "add", "path": "/b", "value": 1}, *operations])
    assert refused.value.code == 422
    assert document == {"a": [1, 2]}


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.text(alphabet="abc", max_size=2), DOCUMENTS, max_size=4)


@given(OBJECTS, OBJECTS)
def test_merging_twice_is_merging_once(document: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge(document, patch)
    assert merge(once, patch) == once


@given(OBJECTS)
def test_an_empty_patch_changes_nothing(document: dict[str, Any]) -> None:
    assert merge(document, {}) == document
    assert strategic_merge(document, {}) == document
    assert json_patch(document, []) == document
