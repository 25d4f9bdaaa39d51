"""How tasks were launched: recorded while they live, else found at what started them (recover 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from longshore.errors import GoneError
from longshore.recover.recipe import LaunchRecipe, Network, merged
from longshore.recover.sources import recipe_from_launcher, recipe_of
from longshore.tasks import RECOVER_TAG

if TYPE_CHECKING:
    from longshore.recover.ports import Ports
    from longshore.recover.sources import Interface
    from longshore.tasks import Task

_RULE, _SCHEDULE = "events-rule/", "chronos-schedule/"
_TOO_EARLY = "PROVISIONING"
"""Then the interface is still being made, so that a public address may be missing from it."""


class Recorder:
    """Keeps launch recipes of tasks that opted in, and finds those that were not kept."""

    def __init__(self, ports: Ports) -> None:
        self._tasks = ports.tasks
        self._network = ports.network
        self._launchers = ports.launchers
        self._recipes = ports.recipes

    def seen(self, task: Task) -> bool:
        """Records a living task; answers whether there was anything new. Tasks of services are none of ours."""
        if task.final or task.service or not self._opted_in(task):
            return False
        kept = self._recipes.get(task.arn)
        if kept is not None and not _incomplete(kept, task):
            return False
        observed = self._observed(task)
        found = observed if kept is None else replace(kept, network=_newer(kept.network, observed.network))
        if found == kept:
            return False
        self._recipes.put(task.arn, found)
        return True

    def recipe(self, task: Task) -> LaunchRecipe:
        """All that can be known of how a task was launched: the record, what it tells itself, what started it.

        What is found is kept, so that every later look at the same task finds the same.
        """
        kept = self._recipes.get(task.arn)
        whole = kept if kept is not None else self._observed(task)
        if _partial(whole):
            whole = merged([whole, self._launcher(task)])
        if whole != kept:
            self._recipes.put(task.arn, whole)
        return whole

    def kept(self, task: str) -> LaunchRecipe | None:
        """What was recorded of a task."""
        return self._recipes.get(task)

    def inherit(self, child: str, recipe: LaunchRecipe) -> None:
        """Keeps for a replacement what is known of the task that it replaces."""
        self._recipes.put(child, recipe)

    def forget(self, task: Task) -> None:
        """Drops the record of a task that ended and is not replaced."""
        self._recipes.forget(task.arn)

    def _opted_in(self, task: Task) -> bool:
        try:
            _, tags = self._tasks.definition(task.definition)
        except GoneError:
            return False
        return tags.get(RECOVER_TAG) == "auto"

    def _observed(self, task: Task) -> LaunchRecipe:
        return recipe_of(task, self._interface(task))

    def _interface(self, task: Task) -> Interface | None:
        interface = _attached(task, "networkInterfaceId")
        return self._network.get(interface) if interface and task.last_status != _TOO_EARLY else None

    def _launcher(self, task: Task) -> LaunchRecipe | None:
        """What started it, if that is still there and unmistakable."""
        name, source, targets = "", "", []
        if task.started_by.startswith(_SCHEDULE):
            name, source = task.started_by.removeprefix(_SCHEDULE), "schedule"
            targets = [*self._launchers.schedules(name)]
        elif task.started_by.startswith(_RULE):
            name, source = task.started_by.removeprefix(_RULE), "rule"
            targets = [*self._launchers.rules(name)]
        parameters = _distinct([each["EcsParameters"] for each in targets if _launches(each, task)])
        return recipe_from_launcher(parameters[0], source) if len(parameters) == 1 else None


def _incomplete(recipe: LaunchRecipe, task: Task) -> bool:
    """Whether a living task may have more to tell: its interface, or the public address that comes late."""
    network = recipe.network
    if network is None:
        return bool(_attached(task, "networkInterfaceId"))
    return network.chosen and not network.public_ip and task.last_status == "RUNNING"


def _newer(kept: Network | None, seen: Network | None) -> Network | None:
    """What is seen, unless it tells less: a replacement's inherited subnets are more than the one that it runs in."""
    if kept is None or seen is None:
        return kept or seen
    return seen if seen.public_ip and seen.subnets == kept.subnets else kept


def _attached(task: Task, name: str) -> str:
    """A detail of the task's network interface; the API and events name its type differently (recover 2.1)."""
    for attachment in task.attachments:
        if attachment.get("type") in ("eni", "ElasticNetworkInterface"):
            details: Sequence[Mapping[str, Any]] = attachment.get("details") or ()
            found = next((str(each.get("value", "")) for each in details if each.get("name") == name), "")
            if found:
                return found
    return ""


def _partial(recipe: LaunchRecipe) -> bool:
    """Whether what started the task would tell more: all subnets, the strategy, placement, propagation."""
    return not ({"schedule", "rule", "request"} & set(recipe.source.split("+")))


def _launches(target: Mapping[str, Any], task: Task) -> bool:
    """Whether a target starts this task: the same family in the same cluster."""
    definition = str(target["EcsParameters"].get("TaskDefinitionArn", ""))
    family = definition.rpartition("/")[2].partition(":")[0]
    return target.get("Arn") == task.cluster and family == task.family


def _distinct(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for each in items:
        if each not in found:
            found.append(each)
    return found
