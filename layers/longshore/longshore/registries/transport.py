"""One HTTP request and its answer: redirects without credentials, bodies in and out in pieces, everything counted."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urljoin

from longshore.errors import AmbiguousError, UpstreamError
from longshore.mirror.errors import AddressError, ProtocolError
from longshore.mirror.ports import Chunk, Usage
from longshore.registries.headers import number
from longshore.registries.turns import LARGE, Turns
from longshore.registries.wire import SILENCE_SECONDS, Connection, Connections, Origin, split

_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WHOLE_SECONDS: Final = 120.0
"""For a whole answer of a few MiB: who takes longer keeps others from theirs."""
_LAST_WORDS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `kind` is the noun that it is counted under; `url` is absolute.

    `body` is bytes, or pieces that make up exactly `length` bytes. `patience` is in seconds: how long the other end
    may say nothing before it answers. `limit` is in bytes: a success is read at once into `Answer.content`.
    """

    method: str
    url: str
    kind: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[Chunk] | None = None
    length: int = 0
    patience: float = SILENCE_SECONDS
    limit: int | None = None
    follow: bool = True

    @property
    def is_repeatable(self) -> bool:
        """Whether it can be sent again: pieces are gone once they are read."""
        return self.body is None or isinstance(self.body, bytes)


class Answer:
    """A response whose body is still to come: `small`, `read_into` and `release`, or `discard`."""

    def __init__(
        self,
        connection: Connection,
        response: http.client.HTTPResponse,
        url: str,
        back: Connections,
        turns: Turns,
    ) -> None:
        self.url = url
        self.content = b""
        """What `small` has read, until `forget`."""
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._all = response.headers
        self._response = response
        self._connection: Connection | None = connection
        self._back = back
        self._turns = turns
        self._has_turn = False

    @property
    def origin(self) -> Origin:
        """Who answered, after redirects."""
        return Origin.of(self.url)

    @property
    def length(self) -> int | None:
        """Content-Length; None for a body that ends when it ends."""
        return None if "transfer-encoding" in self.headers else number(self.headers.get("content-length"))

    def every(self, name: str) -> list[str]:
        """All headers of a name."""
        return self._all.get_all(name, [])

    def read_into(self, buffer: memoryview) -> int:
        """Some of the body; 0 at its end. Raises UpstreamError when the connection breaks."""
        with _broken():
            return self._response.readinto(buffer)

    def small(self, limit: int) -> bytes:
        """The whole body; `forget` it soon. Raises ProtocolError when it is larger, UpstreamError when it is cut."""
        try:
            self.content = self._whole(limit)
        except BaseException:
            self.close()
            self.forget()
            raise
        self.release()
        return self.content

    def forget(self) -> None:
        """What was read has been understood: the next large answer may come."""
        self.content = b""
        if self._has_turn:
            self._has_turn = False
            self._turns.give_back()

    def _whole(self, limit: int) -> bytes:
        if (self.length or 0) > limit:
            raise ProtocolError(f"an answer of {self.length} bytes, where {limit} are plenty")
        content = bytearray()
        with _broken():
            self._hurry()
            while piece := self._response.read(min(LARGE, limit + 1 - len(content))):
                content += piece
                if len(content) > limit:
                    raise ProtocolError(f"an answer of more than {limit} bytes")
                if len(content) >= LARGE and not self._has_turn and len(content) != self.length:
                    self._turns.take()
                    self._has_turn = True
                    self._hurry()
        if len(content) < (self.length or 0):
            raise UpstreamError(f"the answer was cut after {len(content)} of {self.length} bytes")
        return bytes(content)

    def _hurry(self) -> None:
        if self._connection is not None:
            self._connection.wire.wait_for_all(_WHOLE_SECONDS)

    def excerpt(self) -> bytes:
        """The beginning of an error's body, whatever state the rest is in."""
        content = b""
        try:
            with contextlib.suppress(UpstreamError), _broken():
                self._hurry()
                content = self._response.read(LARGE)
        finally:
            self.release()
        return content

    def discard(self) -> None:
        """Done with it; what is short is read away, so that the connection can go on."""
        if not self._response.isclosed() and (self.length or 0) <= LARGE:
            self.excerpt()
        else:
            self.release()

    def release(self) -> None:
        """Gives the connection back, or closes it when the body was not read to its end."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._response.isclosed() and connection.sock is not None:
            self._back.give_back(connection)
        else:
            self._response.close()
            connection.close()

    def close(self) -> None:
        """Cuts the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._response.close()
            connection.close()


