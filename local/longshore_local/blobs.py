"""Blob bytes on disk: uploads that grow part by part, and finished blobs by digest."""

import contextlib
import hashlib
import os
import re
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

MIN_PART_BYTES = 5 * 1024 * 1024  # of every part but the last, aws C2
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")


def is_digest(text: str) -> bool:
    """Whether `text` is a sha256 digest in canonical form, the only algorithm that ECR stores."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(content: bytes) -> str:
    """The sha256 digest of `content`, `sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Upload:
    """A blob being received; parts are appended in order and hashed on the way, never held in memory."""

    def __init__(self, path: Path) -> None:
        self.upload_id = str(uuid.uuid4())
        self.part_sizes: list[int] = []
        self.path = path
        self._hash = hashlib.sha256()
        self._lock = threading.Lock()
        path.touch()

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return sum(self.part_sizes)

    @property
    def digest(self) -> str:
        """The digest of the bytes received so far."""
        return "sha256:" + self._hash.hexdigest()

    def smallest_inner_part(self) -> int | None:
        """The size of the smallest part before the last one, None with fewer than two parts."""
        return min(self.part_sizes[:-1], default=None)

    def append(self, chunks: Iterable[bytes]) -> int:
        """Writes one part and returns its size; a part that fails midway leaves the upload as it was."""
        with self._lock:
            received = self.size
            hashed = self._hash.copy()
            try:
                added = self._write(chunks, hashed)
            except BaseException:
                os.truncate(self.path, received)
                raise
            if added:
                self._hash = hashed
                self.part_sizes.append(added)
            return added

    def _write(self, chunks: Iterable[bytes], hashed: "hashlib._Hash") -> int:
        added = 0
        with self.path.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)
                hashed.update(chunk)
                added += len(chunk)
        return added


class BlobSpool:
    """Content-addressed blobs in a temporary directory that `close` removes.

    It knows bytes only: which repository a blob belongs to is the store's business.
    """

    def __init__(self) -> None:
        self._directory = TemporaryDirectory(prefix="longshore-blobs-")
        self._root = Path(self._directory.name)

    def begin(self) -> Upload:
        """Starts an empty upload."""
        return Upload(self._root / f"upload-{uuid.uuid4()}")

    def keep(self, upload: Upload) -> str:
        """Makes a finished upload a blob and returns its digest."""
        digest = upload.digest
        upload.path.replace(self.path(digest))
        return digest

    def discard(self, upload: Upload) -> None:
        """Forgets an upload and its bytes."""
        with contextlib.suppress(FileNotFoundError):
            upload.path.unlink()

    def path(self, digest: str) -> Path:
        """Where the bytes of `digest` lie, whether or not they are there; ValueError for no sha256 digest."""
        if not is_digest(digest):
            raise ValueError(f"not a sha256 digest: {digest!r}")
        return self._root / digest.removeprefix("sha256:")

    def close(self) -> None:
        """Removes every blob and upload."""
        self._directory.cleanup()
