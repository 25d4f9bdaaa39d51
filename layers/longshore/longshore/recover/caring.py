"""Caring for services: a trouble is told once, acted on at most once, and told to be over once (recover O1).

It is told before it is recorded (decision 8), so that a crash tells it twice at most. What changes a service is claimed
before it is asked for, and confirmed after: what a crash left unconfirmed is asked for again, by the next sign of the
trouble or by the sweep. Redeploy decides each time from what the service is, so that to be asked twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import ConflictError, GoneError, TransientError
from longshore.events import Kind
from longshore.outcomes import Outcome
from longshore.recover.crash_loops import STUCK, Care, allowed, over, settling, undecided
from longshore.recover.diagnosis import Remedy
from longshore.recover.service_reasons import CareReason
from longshore.recover.telling import CHANNEL_TAG, TEAM_TAG, Teller

if TYPE_CHECKING:
    from longshore.recover.crash_loops import CrashLoopPolicy
    from longshore.recover.diagnosis import Diagnosis
    from longshore.recover.incidents import Rules
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.service_ports import ServicePorts
    from longshore.recover.service_reasons import EndReason
    from longshore.recover.services import Service
    from longshore.recover.troubles import Limit, Trouble
    from longshore.tasks import Task

_TRIES = 5
_STEADY = "steady"
_ASKS = {Remedy.REDEPLOY: "heal", Remedy.ROLLBACK: "rollback"}
"""What redeploy is asked for; its reasons, see `decisions`."""
_ASKED_FOR = {
    Remedy.REDEPLOY.value: Care(Remedy.REDEPLOY, CareReason.HEAL),
    Remedy.ROLLBACK.value: Care(Remedy.ROLLBACK, CareReason.ROLLBACK),
}
_REPEATED = ("workload_name", "family", "cluster", "task_definition", "class", "name", "team", "channel")
"""Members of what was told that its end repeats."""
_KEPT = (*_REPEATED, "deployment")
"""Members of what was told that are kept: what redeploy is asked with is among them."""


class Caretaker:
    """Tells troubles of services, has them mended where that is allowed, and tells their ends."""

    def __init__(self, ports: Ports, care: ServicePorts, rules: Rules, policy: CrashLoopPolicy) -> None:
        self._tasks = ports.tasks
        self._services = care.services
        self._troubles = care.troubles
        self._postponer = ports.postponer
        self._switches = ports.switches
        self._clock = ports.clock
        self._teller = Teller(ports)
        self._mode = rules.mode
        self._policy = policy

    def allowed(self, care: Care, service: Service, definition_tags: Mapping[str, str]) -> Care:
        """What may be done of what a trouble asks for."""
        paused = care.acts and self._switches.paused() is not None
        return allowed(care, service, definition_tags, self._mode, paused=paused)

    def keep(self, trouble: Trouble, change: Callable[[Trouble], Trouble]) -> Trouble:
        """Writes what a change makes of a trouble, whoever else writes. Raises ConflictError when others keep on."""
        for left in reversed(range(_TRIES)):
            after = change(trouble)
            if after == trouble:
                break
            try:
                return self._troubles.save(after)
            except ConflictError:
                if not left:
                    raise
                trouble = self._troubles.get(trouble.subject, trouble.key)
        return trouble

    def open(
        self,
        message: Message,
        trouble: Trouble,
        limit: Limit,
        care: Care,
        detail: Mapping[str, Any],
        act: Callable[[], list[Outcome]] | None = None,
    ) -> list[Outcome]:
        """Tells a trouble, records that, and acts: asks redeploy for the remedy, or does what `act` does instead.

        One that is open is told again only when something else is done about it than was told.
        """
        arn, now = trouble.subject, self._clock.now()
        told = {**detail, "mode": self._mode.value, "next": {"what": care.remedy.value, "why": care.reason.meaning}}
        if care.would is not None:
            told["would"] = care.would.value
        kind = Kind.CRASH_LOOP_OPENED
        outcome = Outcome(care.remedy.value, care.reason.value, message.correlation, arn, kind, told)
        outcomes = [] if trouble.is_open and trouble.why == care.reason.value else self._teller.tell(outcome)
        kept = {name: told[name] for name in _KEPT if name in told}
        opened = trouble.begun(now, limit, kept, care.reason.value)
        if care.acts:
            acted, asking = (now, None) if act else (None, now)
            opened = replace(opened, acted=acted, asking=asking, act=care.remedy.value)
        mine = self.claimed(trouble, opened)
        if mine is None or not care.acts:
            return outcomes
        return outcomes + (act() if act else self._ask(message, mine))

    def claimed(self, before: Trouble, opened: Trouble) -> Trouble | None:
        """The trouble, recorded so, or None when somebody else told it or acted first; signs of others are kept."""
        for left in reversed(range(_TRIES)):
            try:
                return self._troubles.save(opened)
            except ConflictError:
                if not left:
                    raise
                now = self._troubles.get(before.subject, before.key)
                if _decided(now) != _decided(before):
                    return None
                for sign in opened.signs:
                    now = now.with_sign(sign, timedelta.max)
                opened = replace(opened, signs=now.signs, version=now.version)
        return None

    def _ask(self, message: Message, trouble: Trouble) -> list[Outcome]:
        """Asks redeploy, the one writer of services (design 3), and records that it was asked."""
        remedy = Remedy(trouble.act)
        members = {name: trouble.told.get(name, "") for name in ("class", "task_definition", "deployment")}
        kind = Kind.REDEPLOY_REQUESTED
        asked = Outcome(remedy.value, _ASKS[remedy], message.correlation, trouble.subject, kind, members)
        try:
            outcomes = self._teller.tell(asked)
        except TransientError:  # the bus did not take it: whoever comes next may ask
            self.keep(trouble, lambda each: replace(each, asking=None))
            raise
        now = self._clock.now()
        self.keep(trouble, lambda each: replace(each, acted=now, asking=None))
        return outcomes

    def _ask_again(self, message: Message, trouble: Trouble, service: Service | None) -> list[Outcome]:
        """Asks for what was decided and perhaps never asked for, if it is still allowed, for the same deployment."""
        if service is None or service.deployment != trouble.told.get("deployment"):
            return []
        try:
            _, tags = self._tasks.definition(str(trouble.told.get("task_definition", "")))
        except GoneError:
            return []
        if not self.allowed(_ASKED_FOR[trouble.act], service, tags).acts:
            return []
        mine = self.claimed(trouble, replace(trouble, asking=self._clock.now()))
        return self._ask(message, mine) if mine else []

    def steady(self, message: Message, service: str) -> list[Outcome]:
        """ECS told that a service is steady, or changed its deployment: what is over is told to be."""
        known = [each for each in self._troubles.of(service) if each.is_open and not each.key.startswith(STUCK)]
        found = self._services.get(service) if known else None
        return [outcome for each in known for outcome in self._looked_at(message, each, found)]

    def _looked_at(self, message: Message, trouble: Trouble, service: Service | None) -> list[Outcome]:
        now = self._clock.now()
        reason = over(trouble, service, self._policy, now, told=True)
        if reason is not None:
            return self.end(message, trouble, reason)
        settled = (trouble.last or now) + settling(trouble)
        if service is not None and service.steady and settled > now and message.waited(_STEADY) is None:
            self._postponer.postpone(message.deferred(settled, _STEADY, now), settled)
        return []

    def review(self, message: Message) -> list[Outcome]:
        """Tells the ends that no event told, and asks for what a crash kept from being asked for.

        One service that fails keeps none of the others from it.
        """
        known = [self._troubles.get(*each) for each in self._troubles.open()]
        known = [each for each in known if each.is_open and not each.key.startswith(STUCK)]
        services = self._services.survey(sorted({each.subject for each in known}))
        now, outcomes = self._clock.now(), list[Outcome]()
        for each in known:
            reason = over(each, services.get(each.subject), self._policy, now, told=False)
            if reason is not None:
                outcomes += self.end(message, each, reason)
            elif each.why in _ASKS.values() and undecided(each, now):
                outcomes += self._ask_again(message, each, services.get(each.subject))
        return outcomes

    def end(self, message: Message, trouble: Trouble, reason: EndReason) -> list[Outcome]:
        """Tells that a trouble is over, once, and records it."""
        now = self._clock.now()
        lasted = int((now - trouble.opened).total_seconds()) if trouble.opened else 0
        told = {name: value for name, value in trouble.told.items() if name in _REPEATED}
        detail = {**told, "mode": self._mode.value, "why": reason.meaning, "seconds": lasted}
        kind = Kind.CRASH_LOOP_RESOLVED
        outcome = Outcome("none", reason.value, message.correlation, trouble.subject, kind, detail)
        outcomes = self._teller.tell(outcome)
        self.keep(trouble, lambda each: each.ended(now) if each.is_open else each)
        return outcomes


def _decided(trouble: Trouble) -> tuple[object, ...]:
    """What others may have told or done meanwhile."""
    return trouble.is_open, trouble.acted, trouble.asking, trouble.why


def described(
    service: Service, diagnosis: Diagnosis, task: Task | None = None, definition_tags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The members that tell which service is meant, and what is the matter with it."""
    own, of_definition = (task.tags or {}) if task else {}, definition_tags or {}
    definition = task.definition if task else service.definition
    return {
        "workload_name": service.name,
        "cluster": service.cluster.rpartition("/")[2],
        "family": definition.rpartition("/")[2].rpartition(":")[0],
        "task_definition": definition,
        "owner": diagnosis.owner.value,
        "class": diagnosis.cls,
        "name": diagnosis.name,
        "cause": diagnosis.name,
        "remedy": diagnosis.remedy.value,
        "evidence": list(diagnosis.evidence),
        "hint": diagnosis.hint,
        "deployment": service.deployment,
        **{
            name: service.tags.get(tag) or own.get(tag) or of_definition.get(tag, "")
            for name, tag in (("team", TEAM_TAG), ("channel", CHANNEL_TAG))
        },
    }


def quiet(message: Message, subject: str, reason: str, **detail: Any) -> list[Outcome]:
    """What is only logged."""
    return [Outcome("none", reason, message.correlation, subject, detail=detail)]


__all__: Sequence[str] = ["Caretaker", "described", "quiet"]
