"""ECR's scans: what was found in an image, by ECR itself or by Inspector, or why nothing is known (aws A1b)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.aws.ecr_downstream import code_of
from longshore.aws.errors import aws_errors
from longshore.aws.inspector import MOST_PAGES
from longshore.errors import AccessDeniedError, GoneError, PermanentError, UnsupportedError
from longshore.images import MANIFESTS, is_artifact_tag, is_index
from longshore.scan.basic import read_basic
from longshore.scan.findings import Assessment, Scanner, ScanState
from longshore.scan.inspector import read_enhanced
from longshore.scan.merging import children, gravest, merged
from longshore.scan.reading import Reading

if TYPE_CHECKING:
    from longshore.aws.inspector import Inspector
    from longshore.images import Digest, Repository

_PAGE: Final = 1000
_BATCH: Final = 100  # BatchGetImage takes at most a hundred
_MOST_INDEXES: Final = 500
"""The newest of a repository, among which the index of an image is looked for."""
_KEPT_INDEXES: Final = 4096

_STATES: Final[Mapping[str, ScanState]] = {
    "COMPLETE": ScanState.COMPLETE,
    "ACTIVE": ScanState.COMPLETE,  # Inspector's word: it goes on looking
    "IN_PROGRESS": ScanState.PENDING,
    "PENDING": ScanState.PENDING,
    "FAILED": ScanState.FAILED,
    "LIMIT_EXCEEDED": ScanState.FAILED,
    "UNSUPPORTED_IMAGE": ScanState.UNSUPPORTED,
    "SCAN_ELIGIBILITY_EXPIRED": ScanState.EXPIRED,
    "FINDINGS_UNAVAILABLE": ScanState.NOT_SCANNED,
    "IMAGE_ARCHIVED": ScanState.ARCHIVED,
    "IMAGE_SIZE_EXCEEDED": ScanState.TOO_LARGE,
}
_ENHANCED: Final = "ACTIVE"
_UNEXPLAINED: Final = frozenset({ScanState.NOT_SCANNED, ScanState.FAILED})
"""What Inspector may explain better than ECR."""


class _Answers(NamedTuple):
    """The pages of DescribeImageScanFindings about one image."""

    status: str
    description: str
    at: datetime | None
    reading: Reading
    enhanced: bool


class _Told(NamedTuple):
    """What an image's scan comes to."""

    reading: Reading
    state: ScanState = ScanState.COMPLETE
    why: str = ""


class _Image(NamedTuple):
    """An image as DescribeImages has it."""

    tags: tuple[str, ...]
    media_type: str


