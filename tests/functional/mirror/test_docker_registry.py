"""The real registry and the real client that mirrors are judged by, and the way between them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import urllib3

from longshore_local import images
from longshore_local.blobs import digest_of
from longshore_local.image_shapes import SHAPES, place, sharing_tags
from longshore_local.loopback_proxy import LoopbackProxy
from longshore_local.registry import DISTRIBUTION_MANNERS, SPEC_MANNERS, Registry
from longshore_local.registry_memory import MemoryStore
from tests.registries_world import Asking, DistributionServer, Skopeo

Start = Callable[..., DistributionServer]


@dataclass(frozen=True, slots=True)
class Address:
    """A registry behind something."""

    url: str
    ca_file: str | None = None


@pytest.mark.parametrize("tls", [False, True])
def test_every_shape_is_kept_byte_for_byte(docker_registry: Start, skopeo: Skopeo, tls: bool) -> None:
    server = docker_registry(tls=tls)
    for name in SHAPES if not tls else ["four-platforms"]:
        image = SHAPES[name]("a")
        images.push(server, f"team/{name}", "1.0", image)
        tree = skopeo.tree(server, f"team/{name}", "1.0")
        assert tree.pop("1.0") == image.manifest
        assert {digest: digest_of(content) for digest, content in tree.items()} == {digest: digest for digest in tree}
        assert len(tree) == sum(1 for _ in descendants(image))


def descendants(image: images.SyntheticImage) -> Iterator[images.SyntheticImage]:
    for child in image.children:
        yield child
        yield from descendants(child)


def test_its_requests_can_be_counted_and_its_blobs_forgotten(docker_registry: Start, skopeo: Skopeo) -> None:
    server = docker_registry()
    images.push(server, "team/web", "1.0", images.single("a"))
    before = len(server.requests())
    assert [r.kind for r in server.requests()][-1] == "PUT manifest"
    skopeo.raw(server, "team/web", "1.0")
    assert [(r.kind, r.status) for r in server.requests(before)] == [("GET version", 200), ("GET manifest", 200)]
    server.wipe()
    assert skopeo.run("inspect", "--raw", "--tls-verify=false", f"docker://{server.host}/team/web:1.0").returncode == 1


def test_two_do_not_share(docker_registry: Start) -> None:
    first, second = docker_registry(), docker_registry()
    images.push(first, "team/web", "1.0", images.single("a"))
    with Asking(second) as client:
        assert client.ask("GET", "/v2/team/web/manifests/1.0").status == 404


def test_the_stand_in_has_its_manners(docker_registry: Start) -> None:
    """What DISTRIBUTION_MANNERS say, said by the real one and by the stand-in alike (mirror 3, last paragraph)."""
    with ExitStack() as stack:
        store = MemoryStore()
        stack.callback(store.close)
        stand_in = stack.enter_context(Registry(store, manners=DISTRIBUTION_MANNERS))
        seen = []
        for server in (docker_registry(), stand_in):
            client = stack.enter_context(Asking(server))
            seen.append(observe(client))
    assert seen[0] == seen[1]


def observe(client: Asking) -> dict[str, object]:
    image = images.single("a")
    images.push(client.registry, "team/web", "1.0", image)
    uploads = "/v2/team/web/blobs/uploads/"
    begun = client.ask("POST", uploads)
    first = begun.headers["Location"]
    moved = client.ask("PATCH", first, b"0123")
    disordered = client.ask("PATCH", moved.headers["Location"], b"9", Content_Range="9-9")
    state = client.ask("GET", disordered.headers["Location"])
    stale = client.ask("PATCH", first, b"4567")
    left = client.ask("GET", disordered.headers["Location"])
    digest = digest_of(b"whole")
    single_post = client.ask("POST", f"{uploads}?digest={digest}", b"whole")
    mount = client.ask("POST", f"/v2/team/api/blobs/uploads/?mount={next(iter(image.blobs))}&from=team/web")
    anonymous = client.ask("POST", f"/v2/team/more/blobs/uploads/?mount={next(iter(image.blobs))}")
    accept = client.ask("GET", "/v2/team/web/manifests/1.0", Accept="application/vnd.oci.image.index.v1+json")
    return {
        "absolute Location": first.startswith(client.registry.url),
        "Location with state": "_state=" in first,
        "fresh Range": begun.headers["Range"],
        "chunk": (moved.status, moved.headers["Range"]),
        "out of order": (disordered.status, disordered.headers["Range"]),
        "status": (state.status, state.headers["Range"]),
        "older Location": stale.status,
        "after an older Location": left.status,
        "after a cut": after_a_cut(client, disordered.headers["Location"]),
        "single POST": single_post.status,
        "mount": mount.status,
        "anonymous mount": anonymous.status,
        "referrers": client.ask("GET", f"/v2/team/web/referrers/{image.digest}").status,
        "missing blob": client.ask("HEAD", f"/v2/team/web/blobs/{digest}").status,
        "repository without pushes": client.ask("GET", "/v2/team/none/tags/list").status,
        "Accept": accept.status,
        "tags": client.ask("GET", "/v2/team/web/tags/list").json()["tags"],
    }


def after_a_cut(client: Asking, location: str) -> list[int]:
    """What status and chunk get at the Location that was the newest when a chunk was cut."""
    port = urlsplit(location).port or 0
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as connection:
        head = f"PATCH {location.removeprefix(client.registry.url)} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n"
        connection.sendall(head.encode() + b"cut off")
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65_536)  # whatever it says, it has noticed
    return [client.ask(method, location, b"more").status for method in ("GET", "PATCH")]


def test_a_longer_way_takes_longer_and_changes_nothing(docker_registry: Start, skopeo: Skopeo) -> None:
    server = docker_registry()
    image = images.single("a", layer_bytes=300_000)
    with LoopbackProxy(server.port, rtt=0.05) as proxy:
        address = Address(f"http://{proxy.host}")
        images.push(address, "team/web", "1.0", image)
        begun = time.perf_counter()
        assert skopeo.raw(address, "team/web", "1.0") == image.manifest
        assert time.perf_counter() - begun >= 0.1  # two requests at least
        assert proxy.up > 300_000
        assert proxy.connections >= 2
    assert json.loads(skopeo.raw(server, "team/web", "1.0"))["schemaVersion"] == 2


@pytest.mark.parametrize("cut", ["up", "down"])
def test_a_cutting_way_cuts_as_often_as_it_is_told(cut: str) -> None:
    store, content = MemoryStore(), b"x" * 3_000_000
    with Registry(store, manners=SPEC_MANNERS) as registry:
        port = int(registry.host.rpartition(":")[2])
        with LoopbackProxy(port, cuts=[1_000_000, 1_000_000], cut=cut) as proxy:  # type: ignore[arg-type]
            ends = []
            for _ in range(3):
                with Asking(Address(f"http://{proxy.host}")) as client:
                    try:
                        location = client.ask("POST", "/v2/team/web/blobs/uploads/").headers["Location"]
                        client.ask("PUT", f"{location}?digest={digest_of(content)}", content)
                        ends.append(client.ask("GET", f"/v2/team/web/blobs/{digest_of(content)}").data == content)
                    except urllib3.exceptions.HTTPError:
                        ends.append(False)
            assert ends == [False, False, True]
            assert proxy.cuts_left == []
    store.close()


def test_the_way_is_bounded() -> None:
    with pytest.raises(ValueError, match="rtt must be"):
        LoopbackProxy(1, rtt=2)


def test_a_narrow_way_is_no_faster_than_it_says() -> None:
    store, content = MemoryStore(), b"x" * 400_000
    with Registry(store, manners=SPEC_MANNERS) as registry:
        for tag, image in sharing_tags("a", count=2).items():
            place(store, "team/web", tag, image)
        upload = store.begin_upload("team/web")
        upload.append([content])
        store.finish_upload("team/web", upload, digest_of(content))
        with LoopbackProxy(int(registry.host.rpartition(":")[2]), bytes_per_second=2_000_000) as proxy:
            begun = time.perf_counter()
            with Asking(Address(f"http://{proxy.host}")) as client:
                assert client.ask("GET", f"/v2/team/web/blobs/{digest_of(content)}").data == content
            assert time.perf_counter() - begun >= 0.15
    store.close()
