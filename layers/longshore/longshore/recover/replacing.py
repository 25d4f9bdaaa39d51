"""Replacing failed tasks exactly once: observed, decided, told, planned in the ledger, launched, told (recover 3.2).

Every step may be repeated, by a duplicate, by the queue after a crash, or by the sweep: the ledger says how far it
came, the client token and the lineage's tags make a second launch the same as the first.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.recover.catalogue import entry
from longshore.recover.changes import launch_token
from longshore.recover.closing import Closer, final_verdict, forgotten
from longshore.recover.decide import Decision, Facts, safe_again
from longshore.recover.evidence import secrets_of
from longshore.recover.facts import ReplacementDue, SweepDue, TaskChanged
from longshore.recover.families import Families
from longshore.recover.firing import Firings
from longshore.recover.incidents import Incidents, Rules
from longshore.recover.launching import Launcher, reasons_of, refused
from longshore.recover.notices import refused_launch
from longshore.recover.reading import REPLACEMENT_DUE
from longshore.recover.reasons import Reason, Verdict
from longshore.recover.recovery import Attempt, AttemptState, Recovery, RecoveryState
from longshore.recover.telling import Incident, Teller, failed, untold
from longshore.settings import Mode
from longshore.tasks import OWN_STOP, Task

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.diagnosis import Diagnosis
    from longshore.recover.ports import Launch, Ports
    from longshore.recover.reading import Message
    from longshore.recover.recipe import LaunchRecipe
    from longshore.recover.recording import Recorder

_PAUSE_LOOK = timedelta(minutes=5)
_TAKEN = frozenset({"S1", "I2"})
"""Classes of living tasks that AWS is about to take: replaced before they end. Any other is stopped first."""


class Replacer:
    """Brings failed tasks back, or says why not."""

    def __init__(self, ports: Ports, rules: Rules, recorder: Recorder) -> None:
        self._tasks = ports.tasks
        self._recoveries = ports.recoveries
        self._postponer = ports.postponer
        self._clock = ports.clock
        self._rules = rules
        self._recorder = recorder
        self._teller = Teller(ports)
        self._families = Families(ports, rules.policy)
        self._firings = Firings(ports)
        self._launcher = Launcher(ports, recorder, self._teller)
        self._closer = Closer(ports, recorder, self._families, self._teller)
        self.incidents = Incidents(ports, rules, recorder, self._launcher, self._families)

    # -- what asks for it -------------------------------------------------------------------------------------------

    def handle(self, incident: Incident) -> list[Outcome]:
        """Does what follows from a task that stopped, or that is to be replaced while it lives."""
        if (attempt := _planned(incident)) is not None:
            return self._resumed(incident, attempt)
        facts = self.incidents.facts(incident)
        decision = self.incidents.decide(facts)
        if decision.verdict is Verdict.NONE:
            return self._closer.nothing(incident, decision)
        if not _waits(incident):
            incident = self.incidents.with_log(incident)
        if self.incidents.waits_for_log(incident):
            return []
        incident = self._reopened(incident)
        facts, decision = self._within_budget(facts, decision)
        if decision.verdict is not Verdict.WAIT:
            incident = self.incidents.with_log(incident)
        return self._carry_out(incident, facts, decision)

    def replace(self, message: Message, task: Task, diagnosis: Diagnosis) -> list[Outcome]:
        """Replaces a living task for what was diagnosed: one that AWS takes is replaced first, any other stopped first.

        Nothing happens twice: who calls it again for the same task goes on where it stopped.
        """
        return self.handle(replace(self.incidents.of(message, task), diagnosis=diagnosis))

    def resume(self, message: Message, root: str) -> list[Outcome]:
        """Goes on with a recovery that has not ended: with what was planned, or with a task whose end was missed."""
        recovery = self._recoveries.get(root)
        if recovery is None or recovery.state is not RecoveryState.OPEN:
            self._recoveries.close(root)
            return []
        attempt = recovery.last
        planned = attempt is not None and attempt.state is AttemptState.PLANNED
        newest = attempt.parent if attempt is not None and planned else recovery.tasks[-1]
        task = self._tasks.get(recovery.cluster, newest)
        if task is None:
            return self._gone(message, recovery, newest)
        incident = self.incidents.within(message, task, root, recovery)
        return self.handle(incident) if task.final or planned else self._alive(incident, recovery)

    # -- what follows -----------------------------------------------------------------------------------------------

    def _reopened(self, incident: Incident) -> Incident:
        """Recorded before anything is done: from here on the sweep goes on with it."""
        if not incident.reopened:
            return incident
        return replace(incident, recovery=self._recoveries.save(self._closer.recovery(incident)), reopened=False)

    def _within_budget(self, facts: Facts, decision: Decision) -> tuple[Facts, Decision]:
        """Takes the replacement from the hour's budgets; where none is left, the decision is another.

        So it is where the task's schedule is known to come first, which is asked only of what is put off.
        """
        facts, decision = self._in_time(facts, decision)
        if decision.verdict is not Verdict.REPLACE:
            return facts, decision
        facts = facts._replace(budget=self._families.budget(facts.task))
        return facts, self.incidents.decide(facts)

    def _in_time(self, facts: Facts, decision: Decision) -> tuple[Facts, Decision]:
        wanted = decision.reason if decision.would is None else decision.would
        if wanted.verdict is not Verdict.REPLACE or decision.due is None or decision.due <= self._clock.now():
            return facts, decision
        root = facts.recovery.root if facts.recovery else facts.task.arn
        firing = self._firings.next(facts.task, root)
        if firing is None:
            return facts, decision
        facts = facts._replace(next_firing=firing)
        return facts, self.incidents.decide(facts)

    def _carry_out(self, incident: Incident, facts: Facts, decision: Decision) -> list[Outcome]:
        match decision.verdict:
            case Verdict.REPLACE:
                return self._plan(incident, facts, decision)
            case Verdict.WAIT:
                return self._wait(incident, facts, decision)
        return self._closer.end(incident, facts, decision)

    def _plan(self, incident: Incident, facts: Facts, decision: Decision) -> list[Outcome]:
        """Tells the failure, then claims the attempt: of two who come this far one writes it."""
        recovery, failure = self._closer.recovery(incident), self._closer.failure(incident, facts)
        token = launch_token(incident.root, decision.attempt, decision.changes)
        due = decision.due or self._clock.now()
        attempt = Attempt(decision.attempt, decision.kind, failure, due, token, decision.changes)
        outcome = failed(incident, decision, failure)
        if isinstance(incident.message.fact, ReplacementDue) and not facts.refused:
            outcome = replace(outcome, kind=None)  # told when it began to wait
        outcomes = self._teller.tell(outcome)
        recovery = self._recoveries.save(recovery.with_attempt(attempt))
        outcomes += self._closer.count(incident, facts)
        if facts.breaker.opened is not None:
            self._families.tried(incident.task)
        return outcomes + self._go_on(replace(incident, recovery=recovery), attempt, facts.recipe, fresh=True)

    def _wait(self, incident: Incident, facts: Facts, decision: Decision) -> list[Outcome]:
        """Tells a failure that is decided on later; that it goes on waiting is not told again.

        Of the events of one failure the first sends for word; after a crash in between the sweep goes on with it.
        """
        if _waits(incident):
            verdict, reason = decision.verdict.value, decision.reason.value
            outcomes = [untold(incident.message, incident.task.arn, verdict, reason)]
        else:
            outcomes = self._teller.tell(failed(incident, decision, self._closer.failure(incident, facts)))
        due, recovery = decision.due or self._clock.now(), self._closer.recovery(incident)
        if recovery.version == 0 or recovery.waits != due:
            self._recoveries.save(replace(recovery, waits=due))
        if not (isinstance(incident.message.fact, SweepDue) or _again(incident)):
            self._remind(incident, decision.attempt, due)
        return outcomes

    def _resumed(self, incident: Incident, attempt: Attempt) -> list[Outcome]:
        """A planned attempt is carried out as it was planned, unless that is no longer allowed.

        What Longshore stopped itself is gone on with from the ledger: its stop says nothing (recover 2.3).
        """
        facts = self.incidents.facts(incident)
        decision = self.incidents.decide(facts)
        own = incident.task.stopped_reason.startswith(OWN_STOP) and self._rules.mode is Mode.AUTO
        if own and safe_again(facts) is None:  # it began to run before it was stopped
            return self._unsafe(incident, facts, attempt)
        if own or decision.verdict is Verdict.REPLACE:
            return self._go_on(incident, attempt, self._recorder.recipe(incident.task), fresh=False)
        if decision.verdict is Verdict.NONE:
            return self._closer.nothing(incident, decision)
        if decision.verdict is Verdict.WAIT:
            return self._wait(incident, facts, decision)
        return self._closer.end(self.incidents.with_log(incident), facts, decision)

    def _unsafe(self, incident: Incident, facts: Facts, attempt: Attempt) -> list[Outcome]:
        """Tells what was stopped and is not run again after all, under the class that it was stopped for."""
        found = entry(attempt.failure.cls)
        diagnosis = incident.diagnosis._replace(cls=found.cls, name=found.name, hint=found.hint)
        incident, facts = replace(incident, diagnosis=diagnosis), facts._replace(diagnosis=diagnosis)
        decision = Decision(final_verdict(self._closer.recovery(incident)), Reason.NOT_IDEMPOTENT, attempt.number)
        return self._closer.end(self.incidents.with_log(incident), facts, decision)

    def _go_on(self, incident: Incident, attempt: Attempt, recipe: LaunchRecipe, *, fresh: bool) -> list[Outcome]:
        """Launches what is planned when it is due. `fresh`: nobody can have launched it yet."""
        task, recovery, now = incident.task, self._closer.recovery(incident), self._clock.now()
        if not task.final and attempt.failure.cls not in _TAKEN:
            self._tasks.stop(task.cluster, task.arn, f"{OWN_STOP} {attempt.failure.cls} {incident.diagnosis.name}")
            return []  # its stop is an event, and goes on from here
        due = now + _PAUSE_LOOK if self._families.paused() else attempt.due
        if now < due:
            if fresh or not isinstance(incident.message.fact, SweepDue):  # the sweep comes again by itself
                self._remind(incident, attempt.number, due)
            return []
        if not fresh and (child := self._launcher.child(recovery, attempt)) is not None:
            return self._launcher.settle(self.incidents.with_log(incident), attempt, child.arn)[1]
        launched = self._launcher.launch(recovery, attempt, task, recipe)
        if isinstance(launched, Reason):
            facts = self.incidents.facts(incident)._replace(refused=True)
            return self._closer.end(
                self.incidents.with_log(incident), facts, Decision(final_verdict(recovery), launched, attempt.number)
            )
        if launched.task:
            return self._launcher.settle(self.incidents.with_log(incident), attempt, launched.task)[1]
        return self._refused(incident, attempt, launched, recipe)

    def _refused(self, incident: Incident, attempt: Attempt, launched: Launch, recipe: LaunchRecipe) -> list[Outcome]:
        """RunTask started nothing, and no event will tell: a failure of its own, with a class of its own."""
        recovery = self._closer.recovery(incident).with_attempt(attempt._replace(state=AttemptState.REFUSED))
        reasons, secrets = reasons_of(launched), secrets_of(incident.task, incident.definition)
        diagnosis = refused_launch(reasons, incident.diagnosis.owner, secrets)
        task = refused(incident.task, reasons)
        incident = replace(incident, task=task, diagnosis=diagnosis, recovery=recovery)
        facts = self.incidents.facts(incident)._replace(refused=True, recipe=recipe)
        facts, decision = self._within_budget(facts, self.incidents.decide(facts))
        if decision.verdict is Verdict.WAIT:  # the same attempt, later
            due = decision.due or attempt.due
            self._recoveries.save(recovery.with_attempt(attempt._replace(due=due)))
            self._remind(incident, attempt.number, due)
            return [untold(incident.message, task.arn, decision.verdict.value, decision.reason.value)]
        if decision.verdict is not Verdict.REPLACE:
            reason = Reason.LAUNCH_REJECTED if launched.rejected else decision.reason
            decision = decision._replace(verdict=final_verdict(recovery), reason=reason)
        return self._carry_out(incident, facts, decision)

    def _alive(self, incident: Incident, recovery: Recovery) -> list[Outcome]:
        """A replacement that has run for long enough brought the task back."""
        started, stable = incident.task.started, timedelta(seconds=self._rules.policy.stable)
        if not recovery.attempts or started is None or self._clock.now() < started + stable:
            return []
        self._recoveries.save(recovery.ended(RecoveryState.SUCCEEDED))
        return [
            untold(incident.message, incident.task.arn, Verdict.NONE.value, "recovered"),
            *self._closer.well(incident),
        ]

    def _gone(self, message: Message, recovery: Recovery, task: str) -> list[Outcome]:
        """ECS knows the task no more; what was launched for it may still be found."""
        attempt = recovery.last
        incident = forgotten(message, recovery, task, self._rules.mode.value)
        if attempt is not None and attempt.state is AttemptState.PLANNED:
            child = self._launcher.child(recovery, attempt)
            if child is not None:
                return self._launcher.settle(incident, attempt, child.arn)[1]
        decision = Decision(final_verdict(recovery), Reason.TASK_GONE, attempt.number if attempt else 0)
        return self._closer.end(incident, self.incidents.facts(incident), decision)

    def _remind(self, incident: Incident, attempt: int, due: datetime) -> None:
        """Sends word for when something is due."""
        message = incident.message
        detail = {"root_task": incident.root, "attempt": attempt}
        self._postponer.postpone(message.message(REPLACEMENT_DUE, detail, self._clock.now()), due)


def _waits(incident: Incident) -> bool:
    """Whether a message is about what was told when it began to wait."""
    resumed = isinstance(incident.message.fact, ReplacementDue | SweepDue) and incident.recovery is not None
    return resumed or _again(incident)


def _again(incident: Incident) -> bool:
    """Whether an event tells once more of what waits for its first attempt."""
    recovery = incident.recovery
    return isinstance(incident.message.fact, TaskChanged) and recovery is not None and not recovery.attempts


def _planned(incident: Incident) -> Attempt | None:
    """The attempt to replace the task that may still have to be launched."""
    recovery = incident.recovery
    attempt = recovery.of(incident.task.arn) if recovery and recovery.state is RecoveryState.OPEN else None
    return attempt if attempt is not None and attempt.state is AttemptState.PLANNED else None
