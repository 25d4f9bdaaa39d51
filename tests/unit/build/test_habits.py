"""The habits: every make target is explained, the locks are complete, and the build hides no change."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = [
    "requirements/dev.txt",
    "requirements/sam.txt",
    "requirements/smoke.txt",
    "layers/longshore/requirements.txt",
    "layers/longshore/models.txt",
    "layers/config/requirements.txt",
]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str) -> str:
    return subprocess.run(["make", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout


@needs_make
def test_make_help_lists_every_habit() -> None:
    [line] = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:")]
    listed = set(re.findall(r"^  make (\S+)", make("-s", "help"), re.MULTILINE))
    assert listed == set(line.removeprefix(".PHONY:").split())


@needs_make
def test_an_old_python_is_refused_with_the_way_out(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\nexit 1\n')
    old.chmod(0o755)
    command = ["make", "-s", "-C", str(ROOT), f"PYTHON={old}", f"VENV={tmp_path / 'venv'}", "test"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "needs Python 3.11 or newer" in refused.stderr
    assert "Python 3.9.2" in refused.stderr
    assert "make PYTHON=" in refused.stderr
    assert not (tmp_path / "venv").exists()


@needs_make
def test_the_functions_recipe_ships_every_module_and_nothing_else(tmp_path: Path) -> None:
    source, artifacts = tmp_path / "functions", tmp_path / "artifacts"
    (source / "__pycache__").mkdir(parents=True)
    artifacts.mkdir()
    shutil.copy(ROOT / "functions" / "Makefile", source)
    for name in ("redeploy.py", "watch.py", "__pycache__/watch.cpython-311.pyc"):
        (source / name).touch()
    make("-s", "-C", str(source), "build-RedeployFunction", f"ARTIFACTS_DIR={artifacts}")
    assert {path.name for path in artifacts.iterdir()} == {"redeploy.py", "watch.py"}


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_by_hash_and_name_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    requirements = [block for block in re.split(r"\n(?=\S)", text) if block and not block.startswith("#")]
    assert requirements
    assert [block for block in requirements if "==" not in block or "--hash=sha256:" not in block] == []
    assert "://" not in text
    assert not re.search(r"^\s*--?(i|f|(extra-)?index[-]url|find-links|trusted-host)\b", text, re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock.startswith("layers/")])
def test_tests_run_on_the_versions_that_are_shipped(lock: str) -> None:
    tested = pins("requirements/dev.txt") | pins("layers/longshore/requirements.txt")
    assert {name: version for name, version in pins(lock).items() if tested.get(name) != version} == {}


def test_no_change_of_interpreter_is_hidden_by_sam_s_cache() -> None:
    with (ROOT / "samconfig.toml").open("rb") as file:
        settings = tomllib.load(file)
    environments = [name for name, value in settings.items() if isinstance(value, dict)]
    assert environments == ["default", "prod"]
    assert [settings[name]["build"]["parameters"]["cached"] for name in environments] == [False, False]
