"""True ECR behaviour in moto: its image operations answered by ECR's rules, with the events that AWS sends."""

import inspect
import json
import threading
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from moto.core.responses import ActionResult
from moto.ecr.responses import ECRResponse

from longshore_local.blobs import BlobSpool
from longshore_local.ecr_call import Answer, Call
from longshore_local.ecr_images import EcrImage, EcrRegistry, Removal
from longshore_local.ecr_operations import OPERATIONS
from longshore_local.ecr_store import EcrStore
from longshore_local.manifests import Manifest
from longshore_local.registry import ECR_MANNERS, OPEN, Auth, Manners, Registry
from longshore_local.timeline import Timeline

Emit = Callable[[dict[str, Any]], None]


class EcrSimulator:
    """ECR in this process: moto keeps the repositories, this keeps the bytes, the rules and the events.

    Made by `install`. `close` stops its registries, gives moto its own answers back and removes the blobs.
    """

    def __init__(self, timeline: Timeline, emit: Emit) -> None:
        self._timeline = timeline
        self._emit = emit
        self._spool = BlobSpool()
        self._registries: dict[tuple[str, str], EcrRegistry] = {}
        self._fronts: list[tuple[str, str, Registry]] = []
        self._lock = threading.Lock()
        self._originals: dict[str, Any] = {}

    def registry(self, account_id: str, region: str) -> EcrRegistry:
        """The images of one account and Region."""
        with self._lock:
            key = (account_id, region)
            if key not in self._registries:
                self._registries[key] = EcrRegistry(account_id, region, self._spool, self._timeline.now)
            return self._registries[key]

    def serve(
        self, account_id: str, region: str, *, port: int = 0, manners: Manners = ECR_MANNERS, auth: Auth = OPEN
    ) -> Registry:
        """Starts the HTTP front of one account and Region, on a free port by default; OSError for a port in use."""
        registry = self.registry(account_id, region)
        store = EcrStore(
            registry,
            lambda image, tag: self.pushed(registry, image, tag),
            lambda repository, removal, manifest: self.deleted(registry, repository, removal, manifest),
        )
        front = Registry(store, port=port, manners=manners, auth=auth, now=self._timeline.now).start()
        with self._lock:
            self._fronts.append((account_id, region, front))
        return front

    def front(self, account_id: str, region: str) -> Registry | None:
        """The running HTTP front of one account and Region, the last one started."""
        with self._lock:
            started = [front for *place, front in self._fronts if place == [account_id, region]]
        return next((front for front in reversed(started) if front.running), None)

    def pushed(self, registry: EcrRegistry, image: EcrImage, tag: str | None) -> None:
        """Raises the PUSH event of an image (aws A1); `image-tag` only for a push by tag."""
        manifest = image.manifest
        detail = {
            "result": "SUCCESS",
            "repository-name": image.repository_name,
            "image-digest": manifest.digest,
            "action-type": "PUSH",
            "image-tag": tag,
            "manifest-media-type": manifest.media_type,
            "artifact-media-type": manifest.artifact_type,
        }
        self._raise_event(registry, manifest, detail)

    def deleted(self, registry: EcrRegistry, repository: str, removal: Removal, manifest: Manifest) -> None:
        """Raises the DELETE event of a tag or an image (aws A1)."""
        detail = {
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": removal.digest,
            "action-type": "DELETE",
            "image-tag": removal.tag,
        }
        self._raise_event(registry, manifest, detail)

    def close(self) -> None:
        """Stops the registries, takes the plug-in out of moto and removes the blobs."""
        for *_, front in self._fronts:
            front.close()
        for name, original in self._originals.items():
            if original is None:
                delattr(ECRResponse, name)
            else:
                setattr(ECRResponse, name, original)
        self._originals.clear()
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def plug_in(self) -> None:
        """Puts the operations in the place of moto's."""
        for operation in OPERATIONS:
            name = operation.__name__
            self._originals[name] = inspect.getattr_static(ECRResponse, name, None)
            setattr(ECRResponse, name, self._responder(operation))

    def _responder(self, operation: Callable[[Call], Answer]) -> Callable[[ECRResponse], ActionResult]:
        def respond(response: ECRResponse) -> ActionResult:
            request = json.loads(response.body or "{}")
            account, region = request.get("registryId") or response.current_account, response.region
            front = self.front(account, region)
            registry = self.registry(account, region)
            return ActionResult(operation(Call(request, registry, self, front, self._timeline.now())))

        return respond

    def _raise_event(self, registry: EcrRegistry, manifest: Manifest, detail: dict[str, str | None]) -> None:
        # That artifacts with a subject have a detail-type of their own is documented for archiving only.
        self._emit(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": "ECR Referrer Action" if manifest.subject else "ECR Image Action",
                "source": "aws.ecr",
                "account": registry.account_id,
                "time": self._timeline.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": registry.region,
                "resources": [],
                "detail": {name: value for name, value in detail.items() if value is not None},
            }
        )


def install(timeline: Timeline, emit: Emit) -> EcrSimulator:
    """Plugs ECR's true behaviour into moto, for this process, until the simulator is closed.

    `emit` gets every event as a complete EventBridge envelope, in the thread of the caller that pushed.
    """
    simulator = EcrSimulator(timeline, emit)
    simulator.plug_in()
    return simulator
