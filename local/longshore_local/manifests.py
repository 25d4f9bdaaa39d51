"""Image manifests, indexes and artifacts: the exact bytes and what a registry must know of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from longshore_local.blobs import digest_of, is_digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MEDIA_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST}) | INDEX_TYPES
MAX_BYTES = 4_194_304
_FOREIGN = ("foreign", "nondistributable")


class ManifestError(ValueError):
    """The bytes are no manifest that a registry can store; the text names the member."""


class MediaTypeMissingError(ManifestError):
    """Neither the manifest nor its sender says what kind of manifest it is."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it was pushed.

    `blobs` are the config and the layers that must exist first, foreign layers excepted; `children` the manifests that
    an index lists; `artifact_type` is the declared one, else the config's media type; `size` the bytes of the layers.
    """

    content: bytes
    digest: str
    media_type: str
    declared_media_type: bool
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    subject: str | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] | None = None
    size: int = 0

    @property
    def text(self) -> str:
        """The manifest as the ECR API carries it."""
        return self.content.decode()


def parse_manifest(content: bytes, media_type: str | None = None) -> Manifest:
    """Reads pushed bytes; `media_type` is what the sender calls them (Content-Type, imageManifestMediaType).

    Raises ManifestError, MediaTypeMissingError. Rules: image-spec manifest.md, image-index.md; mirror 3.
    """
    if not 0 < len(content) <= MAX_BYTES:
        raise ManifestError(f"a manifest has 1 to {MAX_BYTES} bytes, this one has {len(content)}")
    document = _document(content)
    declared = document.get("mediaType")
    kind = _kind(declared, media_type)
    is_index = kind in INDEX_TYPES
    descriptors = list(_descriptors(document, "manifests")) if is_index else []
    config = {} if is_index else _descriptor(document.get("config"), "config")
    layers = [] if is_index else list(_descriptors(document, "layers"))
    return Manifest(
        content=content,
        digest=digest_of(content),
        media_type=kind,
        declared_media_type=declared is not None,
        blobs=tuple(dict.fromkeys(d["digest"] for d in [config, *layers] if d and not _is_foreign(d))),
        children=tuple(d["digest"] for d in descriptors),
        subject=_descriptor(document["subject"], "subject")["digest"] if "subject" in document else None,
        artifact_type=document.get("artifactType") or config.get("mediaType"),
        annotations=document.get("annotations"),
        size=sum(layer["size"] for layer in layers),
    )


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content.decode())
    except ValueError as error:
        raise ManifestError(f"Invalid JSON syntax: {error}") from error
    if not isinstance(document, dict):
        raise ManifestError("Invalid JSON syntax: a manifest is an object")
    if document.get("schemaVersion") != 2:
        raise ManifestError("schemaVersion must be 2")
    return document


def _kind(declared: object, sent: str | None) -> str:
    if declared is None and sent is None:
        raise MediaTypeMissingError("mediaType is in neither the manifest nor the request")
    if declared is not None and sent is not None and declared != sent:
        raise ManifestError(f"mediaType {declared!r} of the manifest is not the request's {sent!r}")
    kind = declared if declared is not None else sent
    if not isinstance(kind, str) or kind not in MEDIA_TYPES:
        raise ManifestError(f"mediaType {kind!r} is not supported")
    return kind


def _descriptors(document: dict[str, Any], member: str) -> Iterator[dict[str, Any]]:
    listed = document.get(member)
    if not isinstance(listed, list):
        raise ManifestError(f"{member} must be a list")
    for position, entry in enumerate(listed):
        yield _descriptor(entry, f"{member}[{position}]")


def _descriptor(entry: object, where: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ManifestError(f"{where} must be a descriptor")
    if not is_digest(str(entry.get("digest"))):
        raise ManifestError(f"{where}.digest must be a sha256 digest")
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestError(f"{where}.size must be a number of bytes")
    return entry


def _is_foreign(descriptor: dict[str, Any]) -> bool:
    return any(word in str(descriptor.get("mediaType")) for word in _FOREIGN)
