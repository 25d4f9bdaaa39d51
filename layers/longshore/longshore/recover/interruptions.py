"""EC2 Spot: an instance that is about to be taken is drained at once, and what nobody else moves is moved (O4)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.events import Kind
from longshore.recover.catalogue import entry
from longshore.recover.diagnosis import Remedy
from longshore.recover.facts import InstanceInterrupted
from longshore.recover.grounds import Ground
from longshore.recover.instance_decision import Trouble
from longshore.recover.notices import made, of_interruption
from longshore.recover.owner import owner_of
from longshore.recover.upkeep import Measure, Ruling, Why
from longshore.recover.upkeep_telling import logged
from longshore.settings import Mode
from longshore.tasks import RECOVER_TAG, RETRY_TAG

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.draining import Drainer
    from longshore.recover.facts import Fact
    from longshore.recover.hosts import ContainerInstance, HostPorts
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.replacing import Replacer
    from longshore.tasks import Task

_NOTICE = timedelta(minutes=2)


class Interruptions:
    """Empties Spot instances before EC2 takes them."""

    def __init__(self, ports: Ports, under: HostPorts, drainer: Drainer, replacer: Replacer, mode: Mode) -> None:
        self._tasks = ports.tasks
        self._instances = under.instances
        self._drainer = drainer
        self._replacer = replacer
        self._mode = mode

    def handle(self, message: Message, fact: Fact) -> list[Outcome]:
        """`EC2 Spot Instance Interruption Warning`, `EC2 Instance Rebalance Recommendation`."""
        if not isinstance(fact, InstanceInterrupted):
            return []
        instance = self._instances.find(fact.ec2_instance)
        if instance is None:
            return logged(message, Ruling(Why.GONE), fact.ec2_instance)  # most instances run no tasks of ECS
        trouble = Trouble.INTERRUPTION if fact.certain else Trouble.REBALANCE
        facts = self._drainer.facts(trouble, instance.cluster, instance)
        ruling = self._drainer.ruling(facts)
        lines = (f"detail-type: {message.kind}", f"instance-id: {instance.id}", f"instance-action: {fact.action}")
        diagnosis = of_interruption(lines if fact.action else lines[:2])
        due = (message.time + _NOTICE).isoformat() if fact.certain else ""
        outcomes = self._drainer.carry_out(message, Kind.RETIREMENT_ANNOUNCED, facts, ruling, diagnosis, due=due)
        if fact.certain and (ruling.measure is Measure.DRAIN or ruling.why is Why.DRAINING):
            outcomes += self._move(message, instance)
        return outcomes

    def _move(self, message: Message, instance: ContainerInstance) -> list[Outcome]:
        """Replaces what draining leaves alone: ECS places nothing on an instance that drains.

        The originals are left to EC2, whose end of them is not answered a second time. Raises the first error, once
        every task had its turn.
        """
        current = self._instances.get(instance.cluster, instance.arn)
        if current is None or current.status != "DRAINING" or self._mode is not Mode.AUTO:
            return []
        outcomes: list[Outcome] = []
        errors: list[Exception] = []
        arns = self._instances.tasks(instance.cluster, instance.arn)
        for task in self._tasks.survey(instance.cluster, list(arns)):
            try:
                outcomes += self._moved(message, task)
            except Exception as error:  # whatever it was, the other tasks are not to blame
                errors.append(error)
        if errors:
            raise errors[0]
        return outcomes

    def _moved(self, message: Message, task: Task) -> list[Outcome]:
        owner = owner_of(task, None, task.tags)
        if task.final or not owner.nobody:
            return []
        tags = self._tasks.definition(task.definition)[1]
        if (tags.get(RECOVER_TAG), tags.get(RETRY_TAG)) != ("auto", "idempotent"):
            return []  # its end is told when it comes
        evidence = (f"containerInstanceArn: {task.container_instance}", "the instance is about to be taken away")
        return self._replacer.replace(
            message, task, made(entry("S1"), owner, Remedy.REPLACE, Ground.IDEMPOTENT, evidence)
        )
