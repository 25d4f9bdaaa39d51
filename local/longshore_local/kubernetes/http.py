"""The API server over HTTP/1.1, with TLS where a certificate is given: documents, and watches that stream."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from longshore_local.certificates import Certificate
from longshore_local.kubernetes.api import Api, Call
from longshore_local.kubernetes.refusals import StatusError
from longshore_local.kubernetes.store import Change, Object

_GLANCE = 0.05
_WATCH_SECONDS = 1800.0

Fault = Callable[[str, str], tuple[int, Mapping[str, str]] | None]
"""By method and path: the status and headers to answer instead, or None."""


class ApiServer:
    """Answers on `url` between `start` and `close`."""

    def __init__(self, api: Api, certificate: Certificate | None, port: int = 0) -> None:
        self._api = api
        self._certificate = certificate
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = port
        self.fault: Fault = lambda method, path: None
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Binds the port."""
        self._server = _Server(self, self._api, self._certificate, self.port)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_GLANCE,), name="kubernetes")
        self._thread.start()

    def close(self) -> None:
        """Ends every watch and connection; harmless when it does not run."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.closing.set()
            self._api.store.wake()
            server.shutdown()
            server.cut()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, owner: ApiServer, api: Api, certificate: Certificate | None, port: int) -> None:
        self.owner = owner
        self.api = api
        self.closing = threading.Event()
        self._tls = certificate.server_context() if certificate else None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer would look its own name up in the DNS
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, where a slow handshake keeps nobody else."""
        request.settimeout(60)
        try:
            connection = self._tls.wrap_socket(request, server_side=True) if self._tls else request
        except OSError:
            return
        with self._lock:
            self._open.add(connection)
        try:
            with contextlib.suppress(OSError):  # the client left in the middle of an answer
                super().finish_request(connection, client_address)
        finally:
            with self._lock:
                self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def cut(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "longshore-kubernetes"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def do_GET(self) -> None:
        """Answers a request of any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.owner.requests.append((self.command, self.path))
        try:
            if (fault := self.server.owner.fault(self.command, self.path)) is not None:
                self._send(fault[0], StatusError(fault[0], "injected").status(), fault[1])
                return
            call = self.server.api.read(self.command, self.path, headers, body)
            if isinstance(call, Call) and call.watches:
                self._watch(call)
            elif isinstance(call, Call):
                self._send(*self.server.api.answer(call))
            else:
                self._send(200, call)
        except StatusError as error:
            self._send(error.code, error.status())

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Requests are recorded by the server, never printed."""

    def _send(self, status: int, document: Object, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _watch(self, call: Call) -> None:
        """One line of JSON for each change, until the time asked for has passed."""
        store = self.server.api.store
        seen = call.query.get("resourceVersion", "")
        ends = time.monotonic() + float(call.query.get("timeoutSeconds") or _WATCH_SECONDS)
        version, pending = int(seen or 0), list[Change]()
        with store.lock:
            if version == 0:
                version = int(store.version)
                pending = [Change(0, "ADDED", call.kind, each) for each in store.all(call.kind)]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        while True:
            for change in pending:
                version = max(version, change.version)
                if change.kind == call.kind and call.wants(change.found):
                    self._chunk({"type": change.type, "object": change.found})
            left = ends - time.monotonic()
            if left <= 0 or self.server.closing.is_set():
                break
            try:
                with store.lock:
                    pending = store.since(version)
                    if not pending:
                        store.lock.wait(min(left, 1.0))
                        pending = store.since(version)
            except StatusError as error:
                self._chunk({"type": "ERROR", "object": error.status()})
                break
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _chunk(self, document: Object) -> None:
        line = json.dumps(document).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()
