"""Stuck tasks: told once, stopped and started again where that is safe, until it is over (recover W1 to W6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import GoneError
from longshore.recover.caring import described, quiet
from longshore.recover.crash_loops import STUCK, Care
from longshore.recover.decide import Decision
from longshore.recover.diagnose import case_of
from longshore.recover.diagnosis import Diagnosis, Remedy
from longshore.recover.grounds import Ground
from longshore.recover.reasons import Reason, Verdict
from longshore.recover.service_reasons import CareReason, EndReason
from longshore.recover.services import service_arn
from longshore.recover.stuck import POLLS, diagnose_stuck
from longshore.recover.telling import Teller, failed
from longshore.recover.troubles import ONCE, Sign, Trouble
from longshore.settings import Mode
from longshore.tasks import OWN_STOP, RECOVER_TAG, Task

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.caring import Caretaker
    from longshore.recover.incidents import Rules
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.replacing import Replacer
    from longshore.recover.service_ports import ServicePorts
    from longshore.recover.services import Service

UNHEALTHY = "UNHEALTHY"
_HEALTH = STUCK + "health"
_POLLS_WITHIN = timedelta(minutes=13)
"""Three sweeps of every five minutes, and no fourth: a poll between them that found the task healthy breaks the row."""
_POLLS_APART = timedelta(minutes=4)
_KEEP = timedelta(hours=6)
_AGAIN = timedelta(hours=1)
_STOPS_APART = timedelta(minutes=10)


class StuckTasks:
    """Looks after tasks that are longer in a state than they should be."""

    def __init__(
        self, ports: Ports, care: ServicePorts, rules: Rules, replacer: Replacer, caretaker: Caretaker
    ) -> None:
        self._tasks = ports.tasks
        self._clock = ports.clock
        self._teller = Teller(ports)
        self._services = care.services
        self._troubles = care.troubles
        self._mode = rules.mode
        self._replacer = replacer
        self._caretaker = caretaker

    def look(self, message: Message, task: Task) -> list[Outcome]:
        """Does what follows from a task as ECS tells it now; nothing where it is not stuck."""
        polls = self._polls(message, task) if _unhealthy(task) else 0
        if diagnose_stuck(case_of(task), self._clock.now(), unhealthy_polls=polls) is None:
            return []
        definition, tags = self._defined(task)
        found = self._diagnosed(task, polls, definition, tags)
        if found is None or found.remedy is Remedy.NONE:
            return []
        if tags.get(RECOVER_TAG) == "off":
            return quiet(message, service_arn(task), "silenced", task=task.arn)
        return self._of_service(message, task, found, tags) if task.service else self._alone(message, task, found, tags)

    def _defined(self, task: Task) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        try:
            return self._tasks.definition(task.definition)
        except GoneError:
            return {}, {}

    def _diagnosed(
        self,
        task: Task,
        polls: int,
        definition: Mapping[str, Any],
        tags: Mapping[str, str],
        service: Service | None = None,
    ) -> Diagnosis | None:
        known = service.described if service else None
        case = case_of(task, definition=definition, service=known, tags=task.tags, definition_tags=tags)
        return diagnose_stuck(case, self._clock.now(), unhealthy_polls=polls)

    def _polls(self, message: Message, task: Task) -> int:
        """How often in a row it was found unhealthy, this time included; a sweep that comes twice counts once."""
        now = self._clock.now()
        known = self._troubles.get(task.arn, _HEALTH)
        if known.last is not None and now - known.last < _POLLS_APART:
            return len(known.signs)
        sign = Sign(f"{message.id}@{now.isoformat()}", now)
        return len(self._caretaker.keep(known, lambda each: each.with_sign(sign, _POLLS_WITHIN)).signs)

    # -- tasks of nobody --------------------------------------------------------------------------------------------

    def _alone(self, message: Message, task: Task, found: Diagnosis, tags: Mapping[str, str]) -> list[Outcome]:
        """Stops it and runs it again, or tells it once."""
        if found.remedy is Remedy.STOP and tags.get(RECOVER_TAG) == "auto" and self._mode is Mode.AUTO:
            return self._replacer.replace(message, task, found)
        known = self._troubles.get(task.arn, STUCK + found.cls)
        if not known.may_open(self._clock.now(), _AGAIN):
            return []
        incident = replace(self._replacer.incidents.of(message, task), diagnosis=found)
        reason, would = _because(found, tags, task)
        decision = Decision(Verdict.NOTIFY, reason, would=would)
        outcomes = self._teller.tell(failed(incident, decision, incident.failure(found.cls, self._clock.now())))
        sign = Sign(task.arn, self._clock.now(), cls=found.cls)
        opened = known.with_sign(sign, _KEEP).begun(self._clock.now(), ONCE, {})
        self._caretaker.claimed(known, opened)
        return outcomes

    # -- tasks of services ------------------------------------------------------------------------------------------

    def _of_service(self, message: Message, task: Task, found: Diagnosis, tags: Mapping[str, str]) -> list[Outcome]:
        """Tells it once for each service and class; stops one task at a time, for ECS starts another one."""
        arn, now = service_arn(task), self._clock.now()
        known = self._troubles.get(arn, STUCK + found.cls)
        trouble = known.with_sign(Sign(task.arn, now, cls=found.cls), _KEEP)
        lately = known.acted is not None and now - known.acted < _STOPS_APART
        if known.is_open and (lately or found.remedy is not Remedy.STOP):
            self._caretaker.keep(known, lambda each: each.with_sign(Sign(task.arn, now, cls=found.cls), _KEEP))
            return []
        service = self._services.get(arn)
        if service is None or not service.wanted or service.silenced:
            return quiet(message, arn, "silenced" if service and service.silenced else "not-wanted", task=task.arn)
        diagnosis = self._diagnosed(task, POLLS, *self._defined(task), service) or found
        care = self._care(diagnosis, trouble, service, tags)
        if trouble.may_open(now, _AGAIN):
            detail = {**described(service, diagnosis, task, tags), "task": task.arn, "zone": task.zone}
            return self._caretaker.open(message, trouble, ONCE, care, detail, lambda: self._stop(message, task, found))
        if not care.acts:
            self._caretaker.keep(known, lambda each: each.with_sign(trouble.signs[-1], _KEEP))
            return []
        mine = self._caretaker.claimed(known, replace(trouble, acted=now, act=care.remedy.value))
        return self._stop(message, task, found) if mine else []

    def _care(self, found: Diagnosis, trouble: Trouble, service: Service, tags: Mapping[str, str]) -> Care:
        if found.remedy is not Remedy.STOP:
            elsewhere = found.reason == Ground.OWNED_ELSEWHERE.value
            return Care(Remedy.NOTIFY, CareReason.OWNED_ELSEWHERE if elsewhere else CareReason.STUCK)
        care = self._caretaker.allowed(Care(Remedy.STOP, CareReason.STOPPED), service, tags)
        if care.acts and trouble.acted is not None and self._clock.now() - trouble.acted < _STOPS_APART:
            return Care(Remedy.NOTIFY, CareReason.TOO_SOON, Remedy.STOP)
        return care

    def _stop(self, message: Message, task: Task, found: Diagnosis) -> list[Outcome]:
        try:
            self._tasks.stop(task.cluster, task.arn, f"{OWN_STOP} {found.cls} {found.name}")
        except GoneError:
            return []
        detail = {"task": task.arn, "class": found.cls}
        reason = CareReason.STOPPED.value
        return [_logged(message, service_arn(task), reason, detail)]

    # -- what is over -----------------------------------------------------------------------------------------------

    def review(self, message: Message) -> list[Outcome]:
        """Tells what is stuck no more: none of the tasks that were is where it was."""
        outcomes: list[Outcome] = []
        for subject, key in [each for each in self._troubles.open() if each[1].startswith(STUCK)]:
            trouble = self._troubles.get(subject, key)
            if not trouble.is_open or self._still(trouble):
                continue
            if ":task/" in subject:
                now = self._clock.now()
                self._caretaker.keep(trouble, lambda each, now=now: each.ended(now))  # type: ignore[misc]
                outcomes += quiet(message, "", EndReason.MOVED_ON.value, task=subject)
            else:
                outcomes += self._caretaker.end(message, trouble, EndReason.MOVED_ON)
        return outcomes

    def _still(self, trouble: Trouble) -> bool:
        """Whether any of its tasks is still stuck in the same way."""
        cls, ids = trouble.key.removeprefix(STUCK), [each.id for each in trouble.signs]
        tasks = self._tasks.survey(cluster_of_task(ids[0]), ids) if ids else []
        return any(self._stuck_as(task, cls) for task in tasks)

    def _stuck_as(self, task: Task, cls: str) -> bool:
        found = diagnose_stuck(case_of(task), self._clock.now(), unhealthy_polls=POLLS if _unhealthy(task) else 0)
        return found is not None and found.cls == cls


def cluster_of_task(arn: str) -> str:
    """The ARN of the cluster of a task."""
    return arn.replace(":task/", ":cluster/", 1).rpartition("/")[0]


def _unhealthy(task: Task) -> bool:
    return task.health == UNHEALTHY and task.last_status == "RUNNING" and not task.service


def _because(found: Diagnosis, tags: Mapping[str, str], task: Task) -> tuple[Reason, Reason | None]:
    """Why it is only told, and why it would be run again where that is all that is missing."""
    if found.remedy is not Remedy.STOP:
        lacking = found.reason == Ground.NOT_IDEMPOTENT.value
        return (Reason.NOT_IDEMPOTENT if lacking else Reason.NOT_MENDED), None
    would = Reason.NEVER_STARTED if task.never_started else Reason.IDEMPOTENT
    return (Reason.OBSERVE_ONLY if tags.get(RECOVER_TAG) == "auto" else Reason.NOT_OPTED_IN), would


def _logged(message: Message, subject: str, reason: str, detail: Mapping[str, Any]) -> Outcome:
    return quiet(message, subject, reason, **detail)[0]


__all__: Sequence[str] = ["StuckTasks", "cluster_of_task"]
