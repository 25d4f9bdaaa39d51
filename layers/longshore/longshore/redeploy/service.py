"""Redeploy: what each event leads to. Every path may be repeated: state decides, not the message (redeploy 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.decisions import Reason
from longshore.errors import (
    ConflictError,
    GoneError,
    LongshoreError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from longshore.events import COMPLETE, ImageMoved, Kind, RedeployRequested, ReplicationDue, SweepDue, WorkloadTagged
from longshore.outcomes import Outcome
from longshore.places import Place
from longshore.redeploy.arrivals import Arrivals, UnreachableError
from longshore.redeploy.deciding import Decider, Rules
from longshore.redeploy.replication import Replication
from longshore.redeploy.sweep import Sweeper
from longshore.redeploy.telling import Teller, failed, skipped, unreached
from longshore.workloads import DeploymentStatus, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.events import Event
    from longshore.images import Repository
    from longshore.redeploy.ports import Ports
    from longshore.workloads import Deployment

_ASKED = {reason.value: reason for reason in (Reason.ROLLBACK, Reason.HEAL, Reason.RETIREMENT)}
_TAGS_TOLD = 100
_WHY = 300


class Redeployer:
    """The one writer of workloads (design 3)."""

    def __init__(self, ports: Ports, rules: Rules) -> None:
        self._platform = ports.platform
        self._index = ports.index
        self._records = ports.records
        self._postponer = ports.postponer
        self._clock = ports.clock
        self._teller = Teller(ports)
        self._arrivals = Arrivals(ports)
        self._sweeper = Sweeper(ports)
        self._replication = Replication(ports, self._teller)
        self._places = ports.places
        self._decider = Decider(ports, rules, self._teller)

    def handle(self, event: Event) -> list[Outcome]:
        """Does what an event asks for and answers what came of it. Raises TransientError to be tried again."""
        if event.deferral and self._clock.now() < event.deferral.not_before:
            self._postponer.postpone(event.body, event.deferral.not_before)
            return []
        match event.fact:
            case ImageMoved():
                self._replication.expect(event, event.fact)
                return self._moved(event, event.fact)
            case ReplicationDue():
                return self._replication.look(event, event.fact)
            case RedeployRequested():
                return self._requested(event, event.fact)
            case WorkloadTagged():
                return self._sweeper.tagged(event, event.fact.arn)
            case SweepDue():
                return self._sweep(event, event.fact)
            case _:
                return []

    def _sweep(self, event: Event, due: SweepDue) -> list[Outcome]:
        """A spoke that cannot be looked into is told of; what is known of it stays, and the next sweep looks again."""
        place = Place(event.account, event.region)
        try:
            if due.repository is not None:
                return self._look(event, due.repository)
            if not due.arns:
                return self._sweeper.all(event)
            observations = self._sweeper.workloads(due.arns, place)
        except LongshoreError as error:
            if self._places is None or place == self._places.home:
                return self._unable(event, due.arns, error)
            if due.arns and isinstance(error, TransientError):
                raise  # its queue tries again
            return [unreached(event, str(place), error)]
        return self._decider.observed(event, observations)

    def _unable(self, event: Event, arns: Sequence[str], error: LongshoreError) -> list[Outcome]:
        """What is wrong with one workload of a page holds up no other; what trying again does not mend is told."""
        if not arns or isinstance(error, ThrottledError):
            raise error
        if len(arns) > 1:
            return self._sweeper.one_by_one(event, arns, error)
        if isinstance(error, TransientError) and (later := self._sweeper.again(event, arns[0], error)):
            return [later]
        known = self._index.get(arns[0])
        return self._teller.refuse(event, arns[0], known.subject if known else Subject(), error)

    def _moved(self, event: Event, moved: ImageMoved) -> list[Outcome]:
        followers = self._index.runs(moved.repository)
        if not followers:
            return [skipped(event, moved, Reason.NOT_FOLLOWED)]
        outcomes: list[Outcome] = []
        try:
            arrivals = self._arrivals.of(event, moved)
        except UnreachableError as error:
            for each in followers:
                outcomes += self._teller.tell_unasked(event, each, moved, error)
            return outcomes
        for arrival in arrivals:
            if isinstance(arrival, Reason):
                outcomes.append(skipped(event, moved, arrival))
            else:
                outcomes += self._decider.each(event, followers, arrival)
        return outcomes

    def _requested(self, event: Event, request: RedeployRequested) -> list[Outcome]:
        known = self._index.get(request.arn)
        if request.reason == "stop":
            return self._stop(event, request.arn)
        if request.reason == COMPLETE:
            return self._decider.complete(event, request.arn)
        if known is None:
            return []  # it opted out, or is gone
        if request.reason not in _ASKED:
            return self._decider.each(event, [known])
        try:
            return self._decider.asked(event, known, _ASKED[request.reason])
        except GoneError:
            self._index.remove(request.arn)
        except PermanentError as error:
            return self._teller.refuse(event, request.arn, known.subject, error)
        return []

    def _stop(self, event: Event, arn: str) -> list[Outcome]:
        """Has the platform roll back a deployment that ran out of time; how it ends, the watch sees."""
        deployment = self._records.get(arn).deployment
        if deployment is None or deployment.rollout is None or not self._out_of_time(deployment):
            return []
        try:
            self._platform.stop(arn, deployment.rollout)
        except (ConflictError, GoneError):
            return []  # it ended by itself
        except PermanentError as error:
            return self._teller.tell([failed(event, arn, deployment.plan.subject, error)])
        return []

    def _out_of_time(self, deployment: Deployment) -> bool:
        """The watch asks before it writes, so what it asks for may be seen first."""
        late = deployment.status is DeploymentStatus.STARTED and self._clock.now() >= deployment.deadline
        return late or deployment.status is DeploymentStatus.STOPPING

    def _look(self, event: Event, repository: Repository) -> list[Outcome]:
        """Brings a repository's heads up to date; if events were missed, everyone who follows it is decided on."""
        try:
            missed = self._sweeper.repository(repository)
        except LongshoreError as error:
            if not repository.is_public:
                raise
            return [_unasked(event, repository, error)]
        if not missed:
            return []
        detail = {"repository": str(repository), "tags": sorted(missed)[:_TAGS_TOLD], "count": len(missed)}
        kind = None if repository.is_public else Kind.EVENTS_MISSED  # ECR Public sends none that could be missed
        outcome = Outcome("skip", "swept", event.correlation, kind=kind, detail=detail)
        self._teller.tell([outcome])
        return [outcome, *self._decider.each(event, self._index.runs(repository))]


def _unasked(event: Event, repository: Repository, error: LongshoreError) -> Outcome:
    """A public registry that did not answer the sweep; the next one asks again."""
    reason = Reason.REGISTRY_UNREACHABLE
    detail = {"repository": str(repository), "why": str(error)[:_WHY]}
    return Outcome(reason.verdict.value, reason.value, event.correlation, detail=detail)


__all__ = ["Redeployer", "Rules"]
