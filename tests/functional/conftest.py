"""The real stack on a bundle, and the stage that the tests of redeploy play on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from longshore_local.bundle import Bundle, Sources
from tests.functional.stage import PASSABLE, Stage

PROFILES = """
profiles:
  steady: {policy: digest, soak: 1m, timeout: 10m, cooldown: 0s}
  eager: {policy: digest, soak: 0s, cooldown: 0s}
  versions: {policy: "semver:minor", soak: 1m, cooldown: 0s}
  written: {policy: "semver:minor", write: digest, soak: 1m, cooldown: 0s}
  written-digest: {policy: "digest:prod", write: digest, soak: 1m, cooldown: 0s}
  few: {policy: digest, soak: 0s, cooldown: 0s, limits: {per_push: 2, per_hour: 100}}
  rare: {policy: digest, soak: 0s, cooldown: 0s, limits: {per_push: 100, per_hour: 2}}
"""


@pytest.fixture(scope="module")
def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    """One deployed stack for a module, with the module's `PARAMETERS` and `CONFIG` where it has some."""
    config = tmp_path_factory.mktemp("config") / "longshore.yaml"
    config.write_text(getattr(request.module, "CONFIG", PROFILES), encoding="utf-8")
    quiet = {"PassableRoleArns": PASSABLE, "MirrorMode": "off", "NotifyMode": "off", "RecoverMode": "off"}
    quiet["ScanMode"] = "off"
    parameters = {**quiet, **getattr(request.module, "PARAMETERS", {})}
    with Bundle.start(parameters=parameters, sources=Sources(config=config)) as bundle:
        yield bundle


@pytest.fixture(scope="module")
def clients(deployed: Bundle) -> dict[str, Any]:
    """The user's clients by service, on this module's bundle."""
    return {}


@pytest.fixture
def stage(deployed: Bundle, clients: dict[str, Any]) -> Stage:
    """The stack as if it had just been deployed, and an empty account."""
    deployed.clear()
    return Stage(deployed, clients)
