"""What recover needs of the world: tasks and how they were launched, logs, and what the ledger keeps of recoveries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.ports import Clock, Postponer, Publisher, Switches
    from longshore.recover.breaker import Breaker
    from longshore.recover.firing import Timetable
    from longshore.recover.recipe import LaunchRecipe
    from longshore.recover.recovery import Recovery
    from longshore.recover.sources import Interface
    from longshore.tasks import Task


class LaunchFailure(NamedTuple):
    """Why RunTask started nothing though it was accepted: ``RESOURCE:MEMORY``, ``AGENT``, ``Capacity is …``."""

    reason: str
    detail: str = ""
    thing: str = ""


class Launch(NamedTuple):
    """What RunTask answered: the ARN of the task, or the failures.

    `adopted` is a task of an earlier request with the same token; `rejected` says that the failure was an error.
    """

    task: str = ""
    failures: tuple[LaunchFailure, ...] = ()
    adopted: bool = False
    rejected: bool = False


class Tasks(Protocol):
    """ECS tasks and their definitions."""

    def get(self, cluster: str, arn: str) -> Task | None:
        """A task with its tags as it is now, or None when ECS does not know it (any more)."""
        ...

    def survey(self, cluster: str, arns: Sequence[str]) -> Sequence[Task]:
        """Many tasks of a cluster with their tags; those that ECS does not know are left out."""
        ...

    def of_family(self, cluster: str, family: str) -> Sequence[Task]:
        """The tasks of a family that live or stopped lately, with their tags."""
        ...

    def host(self, cluster: str, container_instance: str) -> str:
        """The id of the EC2 or external instance behind a container instance; nothing where it is gone."""
        ...

    def definition(self, arn: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """A revision and its tags. Raises GoneError when it does not exist."""
        ...

    def launch(self, request: Mapping[str, Any]) -> Launch:
        """RunTask. Raises UnsupportedError when it is not accepted, AccessDeniedError, GoneError without cluster."""
        ...

    def stop(self, cluster: str, arn: str, reason: str) -> None:
        """StopTask, which deletes the task's tags. Raises GoneError when ECS does not know it."""
        ...


class Network(Protocol):
    """Network interfaces of tasks."""

    def get(self, id: str) -> Interface | None:
        """One, or None when it is gone."""
        ...


class Launchers(Protocol):
    """What starts tasks at set times."""

    def schedules(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The ECS targets of every schedule of a name, whatever its group, as EventBridge Scheduler writes them."""
        ...

    def rules(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The ECS targets of a rule, as EventBridge writes them."""
        ...

    def schedule_times(self, name: str) -> Sequence[Timetable]:
        """When every schedule of a name fires, whatever its group."""
        ...

    def rule_times(self, name: str) -> Sequence[Timetable]:
        """When a rule fires; nothing for one that fires by events."""
        ...


class Logs(Protocol):
    """CloudWatch Logs."""

    def tail(self, group: str, stream: str, region: str, limit: int) -> Sequence[str]:
        """The last lines, the newest last. Raises GoneError without group or stream, AccessDeniedError."""
        ...


class Recipes(Protocol):
    """How tasks were launched, kept while they live."""

    def get(self, task: str) -> LaunchRecipe | None:
        """What was recorded of a task."""
        ...

    def put(self, task: str, recipe: LaunchRecipe) -> None:
        """Records it, in place of what was."""
        ...

    def forget(self, task: str) -> None:
        """Drops it: the task ended and is not replaced."""
        ...


class Recoveries(Protocol):
    """The recoveries of root tasks, and which root each replacement belongs to."""

    def get(self, root: str) -> Recovery | None:
        """The recovery of a root task."""
        ...

    def root_of(self, task: str) -> str | None:
        """The root whose replacement a task is, or None."""
        ...

    def save(self, recovery: Recovery) -> Recovery:
        """Writes the next state and the lineage of its tasks; answers it with its new version.

        Raises ConflictError unless `recovery.version` is still the one recorded (0: none is).
        """
        ...

    def open(self, now: datetime | None = None) -> Iterable[str]:
        """The roots of the recoveries that have not ended; one that has may be among them.

        With `now` those are left out that wait for a later time.
        """
        ...

    def close(self, root: str) -> None:
        """Takes one that has ended, or never was, off the list of open ones."""
        ...


class Breakers(Protocol):
    """How the replacements of each family went lately."""

    def get(self, cluster: str, family: str) -> Breaker:
        """The breaker of a family in a cluster; a closed one where nothing failed."""
        ...

    def save(self, cluster: str, family: str, breaker: Breaker) -> Breaker:
        """Writes it; answers it with its new version.

        Raises ConflictError unless `breaker.version` is still the one recorded (0: none is).
        """
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All that recover needs to replace tasks. `chance` draws from 0 up to but not including 1."""

    tasks: Tasks
    network: Network
    launchers: Launchers
    logs: Logs
    recipes: Recipes
    recoveries: Recoveries
    breakers: Breakers
    switches: Switches
    postponer: Postponer
    publisher: Publisher
    clock: Clock
    chance: Callable[[], float]
