"""The client against the registry that everybody runs."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest

from longshore.addresses import Reach
from longshore.manifests import Manifest
from longshore.mirror.errors import MissingError, UploadLostError
from longshore.mirror.ports import Upload
from longshore.registries.connect import Network, connect
from longshore_local import images
from tests.distribution import REPOSITORY, descriptor
from tests.fakes import FakeClock
from tests.registries_world import DistributionServer

Start = Callable[..., DistributionServer]
CONTENT = hashlib.shake_256(b"layer").digest(2 * 1024 * 1024 + 3)


def host_of(server: DistributionServer) -> str:
    return server.url.partition("://")[2]


def network_of(server: DistributionServer) -> Network:
    if server.ca_file is None:
        return Network.of(FakeClock(), reach=Reach(loopback=True))
    reach = Reach(private=frozenset({host_of(server)}))
    tls = ssl.create_default_context(cafile=server.ca_file)
    return replace(Network.of(FakeClock(), reach=reach), tls=tls)


@pytest.mark.parametrize("tls", [False, True])
class TestDistribution:
    def test_an_image_there_and_back(self, docker_registry: Start, tls: bool) -> None:
        server = docker_registry(tls=tls)
        network = network_of(server)
        client = connect(host_of(server), "destination", network)
        image = images.single("web", layers=2)
        manifest = Manifest.parse(image.manifest)
        assert client.head(REPOSITORY, "1.0") is None
        with pytest.raises(MissingError):
            client.put_manifest(REPOSITORY, manifest, ("1.0",))
        for content in image.blobs.values():
            client.finish(client.upload(REPOSITORY), descriptor(content), [content], len(content))
        client.put_manifest(REPOSITORY, manifest, ("1.0", "1", "latest"))
        assert sorted(client.tags(REPOSITORY)) == ["1", "1.0", "latest"]
        assert client.manifest(REPOSITORY, "latest").content == image.manifest
        assert client.referrers(REPOSITORY, manifest.digest) == ()
        assert client.mount("other/place", manifest.blobs[0].digest, REPOSITORY) is None
        client.close()

    def test_an_upload_that_another_process_goes_on_with(self, docker_registry: Start, tls: bool) -> None:
        server = docker_registry(tls=tls)
        network = network_of(server)
        blob, at = descriptor(CONTENT), 1_000_000
        first, second = (connect(host_of(server), "destination", network) for _ in range(2))
        item = first.append(first.upload(REPOSITORY), [CONTENT[:at]], at).item()
        upload = second.resume(Upload.parse(item))
        assert upload.offset == at
        second.finish(upload, blob, [CONTENT[at:]], len(CONTENT) - at)
        assert second.has_blob(REPOSITORY, blob.digest) is True
        with pytest.raises(UploadLostError):
            first.resume(upload)
        first.close()
        second.close()
