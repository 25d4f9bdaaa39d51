"""What recover tells of a failed task: outcomes of an incident and its decision, told before they are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from longshore.events import Kind
from longshore.outcomes import Outcome, announcements
from longshore.recover.evidence import secrets_of, told
from longshore.recover.log_tail import UNREAD, Tail
from longshore.recover.reasons import Verdict
from longshore.recover.recovery import Failure
from longshore.recover.remedies import subnet_of

if TYPE_CHECKING:
    from longshore.ports import Publisher
    from longshore.recover.decide import Decision
    from longshore.recover.diagnosis import Diagnosis
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.recovery import Attempt, Recovery
    from longshore.tasks import Task

TEAM_TAG, CHANNEL_TAG = "longshore:team", "longshore:channel"
_REASON = 300  # characters of a reason in the table of attempts

_SEQUELS = {Verdict.REFUSE: Kind.TASK_REPLACEMENT_REFUSED, Verdict.GIVE_UP: Kind.TASK_GIVEN_UP}
"""What is told after `Task Failed` where nothing more is done."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A failed task and what is known of it. `definition` and its tags are empty where the revision is gone.

    `reopened` says that the recovery had ended, and that it is not recorded yet that it goes on.
    """

    message: Message
    task: Task
    root: str
    diagnosis: Diagnosis
    definition: Mapping[str, Any]
    definition_tags: Mapping[str, str]
    mode: str
    recovery: Recovery | None = None
    log: Tail = UNREAD
    reopened: bool = False

    @property
    def exit_code(self) -> int | None:
        """That of the container that is to blame."""
        culprit = self.diagnosis.culprit
        return next((each.exit_code for each in self.task.containers if each.name == culprit), None)

    def failure(self, cls: str, now: datetime, instance: str = "") -> Failure:
        """Its row in the table of attempts; `cls` is what the policy took it for."""
        task, ran = self.task, self.task.ran_for
        return Failure(
            at=task.stopped or now,
            cls=cls,
            task=task.arn,
            zone=task.zone,
            subnet=subnet_of(task),
            instance=instance,
            exit_code=self.exit_code,
            reason=told((_reason(task, self.diagnosis.culprit),), secrets_of(task, self.definition))[0][:_REASON],
            ran=None if ran is None else int(ran),
        )


class Teller:
    """Publishes what concerns somebody."""

    def __init__(self, ports: Ports) -> None:
        self._publisher: Publisher = ports.publisher

    def tell(self, *outcomes: Outcome) -> list[Outcome]:
        """Publishes in order, and answers all of them."""
        found = list(outcomes)
        if told := announcements(found):
            self._publisher.publish(told)
        return found


def ended(incident: Incident, decision: Decision, failure: Failure) -> list[Outcome]:
    """A failure, and in the same breath that it is not, or no more, replaced."""
    detail = _detail(incident, decision, failure)
    kinds = [Kind.TASK_FAILED, *([kind] if (kind := _SEQUELS.get(decision.verdict)) else [])]
    return [_outcome(incident, kind, decision.verdict.value, decision.reason.value, detail) for kind in kinds]


def failed(incident: Incident, decision: Decision, failure: Failure) -> Outcome:
    """A failure that something is done about: `next` says what and when."""
    detail = _detail(incident, decision, failure)
    return _outcome(incident, Kind.TASK_FAILED, decision.verdict.value, decision.reason.value, detail)


def replaced(incident: Incident, attempt: Attempt, replacement: str) -> Outcome:
    """A replacement that was launched."""
    attempts = incident.recovery.attempts if incident.recovery else ()
    detail = {
        **_described(incident),
        "task": attempt.parent,
        "class": attempt.failure.cls,
        "attempt": attempt.number,
        "attempts": [each.failure.as_json() for each in attempts if each.number <= attempt.number],
        "replacement": replacement,
        "changes": list(attempt.changes.members),
    }
    return _outcome(incident, Kind.TASK_REPLACED, Verdict.REPLACE.value, "launched", detail)


def untold(message: Message, task: str, verdict: str, reason: str, **detail: Any) -> Outcome:
    """What is only logged."""
    return Outcome(verdict, reason, message.correlation, detail={"task": task, **detail})


def family_stopped(incident: Incident, failures: int) -> Outcome:
    """Replacements of a family failed in a row, so that no more are tried for a while."""
    detail = {**_described(incident), "count": failures}
    return _outcome(incident, Kind.CRASH_LOOP_OPENED, Verdict.REFUSE.value, "breaker-open", detail)


def family_well(incident: Incident) -> Outcome:
    """A task of a family whose replacements were stopped ended well; it is told where that was told."""
    task = incident.task
    detail = {
        "family": task.family,
        "cluster": task.cluster_name,
        "task": task.arn,
        "team": _tag(incident, TEAM_TAG),
        "channel": _tag(incident, CHANNEL_TAG),
        "mode": incident.mode,
    }
    return _outcome(incident, Kind.CRASH_LOOP_RESOLVED, Verdict.NONE.value, "recovered", detail)


def _detail(incident: Incident, decision: Decision, failure: Failure) -> dict[str, Any]:
    """`attempt` is the number of the attempt that follows, else of the last one made."""
    made = incident.recovery.attempts if incident.recovery else ()
    rows = [each.failure.as_json() for each in made if each.failure != failure]
    detail = {
        **_described(incident),
        "class": failure.cls,
        "attempt": decision.attempt or (made[-1].number if made else 0),
        "attempts": [*rows, failure.as_json()],
    }
    if following := _following(decision):
        detail["next"] = following
    if decision.would is not None:
        detail["would"] = decision.would.value
    return detail


def _following(decision: Decision) -> dict[str, Any]:
    """When something follows and what; for what is only observed, what would."""
    what = decision.would.verdict if decision.would is not None else decision.verdict
    if what not in (Verdict.REPLACE, Verdict.WAIT):
        return {}
    at = {"at": decision.due.isoformat()} if decision.due else {}
    return {**at, "what": what.value, "changes": list(decision.changes.members)}


def _described(incident: Incident) -> dict[str, Any]:
    """The members that all events of an incident share."""
    task, diagnosis = incident.task, incident.diagnosis
    return {
        "task": task.arn,
        "root_task": incident.root,
        "family": task.family,
        "cluster": task.cluster_name,
        "task_definition": task.definition,
        "zone": task.zone,
        "owner": diagnosis.owner.value,
        "class": diagnosis.cls,
        "name": diagnosis.name,
        "remedy": diagnosis.remedy.value,
        "evidence": list(diagnosis.evidence),
        "hint": diagnosis.hint,
        "container": diagnosis.culprit,
        "exit_code": incident.exit_code,
        "log": incident.log.members(),
        "team": _tag(incident, TEAM_TAG),
        "channel": _tag(incident, CHANNEL_TAG),
        "mode": incident.mode,
    }


def _tag(incident: Incident, name: str) -> str:
    return (incident.task.tags or {}).get(name) or incident.definition_tags.get(name, "")


def _reason(task: Task, culprit: str) -> str:
    of_container = next((each.reason for each in task.containers if each.name == culprit), "")
    return of_container or task.stopped_reason or task.stop_code


def _outcome(incident: Incident, kind: Kind, verdict: str, reason: str, detail: Mapping[str, Any]) -> Outcome:
    return Outcome(verdict, reason, incident.message.correlation, kind=kind, detail=detail)
