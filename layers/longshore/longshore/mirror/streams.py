"""A blob's content on its way from the source: hashed, cut into the chunks of an upload, its errors kept apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError
from longshore.mirror.errors import IntegrityError

if TYPE_CHECKING:
    from longshore.manifests import Hash
    from longshore.mirror.ports import Chunk


class RunningHash:
    """A hash that remembers what it was at the boundaries of chunks, so that a chunk can be sent again.

    hashlib's state cannot be written down: in another process a resumed blob is vouched for by the registry's own
    check alone, which every registry makes (mirror 7.12).
    """

    def __init__(self, hashed: Hash, position: int, step: int) -> None:
        """`hashed` has taken `position` bytes; boundaries are every `step` bytes from there."""
        self._hash = hashed
        self._step = step
        self._boundary = position + step
        self._kept: deque[tuple[int, Hash]] = deque([(position, hashed.copy())])
        self.position = position

    def update(self, data: bytes | memoryview, /) -> None:
        """Takes more, boundary by boundary."""
        view = memoryview(data)
        while len(view) >= (room := self._boundary - self.position):
            self._take(view[:room])
            self._kept.append((self._boundary, self._hash.copy()))
            self._boundary += self._step
            view = view[room:]
        self._take(view)

    def hexdigest(self) -> str:
        """The hash of all that came so far."""
        return self._hash.hexdigest()

    def copy(self) -> RunningHash:
        """Another that goes on from here by itself."""
        return RunningHash(self._hash.copy(), self.position, self._step)

    def acknowledged(self, offset: int) -> None:
        """What was before this boundary will not be asked for again."""
        while len(self._kept) > 1 and self._kept[1][0] <= offset:
            self._kept.popleft()

    def at(self, offset: int) -> RunningHash | None:
        """The hash of the first `offset` bytes; None where it is not remembered."""
        return next((RunningHash(kept.copy(), at, self._step) for at, kept in self._kept if at == offset), None)

    def _take(self, view: memoryview) -> None:
        self._hash.update(view)
        self.position += len(view)


class Pieces:
    """The pieces of a blob, dealt out in chunks. `error` is what ended them early, `blames_source` whether it did.

    The destination's client passes an error of the body on in its own words; who is to blame is known only here.
    """

    def __init__(self, pieces: Iterator[Chunk], passing: Callable[[int], None]) -> None:
        """`passing` is called with the size of every piece, and may raise to end it all."""
        self._pieces = pieces
        self._passing = passing
        self._left = memoryview(b"")
        self.error: LongshoreError | None = None
        self.blames_source = False

    def take(self, length: int) -> Iterator[memoryview]:
        """The next `length` bytes. Raises what the source raises."""
        while length:
            piece = self._left or self._next()
            dealt, self._left = piece[:length], piece[length:]
            length -= len(dealt)
            yield dealt

    def drain(self) -> None:
        """Reads to the end: the digest of a blob without content is verified too."""
        try:
            for _ in self._pieces:
                pass
        except LongshoreError as error:
            self.error, self.blames_source = error, True
            raise

    def _next(self) -> memoryview:
        try:
            piece = memoryview(next(self._pieces, b""))
            if not piece:
                raise IntegrityError("the source ended before the blob did")
        except LongshoreError as error:
            self.error, self.blames_source = error, True
            raise
        try:
            self._passing(len(piece))
        except LongshoreError as error:
            self.error = error
            raise
        return piece
