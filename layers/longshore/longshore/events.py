"""Events: those of AWS that Longshore understands, its own, and the waiting that a message may carry.

An event names a thing and nothing more (design 4): every field is checked here, and what is acted on is read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from longshore.envelopes import Envelope, optional_text, text
from longshore.errors import BadEventError
from longshore.images import PUBLIC_HOST, Digest, Repository, is_digest, is_repository_name, is_tag
from longshore.places import Place
from longshore.workload_ids import HUMAN_TAG, PlatformKind, WorkloadId

_LEGACY_SERVICE_ARN = re.compile(r"arn:aws[a-z-]*:ecs:[a-z0-9-]{4,32}:\d{12}:service/[A-Za-z0-9_-]{1,255}", re.ASCII)


class Kind(StrEnum):
    """The closed list of the detail-types that Longshore publishes (design 4)."""

    DEPLOYMENT_PLANNED = "Deployment Planned"
    DEPLOYMENT_HELD = "Deployment Held"
    DEPLOYMENT_STARTED = "Deployment Started"
    DEPLOYMENT_SUCCEEDED = "Deployment Succeeded"
    DEPLOYMENT_FAILED = "Deployment Failed"
    DEPLOYMENT_ROLLED_BACK = "Deployment Rolled Back"
    DEPLOYMENT_SUPERSEDED = "Deployment Superseded"
    REDEPLOY_REQUESTED = "Redeploy Requested"
    TASK_FAILED = "Task Failed"
    TASK_REPLACED = "Task Replaced"
    TASK_REPLACEMENT_REFUSED = "Task Replacement Refused"
    TASK_GIVEN_UP = "Task Given Up"
    CRASH_LOOP_OPENED = "Crash Loop Opened"
    CRASH_LOOP_RESOLVED = "Crash Loop Resolved"
    RETIREMENT_ANNOUNCED = "Retirement Announced"
    IMAGE_MIRRORED = "Image Mirrored"
    MIRROR_FAILED = "Mirror Failed"
    MIRROR_REPORTED = "Mirror Reported"
    FINDINGS_REPORTED = "Findings Reported"
    FINDINGS_RESOLVED = "Findings Resolved"
    GATE_OPENED = "Gate Opened"
    GATE_CLOSED = "Gate Closed"
    APPROVAL_REQUESTED = "Approval Requested"
    APPROVAL_DECIDED = "Approval Decided"
    HOLD_SET = "Hold Set"
    HOLD_LIFTED = "Hold Lifted"
    CONFIGURATION_REJECTED = "Configuration Rejected"
    CHANNEL_FAILED = "Channel Failed"
    EVENTS_MISSED = "Events Missed"


@dataclass(frozen=True, slots=True)
class Announcement:
    """An event that Longshore publishes on its bus: a fact, with the id of the AWS event that led to it."""

    kind: Kind
    detail: Mapping[str, Any]
    resources: tuple[str, ...] = ()
    correlation: str = ""


class Cause(StrEnum):
    """Why a repository is looked at."""

    PUSH = "push"
    REPLICATION = "replication"
    PULL_THROUGH_CACHE = "pull-through-cache"
    RESTORE = "restore"
    MIRROR = "mirror"
    SWEEP = "sweep"


class ImageMoved(NamedTuple):
    """An image became available in a repository: pushed, replicated, cached, restored or mirrored."""

    repository: Repository
    tag: str | None
    digest: Digest | None
    media_type: str | None
    artifact_type: str | None
    cause: Cause
    correlation: str = ""


class WorkloadTagged(NamedTuple):
    """Tags of a workload changed."""

    arn: str


class DeploymentChanged(NamedTuple):
    """A platform began, finished or failed a deployment of a workload."""

    arn: str
    name: str


PENDING = "pending"
"""The reason of a request to look at what arrived while a deployment was under way."""


JUDGED = "judged"
"""The reason of a request to look at what waited for its gate."""


COMPLETE = "complete"
"""The reason of a request to do the last step of a deployment that the platform has prepared."""


class RedeployRequested(NamedTuple):
    """Another capability, or the watch, asks redeploy to act: the one writer of workloads (design 3)."""

    arn: str
    reason: str
    correlation: str = ""


PUBLIC_REPOSITORY = "public-repository"
"""The member of a sweep's message that names a repository of ECR Public."""


class SweepDue(NamedTuple):
    """It is time to look for what events missed: everything, some workloads, or one repository."""

    arns: tuple[str, ...] = ()
    repository: Repository | None = None


class ReplicationDue(NamedTuple):
    """It is time to ask how far ECR is with the replica of a pushed image in another place."""

    repository: Repository
    tag: str
    digest: Digest
    to: Place


class WatchDue(NamedTuple):
    """It is time to look at a deployment that Longshore began, or at what somebody else `changed` unseen."""

    arn: str
    changed: bool = False


class GroupDeployed(NamedTuple):
    """A deployment of a CodeDeploy deployment group ended, or waits; which workloads it serves, CodeDeploy tells."""

    application: str
    group: str
    state: str


