"""Recover as a whole: what replaces tasks, together with what looks after services and sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from longshore.recover.caring import Caretaker
from longshore.recover.diagnosis import Remedy
from longshore.recover.facts import ServiceActed, SweepDue
from longshore.recover.healing import Healer
from longshore.recover.service import Handler, Recoverer
from longshore.recover.service_actions import ServiceActions
from longshore.recover.service_stops import ServiceStops
from longshore.recover.stuck_tasks import StuckTasks
from longshore.recover.sweep import Also, Sweeper

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.crash_loops import CrashLoopPolicy
    from longshore.recover.facts import Fact
    from longshore.recover.incidents import Rules
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.service_ports import ServicePorts
    from longshore.recover.telling import Incident


def recoverer(
    ports: Ports,
    care: ServicePorts,
    rules: Rules,
    policy: CrashLoopPolicy,
    handlers: Mapping[type, Handler] | None = None,
    also: Sequence[Also] = (),
    accuse: Callable[[Incident], list[Outcome]] | None = None,
) -> Recoverer:
    """The whole of it. `handlers` take facts of other types, `also` is looked at with every sweep.

    `accuse` takes the stopped tasks of services whose instance is suspected, besides their being counted.
    """
    caretaker = Caretaker(ports, care, rules, policy)
    actions = ServiceActions(ports, care, caretaker)
    healer = Healer(ports, care, policy, caretaker)

    def stopped(incident: Incident) -> list[Outcome]:
        outcomes = stops.handle(incident)
        return outcomes + (accuse(incident) if accuse and incident.diagnosis.remedy is Remedy.DRAIN else [])

    def sweep(message: Message, fact: Fact) -> list[Outcome]:
        return sweeper.handle(message, fact)

    own: Mapping[type, Handler] = {ServiceActed: actions.handle, SweepDue: sweep}
    whole = Recoverer(ports, rules, {**own, **(handlers or {})}, stopped)
    stops = ServiceStops(ports, care, policy, whole.replacer.incidents, caretaker, healer)
    stuck = StuckTasks(ports, care, rules, whole.replacer, caretaker)
    sweeper = Sweeper(ports, care, rules, whole.replacer, whole.recorder, caretaker, stuck, also)
    return whole
