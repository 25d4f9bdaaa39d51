"""Images of one ECR registry (an account in a Region): ECR's rules over the repositories that moto keeps."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

from moto.core.exceptions import ServiceException
from moto.ecr.models import Image, Repository, RepoTagMutability, ecr_backends

from longshore_local.blobs import MIN_PART_BYTES, BlobSpool, Upload, is_digest
from longshore_local.manifests import Manifest

_DIGEST_SHAPE = re.compile(r"[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+")


class EcrError(ServiceException):
    """A refusal of the ECR API: one of the error codes in botocore's model, and a text."""

    __module__ = "moto.ecr.exceptions"  # by which moto finds that model


class EcrImage(Image):
    """An image in moto's repository, kept with its exact bytes and their digest."""

    def __init__(self, account_id: str, repository: str, manifest: Manifest, pushed_at: datetime) -> None:
        super().__init__(account_id, "", manifest.text, repository, manifest.media_type, manifest.digest)
        self.image_tags = []
        self.manifest = manifest
        self.image_pushed_at = int(pushed_at.timestamp())
        self.pushed_at = pushed_at

    @property
    def tags_or_none(self) -> list[str | None]:
        """The tags; None stands for an image without any."""
        return [*self.image_tags] or [None]

    def untag(self, tag: str) -> None:
        """Takes one tag off; the image stays."""
        self.image_tags.remove(tag)
        self.image_tag = self.image_tags[-1] if self.image_tags else ""


@dataclass(frozen=True, slots=True)
class Removal:
    """What a deletion took away: an image, or one of its tags."""

    digest: str
    tag: str | None


