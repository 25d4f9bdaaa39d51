"""Manifests as any registry serves them: exact bytes, what they list, and the digests that vouch for both."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any, Final, Protocol

from longshore.errors import PermanentError, UnsupportedError
from longshore.images import MANIFESTS, Digest, is_index, platform_name
from longshore.texts import printable

ARTIFACT_MANIFEST: Final = "application/vnd.oci.artifact.manifest.v1+json"
"""Was in the drafts of OCI 1.1 only, and is still found; it lists `blobs` and has no config."""
ACCEPT: Final = ", ".join((*MANIFESTS, ARTIFACT_MANIFEST))
"""What is asked for, always in full: ECR converts a manifest to what is accepted (mirror 3)."""
OCI_INDEX: Final = MANIFESTS[0]
MAX_MANIFEST: Final = 4 * 1024 * 1024
"""Bytes that any registry must accept, and that ECR refuses to exceed (mirror 3, 4.7)."""
_MAX_ENTRIES: Final = 10_000
_MAX_VALUES: Final = 150_000
"""Of JSON in one answer: an empty object takes 3 bytes to send and 72 to hold."""
_MAX_WEIGHT: Final = 16 * 1024 * 1024
"""Bytes of memory for one manifest: four times the largest that a registry must accept."""
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_ENTRY_BYTES: Final = 400
"""Of a Descriptor without its texts, its place in a tuple included."""
_READING: Final = threading.Lock()
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

    @property
    def weight(self) -> int:
        """Bytes of memory that this takes, roughly."""
        texts = (self.media_type, self.digest, self.artifact_type or "", *self.urls)
        about = (*self.annotations.keys(), *self.annotations.values())
        return _ENTRY_BYTES + sum(map(getsizeof, texts)) + sum(map(getsizeof, about)) + getsizeof(self.annotations)

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


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's exact bytes with its media type and digest, and what it lists.

    `parse` makes them, so that digest and bytes agree. The JSON itself is not kept: it may be twenty times its bytes.
    """

    media_type: str
    content: bytes
    digest: Digest
    declares_media_type: bool = field(default=True, compare=False)
    """Whether the bytes name their type: ECR refuses an OCI manifest that does not (mirror 3)."""
    children: tuple[Descriptor, ...] = field(default=(), compare=False, repr=False)
    """The manifests of an index, in its order."""
    blobs: tuple[Descriptor, ...] = field(default=(), compare=False, repr=False)
    """Config and layers in the manifest's order, foreign layers and repetitions included."""
    subject: Descriptor | None = field(default=None, compare=False, repr=False)
    """What this manifest refers to: it is a signature, SBOM or attestation of it."""
    artifact_type: str | None = field(default=None, compare=False, repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, content: bytes, served_as: str | None = None, digest: Digest | None = None) -> Manifest:
        """Checks bytes that were served with a Content-Type, against the digest that was asked for.

        Raises ManifestError when they are no manifest, too large, of too many values, or contradict type or digest,
        and UnsupportedError for schema 1, whose digest is not that of its bytes.
        """
        if len(content) > MAX_MANIFEST:
            raise ManifestError(f"a manifest may have {MAX_MANIFEST} bytes, this one has more")
        with _READING:  # many are asked for at once, and JSON is large while it is read
            document = read_object(content)
            kind = _kind(document, (served_as or "").partition(";")[0].strip().lower())
            actual = digest_of(content, digest or "sha256:") if digest is None or is_digest(digest) else ""
            if digest is not None and actual != digest:
                raise ManifestError(f"the content is {actual or 'of an unknown algorithm'}, not {printable(digest)}")
            manifest = cls._of(kind, content, actual, document)
        if manifest.weight > _MAX_WEIGHT:
            raise ManifestError(f"it takes {manifest.weight} bytes of memory, where {_MAX_WEIGHT} are plenty")
        return manifest

    @classmethod
    def _of(cls, kind: str, content: bytes, digest: Digest, document: Mapping[str, Any]) -> Manifest:
        config, subject = document.get("config"), document.get("subject")
        config_type = _text(config.get("mediaType")) if isinstance(config, dict) else None
        return cls(
            kind,
            content,
            digest,
            declares_media_type=isinstance(document.get("mediaType"), str),
            children=_listed(document, "manifests") if is_index(kind) else (),
            blobs=_blobs(document, kind),
            subject=None if subject is None else Descriptor.parse(subject, "subject"),
            artifact_type=_text(document.get("artifactType")) or config_type,
            annotations=_texts(document.get("annotations")),
        )

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    @property
    def weight(self) -> int:
        """Bytes of memory that this takes with all that it lists, roughly."""
        listed = (*self.children, *self.blobs, self.descriptor, *([self.subject] if self.subject else []))
        return self.size + sum(each.weight for each in listed)

    @property
    def is_index(self) -> bool:
        """Whether this only lists other manifests."""
        return is_index(self.media_type)

    @property
    def descriptor(self) -> Descriptor:
        """This manifest as a referrers list describes it (mirror 4.25)."""
        return Descriptor(
            self.media_type,
            self.digest,
            self.size,
            artifact_type=self.artifact_type,
            annotations=self.annotations,
        )


