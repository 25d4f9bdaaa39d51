"""Who runs which image: the workloads that Longshore follows, as their platform says now, and Inspector's clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from longshore.errors import AccessDeniedError, EndpointPrivateError
from longshore.scan.ports import Runner
from longshore.workload_ids import PlatformKind

if TYPE_CHECKING:
    from longshore.aws.inspector import Inspector
    from longshore.images import Digest, Repository
    from longshore.ports import Index
    from longshore.redeploy.ports import Discovery, Registry
    from longshore.workloads import Observation, Workload


class WorkloadRunners:
    """See `scan.ports.Runners`. A platform may name an index or the image of it that it pulled: both are known."""

    def __init__(
        self,
        index: Index,
        platform: Callable[[], Discovery],
        registry: Callable[[], Registry],
        inspector: Inspector,
        account: str,
        region: str,
    ) -> None:
        self._index = index
        self._platform = platform
        self._registry = registry
        self._inspector = inspector
        self._place = account, region
        self._children: dict[tuple[Repository, Digest], Sequence[Digest]] = {}

    def of(self, repository: Repository) -> Mapping[Digest, Sequence[Runner]]:
        """One Query of the index, and as many calls as `survey` makes; one more for an image not met before."""
        followers = self._index.runs(repository)
        if not followers:
            return {}
        found: dict[Digest, list[Runner]] = {}
        for observation in self._seen(followers):
            for digest in self._running(observation, repository):
                found.setdefault(digest, []).append(_runner(observation))
        return found

    def _seen(self, followers: Sequence[Workload]) -> Iterator[Observation]:
        """What runs in a Kubernetes cluster that does not let scan in is left out; a report must not wait for it."""
        inside = [each.arn for each in followers if each.platform is PlatformKind.EKS_WORKLOAD]
        if outside := [each.arn for each in followers if each.platform is not PlatformKind.EKS_WORKLOAD]:
            yield from self._platform().survey(outside)
        for arn in inside:
            with suppress(AccessDeniedError, EndpointPrivateError):
                yield from self._platform().survey([arn])

    def clusters(self, repository: Repository, images: Sequence[Digest]) -> Sequence[Runner]:
        """See the port: Inspector's own word."""
        return self._inspector.clusters(repository, images)

    def repositories(self) -> Iterable[Repository]:
        """See the port: from the index alone; of this account and Region, the only registry that is asked."""
        followed = {each for workload in self._index.all(*self._place) for each in workload.repositories}
        return sorted((each for each in followed if self._is_home(each)), key=str)

    def _is_home(self, repository: Repository) -> bool:
        return (repository.account, repository.region) == self._place and not repository.is_public

    def _running(self, observation: Observation, repository: Repository) -> frozenset[Digest]:
        """The digests that stand for what its containers of this repository run."""
        if not observation.active:
            return frozenset()
        followed = observation.workload.followed
        here = [name for name, reference in followed.items() if reference.repository == repository]
        digests = {observation.running[name] for name in here if name in observation.running}
        return frozenset(digests).union(*(self._listed(repository, digest) for digest in digests))

    def _listed(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        """The images of an index; none of an image. A digest never changes what it means, so it is read once."""
        key = repository, digest
        if not self._is_home(repository):
            return ()
        if key not in self._children:
            resolved = self._registry().resolve(repository, digest)
            self._children[key] = tuple(resolved.candidate.platforms.values()) if resolved else ()
        return self._children[key]


def _runner(observation: Observation) -> Runner:
    workload = observation.workload
    subject = workload.subject
    return Runner(
        name=workload.name,
        arn=workload.arn,
        cluster=workload.cluster,
        team=subject.team or "",
        channel=subject.channel or "",
        units=observation.desired,
    )
