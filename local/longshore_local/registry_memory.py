"""A registry's store of its own, for upstreams."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from longshore_local.blobs import BlobSpool, Upload
from longshore_local.manifests import Manifest
from longshore_local.registry_store import (
    Blob,
    FileBlob,
    RegistryError,
    blob_unknown,
    manifest_unknown,
    name_unknown,
    tag_immutable,
    upload_unknown,
)


@dataclass(slots=True)
class _Repository:
    blobs: set[str] = field(default_factory=set)
    uploads: dict[str, Upload] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class MemoryStore:
    """A registry's store in memory, the bytes of blobs in files; rules are the distribution spec's but where told.

    `create_on_push`: a push makes the repository; else `create` does. `immutable_tags`: a tag stays; with `strict` even
    the same manifest is refused again (containers-roadmap 2179); tags that match `mutable_tags` may move
    (IMMUTABLE_WITH_EXCLUSION). `sparse`: an index may lack children. `mounts_referenced`: only blobs that a manifest
    names are mounted (containers-roadmap 2860). Past `max_images` in a repository, a manifest gets the 403 that looks
    like wrong credentials (containers-roadmap 2159).
    """

    def __init__(
        self,
        *,
        create_on_push: bool = True,
        immutable_tags: bool | Literal["strict"] = False,
        mutable_tags: Sequence[str] = (),
        sparse: bool = False,
        mounts_referenced: bool = False,
        max_images: int | None = None,
    ) -> None:
        self._create_on_push = create_on_push
        self._immutable_tags = immutable_tags
        self._mutable_tags = mutable_tags
        self._sparse = sparse
        self._mounts_referenced = mounts_referenced
        self._max_images = max_images
        self._repositories: dict[str, _Repository] = {}
        self._spool = BlobSpool()
        self._lock = threading.RLock()

    def create(self, repository: str) -> None:
        """Makes an empty repository; harmless where there is one."""
        with self._lock:
            self._repositories.setdefault(repository, _Repository())

    def lose(self, repository: str, digest: str) -> None:
        """Drops a blob that manifests may still name, as a lifecycle rule that ran in between."""
        with self._lock:
            self._existing(repository).blobs.discard(digest)

    def repositories(self) -> list[str]:
        with self._lock:
            return sorted(self._repositories)

    def begin_upload(self, repository: str) -> Upload:
        with self._lock:
            place = self._created(repository)
            upload = self.new_upload()
            place.uploads[upload.upload_id] = upload
        return upload

    def new_upload(self) -> Upload:
        """An empty upload, of no repository yet."""
        return self._spool.begin()

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
            if self._mounts_referenced and not self.is_referenced(source, digest):
                return False
            self._created(repository).blobs.add(digest)
            return True

    def blob(self, repository: str, digest: str) -> Blob:
        with self._lock:
            if digest not in self._existing(repository).blobs:
                raise blob_unknown(digest)
        return FileBlob(self._spool.path(digest))

    def is_referenced(self, repository: str, digest: str) -> bool:
        with self._lock:
            return any(digest in manifest.blobs for manifest in self._existing(repository).manifests.values())

    def put_manifest(self, repository: str, tag: str | None, manifest: Manifest) -> bool:
        with self._lock:
            place = self._created(repository)
            self._check_references(place, manifest)
            known = manifest.digest in place.manifests
            repeated = known and (tag is None or place.tags.get(tag) == manifest.digest)
            if (
                tag in place.tags
                and self._is_immutable(str(tag))
                and (not repeated or self._immutable_tags == "strict")
            ):
                raise tag_immutable(repository, str(tag))
            if repeated:
                return False
            if not known and self._max_images is not None and len(place.manifests) >= self._max_images:
                raise RegistryError(403, "DENIED", "Not Authorized")
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

    def _check_references(self, place: _Repository, manifest: Manifest) -> None:
        missing = [d for d in manifest.blobs if d not in place.blobs]
        if missing:
            raise RegistryError(404, "MANIFEST_BLOB_UNKNOWN", f"not in the repository: {', '.join(missing)}")
        children = [] if self._sparse else [d for d in manifest.children if d not in place.manifests]
        if children:
            text = f"Images with digests '{children}' required for pushing image into the repository do not exist"
            raise RegistryError(404, "MANIFEST_BLOB_UNKNOWN", text)

    def _is_immutable(self, tag: str) -> bool:
        excepted = any(fnmatchcase(tag, pattern) for pattern in self._mutable_tags)
        return bool(self._immutable_tags) and not excepted

    def _created(self, repository: str) -> _Repository:
        if not self._create_on_push:
            return self._existing(repository)
        return self._repositories.setdefault(repository, _Repository())

    def _existing(self, repository: str) -> _Repository:
        if repository not in self._repositories:
            raise name_unknown(repository)
        return self._repositories[repository]
