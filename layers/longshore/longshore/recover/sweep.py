"""The sweep: what no event tells, and what events were missed, every five minutes and in pages (recover 2.4, W1 to W8).

ECS allows twenty reads of clusters and tasks a second: a message makes some twenty of them, and the next comes five
seconds later (design 1: within a quarter of any API's rate).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.recover.decide import Decision
from longshore.recover.diagnose import case_of
from longshore.recover.facts import Fact, SweepDue
from longshore.recover.isolation import Part, each_apart, told
from longshore.recover.owner import owner_of
from longshore.recover.reading import SWEEP_DUE
from longshore.recover.reasons import Reason, Verdict
from longshore.recover.recovery import RecoveryState
from longshore.recover.stuck import diagnose_missed
from longshore.recover.stuck_tasks import cluster_of_task
from longshore.recover.telling import Incident, Teller, ended
from longshore.recover.unfinished import Unfinished, pages
from longshore.tasks import Task

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.caring import Caretaker
    from longshore.recover.incidents import Rules
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.recording import Recorder
    from longshore.recover.replacing import Replacer
    from longshore.recover.service_ports import ServicePorts
    from longshore.recover.stuck_tasks import StuckTasks

Also = Callable[["Message"], "list[Outcome]"]
"""What else is to be looked at with every sweep."""

_CALLS = 20
_PAUSE = timedelta(seconds=5)
_SURVEYED = 100
_ENDS = 20
_MOST_CLUSTERS = 1000
_DESIRED = ("RUNNING", "STOPPED")
"""Of those that are to be stopped ECS lists, for an hour or so, also those that are: W4 and W5 are among them."""
_EVENT_LATE = timedelta(minutes=2)
"""An event that is younger may still be on its way."""


class Place(NamedTuple):
    """Where a sweep stands: which tasks of the first of its clusters come next, or which recorded one came last."""

    desired: str = _DESIRED[0]
    after: str = ""
    missed: bool = False


class Sweeper:
    """Looks at everything once in a while."""

    def __init__(
        self,
        ports: Ports,
        care: ServicePorts,
        rules: Rules,
        replacer: Replacer,
        recorder: Recorder,
        caretaker: Caretaker,
        stuck: StuckTasks,
        also: Sequence[Also] = (),
    ) -> None:
        self._tasks = ports.tasks
        self._recoveries = ports.recoveries
        self._postponer = ports.postponer
        self._clock = ports.clock
        self._teller = Teller(ports)
        self._inventory = care.inventory
        self._watched = care.watched
        self._machines = care.machines
        self._mode = rules.mode
        self._replacer = replacer
        self._recorder = recorder
        self._stuck = stuck
        self._unfinished = Unfinished(ports, replacer)
        reviews = (("recoveries", self._unfinished.review), ("services", caretaker.review), ("stuck", stuck.review))
        self._first: Sequence[tuple[str, Also]] = (*reviews, *((f"review {n}", each) for n, each in enumerate(also, 1)))

    def handle(self, message: Message, fact: Fact) -> list[Outcome]:
        """One part of a sweep. What fails keeps nothing else from its turn, and is told; the next sweep tries again.

        An error is raised only before the message's sequel is sent, else every receive would send another one.
        """
        if not isinstance(fact, SweepDue):
            return []
        place = _place(message.detail)
        if pages(message):
            return self._unfinished.review(message)
        if place.missed:
            return self._missed(message, place.after)
        if fact.clusters:
            return self._cluster(message, fact.clusters, place)
        parts: list[Part] = [(name, partial(part, message)) for name, part in self._first]
        parts += [("missed", lambda: self._missed(message, "")), ("clusters", lambda: self._clusters(message))]
        return each_apart(message, parts)

    # -- all clusters, page by page ---------------------------------------------------------------------------------

    def _clusters(self, message: Message) -> list[Outcome]:
        found: list[str] = []
        page = self._inventory.clusters("")
        found += page.arns
        while page.next and len(found) < _MOST_CLUSTERS:
            page = self._inventory.clusters(page.next)
            found += page.arns
        return self._cluster(message, tuple(sorted(found)), Place()) if found else []

    def _cluster(self, message: Message, clusters: Sequence[str], place: Place) -> list[Outcome]:
        """Looks at pages of tasks until this message has made its calls; the rest is for the next one."""
        outcomes: list[Outcome] = []
        calls, left, recorded = 0, list(clusters), frozenset(self._watched.all())
        definitions: set[str] = set()
        while left:
            if calls + len(definitions) >= _CALLS:
                self._later(message, {"clusters": left, **_detail(place)})
                break
            calls += 2
            try:
                page = self._inventory.tasks(left[0], place.desired, place.after)
                tasks = self._tasks.survey(left[0], page.arns) if page.arns else []
            except Exception as error:  # whatever it was, the other clusters are not to blame
                outcomes.append(told(message, left[0], error))
                place, left = Place(), left[1:]
                continue
            hosts = sorted({each.container_instance for each in tasks if each.container_instance})
            outcomes += each_apart(message, [(left[0], partial(self._hosted, left[0], hosts))] if hosts else [])
            looks = [(each.arn, partial(self._task, message, each, recorded, definitions)) for each in tasks]
            outcomes += each_apart(message, looks)
            place, left = _following(place, page.next, left)
        return outcomes

    def _hosted(self, cluster: str, instances: Sequence[str]) -> list[Outcome]:
        """So that a notice of EC2, which names no cluster, is not looked for in all of them."""
        self._machines.seen(cluster, instances)
        return []

    def _task(self, message: Message, task: Task, recorded: frozenset[str], definitions: set[str]) -> list[Outcome]:
        """A living task: its launch is recorded if no event told of it, and it is looked at whether it is stuck."""
        if task.final:
            return []
        if task.arn not in recorded and owner_of(task).nobody and task.desired_status != "STOPPED":
            definitions.add(task.definition)
            self._recorder.seen(task)
        return self._stuck.look(message, task)

    def _later(self, message: Message, detail: Mapping[str, Any]) -> None:
        now = self._clock.now()
        self._postponer.postpone(message.message(SWEEP_DUE, detail, now), now + _PAUSE)

    # -- ends that were missed (W8) ---------------------------------------------------------------------------------

    def _missed(self, message: Message, after: str) -> list[Outcome]:
        """Tasks whose launch was recorded and which are over, though nothing came of that."""
        waiting = [arn for arn in sorted(self._watched.all()) if arn > after]
        now, rest = waiting[: _CALLS * _SURVEYED], waiting[_CALLS * _SURVEYED :]
        outcomes: list[Outcome] = []
        for cluster, arns in _batches(now):
            last = self._batch(message, cluster, arns, outcomes)
            if len(outcomes) >= _ENDS:
                self._later(message, {"missed": True, "after": last})
                return outcomes
        if rest:
            self._later(message, {"missed": True, "after": now[-1]})
        return outcomes

    def _batch(self, message: Message, cluster: str, arns: Sequence[str], outcomes: list[Outcome]) -> str:
        """Adds to the outcomes until there are enough for one message. Answers the last that was looked at."""
        try:
            found = {each.arn: each for each in self._tasks.survey(cluster, arns)}
        except Exception as error:  # whatever it was, the other clusters are not to blame
            outcomes.append(told(message, cluster, error))
            return arns[-1]
        for arn in arns:
            outcomes += each_apart(message, [(arn, partial(self._recorded, message, arn, found.get(arn)))])
            if len(outcomes) >= _ENDS:
                return arn
        return arns[-1]

    def _recorded(self, message: Message, arn: str, task: Task | None) -> list[Outcome]:
        if task is None:
            return self._gone(message, arn)
        now = self._clock.now()
        if not task.final or (task.stopped is not None and now < task.stopped + _EVENT_LATE):
            return []
        recovery = self._recoveries.get(self._recoveries.root_of(arn) or arn)
        known = recovery is not None and recovery.state is RecoveryState.OPEN  # the open ones have a turn of their own
        outcomes = [] if known else self._replacer.handle(self._replacer.incidents.of(message, task))
        self._watched.drop(arn)
        return outcomes

    def _gone(self, message: Message, arn: str) -> list[Outcome]:
        """ECS has forgotten it, and with it its overrides: that is told, unless it is known what became of it."""
        root = self._recoveries.root_of(arn) or arn
        recovery = self._recoveries.get(arn) or self._recoveries.get(root)
        if recovery is not None and not recovery.brought_back_by(arn):  # it has been, or is, gone on with
            self._watched.drop(arn)
            return []
        parts = arn.split(":")
        task = Task(arn, cluster_of_task(arn), parts[4], parts[3], "", last_status="STOPPED")
        found = diagnose_missed(case_of(task), "DescribeTasks: MISSING")
        incident = Incident(message, task, arn, found, {}, {}, self._mode.value)
        decision = Decision(Verdict.REFUSE, Reason.TASK_GONE)
        outcomes = ended(incident, decision, incident.failure(found.cls, self._clock.now()))
        self._teller.tell(*outcomes)
        self._watched.drop(arn)
        return outcomes


def _batches(arns: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Tasks of a cluster, a hundred at a time."""
    clusters: dict[str, list[str]] = {}
    for arn in arns:
        clusters.setdefault(cluster_of_task(arn), []).append(arn)
    for cluster, found in clusters.items():
        for start in range(0, len(found), _SURVEYED):
            yield cluster, found[start : start + _SURVEYED]


def _following(place: Place, after: str, clusters: list[str]) -> tuple[Place, list[str]]:
    """What comes after a page: the next one, those that are to be stopped, the next cluster."""
    if after:
        return place._replace(after=after), clusters
    if place.desired == _DESIRED[0]:
        return Place(_DESIRED[1]), clusters
    return Place(), clusters[1:]


def _place(detail: Mapping[str, Any]) -> Place:
    """Where a message of ours says that the sweep stands; anything else is the beginning."""
    after, desired = detail.get("after"), detail.get("desired")
    return Place(
        desired=desired if isinstance(desired, str) and desired in _DESIRED else _DESIRED[0],
        after=after if isinstance(after, str) else "",
        missed=detail.get("missed") is True,
    )


def _detail(place: Place) -> dict[str, Any]:
    return {"desired": place.desired, "after": place.after}
