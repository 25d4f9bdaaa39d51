"""The service models in the layer: of the botocore that tests run on, and with every member that the adapters read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import botocore.session
import pytest

from tests.template.rendered import ROOT

ADAPTERS = ROOT / "layers/longshore/longshore/aws"
OF_ADAPTER = {
    "ecs": ("ecs", "resourcegroupstaggingapi"),
    "ecr": ("ecr",),
    "bus": ("events",),
    "queue": ("sqs", "scheduler"),
    "table": ("dynamodb",),
}
OF_BOTOCORE = {"PaginationConfig", "PageSize"}
"""Arguments of botocore's paginators, which no model has."""

_MEMBER = re.compile(r"[a-zA-Z]+[a-z][A-Z][A-Za-z]*|[A-Z][a-z]{2,}[A-Za-z]*")
"""Literals that can only be members of AWS shapes: two words in one."""


def test_the_shipped_models_are_those_that_tests_run_on() -> None:
    pinned = re.search(r"^botocore==(\S+)", (ROOT / "layers/longshore/models.txt").read_text(encoding="utf-8"), re.M)
    assert pinned
    assert pinned[1] == version("botocore")


@pytest.mark.parametrize("adapter", sorted(OF_ADAPTER))
def test_every_member_that_an_adapter_reads_is_in_the_models(adapter: str) -> None:
    session = botocore.session.get_session()
    known = {name for service in OF_ADAPTER[adapter] for name in _members(session.get_service_model(service))}
    used = set(_literals(ast.parse((ADAPTERS / f"{adapter}.py").read_text(encoding="utf-8"))))
    assert used, "the adapter reads something"
    assert sorted(used - known - OF_BOTOCORE) == []


def _members(model: Any) -> Iterator[str]:
    for name in model.shape_names:
        yield from getattr(model.shape_for(name), "members", {})


def _literals(tree: ast.AST) -> Iterator[str]:
    """Keys that are read by index or `get`, given by keyword, or written in a dictionary."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                found = [key]
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
                found = [key]
            case ast.Call(keywords=keywords):
                found = [keyword.arg for keyword in keywords if keyword.arg]
            case ast.Dict(keys=keys):
                found = [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
            case _:
                found = []
        yield from (key for key in found if _MEMBER.fullmatch(key))
