"""Launch recipes: what RunTask was asked for and DescribeTasks does not tell, kept while a task lives (recover 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

_LISTS = ("placement_constraints", "placement_strategy", "volumes")


class Network(NamedTuple):
    """An `awsvpcConfiguration`; `public_ip` is None where the request left it out.

    `chosen` says that it was read from a network interface: of the subnets asked for only the chosen one is known.
    """

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...] = ()
    public_ip: bool | None = None
    chosen: bool = False

    def as_json(self) -> dict[str, Any]:
        """What the ledger keeps."""
        kept = {"subnets": list(self.subnets), "security_groups": list(self.security_groups), "chosen": self.chosen}
        return kept if self.public_ip is None else {**kept, "public_ip": self.public_ip}

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Network:
        """What `as_json` made."""
        groups = tuple(kept.get("security_groups", ()))
        return cls(tuple(kept["subnets"]), groups, kept.get("public_ip"), bool(kept.get("chosen", False)))


class Provider(NamedTuple):
    """One item of a capacity provider strategy; `weight` and `base` are None where the request left them out."""

    name: str
    weight: int | None = None
    base: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The item as RunTask takes it, and as the ledger keeps it."""
        item: dict[str, Any] = {"capacityProvider": self.name}
        item |= {} if self.weight is None else {"weight": self.weight}
        return item if self.base is None else {**item, "base": self.base}

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Provider:
        """What `as_json` made, and what ECS, EventBridge and Scheduler write alike."""
        return cls(str(kept["capacityProvider"]), kept.get("weight"), kept.get("base"))


@dataclass(frozen=True, slots=True)
class LaunchRecipe:
    """How a task was launched, less its overrides: those hold secrets and never rest anywhere (design 4).

    None means that a member is not known; an empty one is known to have been left out. `source` tells where it is from:
    ``task`` (DescribeTasks and its network interface), ``schedule``, ``rule``, ``request`` (CloudTrail),
    ``configuration``, or several joined by ``+``. `tags` are without those that AWS set.
    """

    source: str = ""
    launch_type: str | None = None
    strategy: tuple[Provider, ...] | None = None
    network: Network | None = None
    platform_version: str | None = None
    group: str | None = None
    started_by: str | None = None
    tags: Mapping[str, str] | None = None
    propagate_tags: str | None = None
    managed_tags: bool | None = None
    execute_command: bool | None = None
    placement_constraints: tuple[Mapping[str, Any], ...] | None = None
    placement_strategy: tuple[Mapping[str, Any], ...] | None = None
    volumes: tuple[Mapping[str, Any], ...] | None = None

    @property
    def sources(self) -> set[str]:
        """Where it is from."""
        return set(self.source.split("+"))

    def as_json(self) -> dict[str, Any]:
        """What is known, as the ledger keeps it."""
        found = {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}
        if self.network is not None:
            found["network"] = self.network.as_json()
        if self.strategy is not None:
            found["strategy"] = [each.as_json() for each in self.strategy]
        found |= {name: [dict(each) for each in found[name]] for name in _LISTS if name in found}
        return found | ({} if self.tags is None else {"tags": dict(self.tags)})

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> LaunchRecipe:
        """What `as_json` made; members that are not known here are ignored."""
        found = {each.name: kept[each.name] for each in fields(cls) if kept.get(each.name) is not None}
        if "network" in found:
            found["network"] = Network.read(found["network"])
        if "strategy" in found:
            found["strategy"] = tuple(Provider.read(each) for each in found["strategy"])
        found |= {name: tuple(found[name]) for name in _LISTS if name in found}
        return cls(**found)


def merged(recipes: Iterable[LaunchRecipe | None]) -> LaunchRecipe:
    """One recipe of several, the most trusted first: each member is the first that is known.

    Where only the subnet or the provider that ECS chose is known, a later recipe that contains it tells the rest.
    """
    whole = LaunchRecipe()
    for each in recipes:
        whole = whole if each is None else _joined(whole, each)
    return whole


def completed(known: LaunchRecipe, request: LaunchRecipe) -> LaunchRecipe:
    """What is known of a task, with its request, which tells what was asked for and not what ECS chose of it.

    Tags stay those of the task: they include the ones that were propagated to it.
    """
    whole = merged([request, known])
    return whole if known.tags is None else replace(whole, tags=known.tags)


def _joined(first: LaunchRecipe, second: LaunchRecipe) -> LaunchRecipe:
    found = {each.name: getattr(first, each.name) for each in fields(first)}
    found |= {name: getattr(second, name) for name, value in found.items() if value is None}
    found["source"] = "+".join(filter(None, (first.source, second.source)))
    found["network"] = _network(first.network, second.network)
    found["launch_type"], found["strategy"] = _capacity(first, second)
    return replace(first, **found)


def _network(first: Network | None, second: Network | None) -> Network | None:
    """The first; with all subnets of the second, when it is what the first was chosen from."""
    if first is None or second is None or not first.chosen or second.chosen:
        return first or second
    same_groups = not second.security_groups or set(second.security_groups) == set(first.security_groups)
    if not set(first.subnets) <= set(second.subnets) or not same_groups:
        return first
    return first._replace(subnets=second.subnets, chosen=False)


def _capacity(first: LaunchRecipe, second: LaunchRecipe) -> tuple[str | None, tuple[Provider, ...] | None]:
    """Launch type and strategy belong together, because RunTask takes only one of them."""
    if first.launch_type is None and first.strategy is None:
        return second.launch_type, second.strategy
    names = {each.name for each in first.strategy or ()}
    if names and first.source == "task" and names <= {each.name for each in second.strategy or ()}:
        return first.launch_type, second.strategy
    return first.launch_type, first.strategy
