"""Small valid images made in memory, and pushing them by HTTP or by the ECR API; for tests and the demo."""

import contextlib
import gzip
import io
import json
import random
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin

import urllib3
from botocore.client import BaseClient

from longshore_local.blobs import digest_of
from longshore_local.manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
COSIGN_LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"

Descriptor = dict[str, Any]


class PushError(Exception):
    """A registry refused a push; the text has the request, the status and the body of the answer."""


@dataclass(frozen=True, slots=True)
class SyntheticImage:
    """A manifest's bytes with the blobs and the child manifests that have to be pushed before it."""

    manifest: bytes
    media_type: str
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    children: tuple["SyntheticImage", ...] = ()

    @property
    def digest(self) -> str:
        """The image digest."""
        return digest_of(self.manifest)

    def descriptor(self, **members: object) -> Descriptor:
        """How an index or a subject names the image."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest), **members}


def single(
    seed: str, *, platform: str = "linux/amd64", layers: int = 1, layer_bytes: int = 1000, docker: bool = False
) -> SyntheticImage:
    """An image for one platform; the same arguments give the same bytes. `docker`: v2 schema 2 instead of OCI."""
    tars = [_tar(f"{seed}/{platform}/{number}", layer_bytes) for number in range(layers)]
    os, architecture = platform.split("/")[:2]
    config = {
        "architecture": architecture,
        "os": os,
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/app"], "Labels": {"seed": seed}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        "history": [{"created_by": f"layer {number}"} for number in range(layers)],
    }
    config_type, layer_type = (DOCKER_CONFIG, DOCKER_LAYER) if docker else (OCI_CONFIG, OCI_LAYER)
    zipped = [gzip.compress(tar, mtime=0) for tar in tars]
    return _image(_json(config), config_type, zipped, layer_type, DOCKER_MANIFEST if docker else OCI_MANIFEST)


def multi_platform(
    seed: str, platforms: Sequence[str] = ("linux/amd64", "linux/arm64"), *, attestations: bool = True
) -> SyntheticImage:
    """An OCI index with an image per platform, and for each the attestation that BuildKit adds (unknown/unknown)."""
    images = [single(seed, platform=platform) for platform in platforms]
    entries = [image.descriptor(platform=_platform(p)) for image, p in zip(images, platforms, strict=True)]
    if attestations:
        attached = [_attestation(image) for image in images]
        entries += [_attestation_entry(a, image) for a, image in zip(attached, images, strict=True)]
        images += attached
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return SyntheticImage(_json(index), OCI_INDEX, children=tuple(images))


def signature(of: SyntheticImage) -> SyntheticImage:
    """A cosign-like signature; it is pushed with the tag `signature_tag(of.digest)`."""
    statement = {
        "critical": {"image": {"docker-manifest-digest": of.digest}, "type": "cosign container image signature"}
    }
    content = _json(statement)
    config = {
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(content)]},
    }
    return _image(_json(config), OCI_CONFIG, [content], COSIGN_LAYER, OCI_MANIFEST)


def signature_tag(digest: str) -> str:
    """The tag under which cosign keeps the signature of `digest`: `sha256-<hex>.sig`."""
    return f"{digest.replace(':', '-')}.sig"


def artifact(
    seed: str, artifact_type: str, subject: SyntheticImage | None = None, content: bytes | None = None
) -> SyntheticImage:
    """An OCI 1.1 artifact with the empty config; with a `subject` it is a referrer. `content` is its only layer."""
    more: dict[str, Any] = {"artifactType": artifact_type, "annotations": {"seed": seed}}
    if subject is not None:
        more["subject"] = subject.descriptor()
    layer = _json({"seed": seed}) if content is None else content
    return _image(b"{}", OCI_EMPTY, [layer], artifact_type, OCI_MANIFEST, more)


class HttpRegistry(Protocol):
    """A registry to push to: its address, and the authority that vouches for it (None: plain HTTP)."""

    @property
    def url(self) -> str: ...

    @property
    def ca_file(self) -> str | None: ...


def push(to: HttpRegistry | BaseClient, repository: str, tag: str | None, image: SyntheticImage) -> str:
    """Pushes blobs, children by digest, then the image by `tag` (None: by digest); returns the image digest."""
    deliver = _push_ecr if isinstance(to, BaseClient) else _push_http
    for child in image.children:
        push(to, repository, None, child)
    deliver(to, repository, tag, image)
    return image.digest


def write_layout(image: SyntheticImage, directory: Path, tag: str) -> None:
    """Writes an OCI image layout, which skopeo reads as `oci:DIRECTORY:TAG`."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for digest, content in _all_blobs(image):
        (blobs / digest.removeprefix("sha256:")).write_bytes(content)
    entry = image.descriptor(annotations={"org.opencontainers.image.ref.name": tag})
    (directory / "index.json").write_bytes(_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}))
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))


