"""Reads the source from tags down to blobs, as little of it as the destination leaves open."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from longshore.errors import AccessDeniedError, GoneError, LongshoreError, UnsupportedError
from longshore.images import Digest
from longshore.manifests import is_digest
from longshore.mirror.errors import IntegrityError, PutOffError
from longshore.mirror.forest import Cause, Forest, Root, caught, each
from longshore.mirror.orders import Item
from longshore.mirror.platforms import fits, platform_of
from longshore.mirror.referrers import fallback_tag
from longshore.mirror.referrers import listed as listed_in
from longshore.mirror.shelf import counts_pulls
from longshore.mirror.trees import chosen, digest_tags, in_place_of, is_index_entry, is_signature

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from longshore.manifests import Descriptor, Manifest
    from longshore.mirror.limits import Deadline
    from longshore.mirror.orders import Copy
    from longshore.mirror.ports import Registry
    from longshore.mirror.surroundings import Surroundings

T = TypeVar("T")
R = TypeVar("R")
_DEEPEST: Final = 8
_MOST_MANIFESTS: Final = 5_000
_MOST_BYTES: Final = 32 * 1024 * 1024
"""Of memory for the manifests below one tag: only manifests are held whole, and a hostile tree must not fill it."""
_MOST_OF_BATCH: Final = 64 * 1024 * 1024
"""Of memory for a batch of tags, with the lists of what refers to them."""
_REFERRERS_DEEP: Final = 3
_WINDOW: Final = 64
"""Children that are read before it is looked which of their indexes can still become whole."""
_FEW: Final = 8
"""Children of an index that may be missing before no more of them are asked for: it cannot be stored anyway."""
_DEMANDED: Final = "they were asked for by name; without `referrers` what tags name comes along, with none nothing does"


@dataclass
class _Budget:
    manifests: int = 0
    bytes: int = 0

    def take(self, weight: int) -> None:
        self.manifests += 1
        self.bytes += weight
        if self.manifests > _MOST_MANIFESTS or self.bytes > _MOST_BYTES:
            raise UnsupportedError(
                f"more than {_MOST_MANIFESTS} manifests, or {_MOST_BYTES} bytes of them, in one tree"
            )


class OverfullError(Exception):
    """The items are too many to be held at once: ask for fewer."""


class _Room:
    """What a batch may hold. Thread-safe: it is taken where it is filled, before anybody gathers what came."""

    def __init__(self, place: str) -> None:
        """`place` is for errors: the side that fills it, first."""
        self._place = place
        self._lock = threading.Lock()
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return self._bytes > _MOST_OF_BATCH

    def add(self, weight: int) -> None:
        with self._lock:
            self._bytes += weight

    def take(self, weight: int) -> None:
        self.add(weight)
        self.check()

    def check(self) -> None:
        if self.is_full:
            text = f"{self._place}: manifests and referrers that take more than {_MOST_OF_BATCH} bytes"
            raise UnsupportedError(text)


@dataclass(slots=True)
class _Branch:
    """What is to be read of an index: `children` of `parent`, `depth` levels below a root."""

    parent: Digest
    children: Sequence[Descriptor]
    budget: _Budget
    depth: int
    first: bool
    missing: int = 0


class _Entry(NamedTuple):
    child: Descriptor
    branch: _Branch


class Walk:
    """One order's reading. `grow` is called for a batch of its items at a time."""

    def __init__(
        self,
        source: Registry,
        destination: Registry,
        copy: Copy,
        around: Surroundings,
        pool: Executor,
        deadline: Deadline,
    ) -> None:
        self._source = source
        self._destination = destination
        self._copy = copy
        self._around = around
        self._pool = pool
        self._deadline = deadline
        self._stored: set[Digest] = set()
        self._notes: list[str] = []
        self._named: set[str] = set()
        self._asked: set[Digest] = set()
        self._put_off: PutOffError | None = None
        self._denied: AccessDeniedError | None = None
        self._unnamed: AccessDeniedError | None = None
        self._room = _Room(f"source {source.host}/{copy.source}")

    def grow(self, items: Sequence[Item]) -> tuple[Forest, list[tuple[Item, Cause]]]:
        """The forest of a batch, referrers included, and the items that have no tree.

        Raises OverfullError, after which fewer may be tried.
        """
        named, asked = set(self._named), set(self._asked)
        self._room = _Room(f"source {self._source.host}/{self._copy.source}")
        self._notes = []
        found = self._grown(items)
        if self._room.is_full and len(items) > 1:
            self._named, self._asked = named, asked
            raise OverfullError
        return found

    def stored(self, there: Collection[Digest]) -> None:
        """Is told what the destination has of a batch, now that it is stored; a later one relies on it."""
        self._stored.update(there)

    def _grown(self, items: Sequence[Item]) -> tuple[Forest, list[tuple[Item, Cause]]]:
        forest, failed = Forest(), list[tuple[Item, Cause]]()
        self._plant(forest, items, failed, referrers=False)
        forest.notes += sorted(self._notes)
        if self._copy.referrers != "none":
            subjects = self._subjects(forest)
            for _ in range(_REFERRERS_DEEP):
                if not subjects:
                    break
                subjects = self._gather(forest, subjects, failed)
        return forest, failed

    def _plant(
        self, forest: Forest, items: Sequence[Item], failed: list[tuple[Item, Cause]], *, referrers: bool
    ) -> list[Digest]:
        """Reads the items' own manifests and what is below them."""
        branches, planted = list[_Branch](), list[Digest]()
        self._named.update(item.tag for item in items if item.tag is not None)
        for item, found in zip(items, self._each(lambda item: self._look(item, referrers), items), strict=True):
            if isinstance(found, Cause):
                failed.append((item, found))
                continue
            root, manifest = found
            try:
                if manifest is not None:
                    branches += self._add(forest, manifest, _Budget(), 0, referrers)
            except UnsupportedError as error:
                failed.append((item, Cause(error, "source", root.digest)))
                continue
            except LongshoreError as error:
                failed.append((item, Cause(error, "destination", root.digest)))
                continue
            forest.roots.append(replace(root, referrer=referrers))
            planted.append(root.digest)
        self._descend(forest, branches)
        return planted

    def _each(self, function: Callable[[T], R], items: Iterable[T]) -> list[R | Cause]:
        """As `forest.each`, of reading: what went wrong takes room as well."""

        def read(item: T) -> R | Cause:
            found = caught(lambda: function(item))
            if isinstance(found, Cause):
                self._room.add(found.weight)
            return found

        return each(self._pool, read, items)

    def _look(self, item: Item, referrer: bool) -> tuple[Root, Manifest | None]:
        """What an item is at the source; no manifest when the destination has it under that tag."""
        self._check()
        platforms = () if referrer else self._copy.platforms
        here = self._around.digest_of(item.tag) if item.tag is not None else None
        reference = self._resolved(item, here)
        if item.tag is None and not self._around.is_fresh and here is None:
            head = self._destination.head(self._copy.destination, reference)
            here = head.digest if head else None
        if here is not None and reference == here and self._is_in_sync(here, platforms):
            return Root(item, reference, here), None
        manifest = self._pull(reference)
        part = in_place_of(manifest, platforms, self._child)
        image = self._child(part) if part is not None else manifest
        if image.digest == here and not image.children:
            return Root(item, here, here), None
        if platforms and not manifest.is_index:
            self._tell_other_platform(item, manifest)
        return Root(item, image.digest, here), image

    def _tell_other_platform(self, item: Item, image: Manifest) -> None:
        """An image that is no index is copied whatever its platform; who asked for others should know."""
        with suppress(LongshoreError):  # the copy will tell
            platform = platform_of(self._source, self._copy.source, image)
            if platform and not fits(platform, self._copy.platforms):
                wanted = " or ".join(sorted(self._copy.platforms))
                place = f"source {self._source.host}/{self._copy.source}:{item}"
                self._notes.append(f"{place}: it is an image of {platform} alone, not of {wanted}, and copied as it is")

    def _is_in_sync(self, digest: Digest, platforms: Collection[str]) -> bool:
        """Whether nothing is left to do for what the tag holds: not so while its platforms are to be looked at."""
        if platforms:
            return len(platforms) > 1 and self._copy.complete(digest)
        return not self._around.may_have_children(digest) or self._is_whole(digest)

    def _is_whole(self, digest: Digest, depth: int = 0) -> bool:
        """Whether all is there that an index of the destination lists: other platforms may have been left out."""
        if self._copy.complete(digest):
            return True
        index = self._destination.manifest(self._copy.destination, digest)
        return depth < _DEEPEST and all(self._is_here(child, depth + 1) for child in index.children)

    def _is_here(self, child: Descriptor, depth: int) -> bool:
        """Whether the destination has a manifest that an index lists, and all below it."""
        self._check()
        return self._holds(child.digest) and (not is_index_entry(child) or self._is_whole(child.digest, depth))

    def _resolved(self, item: Item, here: Digest | None) -> str:
        """A digest, where a HEAD may save a pull or an answer; else the reference as it is."""
        if is_digest(item.reference) or (here is None and not counts_pulls(self._source)):
            return item.reference
        head = self._source.head(self._copy.source, item.reference)
        if head is None:
            raise GoneError(f"source {self._source.host}/{self._copy.source}: there is no {item.reference}")
        return head.digest

    def _child(self, child: Descriptor) -> Manifest:
        manifest = self._pull(child.digest)
        if manifest.size != child.size:
            place = f"source {self._source.host}/{self._copy.source}@{child.digest}"
            raise IntegrityError(f"{place}: {manifest.size} bytes, where the index says {child.size}")
        return manifest

    def _add(self, forest: Forest, manifest: Manifest, budget: _Budget, depth: int, first: bool) -> list[_Branch]:
        """Takes a manifest in; answers what is to be read below it."""
        budget.take(manifest.weight)
        if first:
            forest.first.add(manifest.digest)
        forest.manifests[manifest.digest] = manifest
        if manifest.digest in self._stored or (depth == 0 and self._holds(manifest.digest)):
            forest.present.add(manifest.digest)
            if self._copy.complete(manifest.digest):
                return []
        platforms = () if first else self._copy.platforms
        children = chosen(manifest, platforms)
        return [_Branch(manifest.digest, children, budget, depth + 1, first)] if children else []

    def _check(self) -> None:
        self._deadline.check()
        if self._put_off is not None:
            raise self._put_off

    def _pull(self, reference: str) -> Manifest:
        """A manifest of the source. Once its budget is used up, it is left in peace."""
        self._room.check()
        shelf = self._copy.shelf
        manifest = shelf.load(reference) if shelf and is_digest(reference) else None
        if manifest is None:
            manifest = self._from_source(reference)
            if shelf:
                shelf.read(manifest)
        self._room.take(manifest.weight)
        return manifest

    def _from_source(self, reference: str) -> Manifest:
        try:
            return self._source.manifest(self._copy.source, reference)
        except PutOffError as error:
            self._put_off = error
            raise

    def _holds(self, digest: Digest) -> bool:
        """Whether the destination has a manifest, and with it all of its blobs."""
        return not self._around.is_fresh and self._destination.head(self._copy.destination, digest) is not None

    def _descend(self, forest: Forest, branches: list[_Branch]) -> None:
        """Level by level, a few at a time; each manifest once."""
        while branches:
            unread, branches = self._unread(forest, branches), []
            while window := list({entry.child.digest: entry for entry in itertools.islice(unread, _WINDOW)}.values()):
                for entry, found in zip(window, self._each(self._read, window), strict=True):
                    if isinstance(found, Cause):
                        self._miss(forest, entry, found._replace(digest=entry.child.digest))
                    elif found is None:
                        forest.present.add(entry.child.digest)
                    else:
                        branches += self._below(forest, found, entry.branch)

    def _unread(self, forest: Forest, branches: Iterable[_Branch]) -> Iterator[_Entry]:
        """What nobody has read yet, of indexes that can still become whole."""
        for branch in branches:
            for child in branch.children:
                if branch.parent in forest.failed:
                    break
                if child.digest in self._stored:
                    forest.present.add(child.digest)
                elif not any(child.digest in those for those in (forest.manifests, forest.failed, forest.present)):
                    yield _Entry(child, branch)

    def _miss(self, forest: Forest, entry: _Entry, cause: Cause) -> None:
        forest.failed[entry.child.digest] = cause
        entry.branch.missing += 1
        if entry.branch.missing >= _FEW:
            forest.failed.setdefault(entry.branch.parent, cause)

    def _below(self, forest: Forest, manifest: Manifest, branch: _Branch) -> list[_Branch]:
        try:
            if branch.depth >= _DEEPEST and manifest.children:
                raise UnsupportedError(f"indexes within indexes, more than {_DEEPEST} levels")
            return self._add(forest, manifest, branch.budget, branch.depth, branch.first)
        except UnsupportedError as error:
            cause = Cause(error, "source", manifest.digest)
            forest.failed[manifest.digest] = cause
            forest.failed.setdefault(branch.parent, cause)  # what is too large or too deep becomes no smaller
            return []

    def _read(self, entry: _Entry) -> Manifest | None:
        """A child's manifest; None when the destination has it with all below it."""
        self._room.check()
        if self._is_here(entry.child, entry.branch.depth):
            return None
        return self._child(entry.child)

    def _subjects(self, forest: Forest) -> list[Digest]:
        """Every manifest that somebody may have signed; those below an index in sync are read where they are free."""
        quiet = [root for root in forest.roots if root.digest not in forest.manifests]
        read = each(self._pool, lambda root: self._children_here(root.digest), quiet)
        forest.below |= {
            root.digest: found for root, found in zip(quiet, read, strict=True) if not isinstance(found, Cause)
        }
        below = list(forest.below.values())
        whole = (manifest for digest, manifest in forest.manifests.items() if digest not in forest.failed)
        below += [[child.digest for child in manifest.children] for manifest in whole]
        return list(
            dict.fromkeys([*(root.digest for root in forest.roots), *forest.manifests, *itertools.chain(*below)])
        )

    def _children_here(self, digest: Digest) -> list[Digest]:
        if not self._around.may_have_children(digest):
            return []
        manifest = self._destination.manifest(self._copy.destination, digest)
        return [child.digest for child in manifest.children]

    def _gather(self, forest: Forest, subjects: list[Digest], failed: list[tuple[Item, Cause]]) -> list[Digest]:
        """Reads what refers to the subjects; answers the digests that may be referred to in turn."""
        asked = [digest for digest in subjects if digest not in self._asked]
        self._asked.update(asked)
        tags = self._named_at_source(asked, failed)
        listed = self._listed(asked[:1], tags) + self._listed(
            asked[1:], tags
        )  # the first finds out whether there is an API
        items = list[Item]()
        for digest in asked:
            named = [tag for tag in digest_tags(digest, self._copy.referrers) if tag in tags and tag not in self._named]
            items += [Item(tag, tag) for tag in named]
            for tag in named:
                forest.subjects[tag].add(digest)
        if self._unnamed is not None:
            forest.notes.append(f"{self._unnamed}, nor may anybody list tags; signatures that tags name may be missing")
        if self._denied is not None:
            forest.notes.append(f"{self._denied}; referrers are copied as far as tags name them")
        for subject, found in zip(asked, listed, strict=True):
            if isinstance(found, Cause):
                failed.append((Item(subject), found))
                continue
            items += [Item(referrer.digest) for referrer in found]
            for referrer in found:
                forest.subjects[referrer.digest].add(subject)
        before = set(forest.manifests)
        planted = self._plant(forest, list(dict.fromkeys(items)), failed, referrers=True)
        return list(dict.fromkeys([*planted, *(digest for digest in forest.manifests if digest not in before)]))

    def _named_at_source(self, subjects: Sequence[Digest], failed: list[tuple[Item, Cause]]) -> Collection[str]:
        """The source's tags, as far as they tell of subjects: each by itself where there is no list of them."""
        tags = self._around.source_tags()
        if tags is not None:
            return tags
        which = self._copy.referrers
        wanted = {tag: digest for digest in subjects for tag in (fallback_tag(digest), *digest_tags(digest, which))}
        found = dict(zip(wanted, each(self._pool, self._is_named, wanted), strict=True))
        failed += [(Item(wanted[tag]), cause) for tag, cause in found.items() if isinstance(cause, Cause)]
        return {tag for tag, there in found.items() if there is True}

    def _is_named(self, tag: str) -> bool:
        self._check()
        try:
            return self._source.head(self._copy.source, tag) is not None
        except AccessDeniedError as error:
            if self._copy.demanded:
                raise AccessDeniedError(f"{error}: {_DEMANDED}") from None
            self._unnamed = self._unnamed or error
            return False

    def _listed(self, subjects: Iterable[Digest], tags: Collection[str]) -> list[Sequence[Descriptor] | Cause]:
        known = tags if self._copy.referrers == "signatures" else ()  # for all, the fallback tag is copied as it is
        return self._each(lambda digest: self._referrers(digest, known), subjects)

    def _referrers(self, digest: Digest, known: Collection[str]) -> Sequence[Descriptor]:
        self._check()
        self._room.check()
        found = self._told_referrers(digest, known)
        self._room.take(sum(each.weight for each in found))
        return found if self._copy.referrers == "all" else list(filter(is_signature, found))

    def _told_referrers(self, digest: Digest, known: Collection[str]) -> Sequence[Descriptor]:
        """By the source's API; where it lets nobody ask that, by what the fallback tag lists."""
        if self._denied is None:
            try:
                return self._source.referrers(self._copy.source, digest, known)
            except AccessDeniedError as error:
                if self._copy.demanded:
                    raise AccessDeniedError(f"{error}: {_DEMANDED}") from None
                self._denied = error
        tag = fallback_tag(digest)
        return listed_in(self._pull(tag)) if tag in known else ()
