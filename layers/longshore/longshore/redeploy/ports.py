"""What redeploy needs of the world: a platform that runs workloads, and the registry that holds their images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from longshore.images import Digest, Repository
    from longshore.places import Place, Places
    from longshore.ports import Clock, Gates, Heads, Index, Postponer, Publisher, Records, Switches
    from longshore.redeploy.ownership import Stack
    from longshore.redeploy.state import Candidate
    from longshore.workloads import Observation, Plan, Rollout


class Platform(Protocol):
    """A platform: observe, apply, watch, complete, stop. It decides nothing.

    The id of a deployment means something to its own workload's platform alone.
    """

    def observe(self, arn: str) -> Observation:
        """What runs now. Raises GoneError when the workload does not exist."""
        ...

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """Begins the deployment of a plan; answers its id where the platform tells it at once.

        `resumed`: somebody may have come half-way with this plan before.
        """
        ...

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The deployment that began at or after `since` and is not `other_than`: how a crash is made good."""
        ...

    def rollout(self, arn: str, id: str) -> Rollout:
        """How one deployment of a workload stands."""
        ...

    def complete(self, arn: str, id: str) -> None:
        """Does the last step of a deployment that is READY; doing it again changes nothing."""
        ...

    def stop(self, arn: str, id: str) -> None:
        """Stops a deployment and has the platform roll it back. Raises ConflictError when it is not possible (now)."""
        ...


class Stacks(Protocol):
    """CloudFormation stacks that own workloads, in the account and Region of a workload's ARN."""

    def get(self, arn: str, name: str) -> Stack | None:
        """How a stack stands; None for what does not exist."""
        ...

    def update(
        self, arn: str, name: str, parameters: Mapping[str, str], request: str, *, resumed: bool = False
    ) -> None:
        """Sets parameters and leaves all else; what is asked twice under the same `request` is done once.

        Raises TransientError while the stack is being changed. `resumed`: somebody may have asked for it before.
        """
        ...


class Truths(Protocol):
    """Where others read which image a workload runs."""

    def publish(self, arn: str, name: str, image: str) -> None:
        """Writes one parameter, in the account and Region of the workload's ARN."""
        ...


class Discovery(Protocol):
    """Finds the workloads that opted in by tag."""

    def arns(self) -> Iterable[str]:
        """Every workload that carries `longshore:policy`."""
        ...

    def unseen(self, arn: str) -> str:
        """Why the last `arns` could not look where this workload is; empty where it looked."""
        ...

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """Many workloads as they are, at the fewest calls; those that do not exist are left out."""
        ...


class Overview(Discovery, Protocol):
    """The discovery of every kind of platform in one place."""

    @property
    def unasked(self) -> Mapping[str, str]:
        """The kinds that the last `arns` could not ask, and why; the others it asked all the same."""
        ...


class Groups(Protocol):
    """Deployment groups of CodeDeploy, which its events name in place of workloads."""

    def workloads(self, place: Place, application: str, group: str) -> Sequence[str]:
        """The ECS services that a group deploys, by ARN; none where it deploys something else, or is gone."""
        ...


class Registry(Protocol):
    """Images as ECR and ECR Public hold them now."""

    def resolve(self, repository: Repository, tag: str) -> Resolved | None:
        """What a tag points to at this moment, or the image of a digest; None when there is none."""
        ...

    def tags(self, repository: Repository, known: Collection[str] = ()) -> Iterable[tuple[str, Digest, datetime]]:
        """Every tag of a repository with its digest and the time when that image was pushed.

        Somebody else's public repository lists nothing: there, those of the `known` tags that exist, seen now.
        """
        ...

    def tags_of(self, repository: Repository, digest: Digest) -> Sequence[str]:
        """The tags of one image."""
        ...


class ReplicaStatus(StrEnum):
    """How far ECR is with a replica, by its own words."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


class Replica(NamedTuple):
    """The copy of an image in another place; `code` says why it failed."""

    status: ReplicaStatus
    code: str = ""


class Replicas(Protocol):
    """What ECR replicates."""

    def of(self, repository: Repository, digest: Digest) -> Mapping[Place, Replica]:
        """How far an image is on its way to each place that its registry's rules name; none for one that is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All that redeploy needs.

    `discovery` answers that of an account and Region. `postponer` sends to the function's own queue, `reminder` to
    that of the watch, `asker` to scan's: None while scan
    is off. `places` and `replicas` are there where the stack has spokes.
    """

    platform: Platform
    stacks: Stacks
    registry: Registry
    discovery: Callable[[Place], Overview]
    heads: Heads
    index: Index
    records: Records
    switches: Switches
    postponer: Postponer
    reminder: Postponer
    gates: Gates
    asker: Postponer | None
    publisher: Publisher
    clock: Clock
    places: Places | None = None
    replicas: Replicas | None = None


class Resolved(Protocol):
    """A tag resolved: the candidate, and whether it is an image at all (redeploy 8.3)."""

    @property
    def candidate(self) -> Candidate:
        """The tag, its digest, the platforms it offers, and whether all of them are there."""
        ...

    @property
    def is_image(self) -> bool:
        """False for signatures, SBOMs and other artifacts."""
        ...
