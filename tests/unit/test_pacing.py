"""The pacing of a profile: its defaults, what it may say, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.redeploy.pacing import Pacing, read_pacing


def test_the_defaults_are_those_of_the_specification() -> None:
    assert read_pacing({}) == Pacing(soak=300, timeout=1200, cooldown=300, per_push=100, per_hour=300)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400), (60, 60), ("60s", 60)]
)
def test_a_duration_is_a_number_with_a_unit_or_seconds(text: Any, seconds: int) -> None:
    read = read_pacing({"soak": text, "timeout": text, "cooldown": text})
    assert (read.soak, read.timeout, read.cooldown) == (seconds, seconds, seconds)


def test_there_may_be_no_soak_and_no_cooldown() -> None:
    assert read_pacing({"soak": 0, "cooldown": "0s"}) == Pacing(soak=0, cooldown=0)


def test_limits_are_read() -> None:
    assert read_pacing({"limits": {"per_push": 1, "per_hour": 2}}) == Pacing(per_push=1, per_hour=2)


@pytest.mark.parametrize(
    ("raw", "member"),
    [
        ({"soak": "5"}, "soak"),
        ({"soak": "-5s"}, "soak"),
        ({"soak": "5 m"}, "soak"),
        ({"soak": "\u0665m"}, "soak"),
        ({"soak": -1}, "soak"),
        ({"soak": True}, "soak"),
        ({"soak": 1.5}, "soak"),
        ({"soak": None}, "soak"),
        ({"soak": "2d"}, "soak"),
        ({"timeout": 59}, "timeout"),
        ({"timeout": "0s"}, "timeout"),
        ({"cooldown": 86401}, "cooldown"),
        ({"limits": [1]}, "limits"),
        ({"limits": {"per_push": 0}}, "limits.per_push"),
        ({"limits": {"per_push": "5"}}, "limits.per_push"),
        ({"limits": {"per_hour": True}}, "limits.per_hour"),
    ],
)
def test_what_is_wrong_is_named(raw: dict[str, Any], member: str) -> None:
    with pytest.raises(ValueError, match=r"write|mapping") as error:
        read_pacing(raw)
    assert error.value.args[0] == member
