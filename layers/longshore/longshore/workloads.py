"""Workloads: what runs images, where, at which digest, and the deployments that change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.images import Digest, ImageReference, Repository
from longshore.owners import Drift, Owner, is_mark, recognise
from longshore.workload_ids import (
    ALIAS_TAG,
    CHANNEL_TAG,
    CONTAINERS_TAG,
    HUMAN_TAG,
    POLICY_TAG,
    TEAM_TAG,
    PlatformKind,
    WorkloadId,
)

if TYPE_CHECKING:
    from longshore.decisions import Reason

FUNCTION = "function"
"""The name of a function's only container."""

APPLICATION = "application"
"""The name of an App Runner service's only container."""


class Controller(StrEnum):
    """Who rolls out an ECS service's deployments."""

    ECS = "ECS"
    CODE_DEPLOY = "CODE_DEPLOY"
    EXTERNAL = "EXTERNAL"
    EXPRESS = "EXPRESS"
    """ECS as well, and it keeps the task definitions too (Express Mode)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event says of a workload besides its ARN: what people call it, where it runs, and whom it concerns.

    `owner` is an OwnerKind, `stack` the owner's CloudFormation stack; both are empty where there is none.
    """

    name: str = ""
    cluster: str = ""
    platform: str = ""
    team: str | None = None
    channel: str | None = None
    owner: str = ""
    stack: str = ""

    def members(self) -> dict[str, str | None]:
        """The members of an event's detail; what is not known is null."""
        return {
            "workload_name": self.name or None,
            "cluster": self.cluster or None,
            "platform": self.platform or None,
            "team": self.team,
            "channel": self.channel,
            "owner": self.owner or None,
            "stack": self.stack or None,
        }


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as the index knows it: who it is, what it asked for by tag, and what each container declares.

    `arn` is that of WorkloadId, `name` its label. A function has one container, FUNCTION, and an App Runner
    service APPLICATION.
    """

    arn: str
    platform: PlatformKind
    account: str
    region: str
    cluster: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    task_definition: str = ""

    @property
    def policy(self) -> str | None:
        """The text of `longshore:policy`; None means that the workload may not be touched."""
        return self.tags.get(POLICY_TAG)

    @property
    def subject(self) -> Subject:
        """What its events say of it; `longshore:team` and `longshore:channel` tell whom it concerns."""
        team, channel = (self.tags.get(tag, "").strip() or None for tag in (TEAM_TAG, CHANNEL_TAG))
        owner = self.owner
        owned = (owner.kind.value, owner.stack) if owner else ("", "")
        return Subject(self.name, self.cluster, self.platform.value, team, channel, *owned)

    @property
    def owner(self) -> Owner | None:
        """Who else declares what it runs, by its tags."""
        return recognise(self.tags)

    @property
    def remembered(self) -> Workload:
        """As the index keeps it: with the tags of Longshore's own vocabulary, and those that tell its owner."""
        kept = {key: text for key, text in self.tags.items() if key.startswith("longshore:") or is_mark(key)}
        return replace(self, tags=kept)

    @property
    def followed(self) -> Mapping[str, ImageReference]:
        """The containers whose images Longshore can follow, by name.

        `longshore:containers` (space separated) narrows them. ECR Public is off outside partition `aws` (design 14).
        """
        only = self.tags.get(CONTAINERS_TAG, "").split()
        gallery = self.arn.startswith("arn:aws:")
        found: dict[str, ImageReference] = {}
        for name, image in self.images.items():
            reference = _reference(image)
            origin = reference.origin if reference else None
            if reference and origin and (gallery or not origin.is_public) and (not only or name in only):
                found[name] = reference
        return found

    @property
    def repositories(self) -> frozenset[Repository]:
        """The repositories whose pushes concern this workload."""
        return frozenset(r.origin for r in self.followed.values() if r.origin)


def _reference(image: str) -> ImageReference | None:
    try:
        return ImageReference.parse(image)
    except ValueError:
        return None  # a malformed image cannot be followed; ECS itself refuses to run it


