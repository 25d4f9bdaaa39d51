"""The trees of manifests that are to be stored: what belongs to them, what comes before what."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from longshore.errors import UnsupportedError
from longshore.mirror.referrers import fallback_tag
from longshore.texts import printable

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.manifests import Descriptor, Manifest
    from longshore.mirror.orders import Referrers

_DIGEST_TAG: Final = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:[0-9a-f]{64})?(?P<suffix>\.sig|\.att|\.sbom)?")
_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {"all": ("", ".sig", ".att", ".sbom"), "signatures": (".sig",)}
_SIGNATURES: Final = re.compile(r"cosign.*sig|sigstore\.bundle|notary\.signature|simplesigning", re.IGNORECASE)
_MOST_WITHIN: Final = 100
_ATTESTED: Final = "vnd.docker.reference.digest"
"""The annotation by which BuildKit says whose attestation a child is."""


def normal_platform(text: str) -> str:
    """``linux/arm64/v8`` is ``linux/arm64``. Raises ValueError for what is no platform."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(f"{text[:100]!r} is no platform: write linux/amd64 or linux/arm/v7")
    return "/".join(parts[:2]) if parts[1] == "arm64" else text


def chosen(index: Manifest, platforms: Collection[str]) -> Sequence[Descriptor]:
    """The children of an index that are to be copied: all, or those of these platforms with their attestations.

    Indexes within it stay: what they are for shows when they are read. Raises UnsupportedError when none fits.
    """
    if not platforms or not index.is_index:
        return index.children
    fitting = {child.digest for child in index.children if child.platform in platforms}
    kept = [
        child
        for child in index.children
        if child.digest in fitting or child.annotations.get(_ATTESTED) in fitting or is_index_entry(child)
    ]
    if not kept:
        raise _without(platforms, index.children)
    return kept


def _without(platforms: Collection[str], children: Iterable[Descriptor]) -> UnsupportedError:
    there = printable(", ".join(sorted({child.platform for child in children if child.platform}))) or "none"
    return UnsupportedError(f"the index has no {' or '.join(sorted(platforms))}; its platforms: {there}")


def in_place_of(
    index: Manifest, platforms: Collection[str], read: Callable[[Descriptor], Manifest]
) -> Descriptor | None:
    """The one image that takes the place of an index when one platform is wanted (docs/mirror.md).

    It may be in an index within, which `read` gives. None where there are several, or nothing is to be replaced. Raises
    UnsupportedError when there is none.
    """
    if len(platforms) != 1 or not index.is_index:
        return None
    seen, left = {index.digest: list(index.children)}, [*index.children]
    while left:
        child = left.pop()
        if not is_index_entry(child) or child.digest in seen or child.platform not in (None, *platforms):
            continue
        if len(seen) > _MOST_WITHIN:
            raise UnsupportedError(f"more than {_MOST_WITHIN} indexes within one")
        seen[child.digest] = list(read(child).children)
        left += seen[child.digest]
    images = [child for children in seen.values() for child in children if not is_index_entry(child)]
    fitting = {child.digest: child for child in images if child.platform in platforms}
    if not fitting:
        raise _without(platforms, images)
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def is_index_entry(child: Descriptor) -> bool:
    """Whether an entry says that it is an index itself."""
    return "index" in child.media_type or "manifest.list" in child.media_type


def heights(manifests: Mapping[Digest, Manifest]) -> Mapping[Digest, int]:
    """How many levels of `manifests` are below each: the order in which they can be stored."""
    found: dict[Digest, int] = {}

    def height(digest: Digest) -> int:
        if digest not in found:
            below = [child.digest for child in manifests[digest].children if child.digest in manifests]
            found[digest] = 1 + max(map(height, below), default=-1)
        return found[digest]

    for digest in manifests:
        height(digest)
    return found


def blobs_of(manifests: Iterable[Manifest]) -> Sequence[Descriptor]:
    """Every blob that belongs in the registry, once, the largest first; equal sizes in the order of their digests."""
    found: dict[Digest, Descriptor] = {}
    for manifest in manifests:
        for blob in manifest.blobs:
            if blob.is_distributable:
                found.setdefault(blob.digest, blob)
    return sorted(found.values(), key=lambda blob: (-blob.size, blob.digest))


def foreign_layers(manifests: Iterable[Manifest]) -> Sequence[Descriptor]:
    """Layers that stay where their licence keeps them (mirror 1)."""
    listed = (blob for manifest in manifests for blob in manifest.blobs if not blob.is_distributable)
    return list({blob.digest: blob for blob in listed}.values())


def digest_tags(digest: Digest, which: Referrers) -> Sequence[str]:
    """The tags under which a manifest's signatures, attestations, SBOMs and referrers may be kept."""
    stem = fallback_tag(digest)
    return [stem + suffix for suffix in _SUFFIXES.get(which, ())]


def is_digest_tag(tag: str) -> bool:
    """Whether a tag is not an image's own but tells what belongs to one."""
    return _DIGEST_TAG.fullmatch(tag) is not None


def comes_along(tag: str, which: Referrers) -> bool:
    """Whether a digest tag is to be copied with all tags of a repository."""
    match = _DIGEST_TAG.fullmatch(tag)
    return match is not None and (match["suffix"] or "") in _SUFFIXES.get(which, ())


def is_fallback_tag(tag: str) -> bool:
    """Whether a tag is that of a referrers list (mirror 4.26)."""
    match = _DIGEST_TAG.fullmatch(tag)
    return match is not None and match["suffix"] is None


def is_signature(referrer: Descriptor) -> bool:
    """Whether a referrer says that it signs something: cosign's, Sigstore's bundles and Notary's."""
    return _SIGNATURES.search(referrer.artifact_type or "") is not None
