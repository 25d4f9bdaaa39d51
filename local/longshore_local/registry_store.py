"""What a registry keeps: the port that its HTTP front asks, and a store of its own in memory."""

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from longshore_local.blobs import BlobSpool, Upload
from longshore_local.manifests import Manifest

REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class RegistryError(Exception):
    """A refusal as the OCI distribution API words it: HTTP status, error code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


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

    def blob(self, repository: str, digest: str) -> Path:
        """The file of a blob; BLOB_UNKNOWN."""
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


@dataclass(slots=True)
class _Repository:
    blobs: set[str] = field(default_factory=set)
    uploads: dict[str, Upload] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class MemoryStore:
    """An upstream registry's store: a push creates the repository, rules are the distribution spec's."""

    def __init__(self, *, immutable_tags: bool = False) -> None:
        self._immutable_tags = immutable_tags
        self._repositories: dict[str, _Repository] = {}
        self._spool = BlobSpool()
        self._lock = threading.RLock()

    def repositories(self) -> list[str]:
        with self._lock:
            return sorted(self._repositories)

    def begin_upload(self, repository: str) -> Upload:
        upload = self._spool.begin()
        with self._lock:
            self._created(repository).uploads[upload.upload_id] = upload
        return upload

    def upload(self, repository: str, upload_id: str) -> Upload:
        with self._lock:
            found = self._existing(repository).uploads.get(upload_id)
        if found is None:
            raise upload_unknown(upload_id)
        return found

    def finish_upload(self, repository: str, upload: Upload, digest: str) -> None:
        with self._lock:
            self.upload(repository, upload.upload_id)
            if upload.digest != digest:
                self.cancel_upload(repository, upload)
                raise RegistryError(400, "DIGEST_INVALID", f"the uploaded bytes are {upload.digest}, not {digest}")
            del self._existing(repository).uploads[upload.upload_id]
            self._existing(repository).blobs.add(self._spool.keep(upload))

    def cancel_upload(self, repository: str, upload: Upload) -> None:
        with self._lock:
            self._existing(repository).uploads.pop(upload.upload_id, None)
        self._spool.discard(upload)

    def mount(self, repository: str, digest: str, source: str) -> bool:
        with self._lock:
            origin = self._repositories.get(source)
            if origin is None or digest not in origin.blobs:
                return False
            self._created(repository).blobs.add(digest)
            return True

    def blob(self, repository: str, digest: str) -> Path:
        with self._lock:
            if digest not in self._existing(repository).blobs:
                raise blob_unknown(digest)
        return self._spool.path(digest)

    def put_manifest(self, repository: str, tag: str | None, manifest: Manifest) -> bool:
        with self._lock:
            place = self._created(repository)
            missing = [d for d in manifest.blobs if d not in place.blobs]
            missing += [d for d in manifest.children if d not in place.manifests]
            if missing:
                raise RegistryError(404, "MANIFEST_BLOB_UNKNOWN", f"not in the repository: {', '.join(missing)}")
            known = manifest.digest in place.manifests
            if known and (tag is None or place.tags.get(tag) == manifest.digest):
                return False
            if tag in place.tags and self._immutable_tags:
                raise tag_immutable(repository, str(tag))
            place.manifests[manifest.digest] = manifest
            if tag is not None:
                place.tags[tag] = manifest.digest
            return True

    def manifest(self, repository: str, reference: str) -> Manifest:
        with self._lock:
            place = self._existing(repository)
            found = place.manifests.get(place.tags.get(reference, reference))
        if found is None:
            raise manifest_unknown(reference)
        return found

    def delete_manifest(self, repository: str, reference: str) -> None:
        with self._lock:
            place = self._existing(repository)
            digest = self.manifest(repository, reference).digest
            if reference in place.tags:
                del place.tags[reference]
                return
            del place.manifests[digest]
            place.tags = {tag: held for tag, held in place.tags.items() if held != digest}

    def tags(self, repository: str) -> list[str]:
        with self._lock:
            return sorted(self._existing(repository).tags)

    def referrers(self, repository: str, digest: str) -> list[Manifest]:
        with self._lock:
            return [m for m in self._existing(repository).manifests.values() if m.subject == digest]

    def close(self) -> None:
        """Removes every blob."""
        self._spool.close()

    def _created(self, repository: str) -> _Repository:
        return self._repositories.setdefault(repository, _Repository())

    def _existing(self, repository: str) -> _Repository:
        if repository not in self._repositories:
            raise name_unknown(repository)
        return self._repositories[repository]


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
