"""ECR as the registry of redeploy: tags resolved now, indexes checked whole; and which registry holds what."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError, UpstreamError
from longshore.images import MANIFESTS, Digest, Manifest, Repository, is_digest
from longshore.places import Place
from longshore.redeploy.state import Candidate

if TYPE_CHECKING:
    from longshore.aws.spokes import Access
    from longshore.redeploy.ports import Registry, Resolved

_BATCH = 100  # BatchGetImage takes at most a hundred image ids


class EcrImage(NamedTuple):
    """A tag resolved in ECR."""

    candidate: Candidate
    is_image: bool


class EcrRegistry:
    """Reads images of private repositories."""

    def __init__(self, ecr: Any) -> None:
        self._ecr = ecr

    def resolve(self, repository: Repository, tag: str) -> EcrImage | None:
        """What a tag points to now, or what has this digest.

        A tag's index counts as complete when ECR holds each of its image manifests; what is asked for by digest runs
        somewhere, so nothing more is asked about it.
        """
        named = is_digest(tag)
        images, _ = self._get(repository, [{"imageDigest" if named else "imageTag": tag}])
        if not images:
            return None
        try:
            manifest = Manifest.parse(images[0]["imageManifest"], images[0].get("imageManifestMediaType"))
        except (ValueError, KeyError) as error:
            raise UpstreamError(f"{repository}:{tag} has a manifest that cannot be read: {error}") from error
        candidate = Candidate(
            tag=tag,
            digest=str(images[0]["imageId"]["imageDigest"]),
            platforms=manifest.children,
            complete=named or self._complete(repository, manifest),
        )
        return EcrImage(candidate, manifest.is_image)

    def _complete(self, repository: Repository, manifest: Manifest) -> bool:
        wanted = sorted(set(manifest.children.values()))
        for start in range(0, len(wanted), _BATCH):
            ids = [{"imageDigest": digest} for digest in wanted[start : start + _BATCH]]
            _, failures = self._get(repository, ids)
            if failures:
                return False
        return True

    def _get(self, repository: Repository, ids: Sequence[Mapping[str, str]]) -> tuple[list[Any], list[Any]]:
        try:
            with aws_errors():
                answer = self._ecr.batch_get_image(
                    registryId=repository.account,
                    repositoryName=repository.name,
                    imageIds=list(ids),
                    acceptedMediaTypes=list(MANIFESTS),
                )
        except GoneError:
            return [], list(ids)
        return answer.get("images", []), answer.get("failures", [])

    def tags(self, repository: Repository, known: Collection[str] = ()) -> Iterable[tuple[str, Digest, datetime]]:
        """Every tag with its digest and the time its image was pushed; nothing for a repository that is gone."""
        pages = self._ecr.get_paginator("describe_images").paginate(
            registryId=repository.account,
            repositoryName=repository.name,
            filter={"tagStatus": "TAGGED"},
            PaginationConfig={"PageSize": 1000},
        )
        try:
            with aws_errors():
                for page in pages:
                    for image in page["imageDetails"]:
                        for tag in image.get("imageTags", []):
                            yield tag, image["imageDigest"], image["imagePushedAt"]
        except GoneError:
            return

    def tags_of(self, repository: Repository, digest: Digest) -> Sequence[str]:
        """The tags of one image; none when it is gone."""
        try:
            with aws_errors():
                answer = self._ecr.describe_images(
                    registryId=repository.account, repositoryName=repository.name, imageIds=[{"imageDigest": digest}]
                )
        except GoneError:
            return []
        return [tag for image in answer["imageDetails"] for tag in image.get("imageTags", [])]


class Registries:
    """See `redeploy.ports.Registry`: private repositories and those of ECR Public, each asked where it is.

    A registry of an account and Region that is no spoke is asked with the hub's own rights, in its Region: what another
    Region holds under the same name may be another image.
    """

    def __init__(
        self, private: Callable[[str], Registry], public: Callable[[], Registry], spokes: Mapping[Place, Access] | None
    ) -> None:
        """`private` answers a Region's; `public` is asked for with the first repository of ECR Public."""
        self._private = private
        self._public = public
        self._spokes = spokes or {}
        self._made: dict[Place, Registry] = {}
        self._regional: dict[str, Registry] = {}

    def resolve(self, repository: Repository, tag: str) -> Resolved | None:
        """See the port."""
        return self._of(repository).resolve(repository, tag)

    def tags(self, repository: Repository, known: Collection[str] = ()) -> Iterable[tuple[str, Digest, datetime]]:
        """See the port."""
        return self._of(repository).tags(repository, known)

    def tags_of(self, repository: Repository, digest: Digest) -> Sequence[str]:
        """See the port."""
        return self._of(repository).tags_of(repository, digest)

    def _of(self, repository: Repository) -> Registry:
        place = Place(repository.account, repository.region)
        if repository.is_public:
            return self._public()
        if place not in self._spokes:
            if place.region not in self._regional:
                self._regional[place.region] = self._private(place.region)
            return self._regional[place.region]
        if place not in self._made:
            self._made[place] = EcrRegistry(self._spokes[place].client("ecr"))
        return self._made[place]
