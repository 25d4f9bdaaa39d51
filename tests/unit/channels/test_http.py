"""The one POST of all channels: where it may go, what it waits for, what it says when it fails."""

from __future__ import annotations

import datetime as dates
import socket
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from longshore.channels.http import Http
from longshore.errors import AmbiguousError, DeliveryError, LongshoreError, ThrottledError, UpstreamError
from longshore_local.inbox import Inbox
from longshore_local.loopback import Reply
from tests.unit.channels.channel_world import Clock, http

JSON = {"Content-Type": "application/json"}
SECRET = "sig=abc-secret"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as server:
        yield server


def failure(room: Http, url: str) -> LongshoreError:
    with pytest.raises(LongshoreError) as caught:
        room.checked(room.post(url, b"{}", JSON))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_what_is_posted_arrives_once_with_its_query_and_headers(inbox: Inbox) -> None:
    answer = http().post(f"{inbox.url}/hook?{SECRET}", b'{"a": 1}', JSON)
    [request] = inbox.requests
    assert (answer.status, request.method, request.path, request.body) == (202, "POST", f"/hook?{SECRET}", b'{"a": 1}')
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == inbox.url.removeprefix("http://")


def test_a_redirect_is_not_followed(inbox: Inbox) -> None:
    inbox.script([Reply(307, headers={"Location": f"{inbox.url}/elsewhere"})])
    assert isinstance(failure(http(), f"{inbox.url}/?{SECRET}"), DeliveryError)
    assert len(inbox.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(408, UpstreamError), (425, UpstreamError), (500, UpstreamError), (503, UpstreamError), (404, DeliveryError)],
)
def test_a_status_says_whether_trying_again_can_help(inbox: Inbox, status: int, kind: type[Exception]) -> None:
    inbox.script([Reply(status, SECRET.encode())])
    assert type(failure(http(), f"{inbox.url}/?{SECRET}")) is kind


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 30),
        ("7", 7),
        ("0", 1),
        ("soon", 30),
        ("", 30),
        ("21599", 21599),
        ("99999999", 21600),
        ("Mon, 23 Nov 2026 10:02:00 GMT", 120),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 1),
        ("Mon, 23 Nov 2026 10:02:00", 30),
    ],
)
def test_retry_after_is_honoured_in_both_forms(inbox: Inbox, header: str | None, seconds: float) -> None:
    inbox.script([Reply(429, headers={} if header is None else {"Retry-After": header})])
    error = failure(http(), inbox.url)
    assert isinstance(error, ThrottledError)
    assert error.retry_after == seconds


def test_503_with_retry_after_is_a_throttle(inbox: Inbox) -> None:
    inbox.script([Reply(503, headers={"Retry-After": "9"})])
    error = failure(http(), inbox.url)
    assert isinstance(error, ThrottledError)
    assert error.retry_after == 9


ROOM = http()


@given(st.text(max_size=40))
def test_no_retry_after_raises(value: str) -> None:
    assert 1 <= ROOM.retry_after({"retry-after": value}) <= 21600


@pytest.mark.parametrize("fate", ["reset", "hang"])
def test_a_lost_answer_is_ambiguous(inbox: Inbox, fate: str) -> None:
    inbox.script([Reply(fate=fate)])  # type: ignore[arg-type]
    error = failure(http(timeout=0.2), f"{inbox.url}/?{SECRET}")
    assert isinstance(error, AmbiguousError)
    assert "127.0.0.1" in str(error)


def test_a_refused_connection_is_not_ambiguous() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = failure(http(), f"http://127.0.0.1:{free.getsockname()[1]}/?{SECRET}")
    assert type(error) is UpstreamError


