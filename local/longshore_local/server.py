"""The bundle behind HTTP, on real time: what `longshore local` keeps up."""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from moto.server import ThreadedMotoServer

from longshore_local.bundle import Bundle
from longshore_local.event_route import Application, EventRoute
from longshore_local.timeline import WallTimeline

_PULSE = 0.05  # seconds between two looks for work that other threads made

log = logging.getLogger(__name__)


class Server:
    """AWS's API on a loopback port, and the thread that works for the bundle until `stop`."""

    def __init__(self, bundle: Bundle, port: int) -> None:
        """Starts both; port 0 takes a free one."""
        if not isinstance(bundle.timeline, WallTimeline):
            raise TypeError("serve() runs on real time, so the bundle needs a WallTimeline")
        self._bundle = bundle
        self._stopping = threading.Event()
        self._exits = ExitStack()
        self._http = _QuietServer(ip_address="127.0.0.1", port=port, verbose=False)
        self._http.start()
        self._http.put_in_front(lambda application: EventRoute(application, bundle))
        self._exits.callback(self._http.stop)
        self._driver = threading.Thread(target=self._drive, name="longshore-local", daemon=True)
        self._driver.start()
        self._exits.callback(self._stop_driver)

    @property
    def url(self) -> str:
        """Where AWS answers."""
        host, port = self._http.get_host_and_port()
        return f"http://{host}:{port}"

    def stop(self) -> None:
        """Ends the work, then the port; harmless when stopped already."""
        self._exits.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _drive(self) -> None:
        while not self._stopping.wait(_PULSE):
            try:
                self._bundle.settle(self._stopping.is_set)
            except Exception:
                log.exception("the local bundle could not do its work; it goes on")

    def _stop_driver(self) -> None:
        self._stopping.set()
        self._driver.join()


class _QuietServer(ThreadedMotoServer):
    """moto's server, which says nothing for each request and closes its socket at the end."""

    def start(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        super().start()

    def put_in_front(self, wrap: Callable[[Application], Application]) -> None:
        """Has requests go through another application first."""
        if self._server is not None:
            self._server.app = wrap(self._server.app)

    def stop(self) -> None:
        super().stop()
        if self._server is not None:
            self._server.server_close()


def serve(bundle: Bundle, port: int = 0) -> Server:
    """Opens the bundle's AWS on 127.0.0.1 and works for it in a thread; stop it before the bundle."""
    return Server(bundle, port)
