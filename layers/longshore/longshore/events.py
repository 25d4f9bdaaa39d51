"""Events: those of AWS that Longshore understands, its own, and the waiting that a message may carry.

An event names a thing and nothing more (design 4): every field is checked here, and what is acted on is read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from longshore.errors import BadEventError
from longshore.images import Digest, Repository, is_digest, is_repository_name, is_tag

SOURCE = "longshore"
REPLAY_SOURCE = "longshore.replay"
DEFERRAL = "longshore-deferral"
"""The member of a message that Longshore adds when it sends itself a later copy."""

_MOST_DEFERRALS = 1_000_000

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d{1,2}", re.ASCII)
_SERVICE_ARN = re.compile(
    r"arn:aws[a-z-]*:ecs:(?P<region>[a-z0-9-]{4,32}):(?P<account>\d{12}):service/"
    r"(?P<cluster>[A-Za-z0-9_-]{1,255})/(?P<name>[A-Za-z0-9_-]{1,255})",
    re.ASCII,
)
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
    SWEEP = "sweep"


class ImageMoved(NamedTuple):
    """An image became available in a repository: pushed, replicated, cached or restored."""

    repository: Repository
    tag: str | None
    digest: Digest | None
    media_type: str | None
    artifact_type: str | None
    cause: Cause


class WorkloadTagged(NamedTuple):
    """Tags of a workload changed."""

    arn: str


class DeploymentChanged(NamedTuple):
    """A platform began, finished or failed a deployment of a workload."""

    arn: str
    name: str


PENDING = "pending"
"""The reason of a request to look at what arrived while a deployment was under way."""


class RedeployRequested(NamedTuple):
    """Another capability, or the watch, asks redeploy to act: the one writer of workloads (design 3)."""

    arn: str
    reason: str
    correlation: str = ""


class SweepDue(NamedTuple):
    """It is time to look for what events missed: everything, some workloads, or one repository."""

    arns: tuple[str, ...] = ()
    repository: Repository | None = None


class WatchDue(NamedTuple):
    """It is time to look at a deployment that Longshore began."""

    arn: str


class Irrelevant(NamedTuple):
    """A well-formed event that asks for nothing, such as a deletion."""

    why: str


Fact = ImageMoved | WorkloadTagged | DeploymentChanged | RedeployRequested | SweepDue | WatchDue | Irrelevant


class Deferral(NamedTuple):
    """That a message is a later copy: since when it may be acted on, how often it was put off, and why."""

    not_before: datetime
    deferrals: int
    reason: str
    first: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """An event with its envelope checked. `id` correlates everything that follows from it."""

    id: str
    account: str
    region: str
    time: datetime
    fact: Fact
    deferral: Deferral | None = None
    body: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, body: object) -> Event:
        """Reads an EventBridge envelope. Raises BadEventError with the path of the first offending field."""
        envelope = _object(body, "event")
        identity = _text(envelope, "id", limit=256)
        account = _matching(envelope, "account", _ACCOUNT, "must be a 12-digit account id")
        region = _matching(envelope, "region", _REGION, "must be a Region name")
        time = parse_time(_text(envelope, "time", limit=64), "time")
        kind = _text(envelope, "detail-type", limit=128)
        reader = _READERS.get(kind)
        if reader is None:
            raise BadEventError("detail-type", f"{kind[:64]!r} is none that Longshore reads")
        detail = _object(envelope.get("detail"), "detail")
        fact = reader(_Envelope(account, region, _resources(envelope)), detail)
        return cls(identity, account, region, time, fact, _deferral(envelope), envelope)

    @property
    def correlation(self) -> str:
        """The id that everything which follows carries: that of the first event.

        What waited for a deployment to end is another story, so a request for it begins anew with its own id.
        """
        asked = self.fact if isinstance(self.fact, RedeployRequested) and self.fact.reason != PENDING else None
        return (asked.correlation if asked else "") or self.id

    def message(self, kind: str, detail: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """A message to Longshore itself, shaped as an event, with this event's correlation as its id."""
        return {
            "version": "0",
            "id": self.correlation,
            "detail-type": kind,
            "source": SOURCE,
            "account": self.account,
            "region": self.region,
            "time": now.isoformat(),
            "resources": [],
            "detail": dict(detail),
        }

    def deferred(self, until: datetime, reason: str, now: datetime) -> Mapping[str, Any]:
        """The body of a later copy of this event."""
        before = self.waited(reason)
        return {
            **self.body,
            DEFERRAL: {
                "not_before": until.isoformat(),
                "deferrals": before.deferrals + 1 if before else 1,
                "reason": reason,
                "first": (before.first if before else now).isoformat(),
            },
        }

    def waited(self, reason: str) -> Deferral | None:
        """The waiting for `reason` so far; what was waited for another one does not count."""
        return self.deferral if self.deferral and self.deferral.reason == reason else None


