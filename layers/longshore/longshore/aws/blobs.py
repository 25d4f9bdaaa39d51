"""A small blob by the address that ECR gives for it: over TLS, bounded, without redirects."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from longshore.addresses import is_loopback
from longshore.errors import PermanentError, UpstreamError

_CONNECT_SECONDS: Final = 3.0
_READ_SECONDS: Final = 10.0
_SECONDS: Final = 15.0
_PIECE: Final = 65_536
_OK: Final = 200


class BlobError(PermanentError):
    """What an address answers is no blob, or larger than was allowed."""


class Fetch(Protocol):
    """Reads what an address serves."""

    def __call__(self, url: str, limit: int) -> bytes:
        """All of it, at most `limit` bytes. Raises UpstreamError, or PermanentError where that cannot help."""
        ...


class HttpsFetch:
    """Gets once. The address holds a signature, so that no error names more of it than its host."""

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        loopback: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`loopback` lets the local bundle and tests use plain HTTP to this machine."""
        self._loopback = loopback
        self._monotonic = monotonic
        self._pools = urllib3.PoolManager(
            retries=False,
            ssl_context=tls or ssl.create_default_context(),
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        )

    def __call__(self, url: str, limit: int) -> bytes:
        """See `Fetch`."""
        host = self._host(url)
        try:
            response = self._pools.request("GET", url, redirect=False, preload_content=False)
            try:
                if response.status != _OK:
                    raise UpstreamError(f"{host} answered {response.status}")
                content = self._read(response, host, limit)
            finally:
                response.close()
        except (HTTPError, OSError) as error:
            raise UpstreamError(f"{host}: {type(error).__name__}") from None
        return content

    def _read(self, response: urllib3.BaseHTTPResponse, host: str, limit: int) -> bytes:
        content, deadline = b"", self._monotonic() + _SECONDS
        while piece := response.read1(min(_PIECE, limit + 1 - len(content)), decode_content=False):
            content += piece
            if len(content) > limit:
                raise BlobError(f"{host}: more than {limit} bytes")
            if self._monotonic() > deadline:
                raise UpstreamError(f"{host}: slower than {_SECONDS:.0f} s")
        return content

    def _host(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            raise BlobError("an address that cannot be read") from None
        if parts.scheme != "https" and not (self._loopback and parts.scheme == "http" and _is_local(host)):
            raise BlobError(f"{host}: only https")
        return host


def _is_local(host: str) -> bool:
    try:
        return is_loopback(host)
    except ValueError:
        return host == "localhost"
