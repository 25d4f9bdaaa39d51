"""Refused launches of scheduled tasks: CloudTrail's record is all that there is, ECS raises no event (recover 0.1).

Such a launch becomes a task that never started, under a name of its own, so that it is tried again as any other task
is: exactly once, within the same budgets. What it is launched with is what its schedule or rule says now, for
CloudTrail hides the environment, and for the event may be anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from longshore.events import Kind
from longshore.recover.facts import LaunchRefused
from longshore.recover.hosts import Watch
from longshore.recover.notices import refused_launch
from longshore.recover.owner import owner_of
from longshore.recover.upkeep import Ruling, Why
from longshore.recover.upkeep_telling import Subject, UpkeepTeller, logged
from longshore.tasks import ROOT_TAG, Task

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.diagnosis import Owner
    from longshore.recover.facts import Fact
    from longshore.recover.hosts import HostPorts
    from longshore.recover.ports import Launch, Launchers, Ports, Tasks
    from longshore.recover.reading import Message
    from longshore.recover.replacing import Replacer
    from longshore.settings import Mode

_MARK = "refused-"
_SCHEDULE, _RULE = "chronos-schedule/", "events-rule/"
_OUR_TOKEN = re.compile(r"ls-[0-9a-f]{40}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_FILLED_IN = "<aws.scheduler."
_MOST = 10  # tasks that one RunTask starts


class RefusedLaunch(NamedTuple):
    """A launch that was refused. `root` stands for the task that it would have made; nothing here is a secret."""

    root: str
    cluster: str
    family: str
    started_by: str
    reason: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """What the ledger keeps."""
        return {**self._asdict(), "at": self.at.isoformat()}

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> RefusedLaunch:
        """What `as_json` made; members that are not known here are ignored."""
        known = {name: kept[name] for name in cls._fields}
        return cls(**{**known, "at": datetime.fromisoformat(kept["at"])})


class RefusedLog(Protocol):
    """Refused launches, by the task that each would have made."""

    def get(self, root: str) -> RefusedLaunch | None:
        """One of them."""
        ...

    def put(self, launch: RefusedLaunch) -> None:
        """Records one; again changes nothing."""
        ...


class Unmistakable(NamedTuple):
    """The one target that starts tasks of a family in a cluster, with its overrides; never kept (design 4)."""

    parameters: Mapping[str, Any]
    overrides: Mapping[str, Any]

    @property
    def count(self) -> int:
        """How many tasks it starts."""
        return max(1, min(_MOST, int(self.parameters.get("TaskCount") or 1)))


class TasksWithRefused:
    """`ports.Tasks`, to which a refused launch is a task that stopped before it started."""

    def __init__(self, tasks: Tasks, log: RefusedLog, launchers: Launchers) -> None:
        self._tasks = tasks
        self._log = log
        self._launchers = launchers

    def get(self, cluster: str, arn: str) -> Task | None:
        """See `ports.Tasks.get`; a refused launch is gone when what was to start it is."""
        if not is_refused(arn):
            return self._tasks.get(cluster, arn)
        launch = self._log.get(arn)
        found = unmistakable(self._launchers, launch.started_by, launch.cluster, launch.family) if launch else None
        return task_of(launch, found) if launch and found and launch.cluster == cluster else None

    def survey(self, cluster: str, arns: Sequence[str]) -> Sequence[Task]:
        """See `ports.Tasks.survey`."""
        return self._tasks.survey(cluster, arns)

    def of_family(self, cluster: str, family: str) -> Sequence[Task]:
        """See `ports.Tasks.of_family`."""
        return self._tasks.of_family(cluster, family)

    def host(self, cluster: str, container_instance: str) -> str:
        """See `ports.Tasks.host`."""
        return self._tasks.host(cluster, container_instance)

    def definition(self, arn: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """See `ports.Tasks.definition`."""
        return self._tasks.definition(arn)

    def launch(self, request: Mapping[str, Any]) -> Launch:
        """See `ports.Tasks.launch`."""
        return self._tasks.launch(request)

    def stop(self, cluster: str, arn: str, reason: str) -> None:
        """See `ports.Tasks.stop`."""
        self._tasks.stop(cluster, arn, reason)


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

        Any other caller has had the answer itself. Raises the first error, once every task had its turn.
        """
        if not isinstance(fact, LaunchRefused) or not _ID.fullmatch(fact.request):
            return []
        if _ours(message.detail):
            return logged(message, Ruling(Why.OURS), fact.request)
        if not fact.started_by.startswith((_SCHEDULE, _RULE)):
            return logged(message, Ruling(Why.OWNED_ELSEWHERE), fact.request)
        cluster, family = _cluster(message, fact.cluster), _family(fact.definition)
        found = unmistakable(self._ports.launchers, fact.started_by, cluster, family)
        if found is None:
            return self._unknown(message, fact, cluster, family)
        outcomes: list[Outcome] = []
        errors: list[Exception] = []
        for number in range(_missing(message.detail, found.count)):
            launch = _launch(message, fact, cluster, family, number)
            try:
                self._log.put(launch)
                if (task := self._ports.tasks.get(cluster, launch.root)) is not None:
                    outcomes += self._replacer.handle(self._replacer.incidents.of(message, task))
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
        diagnosis = refused_launch("; ".join(fact.failures), _owner(fact, cluster))
        root = _root(cluster, fact.request, 0)
        subject = Subject(root, family, cluster.rpartition("/")[2], task=root, family=family)
        ruling = Ruling(Why.LAUNCHER_UNKNOWN)
        outcomes = self._teller.tell(message, Kind.TASK_FAILED, subject, diagnosis, ruling, started_by=fact.started_by)
        self._watches.save(watch._replace(told=ruling.why.value))
        return outcomes


