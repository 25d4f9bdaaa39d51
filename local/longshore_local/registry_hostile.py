"""Hostile manners: what broken, overloaded or malicious registries answer, as faults for a registry's script."""

import gzip
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from longshore_local.loopback import Reply
from longshore_local.registry_faults import Fault, HangUpError, Headers

Place = Literal["before-headers", "in-headers", "after-headers", "in-body", "before-last-byte"]
PLACES: tuple[Place, ...] = ("before-headers", "in-headers", "after-headers", "in-body", "before-last-byte")
_PAUSE_AT_MOST = 0.25


@dataclass(frozen=True, slots=True)
class Instead(Fault):
    """A fixed answer; the registry does nothing."""

    reply: Reply

    def instead(self, path: str) -> Reply | None:
        return self.reply


@dataclass(frozen=True, slots=True)
class CutAnswer(Fault):
    """The registry does what was asked, then its answer is cut: at a place, or after so many bytes of the body.

    `reset` sends RST; without, the end looks like the end of the connection. The answer to an upload that is cut
    `before-headers` is the classic doubt: the bytes were kept, and the client does not know.
    """

    at: Place | int = "before-headers"
    reset: bool = True

    def head(self, block: bytes) -> Iterator[bytes]:
        if self.at == "in-headers":
            yield block[: len(block) // 2]
        if self.at in ("before-headers", "in-headers"):
            raise HangUpError(reset=self.reset)
        yield block
        if self.at == "after-headers":
            raise HangUpError(reset=self.reset)

    def body(self, pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
        yield from _first(pieces, self._offset(length))
        raise HangUpError(reset=self.reset)

    def _offset(self, length: int) -> int:
        if isinstance(self.at, int):
            return self.at
        return length // 2 if self.at == "in-body" else max(length - 1, 0)


@dataclass(frozen=True, slots=True)
class CutRequest(Fault):
    """The connection is reset after so many bytes of the request's body; what of it is kept, manners say."""

    after: int = 0

    def cut_request_after(self) -> int | None:
        return self.after


@dataclass(frozen=True, slots=True)
class Damage(Fault):
    """One bit of the body is another; -1 is the last byte."""

    at: int = 0

    def body(self, pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
        place, position = self.at % max(length, 1), 0
        for piece in pieces:
            if position <= place < position + len(piece):
                broken = bytearray(piece)
                broken[place - position] ^= 1
                yield bytes(broken)
            else:
                yield piece
            position += len(piece)


@dataclass(frozen=True, slots=True)
class Shorten(Fault):
    """The last bytes are missing. Honest: Content-Length says so; else it lies and the connection ends early."""

    by: int = 1
    honest: bool = False

    def headers(self, headers: Headers, length: int | None) -> tuple[Headers, int | None]:
        return headers, length - self.by if self.honest and length is not None else length

    def body(self, pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
        yield from _first(pieces, length - self.by)
        if not self.honest:
            raise HangUpError(reset=False)


@dataclass(frozen=True, slots=True)
class Lengthen(Fault):
    """More bytes follow. Honest: Content-Length counts them; else they lie in the way of the next answer."""

    by: int = 1
    honest: bool = False

    def headers(self, headers: Headers, length: int | None) -> tuple[Headers, int | None]:
        return headers, length + self.by if self.honest and length is not None else length

    def body(self, pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
        return itertools.chain(pieces, [b"\0" * self.by])


@dataclass(frozen=True, slots=True)
class Lie(Fault):
    """Headers that are not true: values to tell instead, None to tell nothing."""

    told: Mapping[str, str | None] = field(default_factory=dict)

    def headers(self, headers: Headers, length: int | None) -> tuple[Headers, int | None]:
        lower = {name.lower() for name in self.told}
        kept = {name: value for name, value in headers.items() if name.lower() not in lower}
        return {**kept, **{name: value for name, value in self.told.items() if value is not None}}, length


@dataclass(frozen=True, slots=True)
class Zip(Fault):
    """The body comes compressed, with Content-Encoding: gzip, whether or not that was asked for."""

    def headers(self, headers: Headers, length: int | None) -> tuple[Headers, int | None]:
        return {**headers, "Content-Encoding": "gzip"}, None

    def body(self, pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
        yield gzip.compress(b"".join(pieces), mtime=0)


@dataclass(frozen=True, slots=True)
class Slow(Fault):
    """The body comes in `parts`, with pauses that take no longer than `seconds` together (a quarter each at most)."""

    parts: int = 4
    seconds: float = 0.2

    def body(self, pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
        size = max(length // self.parts, 1)
        for piece in pieces:
            for first in range(0, len(piece), size):
                time.sleep(min(self.seconds / self.parts, _PAUSE_AT_MOST))
                yield piece[first : first + size]


class EndlessPages(Fault):
    """A list whose every page has a next one: of new names, or (`looping`) always the same page."""

    def __init__(self, member: Literal["tags", "manifests", "repositories"] = "tags", *, looping: bool = False) -> None:
        self._member = member
        self._looping = looping
        self._pages = itertools.count(1)

    def instead(self, path: str) -> Reply | None:
        page = 1 if self._looping else next(self._pages)
        entry: object = f"endless-{page}"
        if self._member == "manifests":
            kind = "application/vnd.oci.image.manifest.v1+json"
            entry = {"mediaType": kind, "digest": f"sha256:{page:064x}", "size": 2, "artifactType": "text/plain"}
        document = {"schemaVersion": 2, "name": "endless", self._member: [entry]}
        link = f'<{path.partition("?")[0]}?n=1&last=endless-{page}>; rel="next"'
        kind = "application/vnd.oci.image.index.v1+json" if self._member == "manifests" else "application/json"
        return Reply(200, json.dumps(document).encode(), {"Link": link, "Content-Type": kind})


def _first(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        if size <= 0:
            return
        yield piece[:size]
        size -= len(piece)
