"""Blobs of a registry: whether they are there, and their content as a stream that mends itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from longshore.errors import UpstreamError
from longshore.manifests import hash_for
from longshore.mirror.errors import IntegrityError
from longshore.registries.answers import Refusal, Where, refused
from longshore.registries.caller import Caller
from longshore.registries.headers import content_range
from longshore.registries.transport import Request

if TYPE_CHECKING:
    from types import TracebackType

    from longshore.images import Digest
    from longshore.manifests import Descriptor, Hash
    from longshore.mirror.ports import Chunk
    from longshore.registries.patience import Patience
    from longshore.registries.transport import Answer

TLS_BUFFER: Final = 256 * 1024
PLAIN_BUFFER: Final = 1024 * 1024
"""Bytes read at once: the measured optimum with and without TLS (mirror 6.1, 6.2)."""
_PROGRESS: Final = 256 * 1024
"""A connection that brought so many bytes before it broke does not count as a failed try."""
_MOST_OPENED: Final = 1_000
_MOST_LOCATIONS: Final = 64
_UNTOLD: Final = frozenset({401, 403, 405, 501})
_REDIRECTS: Final = range(300, 400)


class Span(NamedTuple):
    """What is wanted of a blob: bytes `first` up to, not including, `end`, of `size`."""

    first: int
    end: int
    size: int

    @property
    def header(self) -> dict[str, str]:
        """The Range header; none for the whole."""
        if self.first == 0 and self.end == self.size:
            return {}
        return {"Range": f"bytes={self.first}-" + (str(self.end - 1) if self.end < self.size else "")}


class Blobs(Caller):
    """The blob operations of `longshore.mirror.ports.Registry`, reading."""

    _heads_blobs = True

    def has_blob(self, repository: str, digest: Digest) -> bool | None:
        """See the port."""
        if self._heads_blobs:
            found = self._told(repository, digest, "HEAD")
            if found is not None:
                return found
            self._heads_blobs = False
        # ECR Public refuses HEAD of a blob to whom it allows GET (mirror 3).
        return self._told(repository, digest, "GET")

    def _told(self, repository: str, digest: Digest, method: str) -> bool | None:
        reading = method == "GET"
        headers = {"Range": "bytes=0-0"} if reading else {}
        url = self.url(repository, f"blobs/{digest}")
        answer = self.ask(repository, digest, Request(method, url, "blob", headers, follow=not reading))
        status = answer.status
        answer.discard()
        if status == 404:  # noqa: PLR2004
            return False
        if status in _UNTOLD:
            return None
        if status in (200, 206, 416) or (reading and status in _REDIRECTS):
            return True
        raise self.refusal(repository, digest, f"{method} blob", Refusal(status, (), ""))

    def blob(
        self,
        repository: str,
        blob: Descriptor,
        offset: int = 0,
        length: int | None = None,
        hashed: Hash | None = None,
    ) -> BlobStream:
        """See the port."""
        end = blob.size if length is None else offset + length
        if not 0 <= offset <= end <= blob.size:
            raise ValueError(f"bytes {offset} to {end} of a blob of {blob.size}")
        if offset == 0 and hashed is None and end == blob.size:
            hashed = hash_for(blob.digest)
        return BlobStream(
            lambda span: self._opened(repository, blob.digest, span),
            self.where(repository, blob.digest),
            Span(offset, end, blob.size),
            blob.digest,
            hashed,
            self._patience,
            PLAIN_BUFFER if self.origin.scheme == "http" else TLS_BUFFER,
            self.count_received,
        )

    def _opened(self, repository: str, digest: Digest, span: Span) -> Answer:
        """The answer that brings a span, or what of it the registry likes: 200 or 206."""
        key = f"{repository}@{digest}"
        located = self._locations.get(key) if span.header else None
        if located is not None:
            with contextlib.suppress(UpstreamError):
                answer = self.ask(repository, digest, Request("GET", located, "blob", span.header))
                if answer.status in (200, 206):
                    return answer
                answer.discard()
            self._locations.pop(key, None)  # its signature expired, or it broke: ask the registry for another
        answer = self.ask(
            repository, digest, Request("GET", self.url(repository, f"blobs/{digest}"), "blob", span.header)
        )
        if answer.status not in (200, 206):
            raise _unreadable(self.where(repository, digest), Refusal.of(answer))
        if answer.origin != self.origin:
            if len(self._locations) >= _MOST_LOCATIONS:
                self._locations.clear()
            self._locations[key] = answer.url
        return answer


class BlobStream:
    """`longshore.mirror.ports.BlobReader`: verified, and taken up again where the connection broke."""

    def __init__(
        self,
        opened: Callable[[Span], Answer],
        where: Where,
        span: Span,
        digest: Digest,
        hashed: Hash | None,
        patience: Patience,
        buffer: int,
        count: Callable[[int], None],
    ) -> None:
        self._open = opened
        self._where = where
        self._at, self._end, self._size = span
        self._digest = digest
        self._hash = hashed
        self._whole = hashed is None and span.first > 0
        """Whether what came before is unknown: then only a hash of all can be verified, made anew at each opening."""
        self._patience = patience
        self._buffer = memoryview(bytearray(max(min(buffer, self._end - self._at), 1)))
        self._count = count
        self._answer: Answer | None = None
        self._fed = 0

    @property
    def offset(self) -> int:
        """See the port."""
        return self._at

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._answer is not None:
            self._answer.release()

    def __iter__(self) -> Iterator[Chunk]:
        failed, mark = 0, self._at
        for _ in range(_MOST_OPENED):
            answer = self._answer = self._open(Span(self._at, self._end, self._size))
            try:
                yield from self._pieces(answer, self._to_skip(answer))
                return
            except UpstreamError as error:
                answer.close()
                failed, mark = (1, self._at) if self._at - mark >= _PROGRESS else (failed + 1, mark)
                text = f"{self._where}: GET blob: after {self._at} of {self._size} bytes: {error}"
                if not self._patience.before_retry(failed, None, text):
                    raise UpstreamError(text) from None
            except IntegrityError:
                answer.close()
                raise
        raise UpstreamError(f"{self._where}: GET blob: the connection broke {_MOST_OPENED} times")

    def _to_skip(self, answer: Answer) -> int:
        """How many bytes come again before the first that is missing. Raises IntegrityError for a wrong range."""
        if answer.status == 200:  # noqa: PLR2004
            if answer.length not in (None, self._size):
                raise self._corrupt(f"the registry has {answer.length} bytes, the manifest says {self._size}")
            if self._whole and self._end == self._size:
                self._hash, self._fed = hash_for(self._digest), 0  # all of it comes: all of it can be verified
                return -self._at
            return self._at
        if self._whole and self._hash is not None and self._fed != self._at:
            self._hash = None  # it broke while what is known was skipped: what is hashed does not go on here
        told = content_range(answer.headers.get("content-range"))
        if told is None or told.first != self._at or told.last >= self._end or told.total not in (None, self._size):
            said = answer.headers.get("content-range", "nothing")[:100]
            raise self._corrupt(f"asked for bytes {self._at} to {self._end - 1} of {self._size}, got {said!r}")
        return 0

    def _pieces(self, answer: Answer, skip: int) -> Iterator[Chunk]:
        self._skip(answer, abs(skip), hashing=skip < 0)
        while self._at < self._end:
            count = answer.read_into(self._buffer[: self._end - self._at])
            if count == 0:
                raise UpstreamError("the body ended early")
            piece = self._buffer[:count]
            self._take(piece, hashing=True)
            self._at += count
            if self._at == self._end:
                self._verify(answer)
            yield piece
        if self._end == self._size == 0:
            self._verify(answer)

    def _skip(self, answer: Answer, left: int, *, hashing: bool) -> None:
        while left:
            count = answer.read_into(self._buffer[:left])
            if count == 0:
                raise UpstreamError("the body ended early")
            self._take(self._buffer[:count], hashing=hashing)
            left -= count

    def _take(self, piece: memoryview, *, hashing: bool) -> None:
        self._count(len(piece))
        if hashing and self._hash is not None:
            self._hash.update(piece)
            self._fed += len(piece)

    def _verify(self, answer: Answer) -> None:
        """Before the last piece is handed on: whoever stores it must not be able to complete a wrong blob."""
        whole = self._end == self._size
        if whole and answer.length is None and _has_more(answer):
            raise self._corrupt(f"more than the {self._size} bytes that the manifest says")
        if whole and self._hash is not None:
            algorithm = self._digest.partition(":")[0]
            actual = f"{algorithm}:{self._hash.hexdigest()}"
            if actual != self._digest:
                raise self._corrupt(f"the content is {actual}")
        if whole or answer.status == 206:  # noqa: PLR2004
            answer.release()

    def _corrupt(self, text: str) -> IntegrityError:
        return IntegrityError(f"{self._where}: GET blob: {text}")


def _has_more(answer: Answer) -> bool:
    with contextlib.suppress(UpstreamError):  # all that was wanted is there
        return answer.read_into(memoryview(bytearray(1))) > 0
    return False


def _unreadable(where: Where, refusal: Refusal) -> Exception:
    if refusal.status == 416:  # noqa: PLR2004
        return IntegrityError(f"{where}: GET blob: shorter than the manifest says: {refusal.text}")
    if refusal.status in range(200, 300):
        return UpstreamError(f"{where}: GET blob: {refusal.status} is no answer to this")
    return refused(where, "GET blob", refusal)
