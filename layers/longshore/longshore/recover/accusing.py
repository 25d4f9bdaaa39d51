"""Instances that failures of services point at: drained once a second task says the same (recover 2.4 P5, X3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.events import Kind
from longshore.recover.diagnosis import Owner, Remedy
from longshore.recover.hosts import Watch
from longshore.recover.instance_decision import Trouble
from longshore.recover.upkeep import Measure, Ruling, Why
from longshore.recover.upkeep_telling import logged
from longshore.tasks import RECOVER_TAG

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.draining import Drainer
    from longshore.recover.hosts import HostPorts
    from longshore.recover.ports import Ports
    from longshore.recover.telling import Incident
    from longshore.tasks import Task

_WITHIN = timedelta(hours=1)
"""Two accusations are of one fault if they are no further apart."""


class Accusations:
    """Remembers which task accused an instance last, and has the instance drained when another one does."""

    def __init__(self, ports: Ports, under: HostPorts, drainer: Drainer) -> None:
        self._clock = ports.clock
        self._under = under
        self._drainer = drainer

    def stopped(self, incident: Incident) -> list[Outcome]:
        """What follows for its instance from a stopped task of a service; nothing where it accuses none."""
        message, task, diagnosis = incident.message, incident.task, incident.diagnosis
        arn = task.container_instance
        if diagnosis.remedy is not Remedy.DRAIN or not arn or incident.definition_tags.get(RECOVER_TAG) == "off":
            return []
        first = self._first(task)
        if first == task.arn:
            return logged(message, Ruling(Why.ACCUSED_ONCE), arn, by=task.arn)
        facts = self._drainer.facts(Trouble.SUSPECT, task.cluster, self._under.instances.get(task.cluster, arn))
        ruling = self._drainer.ruling(facts)
        lines = (*diagnosis.evidence, f"containerInstanceArn: {arn}", f"tasks: {first}, {task.arn}")
        found = diagnosis._replace(owner=Owner.STANDALONE, evidence=lines)
        outcomes = self._drainer.carry_out(message, Kind.TASK_FAILED, facts, ruling, found)
        if ruling.measure is Measure.WAIT:
            self._drainer.defer(message, ruling)
        return outcomes

    def _first(self, task: Task) -> str:
        """The task that accused the instance within the hour before or after; this one, where none did."""
        thing, now = f"accused {task.container_instance}", self._clock.now()
        at = min(task.stopped or now, now)
        known = self._under.watches.get(thing)
        if known is not None and (known.told == task.arn or abs(at - known.since) <= _WITHIN):
            return known.told
        if known is None or known.since < at:
            self._under.watches.save((known or Watch(thing, at))._replace(since=at, told=task.arn))
        return task.arn
