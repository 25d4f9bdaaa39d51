"""The faults of a registry, byte by byte: what a raw socket sees of each, and what the registry kept."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import urllib3

from longshore_local import images
from longshore_local.blobs import digest_of
from longshore_local.certificates import make_certificate
from longshore_local.image_shapes import place, schema_1
from longshore_local.loopback import Reply
from longshore_local.registry import SPEC_MANNERS, Registry
from longshore_local.registry_faults import Fault, Rule, Script
from longshore_local.registry_hostile import (
    PLACES,
    CutAnswer,
    CutRequest,
    Damage,
    EndlessPages,
    Instead,
    Lengthen,
    Lie,
    Place,
    Shorten,
    Slow,
    Zip,
)
from longshore_local.registry_memory import MemoryStore
from longshore_local.registry_refusals import PRIVATE_URLS, challenge, rate_limits, redirect, token_failures
from tests.registries_world import Asking

CONTENT = b"0123456789"
DIGEST = digest_of(CONTENT)
BLOB = f"/v2/team/web/blobs/{DIGEST}"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def registry() -> Iterator[Registry]:
    """One with a blob."""
    store = MemoryStore()
    upload = store.begin_upload("team/web")
    upload.append([CONTENT])
    store.finish_upload("team/web", upload, DIGEST)
    with Registry(store, manners=SPEC_MANNERS) as registry:
        yield registry
    store.close()


@pytest.fixture
def client(registry: Registry) -> Iterator[Asking]:
    with Asking(registry) as client:
        yield client


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


def strike(registry: Registry, kind: str, fault: Fault) -> None:
    registry.script = Script(Rule(kind, fault, times=None))


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


def test_a_registry_that_hangs_lets_go_when_it_ends(registry: Registry) -> None:
    strike(registry, "GET blob", Instead(Reply(fate="hang")))
    with closing(socket.create_connection(("127.0.0.1", int(registry.host.rpartition(":")[2])), 5)) as connection:
        connection.sendall(f"GET {BLOB} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while not registry.script.struck:
            pass
        registry.close()
        assert connection.recv(1) == b""


@pytest.mark.parametrize("looping", [True, False])
@pytest.mark.parametrize("member", ["tags", "manifests"])
def test_pages_without_an_end(registry: Registry, client: Asking, member: str, looping: bool) -> None:
    strike(registry, "GET *", EndlessPages(member, looping=looping))  # type: ignore[arg-type]
    path, pages = "/v2/team/web/tags/list", []
    for _ in range(20):
        answer = client.ask("GET", path)
        pages.append(str(answer.json()[member]))
        path = answer.headers["Link"].partition(">")[0].removeprefix("<")
    assert len(set(pages)) == (1 if looping else 20)


def test_redirects_and_challenges_to_anywhere(registry: Registry, client: Asking) -> None:
    for url in PRIVATE_URLS:
        registry.script = Script(Rule("GET blob", redirect(url)), Rule("GET tags", challenge(f"{url}token")))
        assert client.ask("GET", BLOB).headers["Location"] == url
        told = client.ask("GET", "/v2/team/web/tags/list")
        assert (told.status, told.headers["WWW-Authenticate"].partition('realm="')[2].startswith(url)) == (401, True)


def test_every_form_of_later(registry: Registry, client: Asking) -> None:
    forms = rate_limits(NOW, 30)
    registry.script = Script(*(Rule("HEAD manifest", form) for form in forms.values()))
    answers = {name: client.ask("HEAD", "/v2/team/web/manifests/1.0") for name in forms}
    assert {name for name, answer in answers.items() if answer.status == 503} == {"unavailable", "unavailable-html"}
    assert {answer.status for answer in answers.values()} == {429, 503}
    after = {name: answer.headers.get("Retry-After") for name, answer in answers.items()}
    assert (after["seconds"], after["absent"], after["garbage"]) == ("30", None, "soon")
    assert (parsedate_to_datetime(str(after["date"])) - NOW).seconds == 30
    assert answers["docker-hub"].headers["ratelimit-remaining"] == "0;w=21600"
    assert registry.script.finished


@pytest.mark.parametrize("name", token_failures())
def test_token_servers_fail(registry: Registry, client: Asking, name: str) -> None:
    strike(registry, "GET token", token_failures()[name])
    if name == "reset":
        with pytest.raises(urllib3.exceptions.ProtocolError):
            client.ask("GET", "/token")
        return
    answer = client.ask("GET", "/token?scope=repository:team/web:pull")
    usable = answer.status == 200 and answer.headers.get("Content-Type") == "application/json"
    assert usable == (name in ("cut-json", "no-token", "empty-token", "number", "list", "line-break"))


def test_a_manifest_of_the_first_schema(registry: Registry, client: Asking) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    strike(registry, "GET manifest", Instead(Reply(200, schema_1("old"), {"Content-Type": kind})))
    assert client.ask("GET", "/v2/team/web/manifests/1").json()["schemaVersion"] == 1


def test_a_script_strikes_who_it_says_as_often_as_it_says(registry: Registry, client: Asking) -> None:
    registry.script = Script(
        Rule("GET blob", Instead(Reply(500)), times=2, skip=1), Rule("* blob", Instead(Reply(502)), path=DIGEST[-9:])
    )
    assert [client.ask("GET", BLOB).status for _ in range(5)] == [502, 500, 500, 200, 200]
    assert registry.script.struck == [("GET blob", BLOB)] * 3
    assert registry.script.finished
    assert client.ask("GET", "/v2/").status == 200
    registry.script = Script(Rule("GET blob", Instead(Reply(500)), path="elsewhere"))
    assert client.ask("GET", BLOB).status == 200
    assert not registry.script.finished


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
