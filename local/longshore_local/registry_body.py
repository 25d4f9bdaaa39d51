"""The body of an HTTP request, with a length or in chunks, read in pieces."""

from collections.abc import Callable, Iterator
from email.message import Message
from typing import BinaryIO

from longshore_local.registry_store import RegistryError

_PIECE = 1024 * 1024
_DRAIN_AT_MOST = 8 * 1024 * 1024


class BodyCutError(ConnectionError):
    """The client went away in the middle of a body, or a fault cut it off."""


class RequestBody:
    """What is still to be read of one request. http.server leaves transfer codings to its handlers.

    `count` is told of every byte that came; after `cut_after` bytes no more are read.
    """

    def __init__(self, stream: BinaryIO, headers: Message) -> None:
        self.count: Callable[[int], None] = lambda size: None
        self.cut_after: int | None = None
        self.told_length = int(length) if (length := headers.get("Content-Length", "")).isdecimal() else None
        self._stream = stream
        self._chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
        self._broken = not headers.get("Content-Length", "0").isdecimal()
        self._left = 0 if self._chunked or self._broken else int(headers.get("Content-Length", "0"))
        self._finished = not self._chunked and not self._left

    @property
    def has_length(self) -> bool:
        """Whether there is no body, or Content-Length tells how long it is."""
        return not self._chunked

    @property
    def is_cut(self) -> bool:
        """Whether a fault has ended it."""
        return self.cut_after == 0

    def pieces(self) -> Iterator[bytes]:
        """The rest of the body; BodyCutError when it ends early or its length is no number."""
        if self._broken:
            raise BodyCutError("Content-Length is no number")
        while not self._finished:
            if self._chunked and not self._left and not self._next_chunk():
                return
            if self.is_cut:
                raise BodyCutError("a fault cut the request body")
            piece = self._stream.read(min(self._left, _PIECE, self.cut_after or _PIECE))
            if not piece:
                raise BodyCutError("the request body ended early")
            self.count(len(piece))
            self._left -= len(piece)
            if self.cut_after is not None:
                self.cut_after -= len(piece)
            if not self._left:
                self._end_of_chunk()
            yield piece

    def read(self, at_most: int) -> bytes:
        """The whole body; SIZE_INVALID when it is larger."""
        content = b""
        for piece in self.pieces():
            content += piece
            if len(content) > at_most:
                raise RegistryError(413, "SIZE_INVALID", f"the body has more than {at_most} bytes")
        return content

    def drain(self) -> bool:
        """Reads what nobody wanted, so that the connection can go on; False when that is not worth it."""
        drained = 0
        for piece in self.pieces():
            drained += len(piece)
            if drained > _DRAIN_AT_MOST:
                return False
        return True

    def _next_chunk(self) -> bool:
        line = self._stream.readline(1024).split(b";")[0].strip()
        try:
            self._left = int(line, 16)
        except ValueError as error:
            raise BodyCutError(f"no chunk size: {line!r}") from error
        if self._left:
            return True
        while self._stream.readline(65_536).strip():
            pass  # trailers
        self._finished = True
        return False

    def _end_of_chunk(self) -> None:
        if self._chunked:
            self._stream.readline(2)
        else:
            self._finished = True
