"""Facts: what an event of AWS, or a message of recover to itself, says. Each names a thing to look at (design 4)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from longshore.recover.recipe import LaunchRecipe


class TaskChanged(NamedTuple):
    """An ECS task is in another state than before. `version` rises with every change; duplicates have the same."""

    task: str
    cluster: str
    last_status: str
    desired_status: str
    stop_code: str
    group: str
    version: int

    @property
    def stopped(self) -> bool:
        """Whether it is over."""
        return self.last_status == "STOPPED"

    @property
    def ending(self) -> bool:
        """Whether ECS is about to end it: the notice that comes two minutes before a Spot task is taken."""
        return self.desired_status == "STOPPED" and not self.stopped

    @property
    def of_service(self) -> bool:
        """Whether it says that a service started it."""
        return self.group.startswith("service:")


class ServiceActed(NamedTuple):
    """ECS tells of a service: `event` is such as ``SERVICE_TASK_PLACEMENT_FAILURE``, `severity` INFO, WARN or ERROR."""

    service: str
    cluster: str
    event: str
    severity: str
    reason: str
    capacity_providers: tuple[str, ...] = ()


class DaemonActed(NamedTuple):
    """ECS tells of a daemon of Managed Instances, which it repairs itself."""

    daemon: str
    event: str
    severity: str
    failure: str
    reason: str


class InstanceChanged(NamedTuple):
    """A container instance is in another state: `connected` is whether its agent is, None where it was not said."""

    instance: str
    cluster: str
    ec2_instance: str
    status: str
    connected: bool | None
    version: int


class InstanceHealthChanged(NamedTuple):
    """The health of a container instance changed: `overall` is OK, IMPAIRED or INSUFFICIENT_DATA; `failing` the checks
    that are not OK, such as ``CONTAINER_RUNTIME``."""

    instance: str
    cluster: str
    overall: str
    failing: tuple[str, ...]


class InstanceInterrupted(NamedTuple):
    """EC2 takes a Spot instance in two minutes (`certain`), or thinks that it may."""

    ec2_instance: str
    action: str
    certain: bool


class RetirementPlanned(NamedTuple):
    """AWS is going to retire Fargate tasks: `things` are ARNs of tasks, or ``cluster | service`` (recover O5)."""

    things: tuple[str, ...]
    event: str
    status: str
    starts: datetime | None
    ends: datetime | None


class TaskLaunched(NamedTuple):
    """CloudTrail saw a RunTask that started tasks: what it asked for, less its overrides, which may hold secrets."""

    tasks: tuple[str, ...]
    cluster: str
    recipe: LaunchRecipe


class LaunchRefused(NamedTuple):
    """CloudTrail saw a RunTask that started nothing, or less than was asked for; `launched` is what it did start.

    Its parameters are not kept: they may hold secrets.
    """

    cluster: str
    definition: str
    started_by: str
    group: str
    failures: tuple[str, ...]
    request: str
    launched: TaskLaunched | None = None


class PodTerminating(NamedTuple):
    """EKS is going to end a pod on Fargate, and could not evict it."""

    cluster: str
    namespace: str
    pod: str
    profile: str
    reason: str
    at: datetime | None


class ReplacementDue(NamedTuple):
    """It is time to launch what was planned for a root task. `attempt` counts from 1."""

    root: str
    attempt: int


class SweepDue(NamedTuple):
    """It is time to look for what has no event, or whose event was missed; in some clusters, else in all."""

    clusters: tuple[str, ...] = ()


class AgentCheckDue(NamedTuple):
    """It is time to look whether an agent came back that was lost `since`."""

    instance: str
    cluster: str
    since: datetime


class RetirementDue(NamedTuple):
    """It is time to act before AWS retires a task or the tasks of a service, at `at`."""

    thing: str
    at: datetime


class DrainCheckDue(NamedTuple):
    """It is time to look whether an instance that drains `since` is empty."""

    instance: str
    cluster: str
    since: datetime


class Irrelevant(NamedTuple):
    """A well-formed event that asks for nothing."""

    why: str


Fact = (
    TaskChanged
    | ServiceActed
    | DaemonActed
    | InstanceChanged
    | InstanceHealthChanged
    | InstanceInterrupted
    | RetirementPlanned
    | TaskLaunched
    | LaunchRefused
    | PodTerminating
    | ReplacementDue
    | SweepDue
    | AgentCheckDue
    | RetirementDue
    | DrainCheckDue
    | Irrelevant
)

UNDER_TASKS = (
    AgentCheckDue,
    DaemonActed,
    DrainCheckDue,
    InstanceChanged,
    InstanceHealthChanged,
    InstanceInterrupted,
    LaunchRefused,
    PodTerminating,
    RetirementDue,
    RetirementPlanned,
)
"""What `platform.Platform` takes: most messages concern tasks themselves, and never need it."""
