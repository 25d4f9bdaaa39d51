"""What a copy did: counts, what was left out, and what failed where."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from longshore.errors import LongshoreError
    from longshore.images import Digest
    from longshore.manifests import Descriptor
    from longshore.mirror.orders import Item
    from longshore.mirror.ports import Side


@dataclass(frozen=True, slots=True)
class Counts:
    """Manifests, blobs, and the blobs' bytes."""

    manifests: int = 0
    blobs: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that was not copied, or a referrer of it. `error` names side, host, repository and what was asked.

    `digest` is the blob or manifest that failed, `side` the registry that is to blame, where one is. `subjects`, of a
    referrer, are the ordered items that it refers to.
    """

    item: Item
    error: LongshoreError
    side: Side | None = None
    digest: Digest | None = None
    subjects: tuple[Item, ...] = ()

    def __str__(self) -> str:
        text = f"{self.item}: {self.error}"
        return text if self.digest is None or self.digest in text else f"{text} (of {self.digest})"


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a run. `copied`: items whose tag was set; `in_sync`: items that were there already.

    `foreign` are layers that stay where their licence keeps them; `seconds` is wall time; `pulls` are the requests for
    manifests of the source, where they were counted; `notes` say what else was left out, and why.
    """

    sent: Counts = Counts()
    skipped: Counts = Counts()
    mounted: int = 0
    copied: tuple[Item, ...] = ()
    in_sync: tuple[Item, ...] = ()
    failures: tuple[Failure, ...] = ()
    foreign: tuple[Descriptor, ...] = ()
    seconds: float = 0.0
    pulls: int | None = None
    notes: tuple[str, ...] = ()
    progressed: bool = False
    """Whether anything arrived for good: a blob, a manifest, or a piece of an upload that another run goes on with."""

    @property
    def ok(self) -> bool:
        """Whether all that was asked for is at the destination."""
        return not self.failures


class Progress(Protocol):
    """Is told how far a run is; from several threads, one at a time."""

    def planned(self, blobs: Sequence[Descriptor]) -> None:
        """These are looked at or sent next."""
        ...

    def moved(self, count: int) -> None:
        """So many bytes were read at the source and handed to the destination; some may be sent again."""
        ...

    def placed(self, blob: Descriptor, how: str) -> None:
        """A blob is at the destination: `sent`, `mounted` or `there`."""
        ...

    def finished(self, item: Item, how: str) -> None:
        """An item is done: `copied`, `in sync` or `failed`."""
        ...


class Silence:
    """A `Progress` for nobody."""

    def planned(self, blobs: Sequence[Descriptor]) -> None:
        """Nothing."""

    def moved(self, count: int) -> None:
        """Nothing."""

    def placed(self, blob: Descriptor, how: str) -> None:
        """Nothing."""

    def finished(self, item: Item, how: str) -> None:
        """Nothing."""


class Tally:
    """Counts while a run is under way, and passes on to a `Progress`. Thread-safe."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._report = Report()

    @contextmanager
    def _changing(self) -> Iterator[Report]:
        with self._lock:
            yield self._report

    def planned(self, blobs: Sequence[Descriptor]) -> None:
        """See `Progress`."""
        with self._lock:
            self._progress.planned(blobs)

    def moved(self, count: int) -> None:
        """See `Progress`."""
        with self._lock:
            self._progress.moved(count)

    def placed(self, blob: Descriptor, how: str) -> None:
        """See `Progress`."""
        with self._changing() as report:
            if how == "sent":
                self._report = replace(report, sent=_more(report.sent, blob.size), progressed=True)
            elif how == "mounted":
                self._report = replace(report, mounted=report.mounted + 1, progressed=True)
            else:
                self._report = replace(report, skipped=_more(report.skipped, blob.size))
            self._progress.placed(blob, how)

    def kept(self) -> None:
        """A piece of an upload arrived, and another run can go on after it."""
        with self._changing() as report:
            self._report = replace(report, progressed=True)

    def manifest(self, *, skipped: bool = False) -> None:
        """A manifest was stored, or was there."""
        with self._changing() as report:
            if skipped:
                counts = replace(report.skipped, manifests=report.skipped.manifests + 1)
                self._report = replace(report, skipped=counts)
            else:
                counts = replace(report.sent, manifests=report.sent.manifests + 1)
                self._report = replace(report, sent=counts, progressed=True)

    def left_out(self, layers: Sequence[Descriptor]) -> None:
        """Foreign layers."""
        with self._changing() as report:
            known = {layer.digest for layer in report.foreign}
            self._report = replace(
                report, foreign=(*report.foreign, *(each for each in layers if each.digest not in known))
            )

    def noted(self, notes: Sequence[str]) -> None:
        """What people should know of a batch; each once."""
        with self._changing() as report:
            self._report = replace(report, notes=tuple(dict.fromkeys((*report.notes, *notes))))

    def copied(self, item: Item) -> None:
        """An item's tag was set."""
        with self._changing() as report:
            self._report = replace(report, copied=(*report.copied, item))
            self._progress.finished(item, "copied")

    def in_sync(self, item: Item) -> None:
        """An item was there."""
        with self._changing() as report:
            self._report = replace(report, in_sync=(*report.in_sync, item))
            self._progress.finished(item, "in sync")

    def failed(self, failure: Failure) -> None:
        """An item was not copied."""
        with self._changing() as report:
            self._report = replace(report, failures=(*report.failures, failure))
            self._progress.finished(failure.item, "failed")

    def report(self, seconds: float) -> Report:
        """All of it."""
        with self._lock:
            return replace(self._report, seconds=seconds)


def _more(counts: Counts, size: int) -> Counts:
    return replace(counts, blobs=counts.blobs + 1, bytes=counts.bytes + size)
