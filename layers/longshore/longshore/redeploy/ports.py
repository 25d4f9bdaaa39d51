"""What redeploy needs of the world: a platform that runs workloads, and the registry that holds their images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from longshore.images import Digest, Repository
    from longshore.ports import Clock, Gates, Heads, Index, Postponer, Publisher, Records, Switches
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


@dataclass(frozen=True, slots=True)
class Ports:
    """All that redeploy needs.

    `postponer` sends to the function's own queue, `reminder` to that of the watch, `asker` to scan's: None while scan
    is off.
    """

    platform: Platform
    registry: Registry
    discovery: Discovery
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