class Refusal(NamedTuple):
    """Why a workload cannot be deployed to, whatever the image."""

    reason: Reason
    why: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What a platform says of a workload now. Nothing is acted on but this (design 4).

    `running` maps a container to the digest that the platform resolved, absent where it cannot tell. `human_tags` maps
    a container to the tag behind a written digest. `platforms` are those that the image must offer (``linux/arm64``).
    `roles` are the roles that a new revision would pass. `rollout` is the deployment that the platform works on or
    finished last, `rollout_active` whether it still works on it. `revision` is what the platform compares when it is
    asked to change the workload (a RevisionId, a resourceVersion). `controller` is that of an ECS service. `since` is
    when a platform that cannot tell digests was asked to deploy what runs. `refreshes` is whether the platform deploys
    the same revision once more, `settings` what it must be sent again with any change.
    """

    workload: Workload
    controller: Controller | None = None
    running: Mapping[str, Digest] = field(default_factory=dict)
    human_tags: Mapping[str, str] = field(default_factory=dict)
    platforms: frozenset[str] = frozenset()
    roles: tuple[str, ...] = ()
    rollout: str | None = None
    rollout_active: bool = False
    desired: int = 0
    steady: bool = False
    active: bool = True
    refusal: Refusal | None = None
    revision: str = ""
    since: datetime | None = None
    refreshes: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_silent(self) -> bool:
        """Whether no event need come of a deployment: on a silent platform, and of CodeDeploy, whose may get lost."""
        return self.workload.platform.is_silent or self.controller is Controller.CODE_DEPLOY

    @property
    def tags(self) -> Mapping[str, str]:
        """What people call the image of each followed container: the tag behind a written digest, or the declared."""
        called = {c: self.human_tags.get(c) or each.effective_tag for c, each in self.workload.followed.items()}
        return {container: tag for container, tag in called.items() if tag}


class RolloutStatus(StrEnum):
    """The state of one deployment on its platform."""

    RUNNING = "running"
    READY = "ready"
    """All is prepared, and Longshore completes it, such as by moving the alias of a function."""
    WAITING = "waiting"
    """All is declared, and what has run of it so far proves nothing: that comes when it comes."""
    SUCCEEDED = "succeeded"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    ROLLBACK_FAILED = "rollback-failed"
    STOPPED = "stopped"
    REPLACED = "replaced"
    """Somebody else has declared something else since."""
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One deployment as the platform describes it: `digests` is what it resolved, known once it succeeded.

    `evidence` are lines of what the platform counted while it failed.
    """

    id: str
    status: RolloutStatus
    reason: str = ""
    digests: Mapping[str, Digest] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What one container is to become: `image` is what the workload will declare, `digest` what must then run.

    A platform may report the digest of an index or of its child (redeploy 8.3, not verified per launch type), so
    `accepts` lists the children that count as well. `previous` is what ran before, `declared` what was declared.
    """

    container: str
    image: str
    digest: Digest
    tag: str | None
    accepts: tuple[Digest, ...] = ()
    previous: Digest | None = None
    declared: str = ""

    @property
    def keeps(self) -> bool:
        """Whether it only writes down what runs, so that a deployment resolves no tag anew."""
        return self.digest == self.previous

    def satisfied_by(self, digest: Digest | None) -> bool:
        """Whether what runs is what was decided: the index, or its child for the workload's platform."""
        return digest is not None and digest in (self.digest, *self.accepts)


class Action(StrEnum):
    """How a platform is moved."""

    REFRESH = "refresh"
    """The declared tag itself moved: a new deployment of the same revision resolves it again. Nothing drifts."""
    REVISE = "revise"
    """A new revision in which only the matching containers' images differ."""
    STACK = "stack"
    """The owner's CloudFormation stack is updated with other values of its image parameters. Nothing drifts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done to one workload, decided and not yet done.

    `drifts` is all that its owner then declares otherwise, `parameters` what its stack is given for Action.STACK.
    """

    workload: str
    action: Action
    changes: tuple[Change, ...]
    reason: str
    correlation: str
    rollback: bool = False
    subject: Subject = Subject()
    drifts: tuple[Drift, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def digests(self) -> Mapping[str, Digest]:
        """The digest that each changed container must run afterwards."""
        return {change.container: change.digest for change in self.changes}

    @property
    def tags(self) -> Mapping[str, str]:
        """What people call these images."""
        return {change.container: change.tag for change in self.changes if change.tag}

    @property
    def brought(self) -> frozenset[Digest]:
        """The digests that did not run before: what a failure may be blamed on."""
        return frozenset(change.digest for change in self.changes if not change.keeps)


class DeploymentStatus(StrEnum):
    """Where a deployment that Longshore began stands."""

    STARTING = "starting"
    STARTED = "started"
    SOAKING = "soaking"
    STOPPING = "stopping"
    VERIFIED = "verified"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"
    SUPERSEDED = "superseded"

    @property
    def active(self) -> bool:
        """Whether it still has to end."""
        return self in _ACTIVE


_ACTIVE = frozenset(
    {DeploymentStatus.STARTING, DeploymentStatus.STARTED, DeploymentStatus.SOAKING, DeploymentStatus.STOPPING}
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment that Longshore began, as the ledger keeps it.

    `version` is the fencing token: whoever writes with an older one loses. While it is starting, nobody else acts until
    `lease` has passed. `before` is the platform's deployment when this one began, so that a crash between asking and
    recording can be told from never having asked. `silent`: no event need come of it, so it is looked at repeatedly.
    """

    plan: Plan
    status: DeploymentStatus
    began: datetime
    deadline: datetime
    soak_seconds: int = 300
    lease: datetime | None = None
    soaking: datetime | None = None
    version: int = 1
    rollout: str | None = None
    before: str | None = None
    ended: datetime | None = None
    outcome: str = ""
    silent: bool = False

    def ends(self, status: DeploymentStatus, at: datetime, outcome: str) -> Deployment:
        """The same deployment, over."""
        return replace(self, status=status, ended=at, outcome=outcome)


@dataclass(frozen=True, slots=True)
class Hold:
    """Nobody deploys this workload automatically until the hold is lifted or expires."""

    reason: str
    actor: str
    since: datetime
    until: datetime | None = None

    def stands(self, now: datetime) -> bool:
        """Whether it still holds."""
        return self.until is None or now < self.until


__all__ = [
    "ALIAS_TAG",
    "APPLICATION",
    "CHANNEL_TAG",
    "CONTAINERS_TAG",
    "FUNCTION",
    "HUMAN_TAG",
    "POLICY_TAG",
    "TEAM_TAG",
    "Action",
    "Change",
    "Controller",
    "Deployment",
    "DeploymentStatus",
    "Hold",
    "Observation",
    "Plan",
    "PlatformKind",
    "Refusal",
    "Rollout",
    "RolloutStatus",
    "Subject",
    "Workload",
    "WorkloadId",
]
