"""Manifests to the destination, when all that they list is there: referrers first, children first, tags last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from longshore.errors import GoneError, LongshoreError, UnsupportedError
from longshore.images import Digest
from longshore.mirror.errors import ImmutableTagError, MissingError, RefusedError
from longshore.mirror.forest import Cause, each
from longshore.mirror.referrers import fallback_tag, with_referrer
from longshore.mirror.trees import heights, is_fallback_tag

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from longshore.manifests import Manifest
    from longshore.mirror.forest import Forest, Root
    from longshore.mirror.limits import Deadline
    from longshore.mirror.orders import Item
    from longshore.mirror.ports import Registry
    from longshore.mirror.report import Tally
    from longshore.mirror.uploads import Sender


@dataclass
class Storing:
    """Stores the manifests of one forest."""

    destination: Registry
    repository: str
    forest: Forest
    sender: Sender
    pool: Executor
    deadline: Deadline
    tally: Tally
    before_put: Callable[[], None] = field(default=lambda: None)
    look: bool = False
    """A run that was cut off may have stored some already, which nobody has looked for."""

    def __post_init__(self) -> None:
        self.there = set(self.forest.present)
        """What the destination has of the forest for sure; grows while it is stored."""
        self._refused: dict[Item, Cause] = {}
        self._unlisted: dict[Digest, list[Manifest]] = defaultdict(list)
        self._listed: set[Digest] = set()
        self._tags: dict[Digest, list[Root]] = defaultdict(list)
        self._lists = [r for r in self.forest.roots if r.referrer and r.item.tag and is_fallback_tag(r.item.tag)]
        for root in self.forest.roots:
            if root.digest != root.here and root.item.tag is not None and root not in self._lists:
                self._tags[root.digest].append(root)

    def store(self) -> dict[Item, Cause]:
        """All of it; answers what came in the way of which item."""
        levels = heights(self.forest.manifests)
        lists = {root.digest for root in self._lists}
        early = self._early()
        for group in (early, self.forest.manifests.keys() - early):
            rows: dict[int, list[Manifest]] = defaultdict(list)
            for digest in sorted(group - lists):
                rows[levels[digest]].append(self.forest.manifests[digest])
            for level in sorted(rows):
                self._store_all(rows[level])
            if group is early:
                self._tell_referrers()
        return self._refused

    def _early(self) -> set[Digest]:
        """Referrers and whatever is below them, however else it is named."""
        early, below = set[Digest](), [digest for digest in self.forest.first if digest in self.forest.manifests]
        while below:
            digest = below.pop()
            early.add(digest)
            children = (child.digest for child in self.forest.manifests[digest].children)
            below += [child for child in children if child in self.forest.manifests and child not in early]
        return early

    def _store_all(self, manifests: Sequence[Manifest]) -> None:
        for manifest, found in zip(manifests, each(self.pool, self._store, manifests), strict=True):
            if isinstance(found, Cause):
                self.forest.failed.setdefault(manifest.digest, found)

    def _store(self, manifest: Manifest) -> None:
        cause = self.forest.cause(manifest)
        if cause is not None:
            self.forest.failed.setdefault(manifest.digest, cause)
            return
        roots = self._tags.get(manifest.digest, [])
        if not roots and self._is_there(manifest.digest):
            self.there.add(manifest.digest)
            self.tally.manifest(skipped=True)
            return
        self._put(manifest, roots)
        self.tally.manifest()

    def _is_there(self, digest: Digest) -> bool:
        if digest in self.forest.present:
            return True
        return self.look and self.destination.head(self.repository, digest) is not None

    def _put(self, manifest: Manifest, roots: Sequence[Root]) -> None:
        tags = [root.item.tag for root in roots if root.item.tag is not None]
        try:
            self._put_now(manifest, tags)
        except MissingError as error:
            self._send_missing(manifest, error)
            self._put_now(manifest, tags)
        except RefusedError:
            if not roots:
                raise
            for root in roots:
                self._put_one(manifest, root)

    def _put_now(self, manifest: Manifest, tags: Sequence[str]) -> None:
        self.deadline.check_put()
        self.before_put()
        self.deadline.check_put()
        stored = self.destination.put_manifest(self.repository, manifest, tags)
        self.there.add(manifest.digest)
        if manifest.subject is not None and stored.subject is None:
            self._unlisted[manifest.subject.digest].append(manifest)
        elif manifest.subject is not None:
            self._listed.add(manifest.digest)

    def _put_one(self, manifest: Manifest, root: Root) -> None:
        """One tag at a time: which of them is refused must not hold up the others."""
        assert root.item.tag is not None
        try:
            self._put_now(manifest, [root.item.tag])
        except LongshoreError as error:
            if isinstance(error, ImmutableTagError) and self._has(root.item.tag, manifest.digest):
                return  # ECR refuses an immutable tag even for what it holds (mirror 3)
            self._refused[root.item] = Cause(error, "destination", manifest.digest)

    def _has(self, tag: str, digest: Digest) -> bool:
        head = self.destination.head(self.repository, tag)
        return head is not None and head.digest == digest

    def _send_missing(self, manifest: Manifest, error: MissingError) -> None:
        """What was believed to be there is not: those blobs again, and no others. Raises what keeps them away."""
        named = [blob for blob in manifest.blobs if blob.is_distributable and blob.digest in error.digests]
        blobs = named or [blob for blob in manifest.blobs if blob.is_distributable]
        if manifest.is_index and not all(self._is_known(child.digest) for child in manifest.children):
            text = (
                "the registry takes no index without all of its manifests: "
                "copy one platform, or all (so where a platform has several images)"
            )
            raise UnsupportedError(f"{error}: {text}") from None
        if not blobs:
            raise error
        for blob in {blob.digest: blob for blob in blobs}.values():
            self.tally.placed(blob, self.sender.place(blob, look=not named))

    def _is_known(self, digest: Digest) -> bool:
        return digest in self.forest.manifests or digest in self.forest.present

    def _tell_referrers(self) -> None:
        """Keeps the fallback tags where the registry does not list referrers by itself (mirror 4.25)."""
        for root in self._lists:
            if root.digest != root.here:
                self._refuse([root.item], each(self.pool, self._copy_list, [root]))
        for subject, manifests in sorted(self._unlisted.items()):
            missing = [manifest for manifest in manifests if manifest.digest not in self._listed]
            digests = {manifest.digest for manifest in missing}
            items = [root.item for root in self.forest.roots if root.digest in digests]
            self._refuse(items, each(self.pool, self._extend_list, [(subject, missing)]))

    def _refuse(self, items: Iterable[Item], found: Sequence[Cause | None]) -> None:
        for cause in found:
            if cause is not None:
                self._refused |= dict.fromkeys(items, cause)

    def _copy_list(self, root: Root) -> None:
        """The source's list as it is, where the destination has none; else what it lists is added to that one."""
        manifest = self.forest.manifests[root.digest]
        cause = self.forest.cause(manifest)
        if cause is not None:
            raise cause.error
        digests = [child.digest for child in manifest.children]
        if digests and all(digest in self._listed for digest in digests):
            return  # the destination knows by itself
        if root.here is None:
            self._put_now(manifest, [str(root.item.tag)])
            self.tally.manifest()
            self._listed.update(digests)

    def _extend_list(self, to_add: tuple[Digest, Sequence[Manifest]]) -> None:
        subject, referrers = to_add
        if not referrers:
            return
        tag = fallback_tag(subject)
        try:
            index: Manifest | None = self.destination.manifest(self.repository, tag)
        except GoneError:
            index = None
        extended = index
        for referrer in referrers:
            extended = with_referrer(extended, referrer.descriptor)
        if extended is not None and extended != index:
            self._put_now(extended, [tag])
            self.tally.manifest()
