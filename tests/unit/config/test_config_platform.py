"""The `recover.platform` section of `longshore.yaml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from longshore.errors import ConfigurationError
from longshore.recover.upkeep import UpkeepPolicy
from longshore.recover.upkeep_rules import read_upkeep_policy
from longshore_config.check import check
from longshore_config.compile import compile_config


def written(tmp_path: Path, body: str) -> Path:
    file = tmp_path / "longshore.yaml"
    file.write_text(f"recover:\n  platform: {body}\n", encoding="utf-8")
    return file


def test_it_is_checked_compiled_and_read(tmp_path: Path) -> None:
    file = written(tmp_path, "{rebalance: drain, retirement_before: 12h}")
    assert check(file) == []
    policy = read_upkeep_policy(compile_config(file)["recover"])
    assert policy == UpkeepPolicy(rebalance_drains=True, retirement_before=43_200)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{rebalanse: drain}", "unknown key; did you mean rebalance?"),
        ("{rebalance: yes}", "rebalance: "),
        ("{retirement_before: 30m}", "is '1800'; write seconds from 3600"),
        ("{retirement_before: 60}", "60 is less than 3600"),
        ("{retirement_before: 2d}", "is '172800'; write seconds from 3600"),
        ("{}", "nothing is written below it"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, body: str, expected: str) -> None:
    [problem] = [each.located("longshore.yaml") for each in check(written(tmp_path, body))]
    assert "recover.platform" in problem
    assert expected in problem


@pytest.mark.parametrize("raw", [None, {}, {"platform": None}])
def test_nothing_is_the_default(raw: object) -> None:
    assert read_upkeep_policy(raw) == UpkeepPolicy()


@pytest.mark.parametrize("platform", [3, {"rebalance": True}, {"rebalance": []}, {"retirement_before": True}])
def test_what_the_schema_would_refuse_is_refused_here_too(platform: object) -> None:
    with pytest.raises(ConfigurationError, match=r"recover\.platform"):
        read_upkeep_policy({"platform": platform})
