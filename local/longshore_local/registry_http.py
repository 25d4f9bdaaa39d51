"""The OCI distribution API over HTTP/1.1: routes, authorization and the life of a connection."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from longshore_local.registry_auth import CATALOG_SCOPE
from longshore_local.registry_blobs import BlobEndpoints
from longshore_local.registry_body import BodyCutError, RequestBody
from longshore_local.registry_manifests import ManifestEndpoints
from longshore_local.registry_store import REPOSITORY, RegistryError


class _Route(NamedTuple):
    pattern: re.Pattern[str]
    handlers: Mapping[str, str]  # HTTP method -> method of RegistryHandler


_ROUTES = (
    _Route(re.compile(r"/v2/?"), {"GET": "_version", "HEAD": "_version"}),
    _Route(re.compile(r"/v2/_catalog"), {"GET": "_catalog"}),
    _Route(re.compile(r"/v2/(?P<name>.+)/tags/list"), {"GET": "_tags"}),
    _Route(re.compile(r"/v2/(?P<name>.+)/referrers/(?P<reference>[^/]+)"), {"GET": "_referrers"}),
    _Route(re.compile(r"/v2/(?P<name>.+)/blobs/uploads/?"), {"POST": "_begin_upload"}),
    _Route(
        re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<reference>[^/]+)"),
        {"GET": "_upload_status", "PATCH": "_add_chunk", "PUT": "_finish_upload", "DELETE": "_cancel_upload"},
    ),
    _Route(re.compile(r"/v2/(?P<name>.+)/blobs/(?P<reference>[^/]+)"), {"GET": "_get_blob", "HEAD": "_head_blob"}),
    _Route(
        re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)"),
        {"GET": "_get_manifest", "HEAD": "_get_manifest", "PUT": "_put_manifest", "DELETE": "_delete_manifest"},
    ),
    _Route(re.compile(r"/token"), {"GET": "_token"}),
    _Route(re.compile(r"/layers/(?P<name>.+)/(?P<reference>[^/]+)"), {"GET": "_signed_layer"}),
)
_UNGUARDED = frozenset({"_token", "_signed_layer"})


class RegistryHandler(BlobEndpoints, ManifestEndpoints):
    """One connection to a registry."""

    protocol_version = "HTTP/1.1"
    server_version = "longshore-registry"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def setup(self) -> None:
        self.service = self.server.service  # type: ignore[attr-defined]
        super().setup()

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def do_GET(self) -> None:
        """Answers a request of any method."""
        try:
            self.body = RequestBody(self.rfile, self.headers)  # type: ignore[arg-type]
            self._dispatch()
        except RegistryError as error:
            self._refuse(error)
        except BodyCutError:
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Requests are recorded by the service, never printed."""

    def _dispatch(self) -> None:
        url = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        for route in _ROUTES:
            if match := route.pattern.fullmatch(unquote(url.path)):
                self.name = match.groupdict().get("name", "")
                self.reference = match.groupdict().get("reference", "")
                self._enter(route.handlers.get(self.command))
                return
        raise RegistryError(404, "NOT_FOUND", f"no such endpoint: {url.path}")

    def _enter(self, handler: str | None) -> None:
        if handler is None:
            raise RegistryError(405, "UNSUPPORTED", f"{self.command} is not supported here")
        if self.name and not REPOSITORY.fullmatch(self.name):
            raise RegistryError(400, "NAME_INVALID", f"'{self.name}' is no repository name")
        if handler in _UNGUARDED or self._authorized():
            getattr(self, handler)()

    def _authorized(self) -> bool:
        action = "pull" if self.command in ("GET", "HEAD") else "push"
        scope = f"repository:{self.name}:{action}" if self.name else None
        if self.path.startswith("/v2/_catalog"):
            scope = CATALOG_SCOPE
        realm = f"{self.service.url}/token"
        challenge = self.service.authenticator.challenge(self.headers.get("Authorization"), scope, realm)
        if challenge is not None:
            self._refuse(RegistryError(401, "UNAUTHORIZED", "authentication required"), {"WWW-Authenticate": challenge})
        return challenge is None

    def _version(self) -> None:
        self._send(200, {"Content-Type": "application/json"}, b"{}")

    def _token(self) -> None:
        scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
        token = self.service.authenticator.issue(self.headers.get("Authorization"), scopes)
        if token is None:
            raise RegistryError(401, "UNAUTHORIZED", "wrong user name or password")
        self._send_json(token)
