"""One request to a registry and the ways to answer it."""

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from longshore_local.registry_body import RequestBody
from longshore_local.registry_service import RegistryService, RequestRecord
from longshore_local.registry_store import RegistryError


class Exchange(BaseHTTPRequestHandler):
    """A connection to a registry, with what its current request asks: repository name, reference and query."""

    service: RegistryService
    body: RequestBody
    name: str
    reference: str
    query: dict[str, str]

    def _send_json(
        self, document: Mapping[str, Any], headers: Mapping[str, str] | None = None, kind: str = "application/json"
    ) -> None:
        self._send(200, {"Content-Type": kind, **(headers or {})}, json.dumps(document).encode())

    def _send_created(self, path: str, digest: str, headers: Mapping[str, str] | None = None) -> None:
        about = {"Location": f"{self.service.url}{path}", "Docker-Content-Digest": digest}
        self._send(201, {**about, **(headers or {})})

    def _refuse(self, error: RegistryError, headers: Mapping[str, str] | None = None) -> None:
        document = {"errors": [{"code": error.code, "message": error.message}]}
        body = json.dumps(document).encode()
        self._send(error.status, {"Content-Type": "application/json", **(headers or {})}, body)

    def _send(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", length: int | None = None
    ) -> None:
        self._start(status, headers or {}, len(body) if length is None else length)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _start(self, status: int, headers: Mapping[str, str], length: int) -> None:
        if not self.body.drain():
            self.close_connection = True
        self.service.requests.append(RequestRecord(self.command, self.path, status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(length))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()
