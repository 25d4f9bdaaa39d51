"""Container instances, machines, services and Cloud Map in memory, and the stores of what is watched."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from longshore.errors import ConflictError, GoneError
from longshore.recover.hosts import (
    Cluster,
    ContainerInstance,
    Drains,
    HostState,
    Registration,
    Registry,
    Service,
    Watch,
)
from longshore.recover.refused_tasks import RefusedLaunch


class FakeInstances:
    """Container instances by ARN. `on` answers which tasks run on one; `changed` hears what becomes of them."""

    def __init__(self) -> None:
        self.known: dict[str, ContainerInstance] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.repairing: set[str] = set()
        self.held: set[str] = set()
        self.drained: list[str] = []
        self.error: Exception | None = None
        self.on: Callable[[str], Sequence[str]] = lambda arn: ()

    def add(self, arn: str, cluster: str, id: str, **members: object) -> ContainerInstance:
        """An instance registers."""
        self.known[arn] = ContainerInstance(arn, cluster, id)
        return self.become(arn, **members)

    def become(self, arn: str, **members: object) -> ContainerInstance:
        """An instance changes."""
        self.known[arn] = self.known[arn]._replace(**members)  # type: ignore[arg-type]
        return self.known[arn]

    def get(self, cluster: str, arn: str) -> ContainerInstance | None:
        """See `hosts.Instances.get`."""
        found = self.known.get(arn)
        return found if found and found.cluster == cluster else None

    def find(self, id: str) -> ContainerInstance | None:
        """See `hosts.Instances.find`."""
        return next((each for each in self.known.values() if each.id == id), None)

    def cluster(self, arn: str) -> Cluster | None:
        """See `hosts.Instances.cluster`."""
        members = [each for each in self.known.values() if each.cluster == arn]
        away = sum(not each.connected for each in members if each.status == "ACTIVE")
        return Cluster(arn, len(members), away, self.tags.get(arn, {})) if members else None

    def repaired(self, provider: str) -> bool:
        """See `hosts.Instances.repaired`."""
        return provider in self.repairing

    def tasks(self, cluster: str, arn: str) -> Sequence[str]:
        """See `hosts.Instances.tasks`."""
        return list(self.on(arn))

    def protected(self, cluster: str, tasks: Sequence[str]) -> Sequence[str]:
        """See `hosts.Instances.protected`."""
        return [each for each in tasks if each in self.held]

    def drain(self, cluster: str, arn: str) -> None:
        """See `hosts.Instances.drain`."""
        if self.error is not None:
            raise self.error
        if arn not in self.known:
            raise GoneError(f"{arn} does not exist")
        self.become(arn, status="DRAINING")
        self.drained.append(arn)


class FakeHosts:
    """Machines by id: well unless told."""

    def __init__(self) -> None:
        self.states: dict[str, HostState] = {}

    def state(self, id: str) -> HostState:
        """See `hosts.Hosts.state`."""
        return self.states.get(id, HostState.WELL)


class FakeServices:
    """ECS services by cluster and name."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Service] = {}

    def get(self, cluster: str, name: str) -> Service | None:
        """See `hosts.Services.get`."""
        return self.known.get((cluster, name))


class FakeRegistries:
    """Cloud Map: registrations by service; `failing` services cannot be read."""

    def __init__(self) -> None:
        self.known: dict[str, Registry] = {}
        self.registered: dict[str, list[Registration]] = {}
        self.failing: dict[str, Exception] = {}
        self.denied: Exception | None = None
        self.closed: Exception | None = None
        self.asked: list[str] = []

    def add(self, id: str, *registrations: Registration) -> Registry:
        """A service with instances."""
        arn = f"arn:aws:servicediscovery:eu-west-1:123456789012:service/{id}"
        self.known[id] = Registry(id, arn, f"name-{id}", len(registrations))
        self.registered[id] = list(registrations)
        return self.known[id]

    def all(self) -> Sequence[Registry]:
        """See `hosts.Registries.all`."""
        if self.closed is not None:
            raise self.closed
        return [each._replace(instances=len(self.registered[each.id])) for each in self.known.values()]

    def registrations(self, registry: str) -> Sequence[Registration]:
        """See `hosts.Registries.registrations`."""
        self.asked.append(registry)
        if registry in self.failing:
            raise self.failing[registry]
        return list(self.registered[registry])

    def deregister(self, registry: str, id: str) -> None:
        """See `hosts.Registries.deregister`."""
        if self.denied is not None:
            raise self.denied
        self.registered[registry] = [each for each in self.registered[registry] if each.id != id]

    def ids(self, registry: str) -> list[str]:
        """What is registered."""
        return [each.id for each in self.registered[registry]]


class FakeWatches:
    """Watches as JSON, by thing."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, thing: str) -> Watch | None:
        """See `hosts.Watches.get`."""
        if thing not in self.kept:
            return None
        since, told, version = json.loads(self.kept[thing])
        return Watch(thing, datetime.fromisoformat(since), told, version)

    def save(self, watch: Watch) -> Watch:
        """See `hosts.Watches.save`."""
        known = self.get(watch.thing)
        if (known.version if known else 0) != watch.version:
            raise ConflictError(f"version {watch.version} of {watch.thing} is outdated")
        self.kept[watch.thing] = json.dumps([watch.since.isoformat(), watch.told, watch.version + 1])
        return watch._replace(version=watch.version + 1)

    def forget(self, thing: str) -> None:
        """See `hosts.Watches.forget`."""
        self.kept.pop(thing, None)


class FakeDrains:
    """What was drained, by cluster."""

    def __init__(self) -> None:
        self.kept: dict[str, Drains] = {}

    def get(self, cluster: str) -> Drains:
        """See `hosts.DrainLog.get`."""
        return self.kept.get(cluster, Drains(cluster))

    def save(self, drains: Drains) -> Drains:
        """See `hosts.DrainLog.save`."""
        if self.get(drains.cluster).version != drains.version:
            raise ConflictError(f"version {drains.version} of {drains.cluster} is outdated")
        self.kept[drains.cluster] = drains._replace(version=drains.version + 1, at=dict(drains.at))
        return self.kept[drains.cluster]


class FakeRefused:
    """Refused launches as JSON, by root."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, root: str) -> RefusedLaunch | None:
        """See `refused_tasks.RefusedLog.get`."""
        return RefusedLaunch.read(json.loads(self.kept[root])) if root in self.kept else None

    def put(self, launch: RefusedLaunch) -> None:
        """See `refused_tasks.RefusedLog.put`."""
        self.kept.setdefault(launch.root, json.dumps(launch.as_json()))
