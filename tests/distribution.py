"""The distribution client on a stand-in registry, with waits that are noted and not waited."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from longshore.addresses import Reach
from longshore.manifests import Descriptor, Manifest
from longshore.registries.connect import Network, connect
from longshore.registries.patience import Patience
from longshore_local import images
from longshore_local.registry import OPEN, SPEC_MANNERS, Auth, Manners, Registry
from longshore_local.registry_memory import MemoryStore
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.ports import Registry as RegistryPort
    from longshore.mirror.ports import Side
    from longshore.registries.auth import Logins
    from longshore.registries.client import DistributionRegistry
    from longshore.registries.wire import Resolve

REPOSITORY = "team/web"


@dataclass
class Stage:
    """One registry and those who speak to it."""

    registry: Registry
    store: MemoryStore
    clock: FakeClock
    waits: list[float] = field(default_factory=list)
    clients: list[DistributionRegistry] = field(default_factory=list)

    @property
    def other_host(self) -> str:
        """The registry under its second name."""
        return self.registry.host.replace("127.0.0.1", "localhost")

    def network(
        self, *, longest_wait: float = 5.0, reach: Reach | None = None, resolve: Resolve | None = None, tries: int = 4
    ) -> Network:
        """Waits advance the clock."""
        patience = Patience(self.clock, tries=tries, longest_wait=longest_wait, sleep=self._wait, random=lambda: 1.0)
        tls = ssl.create_default_context(cafile=self.registry.ca_file) if self.registry.ca_file else None
        return Network(self.clock, patience, reach or Reach(loopback=True), tls, resolve or looked_up)

    def client(
        self, side: Side = "source", logins: Logins | None = None, network: Network | None = None
    ) -> DistributionRegistry:
        """A client without history."""
        client = connect(self.registry.host, side, network or self.network(), logins)
        port: RegistryPort = client  # what copying asks for
        assert port.host == self.registry.host
        self.clients.append(client)
        return client

    def push(self, image: images.SyntheticImage, tag: str | None = "1.0", repository: str = REPOSITORY) -> Manifest:
        """Stores an image past the front door."""
        images.push(self.registry, repository, tag, image)
        self.registry.tally.clear()
        return Manifest.parse(image.manifest, image.media_type)

    def put_blob(self, content: bytes, repository: str = REPOSITORY) -> Descriptor:
        """Stores a blob."""
        blob = descriptor(content)
        upload = self.store.begin_upload(repository)
        upload.append([content])
        self.store.finish_upload(repository, upload, blob.digest)
        return blob

    def blob(self, digest: Digest, repository: str = REPOSITORY) -> bytes:
        """What is stored."""
        found = self.store.blob(repository, digest)
        return b"".join(found.pieces(0, found.size - 1)) if found.size else b""

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(seconds)


def looked_up(host: str, port: int) -> Sequence[str]:
    """Without a DNS."""
    return ["127.0.0.1"] if host == "localhost" else [host]


def descriptor(content: bytes, algorithm: str = "sha256") -> Descriptor:
    """Of a layer."""
    digest = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    return Descriptor("application/vnd.oci.image.layer.v1.tar", digest, len(content))


@contextmanager
def stage(manners: Manners = SPEC_MANNERS, auth: Auth = OPEN, store: MemoryStore | None = None) -> Iterator[Stage]:
    """A registry with these manners."""
    store, clock = store or MemoryStore(), FakeClock()
    clients: list[DistributionRegistry] = []
    try:
        with Registry(store, manners=manners, auth=auth, now=clock.now) as registry:
            made = Stage(registry, store, clock, clients=clients)
            try:
                yield made
            finally:
                for client in clients:
                    client.close()
    finally:
        store.close()
