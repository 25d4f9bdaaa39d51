"""Blob uploads of the distribution API: in one piece or in chunks, mounts, resuming."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

from longshore_local.blobs import Upload, is_digest
from longshore_local.registry_body import BodyCutError
from longshore_local.registry_exchange import Exchange
from longshore_local.registry_faults import HangUpError
from longshore_local.registry_store import RegistryError

_CONTENT_RANGE = re.compile(r"(?:bytes )?(\d+)-(\d+)(?:/.*)?")


class UploadEndpoints(Exchange):
    """`/v2/<name>/blobs/uploads/...`."""

    def _begin_upload(self) -> None:
        service, digest, mount = self.service, self.query.get("digest"), self.query.get("mount")
        if mount and self._mounted(mount):
            self._send_created(f"/v2/{self.name}/blobs/{mount}", mount)
            return
        upload = service.store.begin_upload(self.name)
        service.note_upload(upload.upload_id)
        if digest and service.manners.single_post:
            upload.append(self._pieces())
            self._complete(upload, digest)
            return
        headers = {**self._upload_headers(upload), "Range": "0-0"}
        if service.manners.announce_min_part:
            headers["OCI-Chunk-Min-Length"] = str(service.manners.min_part_bytes)
        self._send(202, headers)

    def _mounted(self, digest: str) -> bool:
        manners, store = self.service.manners, self.service.store
        if not manners.mounts or not is_digest(digest):
            return False
        source = self.query.get("from")
        sources = [source] if source else store.repositories() if manners.anonymous_mounts else []
        return any(store.mount(self.name, digest, name) for name in sources)

    def _upload_status(self) -> None:
        upload = self._upload()
        self._send(204, {**self._upload_headers(upload), "Range": _received(upload.size)})

    def _add_chunk(self) -> None:
        upload = self._upload()
        if self._append(upload):
            manners = self.service.manners
            told = upload.part_sizes[0] if manners.range_sticks and upload.part_sizes else upload.size
            self._send(manners.patch_status, {**self._upload_headers(upload), "Range": _received(told)})

    def _finish_upload(self) -> None:
        upload = self._upload()
        digest = self.query.get("digest", "")
        if not is_digest(digest):
            raise RegistryError(400, "DIGEST_INVALID", f"digest={digest} is no sha256 digest")
        refused, before = self.service.manners.empty_finish_status, upload.size
        if not self._append(upload):
            return
        if refused is not None and 0 < before == upload.size:
            raise RegistryError(refused, "UNKNOWN", "the closing PUT has no body")
        self._complete(upload, digest)

    def _cancel_upload(self) -> None:
        self.service.store.cancel_upload(self.name, self._upload())
        self._send(204)

    def _upload(self) -> Upload:
        upload = self.service.store.upload(self.name, self.reference)
        self.service.check_age(upload.upload_id)
        manner = self.service.manners.upload_state
        state = self.service.upload_state(upload.upload_id, upload.size)
        if manner != "none" and self.query.get("_state") != state:
            if manner == "ends":
                self.service.store.cancel_upload(self.name, upload)
            raise RegistryError(404, "BLOB_UPLOAD_INVALID", "the Location is not the upload's newest")
        return upload

    def _append(self, upload: Upload) -> bool:
        text = self.headers.get("Content-Range")
        if text is not None and self.service.manners.content_range == "checked":
            match = _CONTENT_RANGE.fullmatch(text)
            if match is None or int(match[1]) != upload.size:
                self._send(416, {**self._upload_headers(upload), "Range": _received(upload.size)})
                return False
        with self.service.limits.body() as allowed:
            if not allowed:
                raise HangUpError
            self._take(upload)
        return True

    def _take(self, upload: Upload) -> None:
        cut = self.service.manners.cut_chunk
        arrived = _Arrived(self._pieces(), keep=cut == "kept")
        try:
            upload.append(arrived)
        except BodyCutError:
            if cut == "ends":
                self.service.store.cancel_upload(self.name, upload)
            raise
        if arrived.cut is not None:
            raise arrived.cut

    def _pieces(self) -> Iterator[bytes]:
        if self.service.manners.require_length and not self.body.has_length:
            raise RegistryError(411, "SIZE_INVALID", "Content-Length is required")
        return self.body.pieces()

    def _complete(self, upload: Upload, digest: str) -> None:
        if problem := self._past_quota(upload):
            self.service.store.cancel_upload(self.name, upload)
            raise RegistryError(400, "BLOB_UPLOAD_INVALID", problem)
        self.service.store.finish_upload(self.name, upload, digest)
        self._send_created(f"/v2/{self.name}/blobs/{digest}", digest)

    def _past_quota(self, upload: Upload) -> str:
        manners, smallest, parts = self.service.manners, upload.smallest_inner_part(), len(upload.part_sizes)
        if smallest is not None and smallest < manners.min_part_bytes:
            return f"Layer part of {smallest} bytes is smaller than {manners.min_part_bytes} bytes"
        if manners.max_parts is not None and parts > manners.max_parts:
            return f"Layer of {parts} parts has more than {manners.max_parts}"
        if manners.max_layer_bytes is not None and upload.size > manners.max_layer_bytes:
            return f"Layer of {upload.size} bytes is larger than {manners.max_layer_bytes} bytes"
        return ""

    def _upload_headers(self, upload: Upload) -> dict[str, str]:
        return {"Location": self._location(upload), "Docker-Upload-UUID": upload.upload_id}

    def _location(self, upload: Upload) -> str:
        service, path = self.service, f"/v2/{self.name}/blobs/uploads/{upload.upload_id}"
        queries = []
        if service.manners.upload_state != "none":
            queries.append(urlencode({"_state": service.upload_state(upload.upload_id, upload.size)}))
        if service.manners.location == "other-host":
            queries.append(service.signature_query(self.name, upload.upload_id))
        query = f"?{'&'.join(queries)}" if queries else ""
        host = {"absolute": self.base, "relative": "", "other-host": service.other_url}[service.manners.location]
        return f"{host}{path}{query}"


class _Arrived:
    """The pieces of a body; where a cut one is kept, it ends at the cut and `cut` has the error."""

    def __init__(self, pieces: Iterator[bytes], *, keep: bool) -> None:
        self.cut: BodyCutError | None = None
        self._pieces = pieces
        self._keep = keep

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces
        except BodyCutError as error:
            if not self._keep:
                raise
            self.cut = error


def _received(size: int) -> str:
    return f"0-{max(size - 1, 0)}"
