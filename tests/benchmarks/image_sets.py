"""The image sets of mirror 6, generated and pushed to a registry: many layers, big layers, platforms, tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import urllib3

from longshore_local import images
from longshore_local.generated import GeneratedBlob, generated_image
from longshore_local.image_shapes import index_of, sharing_tags

if TYPE_CHECKING:
    from longshore_local.images import HttpRegistry

MIB = 1024 * 1024


def push_layers(
    registry: HttpRegistry, repository: str, tag: str | None, sizes: Sequence[int]
) -> images.SyntheticImage:
    """Pushes an image of generated layers, streaming them."""
    layers = [GeneratedBlob(f"{repository}/{tag}/{number}", size) for number, size in enumerate(sizes)]
    return push_generated(registry, repository, tag, layers)


def push_generated(
    registry: HttpRegistry, repository: str, tag: str | None, layers: Sequence[GeneratedBlob]
) -> images.SyntheticImage:
    """Pushes these layers and the image of them."""
    image = generated_image(*layers)
    with urllib3.PoolManager(retries=False, ca_certs=registry.ca_file) as http:
        for layer in layers:
            begun = http.request("POST", f"{registry.url}/v2/{repository}/blobs/uploads/")
            location = urljoin(registry.url, begun.headers["Location"])
            location += f"{'&' if '?' in location else '?'}digest={layer.digest}"
            told = {"Content-Length": str(layer.size)}
            answer = http.request("PUT", location, body=layer.pieces(), headers=told)
            if answer.status != 201:
                raise images.PushError(f"{location}: {answer.status} {answer.data.decode(errors='replace')}")
    images.push(registry, repository, tag, image)
    return image


def push_many_layers(registry: HttpRegistry, repository: str, scale: float = 1) -> int:
    """Set A of mirror 6: one image of 20 layers of 8 MiB; returns its bytes."""
    return sum(_layers(registry, repository, [int(8 * MIB * scale)] * 20))


def push_big_layers(registry: HttpRegistry, repository: str, scale: float = 1) -> int:
    """Set B: one image of 3 layers of 256 MiB; returns its bytes."""
    return sum(_layers(registry, repository, [int(256 * MIB * scale)] * 3))


def push_platforms(registry: HttpRegistry, repository: str, scale: float = 1) -> int:
    """Set C: an index of 4 images of 5 layers of 4 MiB; returns its bytes."""
    sizes = [int(4 * MIB * scale)] * 5
    children = []
    for number in range(4):
        layers = [GeneratedBlob(f"{repository}/{number}/{layer}", size) for layer, size in enumerate(sizes)]
        children.append(push_generated(registry, repository, None, layers))
    images.push(registry, repository, "1.0", index_of(*children))
    return 4 * sum(sizes)


def push_tags(registry: HttpRegistry, repository: str, scale: float = 1) -> int:
    """Set D: 100 tags that share 4 layers of 64 KiB and have 4 KiB each; returns its bytes."""
    made = sharing_tags(repository, count=max(int(100 * scale), 1))
    for tag, image in made.items():
        images.push(registry, repository, tag, image)
    blobs = {digest: content for image in made.values() for digest, content in image.blobs.items()}
    return sum(len(content) for content in blobs.values())


SETS: Mapping[str, Callable[[HttpRegistry, str, float], int]] = {
    "A": push_many_layers,
    "B": push_big_layers,
    "C": push_platforms,
    "D": push_tags,
}


def _layers(registry: HttpRegistry, repository: str, sizes: Sequence[int]) -> Sequence[int]:
    push_layers(registry, repository, "1.0", sizes)
    return sizes
