"""AppSpecs as they were written, and as they are written anew (CodeDeploy User Guide, AppSpec file structure)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.aws.app_specs import UnreadableAppSpecError, app_spec, read_app_spec

HOOKS = [{"AfterInstall": "smoke"}]


@pytest.mark.parametrize(
    "content",
    [
        "version: 0.0\nHooks:\n  - AfterInstall: smoke\n",
        "version: 0.0\n'hooks' :\n  - AfterInstall: smoke\n",
        "{version: 0.0, Resources: [], Hooks: [{AfterInstall: smoke}]}",
        "{version: 0.0,Hooks: [{AfterInstall: smoke}]}",
        "--- {\nversion: 0.0, Resources: [],\n   Hooks: [{AfterInstall: smoke}]}",
    ],
)
def test_hooks_in_yaml_are_seen_however_they_are_written(content: str) -> None:
    with pytest.raises(UnreadableAppSpecError, match="YAML and has hooks"):
        read_app_spec(content)


@pytest.mark.parametrize(
    "content",
    [
        "version: 0.0\nResources: []\n",
        "version: 0.0\n# Hooks:\n#   - AfterInstall: smoke\nResources: []\n",
        "Resources:\n  - TargetService:\n      Properties:\n        TaskDefinition: arn:aws:ecs:task-definition/hooks:1\n",
        "[1]",
        "",
    ],
)
def test_yaml_without_hooks_is_empty(content: str) -> None:
    assert read_app_spec(content) == {}


def test_a_byte_order_mark_hides_no_hooks() -> None:
    assert read_app_spec("\ufeff" + json.dumps({"Hooks": HOOKS})) == {"Hooks": HOOKS}


def properties(spec: str) -> dict[str, Any]:
    return dict(json.loads(spec)["Resources"][0]["TargetService"]["Properties"])


def test_what_was_said_before_counts_more_than_what_it_was_resolved_to() -> None:
    before = {"Hooks": HOOKS, "Resources": [{"Service": {"Properties": {"PlatformVersion": "LATEST", "New": 1}}}]}
    made = app_spec(before, {"platformVersion": "1.4.0"}, "web:2")
    assert properties(made) == {"PlatformVersion": "LATEST", "New": 1, "TaskDefinition": "web:2"}
    assert json.loads(made)["Hooks"] == HOOKS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.dictionaries(st.text(), JSON, max_size=3))
def test_whatever_was_before_the_task_definition_is_the_one_that_is_deployed(
    found: object, more: dict[str, Any]
) -> None:
    before = read_app_spec(json.dumps({**more, "Resources": found}))
    made = app_spec(before, {}, "web:2")
    assert properties(made)["TaskDefinition"] == "web:2"
    assert {k: v for k, v in json.loads(made).items() if k not in ("Resources", "version")} == {
        k: v for k, v in before.items() if k not in ("Resources", "version")
    }
