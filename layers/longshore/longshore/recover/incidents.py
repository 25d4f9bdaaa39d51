"""Incidents: what is known of a failed task, from ECS, the ledger, its definition and its logs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.errors import GoneError
from longshore.recover.decide import Decision, Facts, decide
from longshore.recover.diagnose import diagnose
from longshore.recover.facts import TaskChanged
from longshore.recover.log_tail import last_lines, shown_container
from longshore.recover.reasons import Verdict
from longshore.recover.recipe import LaunchRecipe
from longshore.recover.recovery import AttemptState, Recovery
from longshore.recover.telling import Incident
from longshore.tasks import ATTEMPT_TAG, PARENT_TAG, RECOVER_TAG, ROOT_TAG, Task

if TYPE_CHECKING:
    from longshore.recover.families import Families
    from longshore.recover.launching import Launcher
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.recording import Recorder
    from longshore.recover.retry import RetryPolicy
    from longshore.settings import Mode

LOG = "log"
"""The reason of waiting for the last lines."""

_INGESTION = timedelta(seconds=10)  # after which CloudWatch Logs has what was written
_LOGS_WAIT = timedelta(seconds=8)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator set: the policy of longshore.yaml, the mode, and the patterns of `PassableRoleArns`."""

    policy: RetryPolicy
    mode: Mode
    passable_roles: tuple[str, ...] | None = None


class Incidents:
    """Finds out about failed tasks."""

    def __init__(self, ports: Ports, rules: Rules, recorder: Recorder, launcher: Launcher, families: Families) -> None:
        self._tasks = ports.tasks
        self._recoveries = ports.recoveries
        self._logs = ports.logs
        self._postponer = ports.postponer
        self._clock = ports.clock
        self._chance = ports.chance
        self._rules = rules
        self._recorder = recorder
        self._launcher = launcher
        self._families = families

    def of(self, message: Message, task: Task) -> Incident:
        """What is known of a task: its lineage, its definition, its diagnosis.

        The lineage is the ledger's word, else that of tags which name a launch whose answer was lost.
        """
        root = self._recoveries.root_of(task.arn) or self._adopted(message, task) or task.arn
        recovery = self._recoveries.get(root)
        if recovery is None or not recovery.brought_back_by(task.arn):
            return self.within(message, task, root, recovery)
        return self._failed_later(message, task, recovery)

    def within(self, message: Message, task: Task, root: str, recovery: Recovery | None) -> Incident:
        """The same for a task whose lineage is known."""
        try:
            definition, tags = self._tasks.definition(task.definition)
        except GoneError:
            definition, tags = {}, {}
        diagnosis = diagnose(task, definition=definition, tags=task.tags, definition_tags=tags)
        return Incident(message, task, root, diagnosis, definition, tags, self._rules.mode.value, recovery)

    def _failed_later(self, message: Message, task: Task, ended: Recovery) -> Incident:
        """What befalls a replacement that had brought its task back goes on with the attempts of the last 24 hours.

        So what always fails late uses up its attempts too (recover 4). Without any it is the root of another recovery,
        and stays it.
        """
        own = self._recoveries.get(task.arn)
        window = timedelta(seconds=self._rules.policy.window)
        again = ended.reopened(task.stopped or self._clock.now(), window) if own is None else None
        if again is None:
            return self.within(message, task, task.arn, own)
        return replace(self.within(message, task, ended.root, again), reopened=True)

    def _adopted(self, message: Message, task: Task) -> str | None:
        """The root of a replacement that the ledger does not know yet; it is told and recorded before anything else."""
        tags = task.tags or {}
        root = tags.get(ROOT_TAG, "")
        if not root or root == task.arn:
            return None
        recovery = self._recoveries.get(root)
        attempt = recovery.of(tags.get(PARENT_TAG, "")) if recovery else None
        if recovery is None or attempt is None or attempt.state is not AttemptState.PLANNED:
            return None
        if str(attempt.number) != tags.get(ATTEMPT_TAG) or recovery.cluster != task.cluster:
            return None
        parent = self._tasks.get(recovery.cluster, attempt.parent) or replace(task, arn=attempt.parent)
        self._launcher.settle(self.with_log(self.within(message, parent, root, recovery)), attempt, task.arn)
        return root

    def facts(self, incident: Incident) -> Facts:
        """What a decision rests on; what only a replacement needs is not asked for where none may follow.

        Of a family that did not opt in so much is asked that `would` is what happened had it done so.
        """
        task = incident.task
        known = Facts(
            diagnosis=incident.diagnosis,
            task=task,
            definition=incident.definition,
            definition_tags=incident.definition_tags,
            recipe=LaunchRecipe(),
            recovery=incident.recovery,
            passable_roles=self._rules.passable_roles,
            ahead=not task.final,
        )
        first, asked = self.decide(known), opted_in(incident)
        told = first.verdict is Verdict.NONE or (not asked and first.would is None)
        if told or not incident.diagnosis.owner.nobody:
            return known
        return known._replace(
            recipe=self._recorder.recipe(task) if asked else self._recorder.presumed(task),
            breaker=self._families.breaker(task),
            paused=self._families.paused(),
            instance=self._tasks.host(task.cluster, task.container_instance) if task.container_instance else "",
        )

    def decide(self, facts: Facts) -> Decision:
        """The decision, now."""
        return decide(facts, self._rules.policy, self._rules.mode, self._clock.now(), self._chance())

    def with_log(self, incident: Incident) -> Incident:
        """With the last lines of the container that tells most."""
        if incident.log.read:
            return incident
        container = shown_container(incident.task, incident.definition, incident.diagnosis.culprit)
        return replace(incident, log=last_lines(self._logs, incident.task, incident.definition, container))

    def waits_for_log(self, incident: Incident) -> bool:
        """Whether the last lines may still be on their way: then the event comes again once, a little later."""
        task, message, now = incident.task, incident.message, self._clock.now()
        if not isinstance(message.fact, TaskChanged) or message.waited(LOG) is not None or not incident.log.empty:
            return False
        if task.never_started or task.stopped is None or now >= task.stopped + _INGESTION:
            return False
        self._postponer.postpone(message.deferred(now + _LOGS_WAIT, LOG, now), now + _LOGS_WAIT)
        return True


def opted_in(incident: Incident) -> bool:
    """Whether the family asked for it (design 6.2)."""
    return incident.definition_tags.get(RECOVER_TAG) == "auto"
