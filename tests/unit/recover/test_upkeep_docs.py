"""What docs/recover.md says of upkeep is what is done."""

from __future__ import annotations

from pathlib import Path

import yaml

from longshore.recover.upkeep import UpkeepPolicy, Why
from longshore.recover.upkeep_rules import read_upkeep_policy
from longshore_config.retries import compiled_retries

PAGE = (Path(__file__).parents[3] / "docs/recover.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in cells if not set(row[0]) <= {"-"} and row[0] not in ("code", "option")]


def test_every_reason_is_listed_in_order_with_its_measure_and_meaning() -> None:
    assert rows(section("Reasons of upkeep")) == [[f"`{w.value}`", w.measure.value, w.meaning] for w in Why]


def test_the_options_have_their_defaults_and_the_example_can_be_read() -> None:
    table = [row for row in rows(section("Retirements")) if row[0] in ("`rebalance`", "`retirement_before`")]
    listed = {row[0].strip("`"): row[1].strip("`") for row in table}
    assert read_upkeep_policy({"platform": compiled_retries(listed)}) == UpkeepPolicy()
    example = section("Retirements").partition("```yaml\n")[2].partition("```")[0]
    read = read_upkeep_policy(compiled_retries(yaml.safe_load(example)["recover"]))
    assert read == UpkeepPolicy(rebalance_drains=True, retirement_before=43_200)


def test_the_numbers_are_the_policy() -> None:
    policy, text = UpkeepPolicy(), section("Instances")
    assert f"after {policy.agent_away // 60} minutes" in text
    assert f"every {policy.look_again // 60} minutes for {policy.look_until // 3600} hours" in text
    assert f"within {policy.drained_within // 60} minutes" in text
    assert f"drains for {policy.drain_stuck // 60} minutes" in text
    assert (policy.drained_share, policy.widespread_share) == (10, 30)
    assert f"{policy.stale_after // 60} minutes apart" in section("Stale instances of Cloud Map")