class EcrScans:
    """See `scan.ports.Scans`."""

    def __init__(self, ecr: Any, inspector: Inspector, home: tuple[str, str] | None = None) -> None:
        """`home` is the account and Region whose registry may be asked; nobody scans another's. None: any."""
        self._ecr = ecr
        self._inspector = inspector
        self._home = home
        self._children: dict[tuple[Repository, Digest], Sequence[Digest]] = {}

    def assess(self, repository: Repository, digest: Digest, images: Sequence[Digest] | None = None) -> Assessment:
        """See the port. Raises AccessDeniedError where ECR itself may not be asked."""
        if not self._is_home(repository):
            why = "it is in the registry of another account or Region, which is not asked"
            return Assessment(repository, digest, ScanState.NOT_SCANNED, why=why, states=(ScanState.NOT_SCANNED,))
        image = self._image(repository, digest)
        if image is not None and images is None:
            images = self._images_of(repository, digest, image)
        if image is None or images is None:
            return Assessment(repository, digest, ScanState.GONE, states=(ScanState.GONE,))
        parts = [self._assessed(repository, each) for each in images]
        return merged(repository, digest, parts, image.tags)

    def index_of(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        """See the port: among the newest 500 indexes."""
        indexes = [
            (each["imagePushedAt"], str(each["imageDigest"]))
            for each in self._tagged(repository)
            if is_index(each.get("imageManifestMediaType"))
        ]
        newest = [each for _, each in sorted(indexes, reverse=True)[:_MOST_INDEXES]]
        listed = self._listed(repository, newest)
        return [each for each in newest if digest in listed.get(each, ())]

    def images(self, repository: Repository) -> Iterable[tuple[Digest, Sequence[str], datetime]]:
        """See the port; signatures and the like, which are tagged too, are left out."""
        found = [
            (str(each["imageDigest"]), tags, each["imagePushedAt"])
            for each in self._tagged(repository)
            if (tags := [tag for tag in each.get("imageTags", []) if not is_artifact_tag(tag)])
        ]
        return sorted(found, key=lambda image: (image[2], image[0]), reverse=True)

    def _is_home(self, repository: Repository) -> bool:
        return self._home in (None, (repository.account, repository.region))

    def _tagged(self, repository: Repository) -> Sequence[Mapping[str, Any]]:
        """Nothing for a repository that is gone, or elsewhere."""
        if not self._is_home(repository):
            return []
        pages = self._ecr.get_paginator("describe_images").paginate(
            registryId=repository.account,
            repositoryName=repository.name,
            filter={"tagStatus": "TAGGED"},
            PaginationConfig={"PageSize": _PAGE},
        )
        try:
            with aws_errors():
                return [each for page in pages for each in page.get("imageDetails", [])]
        except GoneError:
            return []

    def _image(self, repository: Repository, digest: Digest) -> _Image | None:
        try:
            with aws_errors():
                answer = self._ecr.describe_images(
                    registryId=repository.account,
                    repositoryName=repository.name,
                    imageIds=[{"imageDigest": digest}],
                    filter={"imageStatus": "ANY"},  # archived ones are not told otherwise
                )
        except GoneError:
            return None
        for each in answer.get("imageDetails", []):
            return _Image(tuple(sorted(each.get("imageTags", []))), str(each.get("imageManifestMediaType", "")))
        return None

    def _images_of(self, repository: Repository, digest: Digest, image: _Image) -> Sequence[Digest] | None:
        """Itself, or the images that an index lists; None for one that went meanwhile."""
        return self._listed(repository, [digest]).get(digest) if is_index(image.media_type) else (digest,)

    def _listed(self, repository: Repository, indexes: Sequence[Digest]) -> Mapping[Digest, Sequence[Digest]]:
        """The images of indexes, but for those that are gone: what a digest lists never changes."""
        if len(self._children) > _KEPT_INDEXES:
            self._children.clear()
        unknown = [each for each in indexes if (repository, each) not in self._children]
        for start in range(0, len(unknown), _BATCH):
            for digest, listed in self._manifests(repository, unknown[start : start + _BATCH]):
                self._children[repository, digest] = listed
        return {each: self._children[repository, each] for each in indexes if (repository, each) in self._children}

    def _manifests(
        self, repository: Repository, indexes: Sequence[Digest]
    ) -> Iterable[tuple[Digest, Sequence[Digest]]]:
        """What each lists; one that cannot be read lists nothing that could be scanned."""
        try:
            with aws_errors():
                answer = self._ecr.batch_get_image(
                    registryId=repository.account,
                    repositoryName=repository.name,
                    imageIds=[{"imageDigest": each} for each in indexes],
                    acceptedMediaTypes=list(MANIFESTS),
                )
        except GoneError:
            return
        for each in answer.get("images", []):
            try:
                listed = children(str(each["imageManifest"]).encode(), each.get("imageManifestMediaType"))
            except PermanentError:
                listed = ()
            yield str(each["imageId"]["imageDigest"]), listed

    def _assessed(self, repository: Repository, digest: Digest) -> Assessment:
        """One image that is no index. What ECR refuses to answer is a failed scan, never an unneeded one."""
        try:
            answers = self._answers(repository, digest)
        except GoneError as error:
            if code_of(error) != "ScanNotFoundException":
                return _without(repository, digest, ScanState.GONE)
            return self._explained(repository, digest, ScanState.NOT_SCANNED, "no scan was found")
        except UnsupportedError as error:
            return _without(repository, digest, ScanState.FAILED, str(error))
        state = _STATES.get(answers.status, ScanState.FAILED)
        if state is ScanState.COMPLETE:
            return self._complete(repository, digest, answers)
        return self._explained(repository, digest, state, answers.description or answers.status)

    def _complete(self, repository: Repository, digest: Digest, answers: _Answers) -> Assessment:
        told = _Told(answers.reading)
        if answers.enhanced:
            told = self._inspected(repository, digest, answers.reading)
            if not (told.reading.findings or told.reading.refused or answers.at):
                return self._covered(repository, digest, told)
        unread = bool(told.reading.refused)  # the gravest of all may be what could not be read
        return Assessment(
            repository,
            digest,
            ScanState.FAILED if unread else told.state,
            Scanner.ENHANCED if answers.enhanced else Scanner.BASIC,
            gravest(told.reading.findings),
            (digest,),
            at=answers.at,
            why=told.reading.why or told.why,
        )

    def _inspected(self, repository: Repository, digest: Digest, told: Reading) -> _Told:
        """Inspector's own word, with EPSS and KEV; else what ECR tells of it.

        Of what ECR tells and Inspector does not list, not even as closed, too little is known yet: it counts, and the
        scan has not finished.
        """
        try:
            reading, listed = self._inspector.findings(repository, digest)
        except (AccessDeniedError, GoneError, UnsupportedError) as error:
            return _Told(told, why=f"without EPSS and KEV: {error}")
        known = {each.key for each in reading.findings}
        missing = tuple(each for each in told.findings if each.arn not in listed and each.key not in known)
        both = Reading(reading.findings + missing, reading.refused + (() if listed else told.refused))
        if not missing:
            return _Told(both)
        return _Told(both, ScanState.PENDING, f"Inspector does not list {len(missing)} findings that ECR has")

    def _covered(self, repository: Repository, digest: Digest, told: _Told) -> Assessment:
        """No finding, and no time of a scan: only Inspector's word that it looked makes this clean."""
        coverage = self._inspector.coverage(repository, digest)
        if coverage is None:
            return _without(repository, digest, ScanState.PENDING, told.why or "no scan is told to have ended")
        if coverage.state is not ScanState.COMPLETE:
            return _without(repository, digest, coverage.state, coverage.why)
        return Assessment(repository, digest, coverage.state, Scanner.ENHANCED, images=(digest,), why=told.why)

    def _explained(self, repository: Repository, digest: Digest, state: ScanState, why: str) -> Assessment:
        """Without a result: why, in Inspector's word where it has one."""
        if state in _UNEXPLAINED:
            coverage = self._inspector.coverage(repository, digest)
            if coverage is not None:
                # Scanned by Inspector, and yet ECR shows nothing: it is about to.
                said = ScanState.PENDING if coverage.state is ScanState.COMPLETE else coverage.state
                return _without(repository, digest, said, coverage.why)
        return _without(repository, digest, state, why)

    def _answers(self, repository: Repository, digest: Digest) -> _Answers:
        """All pages, also of what Inspector found: it may turn out that it may not be asked itself."""
        pages = self._ecr.get_paginator("describe_image_scan_findings").paginate(
            registryId=repository.account,
            repositoryName=repository.name,
            imageId={"imageDigest": digest},
            PaginationConfig={"PageSize": _PAGE},
        )
        status = description = ""
        at, reading, read, enhanced = None, Reading(), [0, 0], False
        with aws_errors(gone=("ScanNotFoundException",)):
            for number, page in enumerate(pages):
                if number >= MOST_PAGES:
                    raise UnsupportedError(f"more than {MOST_PAGES} pages of findings")
                told, found = page.get("imageScanStatus", {}), page.get("imageScanFindings", {})
                status = str(told.get("status", "")) or status
                description = str(told.get("description", "")) or description
                at = found.get("imageScanCompletedAt") or at
                basic, of_inspector = found.get("findings", []), found.get("enhancedFindings", [])
                reading += read_basic(basic, read[0])
                reading += read_enhanced(of_inspector, read[1], "enhancedFindings")
                read = [read[0] + len(basic), read[1] + len(of_inspector)]
                enhanced = enhanced or bool(of_inspector) or status == _ENHANCED
        return _Answers(status, description, at, reading, enhanced)


def _without(repository: Repository, digest: Digest, state: ScanState, why: str = "") -> Assessment:
    return Assessment(repository, digest, state, images=(digest,), why=why[:300])
