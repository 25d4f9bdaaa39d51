"""Closed sets of public codes: what every one of them is made like."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A code with what it means; its value is the bare code.

    A set that says more of each code puts it between the two, and takes it up in its own `__init__`.
    """

    meaning: str

    def __new__(cls, code: str, *_: str) -> Self:
        """Makes one member."""
        member = str.__new__(cls, code)
        member._value_ = code
        return member

    def __init__(self, _code: str, meaning: str) -> None:
        self.meaning = meaning