def _push_http(registry: Any, repository: str, tag: str | None, image: SyntheticImage) -> None:
    base = f"{registry.url}/v2/{repository}"
    credentials = urllib3.make_headers(basic_auth="AWS:test")
    with urllib3.PoolManager(retries=False, headers=credentials, ca_certs=registry.ca_file) as http:
        for digest, content in image.blobs.items():
            if http.request("HEAD", f"{base}/blobs/{digest}", redirect=False).status == 200:
                continue
            begun = _expect(http.request("POST", f"{base}/blobs/uploads/"), 202)
            location = urljoin(base, begun.headers["Location"])
            location += f"{'&' if '?' in location else '?'}digest={digest}"
            _expect(http.request("PUT", location, body=content), 201)
        headers = {**http.headers, "Content-Type": image.media_type}
        path = f"{base}/manifests/{tag or image.digest}"
        _expect(http.request("PUT", path, body=image.manifest, headers=headers), 201)


def _expect(answer: urllib3.BaseHTTPResponse, status: int) -> urllib3.BaseHTTPResponse:
    if answer.status != status:
        raise PushError(f"{answer.url}: {answer.status} {answer.data.decode(errors='replace')}")
    return answer


def _push_ecr(ecr: Any, repository: str, tag: str | None, image: SyntheticImage) -> None:
    if image.blobs:
        checked = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=list(image.blobs))
        for layer in checked["layers"]:
            if layer["layerAvailability"] != "AVAILABLE":
                _upload_layer(ecr, repository, layer["layerDigest"], image.blobs[layer["layerDigest"]])
    named = {} if tag is None else {"imageTag": tag}
    with contextlib.suppress(ecr.exceptions.ImageAlreadyExistsException):  # as a docker push of the same image
        ecr.put_image(
            repositoryName=repository,
            imageManifest=image.manifest.decode(),
            imageManifestMediaType=image.media_type,
            imageDigest=image.digest,
            **named,
        )


def _upload_layer(ecr: Any, repository: str, digest: str, content: bytes) -> None:
    begun = ecr.initiate_layer_upload(repositoryName=repository)
    upload = {"repositoryName": repository, "uploadId": begun["uploadId"]}
    for first in range(0, len(content), begun["partSize"]):
        part = content[first : first + begun["partSize"]]
        ecr.upload_layer_part(**upload, partFirstByte=first, partLastByte=first + len(part) - 1, layerPartBlob=part)
    ecr.complete_layer_upload(**upload, layerDigests=[digest])


def _image(
    config: bytes,
    config_type: str,
    layers: Sequence[bytes],
    layer_type: str,
    media_type: str,
    more: Mapping[str, Any] | None = None,
) -> SyntheticImage:
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _blob(config, config_type),
        "layers": [_blob(layer, layer_type) for layer in layers],
        **(more or {}),
    }
    return SyntheticImage(_json(manifest), media_type, {digest_of(blob): blob for blob in (config, *layers)})


def _attestation(image: SyntheticImage) -> SyntheticImage:
    statement = _json({"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": image.digest}]})
    rootfs = {"type": "layers", "diff_ids": [digest_of(statement)]}
    config = _json({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": rootfs})
    return _image(config, OCI_CONFIG, [statement], "application/vnd.in-toto+json", OCI_MANIFEST)


def _attestation_entry(attestation: SyntheticImage, image: SyntheticImage) -> Descriptor:
    annotations = {
        "vnd.docker.reference.digest": image.digest,
        "vnd.docker.reference.type": "attestation-manifest",
    }
    return attestation.descriptor(annotations=annotations, platform={"architecture": "unknown", "os": "unknown"})


def _platform(text: str) -> dict[str, str]:
    os, architecture, *variant = text.split("/")
    return {"architecture": architecture, "os": os, **({"variant": variant[0]} if variant else {})}


def _tar(seed: str, size: int) -> bytes:
    content = random.Random(seed).randbytes(size)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("app")
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _blob(content: bytes, media_type: str) -> Descriptor:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _all_blobs(image: SyntheticImage) -> Iterator[tuple[str, bytes]]:
    yield image.digest, image.manifest
    yield from image.blobs.items()
    for child in image.children:
        yield from _all_blobs(child)
