"""Stale instances of Cloud Map: tasks that ended and are still found by name (recover 5 O6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from longshore.errors import AccessDeniedError, GoneError, LongshoreError
from longshore.events import Kind
from longshore.recover.catalogue import entry
from longshore.recover.diagnosis import Owner, Remedy
from longshore.recover.grounds import Ground
from longshore.recover.hosts import Registration, Registry, Service, Watch, opted
from longshore.recover.notices import made
from longshore.recover.upkeep import Measure, Ruling, UpkeepPolicy, Why
from longshore.recover.upkeep_telling import Subject, UpkeepTeller, logged
from longshore.settings import Mode

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.hosts import HostPorts
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message

_AT_ONCE = 20
"""Cloud Map services that one sweep looks at: with more, they take turns."""
_EVERY = timedelta(minutes=5)
_NAMED = 10


class Facts(NamedTuple):
    """What a decision about one registration rests on: `seen` is since when it is stale (None: seen only now), `live`
    how many registrations of the same Cloud Map service name a task that runs. `service` is the ECS service.
    """

    seen: datetime | None
    live: int
    service: Service | None
    registry: str


def decide(facts: Facts, policy: UpkeepPolicy, mode: Mode, now: datetime) -> Ruling:
    """What is done about a registration whose task does not live."""
    if facts.seen is None or now - facts.seen < timedelta(seconds=policy.stale_after):
        return Ruling(Why.YOUNG)
    if facts.live < 1:
        return Ruling(Why.LAST_ONE)
    tags = facts.service.tags if facts.service else {}
    if opted(tags) == "off":
        return Ruling(Why.SILENCED)
    refers = facts.service is not None and facts.service.active and facts.registry in facts.service.registries
    if opted(tags) != "auto" or not refers:
        return Ruling(Why.NOT_OPTED_IN, Why.STALE_INSTANCE)
    return Ruling(Why.STALE_INSTANCE) if mode is Mode.AUTO else Ruling(Why.OBSERVE_ONLY, Why.STALE_INSTANCE)


def turn(registries: Sequence[Registry], now: datetime) -> Sequence[Registry]:
    """Those that this sweep looks at; one that has a single instance is never emptied, so it is not asked for."""
    asked = sorted((each for each in registries if each.instances > 1), key=lambda each: each.id)
    if len(asked) <= _AT_ONCE:
        return asked
    begin = int(now.timestamp() // _EVERY.total_seconds()) * _AT_ONCE % len(asked)
    return [*asked[begin:], *asked[:begin]][:_AT_ONCE]


class StaleInstances:
    """Takes out of Cloud Map what ECS forgot there."""

    def __init__(self, ports: Ports, under: HostPorts, policy: UpkeepPolicy, mode: Mode) -> None:
        self._ports = ports
        self._under = under
        self._policy = policy
        self._mode = mode
        self._teller = UpkeepTeller(ports.publisher, mode)

    def sweep(self, message: Message) -> list[Outcome]:
        """Looks at the Cloud Map services whose turn it is.

        One that fails keeps none of the others from it. Raises the first error.
        """
        outcomes: list[Outcome] = []
        errors: list[LongshoreError] = []
        try:
            registries = self._under.registries.all()
        except AccessDeniedError:
            return logged(message, Ruling(Why.NOT_PERMITTED), "Cloud Map")  # who does not want this denies it
        for registry in turn(registries, self._ports.clock.now()):
            try:
                outcomes += self._look(message, registry)
            except GoneError:
                continue
            except AccessDeniedError:
                outcomes += logged(message, Ruling(Why.NOT_PERMITTED), registry.name)
            except LongshoreError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return outcomes

    def _look(self, message: Message, registry: Registry) -> list[Outcome]:
        found = self._under.registries.registrations(registry.id)
        lives = self._lives(found)
        stale = [each for each in found if not lives[each]]
        services: dict[tuple[str, str], Service | None] = {}
        outcomes: list[Outcome] = []
        refused: dict[tuple[str, str], list[tuple[Registration, Ruling]]] = {}
        for each in stale:
            owner = (each.cluster, each.service)
            if owner not in services:
                services[owner] = self._under.services.get(*owner)
            ruling = self._ruled(registry, each, sum(lives.values()), services[owner])
            if ruling.measure is Measure.DEREGISTER:
                ruling = self._deregister(registry, each)
            if ruling.measure is Measure.NOTIFY:
                refused.setdefault(owner, []).append((each, ruling))
            else:
                outcomes += logged(message, ruling, f"{registry.name}/{each.id}", service=each.service)
        for owner, told in refused.items():
            outcomes += self._tell(message, registry, owner, services[owner], told)
        return outcomes

    def _lives(self, found: Sequence[Registration]) -> Mapping[Registration, bool]:
        """Which registrations name a task that has not stopped; ECS takes out by itself those that are stopping."""
        clusters: dict[str, list[Registration]] = {}
        for each in found:
            clusters.setdefault(each.cluster, []).append(each)
        alive: set[tuple[str, str]] = set()
        for cluster, members in clusters.items():
            tasks = self._ports.tasks.survey(cluster, [each.id for each in members])
            alive |= {(cluster, each.id) for each in tasks if not each.final}
        return {each: (each.cluster, each.id) in alive for each in found}

    def _ruled(self, registry: Registry, each: Registration, live: int, service: Service | None) -> Ruling:
        """The decision; what is seen for the first time is remembered."""
        now, key = self._ports.clock.now(), _key(registry, each)
        watch = self._under.watches.get(key)
        if watch is None:
            self._under.watches.save(Watch(key, now))
        facts = Facts(watch.since if watch else None, live, service, registry.arn)
        return decide(facts, self._policy, self._mode, now)

    def _deregister(self, registry: Registry, each: Registration) -> Ruling:
        try:
            self._under.registries.deregister(registry.id, each.id)
        except AccessDeniedError:
            return Ruling(Why.NOT_PERMITTED, Why.STALE_INSTANCE)
        self._under.watches.forget(_key(registry, each))
        return Ruling(Why.STALE_INSTANCE)

    def _tell(
        self,
        message: Message,
        registry: Registry,
        owner: tuple[str, str],
        service: Service | None,
        told: Sequence[tuple[Registration, Ruling]],
    ) -> list[Outcome]:
        """Tells of the stale instances of a service that may not be touched: one event for those not told before."""
        watches = {each: self._under.watches.get(_key(registry, each)) for each, _ in told}
        fresh = [(each, ruling) for each, ruling in told if (watch := watches[each]) is None or not watch.told]
        cluster, name = owner
        if not fresh:
            return logged(message, Ruling(Why.TOLD_BEFORE, Why.STALE_INSTANCE), f"{registry.name}", service=name)
        ids = [each.id for each, _ in fresh]
        found = entry("N4")._replace(name="stale instances in Cloud Map", hint=_HINT)
        evidence = (f"service: {registry.name} ({registry.id})", f"instances: {', '.join(ids[:_NAMED])}")
        outcomes = self._teller.tell(
            message,
            Kind.TASK_FAILED,
            Subject(
                root=registry.arn,
                name=f"{cluster.rpartition('/')[2]}/{name}",
                cluster=cluster.rpartition("/")[2],
                workload=service.arn if service else "",
                tags=service.tags if service else {},
            ),
            made(found, Owner.SERVICE, Remedy.NOTIFY, Ground.NEEDS_HELP, evidence),
            fresh[0][1],
            count=len(ids),
            instances=ids,
        )
        for each, ruling in fresh:
            watch = watches[each]
            if watch is not None:
                self._under.watches.save(watch._replace(told=ruling.why.value))
        return outcomes


_HINT = (
    "Cloud Map sends clients to tasks that have ended: deregister these instances, or tag the service"
    " longshore:recover=auto and it is done."
)


def _key(registry: Registry, each: Registration) -> str:
    return f"stale {registry.id}/{each.id}"
