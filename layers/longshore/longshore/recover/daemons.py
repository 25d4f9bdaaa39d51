"""Daemons of Managed Instances that do not start: told, for ECS repairs their instances itself (recover 2.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.events import Kind
from longshore.recover.facts import DaemonActed
from longshore.recover.hosts import Watch
from longshore.recover.notices import of_daemon
from longshore.recover.upkeep import Ruling, Why
from longshore.recover.upkeep_telling import Subject, UpkeepTeller, logged

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.facts import Fact
    from longshore.recover.hosts import HostPorts
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.settings import Mode

_AGAIN = timedelta(hours=6)
"""ECS repeats itself for as long as a daemon does not start."""


class Daemons:
    """Tells of daemons."""

    def __init__(self, ports: Ports, under: HostPorts, mode: Mode) -> None:
        self._clock = ports.clock
        self._watches = under.watches
        self._teller = UpkeepTeller(ports.publisher, mode)

    def handle(self, message: Message, fact: Fact) -> list[Outcome]:
        """`ECS Daemon Service Action`: told once in six hours for each daemon and event."""
        if not isinstance(fact, DaemonActed):
            return []
        said = (("eventName", fact.event), ("failureType", fact.failure), ("reason", fact.reason))
        lines = tuple(f"{name}: {text}" for name, text in said if text)
        found, ruling = of_daemon(fact.event, fact.severity, fact.reason, lines), Ruling(Why.AWS_REPAIRS)
        if not found.cls:
            return logged(message, ruling, fact.daemon, event=fact.event)
        key, now = f"daemon {fact.daemon} {fact.event}", self._clock.now()
        watch = self._watches.get(key) or Watch(key, now)
        if watch.told and now < watch.since + _AGAIN:
            return logged(message, Ruling(Why.TOLD_BEFORE, ruling.why), fact.daemon, event=fact.event)
        cluster, _, name = fact.daemon.partition(":daemon/")[2].partition("/")
        subject = Subject(fact.daemon, name or cluster, cluster if name else "")
        outcomes = self._teller.tell(message, Kind.TASK_FAILED, subject, found, ruling)
        self._watches.save(watch._replace(since=now, told=ruling.why.value))
        return outcomes
