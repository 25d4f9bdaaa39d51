"""The compiled configuration: canonical bytes, durations in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from longshore_config.__main__ import main
from longshore_config.compile import InvalidConfigError, canonical, compile_config
from longshore_config.durations import seconds


def write(folder: Path, text: str) -> Path:
    file = folder / "longshore.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("written", "expected"), [(0, 0), (90, 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400)]
)
def test_durations_become_seconds(tmp_path: Path, written: int | str, expected: int) -> None:
    config = compile_config(
        write(tmp_path, f"profiles: {{web: {{policy: pin, soak: {written}, cooldown: {written}}}}}")
    )
    assert config == {"profiles": {"web": {"policy": "pin", "soak": expected, "cooldown": expected}}}
    assert seconds(written) == expected


def test_comments_and_order_change_nothing(tmp_path: Path) -> None:
    first = canonical(
        compile_config(write(tmp_path, "profiles:\n  a: {policy: pin, soak: 5m}\n  b: {policy: digest}\n"))
    )
    other = canonical(
        compile_config(write(tmp_path, "# why\nprofiles:\n  b:\n    policy: digest\n  a: {soak: 300, policy: pin}\n"))
    )
    assert first == other == '{"profiles":{"a":{"policy":"pin","soak":300},"b":{"policy":"digest"}}}\n'


def test_an_alias_is_compiled_once_for_each_use(tmp_path: Path) -> None:
    config = compile_config(write(tmp_path, "profiles:\n  a: &a {policy: pin, soak: 5m}\n  b: *a\n"))
    assert config["profiles"] == {"a": {"policy": "pin", "soak": 300}, "b": {"policy": "pin", "soak": 300}}


def test_an_empty_section_is_left_out(tmp_path: Path) -> None:
    assert compile_config(write(tmp_path, "profiles:\n")) == {}


def test_a_wrong_file_is_not_compiled(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match=r"longshore\.yaml:1:1 mirror: unknown key"):
        compile_config(write(tmp_path, "mirror: {}"))


def test_the_command_writes_the_file_that_the_functions_read(tmp_path: Path) -> None:
    out = tmp_path / "longshore" / "config.json"
    assert main([str(write(tmp_path, "profiles: {ü-is-no-name: {policy: pin}}")), str(out)]) == 2
    assert main([str(write(tmp_path, "profiles: {web: {policy: 'digest:prod'}}")), str(out)]) == 0
    assert json.loads(out.read_text()) == {"profiles": {"web": {"policy": "digest:prod"}}}
