"""What every test stands on: no real AWS account, no network beyond this machine, and the documented events."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent
EVENTS = ROOT / "events"

# Before anything imports boto3 or Powertools: both read the environment when they are imported.
for _name in [name for name in os.environ if name.startswith(("AWS_", "LONGSHORE_", "POWERTOOLS_"))]:
    del os.environ[_name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "longshore",
    "POWERTOOLS_METRICS_NAMESPACE": "Longshore",
}

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


class NetworkError(AssertionError):
    """A test reached out of this machine."""


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook, so that no library can go round it; child processes are not covered."""
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not _is_loopback(str(address[0])):
            raise NetworkError(f"a test may not connect to {address[0]}")
    elif event == "socket.getaddrinfo" and not _is_loopback(_text(arguments[0])):
        raise NetworkError(f"a test may not look up {_text(arguments[0])}")


def _text(host: object) -> str:
    return host.decode(errors="replace") if isinstance(host, bytes) else str(host or "localhost")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(_refuse_network)


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the fake account back where an earlier test changed the environment outside of monkeypatch."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_DATA_PATH"):
        monkeypatch.delenv(name, raising=False)


class LoadEvent(Protocol):
    """Reads ``events/<source>/<name>.json``; each call answers a copy of its own."""

    def __call__(self, name: str) -> dict[str, Any]:
        """`name` is ``source/name``, without the suffix."""
        ...


@pytest.fixture(scope="session")
def load_event() -> LoadEvent:
    """A documented event by name: ``load_event("ecr/image-push")``."""

    def load(name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
        return loaded

    return load