class _Envelope(NamedTuple):
    account: str
    region: str
    resources: tuple[str, ...]


def parse_time(text: str, where: str) -> datetime:
    """An ISO 8601 time as an aware UTC datetime. Raises BadEventError."""
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadEventError(where, f"{text[:64]!r} is not an ISO 8601 time") from None


def ecs_service(arn: str) -> tuple[str, str, str, str]:
    """(account, region, cluster, name) of an ECS service ARN in the long form. Raises ValueError."""
    match = _SERVICE_ARN.fullmatch(arn)
    if match is None:
        raise ValueError(f"{arn[:128]!r} is not an ECS service ARN with a cluster name")
    return match["account"], match["region"], match["cluster"], match["name"]


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadEventError(where, f"must be an object, not {type(value).__name__}")
    return value


def _text(container: Mapping[str, Any], key: str, *, where: str = "", limit: int = 1024) -> str:
    value = container.get(key)
    path = f"{where}.{key}" if where else key
    if not isinstance(value, str) or not value:
        raise BadEventError(path, "must be a string that is not empty" if key in container else "is missing")
    if len(value) > limit:
        raise BadEventError(path, f"is longer than {limit} characters")
    if not value.isprintable():  # lone surrogates too, which no AWS API and no log takes
        raise BadEventError(path, "has characters that cannot be printed")
    return value


def _optional(container: Mapping[str, Any], key: str, where: str) -> str | None:
    return None if container.get(key) is None else _text(container, key, where=where)


def _matching(container: Mapping[str, Any], key: str, pattern: re.Pattern[str], problem: str) -> str:
    value = _text(container, key, limit=64)
    if pattern.fullmatch(value) is None:
        raise BadEventError(key, problem)
    return value


def _resources(envelope: Mapping[str, Any]) -> tuple[str, ...]:
    resources = envelope.get("resources", [])
    if not isinstance(resources, list) or not all(isinstance(item, str) for item in resources):
        raise BadEventError("resources", "must be a list of strings")
    return tuple(resources)


def _deferral(envelope: Mapping[str, Any]) -> Deferral | None:
    if DEFERRAL not in envelope:
        return None
    value = _object(envelope[DEFERRAL], DEFERRAL)
    count = value.get("deferrals")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MOST_DEFERRALS:
        raise BadEventError(f"{DEFERRAL}.deferrals", "must be a number of times")
    return Deferral(
        parse_time(_text(value, "not_before", where=DEFERRAL), f"{DEFERRAL}.not_before"),
        count,
        _text(value, "reason", where=DEFERRAL),
        parse_time(_text(value, "first", where=DEFERRAL), f"{DEFERRAL}.first"),
    )


def _repository(envelope: _Envelope, detail: Mapping[str, Any]) -> Repository:
    name = _text(detail, "repository-name", where="detail", limit=256)
    if not is_repository_name(name):
        raise BadEventError("detail.repository-name", f"{name[:64]!r} cannot name an ECR repository")
    return Repository(envelope.account, envelope.region, name)


def _moved(envelope: _Envelope, detail: Mapping[str, Any], cause: Cause) -> ImageMoved:
    tag, digest = _optional(detail, "image-tag", "detail"), _optional(detail, "image-digest", "detail")
    if tag is not None and not is_tag(tag):
        raise BadEventError("detail.image-tag", f"{tag[:64]!r} cannot be a tag")
    if digest is not None and not is_digest(digest):
        raise BadEventError("detail.image-digest", f"{digest[:80]!r} is not a sha256 digest")
    if tag is None and digest is None:
        raise BadEventError("detail.image-digest", "is missing, and so is image-tag")
    media, artifact = (_optional(detail, f"{kind}-media-type", "detail") for kind in ("manifest", "artifact"))
    return ImageMoved(_repository(envelope, detail), tag, digest, media, artifact, cause)


