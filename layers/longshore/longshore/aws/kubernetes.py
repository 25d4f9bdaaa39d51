"""The API of a Kubernetes cluster over urllib3: get, list, patch, delete; timed, bounded and verified."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError, SSLError

from longshore.errors import (
    AccessDeniedError,
    AmbiguousError,
    ConflictError,
    GoneError,
    LongshoreError,
    ThrottledError,
    TransientError,
    UnsupportedError,
    UpstreamError,
)

STRATEGIC_MERGE: Final = "application/strategic-merge-patch+json"
"""Merges containers by name; a merge patch would replace the list, and sidecars with it."""
FIELD_MANAGER: Final = "longshore"
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_CONNECT_SECONDS: Final = 3.0
_PAGE: Final = 250
_CHUNK: Final = 65_536
_TOLD: Final = 500


class NotConnectedError(TransientError):
    """No connection came about: nothing was asked."""


class UnauthorizedError(AccessDeniedError):
    """The API server does not know who asks (401)."""


class UntrustedError(UpstreamError):
    """The server's certificate is not of the cluster's authority."""


_ERRORS: Mapping[int, type[LongshoreError]] = {
    400: UnsupportedError,
    401: UnauthorizedError,
    403: AccessDeniedError,
    404: GoneError,
    405: UnsupportedError,
    409: ConflictError,
    410: ConflictError,
    413: UnsupportedError,
    415: UnsupportedError,
    422: UnsupportedError,
}


class Kubernetes:
    """One cluster. `limit` is in bytes of one answer, `timeout` in seconds for one request."""

    def __init__(
        self,
        endpoint: str,
        authority: str,
        token: Callable[[], str],
        *,
        timeout: float = 10.0,
        limit: int = 32 * 1024 * 1024,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Trusts the authority alone (PEM). Raises UpstreamError for an endpoint that is no https URL."""
        url = urllib3.util.parse_url(endpoint)
        if url.scheme != "https" or not url.host:
            raise UpstreamError(f"{endpoint[:128]!r} is no https endpoint")
        try:
            context = ssl.create_default_context(cadata=authority)
        except ssl.SSLError as error:
            raise UpstreamError(f"{url.host}: its certificate authority cannot be read: {error.reason}") from None
        # EKS's certificates bear no key identifiers. Python 3.13 would ask for them, beside chain, name and dates.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._host = url.host
        self._token = token
        self._timeout = timeout
        self._limit = limit
        self._monotonic = monotonic
        self._pool = urllib3.HTTPSConnectionPool(
            url.host, url.port or 443, maxsize=1, retries=False, ssl_context=context
        )

    def close(self) -> None:
        """Closes idle connections."""
        self._pool.close()

    def get(self, path: str) -> dict[str, Any]:
        """One object. Raises GoneError."""
        return self._ask("GET", path, {})

    def list(self, path: str, query: Mapping[str, str] | None = None, *, metadata: bool = False) -> Iterator[Any]:
        """Objects page after page; `metadata`: of each its metadata alone."""
        asked = {**(query or {}), "limit": str(_PAGE)}
        while True:
            page = self._ask("GET", path, asked, accept=_METADATA if metadata else "application/json")
            yield from page.get("items") or []
            token = page.get("metadata", {}).get("continue")
            if not token:
                return
            asked["continue"] = token

    def patch(self, path: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """A strategic merge patch; with a resourceVersion in it, ConflictError when the object changed meanwhile."""
        return self._ask("PATCH", path, {"fieldManager": FIELD_MANAGER}, patch, STRATEGIC_MERGE)

    def delete(self, path: str, uid: str) -> None:
        """Removes the very object that was seen. Raises GoneError, and ConflictError when another has its name."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        self._ask("DELETE", path, {}, options, "application/json")

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        media: str = "",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": accept, "User-Agent": FIELD_MANAGER}
        if media:
            headers["Content-Type"] = media
        url = f"{path}?{urlencode(query)}" if query else path
        deadline = self._monotonic() + self._timeout
        try:
            response = self._sent(method, url, None if body is None else json.dumps(body).encode(), headers)
        except (NewConnectionError, ConnectTimeoutError):
            raise NotConnectedError(f"{self._host} cannot be reached") from None
        except SSLError as error:
            raise UntrustedError(f"{self._host}: {error}") from None
        except HTTPError as error:
            raise _unanswered(method)(f"{self._host}: {method} {path}: {error}") from None
        try:
            text = self._read(response, method, deadline)
        except BaseException:
            response.close()  # what is left unread is worth no connection
            raise
        response.release_conn()
        return self._understood(method, path, response, text)

    def _sent(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """A connection that was kept may have been given up by the other side: what only reads is asked once more."""
        for last in (method != "GET", True):
            try:
                return self._pool.request(
                    method,
                    url,
                    body=body,
                    headers=headers,
                    timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=self._timeout),
                    redirect=False,
                    preload_content=False,
                )
            except ProtocolError:
                if last:
                    raise
        raise AssertionError("the second time is the last")

    def _read(self, response: urllib3.BaseHTTPResponse, method: str, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            for chunk in response.stream(_CHUNK):
                chunks.append(chunk)
                size += len(chunk)
                if size > self._limit:
                    raise UnsupportedError(f"{self._host}: an answer of more than {self._limit} bytes")
                if self._monotonic() > deadline:
                    raise _unanswered(method)(f"{self._host}: no time left")
        except HTTPError as error:
            raise _unanswered(method)(f"{self._host}: {error}") from None
        return b"".join(chunks)

    def _understood(self, method: str, path: str, response: urllib3.BaseHTTPResponse, text: bytes) -> dict[str, Any]:
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if 200 <= response.status < 300 and isinstance(document, dict):  # noqa: PLR2004
            return document
        said = document.get("message") if isinstance(document, dict) else None
        told = f"{method} {path}: {response.status}: {said or 'no Kubernetes answer'}"[:_TOLD]
        if response.status == 429 or (response.status == 503 and "Retry-After" in response.headers):  # noqa: PLR2004
            raise ThrottledError(told, _seconds(response.headers.get("Retry-After", "")))
        raise _ERRORS.get(response.status, UpstreamError)(told)


def _unanswered(method: str) -> type[UpstreamError]:
    return UpstreamError if method == "GET" else AmbiguousError


def _seconds(text: str) -> float:
    return float(min(max(int(text), 1), 900)) if text.isdigit() else 30.0
