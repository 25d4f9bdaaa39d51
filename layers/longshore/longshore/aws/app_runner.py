"""App Runner services: observed, deployed anew or updated, and followed by their operations. The facts are aws.md H."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.aws.remembered import recalled, remembered
from longshore.aws.tagging import opted_in
from longshore.decisions import Reason
from longshore.errors import ConflictError, GoneError, UnsupportedError
from longshore.workloads import (
    APPLICATION,
    HUMAN_TAG,
    Observation,
    Refusal,
    Rollout,
    RolloutStatus,
    Workload,
    WorkloadId,
)

if TYPE_CHECKING:
    from longshore.workloads import Plan

_PLATFORM = "linux/amd64"
"""All that App Runner runs on."""
_NAMES_NOTHING = ("ResourceNotFoundException",)
_OPERATIONS = 20  # on one page: as many as there may be
_DEPLOYS = ("CREATE_SERVICE", "START_DEPLOYMENT", "UPDATE_SERVICE")
"""The operations that deploy an image; whoever resumes a paused service goes on with the one before."""
_RUNNING, _BUSY, _PAUSED = "RUNNING", "OPERATION_IN_PROGRESS", "PAUSED"
_STATUSES = {
    "PENDING": RolloutStatus.RUNNING,
    "IN_PROGRESS": RolloutStatus.RUNNING,
    "SUCCEEDED": RolloutStatus.SUCCEEDED,
    "FAILED": RolloutStatus.FAILED,
    "ROLLBACK_IN_PROGRESS": RolloutStatus.ROLLING_BACK,
    "ROLLBACK_SUCCEEDED": RolloutStatus.ROLLED_BACK,
    "ROLLBACK_FAILED": RolloutStatus.ROLLBACK_FAILED,
}
_CODE = Refusal(Reason.UNSUPPORTED_PLATFORM, "its source is a code repository; only images are followed")
_AUTOMATIC = Refusal(Reason.DEPLOYS_ITSELF, "AutoDeploymentsEnabled is on, and two would deploy each image")
_STOPPED = Refusal(Reason.SERVICE_PAUSED, "the service is paused")

Recall = Callable[[Observation], Observation]


class AppRunnerServices:
    """The platform and the discovery of services.

    A deployment is an operation, and its id the operation's. App Runner tells no digest but one that is written.
    """

    def __init__(self, services: Callable[[], Any], tagging: Callable[[], Any], recall: Recall | None = None) -> None:
        """`services` answers App Runner's boto3 client, `tagging` that of the tagging API, each built when needed.

        `recall` adds what the ledger knows of the digests that run.
        """
        self._services = services
        self._tagging = tagging
        self._recall = recall

    def arns(self) -> Iterable[str]:
        """See the port. Outside the partition `aws` there is no App Runner (design 14)."""
        tagging = self._tagging()
        found = opted_in(tagging, "apprunner:service") if tagging.meta.partition == "aws" else ()
        return (arn for arn in found if WorkloadId.names(arn))

    def unseen(self, arn: str) -> str:
        """Tags are all that there is to see."""
        return ""

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """App Runner describes one service at a time."""
        found = []
        for arn in arns:
            try:
                found.append(self.observe(arn))
            except GoneError:
                continue
        return found

    def observe(self, arn: str) -> Observation:
        """DescribeService, ListTagsForResource and ListOperations."""
        id = WorkloadId.parse(arn)
        service = self._described(arn)
        with aws_errors(gone=_NAMES_NOTHING):
            listed = self._services().list_tags_for_resource(ResourceArn=arn)["Tags"]
        tags = {str(tag["Key"]): str(tag["Value"]) for tag in listed}
        newest, serving = self._deployed(arn)
        image, status = _image(service), service["Status"]
        images = {APPLICATION: image} if image else {}
        settled = newest is None or newest["Status"] == "SUCCEEDED"
        digest = image.partition("@")[2] if settled else ""
        seen = Observation(
            workload=Workload(arn, id.platform, id.account, id.region, id.cluster, id.label, tags, images),
            running={APPLICATION: digest} if digest else {},
            human_tags={APPLICATION: tag} if (tag := recalled(image, tags)) else {},
            platforms=frozenset({_PLATFORM}),
            roles=_roles(service),
            rollout=str(newest["Id"]) if newest else None,
            rollout_active=status == _BUSY,
            desired=0 if status == _PAUSED else 1,
            steady=status == _RUNNING and settled,
            active=status in (_RUNNING, _BUSY, _PAUSED),
            refusal=_refusal(service),
            since=serving["StartedAt"] if serving else service["CreatedAt"],
        )
        return self._recall(seen) if self._recall else seen

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """StartDeployment where the same identifier is pulled again, else UpdateService of the identifier alone.

        App Runner refuses a second operation. It compares nothing, so what it would overwrite is read right before.
        """
        arn = plan.workload
        before = observation.workload.images.get(APPLICATION, "")
        image = next((change.image for change in plan.changes), before)
        service = self._described(arn)
        if service["Status"] != _RUNNING or _image(service) != before:
            raise ConflictError("the service has changed since it was observed")
        request: dict[str, Any] = {"ServiceArn": arn}
        if image == before:
            return self._begin("start_deployment", request)
        source = service["SourceConfiguration"]
        repository = {**source["ImageRepository"], "ImageIdentifier": image}
        request["SourceConfiguration"] = {**source, "ImageRepository": repository}
        self._remember(arn, image, plan.changes[0].tag, observation.workload.tags.get(HUMAN_TAG, ""))
        return self._begin("update_service", request)

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The newest operation that deploys, begun since, with a second of grace for rounded times."""
        newest, _ = self._deployed(arn)
        if newest is None or newest["StartedAt"] < since - timedelta(seconds=1) or newest["Id"] == other_than:
            return None
        return str(newest["Id"])

    def rollout(self, arn: str, id: str) -> Rollout:
        """How an operation stands; App Runner takes back by itself what fails."""
        found = self._operation(arn, id)
        if found is None:
            return Rollout(id, RolloutStatus.GONE, "the service has no such operation")
        status = _STATUSES[found["Status"]]
        well = status in (RolloutStatus.RUNNING, RolloutStatus.SUCCEEDED)
        name, service = WorkloadId.parse(arn).name, arn.rpartition("/")[2]
        why = f"{found['Status']}: the log group /aws/apprunner/{name}/{service}/service tells why"
        return Rollout(id, status, "" if well else why)

    def complete(self, arn: str, id: str) -> None:
        """Nothing is left to do: App Runner completes its operations."""

    def stop(self, arn: str, id: str) -> None:
        """Always raises ConflictError, for App Runner lets no operation be stopped; GoneError without it."""
        if self._operation(arn, id) is None:
            raise GoneError(f"{arn} has no operation {id}")
        raise ConflictError("an operation of App Runner cannot be stopped")

    def _described(self, arn: str) -> Mapping[str, Any]:
        with aws_errors(gone=_NAMES_NOTHING):
            found: Mapping[str, Any] = self._services().describe_service(ServiceArn=arn)["Service"]
        return found

    def _begin(self, operation: str, request: Mapping[str, Any]) -> str:
        """Raises ConflictError while another operation goes on, whatever App Runner calls it (aws H, not verified)."""
        kinds = {"InvalidStateException": ConflictError, "InvalidRequestException": UnsupportedError}
        try:
            with aws_errors(gone=_NAMES_NOTHING, kinds=kinds):
                return str(getattr(self._services(), operation)(**request)["OperationId"])
        except UnsupportedError as error:
            if self._described(request["ServiceArn"])["Status"] == _BUSY:
                raise ConflictError(str(error)) from error
            raise

    def _remember(self, arn: str, image: str, tag: str | None, before: str) -> None:
        known = remembered(image, tag, before)
        if known is not None and known != before:
            with aws_errors(gone=_NAMES_NOTHING):
                self._services().tag_resource(ResourceArn=arn, Tags=[{"Key": HUMAN_TAG, "Value": known}])

    def _operations(self, arn: str) -> Iterator[Mapping[str, Any]]:
        """ListOperations, the newest first."""
        request: dict[str, Any] = {"ServiceArn": arn, "MaxResults": _OPERATIONS}
        with aws_errors(gone=_NAMES_NOTHING):
            while True:
                page = self._services().list_operations(**request)
                yield from page.get("OperationSummaryList", [])
                if not page.get("NextToken"):
                    return
                request["NextToken"] = page["NextToken"]

    def _operation(self, arn: str, id: str) -> Mapping[str, Any] | None:
        return next((each for each in self._operations(arn) if each["Id"] == id), None)

    def _deployed(self, arn: str) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        """The newest operation that deploys an image, and the newest one that did."""
        newest = None
        for each in self._operations(arn):
            if each["Type"] in _DEPLOYS:
                newest = newest or each
                if each["Status"] == "SUCCEEDED":
                    return newest, each
        return newest, None


def _image(service: Mapping[str, Any]) -> str:
    """What the service declares; empty for one that is built from code."""
    return str(service["SourceConfiguration"].get("ImageRepository", {}).get("ImageIdentifier", ""))


def _refusal(service: Mapping[str, Any]) -> Refusal | None:
    source = service["SourceConfiguration"]
    if "ImageRepository" not in source:
        return _CODE
    if source.get("AutoDeploymentsEnabled"):
        return _AUTOMATIC
    return _STOPPED if service["Status"] == _PAUSED else None


def _roles(service: Mapping[str, Any]) -> tuple[str, ...]:
    """The role that UpdateService passes; that of the running application it leaves as it is, unnamed."""
    role = service["SourceConfiguration"].get("AuthenticationConfiguration", {}).get("AccessRoleArn")
    return (str(role),) if role else ()
