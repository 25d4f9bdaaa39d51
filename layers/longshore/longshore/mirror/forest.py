"""What one batch of a copy comes to: the manifests to be stored, what names them, and what went wrong with which."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from sys import getsizeof
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from longshore.errors import LongshoreError
from longshore.mirror.uploads import BlobError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from longshore.images import Digest
    from longshore.manifests import Manifest
    from longshore.mirror.orders import Item
    from longshore.mirror.ports import Side

T = TypeVar("T")
R = TypeVar("R")
_CAUSE_BYTES: Final = 500
"""Of a cause without its text, with its place in a list and in a mapping."""
_AT_ONCE: Final = 64
"""So many are handed to the threads ahead of time: what waits there takes memory too."""


class Cause(NamedTuple):
    """Why something is not at the destination; `digest` is what it was that failed."""

    error: LongshoreError
    side: Side | None
    digest: Digest | None = None

    @property
    def weight(self) -> int:
        """Bytes of memory that this takes, roughly."""
        return _CAUSE_BYTES + sum(getsizeof(each) for each in self.error.args if isinstance(each, str))


@dataclass(frozen=True, slots=True)
class Root:
    """A manifest that is named by an item. `here`: what the item's tag holds at the destination now."""

    item: Item
    digest: Digest
    here: Digest | None = None
    referrer: bool = False


@dataclass
class Forest:
    """Grows while the source is read. `present` are manifests that the destination has; theirs is not read.

    `first` are referrers and what is below them: they are stored before the images, so that no image is seen without
    its signature. `subjects` maps a referrer, by the digest or tag that it is read by, to what it refers to; `below`
    an index that the destination has to its children. `notes` are for people: what was left out.
    """

    roots: list[Root] = field(default_factory=list)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    present: set[Digest] = field(default_factory=set)
    first: set[Digest] = field(default_factory=set)
    failed: dict[Digest, Cause] = field(default_factory=dict)
    subjects: dict[str, set[Digest]] = field(default_factory=lambda: defaultdict(set))
    below: dict[Digest, list[Digest]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def cause(self, manifest: Manifest) -> Cause | None:
        """What keeps a manifest from being stored: its own failure, or that of something that it lists."""
        listed = [manifest.digest, *(entry.digest for entry in (*manifest.children, *manifest.blobs))]
        return next((self.failed[digest] for digest in listed if digest in self.failed), None)


class Kin:
    """Whose referrer something of a forest is: an image's, its platform's, or that of another referrer of these."""

    def __init__(self, forest: Forest) -> None:
        self._images = [root for root in forest.roots if not root.referrer]
        self._up = defaultdict[str, set[str]](set)
        for reference, subjects in forest.subjects.items():
            self._up[reference].update(subjects)
        on_the_way = set().union(*forest.subjects.values(), forest.manifests, forest.below)
        children = ((digest, [child.digest for child in m.children]) for digest, m in forest.manifests.items())
        for parent, below in (*children, *forest.below.items()):
            for child in on_the_way.intersection(below):
                self._up[child].add(parent)
        for root in forest.roots:
            if root.referrer:
                self._up[root.digest].update(forest.subjects.get(root.item.reference, ()))

    def subjects(self, item: Item) -> tuple[Item, ...]:
        """Those of the order's items whose image a referrer belongs to."""
        seen, left = set[str](), [item.reference]
        while left:
            reference = left.pop()
            seen.add(reference)
            left += self._up.get(reference, set()) - seen
        return tuple(root.item for root in self._images if root.digest in seen)


def each(pool: Executor, function: Callable[[T], R], items: Iterable[T]) -> list[R | Cause]:
    """All at once; an error of one is its result. Errors that are not Longshore's end it all."""
    found: list[R | Cause] = []
    running: deque[Future[R | Cause]] = deque()
    for item in items:
        if len(running) >= _AT_ONCE:
            found.append(running.popleft().result())
        running.append(pool.submit(_caught_of, function, item))
    return found + [each.result() for each in running]


def _caught_of(function: Callable[[T], R], item: T) -> R | Cause:
    return caught(lambda: function(item))


def caught(function: Callable[[], R]) -> R | Cause:
    """An error as a value, with the side that its text names."""
    try:
        return function()
    except BlobError as error:
        return Cause(_bare(error.error), error.side, error.digest)
    except LongshoreError as error:
        _bare(error)
        text = str(error)
        side: Side | None = "source" if text.startswith("source ") else None
        return Cause(error, "destination" if text.startswith("destination ") else side)


def _bare(error: LongshoreError) -> LongshoreError:
    """Without the frames that it went through: they would hold what was read there for as long as the error is kept."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
