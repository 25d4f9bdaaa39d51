"""Two registries in memory and what copies between them: every call is noted, and may be where a run dies."""

from __future__ import annotations

import itertools
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from longshore.errors import GoneError, LongshoreError
from longshore.manifests import Descriptor, Hash, Manifest, digest_of, hash_for
from longshore.mirror.copier import Copier
from longshore.mirror.errors import ImmutableTagError, IntegrityError, MissingError, UploadLostError
from longshore.mirror.orders import Bounds, Copy, Item
from longshore.mirror.ports import Chunk, ManifestHead, RateLimit, Side, Stored, Upload, Usage
from longshore.mirror.referrers import fallback_tag, listed
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from types import TracebackType

    from longshore.images import Digest
    from longshore.mirror.orders import Referrers
    from longshore.mirror.report import Report
    from longshore_local.images import SyntheticImage

REPOSITORY = "team/web"
PIECE = 10


class KilledError(BaseException):
    """The process dies here."""


@dataclass
class Repository:
    """What one repository holds."""

    tags: dict[str, Digest] = field(default_factory=dict)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=dict)


class FakeRegistry:
    """`longshore.mirror.ports.Registry` in memory.

    `calls` notes every call as (name, reference). `before` and `after` see each; what they raise ends the call, before
    or after it had its effect. `within` sees every chunk of an upload before it arrives: chunks that arrived stay.
    """

    def __init__(
        self,
        side: Side,
        host: str = "registry.example",
        *,
        referrers_api: bool = False,
        immutable: bool = False,
        heads_blobs: bool = True,
        mounts: bool = True,
        min_chunk: int = 0,
        sparse: bool = False,
    ) -> None:
        self.side: Side = side
        self.host = host
        self.referrers_api = referrers_api
        self.immutable = immutable
        self.heads_blobs = heads_blobs
        self.mounts = mounts
        self.min_chunk = min_chunk
        self.sparse = sparse
        self.rate: RateLimit | None = None
        self.warnings: Sequence[str] = ()
        self.repositories: defaultdict[str, Repository] = defaultdict(Repository)
        self.uploads: dict[str, bytearray] = {}
        self.calls: list[tuple[str, str]] = []
        self.received = 0
        self.before: Callable[[str, str], None] = lambda name, about: None
        self.after: Callable[[str, str], None] = lambda name, about: None
        self.within: Callable[[int], None] = lambda count: None
        self.bad: dict[Digest, bytes] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    @property
    def usage(self) -> Usage:
        return Usage(Counter(name for name, _ in self.calls), sent=self.received)

    def count(self, name: str) -> int:
        """How many calls of a kind there were."""
        return sum(each == name for each, _ in self.calls)

    def head(self, repository: str, reference: str) -> ManifestHead | None:
        with self._call("head", reference):
            found = self._find(repository, reference)
            return ManifestHead(found.digest, found.media_type, found.size) if found else None

    def manifest(self, repository: str, reference: str) -> Manifest:
        with self._call("manifest", reference):
            found = self._find(repository, reference)
            if found is None:
                raise GoneError(f"{self.side} {self.host}/{repository}: no {reference}")
            return found

    def put_manifest(self, repository: str, manifest: Manifest, tags: Sequence[str] = ()) -> Stored:
        with self._call("put_manifest", ",".join(tags) or manifest.digest), self._lock:
            there = self.repositories[repository]
            listed_ = [*manifest.children, *(blob for blob in manifest.blobs if blob.is_distributable)]
            missing = [e.digest for e in listed_ if e.digest not in there.blobs and e.digest not in there.manifests]
            if missing and not (self.sparse and manifest.is_index):
                raise MissingError(f"{self.side} {self.host}/{repository}: missing", tuple(missing))
            if self.immutable and any(tag in there.tags for tag in tags):
                raise ImmutableTagError(f"{self.side} {self.host}/{repository}: immutable")
            there.manifests[manifest.digest] = manifest
            there.tags |= dict.fromkeys(tags, manifest.digest)
            return Stored(manifest.digest, manifest.subject.digest if manifest.subject and self.referrers_api else None)

    def has_blob(self, repository: str, digest: Digest) -> bool | None:
        with self._call("has_blob", digest):
            return digest in self.repositories[repository].blobs if self.heads_blobs else None

    def blob(
        self, repository: str, blob: Descriptor, offset: int = 0, length: int | None = None, hashed: Hash | None = None
    ) -> FakeReader:
        with self._call("blob", blob.digest):
            content = self.bad.get(blob.digest, self.repositories[repository].blobs.get(blob.digest))
            if content is None:
                raise GoneError(f"{self.side} {self.host}/{repository}@{blob.digest}: GET blob: 404")
            whole = offset == 0 and length is None
            return FakeReader(self, content, blob, offset, length, hashed or (hash_for(blob.digest) if whole else None))

    def mount(self, repository: str, digest: Digest, source: str | None) -> Upload | None:
        with self._call("mount", digest), self._lock:
            content = self.repositories[source or ""].blobs.get(digest)
            if content is None or not self.mounts:
                return self._begun(repository)
            self.repositories[repository].blobs[digest] = content
            return None

    def upload(self, repository: str) -> Upload:
        with self._call("upload", ""), self._lock:
            return self._begun(repository)

    def _begun(self, repository: str) -> Upload:
        location = f"upload-{next(self._numbers)}"
        self.uploads[location] = bytearray()
        return Upload(repository, location, min_chunk=self.min_chunk)

    def resume(self, upload: Upload) -> Upload:
        with self._call("resume", upload.location):
            return upload.at(len(self._session(upload)))

    def append(self, upload: Upload, chunks: Iterable[Chunk], length: int) -> Upload:
        with self._call("append", upload.location):
            session = self._session(upload)
            assert len(session) == upload.offset
            session += self._incoming(chunks, length)
            return upload.at(len(session))

    def finish(self, upload: Upload, blob: Descriptor, chunks: Iterable[Chunk] = (), length: int = 0) -> None:
        with self._call("finish", blob.digest):
            session = self._session(upload)
            assert len(session) == upload.offset
            assert upload.offset + length == blob.size
            content = bytes(session) + self._incoming(chunks, length)
            with self._lock:
                del self.uploads[upload.location]
                if digest_of(content, blob.digest) != blob.digest:
                    raise IntegrityError(f"{self.side} {self.host}/{upload.repository}: DIGEST_INVALID")
                self.repositories[upload.repository].blobs[blob.digest] = content

    def cancel(self, upload: Upload) -> None:
        with self._call("cancel", upload.location):
            self.uploads.pop(upload.location, None)

    def tags(self, repository: str) -> Iterator[str]:
        with self._call("tags", repository):
            yield from sorted(self.repositories[repository].tags)

    def referrers(
        self, repository: str, digest: Digest, known_tags: Collection[str] | None = None
    ) -> Sequence[Descriptor]:
        with self._call("referrers", digest):
            there = self.repositories[repository]
            if self.referrers_api:
                return [m.descriptor for m in there.manifests.values() if m.subject and m.subject.digest == digest]
            tag = fallback_tag(digest)
            if tag not in there.tags or (known_tags is not None and tag not in known_tags):
                return ()
            return listed(there.manifests[there.tags[tag]])

    def close(self) -> None:
        pass

    def place(self, image: SyntheticImage, *tags: str, repository: str = REPOSITORY) -> Manifest:
        """Stores an image without a call."""
        there = self.repositories[repository]
        for child in image.children:
            self.place(child, repository=repository)
        there.blobs |= image.blobs
        manifest = Manifest.parse(image.manifest, image.media_type)
        there.manifests[manifest.digest] = manifest
        there.tags |= dict.fromkeys(tags, manifest.digest)
        return manifest

    def refer(self, image: SyntheticImage, repository: str = REPOSITORY) -> Manifest:
        """Stores a referrer as a client must: with the fallback tag where there is no API."""
        from longshore.mirror.referrers import with_referrer

        manifest = self.place(image, repository=repository)
        if not self.referrers_api and manifest.subject is not None:
            there, tag = self.repositories[repository], fallback_tag(manifest.subject.digest)
            before = there.manifests[there.tags[tag]] if tag in there.tags else None
            index = with_referrer(before, manifest.descriptor)
            there.manifests[index.digest] = index
            there.tags[tag] = index.digest
        return manifest

    def tree(self, tag: str, repository: str = REPOSITORY) -> Mapping[Digest, bytes]:
        """All bytes below a tag: manifests and distributable blobs; {} without the tag."""
        there, found = self.repositories[repository], dict[str, bytes]()
        below = [there.tags[tag]] if tag in there.tags else []
        while below:
            manifest = there.manifests[below.pop()]
            found[manifest.digest] = manifest.content
            below += [child.digest for child in manifest.children]
            found |= {b.digest: there.blobs[b.digest] for b in manifest.blobs if b.is_distributable}
        return found

    def _find(self, repository: str, reference: str) -> Manifest | None:
        there = self.repositories[repository]
        return there.manifests.get(there.tags.get(reference, reference))

    def _session(self, upload: Upload) -> bytearray:
        if upload.location not in self.uploads:
            raise UploadLostError(f"{self.side} {self.host}/{upload.repository}: no such upload")
        return self.uploads[upload.location]

    def _incoming(self, chunks: Iterable[Chunk], length: int) -> bytes:
        content = bytearray()
        for chunk in chunks:
            self.within(len(chunk))
            self.received += len(chunk)
            content += chunk
        assert len(content) == length, "the body is not as long as announced"
        return bytes(content)

    def _call(self, name: str, about: str) -> _Call:
        return _Call(self, name, about)