def _image_action(envelope: _Envelope, detail: Mapping[str, Any]) -> Fact:
    action = _text(detail, "action-type", where="detail")
    if _text(detail, "result", where="detail") != "SUCCESS":
        return Irrelevant("the action did not succeed")
    if action == "PUSH":
        return _moved(envelope, detail, Cause.PUSH)
    if action == "UPDATE_STORAGE_CLASS" and detail.get("target-storage-class") == "STANDARD":
        return _moved(envelope, detail, Cause.RESTORE)
    _repository(envelope, detail)
    return Irrelevant(f"{action[:64]} makes no image available")


def _replication(envelope: _Envelope, detail: Mapping[str, Any]) -> Fact:
    if _text(detail, "result", where="detail") != "SUCCESS":
        return Irrelevant("the replication did not succeed")
    return _moved(envelope, detail, Cause.REPLICATION)


def _pull_through(envelope: _Envelope, detail: Mapping[str, Any]) -> Fact:
    if _text(detail, "sync-status", where="detail") != "SUCCESS":
        return Irrelevant("the upstream could not be synchronised")
    return _moved(envelope, detail, Cause.PULL_THROUGH_CACHE)


def _service_arn(envelope: _Envelope) -> str | None:
    if not envelope.resources:
        raise BadEventError("resources", "must name the service")
    arn = envelope.resources[0]
    if _SERVICE_ARN.fullmatch(arn):
        return arn
    if _LEGACY_SERVICE_ARN.fullmatch(arn):
        return None  # the ARN form of before 2018 does not tell the cluster; the sweep covers such services
    raise BadEventError("resources[0]", f"{arn[:128]!r} is not an ECS service ARN")


def _tag_change(envelope: _Envelope, detail: Mapping[str, Any]) -> Fact:
    if (detail.get("service"), detail.get("resource-type")) != ("ecs", "service"):
        return Irrelevant("not an ECS service")
    arn = _service_arn(envelope)
    return WorkloadTagged(arn) if arn else Irrelevant("the service's ARN does not tell its cluster")


def _deployment_change(envelope: _Envelope, detail: Mapping[str, Any]) -> Fact:
    name = _text(detail, "eventName", where="detail", limit=128)
    arn = _service_arn(envelope)
    return DeploymentChanged(arn, name) if arn else Irrelevant("the service's ARN does not tell its cluster")


def _workload(detail: Mapping[str, Any]) -> str:
    arn = _text(detail, "workload", where="detail")
    if not _SERVICE_ARN.fullmatch(arn):
        raise BadEventError("detail.workload", f"{arn[:128]!r} is not the ARN of a workload")
    return arn


def _requested(_: _Envelope, detail: Mapping[str, Any]) -> Fact:
    correlation = _optional(detail, "correlation", "detail") or ""
    return RedeployRequested(_workload(detail), _text(detail, "reason", where="detail", limit=256), correlation)


def _watch(_: _Envelope, detail: Mapping[str, Any]) -> Fact:
    return WatchDue(_workload(detail))


def _stack_deployed(_: _Envelope, __: Mapping[str, Any]) -> Fact:
    return SweepDue()  # a new stack knows no workload yet, an updated one may have missed events


def _sweep(envelope: _Envelope, detail: Mapping[str, Any]) -> Fact:
    arns = detail.get("workloads", [])
    if not isinstance(arns, list) or not all(isinstance(a, str) and _SERVICE_ARN.fullmatch(a) for a in arns):
        raise BadEventError("detail.workloads", "must be a list of ECS service ARNs")
    repository = _repository(envelope, detail) if "repository-name" in detail else None
    return SweepDue(tuple(arns), repository)


_READERS: Mapping[str, Callable[[_Envelope, Mapping[str, Any]], Fact]] = {
    "ECR Image Action": _image_action,
    "ECR Replication Action": _replication,
    "ECR Pull Through Cache Action": _pull_through,
    "Tag Change on Resource": _tag_change,
    "ECS Deployment State Change": _deployment_change,
    "CloudFormation Stack Status Change": _stack_deployed,
    "Redeploy Requested": _requested,
    "Sweep Due": _sweep,
    "Watch Due": _watch,
}
