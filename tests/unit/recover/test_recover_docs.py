"""What docs/recover.md says of retries and reasons is what is done."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from longshore.recover.reasons import Reason
from longshore.recover.retry import BUILT_IN, Retry, RetryPolicy
from longshore.recover.rules import read_retry_policy
from longshore_config.retries import compiled_retries

TOP = Path(__file__).parents[3]
PAGE = (TOP / "docs/recover.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str, columns: int) -> list[list[str]]:
    """The cells of every row of the tables with so many columns, less their heads."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return [
        row
        for row in found
        if len(row) == columns and not set(row[0]) <= {"-"} and row[0] not in ("option", "code", "class")
    ]


def test_every_reason_is_listed_in_order_with_its_verdict_and_meaning() -> None:
    listed = rows(section("Reasons of recover"), 3)
    assert listed == [[f"`{each.value}`", each.verdict.value, each.meaning] for each in Reason]


def test_every_option_is_listed_and_its_default_is_the_default() -> None:
    listed = {row[0].strip("`"): yaml.safe_load(row[1].strip("`")) for row in rows(section("Retries and budgets"), 3)}
    options = json.loads((TOP / "layers/config/schema.json").read_text())["properties"]["recover"]["properties"]
    assert listed.keys() <= options.keys()
    assert read_retry_policy(compiled_retries(listed)) == RetryPolicy()
    for name in listed.keys() - {"rules", "networks"}:
        assert read_retry_policy(compiled_retries({name: changed(listed[name])})) != RetryPolicy(), name


def changed(value: Any) -> Any:
    """Another value of the same form."""
    if isinstance(value, dict):
        return {key: changed(each) for key, each in value.items()}
    if isinstance(value, list):
        return value[1:]
    return value + 1 if isinstance(value, int) else re.sub(r"^\d+[smhd]$", "3m", value)


def test_every_built_in_rule_is_listed() -> None:
    listed = [row for row in rows(section("Retries and budgets"), 4) if row[0] != "all others"]
    limits = RetryPolicy().attempts
    assert [(tuple(re.findall(r"`(\w+)`", row[0])), *row[1:]) for row in listed] == [
        (each.match.classes, each.retry.value, each.kind.value, str(each.attempts or limits[each.kind]))
        for each in BUILT_IN
        if each.retry is not Retry.NEVER
    ]


def test_the_example_can_be_read() -> None:
    example = re.findall(r"```yaml\n(.*?)```", section("Retries and budgets"), re.DOTALL)
    for text in example:
        assert read_retry_policy(compiled_retries(yaml.safe_load(text)["recover"])).rules
    assert example
