"""The manifest endpoints of the distribution API, with tags, catalog and referrers."""

from typing import Any
from urllib.parse import quote

from longshore_local.blobs import is_digest
from longshore_local.manifests import (
    MAX_BYTES,
    OCI_INDEX,
    Manifest,
    ManifestError,
    MediaTypeMissingError,
    parse_manifest,
)
from longshore_local.registry_exchange import Exchange
from longshore_local.registry_service import Push
from longshore_local.registry_store import TAG, RegistryError


class ManifestEndpoints(Exchange):
    """`/v2/<name>/manifests/...`, `tags/list`, `referrers/...` and `/v2/_catalog`."""

    def _get_manifest(self) -> None:
        within, headers = self.service.spend_manifest_get(free=self.command == "HEAD")
        if not within:
            retry = {**headers, "Retry-After": self.service.manners.retry_after}
            self._refuse(RegistryError(429, "TOOMANYREQUESTS", "Rate exceeded"), retry)
            return
        manifest = self.service.store.manifest(self.name, self.reference)
        about = {"Content-Type": manifest.media_type, "Docker-Content-Digest": manifest.digest}
        self._send(200, {**headers, **about}, manifest.content)

    def _put_manifest(self) -> None:
        manifest = self._pushed_manifest()
        tag = None if ":" in self.reference else self.reference
        if tag is None and self.reference != manifest.digest:
            raise RegistryError(400, "DIGEST_INVALID", f"the manifest is {manifest.digest}, not {self.reference}")
        if tag is not None and not TAG.fullmatch(tag):
            raise RegistryError(400, "TAG_INVALID", f"'{tag}' is no tag")
        changed = self.service.store.put_manifest(self.name, tag, manifest)
        subject = {"OCI-Subject": manifest.subject} if manifest.subject and self.service.manners.referrers else {}
        if changed:
            self.service.on_push(Push(self.name, tag, manifest))
        self._send_created(f"/v2/{self.name}/manifests/{manifest.digest}", manifest.digest, subject)

    def _pushed_manifest(self) -> Manifest:
        content = self.body.read(MAX_BYTES)
        try:
            manifest = parse_manifest(content, self._content_type())
        except MediaTypeMissingError as error:
            raise RegistryError(405, "UNSUPPORTED", "Invalid parameter at 'ImageManifest'") from error
        except ManifestError as error:
            raise RegistryError(400, "MANIFEST_INVALID", str(error)) from error
        if self.service.manners.require_media_type and not manifest.declared_media_type:
            text = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
            raise RegistryError(405, "UNSUPPORTED", text)
        return manifest

    def _content_type(self) -> str | None:
        text = self.headers.get("Content-Type")
        return text.partition(";")[0].strip() if text else None

    def _delete_manifest(self) -> None:
        self.service.store.delete_manifest(self.name, self.reference)
        self._send(202)

    def _catalog(self) -> None:
        page, link = self._page(self.service.store.repositories(), "/v2/_catalog")
        self._send_json({"repositories": page}, link)

    def _tags(self) -> None:
        page, link = self._page(self.service.store.tags(self.name), f"/v2/{self.name}/tags/list")
        self._send_json({"name": self.name, "tags": page}, link)

    def _page(self, names: list[str], path: str) -> tuple[list[str], dict[str, str]]:
        largest = self.service.manners.max_page
        text = self.query.get("n", str(largest))
        if not text.isdecimal() or int(text) > largest:
            raise RegistryError(400, "PAGINATION_NUMBER_INVALID", f"n must be a number up to {largest}, not '{text}'")
        rest = [name for name in names if name > self.query.get("last", "")]
        page = rest[: int(text)]
        if not page or len(page) == len(rest):
            return page, {}
        return page, {"Link": f'<{path}?last={quote(page[-1])}&n={text}>; rel="next"'}

    def _referrers(self) -> None:
        if not self.service.manners.referrers:
            raise RegistryError(404, "NOT_FOUND", "no referrers API")
        if not is_digest(self.reference):
            raise RegistryError(400, "DIGEST_INVALID", f"'{self.reference}' is no sha256 digest")
        found = self.service.store.referrers(self.name, self.reference)
        wanted = self.query.get("artifactType")
        listed = [_descriptor(m) for m in found if wanted in (None, m.artifact_type)]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        self._send_json(index, {"OCI-Filters-Applied": "artifactType"} if wanted else {}, OCI_INDEX)


def _descriptor(manifest: Manifest) -> dict[str, Any]:
    described = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.content),
        "artifactType": manifest.artifact_type,
        "annotations": manifest.annotations,
    }
    return {name: value for name, value in described.items() if value is not None}
