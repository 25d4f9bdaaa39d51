"""The referrers tag schema: how referrers are listed where a registry has no API for them (mirror 4.25)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from longshore.manifests import OCI_INDEX, Descriptor, Manifest, ManifestError

if TYPE_CHECKING:
    from longshore.images import Digest

_LONGEST_ALGORITHM = 32
_LONGEST_HEX = 64


def fallback_tag(digest: Digest) -> str:
    """The tag whose index lists the referrers of a manifest."""
    algorithm, _, value = digest.partition(":")
    return f"{algorithm[:_LONGEST_ALGORITHM]}-{value[:_LONGEST_HEX]}"


def listed(index: Manifest) -> tuple[Descriptor, ...]:
    """The referrers in a fallback index. Raises ManifestError for a tag that holds something else."""
    if not index.is_index:
        raise ManifestError(f"{index.media_type} where an index of referrers should be")
    return index.children


def with_referrer(index: Manifest | None, referrer: Descriptor) -> Manifest:
    """The fallback index with one more referrer; the same manifest when it has it already.

    `index` is what the tag holds now, None for a free tag. Other members and entries keep their order and content.
    Raises ManifestError when the tag holds no index: it is someone else's then.
    """
    present = listed(index) if index else ()
    if index is not None and any(entry.digest == referrer.digest for entry in present):
        return index
    empty: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    document = json.loads(index.content) if index else empty
    document["manifests"].append(referrer.document())
    content = json.dumps(document, separators=(",", ":")).encode()
    return Manifest.parse(content, index.media_type if index else OCI_INDEX)
