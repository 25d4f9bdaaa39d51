"""What copying needs of a registry: the distribution API, one object per host and side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType

    from longshore.images import Digest
    from longshore.manifests import Descriptor, Hash, Manifest

Chunk = bytes | memoryview
"""A piece of a blob. A memoryview is of a buffer that is used again: it is good until the next one is asked for."""
Side = Literal["source", "destination"]


class RateLimit(NamedTuple):
    """What is left of a pull budget, as the last answer told it (Docker Hub; mirror 5.1)."""

    limit: int
    remaining: int
    window_seconds: int
    source: str = ""
    """Whom it counts for: an address or a user."""
    at: datetime | None = None
    """When it was told; None for now."""


class ManifestHead(NamedTuple):
    """What a HEAD tells of a manifest; it is no pull. `size` is None where the registry does not say."""

    digest: Digest
    media_type: str
    size: int | None = None


class Stored(NamedTuple):
    """How a registry took a manifest."""

    digest: Digest
    subject: Digest | None = None
    """The answer's OCI-Subject: the referrers API knows it. None for a manifest with a subject means that the
    fallback tag must be maintained (mirror 4.25)."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload session; a value that can rest in the ledger and go on in another invocation.

    `offset` is how many bytes the registry acknowledged. `min_chunk` is the least size in bytes of every chunk but
    the last. `sticky`: the registry's Range is not to be believed (ECR; mirror 3), only this offset is.
    """

    repository: str
    location: str
    offset: int = 0
    min_chunk: int = 0
    sticky: bool = False

    def item(self) -> dict[str, Any]:
        """For the ledger. The location may carry a secret: it is as confidential as a session."""
        return {
            "repository": self.repository,
            "location": self.location,
            "offset": self.offset,
            "min_chunk": self.min_chunk,
            "sticky": self.sticky,
        }

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Upload:
        """Reads what `item` wrote. Raises KeyError or ValueError for anything else."""
        return cls(
            repository=str(item["repository"]),
            location=str(item["location"]),
            offset=int(item["offset"]),
            min_chunk=int(item.get("min_chunk", 0)),
            sticky=bool(item.get("sticky", False)),
        )

    def at(self, offset: int) -> Upload:
        """The same session at another offset."""
        return replace(self, offset=offset)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a registry object has asked for since it was made; bytes are those of blobs and manifests."""

    requests: Mapping[str, int] = field(default_factory=dict)
    """By kind: ``HEAD manifest``, ``GET blob``, ``GET token``; each hop of a redirect counts."""
    received: int = 0
    sent: int = 0

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.requests.values())


class BlobReader(Protocol):
    """A blob, or a range of one, as it comes in: iterate once, inside `with`.

    A connection that breaks is taken up again where it broke. The last chunk is handed on only after size and digest
    were found right; otherwise IntegrityError is raised in its place.
    """

    @property
    def offset(self) -> int:
        """How many bytes of the blob were handed on or skipped so far."""
        ...

    def __iter__(self) -> Iterator[Chunk]:
        """The content. Raises IntegrityError, GoneError, PutOffError or UpstreamError."""
        ...

    def __enter__(self) -> Self:
        """Nothing is asked for before the iteration begins."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Gives the connection back, or cuts it when the blob was not read to its end."""
        ...


