"""Recover: what each message leads to. Every path may be repeated: what ECS and the ledger say decides (design 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.recover.crash_loops import uneventful
from longshore.recover.diagnosis import Owner, Remedy
from longshore.recover.facts import Fact, LaunchRefused, ReplacementDue, SweepDue, TaskChanged, TaskLaunched
from longshore.recover.incidents import Rules
from longshore.recover.reasons import Reason
from longshore.recover.recording import Recorder
from longshore.recover.replacing import Replacer
from longshore.recover.telling import Incident, untold
from longshore.recover.trail import Trail
from longshore.recover.unfinished import Unfinished

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.tasks import Task

Handler = Callable[["Message", "Fact"], "list[Outcome]"]
"""What does something about a fact."""

ServiceHandler = Callable[[Incident], "list[Outcome]"]
"""What does something about a stopped task of a service; ECS itself starts another."""

_OF_SERVICES = (Owner.SERVICE, Owner.DAEMON, Owner.CONTROLLER)
_CONFIRM = "confirm"
_CONFIRM_AFTER = timedelta(seconds=30)
_CONFIRMED_TIMES = 3


class Recoverer:
    """The one that starts tasks again.

    `handlers` take facts of other types, or stand in for the built-in ones; `of_service` takes the stopped tasks of
    services, which are otherwise only logged. `replacer` and `recorder` are there for them.
    """

    def __init__(
        self,
        ports: Ports,
        rules: Rules,
        handlers: Mapping[type, Handler] | None = None,
        of_service: ServiceHandler | None = None,
    ) -> None:
        self._tasks = ports.tasks
        self._recoveries = ports.recoveries
        self._postponer = ports.postponer
        self._clock = ports.clock
        self.recorder = Recorder(ports, rules.policy)
        self.replacer = Replacer(ports, rules, self.recorder)
        self._unfinished = Unfinished(ports, self.replacer)
        self._trail = Trail(ports, self.recorder, self.replacer)
        self._of_service = of_service or left_to_ecs
        self._handlers: Mapping[type, Handler] = {
            TaskChanged: self._task_changed,
            ReplacementDue: self._replacement_due,
            SweepDue: lambda message, _: self._unfinished.review(message),
            **(handlers or {}),
        }

    def handle(self, message: Message) -> list[Outcome]:
        """Does what a message asks for, answers what came of it. Raises TransientError to be tried again."""
        if message.deferral and self._clock.now() < message.deferral.not_before:
            self._postponer.postpone(message.body, message.deferral.not_before)
            return []
        outcomes = self._launched(message, message.fact)
        handler = self._handlers.get(type(message.fact))
        return outcomes + (handler(message, message.fact) if handler else [])

    def _launched(self, message: Message, fact: Fact) -> list[Outcome]:
        """A RunTask may have started some of what it was asked for, and been refused the rest."""
        launched = fact.launched if isinstance(fact, LaunchRefused) else fact
        return self._trail.follow(message, launched) if isinstance(launched, TaskLaunched) else []

    def _replacement_due(self, message: Message, due: Fact) -> list[Outcome]:
        return self.replacer.resume(message, due.root) if isinstance(due, ReplacementDue) else []

    def _task_changed(self, message: Message, changed: Fact) -> list[Outcome]:
        """Looks at a task as ECS tells it now; what the event says of it decides nothing but whether to look."""
        if not isinstance(changed, TaskChanged):
            return []
        if changed.of_service and (not (changed.stopped or changed.ending) or uneventful(message.detail)):
            return []
        task = self._tasks.get(changed.cluster, changed.task)
        if task is None:
            return self._unknown(message, changed)
        if task.final:
            return self._stopped(message, task) if changed.stopped else []  # an older event: its end has its own
        if changed.stopped:
            return self._unconfirmed(message, changed)
        self.recorder.seen(task)
        return self._ending(message, task) if changed.ending and task.desired_status == "STOPPED" else []

    def _stopped(self, message: Message, task: Task) -> list[Outcome]:
        incident = self.replacer.incidents.of(message, task)
        if incident.diagnosis.owner in _OF_SERVICES:
            return self._of_service(incident)
        return self.replacer.handle(incident)

    def _ending(self, message: Message, task: Task) -> list[Outcome]:
        """A notice that comes before the end: of Spot, whose tasks may be replaced before they are taken."""
        incident = self.replacer.incidents.of(message, task)
        diagnosis = incident.diagnosis
        ahead = diagnosis.cls == "S1" and diagnosis.owner.nobody and diagnosis.remedy is Remedy.REPLACE
        return self.replacer.handle(incident) if ahead else []

    def _unknown(self, message: Message, changed: TaskChanged) -> list[Outcome]:
        """ECS knows no such task: forged, or so late that it was forgotten. Only the ledger's word makes it matter."""
        root = self._recoveries.root_of(changed.task) or changed.task
        if self._recoveries.get(root) is not None:
            return self.replacer.resume(message, root)
        return [untold(message, changed.task, Reason.TASK_GONE.verdict.value, Reason.TASK_GONE.value)]

    def _unconfirmed(self, message: Message, changed: TaskChanged) -> list[Outcome]:
        """An end that ECS does not confirm: its answer may lag behind, so it is asked a few times, then believed."""
        waited, now = message.waited(_CONFIRM), self._clock.now()
        if waited is None or waited.deferrals < _CONFIRMED_TIMES:
            later = now + _CONFIRM_AFTER
            self._postponer.postpone(message.deferred(later, _CONFIRM, now), later)
            return []
        return [untold(message, changed.task, Reason.NOT_FINAL.verdict.value, Reason.NOT_FINAL.value)]


def left_to_ecs(incident: Incident) -> list[Outcome]:
    """A stopped task of a service, where nobody looks after services: ECS replaces it."""
    reason = Reason.OWNED_ELSEWHERE.value if incident.diagnosis.cls else incident.diagnosis.reason
    return [untold(incident.message, incident.task.arn, "none", reason, cls=incident.diagnosis.cls)]


__all__ = ["Handler", "Recoverer", "Rules", "ServiceHandler"]
