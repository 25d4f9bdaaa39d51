"""The platform is built when a fact asks for it, so which facts do must be known without it."""

from __future__ import annotations

from longshore.recover.facts import UNDER_TASKS
from tests.platform_world import PlatformWorld


def test_it_takes_exactly_the_facts_that_are_named() -> None:
    assert set(PlatformWorld().platform.handlers) == set(UNDER_TASKS)
