"""The OCI distribution API over HTTP/1.1: authorization, limits, faults and the life of a connection."""

import ssl
from functools import partial
from urllib.parse import parse_qs, urlsplit

from longshore_local.loopback import Reply
from longshore_local.registry_auth import CATALOG_SCOPE
from longshore_local.registry_blobs import BlobEndpoints
from longshore_local.registry_body import BodyCutError, RequestBody
from longshore_local.registry_faults import Fault, HangUpError
from longshore_local.registry_listings import ListEndpoints
from longshore_local.registry_manifests import ManifestEndpoints
from longshore_local.registry_routes import find_route, kind_of
from longshore_local.registry_store import REPOSITORY, RegistryError
from longshore_local.registry_uploads import UploadEndpoints

_UNGUARDED = frozenset({"_token", "_signed_layer"})
_OVERALL = Reply(429, b"Too Many Requests\n", {"Content-Type": "text/plain"})


class RegistryHandler(BlobEndpoints, UploadEndpoints, ManifestEndpoints, ListEndpoints):
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
        except (ConnectionError, TimeoutError, ssl.SSLError):
            self.close_connection = True

    def do_GET(self) -> None:
        """Answers a request of any method."""
        self.kind = kind_of(self.command, self.path)
        self.fault = self.service.script.take(self.kind, self.path) or Fault()
        self.body = RequestBody(self.rfile, self.headers)  # type: ignore[arg-type]
        self.body.count = partial(self.service.tally.receive, self.kind)
        self.body.cut_after = self.fault.cut_request_after()
        try:
            self._answer()
        except BodyCutError:
            self._note(0)
            self._hang_up(reset=self.body.is_cut)
        except HangUpError as error:
            self._hang_up(reset=error.reset)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Requests are recorded by the service, never printed."""

    def _answer(self) -> None:
        reply = self.fault.instead(self.path)
        if reply is None and not self.service.limits.within_minute():
            reply = _OVERALL
        if reply is not None:
            self._reply(reply)
            return
        try:
            self._check_limits()
            self._dispatch()
        except RegistryError as error:
            self._forgo_body(error)
            self._refuse(error, self._later(error))

    def _check_limits(self) -> None:
        manners = self.service.manners
        if not self.service.limits.within_rate(self.kind):
            raise RegistryError(manners.throttle_status, "TOOMANYREQUESTS", "Rate exceeded")
        length = self.body.told_length or 0
        if manners.max_body_bytes is not None and length > manners.max_body_bytes:
            raise RegistryError(413, "SIZE_INVALID", f"{length} bytes are more than {manners.max_body_bytes}")

    def _later(self, error: RegistryError) -> dict[str, str]:
        after = self.service.manners.throttle_retry_after
        return {"Retry-After": after} if error.code == "TOOMANYREQUESTS" and after is not None else {}

    def _forgo_body(self, error: RegistryError) -> None:
        cuts = self.service.manners.cut_unknown_repository and error.code == "NAME_UNKNOWN"
        if cuts and (self.body.told_length or not self.body.has_length):
            self._note(0)
            raise HangUpError(reset=False)

    def _dispatch(self) -> None:
        url = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        found = find_route(url.path)
        if found is None:
            raise RegistryError(404, "NOT_FOUND", f"no such endpoint: {url.path}")
        route, match = found
        self.name = match.groupdict().get("name", "")
        self.reference = match.groupdict().get("reference", "")
        self._enter(route.handlers.get(self.command))

    def _enter(self, handler: str | None) -> None:
        if self.kind == "HEAD layer":
            raise RegistryError(403, "DENIED", "the URL was signed for GET")  # as S3 has it
        if handler is None:
            raise RegistryError(405, "UNSUPPORTED", f"{self.command} is not supported here")
        if self.name and not REPOSITORY.fullmatch(self.name):
            raise RegistryError(400, "NAME_INVALID", f"'{self.name}' is no repository name")
        if handler in _UNGUARDED or self._authorized():
            getattr(self, handler)()

    def _authorized(self) -> bool:
        if "signature" in self.query and self.kind.endswith(" upload"):
            self._check_signature()
            return True
        action = "pull" if self.command in ("GET", "HEAD") else "push"
        scope = f"repository:{self.name}:{action}" if self.name else None
        if self.path.startswith("/v2/_catalog"):
            scope = CATALOG_SCOPE
        realm = f"{self.base}/token"
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
