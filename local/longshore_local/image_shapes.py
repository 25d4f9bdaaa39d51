"""Images of every shape that a mirror meets: nested, shared, empty, signed, compressed in other ways, artifacts."""

import gzip
import hashlib
import json
import struct
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from longshore_local.blobs import digest_of
from longshore_local.images import (
    DOCKER_CONFIG,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_LAYER,
    SyntheticImage,
    artifact,
    multi_platform,
    signature,
    single,
)
from longshore_local.manifests import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, parse_manifest
from longshore_local.registry_store import RegistryStore

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")
OCI_ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
OCI_FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
DOCKER_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
FOREIGN_URL = "https://layers.example.com/windows/base.tar.gz"

_ZSTD_MAGIC = 0xFD2FB528
_ZSTD_SINGLE_SEGMENT_4_BYTES = 0xA0  # frame header descriptor: content size in four bytes, no window descriptor
_ZSTD_BLOCK = 128 * 1024


def composed(
    layers: Mapping[str, tuple[str, bytes]] | list[tuple[str, bytes]],
    *,
    config: bytes = b"{}",
    config_type: str = OCI_CONFIG,
    media_type: str = OCI_MANIFEST,
    **members: Any,
) -> SyntheticImage:
    """An image of these layers, each a media type and its bytes, with more members of the manifest."""
    listed = list(layers.values()) if isinstance(layers, Mapping) else layers
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _descriptor(config, config_type),
        "layers": [_descriptor(content, kind) for kind, content in listed],
        **members,
    }
    blobs = {digest_of(content): content for content in (config, *(content for _, content in listed))}
    return SyntheticImage(_json(manifest), media_type, blobs)


def index_of(*children: SyntheticImage, media_type: str = OCI_INDEX, **members: Any) -> SyntheticImage:
    """An index of these children, with more members of its own."""
    entries = [child.descriptor() for child in children]
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries, **members}
    return SyntheticImage(_json(index), media_type, children=children)


def four_platforms(seed: str) -> SyntheticImage:
    """An index of four platforms, each with the attestation that BuildKit adds."""
    return multi_platform(seed, PLATFORMS)


def nested_index(seed: str) -> SyntheticImage:
    """An index of an index of two platforms and of an image."""
    return index_of(multi_platform(f"{seed}/inner"), single(f"{seed}/outer"))


def docker_list(seed: str) -> SyntheticImage:
    """A Docker manifest list of two v2 schema 2 images."""
    children = [single(seed, platform=platform, docker=True) for platform in PLATFORMS[:2]]
    return index_of(*children, media_type=DOCKER_LIST)


def no_layers(seed: str) -> SyntheticImage:
    """An image without layers."""
    return composed([], config=_json({"architecture": "amd64", "os": "linux", "author": seed}))


def duplicate_layers(seed: str) -> SyntheticImage:
    """An image that names one layer three times, another once in between."""
    often, once = _layer(f"often {seed}"), _layer(f"once {seed}")
    return composed([(OCI_LAYER, often), (OCI_LAYER, once), (OCI_LAYER, often), (OCI_LAYER, often)])


def empty_layer(seed: str) -> SyntheticImage:
    """An image with a layer of no bytes."""
    return composed([(OCI_LAYER, b""), (OCI_LAYER, _layer(seed))])


def zstd_layers(seed: str) -> SyntheticImage:
    """An image whose layers are zstd frames, one of them of several blocks."""
    small, large = f"zstd {seed}".encode(), (seed.encode() or b"z") * 300_000
    return composed([(OCI_ZSTD_LAYER, zstd_frame(small)), (OCI_ZSTD_LAYER, zstd_frame(large[:300_000]))])


def foreign_layers(seed: str, *, docker: bool = False) -> SyntheticImage:
    """An image with a layer that is not in the registry but at a URL, and one that is."""
    kind = DOCKER_FOREIGN_LAYER if docker else OCI_FOREIGN_LAYER
    media_type, config_type = (DOCKER_MANIFEST, DOCKER_CONFIG) if docker else (OCI_MANIFEST, OCI_CONFIG)
    image = composed([(OCI_LAYER, _layer(seed))], config_type=config_type, media_type=media_type)
    document = json.loads(image.manifest)
    base = _descriptor(b"a Windows base layer", kind)
    document["layers"].insert(0, {**base, "urls": [FOREIGN_URL]})
    return replace(image, manifest=_json(document))


def artifact_with_empty_config(seed: str) -> SyntheticImage:
    """An OCI 1.1 artifact of nobody: type, empty config, one blob."""
    return artifact(seed, "application/vnd.example.chart.v1")


def artifact_index(seed: str) -> SyntheticImage:
    """An index that is an artifact."""
    return index_of(artifact_with_empty_config(seed), artifactType="application/vnd.example.bundle.v1")


def embedded_data(seed: str) -> SyntheticImage:
    """An artifact whose manifest carries the bytes of its config (`data`), and members that no specification knows."""
    config = {**_descriptor(b"{}", OCI_EMPTY), "data": b64encode(b"{}").decode(), "org.example.custom": seed}
    image = composed([(OCI_LAYER, seed.encode())], config_type=OCI_EMPTY, artifactType="text/plain")
    document = {**json.loads(image.manifest), "config": config, "org.example.custom": {"deep": [1, None]}}
    return replace(image, manifest=_json(document))


