"""Lost agents and impaired instances: looked at again before anything is done (recover 2.4 E1, E2, E3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.events import Kind
from longshore.recover.facts import AgentCheckDue, InstanceChanged, InstanceHealthChanged
from longshore.recover.hosts import Watch
from longshore.recover.instance_decision import Trouble
from longshore.recover.notices import of_instance, of_instance_health
from longshore.recover.reading import AGENT_CHECK_DUE
from longshore.recover.upkeep import Measure, Ruling, Why
from longshore.recover.upkeep_telling import logged

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.diagnosis import Diagnosis
    from longshore.recover.draining import Drainer
    from longshore.recover.facts import Fact
    from longshore.recover.hosts import ContainerInstance, HostPorts
    from longshore.recover.instance_decision import Facts
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.upkeep import UpkeepPolicy

_NOT_DONE = (
    " Longshore neither terminates it nor deregisters it: terminate it in its Auto Scaling group, or deregister it by"
    " force, and ECS starts the tasks of its services elsewhere."
)
_AGAIN = frozenset({Why.HOST_WELL})
"""Told, and looked at again all the same: machines that were well may fail later, without an event."""


class Agents:
    """Follows agents and the health of instances."""

    def __init__(self, ports: Ports, under: HostPorts, policy: UpkeepPolicy, drainer: Drainer) -> None:
        self._clock = ports.clock
        self._postponer = ports.postponer
        self._under = under
        self._policy = policy
        self._drainer = drainer

    def changed(self, message: Message, fact: Fact) -> list[Outcome]:
        """`ECS Container Instance State Change`: agents come and go several times a day, which asks for patience."""
        if not isinstance(fact, InstanceChanged):
            return []
        if fact.status == "DRAINING":
            return self._drainer.began(message, fact.cluster, fact.instance)
        if fact.connected is not False or fact.status != "ACTIVE":
            return []
        now = self._clock.now()
        lost = min(message.time, now)  # an event cannot be of the future
        watch = self._under.watches.get(_thing(fact.instance))
        if watch is None:
            self._under.watches.save(Watch(_thing(fact.instance), lost))
        elif lost < watch.since:
            return logged(message, Ruling(Why.OUTDATED), fact.instance)
        elif lost > watch.since:
            told = watch.told if lost - watch.since <= self._away else ""
            self._under.watches.save(watch._replace(since=lost, told=told))
        self._remind(message, fact.cluster, fact.instance, lost, now + self._away)
        return []

    def check(self, message: Message, fact: Fact) -> list[Outcome]:
        """`Agent Check Due`: what is still away is told, and drained where its machine is dead."""
        if not isinstance(fact, AgentCheckDue):
            return []
        watch = self._under.watches.get(_thing(fact.instance))
        if watch is not None and watch.since > fact.since:
            return logged(message, Ruling(Why.OUTDATED), fact.instance)  # it came back and went again
        facts = self._drainer.facts(Trouble.AGENT, fact.cluster, self._under.instances.get(fact.cluster, fact.instance))
        ruling = self._drainer.ruling(facts)
        if facts.instance is None or ruling.measure is Measure.NONE:
            self._under.watches.forget(_thing(fact.instance))
            return logged(message, ruling, fact.instance)
        outcomes = self._drainer.carry_out(
            message, Kind.TASK_FAILED, facts, ruling, _agent(facts.instance, facts), since=fact.since.isoformat()
        )
        if ruling.measure is Measure.WAIT or ruling.why in _AGAIN:
            self._look_again(message, fact)
        return outcomes

    def health(self, message: Message, fact: Fact) -> list[Outcome]:
        """`ECS Container Instance Health Change`: what ECS says of the instance now decides."""
        if not isinstance(fact, InstanceHealthChanged) or fact.overall == "OK":
            return []
        instance = self._under.instances.get(fact.cluster, fact.instance)
        facts = self._drainer.facts(Trouble.HEALTH, fact.cluster, instance)
        ruling = self._drainer.ruling(facts)
        if instance is None or ruling.measure is Measure.NONE:
            return logged(message, ruling, fact.instance)
        lines = (f"healthChecks[{each}]: IMPAIRED" for each in instance.failing)
        diagnosis = of_instance_health("IMPAIRED", instance.failing, (*lines, f"containerInstanceArn: {instance.arn}"))
        outcomes = self._drainer.carry_out(message, Kind.TASK_FAILED, facts, ruling, diagnosis)
        if ruling.measure is Measure.WAIT:
            self._drainer.defer(message, ruling)
        return outcomes

    def _look_again(self, message: Message, due: AgentCheckDue) -> None:
        later = self._clock.now() + timedelta(seconds=self._policy.look_again)
        if later <= due.since + timedelta(seconds=self._policy.look_until):
            self._remind(message, due.cluster, due.instance, due.since, later)

    def _remind(self, message: Message, cluster: str, instance: str, since: datetime, later: datetime) -> None:
        detail = {"containerInstanceArn": instance, "clusterArn": cluster, "since": since.isoformat()}
        self._postponer.postpone(message.message(AGENT_CHECK_DUE, detail, self._clock.now()), later)

    @property
    def _away(self) -> timedelta:
        return timedelta(seconds=self._policy.agent_away)


def _agent(instance: ContainerInstance, facts: Facts) -> Diagnosis:
    evidence = (
        "agentConnected: false",
        f"status: {instance.status}",
        f"machine: {facts.host.value}",
        f"containerInstanceArn: {instance.arn}",
    )
    diagnosis = of_instance(False, "ACTIVE", instance.on_premises, evidence)
    return diagnosis._replace(hint=diagnosis.hint + _NOT_DONE) if not instance.on_premises else diagnosis


def _thing(instance: str) -> str:
    return f"{Trouble.AGENT.value} {instance}"
