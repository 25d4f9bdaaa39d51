"""What befell a task, and what may be done about it: pure (design 6.2; recover 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from longshore.recover.case import Case
from longshore.recover.catalogue import CLASSES, ENDING, UNKNOWN
from longshore.recover.diagnosis import Diagnosis, Owner, Remedy
from longshore.recover.evidence import secrets_of, told
from longshore.recover.grounds import Ground
from longshore.recover.owner import owner_of
from longshore.tasks import RETRY_TAG, Task

if TYPE_CHECKING:
    from longshore.recover.entry import Entry

IDEMPOTENT = "idempotent"
NO_CLASS = ""
"""The class of what is no failure."""
_HANDS_OFF = (Owner.STEP_FUNCTIONS, Owner.BATCH, Owner.ORCHESTRATOR)


def diagnose(
    task: Task,
    *,
    definition: Mapping[str, Any] | None = None,
    service: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    definition_tags: Mapping[str, str] | None = None,
) -> Diagnosis:
    """The diagnosis of a task that stopped or is about to be stopped; of any other, that it has not stopped yet.

    `definition` and `service` are what DescribeTaskDefinition and DescribeServices say, `tags` the task's (its own
    when not given), `definition_tags` the task definition's. What is not given is not known: the weaker class and the
    weaker remedy follow. The tag `longshore:retry` counts on the task definition; on the task only where the
    definition's tags are not known.
    """
    case = case_of(task, definition=definition, service=service, tags=tags, definition_tags=definition_tags)
    for entry in CLASSES if task.final else ENDING:
        found = entry.asks(case) if entry.asks else None
        if found is not None:
            return judged(entry, case, found.evidence, found.container)
    if not task.final:
        return nothing(case, "not stopped", Ground.NOT_FINAL, (f"lastStatus: {task.last_status}",))
    if case.completed:
        ground = Ground.COMPLETED if case.owner.nobody or case.owner in _HANDS_OFF else Ground.CLEAN_EXIT
        return nothing(case, "completed", ground, _codes(case))
    return judged(UNKNOWN, case, _everything(case), case.culprit.name if case.culprit else "")


def case_of(
    task: Task,
    *,
    definition: Mapping[str, Any] | None = None,
    service: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    definition_tags: Mapping[str, str] | None = None,
) -> Case:
    """A task with what is known of it. The arguments are those of `diagnose`."""
    own = tags if tags is not None else task.tags or {}
    allowing = definition_tags if definition_tags is not None else own
    return Case(
        task=task,
        owner=owner_of(task, service, own),
        definition=definition or {},
        service=service or {},
        idempotent=allowing.get(RETRY_TAG) == IDEMPOTENT,
    )


def judged(entry: Entry, case: Case, evidence: Iterable[str], container: str = "") -> Diagnosis:
    """The diagnosis that a case is of a class, with the remedy for its owner."""
    remedy, ground = remedy_of(entry, case)
    lines = told(evidence, secrets_of(case.task, case.definition))
    return Diagnosis(case.owner, entry.cls, entry.name, remedy, ground.value, lines, entry.hint, container)


def nothing(case: Case, name: str, ground: Ground, evidence: Iterable[str]) -> Diagnosis:
    """That nothing failed."""
    lines = told(evidence, secrets_of(case.task, case.definition))
    return Diagnosis(case.owner, NO_CLASS, name, Remedy.NONE, ground.value, lines)


def remedy_of(entry: Entry, case: Case) -> tuple[Remedy, Ground]:
    """The remedy of an entry for the owner of a case, and why it is that one."""
    if entry.alone is Remedy.NONE and entry.service is Remedy.NONE:
        return Remedy.NONE, entry.ground or Ground.INFORMATIONAL
    if case.owner in _HANDS_OFF:
        return Remedy.NONE, Ground.OWNED_ELSEWHERE
    if case.owner.nobody:
        return _alone(entry, case)
    return _of_service(entry, case)


def _alone(entry: Entry, case: Case) -> tuple[Remedy, Ground]:
    if entry.alone is Remedy.REPLACE:
        return _again(case, Remedy.REPLACE)
    return entry.alone, entry.ground if entry is UNKNOWN and entry.ground else Ground.NOT_MENDED


def _again(case: Case, remedy: Remedy) -> tuple[Remedy, Ground]:
    """A remedy that runs the task again: only what never started, or may be repeated, is (design 6.2)."""
    if case.task.never_started:
        return remedy, Ground.NEVER_STARTED
    return (remedy, Ground.IDEMPOTENT) if case.idempotent else (Remedy.NOTIFY, Ground.NOT_IDEMPOTENT)


def _of_service(entry: Entry, case: Case) -> tuple[Remedy, Ground]:
    if entry.service is Remedy.NONE:
        return Remedy.NONE, Ground.ECS_REPLACES
    if entry.service is Remedy.NOTIFY:
        return Remedy.NOTIFY, entry.ground or Ground.NEEDS_HELP
    ground = entry.ground or Ground.NEEDS_HELP
    if entry.service is Remedy.DRAIN:  # Fargate's hosts are not ours to drain
        return (entry.service, ground) if case.task.container_instance else (Remedy.NOTIFY, Ground.NEEDS_HELP)
    if case.owner is Owner.CONTROLLER:
        return Remedy.NOTIFY, Ground.OWNED_ELSEWHERE
    if ground is Ground.NEW_REVISION and _settled(case):
        return Remedy.NOTIFY, Ground.SETTLED_REVISION
    return entry.service, ground


def _settled(case: Case) -> bool:
    """Whether the service says that the deployment which started the task has been completed."""
    deployments = case.service.get("deployments")
    listed = deployments if isinstance(deployments, list | tuple) else ()
    mine = [each for each in listed if isinstance(each, Mapping) and each.get("id") == case.task.started_by]
    return any(each.get("rolloutState") == "COMPLETED" for each in mine)


def _codes(case: Case) -> list[str]:
    containers = sorted((each.name, each.exit_code) for each in case.task.containers if each.exit_code is not None)
    return [f"containers[{name}].exitCode: {code}" for name, code in containers]


def _everything(case: Case) -> list[str]:
    code = [f"stopCode: {case.task.stop_code}"] if case.task.stop_code else []
    return [*code, *(said.line for said in case.said), *_codes(case)]
