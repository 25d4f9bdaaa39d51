"""Pods of EKS on Fargate that AWS is about to end: told, for their controllers start them elsewhere (issue 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.events import Kind
from longshore.recover.facts import PodTerminating
from longshore.recover.hosts import Watch
from longshore.recover.notices import of_pod
from longshore.recover.upkeep import Ruling, Why
from longshore.recover.upkeep_telling import Subject, UpkeepTeller, logged

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.facts import Fact
    from longshore.recover.hosts import HostPorts
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.settings import Mode


class Pods:
    """Tells of pods."""

    def __init__(self, ports: Ports, under: HostPorts, mode: Mode) -> None:
        self._clock = ports.clock
        self._watches = under.watches
        self._teller = UpkeepTeller(ports.publisher, mode)

    def handle(self, message: Message, fact: Fact) -> list[Outcome]:
        """`EKS Fargate Pod Scheduled Termination`: told once for each pod and date."""
        if not isinstance(fact, PodTerminating):
            return []
        at = fact.at.isoformat() if fact.at else ""
        name = f"{fact.cluster}/{fact.namespace}/{fact.pod}"
        key = " ".join(filter(None, ("pod", name, at)))
        watch = self._watches.get(key) or Watch(key, self._clock.now())
        ruling = Ruling(Why.OWNED_ELSEWHERE)
        if watch.told:
            return logged(message, Ruling(Why.TOLD_BEFORE, ruling.why), name)
        lines = (
            f"podName: {fact.pod}",
            f"podNamespace: {fact.namespace}",
            *([f"scheduledTerminationTime: {at}"] if at else []),
            *([f"evictErrorMessage: {fact.reason}"] if fact.reason else []),
        )
        outcomes = self._teller.tell(
            message,
            Kind.RETIREMENT_ANNOUNCED,
            Subject(f"pod/{name}", name, fact.cluster),
            of_pod(lines),
            ruling,
            due=at,
            pod=fact.pod,
            namespace=fact.namespace,
            profile=fact.profile,
        )
        self._watches.save(watch._replace(told=ruling.why.value))
        return outcomes
