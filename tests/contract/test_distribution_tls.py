"""The client over TLS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from longshore.addresses import Reach
from longshore.errors import UpstreamError
from longshore.mirror.errors import AddressError
from longshore_local.certificates import make_certificate
from longshore_local.loopback import Reply
from longshore_local.registry import ECR_MANNERS, Registry
from longshore_local.registry_faults import Rule, Script
from longshore_local.registry_hostile import Instead
from longshore_local.registry_memory import MemoryStore
from tests.distribution import REPOSITORY, Stage, descriptor
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from longshore.registries.connect import Network

CONTENT = hashlib.shake_256(b"layer").digest(2 * 1024 * 1024 + 3)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Stage]:
    store, clock = MemoryStore(), FakeClock()
    with Registry(store, manners=ECR_MANNERS, tls=make_certificate(tmp_path), now=clock.now) as registry:
        made = Stage(registry, store, clock)
        yield made
        for client in made.clients:
            client.close()
    store.close()


def network_of(made: Stage) -> Network:
    """Over TLS also on this machine."""
    return made.network(reach=Reach(private=frozenset({made.registry.host, made.other_host})))


class TestTls:
    def test_there_and_back(self, secure: Stage) -> None:
        client = secure.client("destination", network=network_of(secure))
        blob = descriptor(CONTENT)
        client.finish(client.upload(REPOSITORY), blob, [CONTENT], len(CONTENT))
        with client.blob(REPOSITORY, blob) as reader:
            assert b"".join(map(bytes, reader)) == CONTENT
        assert client.origin.scheme == "https"

    def test_who_nobody_vouches_for(self, secure: Stage) -> None:
        client = secure.client(network=replace(network_of(secure), tls=None))
        with pytest.raises(UpstreamError, match=r"source .*cannot connect: .*certificate"):
            client.head(REPOSITORY, "1.0")

    def test_a_location_that_gives_it_up(self, secure: Stage) -> None:
        client = secure.client("destination", network=network_of(secure))
        plain = secure.registry.url.replace("https", "http")
        secure.registry.script = Script(Rule("POST upload", Instead(Reply(202, b"", {"Location": f"{plain}/x"}))))
        with pytest.raises(AddressError, match="without TLS"):
            client.upload(REPOSITORY)