class ImageIdError(Exception):
    """One image id that BatchDeleteImage or BatchGetImage cannot serve; `code` is an ImageFailureCode."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class EcrRegistry:
    """Pushes, reads and deletes images. Errors are ECR's own, as EcrError or moto's own."""

    def __init__(self, account_id: str, region: str, spool: BlobSpool, now: Callable[[], datetime]) -> None:
        self.account_id = account_id
        self.region = region
        self.lock = threading.RLock()
        self._spool = spool
        self._now = now

    def repositories(self) -> list[str]:
        """The names of the repositories, sorted."""
        return sorted(ecr_backends[self.account_id][self.region].repositories)

    def repository(self, name: str) -> Repository:
        """moto's repository; RepositoryNotFoundException."""
        return ecr_backends[self.account_id][self.region]._get_repository(name)

    def images(self, name: str) -> list[EcrImage]:
        """All images, in the order of their first push."""
        return _images(self.repository(name))

    def find(self, name: str, *, tag: str | None = None, digest: str | None = None) -> EcrImage:
        """The image of an id; ImageIdError with the failure code that ECR gives for it."""
        if tag is None and digest is None:
            raise ImageIdError("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
        if digest is not None and not _DIGEST_SHAPE.fullmatch(digest):
            pattern = _DIGEST_SHAPE.pattern
            raise ImageIdError(
                "InvalidImageDigest", f"Invalid request parameters: image digest should match '{pattern}'"
            )
        images = self.images(name)
        tagged = next((i for i in images if tag in i.image_tags), None)
        if tag is None:
            tagged = next((i for i in images if i.manifest.digest == digest), None)
        if tagged is None:
            raise ImageIdError("ImageNotFound", "Requested image not found")
        if digest not in (None, tagged.manifest.digest):
            raise ImageIdError("ImageTagDoesNotMatchDigest", f"Tag '{tag}' is not on the image '{digest}'")
        return tagged

    def put(self, name: str, tag: str | None, manifest: Manifest) -> EcrImage:
        """PutImage: stores the manifest and moves the tag to it, by ECR's rules (aws C2, mirror 3)."""
        with self.lock:
            repository = self.repository(name)
            image = next((i for i in self.images(name) if i.manifest.digest == manifest.digest), None)
            self._refuse_immutable(repository, tag)
            if image is not None and (tag is None or tag in image.image_tags):
                raise EcrError(
                    "ImageAlreadyExistsException",
                    f"Image with digest '{manifest.digest}' and tag '{tag or 'null'}' already exists in the repository "
                    f"with name '{name}' in registry with id '{self.account_id}'",
                )
            self._refuse_incomplete(repository, manifest)
            return self.place(name, tag, manifest)

    def place(self, name: str, tag: str | None, manifest: Manifest) -> EcrImage:
        """Stores the manifest and moves the tag to it, as a replica comes: whatever is there, or is not."""
        with self.lock:
            image = next((i for i in self.images(name) if i.manifest.digest == manifest.digest), None)
            if image is None:
                image = EcrImage(self.account_id, name, manifest, self._now())
                self.repository(name).images.append(image)
            if tag is not None:
                self._move_tag(name, tag, image)
            return image

    def delete(self, name: str, *, tag: str | None = None, digest: str | None = None) -> list[Removal]:
        """One id of BatchDeleteImage: a tag alone goes, and the image with its last one; a digest takes all tags."""
        with self.lock:
            image = self.find(name, tag=tag, digest=digest)
            if tag is not None and len(image.image_tags) > 1:
                image.untag(tag)
                return [Removal(image.manifest.digest, tag)]
            parents = [i.manifest.digest for i in self.images(name) if image.manifest.digest in i.manifest.children]
            if parents:
                reason = f"Requested image referenced by manifest list: [{', '.join(parents)}]"
                raise ImageIdError("ImageReferencedByManifestList", reason)
            self.repository(name).images.remove(image)
            return [Removal(image.manifest.digest, t) for t in image.tags_or_none]

    def size(self, name: str, manifest: Manifest) -> int:
        """imageSizeInBytes: the layers; for an index, its largest manifest (API ImageDetail)."""
        if not manifest.children:
            return manifest.size
        listed = [i.manifest for i in self.images(name) if i.manifest.digest in manifest.children]
        return max((self.size(name, child) for child in listed), default=0)

    def referrers(self, name: str, digest: str) -> list[Manifest]:
        """The artifacts whose subject is `digest`."""
        return [i.manifest for i in self.images(name) if i.manifest.subject == digest]

    def begin_upload(self, name: str) -> Upload:
        """InitiateLayerUpload."""
        repository = self.repository(name)
        upload = self._spool.begin()
        _uploads(repository)[upload.upload_id] = upload
        return upload

    def upload(self, name: str, upload_id: str) -> Upload:
        """An upload in progress; UploadNotFoundException."""
        found = _uploads(self.repository(name)).get(upload_id)
        if found is None:
            raise EcrError(
                "UploadNotFoundException",
                f"Upload with id '{upload_id}' could not be found for the repository with name '{name}' "
                f"in the registry with id '{self.account_id}'",
            )
        return found

    def cancel_upload(self, name: str, upload: Upload) -> None:
        """Forgets an upload."""
        self.repository(name).uploads.pop(upload.upload_id, None)
        self._spool.discard(upload)

    def finish_upload(self, name: str, upload: Upload, digest: str, min_part_bytes: int = MIN_PART_BYTES) -> bool:
        """CompleteLayerUpload; False when the repository had the layer already."""
        with self.lock:
            repository = self.repository(name)
            self.upload(name, upload.upload_id)
            self._refuse_upload(name, upload, digest, min_part_bytes)
            if digest in repository.layers:
                self.cancel_upload(name, upload)
                return False
            del repository.uploads[upload.upload_id]
            repository.layers[digest] = upload.size
            self._spool.keep(upload)
            return True

    def layer(self, name: str, digest: str) -> Path | None:
        """The file of a layer that the repository holds."""
        held = digest in self.repository(name).layers
        return self._spool.path(digest) if held else None

    def is_referenced(self, name: str, digest: str) -> bool:
        """Whether an image of the repository has the layer; only then ECR hands it out or mounts it (mirror 3)."""
        return any(digest in image.manifest.blobs for image in self.images(name))

    def mount(self, name: str, digest: str, source: str) -> bool:
        """Blob mounting within the registry, where the account setting is on."""
        with self.lock:
            if source not in self.repositories() or not self.is_referenced(source, digest):
                return False
            self.repository(name).layers[digest] = self.repository(source).layers[digest]
            return True

    def _move_tag(self, name: str, tag: str, image: EcrImage) -> None:
        for holder in self.images(name):
            if tag in holder.image_tags:
                holder.untag(tag)
        image.update_tag(tag)

    def _refuse_immutable(self, repository: Repository, tag: str | None) -> None:
        if tag is None or not any(tag in image.image_tags for image in repository.images):
            return
        if is_tag_immutable(repository, tag):
            raise EcrError(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be overwritten "
                "because the tag is immutable.",
            )

    def _refuse_incomplete(self, repository: Repository, manifest: Manifest) -> None:
        layers = [digest for digest in manifest.blobs if digest not in repository.layers]
        if layers:
            text = f"Layers with digests '{_listed(layers)}' required for pushing image into repository with name"
            raise EcrError("LayersNotFoundException", f"{text} '{repository.name}' do not exist")
        known = {image.manifest.digest for image in _images(repository)}
        children = [digest for digest in manifest.children if digest not in known]
        if children:
            text = f"Images with digests '{_listed(children)}' required for pushing image into repository with name"
            raise EcrError("ReferencedImagesNotFoundException", f"{text} '{repository.name}' do not exist")

    def _refuse_upload(self, name: str, upload: Upload, digest: str, min_part_bytes: int) -> None:
        smallest = upload.smallest_inner_part()
        if not upload.size:
            raise EcrError("EmptyUploadException", "The upload does not contain any layer part")
        if smallest is not None and smallest < min_part_bytes:
            text = f"A layer part of {smallest} bytes is smaller than the minimum of {min_part_bytes} bytes"
            raise EcrError("LayerPartTooSmallException", text)
        if not is_digest(digest) or upload.digest != digest:
            self.cancel_upload(name, upload)
            raise EcrError("InvalidLayerException", f"The uploaded bytes are {upload.digest}, not {digest}")


def is_tag_immutable(repository: Repository, tag: str) -> bool:
    """Whether a tag that exists may not move: the repository's setting, turned round by its exclusion filters."""
    setting = repository.image_tag_mutability
    filters = repository.image_tag_mutability_exclusion_filters or []
    excluded = any(fnmatchcase(tag, entry["filter"]) for entry in filters)
    if setting in (RepoTagMutability.MUTABLE_WITH_EXCLUSION, RepoTagMutability.IMMUTABLE_WITH_EXCLUSION):
        return excluded == (setting == RepoTagMutability.MUTABLE_WITH_EXCLUSION)
    return bool(setting == RepoTagMutability.IMMUTABLE)


def _images(repository: Repository) -> list[EcrImage]:
    return [image for image in repository.images if isinstance(image, EcrImage)]


def _uploads(repository: Repository) -> dict[str, Upload]:
    return cast("dict[str, Upload]", repository.uploads)  # moto's place, this plug-in's uploads


def _listed(digests: list[str]) -> str:
    return f"[{', '.join(digests)}]"
