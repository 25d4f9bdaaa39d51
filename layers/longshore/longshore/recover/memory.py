"""More memory for a task that ran out of it, within the cap and the sizes that Fargate has (recover 4, M1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longshore.recover.changes import Changes
from longshore.recover.launch import on_fargate
from longshore.recover.sizes import Size, raised

if TYPE_CHECKING:
    from longshore.recover.retry import MemoryStep
    from longshore.tasks import Task

_OOM = "outofmemory"


def size_of(task: Task) -> Size | None:
    """The task's size, None where it has none (on EC2 a task need not)."""
    return Size(int(task.cpu), int(task.memory)) if task.cpu.isdecimal() and task.memory.isdecimal() else None


def more_memory(task: Task, definition: Mapping[str, Any], culprit: str, step: MemoryStep) -> Changes | None:
    """What is raised: the limit of the container that ran out, where it has one, and the task's memory to hold it.

    None when the cap or Fargate's sizes allow no raise. Empty changes when nothing limits the task but its host, or
    when the policy raises nothing.
    """
    if step.percent == 0:
        return Changes()
    name = _short_of_memory(task) or culprit
    limit = _limit(task, definition, name)
    total = int(task.memory) if task.memory.isdecimal() and _limited(task, definition) else None
    if total is None:
        return _container_alone(name, limit, step) if limit else Changes()
    wanted = total + _more(limit, step) if limit else total + _more(total, step)
    size = _larger(task, total, wanted, step.cap)
    if size is None:
        return None
    grown = {name: min(limit + _more(limit, step), limit + size.memory - total)} if limit else {}
    return Changes(cpu=size.cpu, memory=size.memory, containers=grown)


def _limited(task: Task, definition: Mapping[str, Any]) -> bool:
    """Whether the task as a whole has a limit: on EC2 ECS tells the sum of its containers where none is set."""
    return on_fargate(task) or not definition or bool(task.overrides.get("memory") or definition.get("memory"))


def _larger(task: Task, total: int, wanted: int, cap: int) -> Size | None:
    """The size to ask for; its CPU is 0 where it stays."""
    size = size_of(task)
    if on_fargate(task):
        found = raised(size, wanted, cap) if size else None
        return found._replace(cpu=0 if found.cpu == size.cpu else found.cpu) if size and found else None
    memory = min(wanted, cap)
    return Size(0, memory) if memory > total else None


def _container_alone(name: str, limit: int, step: MemoryStep) -> Changes | None:
    memory = min(limit + _more(limit, step), step.cap)
    return Changes(containers={name: memory}) if memory > limit else None


def _more(memory: int, step: MemoryStep) -> int:
    """By how many MiB: rounded up, and at least one."""
    return max(1, -(-memory * step.percent // 100))


def _short_of_memory(task: Task) -> str:
    return next((each.name for each in task.containers if _OOM in each.reason.lower()), "")


def _limit(task: Task, definition: Mapping[str, Any], name: str) -> int:
    """The hard limit of a container in MiB, 0 for none; an override goes before the definition."""
    for each in (*task.overrides.get("containerOverrides", ()), *definition.get("containerDefinitions", ())):
        if each.get("name") == name and isinstance(each.get("memory"), int):
            return int(each["memory"])
    return 0
