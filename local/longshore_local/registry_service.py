"""What a registry's HTTP front knows beside the store: manners, credentials, limits, signed URLs."""

import hashlib
import hmac
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from longshore_local.blobs import MIN_PART_BYTES
from longshore_local.manifests import Manifest
from longshore_local.registry_auth import Auth, Authenticator
from longshore_local.registry_store import RegistryStore

_LAYER_URL_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Manners:
    """Where a registry departs from the distribution spec (mirror 3); the defaults are private ECR's.

    patch_status: the answer to a chunk. range_sticks: the Range header of later chunks repeats the first one's.
    redirect_blobs: blob GETs go to a signed URL on another host. require_media_type: a manifest without mediaType is
    UNSUPPORTED. min_part_bytes: smaller chunks, the last one excepted, are refused when the upload is completed.
    announce_min_part: POST says so with OCI-Chunk-Min-Length. mounts: cross-repository mounts work (account setting
    BLOB_MOUNTING). single_post: POST with a digest takes the whole blob. head_blob_status: what a HEAD of a blob gets
    instead of an answer (401 or 403 on ECR Public). referrers: the referrers API exists. max_page: the largest `n`.
    manifest_gets: how many manifest GETs are free in `window_seconds`; then 429 with Retry-After: retry_after.
    """

    patch_status: int = 201
    range_sticks: bool = True
    redirect_blobs: bool = True
    require_media_type: bool = True
    min_part_bytes: int = MIN_PART_BYTES
    announce_min_part: bool = False
    mounts: bool = False
    single_post: bool = False
    head_blob_status: int | None = None
    referrers: bool = True
    max_page: int = 1000
    manifest_gets: int | None = None
    window_seconds: int = 21_600
    retry_after: str = "60"


ECR_MANNERS = Manners()
SPEC_MANNERS = Manners(
    patch_status=202,
    range_sticks=False,
    redirect_blobs=False,
    require_media_type=False,
    min_part_bytes=0,
    mounts=True,
    single_post=True,
)


@dataclass(frozen=True, slots=True)
class Push:
    """A manifest that came in; `tag` is None for one pushed by digest."""

    repository: str
    tag: str | None
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that the registry answered."""

    method: str
    path: str
    status: int


class RegistryService:
    """The state of one registry, whatever socket it answers on.

    `on_push` is called after a push that changed something, in the thread of the request. `requests` are the last
    10,000 requests.
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
        self.on_push = on_push
        self.requests: deque[RequestRecord] = deque(maxlen=10_000)
        self._port = port
        self._now = now
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._window_start: datetime | None = None
        self._manifest_gets = 0

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, the registry part of image references."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://{self.host}"

    def layer_url(self, repository: str, digest: str) -> str:
        """Where a blob may be fetched for an hour without credentials, on a host that is not the registry's."""
        expires = int((self._now() + _LAYER_URL_LIFETIME).timestamp())
        query = urlencode({"expires": expires, "signature": self._signature(repository, digest, expires)})
        return f"http://localhost:{self._port}/layers/{quote(repository)}/{digest}?{query}"

    def admits(self, repository: str, digest: str, expires: str, signature: str) -> bool:
        """Whether a signed URL is genuine and still good."""
        if not expires.isdecimal() or int(expires) < self._now().timestamp():
            return False
        return hmac.compare_digest(self._signature(repository, digest, int(expires)), signature)

    def spend_manifest_get(self, *, free: bool) -> tuple[bool, dict[str, str]]:
        """Counts a manifest GET (`free` looks only); whether it is within the limit, and the headers that tell."""
        limit = self.manners.manifest_gets
        if limit is None:
            return True, {}
        with self._lock:
            self._renew_window()
            within = self._manifest_gets < limit
            self._manifest_gets += within and not free
            left = limit - self._manifest_gets
        window = f";w={self.manners.window_seconds}"
        headers = {"ratelimit-limit": f"{limit}{window}", "ratelimit-remaining": f"{left}{window}"}
        return within or free, headers

    def _renew_window(self) -> None:
        now = self._now()
        length = timedelta(seconds=self.manners.window_seconds)
        if self._window_start is None or now >= self._window_start + length:
            self._window_start = now
            self._manifest_gets = 0

    def _signature(self, repository: str, digest: str, expires: int) -> str:
        text = f"{repository}\n{digest}\n{expires}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()
