"""The blob endpoints of the distribution API: downloads by range, redirects, uploads in one piece or in chunks."""

import re
from collections.abc import Iterator
from pathlib import Path

from longshore_local.blobs import Upload, is_digest
from longshore_local.registry_exchange import Exchange
from longshore_local.registry_store import RegistryError

_PIECE = 1024 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CONTENT_RANGE = re.compile(r"(?:bytes )?(\d+)-(\d+)(?:/.*)?")


class BlobEndpoints(Exchange):
    """`/v2/<name>/blobs/...` and the signed URLs that it redirects to."""

    def _head_blob(self) -> None:
        refused = self.service.manners.head_blob_status
        path = self._blob()
        if refused is not None:
            raise RegistryError(refused, "DENIED", "HEAD of a blob is not allowed")
        self._send(200, self._blob_headers(), length=path.stat().st_size)

    def _get_blob(self) -> None:
        path = self._blob()
        if self.service.manners.redirect_blobs:
            self._send(307, {"Location": self.service.layer_url(self.name, self.reference)})
        else:
            self._send_file(path)

    def _signed_layer(self) -> None:
        # As S3 does: a signed URL and an Authorization header together are too much.
        if "Authorization" in self.headers:
            raise RegistryError(400, "INVALID_ARGUMENT", "Only one auth mechanism allowed")
        signed = self.query.get("expires", ""), self.query.get("signature", "")
        if not self.service.admits(self.name, self.reference, *signed):
            raise RegistryError(403, "DENIED", "the URL has expired or was not made here")
        self._send_file(self._blob())

    def _blob(self) -> Path:
        if not is_digest(self.reference):
            raise RegistryError(400, "DIGEST_INVALID", f"'{self.reference}' is no sha256 digest")
        return self.service.store.blob(self.name, self.reference)

    def _blob_headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": self.reference,
            "Accept-Ranges": "bytes",
        }

    def _send_file(self, path: Path) -> None:
        size = path.stat().st_size
        first, last, status = _byte_range(self.headers.get("Range"), size)
        headers = self._blob_headers()
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._start(status, headers, last - first + 1)
        for piece in _pieces(path, first, last):
            self.wfile.write(piece)

    def _begin_upload(self) -> None:
        service, digest = self.service, self.query.get("digest")
        mount, source = self.query.get("mount"), self.query.get("from")
        if service.manners.mounts and mount and source and service.store.mount(self.name, mount, source):
            self._send_created(f"/v2/{self.name}/blobs/{mount}", mount)
            return
        upload = service.store.begin_upload(self.name)
        if digest and service.manners.single_post:
            upload.append(self.body.pieces())
            self._complete(upload, digest)
            return
        headers = {**self._upload_headers(upload), "Range": "0-0"}
        if service.manners.announce_min_part:
            headers["OCI-Chunk-Min-Length"] = str(service.manners.min_part_bytes)
        self._send(202, headers)

    def _upload_status(self) -> None:
        upload = self.service.store.upload(self.name, self.reference)
        self._send(204, {**self._upload_headers(upload), "Range": _received(upload.size)})

    def _add_chunk(self) -> None:
        upload = self.service.store.upload(self.name, self.reference)
        if self._append(upload):
            manners = self.service.manners
            told = upload.part_sizes[0] if manners.range_sticks and upload.part_sizes else upload.size
            self._send(manners.patch_status, {**self._upload_headers(upload), "Range": _received(told)})

    def _finish_upload(self) -> None:
        upload = self.service.store.upload(self.name, self.reference)
        digest = self.query.get("digest", "")
        if not is_digest(digest):
            raise RegistryError(400, "DIGEST_INVALID", f"digest={digest} is no sha256 digest")
        if self._append(upload):
            self._complete(upload, digest)

    def _cancel_upload(self) -> None:
        self.service.store.cancel_upload(self.name, self.service.store.upload(self.name, self.reference))
        self._send(204)

    def _append(self, upload: Upload) -> bool:
        text = self.headers.get("Content-Range")
        if text is not None:
            match = _CONTENT_RANGE.fullmatch(text)
            if match is None or int(match[1]) != upload.size:
                self._send(416, {**self._upload_headers(upload), "Range": _received(upload.size)})
                return False
        upload.append(self.body.pieces())
        return True

    def _complete(self, upload: Upload, digest: str) -> None:
        smallest = upload.smallest_inner_part()
        if smallest is not None and smallest < self.service.manners.min_part_bytes:
            self.service.store.cancel_upload(self.name, upload)
            text = f"Layer part of {smallest} bytes is smaller than {self.service.manners.min_part_bytes} bytes"
            raise RegistryError(400, "BLOB_UPLOAD_INVALID", text)
        self.service.store.finish_upload(self.name, upload, digest)
        self._send_created(f"/v2/{self.name}/blobs/{digest}", digest)

    def _upload_headers(self, upload: Upload) -> dict[str, str]:
        location = f"{self.service.url}/v2/{self.name}/blobs/uploads/{upload.upload_id}"
        return {"Location": location, "Docker-Upload-UUID": upload.upload_id}


def _received(size: int) -> str:
    return f"0-{max(size - 1, 0)}"


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


def _pieces(path: Path, first: int, last: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        left = last - first + 1
        while left > 0:
            piece = file.read(min(left, _PIECE))
            left -= len(piece)
            yield piece
