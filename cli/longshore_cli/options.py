"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def stack_options(command: _Command) -> _Command:
    """Gives a command ``--stack`` and ``--config``: whose ledger and parameters, and which profiles, it answers by."""
    stack = click.option("--stack", "stack_name", default="longshore", show_default=True, help="The deployed stack.")
    config = click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="The longshore.yaml with the profiles; layers/config/longshore.yaml when there is one.",
    )
    return stack(config(command))
