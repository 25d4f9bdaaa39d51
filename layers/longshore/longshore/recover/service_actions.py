"""What ECS tells of services: placement, start, configuration, targets; told once, until it is over (recover O10)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.recover import notices
from longshore.recover.caring import described, quiet
from longshore.recover.crash_loops import ACTION, Care
from longshore.recover.diagnosis import Diagnosis, Owner, Remedy
from longshore.recover.facts import Fact, ServiceActed
from longshore.recover.service_reasons import CareReason
from longshore.recover.troubles import ONCE, Limit, Sign

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.caring import Caretaker
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.service_ports import ServicePorts
    from longshore.recover.services import Service

STEADY = "SERVICE_STEADY_STATE"
_UNKNOWN = "Z"
_SPOT = "FARGATE_SPOT"
_SUSTAINED = Limit(2, timedelta(minutes=5))
_KEEP = timedelta(hours=6)
"""For how long the same is not told again, and for how long signs are kept; ECS repeats itself as seldom."""
_PASSING = frozenset({"C1", "C2", "C3", "C4", "C5", _UNKNOWN})
"""What a service that is steady again no longer has."""
_SPOT_HINT = (
    "Spot capacity has been short for minutes: give FARGATE a weight in the service's capacity provider strategy, and "
    "take it back once the service was steady for an hour. Longshore does not change the strategy."
)


class ServiceActions:
    """Tells what ECS tells of a service, once for each class, and when it is over."""

    def __init__(self, ports: Ports, care: ServicePorts, caretaker: Caretaker) -> None:
        self._clock = ports.clock
        self._services = care.services
        self._troubles = care.troubles
        self._caretaker = caretaker

    def handle(self, message: Message, fact: Fact) -> list[Outcome]:
        """Does what follows from `ECS Service Action`."""
        if not isinstance(fact, ServiceActed):
            return []
        if fact.event == STEADY:
            return self._caretaker.steady(message, fact.service)
        evidence = tuple(
            f"{name}: {text}" for name, text in (("eventName", fact.event), ("reason", fact.reason)) if text
        )
        found = notices.of_service(fact.event, fact.severity, fact.reason, Owner.SERVICE, evidence)
        return self._failed(message, fact, found._replace(remedy=Remedy.NOTIFY)) if found.cls else []

    def _failed(self, message: Message, fact: ServiceActed, found: Diagnosis) -> list[Outcome]:
        now = self._clock.now()
        on_spot = found.cls == "C1" and any(each.endswith(f"/{_SPOT}") for each in fact.capacity_providers)
        key = ACTION + (fact.event if found.cls == _UNKNOWN else found.cls)
        sign = Sign(message.id, min(message.time, now), cls=found.cls)
        known = self._troubles.get(fact.service, key)
        trouble = known.with_sign(sign, _KEEP)
        limit = trouble.crossed((_SUSTAINED if on_spot else ONCE,), sign)
        if limit is None or not trouble.may_open(now, _KEEP) or now - sign.at > _KEEP:
            self._caretaker.keep(known, lambda each: each.with_sign(sign, _KEEP))
            return quiet(message, fact.service, "counted", event=fact.event, signs=len(trouble.fresh))
        service = self._services.get(fact.service)
        if service is None or not service.wanted or service.silenced:
            return quiet(message, fact.service, "silenced" if service and service.silenced else "not-wanted")
        if found.cls in _PASSING and (reason := self._untold(service, found)):
            self._caretaker.keep(known, lambda each: each.with_sign(sign, _KEEP))
            return quiet(message, fact.service, reason, event=fact.event)
        found = found._replace(owner=service.owner, hint=_SPOT_HINT if on_spot else found.hint)
        detail = {**described(service, found), "event": fact.event, **_instances(service)}
        return self._caretaker.open(message, trouble, limit, Care(Remedy.NOTIFY, CareReason.SERVICE_EVENT), detail)

    def _untold(self, service: Service, found: Diagnosis) -> str:
        """Why it is not told: it passed, it is a deployment's own, or a trouble that is open explains it. Else nothing."""
        if service.steady:
            return "steady"
        if service.left_to_breaker:
            return CareReason.LEFT_TO_BREAKER.value
        explained = found.cls == _UNKNOWN and any(each.is_open for each in self._troubles.of(service.arn))
        return "told-already" if explained else ""


def _instances(service: Service) -> dict[str, int]:
    return {"desired": service.desired, "running": service.running}