def _blobs(document: Mapping[str, Any], kind: str) -> tuple[Descriptor, ...]:
    if is_index(kind):
        return ()
    if kind == ARTIFACT_MANIFEST:
        return _listed(document, "blobs")
    return (Descriptor.parse(document.get("config"), "config"), *_listed(document, "layers"))


def _listed(document: Mapping[str, Any], name: str) -> tuple[Descriptor, ...]:
    entries = document.get(name)
    if entries is None and name != "manifests":
        return ()  # an artifact may have none
    if not isinstance(entries, list) or len(entries) > _MAX_ENTRIES:
        raise ManifestError(f"{name} must be a list of at most {_MAX_ENTRIES}")
    return tuple(Descriptor.parse(entry, f"{name}[{at}]") for at, entry in enumerate(entries))


def read_object(content: bytes) -> dict[str, Any]:
    """A JSON object of a registry. Raises ManifestError, for too many values before any of them is read."""
    if _values(content) > _MAX_VALUES and _values(_STRING.sub(b"", content)) > _MAX_VALUES:
        raise ManifestError(f"more than {_MAX_VALUES} JSON values")
    try:
        document = json.loads(content.decode("utf-8-sig"))  # no other is allowed (RFC 8259)
    except RecursionError:
        raise ManifestError("JSON that is nested too deep") from None
    except ValueError:
        raise ManifestError("not a JSON document") from None
    if not isinstance(document, dict):
        raise ManifestError("not a JSON object")
    return document


def _values(content: bytes) -> int:
    """How many there are at most, a name counted with its value: before each is a comma or an opening bracket."""
    return sum(map(content.count, (b",", b"{", b"[")))


def _kind(document: Mapping[str, Any], served: str) -> str:
    declared = document.get("mediaType")
    if declared is not None and (not isinstance(declared, str) or _MEDIA_TYPE.fullmatch(declared) is None):
        raise ManifestError("mediaType is no media type")
    if _SCHEMA_1.fullmatch(served) or document.get("schemaVersion") == 1:
        raise UnsupportedError("a schema 1 manifest cannot be copied byte for byte; push the image with a newer client")
    if served not in _VAGUE and declared is not None and served != declared.lower():
        raise ManifestError(f"served as {printable(served)}, but its mediaType is {declared[:200]}")
    kind = str(declared or (served if served not in _VAGUE else _guess(document)))
    if kind not in MANIFESTS and kind != ARTIFACT_MANIFEST:
        raise UnsupportedError(f"{printable(kind)} is no type of manifest that Longshore knows")
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
