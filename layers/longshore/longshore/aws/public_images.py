"""ECR Public as the registry of redeploy: tags resolved by its distribution API, listed where the registry is ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from longshore.aws.ecr import EcrImage
from longshore.errors import GoneError, UpstreamError
from longshore.images import Manifest
from longshore.images import is_digest as is_sha256
from longshore.redeploy.state import Candidate

if TYPE_CHECKING:
    from longshore.aws.ecr_public import PublicRepositories
    from longshore.images import Digest, Repository
    from longshore.ports import Clock


class Served(Protocol):
    """A manifest as a registry serves it."""

    @property
    def content(self) -> bytes:
        """Its exact bytes."""
        ...

    @property
    def media_type(self) -> str:
        """What it is served as."""
        ...

    @property
    def digest(self) -> Digest:
        """The digest of the bytes, already checked."""
        ...


class Seen(Protocol):
    """What a HEAD of a manifest says."""

    @property
    def digest(self) -> Digest:
        """Of the manifest that a GET would serve."""
        ...


class Gallery(Protocol):
    """public.ecr.aws, over HTTP. Both raise what `mirror.ports.Registry` says."""

    def head(self, repository: str, reference: str) -> Seen | None:
        """What a tag or digest names; None when it does not exist."""
        ...

    def manifest(self, repository: str, reference: str) -> Served:
        """The manifest of a tag or digest. Raises GoneError."""
        ...


class PublicImages:
    """Reads images of ECR Public: the account's own registry and everybody else's."""

    def __init__(self, gallery: Callable[[], Gallery], repositories: Callable[[], PublicRepositories], clock: Clock):
        """Both are made when they are first needed: most accounts follow nothing there."""
        self._gallery = gallery
        self._repositories = repositories
        self._clock = clock

    def resolve(self, repository: Repository, tag: str) -> EcrImage | None:
        """What a tag points to now, or what has this digest.

        ECR Public's own API hands out no manifests, so it is read as a pull reads it. A tag's index counts as complete
        when each of its image manifests is there; what is asked for by digest runs somewhere, so nothing more is asked.
        """
        try:
            served = self._gallery().manifest(repository.name, tag)
        except GoneError:
            return None
        try:
            manifest = Manifest.parse(served.content.decode(), served.media_type)
        except ValueError as error:
            raise UpstreamError(f"{repository}:{tag} has a manifest that cannot be read: {error}") from error
        candidate = Candidate(
            tag=tag,
            digest=served.digest,
            platforms=manifest.children,
            complete=is_sha256(tag) or self._complete(repository, manifest),
        )
        return EcrImage(candidate, manifest.is_image)

    def _complete(self, repository: Repository, manifest: Manifest) -> bool:
        return all(self._gallery().head(repository.name, each) for each in sorted(set(manifest.children.values())))

    def tags(self, repository: Repository, known: Collection[str] = ()) -> Iterable[tuple[str, Digest, datetime]]:
        """Every tag of our own repository, a thousand in a call.

        Of somebody else's, which public.ecr.aws does not list, those of the `known` tags that exist: a HEAD for each.
        """
        alias, _, name = repository.name.partition("/")
        if self._repositories().owns(alias):
            return self._repositories().tags(name)
        return self._seen(repository, known)

    def _seen(self, repository: Repository, known: Collection[str]) -> Iterator[tuple[str, Digest, datetime]]:
        now = self._clock.now()
        for tag in sorted(known):
            found = self._gallery().head(repository.name, tag)
            if found:
                yield tag, found.digest, now

    def tags_of(self, repository: Repository, digest: Digest) -> Sequence[str]:
        """None: only a restored image is asked for by digest, and ECR Public archives nothing."""
        return ()
