"""Inspector: what it found in an image of ECR, why it looks at none, and which clusters run it (aws A2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.aws.errors import aws_errors
from longshore.aws.inspector_details import NOT_ENABLED, InspectorDetails
from longshore.errors import AccessDeniedError, UnsupportedError
from longshore.scan.arns import image_arn
from longshore.scan.findings import ScanState
from longshore.scan.inspector import ECR_IMAGE, detailed, read_enhanced
from longshore.scan.ports import Runner
from longshore.scan.reading import Reading

if TYPE_CHECKING:
    from longshore.images import Digest, Repository
    from longshore.ports import Clock

_PAGE: Final = 100
MOST_PAGES: Final = 200

_REASONS: Final[Mapping[str, ScanState]] = {
    "SUCCESSFUL": ScanState.COMPLETE,
    "PENDING_INITIAL_SCAN": ScanState.PENDING,
    "PENDING_REVIVAL_SCAN": ScanState.PENDING,
    "SCAN_IN_PROGRESS": ScanState.PENDING,
    "SCAN_ELIGIBILITY_EXPIRED": ScanState.EXPIRED,
    "IMAGE_SIZE_EXCEEDED": ScanState.TOO_LARGE,
    "IMAGE_ARCHIVED": ScanState.ARCHIVED,
    "ACCESS_DENIED": ScanState.FAILED,
    "ACCESS_DENIED_TO_ENCRYPTION_KEY": ScanState.FAILED,
    "INTERNAL_ERROR": ScanState.FAILED,
    "EXTRACTION_COLLECTION_TIME_LIMIT_EXCEEDED": ScanState.FAILED,
    "STORAGE_LIMIT_EXCEEDED": ScanState.FAILED,
    "INVALID_ARTIFACT": ScanState.FAILED,
    "UNSUPPORTED_OS": ScanState.UNSUPPORTED,
    "UNSUPPORTED_RUNTIME": ScanState.UNSUPPORTED,
    "UNSUPPORTED_MEDIA_TYPE": ScanState.UNSUPPORTED,
    "UNSUPPORTED_CONFIG_FILE": ScanState.UNSUPPORTED,
    "UNSUPPORTED_LANGUAGE": ScanState.UNSUPPORTED,
    "UNSUPPORTED_CODE_ARTIFACTS": ScanState.UNSUPPORTED,
}
"""`scanStatus.reason` of ListCoverage (inspector2's ScanStatusReason); any other is: nobody scans it."""


class Coverage(NamedTuple):
    """How Inspector's scan of an image stands, and the reason in its own word."""

    state: ScanState
    why: str


class Inspected(NamedTuple):
    """What is open of an image; and the ARNs of all findings that Inspector lists, closed and suppressed ones too."""

    reading: Reading
    listed: frozenset[str]


class Inspector:
    """Inspector of this account and Region. Raises AccessDeniedError where it is not enabled or may not be asked."""

    def __init__(self, inspector2: Any, clock: Clock) -> None:
        self._inspector2 = inspector2
        self._details = InspectorDetails(inspector2, clock)

    def findings(self, repository: Repository, digest: Digest) -> Inspected:
        """The open findings of an image, with details of each vulnerability. Raises AccessDeniedError."""
        criteria = {
            "awsAccountId": _equals(repository.account),
            "ecrImageHash": _equals(digest),
            "ecrImageRepositoryName": _equals(repository.name),
            "resourceType": _equals(ECR_IMAGE),
        }
        reading, listed = Reading(), list[str]()
        with aws_errors(gone=NOT_ENABLED):
            for page in _pages(self._inspector2, "list_findings", filterCriteria=criteria):
                found = page.get("findings", [])
                reading += read_enhanced(found, len(listed))
                listed += [str(each.get("findingArn", "")) for each in found]
        known, refused = self._details.of(reading.findings)
        findings = (
            detailed(each, known[each.vulnerability]) if each.vulnerability in known else each
            for each in reading.findings
        )
        return Inspected(Reading(tuple(findings), reading.refused + refused), frozenset(listed))

    def coverage(self, repository: Repository, digest: Digest) -> Coverage | None:
        """How its scan stands; None where Inspector does not know the image, is not enabled or may not be asked."""
        criteria = {
            "resourceId": [{"comparison": "EQUALS", "value": image_arn(repository, digest)}],
            "resourceType": [{"comparison": "EQUALS", "value": ECR_IMAGE}],
        }
        try:
            with aws_errors():
                answer = self._inspector2.list_coverage(filterCriteria=criteria)
        except (AccessDeniedError, UnsupportedError):
            return None
        for each in answer.get("coveredResources", []):
            if each.get("scanType", "PACKAGE") == "PACKAGE" and each.get("scanStatus"):
                reason = str(each["scanStatus"].get("reason", ""))
                return Coverage(_REASONS.get(reason, ScanState.NOT_SCANNED), reason)
        return None

    def clusters(self, repository: Repository, images: Sequence[Digest]) -> Sequence[Runner]:
        """What runs images in clusters of ECS and EKS; empty where Inspector is not enabled or may not be asked."""
        found: dict[tuple[str, str], Runner] = {}
        for digest in images:
            asked = {"resourceId": image_arn(repository, digest)}
            try:
                with aws_errors():
                    for page in _pages(self._inspector2, "get_clusters_for_image", filter=asked):
                        for runner in _runners(page.get("cluster", [])):
                            _add(found, runner)
            except (AccessDeniedError, UnsupportedError):
                break
        return [found[key] for key in sorted(found)]


def _pages(client: Any, operation: str, **arguments: Any) -> Iterable[Mapping[str, Any]]:
    pages = client.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": _PAGE})
    for number, page in enumerate(pages):
        if number >= MOST_PAGES:
            raise UnsupportedError(f"{operation} has more than {MOST_PAGES} pages")
        yield page


def _equals(value: str) -> list[dict[str, str]]:
    return [{"comparison": "EQUALS", "value": value}]


def _runners(clusters: Sequence[Mapping[str, Any]]) -> Iterable[Runner]:
    for cluster in clusters:
        arn = str(cluster.get("clusterArn", ""))
        for each in cluster.get("clusterDetails", []):
            units = each.get("runningUnitCount")
            if units == 0:
                continue  # it ran there within the last day
            about = each.get("clusterMetadata", {})
            yield from _of_ecs(arn, about.get("awsEcsMetadataDetails"), units)
            yield from _of_eks(arn, about.get("awsEksMetadataDetails"), units)


def _of_ecs(cluster: str, about: Mapping[str, Any] | None, units: int | None) -> Iterable[Runner]:
    """`detailsGroup` is the task's group, as ``service:web``: of a service the ARN can be told from it."""
    if not about:
        return
    kind, _, name = str(about.get("detailsGroup", "")).partition(":")
    family = str(about.get("taskDefinitionArn", "")).rpartition("/")[2]
    arn = f"{cluster.replace(':cluster/', ':service/', 1)}/{name}" if kind == "service" and name else ""
    yield Runner(name or kind or family, arn, cluster.rpartition("/")[2], units=units)


def _of_eks(cluster: str, about: Mapping[str, Any] | None, units: int | None) -> Iterable[Runner]:
    if not about:
        return
    namespace = str(about.get("namespace", ""))
    workloads = about.get("workloadInfoList") or [{}]
    for each in workloads:
        name = "/".join(part for part in (namespace, str(each.get("name", ""))) if part)
        # Units are of all of them together.
        yield Runner(name or "pods", "", cluster.rpartition("/")[2], units=units if len(workloads) == 1 else None)


def _add(found: dict[tuple[str, str], Runner], runner: Runner) -> None:
    """The children of an index run in the same places: their units are added up."""
    key = (runner.cluster, runner.name)
    before = found.get(key)
    if before is None:
        found[key] = runner
    else:
        known = [each for each in (before.units, runner.units) if each is not None]
        found[key] = before._replace(units=sum(known) if known else None)
