"""Remedies: what a replacement does differently from what failed, by the class of the failure (recover 2.4, 4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.recover.changes import Changes
from longshore.recover.launch import on_fargate
from longshore.recover.memory import more_memory, size_of
from longshore.recover.retry import Fallback, Rule
from longshore.recover.sizes import raised

if TYPE_CHECKING:
    from longshore.recover.recipe import LaunchRecipe
    from longshore.recover.recovery import Recovery
    from longshore.tasks import Task

_SPOT = frozenset({"S1", "S2"})
_OTHER_SUBNET = frozenset({"N2", "N5"})
_OTHER_INSTANCE = frozenset({"I1", "I3", "C4", "T1", "P5"})
_SPOT_PROVIDER = "FARGATE_SPOT"
_HOST = re.compile(r"\bm?i-[0-9a-f]{8,17}\b")
_LEAST_STORAGE, _MOST_STORAGE = 21, 200
_MOST_AVOIDED = 10


class Failed(NamedTuple):
    """What a remedy looks at. `cls` is the failure's class, `instance` the EC2 instance, where it is known."""

    cls: str
    task: Task
    recipe: LaunchRecipe
    definition: Mapping[str, Any]
    culprit: str = ""
    instance: str = ""
    recovery: Recovery | None = None


def changes_for(failed: Failed, rule: Rule) -> Changes | None:
    """What the next attempt changes; None when memory ran out and may not be raised.

    What earlier attempts raised or moved to on-demand stays so; where to run is decided anew.
    """
    new = _changes(failed, rule)
    last = failed.recovery.last if failed.recovery else None
    if new is None or last is None:
        return new
    return _onto(last.changes._replace(subnets=(), avoid=()), new)


def subnet_of(task: Task) -> str:
    """The subnet of the task's network interface, where its attachments still tell it."""
    for attachment in task.attachments:
        for detail in attachment.get("details") or ():
            if isinstance(detail, Mapping) and detail.get("name") == "subnetId":
                return str(detail.get("value", ""))
    return ""


def instance_of(failed: Failed) -> str:
    """The EC2 instance that it ran on: as was found out, or as the stop reason tells."""
    match = _HOST.search(failed.task.stopped_reason)
    return failed.instance or (match[0] if match else "")


def _changes(failed: Failed, rule: Rule) -> Changes | None:
    allowed = rule.fallback or ()
    if failed.cls == "M1":
        memory = rule.memory
        return more_memory(failed.task, failed.definition, failed.culprit, memory) if memory else Changes()
    if failed.cls in _SPOT:
        return _nth(failed, _SPOT, (Fallback.OTHER_SUBNET, Fallback.ON_DEMAND), rule)
    if failed.cls == "C1":
        return _nth(failed, frozenset({"C1"}), tuple(Fallback), rule)
    if failed.cls in _OTHER_SUBNET and Fallback.OTHER_SUBNET in allowed:
        return _other_subnet(failed, rule)
    if failed.cls == "P5" and on_fargate(failed.task):
        return Changes(storage=_more_storage(failed.task))
    return _other_instance(failed) if failed.cls in _OTHER_INSTANCE else Changes()


def _nth(failed: Failed, classes: frozenset[str], ladder: tuple[Fallback, ...], rule: Rule) -> Changes:
    """The rung for as many failures of these classes as there were; rungs that change nothing here are left out."""
    earlier = failed.recovery.attempts if failed.recovery else ()
    turn = sum(each.failure.cls in classes for each in earlier)
    rungs = list(_steps(failed, ladder, rule))
    if classes is _SPOT and len(rungs) == 1 and turn == 0 and rungs[0].on_demand:
        return Changes()  # a first stop of Spot is tried on Spot again
    return rungs[min(turn, len(rungs) - 1)] if rungs else Changes()


def _steps(failed: Failed, ladder: tuple[Fallback, ...], rule: Rule) -> Iterator[Changes]:
    for fallback in ladder:
        step = _FALLBACKS[fallback](failed, rule) if fallback in (rule.fallback or ()) else Changes()
        if step != Changes():
            yield step


def _other_subnet(failed: Failed, _rule: Rule) -> Changes:
    """All subnets but the one where it failed; where that is not known, all but the next in turn."""
    subnets = failed.recipe.network.subnets if failed.recipe.network else ()
    if not subnets[1:]:
        return Changes()
    turn = len(failed.recovery.attempts) if failed.recovery else 0
    left = subnet_of(failed.task) or subnets[turn % len(subnets)]
    return Changes(subnets=tuple(each for each in subnets if each != left))


def _on_demand(failed: Failed, _rule: Rule) -> Changes:
    asked = {each.name for each in failed.recipe.strategy or ()} | {failed.task.capacity_provider}
    return Changes(on_demand=_SPOT_PROVIDER in asked)


def _next_size(failed: Failed, rule: Rule) -> Changes:
    """The next larger size of Fargate, because capacity for each is found apart."""
    size = size_of(failed.task) if on_fargate(failed.task) else None
    larger = raised(size, size.memory + 1, rule.memory.cap) if size and rule.memory else None
    if size is None or larger is None:
        return Changes()
    return Changes(cpu=larger.cpu if larger.cpu != size.cpu else 0, memory=larger.memory)


_FALLBACKS: Mapping[Fallback, Callable[[Failed, Rule], Changes]] = {
    Fallback.OTHER_SUBNET: _other_subnet,
    Fallback.ON_DEMAND: _on_demand,
    Fallback.NEXT_SIZE: _next_size,
}


def _more_storage(task: Task) -> int:
    return min(_MOST_STORAGE, max(_LEAST_STORAGE, 2 * (task.ephemeral_storage or _LEAST_STORAGE)))


def _other_instance(failed: Failed) -> Changes:
    """Any instance but this one and those of the attempts before; Fargate and ECS Anywhere choose by themselves."""
    if on_fargate(failed.task) or failed.task.launch_type in ("EXTERNAL", "MANAGED_INSTANCES"):
        return Changes()
    last = failed.recovery.last if failed.recovery else None
    avoid = dict.fromkeys((*(last.changes.avoid if last else ()), instance_of(failed)))
    return Changes(avoid=tuple(each for each in avoid if each)[-_MOST_AVOIDED:])


def _onto(earlier: Changes, new: Changes) -> Changes:
    """What is new, on top of what earlier attempts changed."""
    changed = {name: value for name, value in new._asdict().items() if value}
    containers = {**earlier.containers, **new.containers}
    return earlier._replace(**{**changed, "containers": containers})
