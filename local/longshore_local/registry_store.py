"""What a registry keeps: the port that its HTTP front asks, and its refusals."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from longshore_local.blobs import Upload
from longshore_local.manifests import Manifest

REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_PIECE = 1024 * 1024
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class RegistryError(Exception):
    """A refusal as the OCI distribution API words it: HTTP status, error code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Blob(Protocol):
    """Bytes to be handed out, wherever they come from."""

    @property
    def size(self) -> int:
        """How many."""
        ...

    def pieces(self, first: int, last: int) -> Iterator[bytes]:
        """Those from `first` to `last`, both included."""
        ...


class FileBlob:
    """A blob in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    def pieces(self, first: int, last: int) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(first)
            left = last - first + 1
            while left > 0 and (piece := file.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece


class RegistryStore(Protocol):
    """Repositories with blobs, manifests and tags. Every method but `repositories` raises RegistryError."""

    def repositories(self) -> list[str]:
        """The names of all repositories, sorted."""
        ...

    def begin_upload(self, repository: str) -> Upload:
        """Starts a blob upload; NAME_UNKNOWN where a push does not create the repository."""
        ...

    def upload(self, repository: str, upload_id: str) -> Upload:
        """An upload in progress; BLOB_UPLOAD_UNKNOWN."""
        ...

    def finish_upload(self, repository: str, upload: Upload, digest: str) -> None:
        """Makes the upload a blob of the repository; DIGEST_INVALID when its bytes are others."""
        ...

    def cancel_upload(self, repository: str, upload: Upload) -> None:
        """Forgets the upload."""
        ...

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Gives the repository a blob of another one; False when it cannot."""
        ...

    def blob(self, repository: str, digest: str) -> Blob:
        """A blob; BLOB_UNKNOWN."""
        ...

    def is_referenced(self, repository: str, digest: str) -> bool:
        """Whether a manifest of the repository names the blob."""
        ...

    def put_manifest(self, repository: str, tag: str | None, manifest: Manifest) -> bool:
        """Stores and tags a manifest; False when nothing changed by that."""
        ...

    def manifest(self, repository: str, reference: str) -> Manifest:
        """A manifest by tag or digest; MANIFEST_UNKNOWN."""
        ...

    def delete_manifest(self, repository: str, reference: str) -> None:
        """Removes a tag, or a manifest with all of its tags; MANIFEST_UNKNOWN."""
        ...

    def tags(self, repository: str) -> list[str]:
        """All tags, sorted."""
        ...

    def referrers(self, repository: str, digest: str) -> list[Manifest]:
        """The manifests whose subject is `digest`."""
        ...


def name_unknown(repository: str) -> RegistryError:
    """No such repository."""
    return RegistryError(404, "NAME_UNKNOWN", f"The repository with name '{repository}' does not exist")


def blob_unknown(digest: str) -> RegistryError:
    """No such blob."""
    return RegistryError(404, "BLOB_UNKNOWN", f"Layer with digest '{digest}' does not exist")


def manifest_unknown(reference: str) -> RegistryError:
    """No such tag or digest."""
    return RegistryError(404, "MANIFEST_UNKNOWN", f"Requested image not found: {reference}")


def upload_unknown(upload_id: str) -> RegistryError:
    """No such upload, or one that ended."""
    return RegistryError(404, "BLOB_UPLOAD_UNKNOWN", f"Upload with id '{upload_id}' could not be found")


def tag_immutable(repository: str, tag: str) -> RegistryError:
    """The tag may not move (mirror 3)."""
    text = f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten"
    return RegistryError(400, "TAG_INVALID", f"{text} because the tag is immutable.")
