"""What docs/recover.md says of crash loops and their reasons is what is done; the configuration accepts the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from longshore.recover.crash_loops import Act, CrashLoopPolicy
from longshore.recover.loop_policy import read_crash_loop_policy
from longshore.recover.service_reasons import CareReason, EndReason
from longshore_config.check import check
from longshore_config.compile import compile_config
from longshore_config.retries import compiled_retries

TOP = Path(__file__).parents[3]
PAGE = (TOP / "docs/recover.md").read_text(encoding="utf-8")


def rows(heading: str, columns: int) -> list[list[str]]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = (line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `"))
    return [[cell.strip() for cell in line] for line in lines if len(line) == columns]


def test_every_option_is_listed_with_its_default() -> None:
    listed = {row[0].strip("`"): yaml.safe_load(row[1].strip("`")) for row in rows("Crash loops", 3)}
    schema = json.loads((TOP / "layers/config/schema.json").read_text())["properties"]["recover"]["properties"]
    assert listed.keys() == schema["crash_loop"]["properties"].keys()
    assert read_crash_loop_policy(compiled_retries({"crash_loop": listed})) == CrashLoopPolicy()


def test_every_reason_is_listed_with_its_meaning() -> None:
    codes = [[f"`{each.value}`", each.meaning] for kind in (CareReason, EndReason) for each in kind]
    assert [row for row in rows("Healing", 2) if row in codes] == codes


def test_the_section_is_compiled_and_read(tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text("recover:\n  crash_loop: {act: rollback, within: 5m, quiet: 1h}\n", encoding="utf-8")
    compiled = compile_config(file)["recover"]
    assert compiled["crash_loop"] == {"act": "rollback", "within": 300, "quiet": 3600}
    assert read_crash_loop_policy(compiled).act is Act.ROLLBACK


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{act: panic}", "2:16 recover.crash_loop.act: 'panic' is not one of notify, rollback"),
        ("{stops: 0}", "2:16 recover.crash_loop.stops: 0 is less than 1"),
        ("{windows: 5m}", "2:16 recover.crash_loop.windows: unknown key; known here:"),
        ("{within: 2d}", "2:16 recover.crash_loop.within: is '172800'; write a whole number, 1 to 86400"),
        ("{}", "2:3 recover.crash_loop: nothing is written below it"),
    ],
)
def test_a_mistake_is_found_at_its_key(tmp_path: Path, body: str, problem: str) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text(f"recover:\n  crash_loop: {body}\n", encoding="utf-8")
    (found,) = check(file)
    assert found.located("longshore.yaml").startswith(f"longshore.yaml:{problem}")
