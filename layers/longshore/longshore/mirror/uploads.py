"""One blob to the destination: mounted, or sent in chunks of which a broken connection costs one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from longshore.errors import AmbiguousError, LongshoreError, ThrottledError, UpstreamError
from longshore.manifests import hash_for
from longshore.mirror.errors import (
    BusyError,
    IntegrityError,
    LeaseLostError,
    PutOffError,
    RefusedError,
    UnfinishedError,
    UploadLostError,
    UploadOffsetError,
)
from longshore.mirror.leases import Held
from longshore.mirror.orders import MIB
from longshore.mirror.streams import Pieces, RunningHash

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.manifests import Descriptor
    from longshore.mirror.limits import Deadline, Retries
    from longshore.mirror.orders import Bounds
    from longshore.mirror.ports import Registry, Side, Upload, UploadLedger
    from longshore.mirror.prefetch import Content, Reading
    from longshore.mirror.stores import Leases
    from longshore.ports import Clock

_TOO_LARGE: Final = 413
_SMALLEST_CHUNK: Final = 5 * MIB
"""ECR takes no smaller part but the last (mirror 3)."""
How = Literal["sent", "mounted", "there"]
Siblings = Callable[["Digest"], "str | None"]
"""Which other repository of the destination's host has a blob, as far as is known."""


class BlobError(Exception):
    """Why a blob is not at the destination, and which side is to blame; never leaves this package."""

    def __init__(self, digest: Digest, side: Side | None, error: LongshoreError) -> None:
        super().__init__(str(error))
        self.digest = digest
        self.side = side
        self.error = error


@dataclass
class Sender:
    """Sends blobs of one repository to another. Thread-safe.

    One at a time sends a blob: of several threads one, whose result is that of the others; of several invocations the
    one that has the lease. What is `small` needs none: to send it twice costs less.
    """

    reading: Reading
    destination: Registry
    repository: str
    bounds: Bounds
    deadline: Deadline
    clock: Clock
    retries: Callable[[], Retries]
    ledger: UploadLedger | None = None
    siblings: Siblings = field(default=lambda digest: None)
    moved: Callable[[int], None] = field(default=lambda count: None)
    before_finish: Callable[[], None] = field(default=lambda: None)
    kept: Callable[[], None] = field(default=lambda: None)
    leases: Leases | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Digest, Future[How]] = {}

    def place(self, blob: Descriptor, *, look: bool) -> How:
        """Has a blob be at the destination; `look` first whether it is.

        Raises BlobError; of a BusyError while another invocation sends it.
        """
        mine: Future[How] = Future()
        with self._lock:
            flight = self._flights.setdefault(blob.digest, mine)
        if flight is not mine:
            flight.result()
            return "there"
        try:
            mine.set_result(self._placed(blob, look=look))
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._flights[blob.digest]
        return mine.result()

    def _placed(self, blob: Descriptor, *, look: bool) -> How:
        sending = _Sending(self, blob)
        try:
            self.deadline.check(min(blob.size, self.bounds.chunk))
            with self._lease(blob) as sending.is_alone:
                if look and self.destination.has_blob(self.repository, blob.digest):
                    self._forget(blob)
                    return "there"
                begun = self.clock.now()
                how = sending.run()
        except LongshoreError as error:
            raise BlobError(blob.digest, sending.to_blame(error), error) from None
        if how == "sent":
            self.deadline.sent(blob.size, (self.clock.now() - begun).total_seconds())
        return how

    @contextlib.contextmanager
    def _lease(self, blob: Descriptor) -> Iterator[Callable[[], bool]]:
        """Tells whether nobody else may send the blob, from now until it says otherwise."""
        if self.leases is None or blob.size <= self.bounds.small:
            yield lambda: True
            return
        held = Held.take(self.leases, self.clock, f"blob {self.destination.host}/{self.repository}@{blob.digest}")
        if held is None:
            yield lambda: False
            return
        try:
            yield held.is_kept
        finally:
            held.release()

    def _forget(self, blob: Descriptor) -> None:
        if self.ledger is not None and self.is_large(blob):
            self.ledger.forget(self.destination.host, self.repository, blob.digest)

    def is_large(self, blob: Descriptor) -> bool:
        """Whether it goes in more than one chunk."""
        return blob.size > self.bounds.chunk