def odd_spacing(seed: str) -> SyntheticImage:
    """An image whose manifest no encoder would write again: spaces, escapes, another order, an end of line."""
    image = single(seed)
    document = json.loads(image.manifest)
    shuffled = {name: document[name] for name in reversed(document)} | {"annotations": {"name": "Küste"}}
    return replace(image, manifest=json.dumps(shuffled, indent=3).encode() + b"\n")


def without_media_type(seed: str) -> SyntheticImage:
    """An OCI image whose manifest does not say that it is one."""
    image = single(seed)
    document = {name: value for name, value in json.loads(image.manifest).items() if name != "mediaType"}
    return replace(image, manifest=_json(document))


def referrers_of(image: SyntheticImage, count: int = 2) -> list[SyntheticImage]:
    """SBOMs and a cosign bundle that refer to an image by subject."""
    types = ("application/spdx+json", "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.cyclonedx+json")
    return [artifact(f"{image.digest}/{number}", types[number % len(types)], image) for number in range(count)]


def cosign_images(image: SyntheticImage) -> dict[str, SyntheticImage]:
    """What cosign keeps beside an image, by the tags that it uses: signature, attestation, SBOM."""
    stem = image.digest.replace(":", "-")
    attestation = composed([("application/vnd.dsse.envelope.v1+json", f"attested {image.digest}".encode())])
    sbom = composed([("text/spdx+json", f"made of {image.digest}".encode())])
    return {f"{stem}.sig": signature(image), f"{stem}.att": attestation, f"{stem}.sbom": sbom}


def sharing_tags(
    seed: str, count: int = 100, shared: int = 4, layer_bytes: int = 64 * 1024
) -> dict[str, SyntheticImage]:
    """Images of `shared` common layers and a small one each, by tags v000, v001, ..."""
    common = [(OCI_LAYER, _layer(f"{seed}/{number}", layer_bytes)) for number in range(shared)]
    images = {}
    for number in range(count):
        own = (OCI_LAYER, _layer(f"{seed}/own/{number}", 4_096))
        config = _json({"architecture": "amd64", "os": "linux", "author": f"{seed} {number}"})
        images[f"v{number:03}"] = composed([*common, own], config=config)
    return images


def schema_1(seed: str) -> bytes:
    """A manifest of Docker's first schema, which only old registries still serve: for a fault's reply."""
    layer = {"blobSum": digest_of(seed.encode())}
    history = {"v1Compatibility": json.dumps({"id": "0" * 64, "created": "2015-01-01T00:00:00Z"})}
    about = {"schemaVersion": 1, "name": seed, "tag": "1", "architecture": "amd64"}
    return json.dumps({**about, "fsLayers": [layer], "history": [history], "signatures": []}, indent=3).encode()


def zstd_frame(content: bytes) -> bytes:
    """`content` as a zstd frame of raw blocks (RFC 8878 3.1.1): valid for any decompressor, made without one."""
    blocks = [content[at : at + _ZSTD_BLOCK] for at in range(0, len(content), _ZSTD_BLOCK)] or [b""]
    frame = struct.pack("<IBI", _ZSTD_MAGIC, _ZSTD_SINGLE_SEGMENT_4_BYTES, len(content))
    for number, block in enumerate(blocks, 1):
        is_last = number == len(blocks)
        frame += (len(block) << 3 | is_last).to_bytes(3, "little") + block
    return frame


def place(store: RegistryStore, repository: str, tag: str | None, image: SyntheticImage) -> str:
    """Puts an image into a store without a registry in front, children first; returns the image digest."""
    for child in image.children:
        place(store, repository, None, child)
    for digest, content in image.blobs.items():
        upload = store.begin_upload(repository)
        upload.append([content])
        store.finish_upload(repository, upload, digest)
    store.put_manifest(repository, tag, parse_manifest(image.manifest, image.media_type))
    return image.digest


SHAPES: Mapping[str, Callable[[str], SyntheticImage]] = {
    "single": single,
    "docker": lambda seed: single(seed, docker=True),
    "four-platforms": four_platforms,
    "nested-index": nested_index,
    "docker-list": docker_list,
    "artifact": artifact_with_empty_config,
    "artifact-index": artifact_index,
    "no-layers": no_layers,
    "duplicate-layers": duplicate_layers,
    "empty-layer": empty_layer,
    "zstd-layers": zstd_layers,
    "foreign-layers": foreign_layers,
    "docker-foreign-layers": lambda seed: foreign_layers(seed, docker=True),
    "embedded-data": embedded_data,
    "odd-spacing": odd_spacing,
}
"""One image of each shape, by name, made of a seed."""


def _descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _layer(seed: str, size: int = 100) -> bytes:
    """Bytes that do not compress, in a gzip stream: a tool that compresses plain layers leaves it alone."""
    return gzip.compress(hashlib.shake_256(seed.encode()).digest(size), compresslevel=0, mtime=0)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
