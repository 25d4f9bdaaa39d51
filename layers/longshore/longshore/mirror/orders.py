"""What is to be copied, and within which bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.ports import Shelf

MIB: Final = 1024 * 1024
Referrers = Literal["all", "signatures", "none"]
"""Which signatures, SBOMs and attestations come along: by the referrers API, the fallback tag and cosign's tags."""


class Item(NamedTuple):
    """One thing to copy: `reference` is a tag or digest at the source, `tag` what it is called at the destination.

    Without a `tag` the manifest is stored by its digest.
    """

    reference: str
    tag: str | None = None

    def __str__(self) -> str:
        return self.reference if self.tag in (None, self.reference) else f"{self.reference} as {self.tag}"


@dataclass(slots=True)
class TagLists:
    """All tags of both sides, for the parts of a larger order: who needs a list asks for it once. None: not asked yet.

    What the parts copy is added to the destination's.
    """

    source: frozenset[str] | None = None
    destination: frozenset[str] | None = None

    def copied(self, items: Iterable[Item]) -> None:
        """These are at the destination now."""
        if self.destination is not None:
            self.destination |= {item.tag for item in items if item.tag is not None}


@dataclass(frozen=True, slots=True)
class Copy:
    """An order: items of one repository to another. `source_tags` are all tags of the source, where they are known.

    `platforms`, as ``linux/arm64``; empty for all. An index is never rewritten: of one platform, its manifest takes
    the index's place; of several, the index is stored as it is with their manifests only, if the registry lets it.
    """

    source: str
    destination: str
    items: tuple[Item, ...]
    platforms: frozenset[str] = frozenset()
    referrers: Referrers = "all"
    demanded: bool = False
    """Whether it is a failure that the source lets nobody list referrers: else those are taken that its tags name."""
    source_tags: frozenset[str] | None = None
    complete: Callable[[Digest], bool] = field(default=lambda digest: False)
    """Whether an index, if the destination has it, is known to have there all that these terms want of it.

    True saves reading it there and asking for each of its children: so is what was copied on the same terms before.
    """
    shelf: Shelf | None = None
    """Where manifests are that were read before."""
    lists: TagLists = field(default_factory=TagLists)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much at once. Bytes but for the counts.

    `streams`: large blobs in flight; `requests`: lookups, manifests and small blobs in flight.
    `chunk`: of an upload; what a broken connection can cost. `small`: up to here a blob counts as a request.
    `part` and `ahead`: the pieces of a blob from a throttled source, and how many may be under way; the product is
    memory, shared by all streams. `throttled`: bytes a second below which a second connection is tried.
    """

    streams: int = 4
    requests: int = 16
    chunk: int = 32 * MIB
    small: int = MIB
    part: int = 8 * MIB
    ahead: int = 8
    throttled: float = 30e6
    tries: int = 4
    batch: int = 100
