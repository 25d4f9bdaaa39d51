"""The flag that writes golden files anew: nothing does it silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when this folder, or a test of it, is named on the command line."""
    parser.addoption("--write-golden", action="store_true", help="write tests/golden anew instead of comparing")
