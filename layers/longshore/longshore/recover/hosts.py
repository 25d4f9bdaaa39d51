"""What lies under tasks: container instances, the machines behind them, services, and what is being watched of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from longshore.tasks import RECOVER_TAG


class ContainerInstance(NamedTuple):
    """A container instance as ECS tells it now. `id` is that of the machine: ``i-…``, on premises ``mi-…``.

    `failing` are its health checks that are IMPAIRED, such as ``CONTAINER_RUNTIME``; `provider` its capacity provider.
    """

    arn: str
    cluster: str
    id: str
    status: str = "ACTIVE"
    connected: bool = True
    failing: tuple[str, ...] = ()
    provider: str = ""
    tasks: int = 0
    tags: Mapping[str, str] = {}
    external: bool = False

    @property
    def on_premises(self) -> bool:
        """Whether it is a machine of ECS Anywhere."""
        return self.external or self.id.startswith("mi-")


class Cluster(NamedTuple):
    """A cluster: how many container instances it has, and how many of those that are active have lost their agent."""

    arn: str
    instances: int = 0
    disconnected: int = 0
    tags: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """Without its ARN."""
        return self.arn.rpartition("/")[2]


class HostState(StrEnum):
    """How a machine does: EC2's own checks, or on premises whether Systems Manager hears from it."""

    WELL = "well"
    IMPAIRED = "impaired"
    STOPPED = "stopped"
    SILENT = "silent"
    UNKNOWN = "unknown"

    @property
    def dead(self) -> bool:
        """Whether what runs there cannot be counted on."""
        return self in (HostState.IMPAIRED, HostState.STOPPED)


class Instances(Protocol):
    """Container instances of an account and Region."""

    def get(self, cluster: str, arn: str) -> ContainerInstance | None:
        """One as it is now, or None when ECS does not know it (any more)."""
        ...

    def find(self, id: str) -> ContainerInstance | None:
        """The container instance that an EC2 instance is, in whichever cluster, or None."""
        ...

    def cluster(self, arn: str) -> Cluster | None:
        """A cluster with its counts, or None when it is gone."""
        ...

    def repaired(self, provider: str) -> bool:
        """Whether a capacity provider replaces impaired instances by itself (Managed Instances, autoRepair)."""
        ...

    def tasks(self, cluster: str, arn: str) -> Sequence[str]:
        """The ARNs of the tasks that run on an instance, at most a thousand."""
        ...

    def protected(self, cluster: str, tasks: Sequence[str]) -> Sequence[str]:
        """Those of the tasks of services that are protected from scale-in."""
        ...

    def drain(self, cluster: str, arn: str) -> None:
        """Sets one to DRAINING, which may be repeated. Raises AccessDeniedError, GoneError, UnsupportedError."""
        ...


class Hosts(Protocol):
    """The machines behind container instances."""

    def state(self, id: str) -> HostState:
        """How a machine does, by EC2's checks or by the ping of Systems Manager."""
        ...


class Service(NamedTuple):
    """An ECS service: `controller` ECS, CODE_DEPLOY or EXTERNAL; `registries` are ARNs of Cloud Map services.

    `deployed` is when its newest deployment began.
    """

    arn: str
    active: bool = True
    controller: str = "ECS"
    definition: str = ""
    tags: Mapping[str, str] = {}
    registries: tuple[str, ...] = ()
    deployed: datetime | None = None


class Services(Protocol):
    """ECS services."""

    def get(self, cluster: str, name: str) -> Service | None:
        """One with its tags, or None when it does not exist."""
        ...


class Registration(NamedTuple):
    """An instance that ECS registered with Cloud Map for a task of a service: `id` is the task's."""

    id: str
    cluster: str
    service: str


class Registry(NamedTuple):
    """A Cloud Map service with how many instances are registered with it."""

    id: str
    arn: str
    name: str
    instances: int


class Registries(Protocol):
    """Cloud Map."""

    def all(self) -> Sequence[Registry]:
        """Every service of the account and Region."""
        ...

    def registrations(self, registry: str) -> Sequence[Registration]:
        """What ECS registered with a service; anything else is left out. Raises GoneError."""
        ...

    def deregister(self, registry: str, id: str) -> None:
        """Takes an instance out; one that is not there is no error. Raises AccessDeniedError, GoneError."""
        ...


class Watch(NamedTuple):
    """What is remembered of a thing that is watched: since when, what was told of it last. 0 is not yet written."""

    thing: str
    since: datetime
    told: str = ""
    version: int = 0


class Watches(Protocol):
    """What is watched, so that it is told once."""

    def get(self, thing: str) -> Watch | None:
        """What is remembered of a thing."""
        ...

    def save(self, watch: Watch) -> Watch:
        """Writes it; answers it with its new version. Raises ConflictError unless `version` is what is recorded."""
        ...

    def forget(self, thing: str) -> None:
        """Drops it."""
        ...


class Drains(NamedTuple):
    """Which instances of a cluster Longshore drained lately, and when."""

    cluster: str
    at: Mapping[str, datetime] = {}
    version: int = 0


class DrainLog(Protocol):
    """What Longshore drained, by cluster."""

    def get(self, cluster: str) -> Drains:
        """What was drained lately; empty where nothing was."""
        ...

    def save(self, drains: Drains) -> Drains:
        """Writes it; answers it with its new version. Raises ConflictError unless `version` is what is recorded."""
        ...


@dataclass(frozen=True, slots=True)
class HostPorts:
    """What looking after everything under tasks needs beside `ports.Ports`."""

    instances: Instances
    hosts: Hosts
    services: Services
    registries: Registries
    watches: Watches
    drains: DrainLog


def opted(*tags: Mapping[str, str]) -> str:
    """``auto`` or ``off`` as the tags of a thing and of what it is part of say; ``off`` anywhere decides."""
    said = {each.get(RECOVER_TAG) for each in tags}
    return "off" if "off" in said else "auto" if "auto" in said else ""
