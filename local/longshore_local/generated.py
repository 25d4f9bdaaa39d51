"""Blobs of any size that are never stored: made where they are read, dropped where they arrive."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NoReturn

from longshore_local.blobs import Upload, digest_of
from longshore_local.images import OCI_CONFIG, OCI_LAYER, SyntheticImage
from longshore_local.manifests import OCI_MANIFEST
from longshore_local.registry_memory import MemoryStore
from longshore_local.registry_store import Blob, RegistryError

GIB = 1024**3
_BLOCK = 1024 * 1024
_HEAD = b"\x1f\x8b\x08"  # as gzip begins, so that no tool thinks that it has to compress a layer
_NUMBER = 5
# Hashing 6 GiB takes seconds of processor time; whoever copies the blob finds out whether this is true.
_KNOWN = {("six", 6 * GIB): "sha256:f9784a2aebdc5ca192b30b1f8ba875ed444cbd01e45a0bcf57b3c1fc8efa2e55"}


class GeneratedBlob:
    """`size` bytes made of a seed. Each MiB begins with its number, so that none can stand in for another.

    They look compressed and cannot be decompressed: for tools that copy layers, not for those that unpack them.

    The digest costs one pass over the bytes, once in a process for each seed and size.
    """

    def __init__(self, seed: str, size: int) -> None:
        self.seed = seed
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    @property
    def digest(self) -> str:
        """The sha256 digest."""
        return _KNOWN.get((self.seed, self._size)) or _digest(self.seed, self._size)

    def pieces(self, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """The bytes from `first` to `last`, both included, in pieces of a MiB at most."""
        end = self._size if last is None else min(last + 1, self._size)
        filling = _filling(self.seed)
        while first < end:
            number, offset = divmod(first, _BLOCK)
            block = _HEAD + number.to_bytes(_NUMBER, "big") + filling
            piece = block[offset : min(offset + end - first, _BLOCK)]
            yield piece
            first += len(piece)


SIX_GIB = GeneratedBlob("six", 6 * GIB)


class GeneratedStore(MemoryStore):
    """A source of generated images."""

    def __init__(self) -> None:
        super().__init__()
        self._generated: dict[str, GeneratedBlob] = {}

    def add_blobs(self, repository: str, *blobs: GeneratedBlob) -> None:
        """Has the repository hand out the blobs."""
        self.create(repository)
        with self._lock:
            for blob in blobs:
                self._generated[blob.digest] = blob
                self._existing(repository).blobs.add(blob.digest)

    def blob(self, repository: str, digest: str) -> Blob:
        found = super().blob(repository, digest)
        return self._generated.get(digest, found)


class DiscardingStore(MemoryStore):
    """A sink: blobs are hashed and checked, their bytes dropped. It cannot hand them out again."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[str, int] = {}

    def new_upload(self) -> Upload:
        return _DiscardedUpload(super().new_upload().path)

    def finish_upload(self, repository: str, upload: Upload, digest: str) -> None:
        super().finish_upload(repository, upload, digest)
        with self._lock:
            self._sizes[digest] = upload.size

    def blob(self, repository: str, digest: str) -> Blob:
        super().blob(repository, digest)
        return _Discarded(self._sizes[digest])


class _Discarded:
    def __init__(self, size: int) -> None:
        self.size = size

    def pieces(self, first: int, last: int) -> NoReturn:
        raise RegistryError(404, "BLOB_UNKNOWN", "this registry keeps no bytes")


class _DiscardedUpload(Upload):
    def _write(self, chunks: Iterable[bytes], hashed: "hashlib._Hash") -> int:
        added = 0
        for chunk in chunks:
            hashed.update(chunk)
            added += len(chunk)
        return added


def generated_image(*layers: GeneratedBlob) -> SyntheticImage:
    """An image of generated layers. Its `blobs` are the config alone; give a store the others by `add_blobs` first."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "author": layers[0].seed}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": OCI_LAYER, "digest": layer.digest, "size": layer.size} for layer in layers],
    }
    return SyntheticImage(json.dumps(manifest).encode(), OCI_MANIFEST, {digest_of(config): config})


@cache
def _filling(seed: str) -> bytes:
    return hashlib.shake_256(seed.encode()).digest(_BLOCK - len(_HEAD) - _NUMBER)


@cache
def _digest(seed: str, size: int) -> str:
    hashed = hashlib.sha256()
    for piece in GeneratedBlob(seed, size).pieces():
        hashed.update(piece)
    return "sha256:" + hashed.hexdigest()
