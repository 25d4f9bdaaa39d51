"""Replacing attributes of other people's modules for as long as the bundle runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def override(owner: Any, name: str, value: object) -> Iterator[Any]:
    """Sets `owner.name` and puts the former attribute back at the end; yields the former one."""
    inherited = name not in vars(owner)
    former = getattr(owner, name) if inherited else vars(owner)[name]  # a misspelt name fails here
    setattr(owner, name, value)
    try:
        yield former
    finally:
        if inherited:
            delattr(owner, name)
        else:
            setattr(owner, name, former)
