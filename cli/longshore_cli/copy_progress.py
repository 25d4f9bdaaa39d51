"""How far a copy is: a bar on a terminal, a line now and then elsewhere; always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

import click

from longshore.images import is_digest
from longshore_cli.output import note, readable

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from longshore.manifests import Descriptor
    from longshore.mirror.orders import Item

_EVERY_SECONDS = 5.0
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size_text(count: float) -> str:
    """``3.2 MiB``."""
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def item_text(item: Item) -> str:
    """The tag of an image that was asked for by what the tag names; else both names."""
    return item.tag if item.tag and is_digest(item.reference) else str(item)


class Lines:
    """For logs and pipes: every item when it is done, and how many bytes went every few seconds."""

    def __init__(self, write: Callable[[str], None] = note, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._monotonic = monotonic
        self._last = monotonic()
        self._total = self._done = self._moved = 0

    def planned(self, blobs: Sequence[Descriptor]) -> None:
        """See `longshore.mirror.report.Progress`."""
        self._total += sum(blob.size for blob in blobs)

    def moved(self, count: int) -> None:
        """See the protocol."""
        self._moved += count
        if self._monotonic() - self._last >= _EVERY_SECONDS:
            self._last = self._monotonic()
            self._write(f"{size_text(self._moved)} of {size_text(self._total)}")

    def placed(self, blob: Descriptor, how: str) -> None:
        """See the protocol."""
        if how != "sent":
            self._total -= blob.size

    def finished(self, item: Item, how: str) -> None:
        """See the protocol."""
        self._write(f"{item_text(item)}: {how}")

    def say(self, text: str) -> None:
        """A line of the command's answer."""
        click.echo(text)

    def note(self, text: str) -> None:
        """A diagnostic, as `output.note`."""
        note(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass


class Bar:
    """For people who watch."""

    def __init__(self, progress: RichProgress) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("copying", total=0)
        self._total = 0

    def planned(self, blobs: Sequence[Descriptor]) -> None:
        """See `longshore.mirror.report.Progress`."""
        self._total += sum(blob.size for blob in blobs)
        self._progress.update(self._task, total=self._total)

    def moved(self, count: int) -> None:
        """See the protocol."""
        self._progress.advance(self._task, count)

    def placed(self, blob: Descriptor, how: str) -> None:
        """See the protocol."""
        if how != "sent":
            self._progress.advance(self._task, blob.size)

    def finished(self, item: Item, how: str) -> None:
        """See the protocol."""
        self.note(f"{item_text(item)}: {how}")

    def say(self, text: str) -> None:
        """As of `Lines`; on a terminal above the bar."""
        if sys.stdout.isatty():
            self.note(text)
        else:
            click.echo(text)

    def note(self, text: str) -> None:
        """As of `Lines`, above the bar."""
        self._progress.console.print(readable(text), soft_wrap=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()


def watcher() -> Lines | Bar:
    """The one for where standard error goes."""
    if not sys.stderr.isatty():
        return Lines()
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    columns = (BarColumn(None), DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
    return Bar(Progress(*columns, console=console, transient=True, redirect_stdout=False))
