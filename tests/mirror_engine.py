"""Mirror's service over the engine itself, between registries in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from longshore.manifests import digest_of
from longshore.mirror.carrier import CopyCarrier, Part, Sent
from longshore_local.image_shapes import composed
from longshore_local.images import OCI_LAYER, SyntheticImage
from tests.mirror_world import REPOSITORY, SMALL, World
from tests.mirrors_world import HOME, MirrorWorld

if TYPE_CHECKING:
    from longshore.manifests import Descriptor
    from longshore.mirror.ports import Holdings, Registry
    from longshore.mirror.report import Report
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.stores import Places

LARGE = hashlib.shake_256(b"large").digest(650)
"""More chunks than one, in the worlds of these tests."""
LARGE_DIGEST = digest_of(LARGE)


def with_large(name: str) -> SyntheticImage:
    return composed([(OCI_LAYER, LARGE), (OCI_LAYER, f"small of {name}".encode())])


class EnginePlaces:
    """The registries of a world of the engine."""

    def __init__(self, world: World) -> None:
        self._world = world

    def source(self, mirror: Mirror) -> Registry:
        return self._world.source

    def destination(self, mirror: Mirror, downstream: Downstream) -> Registry:
        return self._world.destination

    def holdings(self, downstream: Downstream) -> Holdings | None:
        return None


class EngineWorld(MirrorWorld):
    """The service over the engine itself."""

    def __init__(self, **members: Any) -> None:
        """`members` are the mirror's, in place of `referrers: none`."""
        rest = members or {"referrers": "none"}
        super().__init__(web={"from": f"quay.io/{REPOSITORY}", "to": f"ecr:{REPOSITORY}", **rest})
        self.inner = World(clock=self.clock)
        places = cast("Places", EnginePlaces(self.inner))
        self.engine = CopyCarrier(places, self.inner.ledger, self.clock, SMALL, leases=self.leases, per_second=1e9)
        made = self.inner.source.place(with_large("v1"), "v1")
        self.upstream().tags["v1"] = made.digest
        self.lease = f"copy {HOME.host}/{REPOSITORY}"

    def copy(self, part: Part) -> Report:
        return self.engine.copy(part)

    def send(self, mirror: Mirror, downstream: Downstream, blobs: Sequence[Descriptor], until: datetime) -> Sent:
        return self.engine.send(mirror, downstream, blobs, until)
