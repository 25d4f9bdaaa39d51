"""Uploads to a registry: mounts, whole blobs, and chunks that another invocation can go on with (mirror 3 and 4)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from longshore.errors import AccessDeniedError, LongshoreError
from longshore.manifests import is_digest
from longshore.mirror.errors import IntegrityError, ProtocolError, UploadLostError, UploadOffsetError
from longshore.mirror.ports import Upload
from longshore.registries.answers import Refusal, upload_refused
from longshore.registries.blobs import Blobs
from longshore.registries.headers import number, received
from longshore.registries.transport import Request, joined

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.manifests import Descriptor
    from longshore.mirror.ports import Chunk
    from longshore.registries.transport import Answer

_STORED: Final = frozenset({200, 201, 202, 204})
"""ECR answers a chunk with 201 where the specification has 202 (mirror 3)."""
_COMPLETE: Final = frozenset({200, 201, 204})
_FINISH_SECONDS: Final = 600.0
"""A registry may copy and hash all of a blob before it answers."""
_LARGEST_MIN_CHUNK: Final = 1024 * 1024 * 1024


class Uploads(Blobs):
    """The blob operations of `longshore.mirror.ports.Registry`, writing."""

    def mount(self, repository: str, digest: Digest, source: str | None) -> Upload | None:
        """See the port."""
        origin = f"&from={source}" if source else ""
        also = (f"repository:{source}:pull",) if source else ()
        url = self.url(repository, f"blobs/uploads/?mount={digest}{origin}")
        with contextlib.suppress(AccessDeniedError):  # of the token server: no pull from there
            answer = self.ask(repository, digest, Request("POST", url, "mount"), also)
            if answer.status == 201:  # noqa: PLR2004
                answer.discard()
                return None
            if answer.status == 202:  # noqa: PLR2004
                return self._begun(repository, answer)
            answer.discard()
        return self.upload(repository)

    def upload(self, repository: str) -> Upload:
        """See the port."""
        answer = self.ask(repository, "", Request("POST", self.url(repository, "blobs/uploads/"), "upload"))
        if answer.status != 202:  # noqa: PLR2004
            raise self.refusal(repository, "", "POST upload", Refusal.of(answer))
        return self._begun(repository, answer)

    def _begun(self, repository: str, answer: Answer) -> Upload:
        answer.discard()
        least = number(answer.headers.get("oci-chunk-min-length")) or 0
        if least > _LARGEST_MIN_CHUNK:
            raise ProtocolError(f"{self.where(repository)}: POST upload: wants chunks of {least} bytes")
        location = self._location(repository, answer, None)
        return Upload(repository, location, min_chunk=least)

    def resume(self, upload: Upload) -> Upload:
        """See the port."""
        answer = self.ask(upload.repository, "", Request("GET", upload.location, "upload"))
        if answer.status not in (200, 202, 204):
            raise self._lost(upload, "GET upload", Refusal.of(answer))
        answer.discard()
        has = received(answer.headers.get("range"))
        location = self._location(upload.repository, answer, upload.location)
        if has is None or upload.sticky:
            return replace(upload, location=location)
        return replace(upload, location=location, offset=_bytes(has))

    def append(self, upload: Upload, chunks: Iterable[Chunk], length: int) -> Upload:
        """See the port."""
        if length < max(upload.min_chunk, 1):
            raise ValueError(f"a chunk of {length} bytes, at least {max(upload.min_chunk, 1)} are due")
        answer = self._put_bytes("PATCH", upload, upload.location, chunks, length)
        if answer.status not in _STORED:
            raise self._lost(upload, "PATCH upload", Refusal.of(answer))
        answer.discard()
        location = self._location(upload.repository, answer, upload.location)
        offset, has = upload.offset + length, received(answer.headers.get("range"))
        # The whole body was read and accepted. A Range that says less is ECR's, which stays at the first chunk.
        return replace(upload, location=location, offset=offset, sticky=upload.sticky or has not in (None, offset))

    def finish(self, upload: Upload, blob: Descriptor, chunks: Iterable[Chunk] = (), length: int = 0) -> None:
        """See the port."""
        if upload.offset + length != blob.size:
            raise ValueError(f"{upload.offset} and {length} bytes do not make a blob of {blob.size}")
        separator = "&" if urlsplit(upload.location).query else "?"
        url = f"{upload.location}{separator}digest={blob.digest}"
        answer = self._put_bytes("PUT", upload, url, chunks, length)
        what = "PUT upload"
        if answer.status not in _COMPLETE:
            refusal = Refusal.of(answer)
            if "DIGEST_INVALID" in refusal.codes:
                raise IntegrityError(f"{self.where(upload.repository, blob.digest)}: {what}: {refusal.text}")
            raise self._lost(upload, what, refusal, blob.digest)
        answer.discard()
        told = answer.headers.get("docker-content-digest", "").strip()
        same = told.partition(":")[0] == blob.digest.partition(":")[0]
        if is_digest(told) and same and told != blob.digest:
            raise IntegrityError(f"{self.where(upload.repository, blob.digest)}: {what}: the registry stored {told}")

    def cancel(self, upload: Upload) -> None:
        """See the port."""
        with contextlib.suppress(LongshoreError):
            self.ask(upload.repository, "", Request("DELETE", upload.location, "upload")).discard()

    def _put_bytes(self, method: str, upload: Upload, url: str, chunks: Iterable[Chunk], length: int) -> Answer:
        headers = {"Content-Type": "application/octet-stream"}
        if length and (upload.offset or method == "PATCH"):
            headers["Content-Range"] = f"{upload.offset}-{upload.offset + length - 1}"
        body = chunks if length else b""
        return self.ask(upload.repository, "", Request(method, url, "upload", headers, body, length, _FINISH_SECONDS))

    def _location(self, repository: str, answer: Answer, before: str | None) -> str:
        told = answer.headers.get("location")
        with self.telling(repository, "", "Location of an upload"):
            if told:
                return joined(answer.url, told)
            if before is None:
                raise ProtocolError("there is none")
            return before

    def _lost(self, upload: Upload, what: str, refusal: Refusal, digest: str = "") -> LongshoreError:
        error = upload_refused(self.where(upload.repository, digest), what, refusal)
        if not isinstance(error, UploadOffsetError):
            return error
        offset = _bytes(error.offset)
        # ECR names the first chunk's end whatever it has: told to go on where we just were, there is no way on.
        return UploadLostError(str(error)) if offset == upload.offset else UploadOffsetError(str(error), offset)


def _bytes(acknowledged: int) -> int:
    """`0-0` is what an upload without a byte says (mirror 3); with exactly one byte there is none of ours."""
    return acknowledged if acknowledged > 1 else 0