@dataclass
class _Call:
    registry: FakeRegistry
    name: str
    about: str

    def __enter__(self) -> None:
        self.registry.calls.append((self.name, self.about))
        self.registry.before(self.name, self.about)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.registry.after(self.name, self.about)


class FakeReader:
    """`longshore.mirror.ports.BlobReader` over bytes; its pieces are of one buffer, as the real one's."""

    def __init__(
        self,
        registry: FakeRegistry,
        content: bytes,
        blob: Descriptor,
        offset: int,
        length: int | None,
        hashed: Hash | None,
    ) -> None:
        self.offset = offset
        self._registry = registry
        self._content = content
        self._blob = blob
        self._end = blob.size if length is None else offset + length
        self._hash = hashed

    def __iter__(self) -> Iterator[Chunk]:
        buffer = bytearray(PIECE)
        while self.offset < self._end:
            self._registry.before("piece", self._blob.digest)
            piece = self._content[self.offset : min(self.offset + PIECE, self._end)]
            if not piece:
                raise self._corrupt("short")
            buffer[: len(piece)] = piece
            if self._hash is not None:
                self._hash.update(piece)
            self.offset += len(piece)
            if self.offset == self._end:
                self._verify()
            yield memoryview(buffer)[: len(piece)]
            buffer[:] = b"\xff" * PIECE
        if self._blob.size == 0:
            self._verify()

    def _verify(self) -> None:
        if self._hash is None or self._end != self._blob.size:
            return
        algorithm = self._blob.digest.partition(":")[0]
        if f"{algorithm}:{self._hash.hexdigest()}" != self._blob.digest:
            raise self._corrupt("another digest")

    def _corrupt(self, text: str) -> IntegrityError:
        where = f"{self._registry.side} {self._registry.host}/@{self._blob.digest}"
        return IntegrityError(f"{where}: GET blob: {text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass


class MemoryLedger:
    """`longshore.mirror.ports.UploadLedger` that outlives a run; sessions are written down as in the real one."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str, str], dict[str, Any]] = {}

    def load(self, host: str, repository: str, digest: Digest) -> Upload | None:
        item = self.items.get((host, repository, digest))
        return Upload.parse(item) if item else None

    def save(self, host: str, digest: Digest, upload: Upload) -> None:
        self.items[host, upload.repository, digest] = upload.item()

    def forget(self, host: str, repository: str, digest: Digest) -> None:
        self.items.pop((host, repository, digest), None)


SMALL = Bounds(streams=2, requests=3, chunk=100, small=50, part=50, ahead=4)


@dataclass
class World:
    """A source, a destination, and a ledger between runs."""

    source: FakeRegistry = field(default_factory=lambda: FakeRegistry("source", "up.example"))
    destination: FakeRegistry = field(default_factory=lambda: FakeRegistry("destination", "down.example"))
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    clock: FakeClock = field(default_factory=FakeClock)
    bounds: Bounds = SMALL
    waits: list[float] = field(default_factory=list)

    def copier(self, **changes: Any) -> Copier:
        """As a new process would make it."""
        given: dict[str, Any] = {"bounds": self.bounds, "ledger": self.ledger}
        given |= {"sleep": self.waits.append, "chance": lambda: 1.0}
        return Copier(self.source, self.destination, self.clock, **(given | changes))

    def copy(
        self,
        *items: str | Item,
        platforms: Iterable[str] = (),
        referrers: Referrers = "all",
        demanded: bool = False,
        complete: Callable[[Digest], bool] = lambda digest: False,
        **changes: Any,
    ) -> Report:
        """One run."""
        wanted = tuple(Item(item, item) if isinstance(item, str) else item for item in items)
        order = Copy(REPOSITORY, REPOSITORY, wanted, frozenset(platforms), referrers, demanded, complete=complete)
        return self.copier(**changes).run(order)

    def forget_calls(self) -> None:
        """Counting begins anew."""
        for registry in (self.source, self.destination):
            registry.calls.clear()
            registry.received = 0

    def unlike(self, *tags: str) -> list[str]:
        """Tags whose tree at the destination is not the source's, byte for byte."""
        return [tag for tag in tags if self.source.tree(tag) != self.destination.tree(tag)]

    def partial(self) -> list[str]:
        """Tags at the destination whose tree is neither the source's nor absent: there must never be one."""
        there = self.destination.repositories[REPOSITORY].tags
        return [tag for tag in there if self.destination.tree(tag) != self.source.tree(tag)]


def failing(*errors: LongshoreError, name: str, about: str = "") -> Callable[[str, str], None]:
    """Raises one error for each call of a name, in turn."""
    left = list(errors)

    def strike(called: str, reference: str) -> None:
        if called == name and about in reference and left:
            raise left.pop(0)

    return strike
