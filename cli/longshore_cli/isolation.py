"""Keeps a command that runs the bundle in its own process away from the caller's AWS account."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def isolated() -> Iterator[None]:
    """While open, the environment names no account, endpoint, profile or credentials."""
    saved = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "LONGSHORE_"))}
    for name in saved:
        del os.environ[name]
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true"
    )
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith(("AWS_", "LONGSHORE_"))]:
            del os.environ[name]
        os.environ.update(saved)