class Registry(Protocol):
    """The repositories of one host, as one side of a copy. Thread-safe.

    `reference` is a tag or a digest. Every method raises AccessDeniedError, PutOffError, ThrottledError, UpstreamError,
    AddressError and ProtocolError beside what it names; `longshore.mirror.errors` has the tree. Requests without a
    body are tried again a few times; those with one are not, because only the caller can read the source again.
    """

    @property
    def host(self) -> str:
        """``registry-1.docker.io``, ``127.0.0.1:5000``."""
        ...

    @property
    def side(self) -> Side:
        """Which side of the copy this is; errors name it."""
        ...

    @property
    def usage(self) -> Usage:
        """What has been asked for so far."""
        ...

    @property
    def rate(self) -> RateLimit | None:
        """What the last answer that told it said of the pull budget."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What the registry wants people to read (mirror 4.32); each once, never to act on."""
        ...

    def head(self, repository: str, reference: str) -> ManifestHead | None:
        """Digest and type; None when there is no such manifest or repository. A pull only where HEAD does not do."""
        ...

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The verified bytes. Raises GoneError, IntegrityError, ManifestError, UnsupportedError. Counts as a pull."""
        ...

    def put_manifest(self, repository: str, manifest: Manifest, tags: Sequence[str] = ()) -> Stored:
        """Stores the exact bytes under every tag, or by digest without one.

        Raises MissingError, ImmutableTagError, RefusedError, UnsupportedError (a type that the registry does not
        take), RepositoryGoneError. After an error some of the tags may have been set; to set them again is harmless.
        """
        ...

    def has_blob(self, repository: str, digest: Digest) -> bool | None:
        """Whether a blob is there; None when the registry does not let it be known. False without a repository."""
        ...

    def blob(
        self,
        repository: str,
        blob: Descriptor,
        offset: int = 0,
        length: int | None = None,
        hashed: Hash | None = None,
    ) -> BlobReader:
        """A blob from `offset` on, to its end or `length` bytes of it.

        The digest is verified where all that comes before is known: from the start, or with `hashed`, the running
        hash of the first `offset` bytes, which is carried on. A range by itself is verified by its length only.
        """
        ...

    def mount(self, repository: str, digest: Digest, source: str | None) -> Upload | None:
        """Takes a blob over from another repository of the host (any, for None).

        Answers None when it is there now, else the upload session that the registry began instead: go on with that.
        """
        ...

    def upload(self, repository: str) -> Upload:
        """Begins an upload. Raises RepositoryGoneError."""
        ...

    def resume(self, upload: Upload) -> Upload:
        """The session as the registry has it now, perhaps at another offset. Raises UploadLostError."""
        ...

    def append(self, upload: Upload, chunks: Iterable[Chunk], length: int) -> Upload:
        """Sends exactly `length` bytes as one chunk of a chunked upload.

        Raises UploadLostError, UploadOffsetError, RefusedError; UpstreamError when the connection broke: `resume` then
        tells what arrived, in registries that keep it. An error of `chunks` itself comes through as it is.
        """
        ...

    def finish(self, upload: Upload, blob: Descriptor, chunks: Iterable[Chunk] = (), length: int = 0) -> None:
        """Sends the last `length` bytes, or the whole blob, and has the registry check the digest of all.

        Raises IntegrityError when the registry found another digest, UploadLostError, UploadOffsetError,
        RefusedError, and AmbiguousError when no answer came: `has_blob` tells.
        """
        ...

    def cancel(self, upload: Upload) -> None:
        """Tells the registry to forget a session; never raises."""
        ...

    def tags(self, repository: str) -> Iterator[str]:
        """Every tag, page by page as iterated. Raises RepositoryGoneError; ProtocolError when it has no end."""
        ...

    def referrers(
        self, repository: str, digest: Digest, known_tags: Collection[str] | None = None
    ) -> Sequence[Descriptor]:
        """The signatures, SBOMs and attestations of a manifest: by the API, else by the fallback tag.

        With `known_tags` the fallback tag is only asked for when it is among them. Which of both a registry has is
        found out once.
        """
        ...

    def close(self) -> None:
        """Closes idle connections."""
        ...


class Shelf(Protocol):
    """Manifests of a source that counts pulls: none that was read before, by whomever, is asked for again.

    Thread-safe. Losing one costs a pull.
    """

    def load(self, digest: Digest) -> Manifest | None:
        """What was read before."""
        ...

    def read(self, manifest: Manifest) -> None:
        """Is told what the source has just given."""
        ...


class UploadLedger(Protocol):
    """Where upload sessions rest that another run can go on with. One session for each blob of a repository.

    Losing one costs bytes, never correctness: the registry says what it has.
    """

    def load(self, host: str, repository: str, digest: Digest) -> Upload | None:
        """What was saved last; None when there is none, or it is too old to be of use."""
        ...

    def save(self, host: str, digest: Digest, upload: Upload) -> None:
        """In place of what was saved before."""
        ...

    def forget(self, host: str, repository: str, digest: Digest) -> None:
        """The upload is complete or lost."""
        ...


class Holdings(Protocol):
    """What a destination holds, asked in bulk where its own API can (ECR; mirror 0.4): no request for each."""

    def tagged(self, repository: str) -> Mapping[str, Digest] | None:
        """Every tag with its digest; None when this destination cannot tell."""
        ...

    def blobs(self, repository: str, digests: Collection[Digest]) -> Collection[Digest] | None:
        """Those of `digests` that are there; None when this destination cannot tell."""
        ...
