"""Refused launches of scheduled tasks: CloudTrail's record is all that there is, ECS raises no event (recover 0.1).

Such a launch becomes a task that never started, under a name of its own, so that it is tried again as any other task
is: exactly once, within the same budgets. What it is launched with is what its schedule or rule says now, for
CloudTrail hides the environment, and for the event may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from longshore.events import Kind
from longshore.recover.evidence import secrets_of, without
from longshore.recover.facts import LaunchRefused
from longshore.recover.hosts import Watch
from longshore.recover.notices import by_hope, refused_launch
from longshore.recover.owner import owner_of
from longshore.recover.refused_tasks import MARK, RefusedLaunch, task_of, unmistakable
from longshore.recover.sources import RULE, SCHEDULE, family_of
from longshore.recover.upkeep import Ruling, Why
from longshore.recover.upkeep_telling import Subject, UpkeepTeller, logged
from longshore.tasks import ROOT_TAG, Task

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.diagnosis import Owner
    from longshore.recover.facts import Fact
    from longshore.recover.hosts import HostPorts
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.refused_tasks import RefusedLog, Unmistakable
    from longshore.recover.replacing import Replacer
    from longshore.settings import Mode

_OUR_TOKEN = re.compile(r"ls-[0-9a-f]{40}", re.ASCII)
_RETRIED = re.compile(r"Throttl|LimitExceeded|TooManyRequests|^Server|ServiceUnavailable|Internal", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


class RefusedLaunches:
    """Takes CloudTrail's records of RunTask."""

    def __init__(self, ports: Ports, under: HostPorts, log: RefusedLog, replacer: Replacer, mode: Mode) -> None:
        self._ports = ports
        self._watches = under.watches
        self._log = log
        self._replacer = replacer
        self._teller = UpkeepTeller(ports.publisher, mode)

    def handle(self, message: Message, fact: Fact) -> list[Outcome]:
        """`AWS API Call via CloudTrail`: a RunTask of a schedule or rule that started nothing, or too little.

        Any other caller has had the answer itself, and what EventBridge tries again by itself is left to it. Raises the
        first error, once every task had its turn.
        """
        if not isinstance(fact, LaunchRefused) or not _ID.fullmatch(fact.request):
            return []
        if _ours(message.detail):
            return logged(message, Ruling(Why.OURS), fact.request)
        if not fact.started_by.startswith((SCHEDULE, RULE)) or _retried(message.detail):
            return logged(message, Ruling(Why.OWNED_ELSEWHERE), fact.request)
        cluster, family = _cluster(message, fact.cluster), family_of(fact.definition)
        found = unmistakable(self._ports.launchers, fact.started_by, cluster, family)
        if found is None:
            return self._unknown(message, fact, cluster, family)
        outcomes: list[Outcome] = []
        errors: list[Exception] = []
        for number in range(_missing(message.detail, found.wanted)):
            launch = _without_secrets(_launch(message, fact, cluster, family, number), found)
            try:
                self._log.put(launch)
                if (task := self._ports.tasks.get(cluster, launch.root)) is not None:
                    incident = self._replacer.incidents.of(message, task)
                    secrets = secrets_of(task, incident.definition)
                    diagnosis = refused_launch(fact.failures, incident.diagnosis.owner, secrets)
                    outcomes += self._replacer.handle(replace(incident, diagnosis=diagnosis))
            except Exception as error:  # whatever it was, the others are not to blame
                errors.append(error)
        if errors:
            raise errors[0]
        return outcomes

    def _unknown(self, message: Message, fact: LaunchRefused, cluster: str, family: str) -> list[Outcome]:
        key = f"refused {fact.request}"
        watch = self._watches.get(key) or Watch(key, self._ports.clock.now())
        if watch.told:
            return logged(message, Ruling(Why.TOLD_BEFORE, Why.LAUNCHER_UNKNOWN), fact.request)
        diagnosis = refused_launch(fact.failures, _owner(fact, cluster))
        root = _root(cluster, fact.request, 0)
        subject = Subject(root, family, cluster.rpartition("/")[2], task=root, family=family)
        ruling = Ruling(Why.LAUNCHER_UNKNOWN)
        outcomes = self._teller.tell(message, Kind.TASK_FAILED, subject, diagnosis, ruling, started_by=fact.started_by)
        self._watches.save(watch._replace(told=ruling.why.value))
        return outcomes


def _launch(message: Message, fact: LaunchRefused, cluster: str, family: str, number: int) -> RefusedLaunch:
    root = _root(cluster, fact.request, number)
    reason = "; ".join(by_hope(fact.failures))[:900]
    return RefusedLaunch(root, cluster, family, fact.started_by, reason, message.time)


def _without_secrets(launch: RefusedLaunch, found: Unmistakable) -> RefusedLaunch:
    """An error may quote what was asked for, and its text is kept."""
    return launch._replace(reason=without(launch.reason, secrets_of(task_of(launch, found), None)))


def _root(cluster: str, request: str, number: int) -> str:
    """A name that no task has: ids of tasks are hexadecimal."""
    base, _, name = cluster.partition(":cluster/")
    return f"{base}:task/{name}/{MARK}{request}-{number}"


def _cluster(message: Message, named: str) -> str:
    """The ARN of a cluster, which a request may name without it; the partition is that of the caller."""
    if named.startswith("arn:"):
        return named
    identity = message.detail.get("userIdentity")
    arn = identity.get("arn") if isinstance(identity, Mapping) else None
    partition = arn.split(":")[1] if isinstance(arn, str) and arn.startswith("arn:") else "aws"
    return f"arn:{partition}:ecs:{message.region}:{message.account}:cluster/{named}"


def _owner(fact: LaunchRefused, cluster: str) -> Owner:
    return owner_of(Task("", cluster, "", "", fact.definition, group=fact.group, started_by=fact.started_by))


def _ours(detail: Mapping[str, Any]) -> bool:
    """Whether Longshore made the request, whose refusal it has been told already."""
    asked = detail.get("requestParameters")
    if not isinstance(asked, Mapping):
        return False
    tags = asked.get("tags")
    keys = {each.get("key") for each in tags if isinstance(each, Mapping)} if isinstance(tags, list) else set()
    return ROOT_TAG in keys or _OUR_TOKEN.fullmatch(str(asked.get("clientToken", ""))) is not None


def _retried(detail: Mapping[str, Any]) -> bool:
    """Whether the error is one of those for which EventBridge and Scheduler call again."""
    return _RETRIED.search(str(detail.get("errorCode") or "")) is not None


def _missing(detail: Mapping[str, Any], wanted: int) -> int:
    """How many of the tasks that were asked for did not start."""
    answer = detail.get("responseElements")
    started = answer.get("tasks") if isinstance(answer, Mapping) else None
    return max(0, wanted - (len(started) if isinstance(started, list) else 0))
