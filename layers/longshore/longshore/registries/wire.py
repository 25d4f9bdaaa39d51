"""Connections: opened to checked addresses only, kept for the next request, given up when the other end dawdles."""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from longshore.errors import UpstreamError
from longshore.mirror.errors import AddressError

if TYPE_CHECKING:
    from longshore.addresses import Reach

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 60.0
"""How long nothing at all may come or go."""
_WINDOW_SECONDS: Final = 30.0
_WINDOW_BYTES: Final = 30 * 1024
"""Least bytes for every so many seconds spent waiting: a drip is as good as silence."""
_HEAD_BYTES: Final = 512 * 1024
"""Of status and headers, interim answers included, with what of the body came along."""
_IDLE_SECONDS: Final = 30.0
_IDLE_AT_MOST: Final = 16
_BUFFER: Final = 65_536

Resolve = Callable[[str, int], Sequence[str]]


class Origin(NamedTuple):
    """Scheme, host and port: what credentials belong to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _port(self.scheme) else f"{host}:{self.port}"

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an absolute URL. Raises AddressError when there is none."""
        return split(url)[0]


def split(url: str) -> tuple[Origin, SplitResult]:
    """An absolute http or https URL without a user. Raises AddressError for anything else; it never shows the URL."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        raise AddressError("a URL that cannot be read") from None
    readable = url.isascii() and url.isprintable() and " " not in url
    if scheme not in ("http", "https") or not host or "@" in parts.netloc or not readable or port == 0:
        raise AddressError("not an http or https URL with a host, or one with a user in it")
    return Origin(scheme, host, port or _port(scheme)), parts


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, in the order in which the system prefers them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Wire:
    """A socket as http.client uses one, with a sense of time."""

    def __init__(self, sock: socket.socket, monotonic: Callable[[], float]) -> None:
        self.sock = sock
        self.ended = False
        """Whether the other end said that nothing more will come. http.client takes that for the end of headers."""
        self._monotonic = monotonic
        self._readers = 0
        self._closed = False
        self._waited = 0.0
        self._came = 0
        self._head_until: float | None = None
        self._head_left = 0

    def wait_at_most(self, seconds: float) -> None:
        """For the next bytes in either direction; forgets how slow they were so far."""
        if self.sock.fileno() >= 0:  # a short answer may have been the connection's last
            self.sock.settimeout(seconds)
        self._waited, self._came = 0.0, 0
        self._head_until, self._head_left = None, 0

    def wait_for_head(self, seconds: float) -> None:
        """For all of the next status and headers, however many interim answers come before them."""
        self.wait_at_most(seconds)
        self._head_until, self._head_left = self._monotonic() + seconds + _WINDOW_SECONDS, _HEAD_BYTES

    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        """For reading only, which is all that http.client asks for."""
        self._readers += 1
        return io.BufferedReader(_Incoming(self), _BUFFER)

    def sendall(self, data: bytes | memoryview) -> None:
        """All of it, or OSError."""
        self.sock.sendall(data)

    def receive_into(self, buffer: Any) -> int:
        """Some bytes. Raises TimeoutError for silence, and for a drip."""
        began = self._monotonic()
        count = self.sock.recv_into(buffer)
        self._waited += self._monotonic() - began
        self._came += count
        self.ended = not count
        if self._head_until is not None:
            self._head_left -= count
            if self._head_left < 0 or self._monotonic() > self._head_until:
                raise TimeoutError("headers without end")
        if self._waited > _WINDOW_SECONDS:
            if self._came < _WINDOW_BYTES and count:
                raise TimeoutError(f"{self._came} bytes in {self._waited:.0f} s")
            self._waited, self._came = 0.0, 0
        return count

    def close(self) -> None:
        """Now, or when the last reader is done: a response may outlive its connection's readiness for another."""
        self._closed = True
        if not self._readers:
            self.sock.close()

    def reader_done(self) -> None:
        """One reader less."""
        self._readers -= 1
        if self._closed and not self._readers:
            self.sock.close()


class _Incoming(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire: Wire | None = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive_into(buffer) if self._wire else 0

    def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire:
            wire.reader_done()
        super().close()


class Connection(http.client.HTTPConnection):
    """One connection of one origin; `fresh` until it has answered once."""

    def __init__(self, origin: Origin, wire: Wire) -> None:
        super().__init__(origin.host, origin.port)
        self.origin = origin
        self.wire = wire
        self.sock = wire  # http.client uses sendall, makefile and close only
        self.auto_open = 0
        self.fresh = True
        self.idle_since = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether nothing came that nobody asked for: the other end hanging up, most of all."""
        if self.sock is None:
            return False
        try:
            return not _readable(self.wire.sock)
        except (OSError, ValueError):
            return False


class Connections:
    """The connections of one registry object to any origin. Thread-safe; a connection has one user at a time."""

    def __init__(
        self,
        reach: Reach,
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reach = reach
        self._tls = tls
        self._resolve = resolve
        self._monotonic = monotonic
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def take(self, origin: Origin, *, fresh: bool = False) -> Connection:
        """An idle connection or a new one. Raises AddressError, UpstreamError."""
        while not fresh and (connection := self._pop(origin)):
            if connection.is_usable and self._monotonic() - connection.idle_since < _IDLE_SECONDS:
                return connection
            connection.close()
        return self._open(origin)

    def give_back(self, connection: Connection) -> None:
        """Keeps it for the next request to its origin."""
        connection.fresh, connection.idle_since = False, self._monotonic()
        with self._lock:
            self._idle.append(connection)
            surplus = self._idle.pop(0) if len(self._idle) > _IDLE_AT_MOST else None
        if surplus:
            surplus.close()

    def close(self) -> None:
        """Closes what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _pop(self, origin: Origin) -> Connection | None:
        with self._lock:
            for at in range(len(self._idle) - 1, -1, -1):
                if self._idle[at].origin == origin:
                    return self._idle.pop(at)
        return None

    def _open(self, origin: Origin) -> Connection:
        try:
            addresses = self._resolve(origin.host, origin.port)
        except (OSError, UnicodeError):
            raise UpstreamError(f"{origin}: the name cannot be resolved") from None
        refusal = self._reach.refusal(origin.scheme, origin.host, origin.port, addresses)
        if refusal:
            raise AddressError(f"{origin}: {refusal}")
        failure = "no address"
        for address in addresses:
            try:
                return Connection(origin, Wire(self._connected(origin, address), self._monotonic))
            except ssl.SSLCertVerificationError as error:
                failure = error.verify_message
            except OSError as error:
                failure = error.strerror or type(error).__name__
        raise UpstreamError(f"{origin}: cannot connect: {failure}") from None

    def _connected(self, origin: Origin, address: str) -> socket.socket:
        sock = socket.create_connection((address, origin.port), CONNECT_SECONDS)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._context().wrap_socket(sock, server_hostname=origin.host) if origin.scheme == "https" else sock
        except BaseException:
            with contextlib.suppress(OSError):
                sock.close()
            raise

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
            return self._tls


def _readable(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):  # Windows, for the command
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
