"""Draining container instances: told, claimed within the blast radius, drained, and looked at again (recover 5 O4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import AccessDeniedError, GoneError
from longshore.events import Kind
from longshore.recover.blast_radius import claimed
from longshore.recover.catalogue import entry
from longshore.recover.diagnosis import Owner, Remedy
from longshore.recover.facts import DrainCheckDue
from longshore.recover.grounds import Ground
from longshore.recover.hosts import Cluster, Watch
from longshore.recover.instance_decision import Facts, Trouble, decide
from longshore.recover.notices import made
from longshore.recover.reading import DRAIN_CHECK_DUE
from longshore.recover.upkeep import Measure, Ruling, Why
from longshore.recover.upkeep_telling import Subject, UpkeepTeller, logged

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.diagnosis import Diagnosis
    from longshore.recover.facts import Fact
    from longshore.recover.hosts import ContainerInstance, HostPorts
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.upkeep import UpkeepPolicy
    from longshore.settings import Mode

_NAMED = 10  # tasks and services that a message names at most


class Drainer:
    """Finds out about instances, and drains those that are to be drained."""

    def __init__(self, ports: Ports, under: HostPorts, policy: UpkeepPolicy, mode: Mode) -> None:
        self._ports = ports
        self._under = under
        self._policy = policy
        self._mode = mode
        self._teller = UpkeepTeller(ports.publisher, mode)

    def facts(self, trouble: Trouble, cluster: str, instance: ContainerInstance | None) -> Facts:
        """What a decision rests on; what it does not need any more is not asked for."""
        known = Facts(trouble, instance, Cluster(cluster))
        if instance is None or self.ruling(known).measure is Measure.NONE:
            return known
        repairs = not trouble.ending and instance.provider
        return known._replace(
            cluster=self._under.instances.cluster(cluster) or Cluster(cluster),
            host=self._under.hosts.state(instance.id) if trouble is Trouble.AGENT else known.host,
            repaired=bool(repairs and self._under.instances.repaired(instance.provider)),
            drains=self._under.drains.get(cluster),
            paused=self._ports.switches.paused() is not None,
        )

    def ruling(self, facts: Facts) -> Ruling:
        """The decision, now."""
        return decide(facts, self._policy, self._mode, self._ports.clock.now())

    def carry_out(
        self, message: Message, kind: Kind, facts: Facts, ruling: Ruling, diagnosis: Diagnosis, **more: Any
    ) -> list[Outcome]:
        """Tells what was decided, once, and drains what is to be drained.

        The claim comes first, so that of two who would drain at the same time one decides anew.
        """
        instance = facts.instance
        if instance is None or ruling.measure is Measure.NONE:
            return logged(message, ruling, instance.arn if instance else facts.cluster.arn)
        if ruling.measure is not Measure.DRAIN:
            return self.tell_once(message, kind, facts, ruling, diagnosis, **more)
        now = self._ports.clock.now()
        if not facts.trouble.ending:
            self._under.drains.save(claimed(instance.arn, facts.drains, self._policy, now))
        outcomes = self.tell_once(message, kind, facts, ruling, diagnosis, **more)
        self._remind(message, instance.cluster, instance.arn, now)
        try:
            self._under.instances.drain(instance.cluster, instance.arn)
        except AccessDeniedError:
            denied = Ruling(Why.NOT_PERMITTED, ruling.why)
            return outcomes + self.tell_once(message, kind, facts, denied, diagnosis, **more)
        except GoneError:
            return outcomes + logged(message, Ruling(Why.GONE), instance.arn)
        return outcomes

    def tell_once(
        self, message: Message, kind: Kind, facts: Facts, ruling: Ruling, diagnosis: Diagnosis, **more: Any
    ) -> list[Outcome]:
        """Tells what was decided about an instance unless that is what was told of it last."""
        instance = facts.instance
        if instance is None:
            return []
        thing, now = f"{facts.trouble.value} {instance.arn}", self._ports.clock.now()
        watch = self._under.watches.get(thing) or Watch(thing, now)
        if watch.told == ruling.why.value:
            return logged(message, Ruling(Why.TOLD_BEFORE, ruling.why), instance.arn)
        outcomes = self._teller.tell(message, kind, subject_of(instance, facts.cluster), diagnosis, ruling, **more)
        self._under.watches.save(watch._replace(told=ruling.why.value))
        return outcomes

    def defer(self, message: Message, ruling: Ruling) -> None:
        """What has to wait is decided again later, for as long as the policy looks."""
        now = self._ports.clock.now()
        later = now + timedelta(seconds=self._policy.look_again)
        waited = message.waited(ruling.why.value)
        if waited is None or later <= waited.first + timedelta(seconds=self._policy.look_until):
            self._ports.postponer.postpone(message.deferred(later, ruling.why.value, now), later)

    # -- looking at it again ----------------------------------------------------------------------------------------

    def began(self, message: Message, cluster: str, arn: str) -> list[Outcome]:
        """An instance drains, whoever asked for it: it is looked at again once."""
        thing, now = f"drain {arn}", self._ports.clock.now()
        if self._under.watches.get(thing) is None:
            self._remind(message, cluster, arn, now)
            self._under.watches.save(Watch(thing, now))
        return logged(message, Ruling(Why.DRAINING), arn)

    def check(self, message: Message, fact: Fact) -> list[Outcome]:
        """`Drain Check Due`: an instance that is not empty by now is told, with what is in its way."""
        if not isinstance(fact, DrainCheckDue):
            return []
        instance = self._under.instances.get(fact.cluster, fact.instance)
        why = _drained(instance)
        if instance is None or why is not None:
            self._under.watches.forget(f"drain {fact.instance}")
            return logged(message, Ruling(why or Why.GONE), fact.instance)
        return self._stuck(message, instance, fact.since)

    def _stuck(self, message: Message, instance: ContainerInstance, since: datetime) -> list[Outcome]:
        thing, now = f"drain {instance.arn}", self._ports.clock.now()
        watch = self._under.watches.get(thing) or Watch(thing, since)
        if watch.told:
            return logged(message, Ruling(Why.TOLD_BEFORE, Why.DRAIN_STUCK), instance.arn)
        arns = list(self._under.instances.tasks(instance.cluster, instance.arn))
        tasks = [each for each in self._ports.tasks.survey(instance.cluster, arns) if not each.final]
        services = sorted({each.service for each in tasks if each.service})
        held = self._under.instances.protected(instance.cluster, [each.arn for each in tasks if each.service])
        alone = [each.id for each in tasks if not each.service]
        evidence = (
            f"status: {instance.status}",
            f"draining since: {since.isoformat()}",
            *([f"services: {', '.join(services[:_NAMED])}"] if services else []),
            *([f"protected tasks: {', '.join(map(_id, held[:_NAMED]))}"] if held else []),
            *([f"tasks of no service: {', '.join(alone[:_NAMED])}"] if alone else []),
        )
        found = entry("E3")._replace(name="drain stuck", hint=_STUCK)
        diagnosis = made(found, Owner.STANDALONE, Remedy.NOTIFY, Ground.STUCK, evidence)
        cluster = self._under.instances.cluster(instance.cluster) or Cluster(instance.cluster)
        outcomes = self._teller.tell(
            message,
            Kind.TASK_GIVEN_UP,
            subject_of(instance, cluster),
            diagnosis,
            Ruling(Why.DRAIN_STUCK),
            since=since.isoformat(),
            count=len(tasks),
            services=services,
            protected=[_id(each) for each in held],
        )
        self._under.watches.save(watch._replace(told=now.isoformat()))
        return outcomes

    def _remind(self, message: Message, cluster: str, arn: str, since: datetime) -> None:
        detail = {"containerInstanceArn": arn, "clusterArn": cluster, "since": since.isoformat()}
        later = since + timedelta(seconds=self._policy.drain_stuck)
        self._ports.postponer.postpone(message.message(DRAIN_CHECK_DUE, detail, since), later)


_STUCK = (
    "What still runs there keeps the instance: end the protection of its tasks, look at the service's minimum healthy"
    " percent and at its capacity elsewhere. Tasks of no service are not stopped by draining."
)


def subject_of(instance: ContainerInstance, cluster: Cluster) -> Subject:
    """An instance, as messages name it."""
    name = f"{instance.id} ({cluster.name})" if instance.id else f"{_id(instance.arn)} ({cluster.name})"
    return Subject(instance.arn, name, cluster.name, tags={**cluster.tags, **instance.tags})


def _drained(instance: ContainerInstance | None) -> Why | None:
    if instance is None:
        return Why.GONE
    if instance.status != "DRAINING":
        return Why.OUTDATED
    return None if instance.tasks else Why.DRAINED


def _id(arn: str) -> str:
    return arn.rpartition("/")[2]
