"""Manifests that a copy has read, kept for another invocation where each of them costs a pull."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError
from longshore.images import DOCKER_HUB_API

if TYPE_CHECKING:
    from longshore.images import Digest, Endpoint
    from longshore.manifests import Manifest
    from longshore.mirror.ports import Registry
    from longshore.mirror.stores import Manifests


def counts_pulls(source: Registry) -> bool:
    """Whether a manifest of a registry costs anything, as far as is known."""
    return source.host == DOCKER_HUB_API or source.rate is not None


@dataclass(frozen=True, slots=True)
class LedgerShelf:
    """See `ports.Shelf`. A ledger that fails costs pulls, and nothing else."""

    manifests: Manifests
    upstream: Endpoint
    fresh: list[Manifest] = field(default_factory=list)
    """What was pulled now, by this copy."""

    def load(self, digest: Digest) -> Manifest | None:
        """See the port."""
        with contextlib.suppress(LongshoreError):
            return self.manifests.load(self.upstream, digest)
        return None

    def read(self, manifest: Manifest) -> None:
        """See the port."""
        self.fresh.append(manifest)

    def keep(self) -> None:
        """For those who go on with the copy."""
        with contextlib.suppress(LongshoreError):
            self.manifests.keep(self.upstream, self.fresh)
