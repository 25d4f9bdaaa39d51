"""An OCI registry on a loopback port: start and stop; registry_http speaks the protocol."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Self

from longshore_local.registry_auth import OPEN, Auth
from longshore_local.registry_http import RegistryHandler
from longshore_local.registry_service import (
    ECR_MANNERS,
    SPEC_MANNERS,
    Manners,
    Push,
    RegistryService,
    RequestRecord,
)
from longshore_local.registry_store import RegistryStore

__all__ = ["ECR_MANNERS", "OPEN", "SPEC_MANNERS", "Auth", "Manners", "Push", "Registry", "RequestRecord"]


class Registry(RegistryService):
    """One registry at `url`; a context manager, or `start` and `close`. The store stays the caller's to close."""

    def __init__(
        self,
        store: RegistryStore,
        *,
        port: int = 0,
        manners: Manners = ECR_MANNERS,
        auth: Auth = OPEN,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_push: Callable[[Push], None] = lambda push: None,
    ) -> None:
        super().__init__(store, port=port, manners=manners, auth=auth, now=now, on_push=on_push)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it answers."""
        return self._server is not None

    def start(self) -> Self:
        """Binds the port and answers from now on; OSError for a port in use."""
        self._server = _Server(self, self._port)
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

    def __init__(self, service: RegistryService, port: int) -> None:
        self.service = service
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), RegistryHandler)

    def server_bind(self) -> None:
        # HTTPServer would look its own name up in the DNS.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)
