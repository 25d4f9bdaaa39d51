"""The sweep: what events missed is found by looking, at a fraction of any API's rate (design 2, redeploy 8.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import ConflictError, LongshoreError
from longshore.events import PUBLIC_REPOSITORY
from longshore.images import is_artifact_tag
from longshore.outcomes import Outcome
from longshore.places import Place
from longshore.ports import Head
from longshore.redeploy.looks import look_again
from longshore.redeploy.policy import DigestPolicy, PolicyError, parse_policy
from longshore.redeploy.telling import unasked

if TYPE_CHECKING:
    from longshore.events import Event
    from longshore.images import Repository
    from longshore.redeploy.ports import Ports
    from longshore.workloads import Observation, Workload

_JUST_NOW = timedelta(minutes=5)  # a listing may lack what was pushed a moment ago
_PAGE = 25
_PAGE_EVERY = timedelta(seconds=5)
"""Twenty-five task definitions in five seconds are a quarter of what ECS allows (aws.md B5)."""
_REPOSITORIES_A_SECOND = 5
_UNSEEN_TOLD = 10
_WHY = 300
_UNOBSERVED = "unobserved"


class Sweeper:
    """Keeps the index and the heads true. It decides nothing and touches no workload."""

    def __init__(self, ports: Ports) -> None:
        self._discovery = ports.discovery
        self._registry = ports.registry
        self._heads = ports.heads
        self._index = ports.index
        self._postponer = ports.postponer
        self._clock = ports.clock
        self._places = ports.places

    def all(self, event: Event) -> list[Outcome]:
        """Plans a whole sweep: first every repository's heads, then every workload, page by page, spread over time."""
        now = self._clock.now()
        here = Place(event.account, event.region)
        for spoke in self._places.spokes if self._places and self._places.home == here else ():
            self._postponer.postpone(event.message("Sweep Due", {}, now, spoke), now)
        discovery = self._discovery(here)
        tagged = set(discovery.arns())
        arns = sorted(tagged)
        known = list(self._index.all(event.account, event.region))
        hidden = {w.arn: why for w in known if w.arn not in tagged and (why := discovery.unseen(w.arn))}
        for workload in known:
            if workload.arn not in tagged and workload.arn not in hidden:
                self._index.remove(workload.arn)
        followed = {r for w in known if w.arn in tagged or w.arn in hidden for r in w.repositories}
        repositories = sorted(r for r in followed if r.is_public or self._may_list(r, here))
        for place, repository in enumerate(repositories):
            self._look_at(event, repository, timedelta(seconds=place // _REPOSITORIES_A_SECOND))
        start = timedelta(seconds=len(repositories) // _REPOSITORIES_A_SECOND)
        for place in range(0, len(arns), _PAGE):
            message = event.message("Sweep Due", {"workloads": arns[place : place + _PAGE]}, now)
            self._postponer.postpone(message, now + start + _PAGE_EVERY * (place // _PAGE))
        detail: dict[str, Any] = {"workloads": len(arns), "known": len(known)}
        if hidden:
            detail["unseen"] = dict(sorted(hidden.items())[:_UNSEEN_TOLD])
        blind = [unasked(event, platform, why) for platform, why in sorted(discovery.unasked.items())]
        return [Outcome("skip", "swept", event.correlation, detail=detail), *blind]

    def _may_list(self, repository: Repository, here: Place) -> bool:
        """Another registry's tags may not be listed, and raise no events here, unless it is one of the stack's own."""
        return (repository.account, repository.region) in (self._places.all if self._places else (here,))

    def tagged(self, event: Event, arn: str) -> list[Outcome]:
        """A workload's tags changed: it is looked at on its own, and let go if it opted out."""
        now = self._clock.now()
        self._postponer.postpone(event.message("Sweep Due", {"workloads": [arn]}, now), now)
        return [Outcome("skip", "tagged", event.correlation, arn)]

    def workloads(self, arns: Sequence[str], place: Place) -> Sequence[Observation]:
        """Brings the index up to date for some workloads of a place and answers what runs there now."""
        observations = self._discovery(place).survey(arns)
        seen = {observation.workload.arn for observation in observations if observation.workload.policy is not None}
        for arn in arns:
            if arn not in seen:
                self._index.remove(arn)
        for observation in observations:
            workload = observation.workload
            if workload.arn in seen:
                if self._index.get(workload.arn) != workload.remembered:
                    self._first_look(workload)  # before the index knows it, so that a crash repeats it
                self._index.put(workload)
        return [observation for observation in observations if observation.active]

    def one_by_one(self, event: Event, arns: Sequence[str], error: LongshoreError) -> list[Outcome]:
        """What is wrong with one workload of a page, or on its platform, holds up no other."""
        now = self._clock.now()
        for place, arn in enumerate(arns):
            message = event.message("Sweep Due", {"workloads": [arn]}, now)
            self._postponer.postpone(message, now + timedelta(seconds=place))
        detail = {"workloads": len(arns), "why": str(error)[:_WHY]}
        return [Outcome("skip", "one-by-one", event.correlation, detail=detail)]

    def again(self, event: Event, arn: str, error: LongshoreError) -> Outcome | None:
        """One workload whose platform fails is looked at ever more rarely; None when it has failed for an hour."""
        now = self._clock.now()
        until = look_again(event, _UNOBSERVED, now)
        if until is None:
            return None
        self._postponer.postpone(event.deferred(until, _UNOBSERVED, now), until)
        detail = {"until": until.isoformat(), "why": str(error)[:_WHY]}
        return Outcome("wait", _UNOBSERVED, event.correlation, arn, detail=detail)

    def _first_look(self, workload: Workload) -> None:
        """A repository that nobody followed has no heads, or old ones: its pushes were not recorded."""
        for repository in workload.repositories:
            if repository.is_public:
                try:
                    self.repository(repository, [workload])
                except LongshoreError:
                    continue  # whoever follows it is indexed all the same, and the next sweep looks again
            elif (repository.account, repository.region) == (workload.account, workload.region):
                self.repository(repository)
            elif self._may_list(repository, Place(workload.account, workload.region)):
                with suppress(LongshoreError):  # of another place, whose own sweep says what is wrong there
                    self.repository(repository)

    def repository(self, repository: Repository, followers: Collection[Workload] = ()) -> set[str]:
        """Brings a repository's heads up to date; answers the tags whose moves no event told.

        `followers` are further ones than the index knows; only a public repository asks for any.
        """
        now = self._clock.now()
        heads = {head.tag: head for head in self._heads.of(repository)}
        wanted: set[str] = set()
        if repository.is_public:
            wanted.update(heads)
            for workload in (*self._index.runs(repository), *followers):
                wanted.update(_declared(workload, repository))
        missed: set[str] = set()
        gone = {tag for tag, head in heads.items() if head.settles < now - _JUST_NOW}
        for tag, digest, pushed in self._registry.tags(repository, wanted):
            gone.discard(tag)
            known = heads.get(tag)
            if is_artifact_tag(tag):
                continue  # its event was not followed either
            if known and (known.digest == digest or known.settles > now):
                continue
            if heads:
                missed.add(tag)
            moved = now if known else min(pushed, now)
            try:
                self._heads.observe(Head(repository, tag, digest, moved, now, now, source="sweep"), 0)
            except ConflictError:
                continue  # its event came at this very moment
        for tag in gone:
            self._heads.forget(repository, tag)
        return missed

    def _look_at(self, event: Event, repository: Repository, after: timedelta) -> None:
        now = self._clock.now()
        detail = {PUBLIC_REPOSITORY if repository.is_public else "repository-name": repository.name}
        place = None if repository.is_public else Place(repository.account, repository.region)
        self._postponer.postpone(event.message("Sweep Due", detail, now, place), now + after)


def _declared(workload: Workload, repository: Repository) -> Iterator[str]:
    """The tags that a workload says it follows, by its images and by its policy."""
    for reference in workload.followed.values():
        if reference.origin == repository and reference.effective_tag:
            yield reference.effective_tag
    try:
        policy = parse_policy(workload.policy or "", {})
    except PolicyError:
        return  # a profile: what it follows beside the declared tag, a mirror's event tells
    if isinstance(policy, DigestPolicy) and policy.tag:
        yield policy.tag
