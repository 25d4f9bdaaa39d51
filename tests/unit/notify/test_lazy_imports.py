"""What only notify needs is imported by notify alone: cold starts of the others do not pay for it (design 11)."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORTED = """
import sys
import functions.{name}
from longshore import wiring
wiring.{entry}
print([name for name in sys.modules if name.startswith({banned!r})])
"""
ENTRY = {"redeploy": "redeployer", "watch": "watcher", "notify": "notices"}


def imported(name: str, banned: tuple[str, ...]) -> str:
    code = IMPORTED.format(name=name, entry=ENTRY[name], banned=banned)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return ran.stdout.strip()


@pytest.mark.parametrize("name", ["redeploy", "watch"])
def test_other_functions_import_neither_notify_nor_slack_sdk(name: str) -> None:
    assert imported(name, ("longshore.notify", "longshore.channels", "slack_sdk", "longshore.aws.threads")) == "[]"


def test_notify_imports_slack_sdk_only_when_it_talks_to_slack() -> None:
    assert imported("notify", ("slack_sdk", "longshore.redeploy.decide")) == "[]"
