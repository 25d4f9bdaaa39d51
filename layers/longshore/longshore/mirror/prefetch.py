"""Reading a blob from a source that gives each connection little: several ranges at once, while that helps."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.mirror.errors import IntegrityError, UnfinishedError
from longshore.mirror.orders import MIB

if TYPE_CHECKING:
    from longshore.manifests import Descriptor
    from longshore.mirror.orders import Bounds
    from longshore.mirror.ports import Chunk, Registry
    from longshore.mirror.streams import RunningHash

_MEASURED_SECONDS: Final = 0.5
_GAIN: Final = 1.25
"""So much faster must twice as many connections be, or they are not worth their memory."""


Content = Generator["Chunk", None, None]
"""The pieces of a blob; `close` it when it is not read to its end."""
_Part = Generator["Chunk", None, int]
"""Some of the pieces, and how far into the blob they reach."""


class _Window:
    """A stretch of one stream's time: how much of it was waiting for the source, and what all streams brought in it."""

    def __init__(self, now: float, total: int) -> None:
        self.began = now
        self.waited = 0.0
        self._total = total

    def is_over(self, now: float) -> bool:
        """Whether it is long enough to tell."""
        return now - self.began >= _MEASURED_SECONDS

    def rate(self, now: float, total: int) -> float:
        """Bytes a second of all streams together."""
        return (total - self._total) / max(now - self.began, 1e-6)

    def is_idle(self, now: float) -> bool:
        """Whether it is the source that the stream waits for, not the destination or the processor."""
        return self.waited > (now - self.began) / 2


@dataclass
class Reading:
    """Reads blobs of one repository; at most one of them at a time by several connections, which bounds memory."""

    source: Registry
    repository: str
    bounds: Bounds
    monotonic: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._several = threading.Lock()
        self._counting = threading.Lock()
        self._total = 0
        self._rate = 0.0  # of the one who holds `_several`, before it had more connections

    def content(self, blob: Descriptor, offset: int, hashed: RunningHash | None) -> Content:
        """The bytes from `offset` on; `hashed` has taken those before. To be closed when not read to the end."""
        at = yield from self._single(blob, offset, hashed)
        if at < blob.size:
            try:
                at = yield from _Ranges(self, blob, at, hashed, self._rate).content()
            finally:
                self._several.release()
        if at < blob.size:  # it did not help
            yield from self._single(blob, at, hashed, patient=True)

    def count(self, size: int) -> None:
        """So many bytes came, in whatever stream."""
        with self._counting:
            self._total += size

    def _single(self, blob: Descriptor, offset: int, hashed: RunningHash | None, *, patient: bool = False) -> _Part:
        """By one connection, to the end or until it has proved slow; returns how far it came."""
        reached, window = offset, _Window(self.monotonic(), self._total)
        with self.source.blob(self.repository, blob, offset, hashed=hashed) as reader:
            pieces = iter(reader)
            while True:
                asked = self.monotonic()
                piece = next(pieces, None)
                now = self.monotonic()
                if piece is None:
                    return blob.size
                window.waited += now - asked
                reached += len(piece)
                self.count(len(piece))
                yield piece
                if not patient and window.is_over(now):
                    if self._wants_more(window, now, blob.size - reached):
                        return reached
                    window = _Window(now, self._total)

    def _wants_more(self, window: _Window, now: float, left: int) -> bool:
        rate = window.rate(now, self._total)
        slow = rate < self.bounds.throttled and window.is_idle(now)
        if self.bounds.ahead < 2 or not slow or left <= 2 * self.bounds.part:  # noqa: PLR2004
            return False
        if not self._several.acquire(blocking=False):
            return False
        self._rate = rate
        return True


class _Ranges:
    def __init__(self, reading: Reading, blob: Descriptor, at: int, hashed: RunningHash | None, rate: float) -> None:
        self._reading = reading
        self._rate = rate
        self._blob = blob
        self._at = at  # handed on up to here
        self._asked = at
        self._hash = hashed
        self._closing = threading.Event()
        self._free: deque[bytearray] = deque()  # used again: what is given back to the allocator is not given back

    def content(self) -> _Part:
        """In order, with as many connections as help; returns how far it came."""
        width, rate = 2, self._rate
        pool = ThreadPoolExecutor(self._reading.bounds.ahead, "blob ranges")
        parts: deque[Future[memoryview]] = deque()
        try:
            while self._at < self._blob.size:
                begun, came = self._reading.monotonic(), self._at
                for _ in range(width):
                    self._ask(pool, parts, width)
                    if not parts:
                        break
                    yield from self._handed_on(parts.popleft().result())
                faster = (self._at - came) / max(self._reading.monotonic() - begun, 1e-6)
                if faster < rate * _GAIN and width == 2:  # noqa: PLR2004
                    yield from self._rest(parts)
                    break
                if faster >= rate * _GAIN and width < self._reading.bounds.ahead:
                    width = min(2 * width, self._reading.bounds.ahead)
                    rate = faster
        finally:
            self._closing.set()
            pool.shutdown(cancel_futures=True)
        return self._at

    def _ask(self, pool: ThreadPoolExecutor, parts: deque[Future[memoryview]], width: int) -> None:
        while len(parts) < width and self._asked < self._blob.size:
            length = min(self._reading.bounds.part, self._blob.size - self._asked)
            parts.append(pool.submit(self._read, self._asked, length))
            self._asked += length

    def _rest(self, parts: deque[Future[memoryview]]) -> Iterator[Chunk]:
        while parts:
            yield from self._handed_on(parts.popleft().result())

    def _read(self, offset: int, length: int) -> memoryview:
        buffer = self._free.popleft() if self._free else bytearray(self._reading.bounds.part)
        part, at = memoryview(buffer)[:length], 0
        with self._reading.source.blob(self._reading.repository, self._blob, offset, length) as reader:
            for piece in reader:
                if self._closing.is_set():
                    raise UnfinishedError("not wanted any more")
                part[at : at + len(piece)] = piece
                at += len(piece)
        return part

    def _handed_on(self, part: memoryview) -> Iterator[Chunk]:
        for first in range(0, len(part), MIB):
            piece = part[first : first + MIB]
            if self._hash is not None:
                self._hash.update(piece)
            self._at += len(piece)
            self._reading.count(len(piece))
            if self._at == self._blob.size:
                self._verify()
            yield piece
        buffer = part.obj
        assert isinstance(buffer, bytearray)
        self._free.append(buffer)

    def _verify(self) -> None:
        """Before the last piece is handed on, as a reader does."""
        if self._hash is None:
            return
        algorithm = self._blob.digest.partition(":")[0]
        actual = f"{algorithm}:{self._hash.hexdigest()}"
        if actual != self._blob.digest:
            source = self._reading.source
            place = f"{source.side} {source.host}/{self._reading.repository}@{self._blob.digest}"
            raise IntegrityError(f"{place}: GET blob: the content is {actual}")