class Irrelevant(NamedTuple):
    """A well-formed event that asks for nothing, such as a deletion."""

    why: str


Fact = (
    ImageMoved
    | WorkloadTagged
    | DeploymentChanged
    | GroupDeployed
    | RedeployRequested
    | SweepDue
    | ReplicationDue
    | WatchDue
    | Irrelevant
)


@dataclass(frozen=True, slots=True)
class Event(Envelope):
    """An event that redeploy or the watch reads, with what it says."""

    fact: Fact

    @classmethod
    def parse(cls, body: object) -> Event:
        """Reads an EventBridge envelope. Raises BadEventError with the path of the first offending field."""
        envelope = Envelope.read(body, _READERS)
        return cls(**envelope.members(), fact=_READERS[envelope.kind](envelope, envelope.detail))

    @property
    def correlation(self) -> str:
        """The id that everything which follows carries: that of the first event.

        What waited for a deployment to end is another story, so a request for it begins anew with its own id.
        """
        match self.fact:
            case ImageMoved(correlation=correlation) if correlation:
                return correlation
            case RedeployRequested(reason=reason, correlation=correlation) if reason != PENDING and correlation:
                return correlation
        return self.id


def _repository(envelope: Envelope, detail: Mapping[str, Any]) -> Repository:
    name = text(detail, "repository-name", where="detail", limit=256)
    if not is_repository_name(name):
        raise BadEventError("detail.repository-name", f"{name[:64]!r} cannot name an ECR repository")
    return Repository(envelope.account, envelope.region, name)


def _public(detail: Mapping[str, Any], key: str) -> Repository:
    try:
        return Repository.public(text(detail, key, where="detail", limit=256).removeprefix(f"{PUBLIC_HOST}/"))
    except ValueError as error:
        raise BadEventError(f"detail.{key}", str(error)) from None


def _moved(envelope: Envelope, detail: Mapping[str, Any], cause: Cause) -> ImageMoved:
    tag, digest = optional_text(detail, "image-tag", "detail"), optional_text(detail, "image-digest", "detail")
    if tag is not None and not is_tag(tag):
        raise BadEventError("detail.image-tag", f"{tag[:64]!r} cannot be a tag")
    if digest is not None and not is_digest(digest):
        raise BadEventError("detail.image-digest", f"{digest[:80]!r} is not a sha256 digest")
    if tag is None and digest is None:
        raise BadEventError("detail.image-digest", "is missing, and so is image-tag")
    media, artifact = (optional_text(detail, f"{kind}-media-type", "detail") for kind in ("manifest", "artifact"))
    return ImageMoved(_repository(envelope, detail), tag, digest, media, artifact, cause)


