"""Which tasks are to end in which way: marks on images, families, revisions, and on the next launches."""

from dataclasses import dataclass, replace

from longshore_local.ecs.endings import Ending, FailureMode, ending_of
from longshore_local.ecs.images import repository_of
from longshore_local.ecs.tasks import Task

ANY = "*"
"""A mark on every task."""


@dataclass(frozen=True, slots=True)
class When:
    """Which of the marked tasks are meant.

    `below_memory` spares tasks that may use this many MiB or more; `provider`: only those of this capacity provider;
    `subnet`: only those in it; `after`: seconds into the ending's moment, instead of its own or the simulator's.
    """

    below_memory: int | None = None
    provider: str | None = None
    subnet: str | None = None
    after: float | None = None

    def concerns(self, task: Task) -> bool:
        """Whether a task is meant."""
        if self.below_memory is not None and task.usable_memory >= self.below_memory:
            return False
        if self.provider is not None and task.capacity_provider_name != self.provider:
            return False
        return self.subnet is None or task.subnet == self.subnet


ALWAYS = When()


@dataclass(slots=True)
class _Mark:
    where: str
    ending: Ending
    when: When
    remaining: int | None = None


class Failures:
    """What was ordered to fail; the newest fitting order wins, those for the next launches before lasting ones."""

    def __init__(self) -> None:
        self._marks: list[_Mark] = []

    def mark(self, where: str, mode: FailureMode, when: When, count: int | None = None) -> None:
        """Orders it, for the next `count` launches where one is given; raises UnknownFailureModeError."""
        ending = ending_of(mode)
        if when.after is not None:
            ending = replace(ending, after=when.after)
        if count is None:
            same = (where, when, None)
            self._marks = [mark for mark in self._marks if (mark.where, mark.when, mark.remaining) != same]
        self._marks.append(_Mark(where, ending, when, count))

    def clear(self, where: str) -> None:
        """Takes back every order for it; harmless when there is none."""
        self._marks = [mark for mark in self._marks if mark.where != where]

    def take(self, task: Task) -> Ending | None:
        """The ending ordered for this launch, which is one of the counted ones now."""
        for mark in self._marks:
            if mark.remaining and mark.where in _names(task) and mark.when.concerns(task):
                mark.remaining -= 1
                return mark.ending
        return None

    def lasting(self, task: Task) -> Ending | None:
        """The ending that tasks of this kind have for the time being."""
        if not self._marks:
            return None
        names = _names(task)
        fitting = (mark for mark in reversed(self._marks) if mark.remaining is None and mark.where in names)
        return next((mark.ending for mark in fitting if mark.when.concerns(task)), None)


def _names(task: Task) -> set[str]:
    definition = task.definition
    revision = definition.arn.rpartition("/")[2]
    names = {ANY, definition.family, revision, definition.arn, task.group}
    for container in task.containers:
        names |= {container.image, repository_of(container.image)}
        if container.digest is not None:
            names |= {container.digest, f"{repository_of(container.image)}@{container.digest}"}
    return names
