"""An answer that never gets to its point."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from longshore.addresses import Reach
from longshore.errors import UpstreamError
from longshore.registries.connect import Network, connect
from longshore.registries.patience import Patience
from tests.fakes import FakeClock


@contextmanager
def endless_interim_answers() -> Iterator[str]:
    """A server that has said `100 Continue` 8 MiB long when it gives up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    for _ in range(320):
                        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


def test_interim_answers_without_end() -> None:
    clock = FakeClock()
    patience = Patience(clock, tries=1)
    with endless_interim_answers() as host:
        client = connect(host, "source", Network(clock, patience, Reach(loopback=True)))
        with pytest.raises(UpstreamError, match="headers without end"):
            client.head("team/web", "1.0")
        client.close()
