"""Blob downloads of the distribution API: by range, by redirect to a signed URL."""

import re

from longshore_local.blobs import is_digest
from longshore_local.registry_exchange import Exchange
from longshore_local.registry_store import Blob, RegistryError, blob_unknown

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class BlobEndpoints(Exchange):
    """`/v2/<name>/blobs/<digest>` and the signed URLs that it redirects to."""

    def _head_blob(self) -> None:
        manners = self.service.manners
        refused = manners.head_blob_status
        if refused is not None and not (manners.head_blob_for_pushers and self._may_push()):
            raise RegistryError(refused, "DENIED", "HEAD of a blob is not allowed")
        try:
            blob = self._blob()
        except RegistryError as error:
            if error.code != "BLOB_UNKNOWN" or manners.head_missing_status == error.status:
                raise
            raise RegistryError(manners.head_missing_status, "DENIED", error.message) from error
        self._send(200, self._blob_headers(), length=blob.size)

    def _may_push(self) -> bool:
        scope = f"repository:{self.name}:push"
        return self.service.authenticator.challenge(self.headers.get("Authorization"), scope, "") is None

    def _get_blob(self) -> None:
        blob, manners = self._blob(), self.service.manners
        if not manners.unreferenced_blobs and not self.service.store.is_referenced(self.name, self.reference):
            raise blob_unknown(self.reference)
        if manners.redirect_blobs:
            self._send(manners.redirect_status, {"Location": self.service.layer_url(self.name, self.reference)})
        else:
            self._send_blob(blob)

    def _signed_layer(self) -> None:
        self._check_signature()
        self._send_blob(self._blob())

    def _check_signature(self) -> None:
        # As S3 does: a signed URL and an Authorization header together are too much.
        if "Authorization" in self.headers:
            raise RegistryError(400, "INVALID_ARGUMENT", "Only one auth mechanism allowed")
        signed = self.query.get("expires", ""), self.query.get("signature", "")
        if not self.service.admits(self.name, self.reference, *signed):
            raise RegistryError(403, "DENIED", "the URL has expired or was not made here")

    def _blob(self) -> Blob:
        if not is_digest(self.reference):
            raise RegistryError(400, "DIGEST_INVALID", f"'{self.reference}' is no sha256 digest")
        return self.service.store.blob(self.name, self.reference)

    def _blob_headers(self) -> dict[str, str]:
        ranges = {"Accept-Ranges": "bytes"} if self.service.manners.ranges else {}
        told = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": self.reference}
        return told | ranges

    def _send_blob(self, blob: Blob) -> None:
        asked = self.headers.get("Range") if self.service.manners.ranges else None
        first, last, status = _byte_range(asked, blob.size)
        headers = self._blob_headers()
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{last}/{blob.size}"
        self._start(status, headers, last - first + 1, chunked=self.service.manners.chunked_blobs)
        self._write_body(blob.pieces(first, last))


def _byte_range(text: str | None, size: int) -> tuple[int, int, int]:
    """First and last byte and the status for a Range header; one range only, others mean the whole (RFC 9110 14.2)."""
    match = _RANGE.fullmatch(text or "")
    if match is None or not (match[1] or match[2]):
        return 0, size - 1, 200
    if match[1]:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
    else:
        first, last = max(size - int(match[2]), 0), size - 1
    if first > last:
        raise RegistryError(416, "RANGE_INVALID", f"{text} of a blob of {size} bytes")
    return first, last, 206
