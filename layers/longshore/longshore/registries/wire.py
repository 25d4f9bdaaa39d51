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
from longshore.mirror.errors import AddressError, UnfinishedError
from longshore.registries.timelimit import TimeLimit

if TYPE_CHECKING:
    from longshore.addresses import Reach

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 60.0
"""How long nothing at all may come or go."""
_WINDOW_SECONDS: Final = 30.0
_WINDOW_BYTES: Final = 30 * 1024
"""Least bytes for every so many seconds spent waiting: a drip is as good as silence."""
_MOST_ADDRESSES: Final = 4
"""Of one host that are tried: each may take as long as a connection may take to open."""
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

    def __init__(
        self, sock: socket.socket, host: str, monotonic: Callable[[], float], limit: TimeLimit | None = None
    ) -> None:
        """`host` is for errors."""
        self.sock = sock
        self.ended = False
        """Whether the other end said that nothing more will come. http.client takes that for the end of headers."""
        self._host = host
        self._monotonic = monotonic
        self._limit = limit or TimeLimit(monotonic)
        self._readers = 0
        self._closed = False
        self._silence = self._timeout = SILENCE_SECONDS
        self._is_last = False
        self._free_until = 0.0
        self._until: float | None = None
        self._head_left: int | None = None
        self._waited = 0.0
        self._came = 0
        sock.settimeout(SILENCE_SECONDS)

    def wait_at_most(self, seconds: float) -> None:
        """For the next bytes in either direction; forgets how slow they were so far."""
        self._silence = seconds
        self._until = self._head_left = None
        self._waited, self._came = 0.0, 0
        self._free_until = self._monotonic()

    def wait_for_head(self, seconds: float) -> None:
        """For the next status and headers to begin; half a minute more for all of them, interim answers included."""
        self.wait_at_most(seconds)
        self._until, self._head_left = self._monotonic() + seconds + _WINDOW_SECONDS, _HEAD_BYTES

    def wait_for_all(self, seconds: float) -> None:
        """For everything that is still to be read of an answer."""
        self.wait_at_most(SILENCE_SECONDS)
        self._until = self._monotonic() + seconds

    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        """For reading only, which is all that http.client asks for."""
        self._readers += 1
        return io.BufferedReader(_Incoming(self), _BUFFER)

    def sendall(self, data: bytes | memoryview) -> None:
        """All of it, in no more time than may be silent. Raises OSError, UnfinishedError."""
        now = self._monotonic()
        until, left = now + self._silence, memoryview(data)
        while left:
            self._wait(until - now)
            try:
                left = left[self.sock.send(left) :]
            except TimeoutError:
                raise self._too_slow("nothing is taken") from None
            now = self._monotonic()

    def receive_into(self, buffer: Any) -> int:
        """Some bytes. Raises TimeoutError for silence and for a drip, UnfinishedError when the time is up."""
        # Once for every 16 KiB of a blob over TLS: each line here is counted in the processor's time of a copy.
        began = self._monotonic()
        if began >= self._free_until:
            self._wait(self._silence if self._until is None else min(self._silence, self._until - began))
        try:
            count = self.sock.recv_into(buffer)
        except TimeoutError:
            raise self._too_slow("no answer" if self._until is None else "no end of the answer") from None
        self.ended = not count
        self._came += count
        self._waited += self._monotonic() - began
        if self._until is None:
            if self._waited > _WINDOW_SECONDS:
                self._refuse_drip()
        elif self._head_left is not None and self._came > self._head_left:
            raise TimeoutError("headers without end")
        return count

    def _refuse_drip(self) -> None:
        if self._came < _WINDOW_BYTES and not self.ended:
            raise TimeoutError(f"{self._came} bytes in {self._waited:.0f} s")
        self._waited, self._came = 0.0, 0

    def _wait(self, seconds: float) -> None:
        """Has the socket wait no longer than that, nor than there is time at all."""
        left = self._limit.left
        self._is_last = left <= seconds
        timeout = left if self._is_last else seconds
        if timeout <= 0:
            raise self._too_slow("no end of the answer")
        if self._until is None and left > 2 * seconds:
            self._free_until = self._monotonic() + seconds  # until then nothing shortens it
        if timeout != self._timeout:
            self._timeout = timeout
            self.sock.settimeout(timeout)

    def _too_slow(self, text: str) -> Exception:
        return UnfinishedError(f"no time left to wait for {self._host}") if self._is_last else TimeoutError(text)

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
        limit: TimeLimit | None = None,
    ) -> None:
        self._reach = reach
        self._tls = tls
        self._resolve = resolve
        self._monotonic = monotonic
        self.limit = limit or TimeLimit(monotonic)
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
        for address in addresses[:_MOST_ADDRESSES]:
            if not self.limit.left:
                raise UnfinishedError(f"no time left to connect to {origin}")
            try:
                sock = self._connected(origin, address)
                return Connection(origin, Wire(sock, str(origin), self._monotonic, self.limit))
            except ssl.SSLCertVerificationError as error:
                failure = error.verify_message
            except OSError as error:
                failure = error.strerror or type(error).__name__
        raise UpstreamError(f"{origin}: cannot connect: {failure}") from None

    def _connected(self, origin: Origin, address: str) -> socket.socket:
        sock = socket.create_connection((address, origin.port), max(min(CONNECT_SECONDS, self.limit.left), 0.1))
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
