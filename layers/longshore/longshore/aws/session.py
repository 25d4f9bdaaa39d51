"""One boto3 Session, and one client per service and Region, for the life of the process (local 3.2)."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

_CONFIG = Config(
    connect_timeout=3,
    read_timeout=15,
    retries={"mode": "standard", "total_max_attempts": 4},
    user_agent_extra="longshore",
)


@cache
def _session() -> boto3.session.Session:
    return boto3.session.Session()


@cache
def client(service: str, region: str | None = None) -> Any:
    """A boto3 client; made once, when first needed."""
    return made(_session(), service, region)


def made(session: boto3.session.Session, service: str, region: str | None) -> Any:
    """A new client of a session, with the time-outs and tries of all of them."""
    with uncollected():
        return session.client(service, region_name=region, config=_CONFIG)


def credentials() -> Any:
    """Those that clients sign with; None where there are none."""
    return _session().get_credentials()


@contextmanager
def uncollected() -> Iterator[None]:
    """A client is made of a hundred thousand objects, none of them garbage: looking for some costs a cold start."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def forget_clients() -> None:
    """Drops every client, so that another environment can be used by the same process."""
    client.cache_clear()
    _session.cache_clear()
