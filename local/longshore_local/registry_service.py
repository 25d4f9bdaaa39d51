"""What a registry's HTTP front knows beside the store: manners, credentials, limits, faults, signed URLs."""

import hashlib
import hmac
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from longshore_local.manifests import Manifest
from longshore_local.registry_auth import Auth, Authenticator
from longshore_local.registry_faults import Script
from longshore_local.registry_limits import Limits
from longshore_local.registry_manners import Manners
from longshore_local.registry_store import RegistryStore, upload_unknown
from longshore_local.registry_tally import RequestRecord, Tally


@dataclass(frozen=True, slots=True)
class Push:
    """A manifest that came in; `tag` is None for one pushed by digest."""

    repository: str
    tag: str | None
    manifest: Manifest


class RegistryService:
    """The state of one registry, whatever socket it answers on.

    `on_push` is called after a push that changed something, in the thread of the request. `manners` and `script` may be
    replaced while it runs. `pushed_at` has the time of each tag's last push here, by repository and tag.
    """

    def __init__(
        self,
        store: RegistryStore,
        *,
        port: int,
        manners: Manners,
        auth: Auth,
        now: Callable[[], datetime],
        on_push: Callable[[Push], None],
    ) -> None:
        self.store = store
        self.manners = manners
        self.authenticator = Authenticator(auth, now)
        self.limits = Limits(lambda: self.manners, now)
        self.script = Script()
        self.tally = Tally()
        self.pushed_at: dict[tuple[str, str], datetime] = {}
        self.scheme = "http"
        self.ca_file: str | None = None
        self.closing = threading.Event()
        self._on_push = on_push
        self._port = port
        self._now = now
        self._secret = secrets.token_bytes(32)
        self._uploads_begun: dict[str, datetime] = {}

    @property
    def requests(self) -> deque[RequestRecord]:
        """The last 10,000 requests."""
        return self.tally.records

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, the registry part of image references."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, or `https`."""
        return f"{self.scheme}://{self.host}"

    @property
    def other_url(self) -> str:
        """The same server under another name, which is another host to a client."""
        return f"{self.scheme}://localhost:{self._port}"

    def pushed(self, push: Push) -> None:
        """Notes a push that changed something, and tells the hook."""
        if push.tag is not None:
            self.pushed_at[push.repository, push.tag] = self._now()
        self._on_push(push)

    def layer_url(self, repository: str, digest: str) -> str:
        """Where a blob may be fetched for an hour without credentials, on a host that is not the registry's."""
        seconds = self.manners.redirect_seconds
        return (
            f"{self.other_url}/layers/{quote(repository)}/{digest}?{self.signature_query(repository, digest, seconds)}"
        )

    def signature_query(self, repository: str, reference: str, seconds: int = 3_600) -> str:
        """The query that stands in for credentials on another host."""
        expires = int((self._now() + timedelta(seconds=seconds)).timestamp())
        return urlencode({"expires": expires, "signature": self._signature(repository, reference, expires)})

    def admits(self, repository: str, reference: str, expires: str, signature: str) -> bool:
        """Whether a signed URL is genuine and still good."""
        if not expires.isdecimal() or int(expires) < self._now().timestamp():
            return False
        return hmac.compare_digest(self._signature(repository, reference, int(expires)), signature)

    def upload_state(self, upload_id: str, size: int) -> str:
        """What a Location with state says of an upload: it holds for this size only."""
        return hmac.new(self._secret, f"{upload_id}\n{size}".encode(), hashlib.sha256).hexdigest()

    def note_upload(self, upload_id: str) -> None:
        """An upload begins to age."""
        self._uploads_begun[upload_id] = self._now()

    def check_age(self, upload_id: str) -> None:
        """BLOB_UPLOAD_UNKNOWN for an upload that is too old."""
        seconds, begun = self.manners.upload_seconds, self._uploads_begun.get(upload_id)
        if seconds is not None and begun is not None and self._now() >= begun + timedelta(seconds=seconds):
            raise upload_unknown(upload_id)

    def _signature(self, repository: str, reference: str, expires: int) -> str:
        text = f"{repository}\n{reference}\n{expires}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()
