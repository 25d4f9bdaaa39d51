"""docs/mirror.md is true: reasons, keys and defaults are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from longshore.mirror.reading import read_mirrors
from longshore.mirror.reasons import Reason

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "mirror.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    table = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in re.findall(r"^\| `.*$", table, re.M)]


def test_every_reason_is_explained() -> None:
    listed = [
        (code.strip("`| "), action, meaning.rstrip(" |")) for code, action, meaning in rows("What becomes of a tag")
    ]
    assert listed == [(reason.value, reason.action.value, reason.meaning) for reason in Reason]


def test_every_key_is_listed() -> None:
    schema = json.loads((ROOT / "layers/config/schema.json").read_text(encoding="utf-8"))["$defs"]["mirror"]
    assert {row[0].strip("`| ") for row in rows("What can be written")} == set(schema["properties"])
    for key in schema["properties"]["tags"]["properties"]:
        assert f"`{key}`" in PAGE or f"`{key}:" in PAGE, key
    for key in schema["properties"]["repository"]["properties"]:
        assert f"`{key}`" in PAGE, key


def test_the_defaults_are_true() -> None:
    mirror = read_mirrors({"web": {"from": "a/b", "to": "ecr:c", "prune": {"after": "1d"}}})["web"]
    told = {row[0].strip("`| "): row[1].strip("`") for row in rows("What can be written")}
    assert (told["referrers"], told["on_move"]) == (mirror.referrers, mirror.on_move.value)
    assert (told["every"], int(told["keep_pulls"])) == (f"{mirror.every.days}d", mirror.keep_pulls)
    assert mirror.prune is not None
    assert f"`most` ({mirror.prune.most}, in percent)" in PAGE


def test_the_example_is_a_good_configuration() -> None:
    text = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)[0]
    assert read_mirrors(yaml.safe_load(text)["mirrors"])["nginx"].tags.latest == 5
