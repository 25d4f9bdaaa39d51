"""Manifests of upstreams that count pulls, in the ledger: what one invocation has read, no other one pulls again.

Key (pk / sk): MANIFEST#<account>/<region>#<host>/<name> / <digest>
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.aws.table import Table, expiry
from longshore.errors import PermanentError
from longshore.manifests import MAX_MANIFEST, Manifest

if TYPE_CHECKING:
    from longshore.images import Digest, Endpoint
    from longshore.ports import Clock

_KEEP: Final = timedelta(days=2)
"""Longer than a copy that is put off for pulls goes on."""
_MOST: Final = 350_000
"""Compressed bytes: an item holds 400 kB. What is larger is pulled again."""


class LedgerManifests:
    """See `mirror.stores.Manifests`."""

    def __init__(self, table: Table, clock: Clock, account: str, region: str) -> None:
        self._table = table
        self._clock = clock
        self._place = f"{account}/{region}"

    def load(self, upstream: Endpoint, digest: Digest) -> Manifest | None:
        """See the port. What is not what its digest says is as good as none."""
        item = self._table.get(self._pk(upstream), digest)
        if item is None:
            return None
        try:
            content = zlib.decompressobj().decompress(item["content"].value, MAX_MANIFEST + 1)
            return Manifest.parse(content, item["media_type"], digest)
        except (PermanentError, zlib.error):
            return None

    def keep(self, upstream: Endpoint, manifests: Iterable[Manifest]) -> None:
        """See the port."""
        expires = expiry(self._clock.now(), _KEEP)
        for manifest in manifests:
            content = zlib.compress(manifest.content)
            if len(content) > _MOST:
                continue
            key = {"pk": self._pk(upstream), "sk": manifest.digest, "expires": expires}
            self._table.put({**key, "content": content, "media_type": manifest.media_type})

    def _pk(self, upstream: Endpoint) -> str:
        return f"MANIFEST#{self._place}#{upstream}"
