"""ECR's scan operations and Inspector's in moto, answered from the bundle's scanner."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ecr.models import ecr_backends
from moto.ecr.responses import ECRResponse
from moto.ecs.models import ecs_backends
from moto.inspector2 import urls as inspector_urls
from moto.inspector2.responses import Inspector2Response

from longshore_local.ecr_call import Answer
from longshore_local.ecr_images import EcrError, EcrRegistry, ImageIdError
from longshore_local.ecs.patches import Patches
from longshore_local.scanning import views
from longshore_local.scanning.scanner import Scanner
from longshore_local.scanning.scans import ENHANCED, Held, Scan

_BETWEEN = timedelta(hours=24)
_MOST = 100
_DETAILS = 10
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
"""As image indexes and as ECS call them."""
_PATHS = ("findings/details/batch/get", "coverage/list", "cluster/get")
_FILTERS: dict[str, Callable[[Scan, Held], Iterable[str]]] = {
    "findingArn": lambda scan, held: [held.arn],
    "awsAccountId": lambda scan, held: [scan.account],
    "findingType": lambda scan, held: ["PACKAGE_VULNERABILITY"],
    "severity": lambda scan, held: [held.severity],
    "findingStatus": lambda scan, held: [held.status],
    "resourceType": lambda scan, held: ["AWS_ECR_CONTAINER_IMAGE"],
    "resourceId": lambda scan, held: [scan.arn],
    "ecrImageRegistry": lambda scan, held: [scan.account],
    "ecrImageRepositoryName": lambda scan, held: [scan.repository],
    "ecrImageHash": lambda scan, held: [scan.digest],
    "ecrImageTags": lambda scan, held: scan.image.image_tags,
    "vulnerabilityId": lambda scan, held: [held.worst.id],
}
_COVERED: dict[str, Callable[[Scan], Iterable[str]]] = {
    "accountId": lambda scan: [scan.account],
    "resourceId": lambda scan: [scan.arn],
    "resourceType": lambda scan: ["AWS_ECR_CONTAINER_IMAGE"],
    "scanType": lambda scan: ["PACKAGE"],
    "ecrRepositoryName": lambda scan: [scan.repository],
    "ecrImageTags": lambda scan: scan.image.image_tags,
    "scanStatusCode": lambda scan: [views.code(scan)],
    "scanStatusReason": lambda scan: [scan.reason],
}


class InspectorError(ServiceException):
    """A refusal of Inspector's API: one of the error codes in botocore's model, and a text."""

    __module__ = "moto.inspector2.exceptions"  # by which moto finds that model


class Scanning:
    """The operations; plugged into moto by `plug_in` until `close`."""

    def __init__(self, scanner: Scanner, registry: Callable[[str, str], EcrRegistry]) -> None:
        self.scanner = scanner
        self._registry = registry
        self._patches = Patches()
        self._paths: list[str] = []

    def plug_in(self) -> None:
        """Puts the operations in the place of moto's, and adds Inspector's that moto lacks."""
        for path in _PATHS:
            if (url := f"{{0}}/{path}$") not in inspector_urls.url_paths:
                inspector_urls.url_paths[url] = Inspector2Response.dispatch
                self._paths.append(url)
        ecr = (self.describe_image_scan_findings, self.start_image_scan, self.put_registry_scanning_configuration)
        inspector = (
            self.list_findings,
            self.batch_get_finding_details,
            self.list_coverage,
            self.get_clusters_for_image,
        )
        for owner, operations in ((ECRResponse, ecr), (Inspector2Response, inspector)):
            for operation in operations:
                self._patches.put(owner, operation.__name__, _responder(operation))

    def close(self) -> None:
        """Gives moto its own answers back."""
        self._patches.undo()
        while self._paths:
            del inspector_urls.url_paths[self._paths.pop()]

    # -- ECR --------------------------------------------------------------------------------------------------------

    def describe_image_scan_findings(self, account: str, region: str, request: Answer) -> Answer:
        """How the scan of an image stands, and a page of what it found."""
        digest, answer = self._image(account, region, request)
        scan = self.scanner.scan_of(account, region, request["repositoryName"], digest)
        if scan is None:
            where = f"the repository with name '{request['repositoryName']}' in the registry with id '{account}'"
            text = f"Image scan does not exist for the image with '{_named(request)}' in {where}"
            raise EcrError("ScanNotFoundException", text)
        answer["imageScanStatus"] = {"status": scan.status, "description": _DESCRIBED.get(scan.status, scan.status)}
        if not scan.finished:
            return answer
        name = "enhancedFindings" if scan.enhanced else "findings"
        page, token = _page(_shown(scan), request, _MOST)
        found = {"imageScanCompletedAt": scan.at, "findingSeverityCounts": scan.counts(), name: page}
        return {**answer, "imageScanFindings": found, "nextToken": token}

    def start_image_scan(self, account: str, region: str, request: Answer) -> Answer:
        """Scans an image again, at most once in 24 hours; basic scanning only."""
        digest, answer = self._image(account, region, request)
        repository = request["repositoryName"]
        if ecr_backends[account][region].registry_scanning_configuration["scanType"] == ENHANCED:
            raise EcrError("ValidationException", "This feature is disabled: the registry has enhanced scanning")
        known = self.scanner.scan_of(account, region, repository, digest)
        if known is not None and known.due + _BETWEEN > self.scanner.now():
            raise EcrError("LimitExceededException", "The scan quota per image has been exceeded. Wait and try again.")
        if self.scanner.start(account, region, repository, digest) is None:
            raise EcrError("UnsupportedImageTypeException", f"The image '{digest}' cannot be scanned")
        return {**answer, "imageScanStatus": {"status": "IN_PROGRESS"}}

    def put_registry_scanning_configuration(self, account: str, region: str, request: Answer) -> Answer:
        """Sets how the registry scans."""
        rules = list(request.get("rules") or [])
        self.scanner.configure(account, region, request["scanType"], rules)
        return {"registryScanningConfiguration": {"scanType": request["scanType"], "rules": rules}}

    def _image(self, account: str, region: str, request: Answer) -> tuple[str, Answer]:
        repository, named = request["repositoryName"], request["imageId"]
        account = request.get("registryId") or account
        try:
            image = self._registry(account, region).find(
                repository, tag=named.get("imageTag"), digest=named.get("imageDigest")
            )
        except ImageIdError as error:
            text = f"The image with imageId {_named(request)} does not exist within the repository '{repository}'"
            raise EcrError("ImageNotFoundException", text) from error
        named = {"imageDigest": image.manifest.digest, "imageTag": named.get("imageTag")}
        return image.manifest.digest, {"registryId": account, "repositoryName": repository, "imageId": named}

    # -- Inspector --------------------------------------------------------------------------------------------------

    def list_findings(self, account: str, region: str, request: Answer) -> Answer:
        """The findings that all criteria let through, closed ones too."""
        criteria = request.get("filterCriteria") or {}
        _refuse_unknown(criteria, _FILTERS)
        found = [
            views.inspector(scan, held)
            for scan in self.scanner.scans(account, region)
            for held in scan.held.values()
            if all(_meets(wanted, _FILTERS[name](scan, held)) for name, wanted in criteria.items())
        ]
        page, token = _page(found, request, _MOST)
        return {"findings": page, "nextToken": token}

    def batch_get_finding_details(self, account: str, region: str, request: Answer) -> Answer:
        """What Inspector's intelligence knows of up to ten findings."""
        asked = request["findingArns"]
        if not 0 < len(asked) <= _DETAILS:
            raise InspectorError("ValidationException", f"findingArns takes 1 to {_DETAILS} ARNs, got {len(asked)}")
        held = {each.arn: each for scan in self.scanner.scans(account, region) for each in scan.held.values()}
        missing = [arn for arn in asked if arn not in held]
        return {
            "findingDetails": [views.details(held[arn]) for arn in asked if arn in held],
            "errors": [
                {"findingArn": arn, "errorCode": "FINDING_DETAILS_NOT_FOUND", "errorMessage": "Finding not found"}
                for arn in missing
            ],
        }

    def list_coverage(self, account: str, region: str, request: Answer) -> Answer:
        """What Inspector scans, and why not."""
        criteria = request.get("filterCriteria") or {}
        _refuse_unknown(criteria, _COVERED)
        covered = [
            views.coverage(scan)
            for scan in self.scanner.scans(account, region)
            if all(_meets(wanted, _COVERED[name](scan)) for name, wanted in criteria.items())
        ]
        page, token = _page(covered, request, _MOST)
        return {"coveredResources": page, "nextToken": token}

    def get_clusters_for_image(self, account: str, region: str, request: Answer) -> Answer:
        """Which clusters run an image: from the tasks of the bundle's ECS."""
        if ecr_backends[account][region].registry_scanning_configuration["scanType"] != ENHANCED:
            raise InspectorError("AccessDeniedException", "Inspector is not enabled for this account")
        arn = str(request["filter"]["resourceId"])
        repository, _, digest = arn.partition(":repository/")[2].rpartition("/")
        names = self._names(account, region, repository, digest)
        page, token = _page(_clusters(account, region, names, self.scanner.now()), request, _MOST)
        return {"cluster": page, "nextToken": token}

    def _names(self, account: str, region: str, repository: str, digest: str) -> set[tuple[str, str]]:
        """As what tasks may name it: itself or an index that lists it, with the architecture that then runs it."""
        names = {(digest, architecture) for architecture in _ARCHITECTURES}
        if repository in ecr_backends[account][region].repositories:
            images = self._registry(account, region).images(repository)
            indexes = [image.manifest for image in images if digest in image.manifest.children]
            names |= {(index.digest, _listed_for(index.text, digest)) for index in indexes}
        return names


