"""Manifests as any registry serves them: exact bytes, what they list, and the digests that vouch for both."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

from longshore.errors import PermanentError, UnsupportedError
from longshore.images import MANIFESTS, Digest, is_index, platform_name

ARTIFACT_MANIFEST: Final = "application/vnd.oci.artifact.manifest.v1+json"
"""Was in the drafts of OCI 1.1 only, and is still found; it lists `blobs` and has no config."""
ACCEPT: Final = ", ".join((*MANIFESTS, ARTIFACT_MANIFEST))
"""What is asked for, always in full: ECR converts a manifest to what is accepted (mirror 3)."""
OCI_INDEX: Final = MANIFESTS[0]
MAX_MANIFEST: Final = 4 * 1024 * 1024
"""Bytes that any registry must accept, and that ECR refuses to exceed (mirror 3, 4.7)."""
_MAX_ENTRIES: Final = 10_000
_HEX_DIGITS: Final = {"sha256": 64, "sha512": 128}
_DIGEST: Final = re.compile(r"(sha256|sha512):([0-9a-f]+)", re.ASCII)
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}", re.ASCII)
_SCHEMA_1: Final = re.compile(r"application/vnd\.docker\.distribution\.manifest\.v1\+(json|prettyjws)")
_NOT_DISTRIBUTED: Final = re.compile(r"application/vnd\.(docker\.image\.rootfs\.foreign|oci\.image\.layer\.nondistrib)")
_VAGUE: Final = frozenset({"", "application/json", "application/octet-stream", "text/plain", "binary/octet-stream"})


class ManifestError(PermanentError):
    """Not a manifest, or one that contradicts itself; the text says where."""


class Hash(Protocol):
    """A running hash, as hashlib makes them."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Takes more of the content."""
        ...

    def hexdigest(self) -> str:
        """The hash of all that came so far."""
        ...

    def copy(self) -> Hash:
        """Another that goes on from here by itself."""
        ...


def is_digest(text: object) -> bool:
    """Whether `text` is a digest of an algorithm that OCI registers: sha256 or sha512."""
    match = _DIGEST.fullmatch(text) if isinstance(text, str) else None
    return match is not None and len(match[2]) == _HEX_DIGITS[match[1]]


def hash_for(digest: Digest) -> Hash:
    """A fresh hash of the digest's algorithm. Raises ManifestError for an unknown one."""
    if not is_digest(digest):
        raise ManifestError(f"{digest[:100]!r} is no sha256 or sha512 digest")
    return hashlib.new(digest.partition(":")[0], usedforsecurity=False)


