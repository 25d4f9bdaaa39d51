"""How recoveries end: told, then closed, so that an end is told once; and what an end means for the family."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.recover.decide import Decision, Facts, symptom
from longshore.recover.diagnosis import Diagnosis, Owner, Remedy
from longshore.recover.incidents import opted_in
from longshore.recover.reasons import Reason, Verdict
from longshore.recover.recovery import AttemptState, Failure, Recovery, RecoveryState
from longshore.recover.telling import Incident, Teller, ended, family_stopped, family_well, untold
from longshore.tasks import Task

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.breaker import Breaker
    from longshore.recover.families import Families
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.recording import Recorder

_STOPPED_BY = frozenset({"A1", "A2"})
"""Classes of tasks that somebody stopped."""

_CLOSED = {
    Verdict.NOTIFY: RecoveryState.ABANDONED,
    Verdict.REFUSE: RecoveryState.REFUSED,
    Verdict.GIVE_UP: RecoveryState.GIVEN_UP,
}


class Closer:
    """Ends recoveries."""

    def __init__(self, ports: Ports, recorder: Recorder, families: Families, teller: Teller) -> None:
        self._recoveries = ports.recoveries
        self._clock = ports.clock
        self._recorder = recorder
        self._families = families
        self._teller = teller

    def recovery(self, incident: Incident) -> Recovery:
        """The recovery of an incident, a new one where there is none."""
        task = incident.task
        return incident.recovery or Recovery(incident.root, task.family, task.cluster, self._clock.now())

    def failure(self, incident: Incident, facts: Facts) -> Failure:
        """The incident's row in the table of attempts."""
        return incident.failure(symptom(facts).cls, self._clock.now(), facts.instance)

    def end(self, incident: Incident, facts: Facts, decision: Decision) -> list[Outcome]:
        """Tells what is not, or no more, replaced, and closes the recovery."""
        outcomes = ended(incident, decision, self.failure(incident, facts))
        if decision.reason is Reason.BREAKER_OPEN:  # told when it opened: only what was told of gets a last word
            outcomes = [replace(outcomes[0], kind=None), *(outcomes[1:] if incident.recovery is not None else ())]
        self._teller.tell(*outcomes)
        self._recoveries.save(self.recovery(incident).ended(_CLOSED[decision.verdict]))
        return outcomes + self.count(incident, facts)

    def nothing(self, incident: Incident, decision: Decision) -> list[Outcome]:
        """What ended as it should ends its recovery; what somebody stopped is left alone for good."""
        task, recovery = incident.task, incident.recovery
        ended_so = decision.reason is Reason.NOTHING_FAILED
        outcomes = [
            untold(
                incident.message,
                task.arn,
                decision.verdict.value,
                incident.diagnosis.reason if ended_so else decision.reason.value,
            )
        ]
        if not task.final or not (ended_so or decision.reason is Reason.SILENCED):
            return outcomes
        well = ended_so and incident.diagnosis.cls not in _STOPPED_BY
        if recovery is not None and recovery.state is RecoveryState.OPEN and not incident.reopened:
            self._recoveries.save(recovery.ended(RecoveryState.SUCCEEDED if well else RecoveryState.ABANDONED))
        if opted_in(incident) and incident.diagnosis.owner.nobody:
            self._recorder.forget(task)
            outcomes += self.well(incident) if well else []
        return outcomes

    def count(self, incident: Incident, facts: Facts) -> list[Outcome]:
        """Counts a replacement that failed against its family; a launch that ECS refused is none."""
        told: list[Outcome] = []

        def opens(breaker: Breaker) -> None:
            told.extend(self._teller.tell(family_stopped(incident, breaker.failures)))

        if incident.task.arn != incident.root and incident.task.final and not facts.refused:
            self._families.failed(incident.task, opens)
        return told

    def well(self, incident: Incident) -> list[Outcome]:
        """Tells that a family whose replacements were stopped is well again."""
        told: list[Outcome] = []
        self._families.well(incident.task, lambda: told.extend(self._teller.tell(family_well(incident))))
        return told


def final_verdict(recovery: Recovery) -> Verdict:
    """How a recovery ends that goes no further: given up once something was launched."""
    launched = any(each.state is AttemptState.LAUNCHED for each in recovery.attempts)
    return Verdict.GIVE_UP if launched else Verdict.REFUSE


def forgotten(message: Message, recovery: Recovery, task: str, mode: str) -> Incident:
    """What is left of a task that ECS has forgotten."""
    _, _, _, region, account, _ = task.split(":", 5)
    stub = Task(task, recovery.cluster, account, region, recovery.family, last_status="STOPPED")
    cls = recovery.last.failure.cls if recovery.last else ""
    diagnosis = Diagnosis(Owner.LONGSHORE, cls, "gone", Remedy.NOTIFY, Reason.TASK_GONE.value)
    return Incident(message, stub, recovery.root, diagnosis, {}, {}, mode, recovery)
