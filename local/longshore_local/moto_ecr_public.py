"""ECR Public as a service of moto's, which has none: the API in us-east-1, and public.ecr.aws over HTTP."""

import json
import re
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from moto import backend_index
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.responses import ActionResult, BaseResponse

from longshore_local.blobs import BlobSpool
from longshore_local.ecr_call import Call
from longshore_local.ecr_images import EcrError, EcrImage, EcrRegistry, ImageIdError, Removal
from longshore_local.ecr_public_operations import OPERATIONS
from longshore_local.ecr_public_registry import HOST, REGION, Gallery, PublicRegistry, PublicRepositories
from longshore_local.ecr_store import EcrStore
from longshore_local.manifests import Manifest
from longshore_local.registry import ECR_PUBLIC_MANNERS, Auth, Manners, Registry
from longshore_local.timeline import Timeline

AUTH = Auth("bearer", registry_wide=True, service=HOST)
"""Whoever comes may pull; with a token of GetAuthorizationToken one may push as well."""
_SERVICE = "ecrpublic"  # as moto spells ecr-public in names of modules
_URLS = r"https?://(?:api\.)?ecr-public\.(.+)\.amazonaws\.com"
_REFERENCE = re.compile(re.escape(HOST) + r"/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")


class EcrPublicSimulator:
    """ECR Public in this process. Nothing that happens there is announced, as ECR Public sends no events.

    Made by `install`. `close` stops its registries, takes the service out of moto and removes the blobs.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._spool = BlobSpool()
        self._accounts: dict[str, PublicRepositories] = {}
        self._images = threading.RLock()
        self._gallery = Gallery(self._accounts, self._spool, timeline.now, self._images)
        self._front: Registry | None = None
        self._lock = threading.Lock()
        self._pattern = (_SERVICE, re.compile(_URLS))

    def repositories(self, account: str) -> PublicRepositories:
        """What an account has there."""
        with self._lock:
            return self._accounts.setdefault(account, PublicRepositories(account))

    def serve(self, *, port: int = 0, manners: Manners = ECR_PUBLIC_MANNERS, auth: Auth = AUTH) -> Registry:
        """Starts public.ecr.aws, every account's images, on a free port by default; ends one before it."""
        if self._front is not None:
            self._front.close()
        store = EcrStore(self._gallery, lambda image, tag: None, lambda repository, removal, manifest: None)
        self._front = Registry(store, port=port, manners=manners, auth=auth, now=self._timeline.now).start()
        return self._front

    def resolve(self, image: str) -> str | None:
        """The digest that a pull of an image yields now; None for what nobody here has."""
        match = _REFERENCE.fullmatch(image)
        if match is None or match["name"] not in self._gallery.repositories():
            return None
        tag, digest = (None, match["digest"]) if match["digest"] else (match["tag"] or "latest", None)
        try:
            return self._gallery.find(match["name"], tag=tag, digest=digest).manifest.digest
        except ImageIdError:
            return None

    def answer(self, account: str, region: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """What the API answers. Its errors are EcrError or moto's own."""
        if region != REGION:
            text = f"ECR Public is in {REGION} only: make the client with region_name='{REGION}'"
            raise EcrError("UnsupportedCommandException", text)
        registry = PublicRegistry(self.repositories(account), self._spool, self._timeline.now, self._images)
        return OPERATIONS[operation](Call(request, registry, self, self._front, self._timeline.now()))

    def pushed(self, registry: EcrRegistry, image: EcrImage, tag: str | None) -> None:
        """Nobody is told."""

    def deleted(self, registry: EcrRegistry, repository: str, removal: Removal, manifest: Manifest) -> None:
        """Nobody is told."""

    def clear(self) -> None:
        """Forgets every repository; registries stay up."""
        for held in self._accounts.values():
            held.repositories.clear()
            held.catalogs.clear()
            held.tags.clear()

    def plug_in(self) -> None:
        """Adds the service to moto's index."""
        sys.modules.update(_modules(self))
        backend_index.backend_url_patterns.append(self._pattern)

    def close(self) -> None:
        """Stops the registries, takes the service out of moto and removes the blobs."""
        if self._front is not None:
            self._front.close()
        if self._pattern in backend_index.backend_url_patterns:
            backend_index.backend_url_patterns.remove(self._pattern)
        for name in _NAMES:
            sys.modules.pop(name, None)
        self._spool.close()


_NAMES = (f"moto.{_SERVICE}", f"moto.{_SERVICE}.models", f"moto.{_SERVICE}.urls")


def _modules(simulator: EcrPublicSimulator) -> dict[str, ModuleType]:
    """A service of moto's is a package with backends and URLs; these are made for one simulator."""
    package, models, urls = (ModuleType(name) for name in _NAMES)
    backend = type("EcrPublicBackend", (BaseBackend,), {"__module__": models.__name__})
    backends: BackendDict[BaseBackend] = BackendDict(backend, "ecr-public")
    vars(package).update({"models": models, "urls": urls, f"{_SERVICE}_backends": backends})
    vars(models).update({"EcrPublicBackend": backend, f"{_SERVICE}_backends": backends})
    vars(urls).update({"url_bases": [_URLS], "url_paths": {"{0}/$": _responses(simulator).dispatch}})
    return dict(zip(_NAMES, (package, models, urls), strict=True))


def _responses(simulator: EcrPublicSimulator) -> Any:
    def responder(operation: str) -> Callable[[BaseResponse], ActionResult]:
        def respond(response: BaseResponse) -> ActionResult:
            request = json.loads(response.body or "{}")
            return ActionResult(simulator.answer(response.current_account, response.region, operation, request))

        return respond

    def begin(response: BaseResponse) -> None:
        BaseResponse.__init__(response, service_name="ecr-public")

    members: dict[str, Any] = {name: responder(name) for name in OPERATIONS}
    return type("EcrPublicResponse", (BaseResponse,), {**members, "__init__": begin, "__module__": _NAMES[0]})


def install(timeline: Timeline) -> EcrPublicSimulator:
    """Adds ECR Public to moto, for this process, until the simulator is closed."""
    simulator = EcrPublicSimulator(timeline)
    simulator.plug_in()
    return simulator