@pytest.mark.parametrize("value", ["Bearer sig=abc-secret\nx", "Bearer sig=abc-secret 失敗"])
def test_a_header_that_cannot_be_sent_is_for_good_and_is_not_quoted(inbox: Inbox, value: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        http().post(inbox.url, b"", {"Authorization": value})
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert (caught.value.reason, inbox.requests) == ("invalid-request", [])


def test_no_time_left_sends_nothing(inbox: Inbox) -> None:
    with pytest.raises(UpstreamError, match="no time left"):
        http().post(inbox.url, b"", {}, timeout=0)
    assert inbox.requests == []


def test_an_endless_answer_is_cut(inbox: Inbox) -> None:
    inbox.script([Reply(200, b"x" * 200_000)])
    assert isinstance(failure(http(limit=100_000), inbox.url), AmbiguousError)


@pytest.mark.parametrize(
    "url", ["", "hooks.example", "ftp://hooks.example/", "https:///path", "https://h:x/", "http://["]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(DeliveryError, match="invalid-url"):
        http().post(url, b"", {})


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["0.0.0.0"],
        ["224.0.0.1"],
        ["::1"],
        ["fe80::1%eth0"],
        ["fd00:ec2::254"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a9fe:a9fe"],
        ["2002:a00:1::1"],
        ["93.184.215.14", "10.0.0.1"],
    ],
)
def test_addresses_that_are_not_public_are_refused_after_resolution(addresses: list[str]) -> None:
    room = Http(Clock(), resolve=lambda host, port: addresses)
    with pytest.raises(DeliveryError, match="private-address"):
        room.post("https://hooks.example/", b"", {})


def test_plain_http_is_refused_even_to_this_machine_unless_told() -> None:
    with pytest.raises(DeliveryError, match="insecure-url"):
        Http(Clock(), resolve=lambda host, port: ["93.184.215.14"]).post("http://hooks.example/", b"", {})
    with pytest.raises(DeliveryError, match="insecure-url"):
        Http(Clock()).post("http://127.0.0.1:9/", b"", {})


def test_an_unknown_name_may_be_known_later() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror

    with pytest.raises(UpstreamError, match="cannot be resolved"):
        Http(Clock(), resolve=unknown).post(f"https://hooks.example/?{SECRET}", b"", {})


def test_a_name_is_looked_up_once_and_the_checked_address_is_connected_to(inbox: Inbox) -> None:
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["10.0.0.1"]

    port = inbox.url.rpartition(":")[2]
    Http(Clock(), loopback=True, resolve=resolve).post(f"http://hooks.example:{port}/x", b"", {})
    assert looked_up == ["hooks.example"]
    assert inbox.requests[0].headers["host"] == f"hooks.example:{port}"


def test_the_next_address_is_tried_when_one_cannot_be_reached(inbox: Inbox) -> None:
    port = inbox.url.rpartition(":")[2]
    room = Http(Clock(), loopback=True, resolve=lambda host, port: ["::1", "127.0.0.1"])
    assert room.post(f"http://hooks.example:{port}/", b"", {}).status == 202


@pytest.mark.parametrize(("name", "trusted"), [("hooks.example", True), ("other.example", False)])
def test_tls_is_checked_against_the_name_not_the_address(tmp_path: Path, name: str, trusted: bool) -> None:
    certificate = self_signed("hooks.example", tmp_path / "server.pem")
    with Inbox() as inbox:
        assert inbox._server is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        inbox._server.socket = context.wrap_socket(inbox._server.socket, server_side=True)
        trust = ssl.create_default_context(cafile=certificate)
        room = Http(Clock(), loopback=True, resolve=lambda host, port: ["127.0.0.1"], tls=trust)
        url = f"https://{name}:{inbox.url.rpartition(':')[2]}/"
        if trusted:
            assert room.post(url, b"{}", JSON).status == 202
        else:
            with pytest.raises(UpstreamError, match="mismatch"):
                room.post(url, b"{}", JSON)
            assert inbox.requests == []


def self_signed(name: str, path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dates.datetime.now(dates.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dates.timedelta(days=1))
        .not_valid_after(now + dates.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