def _image_action(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    action = text(detail, "action-type", where="detail")
    if text(detail, "result", where="detail") != "SUCCESS":
        return Irrelevant("the action did not succeed")
    if action == "PUSH":
        return _moved(envelope, detail, Cause.PUSH)
    if action == "UPDATE_STORAGE_CLASS" and detail.get("target-storage-class") == "STANDARD":
        return _moved(envelope, detail, Cause.RESTORE)
    _repository(envelope, detail)
    return Irrelevant(f"{action[:64]} makes no image available")


def _replication(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    if text(detail, "result", where="detail") != "SUCCESS":
        return Irrelevant("the replication did not succeed")
    return _moved(envelope, detail, Cause.REPLICATION)


def _pull_through(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    if text(detail, "sync-status", where="detail") != "SUCCESS":
        return Irrelevant("the upstream could not be synchronised")
    return _moved(envelope, detail, Cause.PULL_THROUGH_CACHE)


def _mirrored(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    """Longshore's own word for what ECR Public does not tell; private ECR tells of a push itself."""
    if not text(detail, "downstream", where="detail", limit=512).startswith(f"{PUBLIC_HOST}/"):
        return Irrelevant("the registry itself tells of what is pushed there")
    tag, digest = (text(detail, key, where="detail") for key in ("tag", "digest"))
    if not is_tag(tag):
        raise BadEventError("detail.tag", f"{tag[:64]!r} cannot be a tag")
    if not is_digest(digest):
        raise BadEventError("detail.digest", f"{digest[:80]!r} is not a sha256 digest")
    correlation = optional_text(detail, "correlation", "detail") or ""
    return ImageMoved(_public(detail, "downstream"), tag, digest, None, None, Cause.MIRROR, correlation)


def _named(envelope: Envelope, platform: PlatformKind) -> str | None:
    """The ARN of the workload that an AWS event names; None for one that does not tell its cluster."""
    if not envelope.resources:
        raise BadEventError("resources", "must name the workload")
    arn = envelope.resources[0]
    if WorkloadId.names(arn) and WorkloadId.parse(arn).platform is platform:
        return arn
    if platform is PlatformKind.ECS_SERVICE and _LEGACY_SERVICE_ARN.fullmatch(arn):
        return None  # the ARN form of before 2018 does not tell the cluster; the sweep covers such services
    raise BadEventError("resources[0]", f"{arn[:128]!r} is not the ARN of a workload ({platform})")


_GROUP_MEMBERS = ("application", "deploymentGroup", "state")
"""Of the detail of a CodeDeploy event (aws.md A5)."""

_TAGGED = {
    ("ecs", "service"): PlatformKind.ECS_SERVICE,
    ("ecs", "daemon"): PlatformKind.ECS_DAEMON,
    ("lambda", "function"): PlatformKind.LAMBDA_FUNCTION,
    ("apprunner", "service"): PlatformKind.APP_RUNNER_SERVICE,
    ("events", "rule"): PlatformKind.EVENTBRIDGE_RULE,
}
"""The services and resource types of tag change events that concern workloads."""


def _tag_change(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    tagged = (str(detail.get("service")), str(detail.get("resource-type")))
    if tagged == ("scheduler", "schedule-group"):
        return SweepDue()  # it concerns every schedule of the group
    platform = _TAGGED.get(tagged)
    if platform is None:
        return Irrelevant("not a workload")
    if detail.get("changed-tag-keys") == [HUMAN_TAG]:
        return Irrelevant("the tag that Longshore itself writes")
    arn = _named(envelope, platform)
    return WorkloadTagged(arn) if arn else Irrelevant("the service's ARN does not tell its cluster")


def _deployment_change(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    name = text(detail, "eventName", where="detail", limit=128)
    arn = _named(envelope, PlatformKind.ECS_SERVICE)
    return DeploymentChanged(arn, name) if arn else Irrelevant("the service's ARN does not tell its cluster")


def _daemon_change(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    name = text(detail, "eventName", where="detail", limit=128)
    arn = _named(envelope, PlatformKind.ECS_DAEMON)
    return DeploymentChanged(arn, name) if arn else Irrelevant("no workload")


def _operation_change(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    name = text(detail, "operationStatus", where="detail", limit=128)
    arn = _named(envelope, PlatformKind.APP_RUNNER_SERVICE)
    return DeploymentChanged(arn, name) if arn else Irrelevant("no workload")


def _group_deployed(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    application, group, state = (text(detail, key, where="detail", limit=100) for key in _GROUP_MEMBERS)
    return Irrelevant("a deployment has just begun") if state == "START" else GroupDeployed(application, group, state)


def _workload(detail: Mapping[str, Any]) -> str:
    arn = text(detail, "workload", where="detail")
    try:
        return WorkloadId.parse(arn).arn
    except ValueError as error:
        raise BadEventError("detail.workload", str(error)) from None


def _requested(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    correlation = optional_text(detail, "correlation", "detail") or ""
    return RedeployRequested(_workload(detail), text(detail, "reason", where="detail", limit=256), correlation)


def _judged(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    """A gate: what it says is read from the ledger when the workload is decided on again."""
    return RedeployRequested(_workload(detail), JUDGED, optional_text(detail, "correlation", "detail") or "")


def _replica(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    moved = _moved(envelope, detail, Cause.REPLICATION)
    if moved.tag is None or moved.digest is None:
        raise BadEventError("detail", "must have image-tag and image-digest")
    try:
        return ReplicationDue(
            moved.repository, moved.tag, moved.digest, Place.parse(text(detail, "to", where="detail"))
        )
    except ValueError as error:
        raise BadEventError("detail.to", str(error)) from None


def _watch(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    return WatchDue(_workload(detail), detail.get("changed") is True)


def _stack_deployed(_: Envelope, __: Mapping[str, Any]) -> Fact:
    return SweepDue()  # a new stack knows no workload yet, an updated one may have missed events


def _sweep(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    arns = detail.get("workloads", [])
    if not isinstance(arns, list) or not all(map(WorkloadId.names, arns)):
        raise BadEventError("detail.workloads", "must be a list of ARNs of workloads")
    if PUBLIC_REPOSITORY in detail:
        return SweepDue(tuple(arns), _public(detail, PUBLIC_REPOSITORY))
    repository = _repository(envelope, detail) if "repository-name" in detail else None
    return SweepDue(tuple(arns), repository)


_READERS: Mapping[str, Callable[[Envelope, Mapping[str, Any]], Fact]] = {
    "ECR Image Action": _image_action,
    "ECR Replication Action": _replication,
    "ECR Pull Through Cache Action": _pull_through,
    "Image Mirrored": _mirrored,
    "Tag Change on Resource": _tag_change,
    "ECS Deployment State Change": _deployment_change,
    "ECS Daemon Deployment State Change": _daemon_change,
    "CodeDeploy Deployment State-change Notification": _group_deployed,
    "AppRunner Service Operation Status Change": _operation_change,
    "CloudFormation Stack Status Change": _stack_deployed,
    "Redeploy Requested": _requested,
    "Gate Opened": _judged,
    "Gate Closed": _judged,
    "Sweep Due": _sweep,
    "Watch Due": _watch,
    "Replication Due": _replica,
}
