"""What is around the items of a copy: the tags on both sides, asked for once and only when they save requests."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from longshore.errors import GoneError, LongshoreError

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.orders import Copy
    from longshore.mirror.ports import Holdings, Registry

_WORTH_A_LIST: Final = 4
"""From so many items on, one list of the destination's tags is cheaper than asking for each."""


class Surroundings:
    """Of one order. Thread-safe."""

    def __init__(self, source: Registry, destination: Registry, copy: Copy, holdings: Holdings | None) -> None:
        self._source = source
        self._destination = destination
        self._copy = copy
        self._holdings = holdings
        self._lock = threading.RLock()
        self._indexes: set[Digest] = set()
        self._seen_tag = False
        self._is_unlisted = False

    def digest_of(self, tag: str) -> Digest | None:
        """What a tag holds at the destination."""
        if self._bulk is not None:
            return self._bulk.get(tag)
        if self._listed is not None and tag not in self._listed:
            return None
        head = self._destination.head(self._copy.destination, tag)
        if head is None:
            return None
        with self._lock:
            self._seen_tag = True
            if "index" in head.media_type or "manifest.list" in head.media_type:
                self._indexes.add(head.digest)
        return head.digest

    @property
    def is_fresh(self) -> bool:
        """Whether the destination has no tag at all: then there is nothing to find there but what a run left behind."""
        with self._lock:
            if self._seen_tag:
                return False
            if self._bulk is not None:
                return not self._bulk
            return not self._listed if self._listed is not None else not self._has_a_tag

    def may_have_children(self, digest: Digest) -> bool:
        """Whether a manifest of the destination is an index, as far as its HEAD told."""
        with self._lock:
            return self._bulk is not None or digest in self._indexes

    def source_tags(self) -> Collection[str] | None:
        """All of the source's; None where it does not list them: many let anybody pull, and nobody list."""
        with self._lock:
            return self._source_tags

    @cached_property
    def _source_tags(self) -> frozenset[str] | None:
        if self._copy.source_tags is not None:
            return self._copy.source_tags
        lists = self._copy.lists
        if lists.source is None:
            lists.source = self._asked_source_tags()
        return lists.source

    def _asked_source_tags(self) -> frozenset[str] | None:
        try:
            return frozenset(self._source.tags(self._copy.source))
        except GoneError:
            return frozenset()
        except LongshoreError:
            return None

    @property
    def _listed(self) -> frozenset[str] | None:
        with self._lock:
            return self._list

    @cached_property
    def _list(self) -> frozenset[str] | None:
        """All tags of the destination, where that is worth it and allowed."""
        lists = self._copy.lists
        if lists.destination is None and len(self._copy.items) >= _WORTH_A_LIST:
            lists.destination = self._some_tags(None)
        return lists.destination

    @cached_property
    def _has_a_tag(self) -> bool:
        """True where it does not say: each is asked for then."""
        tags = None if self._is_unlisted else self._some_tags(1)
        return tags is None or bool(tags)

    def _some_tags(self, most: int | None) -> frozenset[str] | None:
        """Those of the destination, at most so many; None where it does not list them."""
        try:
            return frozenset(itertools.islice(self._destination.tags(self._copy.destination), most))
        except GoneError:
            return frozenset()
        except LongshoreError:
            self._is_unlisted = True
            return None

    @property
    def _bulk(self) -> Mapping[str, Digest] | None:
        with self._lock:
            return self._tagged

    @cached_property
    def _tagged(self) -> Mapping[str, Digest] | None:
        return self._holdings.tagged(self._copy.destination) if self._holdings else None
