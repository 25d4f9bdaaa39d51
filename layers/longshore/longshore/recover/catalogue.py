"""The catalogue of failures: every class and stuck state, in the order in which they are asked for (recover 2.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from longshore.recover.case import HEALTH, SCHEDULER, SPOT, TERMINATION, USER, Case
from longshore.recover.diagnosis import Remedy
from longshore.recover.entry import Entry, Found, all_of, any_of, in_state, says, stopped_as
from longshore.recover.grounds import Ground
from longshore.recover.running import RUNNING
from longshore.recover.starting import STARTING
from longshore.tasks import OWN_STOP

_NONE, _NOTIFY, _REPLACE, _DRAIN, _STOP = Remedy.NONE, Remedy.NOTIFY, Remedy.REPLACE, Remedy.DRAIN, Remedy.STOP


def own_stop(case: Case) -> Found | None:
    """Whether Longshore itself stopped it."""
    task = case.task
    ours = task.stop_code in (USER, "") and task.stopped_reason.startswith(OWN_STOP)
    return Found((f"stoppedReason: {task.stopped_reason}",)) if ours else None


def unexplained_scaling(case: Case) -> Found | None:
    """Whether the service's scheduler stopped it without a word."""
    silent = case.task.stop_code == SCHEDULER and not case.said
    return Found((f"stopCode: {SCHEDULER}",)) if silent else None


_MAINTENANCE = r"performing maintenance on the underlying infrastructure"
_HOST_ENDED = r"Host EC2 \(instance [^)]{0,80}\) (?:stopped|terminated)"
_DEREGISTERED = r"Container instance deregistration forced by user|\bDeregisterContainerInstance\b.{0,40}\bforce"
_SPOT = any_of(
    stopped_as(SPOT),
    stopped_as(TERMINATION, unless=f"{_MAINTENANCE}|{_HOST_ENDED}"),
    says(r"Your Spot Task was interrupted"),
)

STOPS = (
    Entry("A1", "user stop", _NONE, _NONE, "", own_stop, Ground.OWN_STOP),
    Entry(
        "A1", "user stop", _NONE, _NONE,
        "Somebody stopped it on purpose; CloudTrail's StopTask says who.",
        any_of(stopped_as(USER), says(r"^Task stopped by user")), Ground.HUMAN_STOP,
    ),
    Entry(
        "A2", "scheduler stop", _NONE, _NONE,
        "The service's scheduler did what it is there for.",
        any_of(
            all_of(stopped_as(SCHEDULER), says(r"Scaling activity initiated by|\brebalanc")), unexplained_scaling,
            says(r"^Scaling activity initiated by"),
        ), Ground.SCALE_IN,
    ),
    Entry(
        "S1", "Spot notice", _REPLACE, _NONE,
        "The Spot capacity under it is taken away within two minutes.",
        all_of(_SPOT, in_state(final=False)),
    ),
    Entry(
        "S2", "Spot stop", _REPLACE, _NONE,
        "The Spot capacity under it was taken away. If too often: FARGATE as a fallback, or other instance types.",
        all_of(_SPOT, in_state(final=True)),
    ),
    Entry(
        "I1", "host gone", _REPLACE, _NONE,
        "The instance under it stopped or was deregistered: its Auto Scaling group's activities say why.",
        says(f"{_HOST_ENDED}|{_DEREGISTERED}"),
    ),
    Entry(
        "I2", "Fargate maintenance", _REPLACE, _NONE,
        "AWS retired the host under it. Nothing to mend; AWS Health announces such retirements.",
        says(_MAINTENANCE),
    ),
    Entry(
        "I3", "infrastructure health", _REPLACE, _NONE,
        "ECS found the infrastructure under it impaired. Nothing to mend unless one instance is named again and again.",
        stopped_as(HEALTH),
    ),
)  # fmt: skip

CLASSES = (*STOPS, *STARTING, *RUNNING)
"""The classes that a stopped task shows. The first that answers decides."""

ENDING = tuple(each for each in STOPS if each.cls in ("A1", "A2", "S1"))
"""The classes that a task shows which is about to stop. Only one that stopped shows any other (recover 2.1)."""

UNKNOWN = Entry(
    "Z", "unknown", _NOTIFY, _NOTIFY, "Nothing known explains it: read the reason, and tell us.", None, Ground.UNKNOWN
)

INSTANCES = (
    Entry(
        "E1", "agent lost", _DRAIN, _DRAIN,
        "The agent of an instance is disconnected. That is normal for a few minutes; after that look at the instance.",
        None, Ground.AGENT_LOST,
    ),
    Entry(
        "E2", "agent lost on premises", _NOTIFY, _NOTIFY,
        "The agent of a machine of ECS Anywhere is disconnected: look at the machine, its network and its SSM agent.",
        None, Ground.ON_PREMISES,
    ),
    Entry(
        "E3", "instance impaired", _DRAIN, _DRAIN,
        "The container runtime of an instance does not answer: drain it and replace it.",
        None, Ground.IMPAIRED_INSTANCE,
    ),
)  # fmt: skip
"""What befalls a container instance; told by events of their own."""


class Stuck(NamedTuple):
    """A state in which a task is longer than it should be, where no event tells."""

    entry: Entry
    after: timedelta
    states: tuple[str, ...] = ()


STUCK = (
    Stuck(
        Entry(
            "W1", "stuck provisioning", _NOTIFY, _NOTIFY,
            "The capacity provider finds no room for it: see its Auto Scaling group and what the task asks for.",
        ), timedelta(minutes=35), ("PROVISIONING",),
    ),
    Stuck(
        Entry(
            "W2", "stuck pending", _STOP, _STOP,
            "The agent does not start it: another task may be stopping slowly, or the agent hangs.",
        ), timedelta(minutes=20), ("PENDING",),
    ),
    Stuck(
        Entry(
            "W3", "stuck at the load balancer", _NOTIFY, _NOTIFY,
            "Its registration with the load balancer or Cloud Map does not end.",
        ), timedelta(minutes=10), ("ACTIVATING", "DEACTIVATING"),
    ),
    Stuck(
        Entry(
            "W4", "stuck stopping", _NOTIFY, _NOTIFY,
            "It does not stop though its time is over: the agent of its instance is probably disconnected.",
        ), timedelta(minutes=10), ("STOPPING",),
    ),
    Stuck(
        Entry(
            "W5", "stuck deprovisioning", _NOTIFY, _NOTIFY,
            "Its network interface is not released. A replacement need not wait for that.",
        ), timedelta(minutes=20), ("DEPROVISIONING",),
    ),
    Stuck(
        Entry(
            "W6", "unhealthy", _STOP, _NONE,
            "Its health check fails, and ECS does not stop what no service runs.",
        ), timedelta(0), ("RUNNING",),
    ),
    Stuck(
        Entry("W7", "running too long", _STOP, _NONE, "It runs for longer than its family may.", None, Ground.TOO_LONG),
        timedelta(0), ("RUNNING",),
    ),
    Stuck(
        Entry(
            "W8", "end missed", _NOTIFY, _NONE,
            "It is gone, and no event told how: the events of ECS are best effort.", None, Ground.MISSED,
        ), timedelta(0),
    ),
)  # fmt: skip


def entry(cls: str) -> Entry:
    """The first entry of a class. Raises KeyError for an id that the catalogue does not have."""
    return ENTRIES[cls]


ENTRIES = {each.cls: each for each in reversed((*CLASSES, UNKNOWN, *INSTANCES, *(stuck.entry for stuck in STUCK)))}
"""The first entry of every class by its id."""
