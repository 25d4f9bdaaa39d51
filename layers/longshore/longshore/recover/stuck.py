"""Tasks that are longer in a state than they should be, for which no event comes (recover 2.4, W1 to W7): pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.recover.catalogue import STUCK, Stuck
from longshore.recover.diagnose import judged, remedy_of
from longshore.recover.diagnosis import Diagnosis, Remedy
from longshore.recover.evidence import secrets_of, told
from longshore.recover.grounds import Ground

if TYPE_CHECKING:
    from longshore.recover.case import Case
    from longshore.recover.entry import Entry
    from longshore.tasks import Task

POLLS = 3
"""Times in a row that a task must be seen unhealthy before it is stopped (W6)."""
_PROVISIONING, _PENDING, _REGISTERING, _STOPPING, _DEPROVISIONING, _UNHEALTHY, _TOO_LONG, _MISSED = STUCK
_STOP_TIMEOUT = timedelta(seconds=30)


def diagnose_stuck(
    case: Case, now: datetime, *, unhealthy_polls: int = POLLS, most: timedelta | None = None
) -> Diagnosis | None:
    """The diagnosis of a task that has not stopped and is in a state for too long, or None.

    `unhealthy_polls` is how often in a row it was seen unhealthy, this time included; `most` is how long its family
    may run, from the configuration.
    """
    if case.task.final:
        return None
    return _waiting(case, now) or _running(case, now, unhealthy_polls, most)


def diagnose_missed(case: Case, evidence: str) -> Diagnosis:
    """W8: a task that the ledger follows is gone, and its end was not told."""
    return judged(_MISSED.entry, case, (evidence,))


def _waiting(case: Case, now: datetime) -> Diagnosis | None:
    for stuck in (_PROVISIONING, _PENDING, _REGISTERING, _STOPPING, _DEPROVISIONING):
        since = _since(case.task) if case.task.last_status in stuck.states or _asked_to_stop(case.task, stuck) else None
        patience = stuck.after + (_longest_stop(case) if stuck is _STOPPING else timedelta(0))
        if since is not None and now - since > patience:
            remedy, ground = _remedy(stuck.entry, case)
            minutes = int((now - since).total_seconds() // 60)
            lines = (f"lastStatus: {case.task.last_status}", f"for {minutes} minutes, since {since.isoformat()}")
            return _stuck(stuck.entry, case, remedy, ground, lines)
    return None


def _running(case: Case, now: datetime, polls: int, most: timedelta | None) -> Diagnosis | None:
    task = case.task
    if task.last_status != "RUNNING" or task.desired_status == "STOPPED":
        return None
    if task.health == "UNHEALTHY" and polls >= POLLS:
        remedy, ground = _remedy(_UNHEALTHY.entry, case)
        failing = sorted(each.name for each in task.containers if each.health == "UNHEALTHY")
        lines = ("healthStatus: UNHEALTHY", *(f"containers[{name}].healthStatus: UNHEALTHY" for name in failing))
        return _stuck(_UNHEALTHY.entry, case, remedy, ground, lines)
    if most is not None and task.started is not None and now - task.started > most:
        remedy, ground = remedy_of(_TOO_LONG.entry, case)
        ground = Ground.TOO_LONG if remedy is Remedy.STOP else ground
        return _stuck(_TOO_LONG.entry, case, remedy, ground, (f"startedAt: {task.started.isoformat()}",))
    return None


def _stuck(entry: Entry, case: Case, remedy: Remedy, ground: Ground, lines: tuple[str, ...]) -> Diagnosis:
    evidence = told(lines, secrets_of(case.task, case.definition))
    return Diagnosis(case.owner, entry.cls, entry.name, remedy, ground.value, evidence, entry.hint)


def _remedy(entry: Entry, case: Case) -> tuple[Remedy, Ground]:
    """To stop a task that nobody else starts again is to run it again: only where that is safe."""
    remedy, ground = remedy_of(entry, case)
    if remedy is not Remedy.STOP:
        told = remedy is Remedy.NOTIFY and ground is not Ground.OWNED_ELSEWHERE
        return remedy, Ground.STUCK if told else ground
    if case.owner.nobody and not (case.task.never_started or case.idempotent):
        return Remedy.NOTIFY, Ground.NOT_IDEMPOTENT
    return remedy, Ground.STUCK


def _asked_to_stop(task: Task, stuck: Stuck) -> bool:
    """A task that is to stop and still runs is stopping, whatever its state is called."""
    return stuck is _STOPPING and task.desired_status == "STOPPED" and task.last_status == "RUNNING"


def _since(task: Task) -> datetime | None:
    """Since when it is in its state, as far as ECS tells: never earlier than it entered it by more than its start."""
    if task.last_status in ("PROVISIONING", "PENDING", "ACTIVATING"):
        return task.created
    return task.execution_stopped or task.stopping if task.last_status == "DEPROVISIONING" else task.stopping


def _longest_stop(case: Case) -> timedelta:
    """How long the task's containers may take to stop."""
    given = (case.defined(each.name).get("stopTimeout") for each in case.task.containers)
    seconds = [each for each in given if isinstance(each, int) and each > 0]
    return max((timedelta(seconds=each) for each in seconds), default=_STOP_TIMEOUT)
