"""An OCI registry on a loopback port: start and stop; registry_http speaks the protocol."""

import contextlib
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Self

from longshore_local.certificates import Certificate
from longshore_local.registry_auth import OPEN, Auth
from longshore_local.registry_http import RegistryHandler
from longshore_local.registry_manners import (
    DISTRIBUTION_MANNERS,
    DOCKER_HUB_MANNERS,
    ECR_MANNERS,
    ECR_PUBLIC_MANNERS,
    SPEC_MANNERS,
    Manners,
)
from longshore_local.registry_service import Push, RegistryService
from longshore_local.registry_store import RegistryStore
from longshore_local.registry_tally import RequestRecord, Tally

__all__ = [
    "DISTRIBUTION_MANNERS",
    "DOCKER_HUB_MANNERS",
    "ECR_MANNERS",
    "ECR_PUBLIC_MANNERS",
    "OPEN",
    "SPEC_MANNERS",
    "Auth",
    "Manners",
    "Push",
    "Registry",
    "RequestRecord",
    "Tally",
]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close sends RST


class Registry(RegistryService):
    """One registry at `url`; a context manager, or `start` and `close`. The store stays the caller's to close.

    With `tls` it speaks HTTPS. Set `script` for what shall go wrong (registry_hostile); `tally` has what came and went.
    """

    def __init__(
        self,
        store: RegistryStore,
        *,
        port: int = 0,
        manners: Manners = ECR_MANNERS,
        auth: Auth = OPEN,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_push: Callable[[Push], None] = lambda push: None,
        tls: Certificate | None = None,
    ) -> None:
        super().__init__(store, port=port, manners=manners, auth=auth, now=now, on_push=on_push)
        self.scheme = "https" if tls is not None else "http"
        self.ca_file = None if tls is None else str(tls.ca)
        self._tls = None if tls is None else tls.server_context()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it answers."""
        return self._server is not None

    def start(self) -> Self:
        """Binds the port and answers from now on; OSError for a port in use."""
        self.closing.clear()
        self._server = _Server(self, self._port, self._tls)
        self._port = self._server.server_address[1]
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.05,), name=f"registry {self.host}")
        self._thread.start()
        return self

    def close(self) -> None:
        """Cuts open connections and waits for the last request; harmless when it does not run."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            self.closing.set()
            server.shutdown()
            server.cut_connections()
            server.server_close()
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    """The socket server of one registry; it knows its connections so that it can cut them."""

    daemon_threads = False
    request_queue_size = 128  # a client with many connections must not wait for the kernel to ask again

    def __init__(self, service: RegistryService, port: int, tls: ssl.SSLContext | None) -> None:
        self.service = service
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._reset: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), RegistryHandler)

    def server_bind(self) -> None:
        # HTTPServer would look its own name up in the DNS.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        if self._tls is not None:
            # The handshake happens with the first read, in the connection's own thread.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with self._lock:
            self._connections.discard(request)
            reset = request in self._reset
            self._reset.discard(request)
        if reset:
            self.close_request(request)  # without the farewell that would come before the reset
        else:
            super().shutdown_request(request)

    def reset(self, connection: socket.socket) -> None:
        """Has a connection end by RST instead of FIN."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        with self._lock:
            self._reset.add(connection)

    def cut_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the client was faster
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # past TLS, which is another thread's
