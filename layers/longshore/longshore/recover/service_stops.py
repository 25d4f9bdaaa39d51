"""Stopped tasks of services: ECS starts others, so they are counted; a crash loop is told and acted on (recover O1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from longshore.recover.caring import described, quiet
from longshore.recover.crash_loops import (
    LOOP,
    Care,
    CrashLoopPolicy,
    Suspects,
    care_for_loop,
    commonest,
    sign_of,
    stands,
    suspects,
    undecided,
)
from longshore.recover.diagnose import diagnose
from longshore.recover.service_reasons import CareReason
from longshore.recover.services import Service, service_arn
from longshore.recover.troubles import Limit, Trouble, within
from longshore.tasks import RECOVER_TAG

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.caring import Caretaker
    from longshore.recover.diagnosis import Diagnosis
    from longshore.recover.healing import Healer
    from longshore.recover.incidents import Incidents
    from longshore.recover.ports import Ports
    from longshore.recover.service_ports import ServicePorts
    from longshore.recover.telling import Incident

_CLEAN = "clean exit"
_CLEAN_HINT = "Its containers end by themselves with exit code 0; what a service runs is expected to go on running."
_SHOWN_INSTANCES = 5


class ServiceStops:
    """Counts the stops of each deployment of a service, and opens its crash loop."""

    def __init__(
        self,
        ports: Ports,
        care: ServicePorts,
        policy: CrashLoopPolicy,
        incidents: Incidents,
        caretaker: Caretaker,
        healer: Healer,
    ) -> None:
        self._tasks = ports.tasks
        self._clock = ports.clock
        self._services = care.services
        self._troubles = care.troubles
        self._policy = policy
        self._incidents = incidents
        self._caretaker = caretaker
        self._healer = healer

    def handle(self, incident: Incident) -> list[Outcome]:
        """Does what follows from a stopped task of a service."""
        message, task, diagnosis = incident.message, incident.task, incident.diagnosis
        arn, now = service_arn(task), self._clock.now()
        if incident.definition_tags.get(RECOVER_TAG) == "off":
            return quiet(message, arn, "silenced", task=task.arn)
        if not arn or not task.started_by:
            return quiet(message, arn, diagnosis.reason, task=task.arn)
        healed = self._healer.stopped(incident)
        if healed is not None:
            return healed
        sign = sign_of(task, diagnosis, self._policy, now)
        if sign is None:
            return quiet(message, arn, diagnosis.reason, task=task.arn, **{"class": diagnosis.cls})
        if now - sign.at > self._policy.keep:
            return quiet(message, arn, "too-old", task=task.arn)
        known = self._troubles.get(arn, LOOP + task.started_by)
        loop = known.with_sign(sign, self._policy.keep)
        limit, reason = loop.crossed(self._policy.limits, sign), "counted"
        if limit is not None and (loop.may_open(now, self._policy.again) or undecided(loop, now)):
            service = self._services.get(arn)
            if service is not None and service.left_to_breaker and not loop.is_open:
                reason = CareReason.LEFT_TO_BREAKER.value
            elif service is not None and _concerned(service, task.started_by):
                incident = replace(incident, diagnosis=_diagnosed(incident, service))
                care = self._care(incident, loop, limit, service)
                if not stands(loop, care):
                    return self._open(incident, loop, limit, service, care)
        self._caretaker.keep(known, lambda each: each.with_sign(sign, self._policy.keep))
        return quiet(message, arn, reason, task=task.arn, signs=len(loop.fresh), **{"class": diagnosis.cls})

    def _care(self, incident: Incident, loop: Trouble, limit: Limit, service: Service) -> Care:
        blamed = suspects(within(loop.fresh, limit), service)
        others = [each for each in self._troubles.of(loop.subject) if each.key != loop.key]
        care = care_for_loop(loop, service, incident.diagnosis, others, blamed, self._policy, self._clock.now())
        return self._caretaker.allowed(care, service, incident.definition_tags)

    def _open(self, incident: Incident, loop: Trouble, limit: Limit, service: Service, care: Care) -> list[Outcome]:
        incident = self._incidents.with_log(incident)
        if self._incidents.waits_for_log(incident):
            return []
        signs = within(loop.fresh, limit)
        detail = {
            **described(service, incident.diagnosis, incident.task, incident.definition_tags),
            "task": incident.task.arn,
            "zone": incident.task.zone,
            "container": incident.diagnosis.culprit,
            "exit_code": incident.exit_code,
            "count": len(signs),
            "window_seconds": int(limit.within.total_seconds()),
            "classes": dict(commonest(signs)),
            "log": incident.log.members(),
            **self._blame(suspects(signs, service), incident, service),
        }
        return self._caretaker.open(incident.message, loop, limit, care, detail)

    def _blame(self, blamed: Suspects, incident: Incident, service: Service) -> Mapping[str, Any]:
        """What the failures of a daemon service point at: instances by their ids, or the image."""
        if service.described.get("schedulingStrategy") != "DAEMON":
            return {}
        if not blamed.instances:
            return {"suspect": "image"}
        cluster = incident.task.cluster
        hosts = [self._tasks.host(cluster, each) or each for each in blamed.instances[:_SHOWN_INSTANCES]]
        return {"suspect": "instance", "instances": hosts}


def _concerned(service: Service, deployment: str) -> bool:
    """Whether its crashes are trouble: it wants tasks, was not silenced, and nothing newer replaces the deployment."""
    return service.wanted and not service.silenced and deployment == service.deployment


def _diagnosed(incident: Incident, service: Service) -> Diagnosis:
    """The diagnosis with what only the service tells: a daemon, a controller, a deployment that was completed."""
    task = incident.task
    found = diagnose(
        task,
        definition=incident.definition,
        service=service.described,
        tags=task.tags,
        definition_tags=incident.definition_tags,
    )
    return found if found.cls else found._replace(name=_CLEAN, hint=_CLEAN_HINT)