class Transport:
    """Sends requests, follows redirects and counts. Knows nothing of registries. Thread-safe."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._turns = Turns(connections.limit)
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._received = 0
        self._sent = 0

    @property
    def usage(self) -> Usage:
        """What has been asked for so far."""
        with self._lock:
            return Usage(dict(self._requests), self._received, self._sent)

    def count_received(self, count: int) -> None:
        """So many bytes of a blob or a manifest came."""
        with self._lock:
            self._received += count

    def send(self, request: Request) -> Answer:
        """Once, whatever the status of the answer, but for redirects of GET and HEAD, which are followed.

        Raises AddressError, ProtocolError, UpstreamError, and AmbiguousError when a body was sent and no answer came.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._once(request)
            location = answer.headers.get("location")
            reading = request.method in ("GET", "HEAD")
            if not (reading and request.follow and answer.status in _REDIRECTS and location):
                return answer
            answer.discard()
            request = _redirected(request, location)
        raise ProtocolError(f"more than {_MAX_REDIRECTS} redirects")

    def close(self) -> None:
        """Closes idle connections."""
        self._connections.close()

    def _once(self, request: Request) -> Answer:
        origin, parts = split(request.url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection = self._connections.take(origin)
        try:
            return self._exchange(connection, request, path)
        except UpstreamError:
            if connection.fresh or not request.is_repeatable:
                raise
        # A kept connection that breaks says nothing of the server: it may have closed it for having been idle.
        return self._exchange(self._connections.take(origin, fresh=True), request, path)

    def _exchange(self, connection: Connection, request: Request, path: str) -> Answer:
        with self._lock:
            self._requests[f"{request.method} {request.kind}"] += 1
        try:
            sent = self._write(connection, request, path)
            with _broken(AmbiguousError if request.body is not None and sent else UpstreamError):
                connection.wire.wait_for_head(request.patience)
                response = connection.getresponse()
                if connection.wire.ended:
                    raise ConnectionResetError(0, "in the middle of the headers")
            connection.wire.wait_at_most(SILENCE_SECONDS)
        except BaseException:
            connection.close()
            raise
        return Answer(connection, response, request.url, self._connections, self._turns)

    def _write(self, connection: Connection, request: Request, path: str) -> bool:
        """Answers whether all of it was sent; what was not has been answered before its end."""
        body = request.body
        length = len(body) if isinstance(body, bytes) else request.length
        with _broken():
            connection.wire.wait_at_most(SILENCE_SECONDS)
            try:
                connection.putrequest(request.method, path, skip_host=True)
                connection.putheader("Host", str(connection.origin))
                for name, value in {"User-Agent": "longshore", **request.headers}.items():
                    connection.putheader(name, value)
                if body is not None or request.method in ("POST", "PUT", "PATCH"):
                    connection.putheader("Content-Length", str(length))
                connection.endheaders()
            except (ValueError, http.client.InvalidURL):
                raise ProtocolError("a URL or header with characters that HTTP does not have") from None
        if body is None:
            return True
        return self._write_body(connection, (body,) if isinstance(body, bytes) else body, length)

    def _write_body(self, connection: Connection, chunks: Iterable[Chunk], length: int) -> bool:
        left = length
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                break
            try:
                with _broken():
                    connection.send(chunk)
            except UpstreamError:
                if _has_answered(connection):
                    return False
                raise
            with self._lock:
                self._sent += len(chunk)
        if left:
            raise ValueError(f"a body of {length} bytes was announced, {'more' if left < 0 else length - left} came")
        return True


def _has_answered(connection: Connection) -> bool:
    """Whether a server that hung up in the middle of a body said why before it did."""
    with contextlib.suppress(OSError, ValueError):
        connection.wire.wait_at_most(_LAST_WORDS_SECONDS)
        return not connection.is_usable
    return False


def _redirected(request: Request, location: str) -> Request:
    before = Origin.of(request.url)
    url = joined(request.url, location)
    headers = dict(request.headers)
    if Origin.of(url) != before:
        headers.pop("Authorization", None)
    return replace(request, url=url, headers=headers)


def joined(base: str, location: str) -> str:
    """The absolute form of a Location or a link. Raises AddressError, also for one that gives up TLS."""
    try:
        url = urljoin(base, location.strip()).partition("#")[0]
    except ValueError:
        raise AddressError("a location that cannot be read") from None
    if Origin.of(base).scheme == "https" and Origin.of(url).scheme != "https":
        raise AddressError(
            f"{Origin.of(url)}: a location without TLS; behind a proxy, the registry must know its scheme"
        )
    return url


@contextmanager
def _broken(kind: type[UpstreamError] = UpstreamError) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise kind(f"too slow: {str(error)[:100] or 'no answer'}") from None
    except (OSError, http.client.HTTPException) as error:
        raise kind(_spelled(error)) from None


def _spelled(error: Any) -> str:
    text = getattr(error, "strerror", None) or type(error).__name__
    return f"the connection broke: {str(text)[:100]}"