def digest_of(content: bytes, like: Digest = "sha256:") -> Digest:
    """The digest of content, by the algorithm of another digest."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a manifest says of something that it lists. `size` is in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: str | None = None
    """``linux/arm64``; None where it is not told, and for attestations (``unknown/unknown``)."""
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()

    @property
    def is_distributable(self) -> bool:
        """False for foreign layers, which stay where their licence keeps them: `urls` says where."""
        return _NOT_DISTRIBUTED.match(self.media_type) is None

    @classmethod
    def parse(cls, entry: object, where: str) -> Descriptor:
        """Reads an entry of a manifest. Raises ManifestError naming `where` it is."""
        if not isinstance(entry, dict):
            raise ManifestError(f"{where} is no object")
        digest, size = entry.get("digest"), entry.get("size")
        if not is_digest(digest):
            raise ManifestError(f"{where}.digest is no sha256 or sha512 digest: {str(digest)[:100]!r}")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 63:
            raise ManifestError(f"{where}.size is no number of bytes: {str(size)[:100]!r}")
        urls, annotations = entry.get("urls"), entry.get("annotations")
        return cls(
            media_type=_text(entry.get("mediaType")) or "application/octet-stream",
            digest=str(digest),
            size=size,
            platform=platform_name(entry),
            artifact_type=_text(entry.get("artifactType")),
            annotations=_texts(annotations),
            urls=tuple(url for url in urls if isinstance(url, str)) if isinstance(urls, list) else (),
        )

    def document(self) -> dict[str, Any]:
        """As a referrers list has it: without platform and urls."""
        about: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            about["artifactType"] = self.artifact_type
        if self.annotations:
            about["annotations"] = dict(self.annotations)
        return about


@dataclass(frozen=True)
class Manifest:
    """A manifest's exact bytes with its media type and digest; what it lists is read when it is first asked for.

    `parse` makes them, so that digest and bytes agree and a second reading cannot fail.
    """

    media_type: str
    content: bytes
    digest: Digest

    @classmethod
    def parse(cls, content: bytes, served_as: str | None = None, digest: Digest | None = None) -> Manifest:
        """Checks bytes that were served with a Content-Type, against the digest that was asked for.

        Raises ManifestError when they are no manifest, too large, or contradict type or digest, and UnsupportedError
        for schema 1, whose digest is not that of its bytes.
        """
        if len(content) > MAX_MANIFEST:
            raise ManifestError(f"a manifest may have {MAX_MANIFEST} bytes, this one has more")
        document = _document(content)
        kind = _kind(document, (served_as or "").partition(";")[0].strip().lower())
        actual = digest_of(content, digest or "sha256:") if digest is None or is_digest(digest) else ""
        if digest is not None and actual != digest:
            raise ManifestError(f"the content is {actual or 'of an unknown algorithm'}, not {digest[:200]}")
        manifest = cls(kind, content, actual)
        _ = manifest.children, manifest.blobs, manifest.subject
        return manifest

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    @property
    def is_index(self) -> bool:
        """Whether this only lists other manifests."""
        return is_index(self.media_type)

    @property
    def declares_media_type(self) -> bool:
        """Whether the bytes name their type: ECR refuses an OCI manifest that does not (mirror 3)."""
        return isinstance(self._document.get("mediaType"), str)

    @cached_property
    def children(self) -> tuple[Descriptor, ...]:
        """The manifests of an index, in its order."""
        return self._listed("manifests") if self.is_index else ()

    @cached_property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers in the manifest's order, foreign layers and repetitions included."""
        if self.is_index:
            return ()
        if self.media_type == ARTIFACT_MANIFEST:
            return self._listed("blobs")
        return (Descriptor.parse(self._document.get("config"), "config"), *self._listed("layers"))

    @cached_property
    def subject(self) -> Descriptor | None:
        """What this manifest refers to: it is a signature, SBOM or attestation of it."""
        subject = self._document.get("subject")
        return None if subject is None else Descriptor.parse(subject, "subject")

    @cached_property
    def descriptor(self) -> Descriptor:
        """This manifest as a referrers list describes it (mirror 4.25)."""
        config = self._document.get("config")
        config_type = _text(config.get("mediaType")) if isinstance(config, dict) else None
        return Descriptor(
            self.media_type,
            self.digest,
            self.size,
            artifact_type=_text(self._document.get("artifactType")) or config_type,
            annotations=_texts(self._document.get("annotations")),
        )

    def _listed(self, name: str) -> tuple[Descriptor, ...]:
        entries = self._document.get(name)
        if entries is None and name != "manifests":
            return ()  # an artifact may have none
        if not isinstance(entries, list) or len(entries) > _MAX_ENTRIES:
            raise ManifestError(f"{name} must be a list of at most {_MAX_ENTRIES}")
        return tuple(Descriptor.parse(entry, f"{name}[{at}]") for at, entry in enumerate(entries))

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        return _document(self.content)


def _document(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ManifestError("not a JSON document") from None
    if not isinstance(document, dict):
        raise ManifestError("not a JSON object")
    return document


def _kind(document: Mapping[str, Any], served: str) -> str:
    declared = document.get("mediaType")
    if declared is not None and (not isinstance(declared, str) or _MEDIA_TYPE.fullmatch(declared) is None):
        raise ManifestError("mediaType is no media type")
    if _SCHEMA_1.fullmatch(served) or document.get("schemaVersion") == 1:
        raise UnsupportedError("a schema 1 manifest cannot be copied byte for byte; push the image with a newer client")
    if served not in _VAGUE and declared is not None and served != declared.lower():
        raise ManifestError(f"served as {served[:200]}, but its mediaType is {declared[:200]}")
    kind = str(declared or (served if served not in _VAGUE else _guess(document)))
    if kind not in MANIFESTS and kind != ARTIFACT_MANIFEST:
        raise UnsupportedError(f"{kind[:200]} is no type of manifest that Longshore knows")
    _refuse_ambiguity(document, kind)
    return kind


def _guess(document: Mapping[str, Any]) -> str:
    """OCI manifests need not name their type (image-spec, manifest.md)."""
    return OCI_INDEX if "manifests" in document else MANIFESTS[2]


def _refuse_ambiguity(document: Mapping[str, Any], kind: str) -> None:
    """One document that two readers take for different things is refused (CVE-2021-41190)."""
    foreign = {"layers", "config", "blobs"} if is_index(kind) else {"manifests"}
    both = sorted(name for name in foreign if name in document)
    if both:
        raise ManifestError(f"{kind} may not have {' and '.join(both)}")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(key, str) and isinstance(text, str)}
