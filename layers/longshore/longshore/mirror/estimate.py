"""What copies would cost: bytes, requests and pulls, from the manifests alone (mirror 2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from longshore.errors import LongshoreError
from longshore.mirror.trees import blobs_of, chosen, in_place_of

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.manifests import Manifest
    from longshore.mirror.ports import Holdings, Registry

_DEEPEST = 8
_PER_BLOB = 3  # one GET upstream; POST and PUT downstream


class Estimate(NamedTuple):
    """`requests` on both sides together, signatures left out; `unread` images whose manifests could not be read."""

    manifests: int = 0
    blobs: int = 0
    bytes: int = 0
    requests: int = 0
    unread: int = 0


class Estimator:
    """Reads manifests of one upstream, each once. Every one that is read is a pull."""

    def __init__(self, source: Registry, repository: str, platforms: Iterable[str]) -> None:
        self._source = source
        self._repository = repository
        self._platforms = frozenset(platforms)
        self._read: dict[Digest, Manifest] = {}

    def estimate(self, digests: Iterable[Digest], holdings: Holdings | None, repository: str) -> Estimate:
        """Of images that are to be copied to one downstream; what they share counts once."""
        found: dict[Digest, Manifest] = {}
        unread = 0
        for digest in dict.fromkeys(digests):
            try:
                found |= self._tree(digest, 0)
            except LongshoreError:
                unread += 1
        blobs = {blob.digest: blob for blob in blobs_of(list(found.values()))}
        there = holdings.blobs(repository, list(blobs)) if holdings and blobs else None
        missing = [blob for digest, blob in blobs.items() if digest not in (there or ())]
        requests = len(found) * 2 + len(missing) * _PER_BLOB
        return Estimate(len(found), len(missing), sum(blob.size for blob in missing), requests, unread)

    def _tree(self, digest: Digest, depth: int) -> dict[Digest, Manifest]:
        manifest = self._manifest(digest)
        part = in_place_of(manifest, self._platforms, lambda child: self._manifest(child.digest))
        if part is not None:
            return self._tree(part.digest, depth + 1)
        found = {digest: manifest}
        if manifest.is_index and depth < _DEEPEST:
            for child in chosen(manifest, self._platforms):
                found |= self._tree(child.digest, depth + 1)
        return found

    def _manifest(self, digest: Digest) -> Manifest:
        if digest not in self._read:
            self._read[digest] = self._source.manifest(self._repository, digest)
        return self._read[digest]