_DESCRIBED = {
    "COMPLETE": "The scan was completed successfully.",
    "ACTIVE": "Continuous scan is selected for image.",
    "UNSUPPORTED_IMAGE": "UnsupportedImageError: The operating system and/or package manager are not supported.",
}


def install(scanner: Scanner, registry: Callable[[str, str], EcrRegistry]) -> Scanning:
    """Plugs the scan operations into moto, for this process, until `close`."""
    scanning = Scanning(scanner, registry)
    scanning.plug_in()
    return scanning


def _responder(operation: Callable[[str, str, Answer], Answer]) -> Callable[[Any], ActionResult]:
    def respond(response: Any) -> ActionResult:
        request = json.loads(response.body or "{}")
        return ActionResult(operation(response.current_account, response.region, request))

    return respond


def _named(request: Answer) -> str:
    named = request["imageId"]
    return f"{{imageDigest:'{named.get('imageDigest', 'null')}', imageTag:'{named.get('imageTag', 'null')}'}}"


def _shown(scan: Scan) -> list[Answer]:
    if scan.enhanced:
        return [views.enhanced(scan, held) for held in scan.active()]
    return [views.basic(each) for held in scan.active() for each in held.vulnerabilities]


def _page(found: Sequence[Answer], request: Answer, size: int) -> tuple[Sequence[Answer], str | None]:
    start = int(request.get("nextToken") or 0)
    end = start + int(request.get("maxResults") or size)
    return found[start:end], str(end) if end < len(found) else None


