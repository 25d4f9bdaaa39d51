"""Everything under tasks, as handlers of the facts that tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.recover.accusing import Accusations
from longshore.recover.agents import Agents
from longshore.recover.daemons import Daemons
from longshore.recover.draining import Drainer
from longshore.recover.facts import (
    AgentCheckDue,
    DaemonActed,
    DrainCheckDue,
    InstanceChanged,
    InstanceHealthChanged,
    InstanceInterrupted,
    LaunchRefused,
    PodTerminating,
    RetirementDue,
    RetirementPlanned,
)
from longshore.recover.interruptions import Interruptions
from longshore.recover.pods import Pods
from longshore.recover.recording import Recorder
from longshore.recover.refused_launches import RefusedLaunches
from longshore.recover.replacing import Replacer
from longshore.recover.retirement import Retirement
from longshore.recover.stale_instances import StaleInstances

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.recover.hosts import HostPorts
    from longshore.recover.incidents import Rules
    from longshore.recover.ports import Ports
    from longshore.recover.refused_tasks import RefusedLog
    from longshore.recover.service import Handler
    from longshore.recover.upkeep import UpkeepPolicy


class Platform:
    """What looks after instances, retirements, registrations and refused launches.

    `ports` are those of `refused_tasks.with_refused`, and the same that the Recoverer has.
    """

    def __init__(self, ports: Ports, under: HostPorts, refused: RefusedLog, rules: Rules, policy: UpkeepPolicy) -> None:
        mode = rules.mode
        replacer = Replacer(ports, rules, Recorder(ports, rules.policy))
        drainer = Drainer(ports, under, policy, mode)
        agents = Agents(ports, under, policy, drainer)
        retirement = Retirement(ports, under, policy, replacer, mode)
        self.accusations = Accusations(ports, under, drainer)
        self.stale_instances = StaleInstances(ports, under, policy, mode)
        self.handlers: Mapping[type, Handler] = {
            InstanceChanged: agents.changed,
            InstanceHealthChanged: agents.health,
            AgentCheckDue: agents.check,
            DrainCheckDue: drainer.check,
            InstanceInterrupted: Interruptions(ports, under, drainer, replacer, mode).handle,
            RetirementPlanned: retirement.planned,
            RetirementDue: retirement.due,
            LaunchRefused: RefusedLaunches(ports, under, refused, replacer, mode).handle,
            PodTerminating: Pods(ports, under, mode).handle,
            DaemonActed: Daemons(ports, under, mode).handle,
        }
