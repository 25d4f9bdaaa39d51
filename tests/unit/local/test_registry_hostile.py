"""The faults of a registry, byte by byte: what a raw socket sees of each, and what the registry kept."""

from __future__ import annotations

import gzip
import select
import socket
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3

from longshore_local import images
from longshore_local.blobs import digest_of
from longshore_local.certificates import make_certificate
from longshore_local.image_shapes import place
from longshore_local.loopback import Reply
from longshore_local.registry import SPEC_MANNERS, Registry
from longshore_local.registry_faults import Fault, Rule, Script
from longshore_local.registry_hostile import (
    PLACES,
    CutAnswer,
    CutRequest,
    Damage,
    Lengthen,
    Lie,
    Place,
    Shorten,
    Slow,
    Zip,
)
from longshore_local.registry_memory import MemoryStore
from tests.registries_world import Asking
from tests.served_registry import BLOB, CONTENT, DIGEST, strike

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def exchange(registry: Registry, request: str, body: bytes = b"") -> tuple[bytes, bool]:
    """All that comes back for one request on a connection of its own, and whether it ended by a reset."""
    received = b""
    port = int(registry.host.rpartition(":")[2])
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as connection:
        head = (
            f"{request} HTTP/1.1\r\nHost: {registry.host}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        try:
            connection.sendall(head.encode() + body)
            while piece := connection.recv(65_536):
                received += piece
        except ConnectionError:
            return received, True
    return received, False


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_an_answer_is_cut_at_every_class_of_byte(registry: Registry, place: Place, reset: bool) -> None:
    strike(registry, "GET blob", CutAnswer(place, reset=reset))

    received, was_reset = exchange(registry, f"GET {BLOB}")

    head, end, body = received.partition(b"\r\n\r\n")
    expected = {
        "before-headers": (False, b""),
        "in-headers": (False, b""),
        "after-headers": (True, b""),
        "in-body": (True, CONTENT[:5]),
        "before-last-byte": (True, CONTENT[:-1]),
    }
    assert (bool(end), body) == expected[place]
    assert bool(head) == (place != "before-headers")
    assert was_reset == reset
    assert registry.requests[-1].status == 200


def test_an_answer_is_cut_after_so_many_bytes(registry: Registry) -> None:
    strike(registry, "GET blob", CutAnswer(3))
    assert exchange(registry, f"GET {BLOB}")[0].endswith(b"\r\n\r\n012")
    assert registry.tally.downloaded == 3


@pytest.mark.parametrize(("manner", "kept"), [("dropped", 2), ("kept", 6), ("ends", None)])
def test_a_chunk_is_cut_before_the_registry_has_it(
    registry: Registry, client: Asking, manner: str, kept: int | None
) -> None:
    registry.manners = replace(SPEC_MANNERS, cut_chunk=manner)  # type: ignore[arg-type]
    location = client.ask("POST", "/v2/team/web/blobs/uploads/").headers["Location"]
    client.ask("PATCH", location, b"01")
    registry.script = Script(Rule("PATCH upload", CutRequest(4)))

    _, was_reset = exchange(registry, f"PATCH {location.removeprefix(registry.url)}", b"23456789")

    assert was_reset
    assert registry.tally.received["PATCH upload"] == 6
    assert [r.status for r in registry.requests if r.kind == "PATCH upload"] == [202, 0]
    status = client.ask("GET", location)
    if kept is None:
        assert status.status == 404
        return
    assert status.headers["Range"] == f"0-{kept - 1}"
    assert client.ask("PUT", f"{location}?digest={DIGEST}", CONTENT[kept:]).status == 201


@pytest.mark.parametrize("place", ["before-headers", "in-headers"])
def test_an_answer_is_cut_after_the_registry_has_the_chunk(registry: Registry, client: Asking, place: Place) -> None:
    location = client.ask("POST", "/v2/team/web/blobs/uploads/").headers["Location"]
    registry.script = Script(Rule("PATCH upload", CutAnswer(place)))
    with pytest.raises(urllib3.exceptions.HTTPError):
        client.ask("PATCH", location, b"0123")
    assert client.ask("GET", location).headers["Range"] == "0-3"


def test_a_manifest_may_be_kept_though_nobody_is_told(registry: Registry, client: Asking) -> None:
    image = images.single("a")
    place(registry.store, "team/web", None, image)
    registry.script = Script(Rule("PUT manifest", CutAnswer()))
    with pytest.raises(urllib3.exceptions.HTTPError):
        client.ask("PUT", "/v2/team/web/manifests/1.0", image.manifest, Content_Type=image.media_type)
    assert registry.store.tags("team/web") == ["1.0"]


@pytest.mark.parametrize(("at", "expected"), [(0, b"1123456789"), (4, b"0123556789"), (-1, b"0123456788")])
def test_one_bit_is_another(registry: Registry, client: Asking, at: int, expected: bytes) -> None:
    strike(registry, "GET blob", Damage(at))
    answer = client.ask("GET", BLOB)
    assert answer.data == expected
    assert answer.headers["Docker-Content-Digest"] == DIGEST


@pytest.mark.parametrize(
    ("fault", "length", "body"),
    [
        (Shorten(3), 10, CONTENT[:7]),
        (Shorten(3, honest=True), 7, CONTENT[:7]),
        (Lengthen(3), 10, CONTENT + b"\0\0\0"),
        (Lengthen(3, honest=True), 13, CONTENT + b"\0\0\0"),
    ],
)
def test_bodies_of_another_length(registry: Registry, fault: Fault, length: int, body: bytes) -> None:
    strike(registry, "GET blob", fault)
    head, _, received = exchange(registry, f"GET {BLOB}")[0].partition(b"\r\n\r\n")
    assert f"Content-Length: {length}".encode() in head
    assert received == body


def test_headers_that_are_not_true(registry: Registry, client: Asking) -> None:
    lies = {"Docker-Content-Digest": digest_of(b""), "Content-Type": None, "Content-Range": "bytes 0-9/99"}
    strike(registry, "GET blob", Lie(lies))
    answer = client.ask("GET", BLOB)
    assert answer.headers["docker-content-digest"] == digest_of(b"")
    assert "Content-Type" not in answer.headers
    assert answer.headers["Content-Range"] == "bytes 0-9/99"
    strike(registry, "GET blob", Lie({"Content-Length": "99"}))
    assert b"Content-Length: 99" in exchange(registry, f"GET {BLOB}")[0]


def test_a_body_that_comes_compressed(registry: Registry, client: Asking) -> None:
    strike(registry, "GET blob", Zip())
    answer = client.ask("GET", BLOB)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == CONTENT


def test_a_slow_body_arrives(registry: Registry, client: Asking) -> None:
    strike(registry, "GET blob", Slow(parts=3, seconds=0.03))
    assert client.ask("GET", BLOB).data == CONTENT


class Hanging(Fault):
    """Says when it has begun to hang."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def instead(self, path: str) -> Reply | None:
        self.begun.set()
        return Reply(fate="hang")


def test_a_registry_that_hangs_lets_go_when_it_ends(registry: Registry) -> None:
    fault = Hanging()
    strike(registry, "GET blob", fault)
    with closing(socket.create_connection(("127.0.0.1", int(registry.host.rpartition(":")[2])), 5)) as connection:
        connection.sendall(f"GET {BLOB} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert fault.begun.wait(5)
        assert select.select([connection], [], [], 0.1)[0] == []
        registry.close()
        assert connection.recv(1) == b""


def test_faults_work_through_tls_as_well(tmp_path: Path) -> None:
    store = MemoryStore()
    with Registry(store, manners=SPEC_MANNERS, tls=make_certificate(tmp_path)) as registry, Asking(registry) as client:
        image = images.single("a")
        assert registry.url.startswith("https://127.0.0.1:")
        images.push(registry, "team/web", "1.0", image)
        assert client.ask("GET", "/v2/team/web/manifests/1.0").data == image.manifest
        for fault in (CutAnswer("before-headers"), CutAnswer("in-body"), CutAnswer("in-body", reset=False), Shorten()):
            registry.script = Script(Rule("GET manifest", fault))
            with pytest.raises(urllib3.exceptions.HTTPError):
                client.ask("GET", "/v2/team/web/manifests/1.0")
        assert client.ask("GET", "/v2/team/web/manifests/1.0").data == image.manifest
    store.close()