def _refuse_unknown(criteria: Answer, known: Iterable[str]) -> None:
    unknown = sorted(set(criteria) - set(known))
    if unknown:
        raise InspectorError("ValidationException", f"the local bundle does not filter by {', '.join(unknown)}")
    crowded = [name for name, wanted in criteria.items() if not 0 < len(wanted) <= _DETAILS]
    if crowded:
        raise InspectorError("ValidationException", f"{', '.join(crowded)}: 1 to {_DETAILS} values")


def _meets(wanted: Sequence[Answer], values: Iterable[str]) -> bool:
    """Values of one criterion are joined by or; NOT_EQUALS must hold for all of them."""
    held = list(values)
    refused = [each["value"] for each in wanted if each["comparison"] == "NOT_EQUALS"]
    sought = [each for each in wanted if each["comparison"] != "NOT_EQUALS"]
    if set(refused) & set(held):
        return False
    return not sought or any(_is(each, value) for each in sought for value in held)


def _is(criterion: Answer, value: str) -> bool:
    prefix = criterion["comparison"] == "PREFIX"
    return value.startswith(criterion["value"]) if prefix else bool(value == criterion["value"])


def _clusters(account: str, region: str, names: set[tuple[str, str]], now: datetime) -> list[Answer]:
    found: dict[str, dict[tuple[str, str], int]] = {}
    held: Any = ecs_backends[account][region].tasks
    for task in [task for tasks in held.values() for task in tasks.values() if task.last_status == "RUNNING"]:
        if names & {(container.digest, _architecture(task)) for container in task.containers}:
            units = found.setdefault(task.cluster_arn, {})
            unit = (str(task.group), str(task.task_definition_arn))
            units[unit] = units.get(unit, 0) + 1
    return [
        {"clusterArn": cluster, "clusterDetails": [_unit(*unit, count, now) for unit, count in sorted(units.items())]}
        for cluster, units in sorted(found.items())
    ]


def _architecture(task: Any) -> str:
    """The architecture that a task runs on, as image indexes call it."""
    (attribute,) = task.view()["attributes"]
    return next(name for name, of_ecs in _ARCHITECTURES.items() if of_ecs == attribute["value"])


def _listed_for(index: str, digest: str) -> str:
    listed = json.loads(index)["manifests"]
    return next(str(each.get("platform", {}).get("architecture")) for each in listed if each["digest"] == digest)


def _unit(group: str, definition: str, count: int, now: datetime) -> Answer:
    seen = {"detailsGroup": group, "taskDefinitionArn": definition}
    return {
        "lastInUse": now,
        "runningUnitCount": count,
        "stoppedUnitCount": 0,
        "clusterMetadata": {"awsEcsMetadataDetails": seen},
    }
