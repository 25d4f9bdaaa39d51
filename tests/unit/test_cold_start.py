"""What a function must not load before its first message: libraries that cost more than they give (design 11)."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks import imports


@pytest.mark.parametrize("function", sorted(imports.COMPOSED))
def test_a_function_loads_nothing_that_is_banned(function: str) -> None:
    with imports.interpreter() as python:
        here = imports.Interpreter(sys.executable, python.environment)
        loaded = imports.modules(here, function)
    assert "boto3" in loaded
    assert imports.banned(loaded) == []


def test_the_ban_can_be_broken() -> None:
    assert imports.banned(["json", "yaml.reader", "rich"]) == ["rich", "yaml"]
