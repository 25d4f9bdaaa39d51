"""`longshore config`: what is checked, how problems are told, and the schema."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from longshore_cli.main import main


def test_a_good_file_is_exit_0(tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text("profiles: {web: {policy: digest}}", encoding="utf-8")
    assert CliRunner().invoke(main, ["config", "check", str(file)]).exit_code == 0
    result = CliRunner().invoke(main, ["config", "check", str(file), "--json"])
    assert json.loads(result.stdout) == {"file": str(file), "valid": True, "problems": []}


def test_the_default_file_is_that_of_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "layers/config").mkdir(parents=True)
    (tmp_path / "layers/config/longshore.yaml").write_text("profile: {}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["config", "check"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "layers/config/longshore.yaml:1:1 profile: unknown key; did you mean profiles?" in result.stderr


def test_problems_are_exit_2_with_line_key_and_fix(tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text("profiles:\n  web:\n    policy: digest\n    write: often\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["config", "check", str(file), "--json"])
    assert result.exit_code == 2
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["line"], problem["key"]) == (4, "profiles.web.write")
    assert "often" in problem["problem"]


def test_a_missing_file_is_exit_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["config", "check", str(tmp_path / "none.yaml")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "none.yaml: No such file" in result.stderr


def test_the_schema_is_the_one_that_checks() -> None:
    printed = json.loads(CliRunner().invoke(main, ["config", "schema"]).stdout)
    assert printed == json.loads(Path("layers/config/schema.json").read_text(encoding="utf-8"))
