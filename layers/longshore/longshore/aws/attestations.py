"""What is attached to images of ECR: OpenVEX documents among their referrers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError, LongshoreError, PermanentError, ThrottledError, UpstreamError
from longshore.images import MANIFESTS
from longshore.manifests import ARTIFACT_MANIFEST, Manifest, digest_of, is_digest
from longshore.scan.attested import ARTIFACT_TYPES, MOST_BYTES, may_be_vex, openvex_of

if TYPE_CHECKING:
    from longshore.aws.blobs import Fetch
    from longshore.images import Digest, Repository
    from longshore.manifests import Descriptor

_PAGE: Final = 50  # ListImageReferrers gives at most fifty
_MOST_REFERRERS: Final = 100
_MOST_BLOBS: Final = 10
"""Of one artifact."""


class EcrAttestations:
    """See `scan.ports.Attestations`."""

    def __init__(self, ecr: Any, fetch: Fetch, log: Callable[[str], None]) -> None:
        """`log` is told what was left out, in one line."""
        self._ecr = ecr
        self._fetch = fetch
        self._log = log

    def vex(self, repository: Repository, digest: Digest) -> Sequence[Mapping[str, Any]]:
        """See the port. Raises ThrottledError; anything else that fails is left out: it then suppresses nothing."""
        found: list[Mapping[str, Any]] = []
        try:
            referrers = self._referrers(repository, digest)
        except (PermanentError, UpstreamError) as error:
            if not isinstance(error, GoneError):
                self._left_out(repository, digest, error)
            return found
        for referrer in referrers:
            try:
                found += self._documents(repository, referrer, digest)
            except ThrottledError:
                raise
            except (LongshoreError, ValueError) as error:
                self._left_out(repository, referrer, error)
        return found

    def _left_out(self, repository: Repository, digest: Digest, error: Exception) -> None:
        self._log(f"OpenVEX of {repository}@{digest} is left out: {str(error)[:300]}")

    def _referrers(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        """The digests of what may be OpenVEX; those that are not archived, which is the API's own default."""
        found: list[Digest] = []
        after: dict[str, str] = {}
        while len(found) < _MOST_REFERRERS:
            with aws_errors():
                answer = self._ecr.list_image_referrers(
                    registryId=repository.account,
                    repositoryName=repository.name,
                    subjectId={"imageDigest": digest},
                    filter={"artifactTypes": list(ARTIFACT_TYPES)},
                    maxResults=_PAGE,
                    **after,
                )
            listed = answer.get("referrers", [])
            found += [str(each["digest"]) for each in listed if _is_wanted(each)]
            if not answer.get("nextToken"):
                return found
            after = {"nextToken": answer["nextToken"]}
        self._log(f"OpenVEX of {repository}@{digest}: only {_MOST_REFERRERS} referrers are read")
        return found[:_MOST_REFERRERS]

    def _documents(self, repository: Repository, referrer: Digest, digest: Digest) -> Iterable[Mapping[str, Any]]:
        with aws_errors():
            answer = self._ecr.batch_get_image(
                registryId=repository.account,
                repositoryName=repository.name,
                imageIds=[{"imageDigest": referrer}],
                acceptedMediaTypes=[*MANIFESTS, ARTIFACT_MANIFEST],
            )
        for each in answer.get("images", []):
            content = str(each["imageManifest"]).encode()
            manifest = Manifest.parse(content, each.get("imageManifestMediaType"), referrer)
            if manifest.subject is None or manifest.subject.digest != digest:
                raise ValueError("it refers to another image")
            for blob in _layers(manifest):
                document = openvex_of(self._blob(repository, blob), digest)
                if document is not None:
                    yield document

    def _blob(self, repository: Repository, blob: Descriptor) -> bytes:
        if blob.size > MOST_BYTES:
            raise ValueError(f"{blob.digest} has {blob.size} bytes, where {MOST_BYTES} are read")
        with aws_errors():
            answer = self._ecr.get_download_url_for_layer(
                registryId=repository.account, repositoryName=repository.name, layerDigest=blob.digest
            )
        content = self._fetch(str(answer["downloadUrl"]), blob.size)
        if len(content) != blob.size or digest_of(content, blob.digest) != blob.digest:
            raise ValueError(f"what was served as {blob.digest} is not that")
        return content


def _is_wanted(referrer: Mapping[str, Any]) -> bool:
    return is_digest(referrer.get("digest")) and may_be_vex(referrer.get("annotations") or {})


def _layers(manifest: Manifest) -> Sequence[Descriptor]:
    """Its blobs without the config: each layer is a document of its own."""
    blobs = manifest.blobs if manifest.media_type == ARTIFACT_MANIFEST else manifest.blobs[1:]
    if len(blobs) > _MOST_BLOBS:
        raise ValueError(f"it has {len(blobs)} blobs, where {_MOST_BLOBS} are read")
    return blobs
