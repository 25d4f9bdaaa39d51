"""The decision about what Fargate is going to retire: pure, from what ECS says of it now (recover 5 O5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from longshore.recover.diagnosis import Diagnosis, Owner, Remedy
from longshore.recover.hosts import Service, opted
from longshore.recover.notices import of_retirement
from longshore.recover.owner import owner_of
from longshore.recover.upkeep import Measure, Ruling, Why
from longshore.settings import Mode
from longshore.tasks import RETRY_TAG, Task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_NAME = r"[A-Za-z0-9_-]{1,255}"
_PAIR = re.compile(rf"\s*(?P<cluster>{_NAME})\s*[|/]\s*(?P<name>{_NAME})\s*", re.ASCII)
_ARN = re.compile(
    rf"arn:aws[a-z-]*:ecs:(?P<region>[a-z0-9-]{{4,32}}):(?P<account>\d{{12}})"
    rf":(?P<kind>task|service)/(?P<cluster>{_NAME})/(?P<name>{_NAME})",
    re.ASCII,
)


class Thing(NamedTuple):
    """What is retired: a task, or the tasks of a service. `cluster` is an ARN, `name` the id or the service's name."""

    arn: str
    cluster: str
    name: str
    is_task: bool

    @property
    def subject(self) -> str:
        """What people call it."""
        return f"{self.cluster.rpartition('/')[2]}/{self.name}"


class Facts(NamedTuple):
    """All that a decision rests on but the mode: of a service, or of a task with the tags of its definition.

    `announced` is when its retirement was announced.
    """

    service: Service | None = None
    task: Task | None = None
    tags: Mapping[str, str] = {}
    announced: datetime | None = None
    paused: bool = False


def parse_thing(text: str, account: str, region: str, partition: str = "aws") -> Thing | None:
    """What an entity of AWS Health names: an ARN, ``cluster | service`` or ``cluster/service``. None for all else."""
    if text.startswith("arn:"):
        match = _ARN.fullmatch(text)
        if match is None or (match["account"], match["region"]) != (account, region):
            return None
        cluster = f"{text.split(':' + match['kind'] + '/', maxsplit=1)[0]}:cluster/{match['cluster']}"
        return Thing(text, cluster, match["name"], match["kind"] == "task")
    match = _PAIR.fullmatch(text)
    if match is None:
        return None
    base = f"arn:{partition}:ecs:{region}:{account}"
    arn = f"{base}:service/{match['cluster']}/{match['name']}"
    return Thing(arn, f"{base}:cluster/{match['cluster']}", match["name"], is_task=False)


def decide(facts: Facts, mode: Mode) -> Ruling:
    """What is done about something that is going to be retired."""
    why = _of_task(facts) if facts.service is None else _of_service(facts, facts.service)
    if why.measure not in (Measure.REDEPLOY, Measure.REPLACE):
        return Ruling(why)
    if opted(facts.tags, facts.service.tags if facts.service else {}) != "auto":
        return Ruling(Why.NOT_OPTED_IN, why)
    if mode is not Mode.AUTO:
        return Ruling(Why.OBSERVE_ONLY, why)
    return Ruling(Why.PAUSED if facts.paused else why)


def _of_service(facts: Facts, service: Service) -> Why:
    if not service.active:
        return Why.GONE
    if opted(facts.tags, service.tags) == "off":
        return Why.SILENCED
    if service.controller != "ECS":
        return Why.OWNED_ELSEWHERE
    if facts.announced and service.deployed and service.deployed > facts.announced:
        return Why.MOVED_ALREADY
    return Why.RETIREMENT


def _of_task(facts: Facts) -> Why:
    if facts.task is None or facts.task.final:
        return Why.GONE
    if opted(facts.tags) == "off":
        return Why.SILENCED
    if not owner_of(facts.task, None, facts.task.tags).nobody:
        return Why.OWNED_ELSEWHERE
    return Why.IDEMPOTENT if facts.tags.get(RETRY_TAG) == "idempotent" else Why.NOT_IDEMPOTENT


def diagnosis_of(thing: Thing, facts: Facts, at: datetime) -> Diagnosis:
    """The diagnosis of what is retired at a time."""
    evidence = (f"affectedEntities[].entityValue: {thing.arn}", f"startTime: {at.isoformat()}")
    if thing.is_task:
        owner = owner_of(facts.task, None, facts.task.tags) if facts.task else Owner.STANDALONE
        diagnosis = of_retirement(True, owner, facts.tags.get(RETRY_TAG) == "idempotent", evidence)
        return diagnosis if owner.nobody else diagnosis._replace(remedy=Remedy.NOTIFY, reason=Why.OWNED_ELSEWHERE.value)
    ours = facts.service is None or facts.service.controller == "ECS"
    return of_retirement(False, Owner.SERVICE if ours else Owner.CONTROLLER, idempotent=False, evidence=evidence)
