"""A case: a task with everything that is known of it, as the rules of the catalogue ask about it (recover 2.1, 2.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from longshore.recover.diagnosis import Owner
    from longshore.tasks import Container, Task

ESSENTIAL_EXITED = "EssentialContainerExited"
FAILED_TO_START = "TaskFailedToStart"
USER, SCHEDULER = "UserInitiated", "ServiceSchedulerInitiated"
SPOT, TERMINATION, HEALTH = "SpotInterruption", "TerminationNotice", "InfrastructureHealth"
KNOWN_CODES = frozenset({"", ESSENTIAL_EXITED, FAILED_TO_START, USER, SCHEDULER, SPOT, TERMINATION, HEALTH})

_OWN_CODES = frozenset({"", ESSENTIAL_EXITED, FAILED_TO_START})
"""With these the containers ended by themselves; with any other ECS ended them, and their codes are a consequence."""
_INJECTED = "aws-guardduty-agent-"
_RELAY = "ecs-service-connect-"
_KILLED, _TERMINATED, _INTERRUPTED = 137, 143, 130
_STOP_TIMEOUT = 30
"""Seconds between SIGTERM and SIGKILL where the definition names none (AWS: ECS task definition parameters)."""


class Said(NamedTuple):
    """A text that gives a reason, and the field that it stands in."""

    where: str
    text: str
    container: str = ""

    @property
    def line(self) -> str:
        """As evidence."""
        return f"{self.where}: {self.text}"


class Ended(NamedTuple):
    """A container that ended with a code of its own."""

    name: str
    code: int

    @property
    def line(self) -> str:
        """As evidence."""
        return f"containers[{self.name}].exitCode: {self.code}"


@dataclass(frozen=True)
class Case:
    """A task, its owner, and what only an API knows of it: empty where it was not given, so that less is concluded."""

    task: Task
    owner: Owner
    definition: Mapping[str, Any] = field(default_factory=dict)
    service: Mapping[str, Any] = field(default_factory=dict)
    idempotent: bool = False

    @cached_property
    def said(self) -> Sequence[Said]:
        """Every reason given: the task's, then those of its containers by name. A bystander's is not one."""
        found = [Said("stoppedReason", self.task.stopped_reason)] if self.task.stopped_reason else []
        for each in sorted(self.task.containers, key=_order):
            if each.reason and not self._bystander(each):
                found.append(Said(f"containers[{each.name}].reason", each.reason, each.name))
        return found

    @cached_property
    def own_codes(self) -> bool:
        """Whether exit codes are causes: ECS did not ask the containers to stop."""
        return self.task.final and self.task.stop_code in _OWN_CODES

    @cached_property
    def culprit(self) -> Ended | None:
        """The container that ended the task, by its exit code.

        ECS tells no time of a container's end, so the first to end is concluded: a code of its own comes before
        SIGKILL, which comes before SIGTERM, for ECS sends these to the others once one has ended.
        """
        ended = [each for each in self._candidates() if each.exit_code not in (None, 0)]
        if not self.own_codes or not ended:
            return None
        first = min(ended, key=lambda each: (_rank(each.exit_code), each.name, each.exit_code or 0))
        if self._consequence(first):
            return None
        return Ended(first.name, first.exit_code or 0)

    @cached_property
    def completed(self) -> bool:
        """Whether it ended because what it was started for ended with exit code 0."""
        codes = [each.exit_code for each in self._candidates()]
        return self.own_codes and self.culprit is None and 0 in codes and None not in codes

    @cached_property
    def lost(self) -> bool:
        """Whether it stopped without telling how: a container that matters has no exit code, and none has a bad one."""
        codes = [each.exit_code for each in self._candidates()]
        known = self.task.stop_code in KNOWN_CODES
        return self.task.final and known and self.culprit is None and (not codes or None in codes)

    @property
    def relays(self) -> Iterator[Container]:
        """Service Connect's own containers."""
        return (each for each in self.task.containers if each.name.startswith(_RELAY))

    def defined(self, name: str) -> Mapping[str, Any]:
        """A container of the task definition; empty where it or the definition is not known."""
        return self._definitions.get(name, {})

    @cached_property
    def proxy(self) -> str:
        """The name of the App Mesh proxy's container, or nothing."""
        proxy = self.definition.get("proxyConfiguration")
        if not isinstance(proxy, Mapping) or proxy.get("type", "APPMESH") != "APPMESH":
            return ""
        name = proxy.get("containerName")
        return name if isinstance(name, str) else ""

    @cached_property
    def _definitions(self) -> Mapping[str, Mapping[str, Any]]:
        members = self.definition.get("containerDefinitions")
        listed = members if isinstance(members, list | tuple) else ()
        return {str(each.get("name")): each for each in listed if isinstance(each, Mapping)}

    def _candidates(self) -> Sequence[Container]:
        """The containers whose end ends the task: the essential ones, where the definition tells which they are."""
        containers = sorted(self.task.containers, key=_order)
        mattering = [each for each in containers if self._matters(each.name)]
        return mattering or containers

    def _matters(self, name: str) -> bool:
        if name.startswith(_RELAY):
            return True
        if self._definitions:
            return name in self._definitions and self._definitions[name].get("essential") is not False
        return not name.startswith(_INJECTED)

    def _bystander(self, container: Container) -> bool:
        return self.task.stop_code == ESSENTIAL_EXITED and self.defined(container.name).get("essential") is False

    def _consequence(self, first: Container) -> bool:
        """Whether even the first to end was ended by ECS: another one had ended with 0 before it."""
        finished = any(each.exit_code == 0 for each in self._candidates())
        if first.exit_code in (_TERMINATED, _INTERRUPTED):
            return finished
        if first.exit_code != _KILLED or not finished:
            return False
        begun, ended = self.task.stopping, self.task.execution_stopped
        if begun is None or ended is None:
            return False
        return (ended - begun).total_seconds() >= self._stop_timeout(first.name) - 1

    def _stop_timeout(self, name: str) -> int:
        given = self.defined(name).get("stopTimeout")
        return given if isinstance(given, int) and given > 0 else _STOP_TIMEOUT


def _rank(code: int | None) -> int:
    return {_KILLED: 1, _TERMINATED: 2, _INTERRUPTED: 2}.get(code or 0, 0)


def _order(container: Container) -> tuple[str, str, int]:
    """One order whatever order ECS told them in."""
    return container.name, container.reason, -1 if container.exit_code is None else container.exit_code