def is_refused(arn: str) -> bool:
    """Whether an ARN stands for a launch that was refused."""
    return arn.rpartition("/")[2].startswith(_MARK)


def unmistakable(launchers: Launchers, started_by: str, cluster: str, family: str) -> Unmistakable | None:
    """What a schedule or rule starts, where that is one thing, and the same each time; else None."""
    targets: Sequence[Mapping[str, Any]] = ()
    if started_by.startswith(_SCHEDULE):
        targets = launchers.schedules(started_by.removeprefix(_SCHEDULE))
    elif started_by.startswith(_RULE):
        targets = launchers.rules(started_by.removeprefix(_RULE))
    fitting = [each for each in targets if _fits(each, cluster, family)]
    if len(fitting) != 1:
        return None
    overrides = _overrides(fitting[0])
    return None if overrides is None else Unmistakable(fitting[0]["EcsParameters"], overrides)


def task_of(launch: RefusedLaunch, found: Unmistakable) -> Task:
    """The task that a refused launch would have made, stopped before it started."""
    parts = launch.root.split(":")
    parameters = found.parameters
    definition = str(parameters["TaskDefinitionArn"])
    return Task(
        arn=launch.root,
        cluster=launch.cluster,
        account=parts[4],
        region=parts[3],
        definition=definition,
        group=str(parameters.get("Group") or f"family:{launch.family}"),
        started_by=launch.started_by,
        last_status="STOPPED",
        desired_status="STOPPED",
        stop_code="TaskFailedToStart",
        stopped_reason=f"TaskFailedToStart: {launch.reason}"[:1000],
        launch_type=str(parameters.get("LaunchType") or ""),
        platform_version=str(parameters.get("PlatformVersion") or ""),
        enable_execute_command=bool(parameters.get("EnableExecuteCommand")),
        created=launch.at,
        stopped=launch.at,
        tags={},
        overrides=found.overrides,
    )


def with_refused(ports: Ports, log: RefusedLog) -> Ports:
    """Ports to which refused launches are tasks: everything that goes on with a recovery must have these."""
    return replace(ports, tasks=TasksWithRefused(ports.tasks, log, ports.launchers))


def _launch(message: Message, fact: LaunchRefused, cluster: str, family: str, number: int) -> RefusedLaunch:
    root = _root(cluster, fact.request, number)
    return RefusedLaunch(root, cluster, family, fact.started_by, "; ".join(fact.failures)[:900], message.time)


def _root(cluster: str, request: str, number: int) -> str:
    """A name that no task has: ids of tasks are hexadecimal."""
    base, _, name = cluster.partition(":cluster/")
    return f"{base}:task/{name}/{_MARK}{request}-{number}"


def _cluster(message: Message, named: str) -> str:
    """The ARN of a cluster, which a request may name without it; the partition is that of the caller."""
    if named.startswith("arn:"):
        return named
    identity = message.detail.get("userIdentity")
    arn = identity.get("arn") if isinstance(identity, Mapping) else None
    partition = arn.split(":")[1] if isinstance(arn, str) and arn.startswith("arn:") else "aws"
    return f"arn:{partition}:ecs:{message.region}:{message.account}:cluster/{named}"


def _family(definition: str) -> str:
    return definition.rpartition("/")[2].partition(":")[0]


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


def _missing(detail: Mapping[str, Any], wanted: int) -> int:
    """How many of the tasks that were asked for did not start."""
    answer = detail.get("responseElements")
    started = answer.get("tasks") if isinstance(answer, Mapping) else None
    return max(0, wanted - (len(started) if isinstance(started, list) else 0))


def _fits(target: Mapping[str, Any], cluster: str, family: str) -> bool:
    named = str(target.get("EcsParameters", {}).get("TaskDefinitionArn", ""))
    return target.get("Arn") == cluster and _family(named) == family


def _overrides(target: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The overrides that a target gives; None where they are made anew each time, so that they cannot be known."""
    text = target.get("Input")
    if target.get("InputTransformer") or target.get("InputPath") or (text and _FILLED_IN in text):
        return None
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
