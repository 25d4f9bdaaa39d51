"""One POST for every channel that speaks HTTPS: bounded, to public addresses only, and silent about its address.

Addresses hold secrets (`sig=` of Teams, the path of a Slack webhook), so no error text and no cause names more than
the host: errors are raised `from None`, because urllib3 may spell out the address in its own.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from longshore.addresses import is_loopback, is_public
from longshore.errors import AmbiguousError, DeliveryError, ThrottledError, UpstreamError
from longshore.notify.pacing import PATIENCE

if TYPE_CHECKING:
    from longshore.ports import Clock

RETRY_AFTER: Final = 30.0
"""Seconds to stay away after a 429 that does not say."""
_CONNECT_SECONDS: Final = 3.0
_CHUNK: Final = 65_536
_TRY_LATER: Final = frozenset({408, 425})

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, in the order in which the system prefers them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response: header names are lower case, `text` is what could be decoded."""

    host: str
    status: int
    headers: Mapping[str, str]
    text: str


class Http:
    """Posts without retries (those belong to the queue), redirects, proxies or more time than it is given."""

    def __init__(
        self,
        clock: Clock,
        *,
        timeout: float = 10.0,
        limit: int = 1_000_000,
        loopback: bool = False,
        resolve: Resolve = resolve,
        monotonic: Callable[[], float] = time.monotonic,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`timeout` is in seconds for one request, `limit` in bytes of an answer.

        `loopback` lets the local bundle and tests use plain HTTP to this machine, and nothing else that is not public.
        """
        self._clock = clock
        self._timeout = timeout
        self._limit = limit
        self._loopback = loopback
        self._resolve = resolve
        self._monotonic = monotonic
        self._pools = urllib3.PoolManager(retries=False, ssl_context=tls or ssl.create_default_context())

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout: float | None = None) -> Answer:
        """Sends once, whatever the status of the answer.

        Raises DeliveryError for an address that may not be used, UpstreamError when the request did not arrive,
        AmbiguousError when it may have.
        """
        parts = _split(url)
        within = self._timeout if timeout is None else min(timeout, self._timeout)
        deadline = self._monotonic() + within
        failure = UpstreamError(f"{parts.hostname}: no address")
        for address in self._addresses(parts):
            left = deadline - self._monotonic()
            if left <= 0:
                raise UpstreamError(f"{parts.hostname}: no time left")
            try:
                return self._send(parts, address, body, headers, left)
            except AmbiguousError:
                raise
            except UpstreamError as error:
                failure = error
        raise failure from None

    def checked(self, answer: Answer) -> Answer:
        """The answer if it is a success. Raises ThrottledError, UpstreamError or DeliveryError (`http-404`)."""
        if 200 <= answer.status < 300:  # noqa: PLR2004
            return answer
        text = f"{answer.host} answered {answer.status}"
        if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):  # noqa: PLR2004
            raise ThrottledError(text, self.retry_after(answer.headers))
        if answer.status >= 500 or answer.status in _TRY_LATER:  # noqa: PLR2004
            raise UpstreamError(text)
        raise DeliveryError(f"http-{answer.status}", text)

    def retry_after(self, headers: Mapping[str, str]) -> float:
        """Seconds to stay away: from Retry-After in either form (RFC 9110 10.2.3), at least 1, at most PATIENCE."""
        value = headers.get("retry-after", "").strip()
        try:
            seconds = float(value) if value[:1].isdigit() else self._until(value)
        except (ValueError, TypeError):  # the latter: a date without a zone
            return RETRY_AFTER
        return min(max(seconds, 1.0), PATIENCE.total_seconds())

    def _until(self, date: str) -> float:
        return (parsedate_to_datetime(date) - self._clock.now()).total_seconds()

    def _addresses(self, parts: SplitResult) -> Sequence[str]:
        host = parts.hostname or ""
        try:
            addresses = self._resolve(host, _port(parts))
        except OSError:
            raise UpstreamError(f"{host}: the name cannot be resolved") from None
        local = self._loopback and all(map(is_loopback, addresses))
        if parts.scheme != "https" and not local:
            raise DeliveryError("insecure-url", f"{host}: only https")
        if not local and not all(map(is_public, addresses)):
            raise DeliveryError("private-address", f"{host}: not a public address")
        return addresses

    def _send(self, parts: SplitResult, address: str, body: bytes, headers: Mapping[str, str], left: float) -> Answer:
        host, deadline = parts.hostname or "", self._monotonic() + left
        names = {"server_hostname": host} if parts.scheme == "https" else {}
        pool = self._pools.connection_from_host(address, _port(parts), parts.scheme, pool_kwargs=names)
        with _errors(host):
            response = pool.urlopen(
                "POST",
                f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/",
                body,
                {**headers, "Host": parts.netloc.rpartition("@")[2]},
                retries=False,
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=min(left, _CONNECT_SECONDS), read=left),
            )
            text = self._read(response, host, deadline)
        return Answer(host, response.status, {name.lower(): value for name, value in response.headers.items()}, text)

    def _read(self, response: urllib3.BaseHTTPResponse, host: str, deadline: float) -> str:
        content = b""
        while chunk := response.read1(_CHUNK):
            content += chunk
            if len(content) > self._limit or self._monotonic() > deadline:
                response.close()
                raise AmbiguousError(f"{host}: the answer is too long or too slow")
        response.release_conn()
        return content.decode("utf-8", "replace")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("https", "http") and bool(parts.hostname) and _port(parts) > 0
    except ValueError:
        valid = False
    if not valid:
        raise DeliveryError("invalid-url", "an https address is needed") from None
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


@contextmanager
def _errors(host: str) -> Iterator[None]:
    try:
        yield
    except (NewConnectionError, ConnectTimeoutError) as error:
        raise UpstreamError(f"{host}: {_kind(error)}") from None
    except SSLError as error:
        if isinstance(error.args[0], ssl.SSLCertVerificationError):
            raise UpstreamError(f"{host}: {error.args[0].verify_message}") from None
        raise AmbiguousError(f"{host}: TLS failed") from None
    except (HTTPError, OSError) as error:
        raise AmbiguousError(f"{host}: {_kind(error)} after the request was sent") from None
    except ValueError:  # http.client quotes the header that it refuses
        raise DeliveryError("invalid-request", f"{host}: a header holds what HTTP does not allow") from None


def _kind(error: Exception) -> str:
    return type(error).__name__.removesuffix("Error")
