"""What platform an image that is no index is for: its configuration tells."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from longshore.images import platform_name
from longshore.manifests import read_object
from longshore.texts import printable

if TYPE_CHECKING:
    from longshore.manifests import Manifest
    from longshore.mirror.ports import Registry

_CONFIGURATIONS: Final = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_LARGEST: Final = 1024 * 1024


def platform_of(source: Registry, repository: str, image: Manifest) -> str | None:
    """``linux/arm64``; None where nothing tells: for an artifact, and for a configuration that is too large to be one.

    Costs the configuration's blob. Raises what that raises, and ManifestError.
    """
    config = image.blobs[0] if image.blobs else None
    if config is None or config.media_type not in _CONFIGURATIONS or config.size > _LARGEST:
        return None
    with source.blob(repository, config) as reader:
        content = b"".join(bytes(piece) for piece in reader)
    name = platform_name({"platform": read_object(content)})
    return printable(name, 100) if name else None


def fits(platform: str, wanted: Collection[str]) -> bool:
    """Whether it is one of those, as far as it tells: a variant is often left out."""
    return any(platform == each or each.startswith(f"{platform}/") for each in wanted)
