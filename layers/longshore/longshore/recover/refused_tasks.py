"""Refused launches as tasks: each stands for the one that it would have made (recover 0.1, 3.1).

What such a task is launched with is what its schedule or rule says now: CloudTrail hides the environment, and an event
may be anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from longshore.recover.sources import starts, targets_of
from longshore.tasks import Task

if TYPE_CHECKING:
    from longshore.recover.ports import Launch, Launchers, Ports, Tasks

MARK = "refused-"
_FILLED_IN = "<aws.scheduler."
_MOST = 10  # tasks that one RunTask starts


class RefusedLaunch(NamedTuple):
    """A launch that was refused. `root` stands for the task that it would have made; nothing here is a secret."""

    root: str
    cluster: str
    family: str
    started_by: str
    reason: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """What the ledger keeps."""
        return {**self._asdict(), "at": self.at.isoformat()}

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> RefusedLaunch:
        """What `as_json` made; members that are not known here are ignored."""
        known = {name: kept[name] for name in cls._fields}
        return cls(**{**known, "at": datetime.fromisoformat(kept["at"])})


class RefusedLog(Protocol):
    """Refused launches, by the task that each would have made."""

    def get(self, root: str) -> RefusedLaunch | None:
        """One of them."""
        ...

    def put(self, launch: RefusedLaunch) -> None:
        """Records one; again changes nothing."""
        ...


class Unmistakable(NamedTuple):
    """The one target that starts tasks of a family in a cluster, with its overrides; never kept (design 4)."""

    parameters: Mapping[str, Any]
    overrides: Mapping[str, Any]

    @property
    def wanted(self) -> int:
        """How many tasks it starts."""
        return max(1, min(_MOST, int(self.parameters.get("TaskCount") or 1)))


class TasksWithRefused:
    """`ports.Tasks`, to which a refused launch is a task that stopped before it started."""

    def __init__(self, tasks: Tasks, log: RefusedLog, launchers: Launchers) -> None:
        self._tasks = tasks
        self._log = log
        self._launchers = launchers

    def get(self, cluster: str, arn: str) -> Task | None:
        """See `ports.Tasks.get`; a refused launch is gone when what was to start it is."""
        if not is_refused(arn):
            return self._tasks.get(cluster, arn)
        launch = self._log.get(arn)
        found = unmistakable(self._launchers, launch.started_by, launch.cluster, launch.family) if launch else None
        return task_of(launch, found) if launch and found and launch.cluster == cluster else None

    def survey(self, cluster: str, arns: Sequence[str]) -> Sequence[Task]:
        """See `ports.Tasks.survey`."""
        return self._tasks.survey(cluster, arns)

    def of_family(self, cluster: str, family: str) -> Sequence[Task]:
        """See `ports.Tasks.of_family`."""
        return self._tasks.of_family(cluster, family)

    def host(self, cluster: str, container_instance: str) -> str:
        """See `ports.Tasks.host`."""
        return self._tasks.host(cluster, container_instance)

    def definition(self, arn: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """See `ports.Tasks.definition`."""
        return self._tasks.definition(arn)

    def launch(self, request: Mapping[str, Any]) -> Launch:
        """See `ports.Tasks.launch`."""
        return self._tasks.launch(request)

    def stop(self, cluster: str, arn: str, reason: str) -> None:
        """See `ports.Tasks.stop`."""
        self._tasks.stop(cluster, arn, reason)


def is_refused(arn: str) -> bool:
    """Whether an ARN stands for a launch that was refused."""
    return arn.rpartition("/")[2].startswith(MARK)


def unmistakable(launchers: Launchers, started_by: str, cluster: str, family: str) -> Unmistakable | None:
    """What a schedule or rule starts, where that is one thing, and the same each time; else None."""
    fitting = [each for each in targets_of(launchers, started_by) if starts(each, cluster, family)]
    if len(fitting) != 1:
        return None
    overrides = _overrides(fitting[0])
    return None if overrides is None else Unmistakable(fitting[0]["EcsParameters"], overrides)


def task_of(launch: RefusedLaunch, found: Unmistakable) -> Task:
    """The task that a refused launch would have made, stopped before it started."""
    parts = launch.root.split(":")
    parameters = found.parameters
    definition = str(parameters["TaskDefinitionArn"])
    return Task(
        arn=launch.root,
        cluster=launch.cluster,
        account=parts[4],
        region=parts[3],
        definition=definition,
        group=str(parameters.get("Group") or f"family:{launch.family}"),
        started_by=launch.started_by,
        last_status="STOPPED",
        desired_status="STOPPED",
        stop_code="TaskFailedToStart",
        stopped_reason=f"TaskFailedToStart: {launch.reason}"[:1000],
        launch_type=str(parameters.get("LaunchType") or ""),
        platform_version=str(parameters.get("PlatformVersion") or ""),
        enable_execute_command=bool(parameters.get("EnableExecuteCommand")),
        created=launch.at,
        stopped=launch.at,
        tags={},
        overrides=found.overrides,
    )


def with_refused(ports: Ports, log: RefusedLog) -> Ports:
    """Ports to which refused launches are tasks: everything that goes on with a recovery must have these."""
    return replace(ports, tasks=TasksWithRefused(ports.tasks, log, ports.launchers))


def _overrides(target: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The overrides that a target gives; None where they are made anew each time, so that they cannot be known."""
    text = target.get("Input")
    if target.get("InputTransformer") or target.get("InputPath") or (text and _FILLED_IN in text):
        return None
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
