"""Small blobs by address: bounded, over TLS or from this machine, and silent about the signature in the address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from longshore.aws.blobs import BlobError, HttpsFetch
from longshore.errors import UpstreamError

CONTENT = b"x" * 1000


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = {"/moved": 302, "/denied": 403}.get(self.path.partition("?")[0], 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/blob")
        length = 2000 if self.path.startswith("/cut") else len(CONTENT)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Something that answers on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def test_a_blob_is_read_whole(server: str) -> None:
    assert HttpsFetch(loopback=True)(f"{server}/blob?X-Amz-Signature=secret", 1000) == CONTENT


def test_more_than_was_allowed_is_refused(server: str) -> None:
    with pytest.raises(BlobError, match="more than 999 bytes"):
        HttpsFetch(loopback=True)(f"{server}/blob", 999)


@pytest.mark.parametrize("path", ["/moved", "/denied", "/cut"])
def test_anything_but_the_blob_is_a_failure_that_hides_the_address(server: str, path: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        HttpsFetch(loopback=True)(f"{server}{path}?X-Amz-Signature=secret", 5000)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_slow_blob_is_given_up(server: str) -> None:
    ticks = iter(range(0, 1000, 10))
    with pytest.raises(UpstreamError, match="slower than"):
        HttpsFetch(loopback=True, monotonic=lambda: float(next(ticks)) * 2)(f"{server}/blob", 1000)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1/blob", False),
        ("http://198.51.100.1/blob", True),
        ("http://s3.example/blob", True),
        ("ftp://127.0.0.1/blob", True),
        ("file:///etc/passwd", True),
        ("https://[::1/blob", True),
        ("", True),
    ],
)
def test_only_tls_or_this_machine(url: str, loopback: bool) -> None:
    with pytest.raises(BlobError):
        HttpsFetch(loopback=loopback)(url, 10)


def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(UpstreamError):
        HttpsFetch(loopback=True)("https://127.0.0.1:1/blob", 10)
