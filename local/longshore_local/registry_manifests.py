"""The manifest endpoints of the distribution API."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from longshore_local.blobs import digest_of
from longshore_local.manifests import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    ManifestError,
    MediaTypeMissingError,
    parse_manifest,
)
from longshore_local.registry_exchange import Exchange
from longshore_local.registry_service import Push
from longshore_local.registry_store import TAG, RegistryError, manifest_unknown

_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_TO_DOCKER = {
    OCI_MANIFEST: DOCKER_MANIFEST,
    OCI_INDEX: DOCKER_LIST,
    _OCI_CONFIG: _DOCKER_CONFIG,
    _OCI_LAYER: _DOCKER_LAYER,
}
_TO_OCI = {docker: oci for oci, docker in _TO_DOCKER.items()}
_IMAGE_CONFIGS = frozenset({_DOCKER_CONFIG, _OCI_CONFIG})


class ManifestEndpoints(Exchange):
    """`/v2/<name>/manifests/...`."""

    def _get_manifest(self) -> None:
        manners, head = self.service.manners, self.command == "HEAD"
        if head and manners.head_manifest_status is not None:
            raise RegistryError(manners.head_manifest_status, "UNSUPPORTED", "HEAD of a manifest is not supported")
        within, headers = self.service.limits.spend_pull(free=head)
        if not within:
            retry = {} if manners.retry_after is None else {"Retry-After": manners.retry_after}
            self._refuse(RegistryError(429, "TOOMANYREQUESTS", "Rate exceeded"), {**headers, **retry})
            return
        content, media_type = self._accepted(self.service.store.manifest(self.name, self.reference))
        headers["Content-Type"] = media_type
        if manners.digest_header == "always" or (manners.digest_header == "get" and not head):
            headers["Docker-Content-Digest"] = digest_of(content)
        limit = manners.chunked_manifests_over
        self._start(200, headers, len(content), chunked=limit is not None and len(content) > limit)
        self._write_body([content])

    def _accepted(self, manifest: Manifest) -> tuple[bytes, str]:
        accepted = {part.partition(";")[0].strip() for part in ",".join(self.headers.get_all("Accept", [])).split(",")}
        manner, kind = self.service.manners.accept, manifest.media_type
        # By digest there is nothing to choose.
        if manner == "ignored" or ":" in self.reference or accepted & {kind, "*/*", "application/*", ""}:
            return manifest.content, kind
        twins = _TO_OCI if kind in _TO_OCI else _TO_DOCKER
        if manner == "converted" and twins[kind] in accepted:
            return json.dumps(_converted(json.loads(manifest.content), twins)).encode(), twins[kind]
        if manner == "strict":
            raise manifest_unknown(f"{self.reference} as {kind}, which Accept does not allow")
        return manifest.content, kind

    def _put_manifest(self) -> None:
        manifest = self._pushed_manifest()
        by_digest = ":" in self.reference
        if by_digest and self.reference != manifest.digest:
            raise RegistryError(400, "DIGEST_INVALID", f"the manifest is {manifest.digest}, not {self.reference}")
        wanted = parse_qs(urlsplit(self.path).query).get("tag", [])[: self.service.manners.tag_parameters]
        for tag in wanted if by_digest and wanted else [None if by_digest else self.reference]:
            self._keep(tag, manifest)
        told = {"OCI-Tag": ", ".join(wanted)} if by_digest and wanted else {}
        if manifest.subject and self.service.manners.referrers and self.service.manners.oci_subject:
            told["OCI-Subject"] = manifest.subject
        self._send_created(f"/v2/{self.name}/manifests/{manifest.digest}", manifest.digest, told)

    def _keep(self, tag: str | None, manifest: Manifest) -> None:
        if tag is not None and not TAG.fullmatch(tag):
            raise RegistryError(400, "TAG_INVALID", f"'{tag}' is no tag")
        if self.service.store.put_manifest(self.name, tag, manifest):
            self.service.pushed(Push(self.name, tag, manifest))

    def _pushed_manifest(self) -> Manifest:
        content = self.body.read(self.service.manners.max_manifest_bytes)
        try:
            manifest = parse_manifest(content, self._content_type())
        except MediaTypeMissingError as error:
            raise RegistryError(405, "UNSUPPORTED", "Invalid parameter at 'ImageManifest'") from error
        except ManifestError as error:
            raise RegistryError(400, "MANIFEST_INVALID", str(error)) from error
        if self.service.manners.require_media_type and not manifest.declared_media_type:
            text = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
            raise RegistryError(405, "UNSUPPORTED", text)
        if not self.service.manners.artifacts and _is_artifact(manifest):
            raise RegistryError(405, "UNSUPPORTED", "Invalid parameter at 'ImageManifest': artifacts are not supported")
        return manifest

    def _content_type(self) -> str | None:
        text = self.headers.get("Content-Type")
        return text.partition(";")[0].strip() if text else None

    def _delete_manifest(self) -> None:
        if not self.service.manners.deletes:
            raise RegistryError(405, "UNSUPPORTED", "The operation is unsupported.")
        self.service.store.delete_manifest(self.name, self.reference)
        self._send(202)


def _is_artifact(manifest: Manifest) -> bool:
    if manifest.media_type in (OCI_INDEX, DOCKER_LIST):
        return manifest.subject is not None
    return manifest.subject is not None or manifest.artifact_type not in _IMAGE_CONFIGS


def _converted(document: Any, twins: Mapping[str, str]) -> Any:
    """The document with every media type turned into its twin, as ECR serves it to who does not accept the original."""
    if isinstance(document, list):
        return [_converted(entry, twins) for entry in document]
    if not isinstance(document, dict):
        return document
    return dict(_converted_members(document, twins))


def _converted_members(document: Mapping[str, Any], twins: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        is_type = name == "mediaType" and isinstance(value, str)
        yield name, twins.get(value, value) if is_type else _converted(value, twins)
