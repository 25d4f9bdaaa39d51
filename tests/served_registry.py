"""A stand-in registry of a test: its client, its store and its clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import urllib3

from longshore_local.blobs import digest_of
from longshore_local.image_shapes import place
from longshore_local.registry import OPEN, SPEC_MANNERS, Auth, Manners, Registry
from longshore_local.registry_faults import Fault, Rule, Script
from longshore_local.registry_memory import MemoryStore
from longshore_local.timeline import VirtualTimeline
from tests.registries_world import Asking

if TYPE_CHECKING:
    from longshore_local import images

WEB = "/v2/team/web"
CONTENT = b"0123456789"
DIGEST = digest_of(CONTENT)
BLOB = f"{WEB}/blobs/{DIGEST}"


class Served(Asking):
    """A registry of a test, its store and its clock."""

    def __init__(self, registry: Registry, store: MemoryStore, timeline: VirtualTimeline) -> None:
        super().__init__(registry)
        self.front = registry
        self.store = store
        self.timeline = timeline

    def place(self, image: images.SyntheticImage, tag: str | None = "1.0", repository: str = "team/web") -> str:
        return place(self.store, repository, tag, image)

    def begin(self, query: str = "") -> str:
        answer = self.ask("POST", f"{WEB}/blobs/uploads/{query}")
        assert answer.status == 202
        return str(answer.headers["Location"])

    def upload(self, content: bytes) -> urllib3.BaseHTTPResponse:
        return self.finish(self.begin(), content, digest_of(content))

    def finish(self, location: str, content: bytes, digest: str) -> urllib3.BaseHTTPResponse:
        return self.ask("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", content)

    def put(self, image: images.SyntheticImage, reference: str = "2.0", **headers: str) -> urllib3.BaseHTTPResponse:
        told = {"Content_Type": image.media_type, **headers}
        return self.ask("PUT", f"{WEB}/manifests/{reference}", image.manifest, **told)

    def later(self, **time: int) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(**time))


Serve = Callable[..., Served]


@contextmanager
def serving() -> Iterator[Serve]:
    """Makes registries: manners to start from, changes of them, and what the store is made with."""
    with ExitStack() as stack:
        timeline = VirtualTimeline()

        def make(
            manners: Manners = SPEC_MANNERS, auth: Auth = OPEN, store: MemoryStore | None = None, **changed: Any
        ) -> Served:
            kept = store or MemoryStore()
            stack.callback(kept.close)
            registry = Registry(kept, manners=replace(manners, **changed), auth=auth, now=timeline.now)
            served = Served(stack.enter_context(registry), kept, timeline)
            return stack.enter_context(served)

        yield make


def basic(user: str, password: str) -> str:
    """The Authorization header of a user."""
    return urllib3.make_headers(basic_auth=f"{user}:{password}")["authorization"]


@contextmanager
def registry_with_blob() -> Iterator[Registry]:
    """A registry of the spec's manners that has one blob, CONTENT."""
    with closing(MemoryStore()) as store, Registry(store, manners=SPEC_MANNERS) as registry:
        upload = store.begin_upload("team/web")
        upload.append([CONTENT])
        store.finish_upload("team/web", upload, DIGEST)
        yield registry


def strike(registry: Registry, kind: str, fault: Fault) -> None:
    """Has every request of a kind struck."""
    registry.script = Script(Rule(kind, fault, times=None))
