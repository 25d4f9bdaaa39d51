"""What commands write: one JSON document or text for people on standard output, diagnostics on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

_Command = TypeVar("_Command", bound=Callable[..., Any])


def readable(text: str) -> str:
    """Text whose parts may be somebody else's, without what would drive a terminal; line breaks stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


class _ToldError(click.ClickException):
    def format_message(self) -> str:
        """See click."""
        return readable(self.message)


class FailedError(_ToldError):
    """The command could not do what it was asked for: exit 1."""

    exit_code = 1


class WrongError(_ToldError):
    """The usage, the configuration or the environment is wrong: exit 2."""

    exit_code = 2


def json_option(command: _Command) -> _Command:
    """Gives a command the flag ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Write one JSON document instead of text.")(command)


def write_json(document: Mapping[str, Any]) -> None:
    """The one document of a command; times are ISO 8601."""
    click.echo(json.dumps(document, indent=2, default=str, ensure_ascii=False))


def note(text: str) -> None:
    """A diagnostic: something worth knowing that is no part of the answer."""
    click.echo(readable(text), err=True)


def meaning(code: str) -> str:
    """What a reason's code means, and the code."""
    from longshore.decisions import Reason

    return next((f"{reason.meaning} [{reason}]" for reason in Reason if reason.value == code), f"[{code}]")


def columns(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows with their columns under each other, as lines that end where their text ends."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def console() -> Console:
    """Colour on a terminal; elsewhere plain lines, never wrapped or cut."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 10_000
    return Console(width=width, highlight=False, markup=False, emoji=False)
