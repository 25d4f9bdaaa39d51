"""What is read of a scanner's answer, and what is refused of it: one bad finding does not cost the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.envelopes import json_object
from longshore.errors import BadEventError

if TYPE_CHECKING:
    from longshore.scan.findings import Finding


class Reading(NamedTuple):
    """Findings that could be read, and for each that could not the field and what is wrong with it.

    An image of which something could not be read has no result: what is not known could be the gravest.
    """

    findings: tuple[Finding, ...] = ()
    refused: tuple[BadEventError, ...] = ()

    def __add__(self, other: object) -> Reading:
        if not isinstance(other, Reading):
            return NotImplemented
        return Reading(self.findings + other.findings, self.refused + other.refused)

    @property
    def why(self) -> str:
        """What could not be read, for people; empty where all could."""
        if not self.refused:
            return ""
        more = len(self.refused) - 1
        return str(self.refused[0])[:300] + (f" (and {more} more)" if more else "")


def read_all(
    raw: Sequence[Any], where: str, read: Callable[[Mapping[str, Any], str], Sequence[Finding]], start: int = 0
) -> Reading:
    """Reads each of a list on its own; `start` is the place of its first in the whole."""
    findings: list[Finding] = []
    refused = []
    for number, each in enumerate(raw, start):
        path = f"{where}[{number}]"
        try:
            findings += read(json_object(each, path), path)
        except BadEventError as error:
            refused.append(error)
    return Reading(tuple(findings), tuple(refused))