class _Sending:
    def __init__(self, sender: Sender, blob: Descriptor) -> None:
        self._sender = sender
        self._to = sender.destination
        self._blob = blob
        self._hash: RunningHash | None = None
        self._upload: Upload | None = None
        self._chunk = sender.bounds.chunk
        self._doubted = False
        self._skipped = False
        self.is_alone: Callable[[], bool] = lambda: True
        self.pieces: Pieces | None = None

    def to_blame(self, error: LongshoreError) -> Side | None:
        """Whose error it was; nobody's when the time was up, or somebody else is at it."""
        if isinstance(error, UnfinishedError | BusyError | LeaseLostError):
            return None
        return "source" if self.pieces is not None and self.pieces.blames_source else "destination"

    def run(self) -> How:
        """Until the registry has confirmed the digest of all of it."""
        self._check_alone()
        retries = self._sender.retries()
        upload = self._resumed() or self._begun()
        while upload is not None:
            self._upload = upload
            try:
                self._send()
                self._forget()
                return "sent"
            except (UploadLostError, UploadOffsetError, UpstreamError) as error:
                self._end_with_the_pieces()
                if self._is_there_after(error):
                    self._forget()
                    return "sent"
                if not retries.again(self._upload.offset):
                    self._give_up()
                    raise
                upload = self._next_try(error)
            except LongshoreError as error:
                again = self._otherwise(error, retries)
                if again is None:
                    self._leave(error)
                    raise
                upload = again
        return "mounted"

    def _otherwise(self, error: LongshoreError, retries: Retries) -> Upload | None:
        """Another session for what need not be the end."""
        self._end_with_the_pieces()
        if isinstance(error, RefusedError) and error.status == _TOO_LARGE and self._chunk > _SMALLEST_CHUNK:
            self._chunk = max(self._chunk // 4, _SMALLEST_CHUNK)
        elif isinstance(error, IntegrityError) and self._hash is None and not self._doubted:
            self._doubted = True  # what an earlier run had sent was not what it should be
        elif not self._is_throttled_only(error, retries):
            return None
        elif self._here.offset:
            with contextlib.suppress(UploadLostError, UploadOffsetError):
                return self._plausible(self._to.resume(self._here))
        self._to.cancel(self._here)
        return self._anew()

    def _is_throttled_only(self, error: LongshoreError, retries: Retries) -> bool:
        """Whether it was too fast, and the time that it should take has been waited for."""
        if isinstance(error, PutOffError):
            return retries.after(error.retry_after, self._here.offset)
        return isinstance(error, ThrottledError) and retries.again(self._here.offset)

    def _send(self) -> None:
        """From where the upload stands to its end. One reading of the source, whatever the number of chunks."""
        upload, blob = self._here, self._blob
        chunk = max(self._chunk, upload.min_chunk)
        self._hash = self._hash_at(upload.offset, chunk)
        with contextlib.closing(self._content(upload.offset)) as content:
            self.pieces = pieces = Pieces(content, self._passing)
            while blob.size - self._here.offset > chunk:
                self._upload = self._to.append(self._here, pieces.take(chunk), chunk)
                self._acknowledged(self._upload)
            if not blob.size:
                pieces.drain()
            self._sender.before_finish()
            left = blob.size - self._here.offset
            self._to.finish(self._here, blob, pieces.take(left), left)

    def _content(self, offset: int) -> Content:
        return self._sender.reading.content(self._blob, offset, self._hash)

    def _hash_at(self, offset: int, chunk: int) -> RunningHash | None:
        if offset == 0:
            return RunningHash(hash_for(self._blob.digest), 0, chunk)
        return self._hash.at(offset) if self._hash is not None else None

    def _passing(self, count: int) -> None:
        self._sender.deadline.check()
        self._check_alone()
        self._sender.moved(count)

    def _check_alone(self) -> None:
        if not self.is_alone():
            place = f"{self._to.host}/{self._sender.repository}@{self._blob.digest}"
            raise BusyError(f"somebody else is sending {place}")

    def _acknowledged(self, upload: Upload) -> None:
        if self._hash is not None:
            self._hash.acknowledged(upload.offset)
        if self._sender.ledger is not None:
            self._check_alone()
            self._sender.ledger.save(self._to.host, self._blob.digest, upload)
            self._sender.kept()
        self._sender.deadline.check(min(self._blob.size - upload.offset, self._sender.bounds.chunk))

    @property
    def _here(self) -> Upload:
        assert self._upload is not None
        return self._upload

    def _end_with_the_pieces(self) -> None:
        """The source's reader has tried again by itself, and a halt is a halt: neither is tried again here."""
        if self.pieces is not None and self.pieces.error is not None:
            self._leave(self.pieces.error)
            raise self.pieces.error

    def _is_there_after(self, error: LongshoreError) -> bool:
        """No answer came to the last bytes: they may have arrived."""
        if not isinstance(error, AmbiguousError):
            return False
        return bool(self._to.has_blob(self._here.repository, self._blob.digest))

    def _next_try(self, error: LongshoreError) -> Upload | None:
        """The session as it is now, or another."""
        if isinstance(error, UploadOffsetError) and error.offset <= self._blob.size:
            return self._here.at(self._believed(error.offset))
        if not isinstance(error, UploadLostError):
            with contextlib.suppress(UploadLostError, UploadOffsetError):
                return self._plausible(self._to.resume(self._here))
        return self._anew()

    def _believed(self, told: int) -> int:
        """Where the session stands. One that is sticky tells its first chunk's end whatever it has.

        What is refused there is then the chunk that arrived without anybody hearing of it: the next one follows it.
        """
        after = self._here.offset + max(self._chunk, self._here.min_chunk)
        if not self._here.sticky or told >= self._here.offset or self._skipped or after >= self._blob.size:
            return told
        self._skipped = True
        return after

    def _resumed(self) -> Upload | None:
        """Where another run left off."""
        ledger = self._sender.ledger
        if ledger is None or not self._sender.is_large(self._blob):
            return None
        saved = ledger.load(self._to.host, self._sender.repository, self._blob.digest)
        if saved is None or saved.repository != self._sender.repository:
            return None
        with contextlib.suppress(UploadLostError, UploadOffsetError):
            return self._plausible(self._to.resume(saved))
        ledger.forget(self._to.host, self._sender.repository, self._blob.digest)
        return None

    def _plausible(self, upload: Upload) -> Upload:
        if upload.offset > self._blob.size:
            raise UploadLostError(f"{self._to.host} has {upload.offset} bytes of a blob of {self._blob.size}")
        return upload

    def _begun(self) -> Upload | None:
        sibling = self._sender.siblings(self._blob.digest)
        if sibling is not None and sibling != self._sender.repository:
            return self._to.mount(self._sender.repository, self._blob.digest, sibling)
        return self._anew()

    def _anew(self) -> Upload:
        """Another session; known to the ledger before its first chunk is, which else would have to be sent again."""
        upload = self._to.upload(self._sender.repository)
        if self._sender.ledger is not None and self._sender.is_large(self._blob):
            self._sender.ledger.save(self._to.host, self._blob.digest, upload)
        return upload

    def _forget(self) -> None:
        if self._sender.ledger is not None and self._sender.is_large(self._blob):
            self._sender.ledger.forget(self._to.host, self._sender.repository, self._blob.digest)

    def _leave(self, error: LongshoreError) -> None:
        """Ends the session, unless a later run can go on with it or somebody else does."""
        if isinstance(error, BusyError):
            return
        stays = isinstance(error, UnfinishedError | ThrottledError | UpstreamError) and self._here.offset > 0
        if not (stays and self._sender.ledger is not None):
            self._give_up()

    def _give_up(self) -> None:
        if self._sender.ledger is None or not self._here.offset:
            self._to.cancel(self._here)
