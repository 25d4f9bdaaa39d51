"""An ECR registry seen through the OCI distribution API: the same images, the API's words for ECR's refusals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from moto.core.exceptions import ServiceException

from longshore_local.blobs import Upload
from longshore_local.ecr_images import EcrImage, EcrRegistry, ImageIdError, Removal
from longshore_local.manifests import Manifest
from longshore_local.registry_store import Blob, FileBlob, RegistryError, blob_unknown, manifest_unknown

_TRANSLATION = {
    "RepositoryNotFoundException": (404, "NAME_UNKNOWN"),
    "UploadNotFoundException": (404, "BLOB_UPLOAD_UNKNOWN"),
    "LayersNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "ReferencedImagesNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
    "EmptyUploadException": (400, "BLOB_UPLOAD_INVALID"),
    "LayerPartTooSmallException": (400, "BLOB_UPLOAD_INVALID"),
    "InvalidLayerException": (400, "DIGEST_INVALID"),
}


class EcrStore:
    """A RegistryStore over an EcrRegistry; `pushed` and `deleted` are told of every change."""

    def __init__(
        self,
        registry: EcrRegistry,
        pushed: Callable[[EcrImage, str | None], None],
        deleted: Callable[[str, Removal, Manifest], None],
    ) -> None:
        self._registry = registry
        self._pushed = pushed
        self._deleted = deleted

    def repositories(self) -> list[str]:
        return self._registry.repositories()

    def begin_upload(self, repository: str) -> Upload:
        with _translated():
            return self._registry.begin_upload(repository)

    def upload(self, repository: str, upload_id: str) -> Upload:
        with _translated():
            return self._registry.upload(repository, upload_id)

    def finish_upload(self, repository: str, upload: Upload, digest: str) -> None:
        with _translated():
            self._registry.finish_upload(repository, upload, digest, min_part_bytes=0)  # the front's manners decide

    def cancel_upload(self, repository: str, upload: Upload) -> None:
        with _translated():
            self._registry.cancel_upload(repository, upload)

    def mount(self, repository: str, digest: str, source: str) -> bool:
        with _translated():
            return self._registry.mount(repository, digest, source)

    def blob(self, repository: str, digest: str) -> Blob:
        with _translated():
            found = self._registry.layer(repository, digest)
        if found is None:
            raise blob_unknown(digest)
        return FileBlob(found)

    def is_referenced(self, repository: str, digest: str) -> bool:
        with _translated():
            return self._registry.is_referenced(repository, digest)

    def put_manifest(self, repository: str, tag: str | None, manifest: Manifest) -> bool:
        try:
            with _translated():
                image = self._registry.put(repository, tag, manifest)
        except ServiceException as error:
            if error.code == "ImageAlreadyExistsException":
                return False  # the API refuses the repetition, a docker push of the same image succeeds
            raise
        self._pushed(image, tag)
        return True

    def manifest(self, repository: str, reference: str) -> Manifest:
        return self._image(repository, reference).manifest

    def delete_manifest(self, repository: str, reference: str) -> None:
        manifest = self._image(repository, reference).manifest
        for removal in self._delete(repository, reference):
            self._deleted(repository, removal, manifest)

    def tags(self, repository: str) -> list[str]:
        with _translated():
            return sorted(tag for image in self._registry.images(repository) for tag in image.image_tags)

    def referrers(self, repository: str, digest: str) -> list[Manifest]:
        with _translated():
            return self._registry.referrers(repository, digest)

    def _image(self, repository: str, reference: str) -> EcrImage:
        try:
            with _translated():
                if ":" in reference:
                    return self._registry.find(repository, digest=reference)
                return self._registry.find(repository, tag=reference)
        except ImageIdError as error:
            raise manifest_unknown(reference) from error

    def _delete(self, repository: str, reference: str) -> list[Removal]:
        try:
            if ":" in reference:
                return self._registry.delete(repository, digest=reference)
            return self._registry.delete(repository, tag=reference)
        except ImageIdError as error:
            raise RegistryError(405, "DENIED", error.reason) from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ServiceException as error:
        if error.code not in _TRANSLATION:
            raise
        status, code = _TRANSLATION[error.code]
        raise RegistryError(status, code, error.message) from error
