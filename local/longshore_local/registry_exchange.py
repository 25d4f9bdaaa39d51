"""One request to a registry and the ways to answer it."""

import contextlib
import json
import select
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from longshore_local.loopback import Reply
from longshore_local.registry_body import RequestBody
from longshore_local.registry_faults import Fault, HangUpError
from longshore_local.registry_service import RegistryService
from longshore_local.registry_store import RegistryError
from longshore_local.registry_tally import RequestRecord

_GLANCE = 0.05
_NO_FAULT = Fault()
_HTML = b"<html><body><h1>Something went wrong</h1></body></html>"


class Exchange(BaseHTTPRequestHandler):
    """A connection to a registry, with what its current request asks: repository name, reference and query."""

    service: RegistryService
    body: RequestBody
    kind: str
    fault: Fault = _NO_FAULT
    name: str
    reference: str
    query: dict[str, str]
    _headers_buffer: list[bytes]
    _whole = 0  # the bytes of the body that the registry means to send

    @property
    def base(self) -> str:
        """Scheme, host and port as the client knows them, so that a proxy in between stays in between."""
        return f"{self.service.scheme}://{self.headers.get('Host') or self.service.host}"

    def _send_json(
        self, document: Mapping[str, Any], headers: Mapping[str, str] | None = None, kind: str = "application/json"
    ) -> None:
        self._send(200, {"Content-Type": kind, **(headers or {})}, json.dumps(document).encode())

    def _send_created(self, path: str, digest: str, headers: Mapping[str, str] | None = None) -> None:
        about = {"Location": f"{self.base}{path}", "Docker-Content-Digest": digest}
        self._send(201, {**about, **(headers or {})})

    def _refuse(self, error: RegistryError, headers: Mapping[str, str] | None = None) -> None:
        document = {"errors": [{"code": error.code, "message": error.message}]}
        kind, body = {
            "json": ("application/json", json.dumps(document).encode()),
            "html": ("text/html", _HTML),
            "empty": ("text/plain", b""),
        }[self.service.manners.error_body]
        self._send(error.status, {"Content-Type": kind, **(headers or {})}, body)

    def _send(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", length: int | None = None
    ) -> None:
        self._start(status, headers or {}, len(body) if length is None else length)
        self._write_body([body])

    def _start(self, status: int, headers: Mapping[str, str], length: int, *, chunked: bool = False) -> None:
        if not self.body.drain():
            self.close_connection = True
        self._note(status)
        self._whole = length
        told, content_length = self.fault.headers(dict(headers), None if chunked else length)
        self._chunked = content_length is None
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        if status != 204 and "content-length" not in {name.lower() for name in told}:
            framing = ("Transfer-Encoding", "chunked") if content_length is None else ("Content-Length", content_length)
            self.send_header(framing[0], str(framing[1]))
        if self.service.manners.warning is not None:
            self.send_header("Warning", f'299 - "{self.service.manners.warning}"')
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()

    def flush_headers(self) -> None:
        """Writes the head of the answer, as far as the fault lets it."""
        block, self._headers_buffer = b"".join(self._headers_buffer), []
        for part in self.fault.head(block):
            self.wfile.write(part)

    def _write_body(self, pieces: Iterable[bytes]) -> None:
        if self.command == "HEAD":
            return
        for piece in self.fault.body(_filled(pieces), self._whole):
            self.service.tally.send(self.kind, len(piece))
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
        if self._chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _reply(self, reply: Reply) -> None:
        """Answers what the fault wants answered."""
        if reply.fate == "send":
            self._send(reply.status, reply.headers, reply.body)
            return
        self._note(0)
        while reply.fate == "hang" and not self.service.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], _GLANCE)
            if readable:
                break  # the client went away
        raise HangUpError(reset=reply.fate == "reset")

    def _note(self, status: int) -> None:
        scheme = self.headers.get("Authorization", "").partition(" ")[0]
        self.service.tally.answered(RequestRecord(self.command, self.path, status, scheme))

    def _hang_up(self, *, reset: bool) -> None:
        """Ends the connection after what was written so far."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
        if reset:
            self.server.reset(self.connection)  # type: ignore[attr-defined]


def _filled(pieces: Iterable[bytes]) -> Iterator[bytes]:
    return (piece for piece in pieces if piece)
