"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def stack_options(command: _Command) -> _Command:
    """Gives a command ``--stack`` and ``--config``: whose ledger and parameters it answers by."""
    stack = click.option("--stack", "stack_name", default="longshore", show_default=True, help="The deployed stack.")
    config = click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="The longshore.yaml to go by; layers/config/longshore.yaml when there is one.",
    )
    return stack(config(command))


def network_options(command: _Command) -> _Command:
    """Gives a command ``--insecure`` and ``--private``: how far it may go to speak to a registry."""
    insecure = click.option("--insecure", is_flag=True, help="Allow HTTP, and HTTPS with any certificate.")
    private = click.option(
        "--private",
        "private",
        multiple=True,
        metavar="HOST",
        help="Allow a further host of a private network, where a registry has its token server or its layers.",
    )
    return insecure(private(command))
