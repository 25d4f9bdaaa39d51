"""Fargate's retirement of tasks: announced once, and what is retired is started anew before (recover 5 O5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.errors import GoneError
from longshore.events import Kind
from longshore.outcomes import Outcome, announcements
from longshore.recover.facts import RetirementDue, RetirementPlanned
from longshore.recover.hosts import Service, Watch
from longshore.recover.reading import RETIREMENT_DUE
from longshore.recover.recovery import AttemptState, RecoveryState
from longshore.recover.retirement_decision import Facts, Thing, decide, diagnosis_of, parse_thing
from longshore.recover.upkeep import Measure, Ruling, Why
from longshore.recover.upkeep_telling import Subject, UpkeepTeller, logged
from longshore.settings import Mode
from longshore.tasks import OWN_STOP

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from longshore.recover.facts import Fact
    from longshore.recover.hosts import HostPorts
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.recovery import Recovery
    from longshore.recover.replacing import Replacer
    from longshore.recover.upkeep import UpkeepPolicy
    from longshore.tasks import Task

REQUESTED = "requested"
_OVER = frozenset({"closed", "completed"})


class Retirement:
    """Announces retirements, and acts in time."""

    def __init__(self, ports: Ports, under: HostPorts, policy: UpkeepPolicy, replacer: Replacer, mode: Mode) -> None:
        self._ports = ports
        self._under = under
        self._policy = policy
        self._replacer = replacer
        self._mode = mode
        self._teller = UpkeepTeller(ports.publisher, mode)

    def planned(self, message: Message, fact: Fact) -> list[Outcome]:
        """`AWS Health Event`: every thing that it names is told once for each date, and acted on in time.

        Health sends a copy to another Region too, which is left to Longshore there. Raises the first error, once
        everything had its turn.
        """
        if not isinstance(fact, RetirementPlanned) or fact.status in _OVER:
            return []
        if str(message.detail.get("eventRegion", message.region)) != message.region:
            return logged(message, Ruling(Why.OUTDATED), fact.event)
        outcomes: list[Outcome] = []
        errors: list[Exception] = []
        for text in fact.things:
            try:
                outcomes += self._announce(message, text, fact)
            except Exception as error:  # whatever it was, the others are not to blame
                errors.append(error)
        if errors:
            raise errors[0]
        return outcomes

    def due(self, message: Message, fact: Fact) -> list[Outcome]:
        """`Retirement Due`: what is to be started anew is, unless it was since it was announced."""
        if not isinstance(fact, RetirementDue):
            return []
        thing = self._thing(message, fact.thing)
        if thing is None:
            return logged(message, Ruling(Why.GONE), fact.thing)
        watch = self._watch(thing, fact.at)
        facts = self._facts(thing, watch.since)
        if thing.is_task and facts.task is not None and self._begun(facts.task):
            return self._hand_over(message, fact, facts.task)
        ruling = decide(facts, self._mode)
        if ruling.measure is Measure.WAIT:
            self._later(message, fact, self._policy.look_again)
        if ruling.measure is Measure.REPLACE and facts.task is not None:
            return self._replace(message, fact, thing, facts)
        if ruling.measure is not Measure.REDEPLOY:
            return logged(message, ruling, thing.arn)
        return self._redeploy(message, thing, watch)

    # -- told -------------------------------------------------------------------------------------------------------

    def _announce(self, message: Message, text: str, fact: RetirementPlanned) -> list[Outcome]:
        thing = self._thing(message, text)
        if thing is None:
            return logged(message, Ruling(Why.GONE), text)
        at = fact.starts or message.time
        watch = self._watch(thing, at)
        if watch.told:
            return logged(message, Ruling(Why.TOLD_BEFORE), thing.arn)
        facts = self._facts(thing, None)
        ruling = decide(facts, self._mode)
        if ruling.measure is Measure.NONE:
            return logged(message, ruling, thing.arn)
        begins = max(self._ports.clock.now(), at - timedelta(seconds=self._policy.retirement_before))
        planned = ruling.measure in (Measure.REDEPLOY, Measure.REPLACE)
        following = {"at": begins.isoformat(), "what": ruling.measure.value} if planned else None
        outcomes = self._teller.tell(
            message,
            Kind.RETIREMENT_ANNOUNCED,
            _subject(thing, facts),
            diagnosis_of(thing, facts, at),
            ruling,
            due=at.isoformat(),
            until=fact.ends.isoformat() if fact.ends else "",
            event=fact.event,
            next=following,
        )
        detail = {"thing": thing.arn, "at": at.isoformat()}
        reminder = message.message(RETIREMENT_DUE, detail, self._ports.clock.now())
        self._ports.postponer.postpone(reminder, begins)  # who opts in until then is heard
        self._under.watches.save(watch._replace(told=ruling.why.value))
        return outcomes

    # -- services ---------------------------------------------------------------------------------------------------

    def _redeploy(self, message: Message, thing: Thing, watch: Watch) -> list[Outcome]:
        """Asks the one writer of services (design 3), once."""
        if watch.told == REQUESTED:
            return logged(message, Ruling(Why.TOLD_BEFORE, Why.RETIREMENT), thing.arn)
        outcome = Outcome(
            "deploy",
            Why.RETIREMENT.value,
            message.correlation,
            thing.arn,
            Kind.REDEPLOY_REQUESTED,
            {"correlation": message.correlation},
        )
        self._ports.publisher.publish(announcements([outcome]))
        self._under.watches.save(watch._replace(told=REQUESTED))
        return [outcome]

    # -- tasks ------------------------------------------------------------------------------------------------------

    def _replace(self, message: Message, due: RetirementDue, thing: Thing, facts: Facts) -> list[Outcome]:
        """Begins a recovery, or has patience with the one that was begun; one that has ended is not begun again."""
        if facts.task is None:
            return []
        recovery, now = self._replacer.incidents.of(message, facts.task).recovery, self._ports.clock.now()
        if recovery is not None and recovery.state is not RecoveryState.OPEN:
            return logged(message, Ruling(Why.OUTDATED), thing.arn)
        if now < due.at:
            waits = recovery is not None and not recovery.attempts  # for a budget
            self._later(message, due, self._policy.look_again if waits else self._policy.handover)
        if recovery is not None and (last := recovery.last) is not None and last.task != facts.task.arn:
            planned = last.parent == facts.task.arn and last.state is AttemptState.PLANNED
            if not planned or now < last.due:
                return logged(message, Ruling(Why.STARTING), thing.arn)
        return self._replacer.replace(message, facts.task, diagnosis_of(thing, facts, due.at))

    def _recovery(self, task: Task) -> Recovery | None:
        """Its own, else the one whose replacement it is."""
        recoveries = self._ports.recoveries
        return recoveries.get(task.arn) or recoveries.get(recoveries.root_of(task.arn) or task.arn)

    def _begun(self, task: Task) -> bool:
        """Whether a replacement of a task was launched."""
        recovery = self._recovery(task)
        attempt = recovery.of(task.arn) if recovery else None
        return attempt is not None and attempt.state is AttemptState.LAUNCHED

    def _hand_over(self, message: Message, fact: RetirementDue, task: Task) -> list[Outcome]:
        """Stops the old task once its replacement runs, and is healthy where that can be told.

        The recovery has succeeded by then; it goes on when the replacement fails later. A replacement that failed
        before has attempts of its own; if none comes up until the date, AWS stops the old task.
        """
        recovery = self._recovery(task)
        newest = recovery.tasks[-1] if recovery else task.arn
        replacement = self._ports.tasks.get(task.cluster, newest) if newest != task.arn else None
        if recovery is None or task.final:
            return logged(message, Ruling(Why.GONE), task.arn)
        if replacement is None or not self._ready(replacement):
            if recovery.state is RecoveryState.OPEN and self._ports.clock.now() < fact.at:
                self._later(message, fact, self._policy.handover)
            return logged(message, Ruling(Why.STARTING), task.arn, replacement=newest)
        if self._mode is not Mode.AUTO:
            return logged(message, Ruling(Why.OBSERVE_ONLY), task.arn)
        if recovery.state is RecoveryState.OPEN:
            self._ports.recoveries.save(recovery.ended(RecoveryState.SUCCEEDED))
        try:
            self._ports.tasks.stop(task.cluster, task.arn, f"{OWN_STOP} {Why.RETIREMENT.value}")
        except GoneError:
            return logged(message, Ruling(Why.GONE), task.arn)
        return logged(message, Ruling(Why.IDEMPOTENT), task.arn, replacement=newest, stopped=True)

    def _ready(self, task: Task) -> bool:
        if (task.last_status, task.desired_status) != ("RUNNING", "RUNNING"):
            return False
        try:
            definition = self._ports.tasks.definition(task.definition)[0]
        except GoneError:
            definition = {}
        checked = any(each.get("healthCheck") for each in definition.get("containerDefinitions", ()))
        return task.health == "HEALTHY" or not checked

    # -- what is known ----------------------------------------------------------------------------------------------

    def _thing(self, message: Message, text: str) -> Thing | None:
        partition = str(message.detail.get("eventArn", "arn:aws")).split(":")[1:2]
        return parse_thing(text, message.account, message.region, *partition)

    def _watch(self, thing: Thing, at: datetime) -> Watch:
        key = f"retirement {thing.arn} {at.isoformat()}"
        return self._under.watches.get(key) or Watch(key, self._ports.clock.now())

    def _facts(self, thing: Thing, announced: datetime | None) -> Facts:
        known = Facts(announced=announced, paused=self._ports.switches.paused() is not None)
        if thing.is_task:
            task = self._ports.tasks.get(thing.cluster, thing.arn)
            return known._replace(task=task, tags=self._definition_tags(task.definition) if task else {})
        service = self._under.services.get(thing.cluster, thing.name) or Service(thing.arn, active=False)
        return known._replace(service=service, tags=self._definition_tags(service.definition))

    def _definition_tags(self, arn: str) -> Mapping[str, str]:
        try:
            return self._ports.tasks.definition(arn)[1] if arn else {}
        except GoneError:
            return {}

    def _later(self, message: Message, due: RetirementDue, seconds: int) -> None:
        now = self._ports.clock.now()
        detail: dict[str, Any] = {"thing": due.thing, "at": due.at.isoformat()}
        self._ports.postponer.postpone(message.message(RETIREMENT_DUE, detail, now), now + timedelta(seconds=seconds))


def _subject(thing: Thing, facts: Facts) -> Subject:
    if facts.task is not None:
        task = facts.task
        tags = {**facts.tags, **(task.tags or {})}
        return Subject(task.arn, f"{task.family}", task.cluster_name, task=task.arn, family=task.family, tags=tags)
    tags = {**facts.tags, **(facts.service.tags if facts.service else {})}
    return Subject("", thing.subject, thing.cluster.rpartition("/")[2], workload=thing.arn, tags=tags)
