"""What looking after services and stuck tasks needs of the world, beyond what replacing tasks does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from longshore.images import Digest, Repository
    from longshore.recover.services import Service
    from longshore.recover.troubles import Trouble


class Services(Protocol):
    """ECS services."""

    def get(self, arn: str) -> Service | None:
        """A service with its tags as it is now, or None when ECS does not know it."""
        ...

    def survey(self, arns: Sequence[str]) -> Mapping[str, Service]:
        """Many by their ARNs; those that ECS does not know are left out."""
        ...


class Images(Protocol):
    """Images of private ECR repositories in this Region."""

    def digest(self, repository: Repository, reference: str) -> Digest | None:
        """The digest of a tag or of a digest, or None when there is no such image or repository.

        Raises AccessDeniedError.
        """
        ...


class Troubles(Protocol):
    """Troubles of services and families."""

    def get(self, subject: str, key: str) -> Trouble:
        """One trouble; an empty one where nothing went wrong."""
        ...

    def of(self, subject: str) -> Sequence[Trouble]:
        """Every trouble of a subject that is remembered, open or not."""
        ...

    def save(self, trouble: Trouble) -> Trouble:
        """Writes it; answers it with its new version. Raises ConflictError unless `version` is the one recorded."""
        ...

    def open(self) -> Iterable[tuple[str, str]]:
        """Subject and key of all that are open; one that has just ended may be among them."""
        ...


class Page(NamedTuple):
    """A page of ARNs, and what the next one is asked for with."""

    arns: tuple[str, ...]
    next: str = ""


class Inventory(Protocol):
    """What there is in ECS."""

    def clusters(self, after: str) -> Page:
        """Clusters, a hundred at a time."""
        ...

    def tasks(self, cluster: str, desired: str, after: str) -> Page:
        """Tasks of a cluster that are to be RUNNING or STOPPED, a hundred at a time; none of one that is gone."""
        ...


class Watched(Protocol):
    """The tasks that recover has recorded how they were launched."""

    def all(self) -> Iterable[str]:
        """Their ARNs."""
        ...

    def drop(self, task: str) -> None:
        """Takes one off the list: what became of it is known."""
        ...


class Machines(Protocol):
    """Which EC2 instance is which container instance."""

    def seen(self, cluster: str, instances: Sequence[str]) -> None:
        """Remembers the machines of container instances, at most a hundred; what is remembered costs nothing."""
        ...


class ServicePorts(NamedTuple):
    """All of them."""

    services: Services
    images: Images
    troubles: Troubles
    inventory: Inventory
    watched: Watched
    machines: Machines
