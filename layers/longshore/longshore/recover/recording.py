"""How tasks were launched: recorded while they live, else found at what started them (recover 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from longshore.errors import GoneError
from longshore.recover.recipe import LaunchRecipe, Network, completed, merged
from longshore.recover.remedies import subnet_of
from longshore.recover.retry import RetryPolicy
from longshore.recover.sources import SCHEDULE, Interface, recipe_from_launcher, recipe_of, starts, targets_of
from longshore.tasks import RECOVER_TAG

if TYPE_CHECKING:
    from longshore.recover.ports import Ports
    from longshore.tasks import Task

_TOO_EARLY = "PROVISIONING"
"""Then the interface is still being made, so that a public address may be missing from it."""


class Recorder:
    """Keeps launch recipes of tasks that opted in, and finds those that were not kept.

    What opted in is recorded in the mode observe too: what would be done must be what is done one day.
    """

    def __init__(self, ports: Ports, policy: RetryPolicy | None = None) -> None:
        self._tasks = ports.tasks
        self._network = ports.network
        self._launchers = ports.launchers
        self._recipes = ports.recipes
        self._policy = policy or RetryPolicy()

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

    def requested(self, task: Task, request: LaunchRecipe) -> LaunchRecipe | None:
        """All that is known of a task once CloudTrail told how it was asked for; None where that is nothing new.

        Nothing is kept. What ended and was forgotten stays so, and a request for another task is not believed.
        """
        kept = self._recipes.get(task.arn)
        if task.service or (task.final and kept is None) or not self._opted_in(task):
            return None
        known = recipe_of(task, None) if kept is None else kept
        if request.source in known.sources or not _fits(request, task, known):
            return None
        return completed(known, request)

    def keep(self, task: Task, recipe: LaunchRecipe) -> None:
        """Records what was found out."""
        self._recipes.put(task.arn, recipe)

    def recipe(self, task: Task) -> LaunchRecipe:
        """All that can be known of how a task was launched: the record, what it tells itself, what started it, and
        as the last resort what the operator says of its family.

        What is found is kept, so that every later look at the same task finds the same.
        """
        kept = self._recipes.get(task.arn)
        whole = self._with_declared(task, self._with_launcher(task, self._observed(task) if kept is None else kept))
        if whole != kept:
            self._recipes.put(task.arn, whole)
        return whole

    def presumed(self, task: Task) -> LaunchRecipe:
        """What would be known of a task of a family that did not opt in, had it done so: by the task and what started
        it, and by nothing that was recorded. Nothing is kept, and its interface is not asked for."""
        subnet = subnet_of(task) if _attached(task, "networkInterfaceId") else ""
        own = recipe_of(task, Interface(subnet, (), public=False) if subnet else None)
        return self._with_declared(task, merged([self._launcher(task), own]))

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
        return self._definition(task)[1].get(RECOVER_TAG) == "auto"

    def _definition(self, task: Task) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        try:
            return self._tasks.definition(task.definition)
        except GoneError:
            return {}, {}

    def _observed(self, task: Task) -> LaunchRecipe:
        return recipe_of(task, self._interface(task))

    def _interface(self, task: Task) -> Interface | None:
        interface = _attached(task, "networkInterfaceId")
        return self._network.get(interface) if interface and task.last_status != _TOO_EARLY else None

    def _with_launcher(self, task: Task, known: LaunchRecipe) -> LaunchRecipe:
        """With what would tell more: all subnets, the strategy, placement, propagation."""
        return known if {"schedule", "rule", "request"} & known.sources else merged([known, self._launcher(task)])

    def _with_declared(self, task: Task, known: LaunchRecipe) -> LaunchRecipe:
        """With the family's network of the configuration, where none is known and one is needed."""
        declared = None if known.network else self._policy.declared(task.family)
        if declared is None or self._definition(task)[0].get("networkMode") != "awsvpc":
            return known
        return merged([known, declared])

    def _launcher(self, task: Task) -> LaunchRecipe | None:
        """What started it, if that is still there and unmistakable."""
        targets = targets_of(self._launchers, task.started_by)
        parameters = _distinct([each["EcsParameters"] for each in targets if starts(each, task.cluster, task.family)])
        source = "schedule" if task.started_by.startswith(SCHEDULE) else "rule"
        return recipe_from_launcher(parameters[0], source) if len(parameters) == 1 else None


def _fits(request: LaunchRecipe, task: Task, known: LaunchRecipe) -> bool:
    """Whether a request can be this task's, by all that ECS and its network interface tell: events can be forged."""
    asked, seen = request.network, known.network
    providers = {each.name for each in request.strategy or ()}
    groups = set(asked.security_groups) if asked else set()
    return (
        request.started_by == task.started_by
        and request.group in (None, task.group)
        and (not providers or task.capacity_provider in ("", *providers))
        and (asked is None or subnet_of(task) in ("", *asked.subnets))
        and not (groups and seen is not None and seen.chosen and groups != set(seen.security_groups))
    )


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


def _distinct(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for each in items:
        if each not in found:
            found.append(each)
    return found
