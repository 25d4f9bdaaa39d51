"""A registry and an ECS-like platform in memory: tests steer their rollouts. Contract tests hold them to the adapters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from longshore.errors import ConflictError, GoneError
from longshore.images import Digest, ImageReference, Repository
from longshore.redeploy.decide import Candidate
from longshore.workloads import (
    POLICY_TAG,
    Action,
    Observation,
    Plan,
    Rollout,
    RolloutStatus,
    Workload,
    WorkloadId,
)

if TYPE_CHECKING:
    from longshore.ports import Clock

ACCOUNT = "123456789012"
REGION = "eu-west-1"
WEB = Repository(ACCOUNT, REGION, "team/web")
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ACTIVE = (RolloutStatus.RUNNING, RolloutStatus.READY, RolloutStatus.ROLLING_BACK)


def digest(seed: str) -> Digest:
    """A digest of its own for every seed."""
    return "sha256:" + hashlib.sha256(seed.encode()).hexdigest()


def image(repository: Repository, tag: str) -> str:
    """A reference as a task definition declares it."""
    return f"{HOST}/{repository.name}:{tag}"


@dataclass(frozen=True, slots=True)
class FakeImage:
    """What the registry knows of one digest."""

    pushed: datetime
    platforms: Mapping[str, Digest] = field(default_factory=dict)
    complete: bool = True
    is_image: bool = True


@dataclass(frozen=True, slots=True)
class FakeResolved:
    """A tag resolved."""

    candidate: Candidate
    is_image: bool


class FakeRegistry:
    """Tags and images of repositories. What is `foreign` is not listed; what is `broken` raises when it is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.repositories: dict[Repository, dict[str, Digest]] = {}
        self.images: dict[Digest, FakeImage] = {}
        self.foreign: set[Repository] = set()
        self.broken: dict[Repository, Exception] = {}

    def push(self, repository: Repository, tag: str, pushed: Digest, **members: Any) -> None:
        """Puts a tag on an image; `members` are those of FakeImage."""
        self.images.setdefault(pushed, FakeImage(self._clock.now(), **members))
        self.repositories.setdefault(repository, {})[tag] = pushed

    def delete(self, repository: Repository, tag: str) -> None:
        """Removes a tag."""
        del self.repositories[repository][tag]

    def complete(self, pushed: Digest) -> None:
        """The rest of an index arrived."""
        self.images[pushed] = replace(self.images[pushed], complete=True)

    def resolve(self, repository: Repository, tag: str) -> FakeResolved | None:
        """What a tag names now, or the image of a digest."""
        self._answer(repository)
        found = tag if tag in self.images else self.repositories.get(repository, {}).get(tag)
        if found is None:
            return None
        known = self.images[found]
        return FakeResolved(Candidate(tag, found, known.platforms, complete=known.complete), known.is_image)

    def tags(self, repository: Repository, known: Collection[str] = ()) -> Iterable[tuple[str, Digest, datetime]]:
        """Every tag with its digest and when that image was pushed; of those `foreign` the known ones alone."""
        self._answer(repository)
        tagged = sorted(self.repositories.get(repository, {}).items())
        if repository in self.foreign:
            return [(tag, found, self._clock.now()) for tag, found in tagged if tag in known]
        return [(tag, found, self.images[found].pushed) for tag, found in tagged]

    def tags_of(self, repository: Repository, digest: Digest) -> Sequence[str]:
        """The tags of one image."""
        return [tag for tag, found in sorted(self.repositories.get(repository, {}).items()) if found == digest]

    def _answer(self, repository: Repository) -> None:
        if repository in self.broken:
            raise self.broken[repository]

    def pull(self, declared: str) -> Digest:
        """What a platform gets for a declared image; any registry beside ECR has every image."""
        reference = ImageReference.parse(declared)
        origin = reference.origin
        if reference.digest or origin is None or (origin.is_public and origin not in self.repositories):
            return reference.digest or digest(declared)
        return self.repositories[origin][str(reference.effective_tag)]


@dataclass(slots=True)
class FakeService:
    """One service: what is observed of it, and every deployment that it had."""

    observation: Observation
    revisions: list[tuple[Mapping[str, str], Mapping[str, str]]]
    rollouts: list[str] = field(default_factory=list)


class FakePlatform:
    """Services that roll when asked, unless `unable`. `changed` hears of each deployment event as ECS would send it."""

    def __init__(self, clock: Clock, registry: FakeRegistry) -> None:
        self._clock = clock
        self._registry = registry
        self.services: dict[str, FakeService] = {}
        self.rollouts: dict[str, Rollout] = {}
        self.created: dict[str, datetime] = {}
        self.applied: list[Plan] = []
        self.stopped: list[str] = []
        self.completed: list[str] = []
        self.observed: list[str] = []
        self.hidden: dict[str, str] = {}
        self.unasked: dict[str, str] = {}
        self.stoppable = True
        self.unable: Exception | None = None
        self.changed: Callable[[str, str], None] = lambda arn, name: None

    # -- what tests do ----------------------------------------------------------------------------------------------

    def create(self, name: str, images: Mapping[str, str], tags: Mapping[str, str], **members: Any) -> str:
        """A service that is steady on what its declared images name now. Its deployment is not announced.

        `arn` may be that of a workload on another platform, which then tells nothing of its deployments.
        """
        arn = str(members.pop("arn", f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/{name}"))
        id = WorkloadId.parse(arn)
        workload = Workload(arn, id.platform, ACCOUNT, REGION, id.cluster, name, tags, dict(images), f"{name}:1")
        members = {"desired": 2, "steady": True, **members}
        self.services[arn] = FakeService(Observation(workload, **members), [(dict(images), {})])
        self._begin(arn)
        self._settle(arn)
        return arn

    def change(self, arn: str, **members: Any) -> None:
        """Changes members of what is observed."""
        self.services[arn].observation = replace(self.services[arn].observation, **members)

    def retag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Replaces the tags of a service."""
        self.change(arn, workload=replace(self.services[arn].observation.workload, tags=dict(tags)))

    def deploy(self, arn: str, **images: str) -> str:
        """A deployment that somebody else begins."""
        service = self.services[arn]
        if images:
            service.revisions.append(({**service.observation.workload.images, **images}, {}))
            self._declare(arn)
        return self._begin(arn)

    def succeed(self, arn: str) -> None:
        """The running deployment ends well."""
        self._settle(arn)
        self._announce(arn, "SERVICE_DEPLOYMENT_COMPLETED")

    def roll_back(self, arn: str, *, announced: bool = True) -> None:
        """The platform takes the running deployment back; without a circuit breaker it sends no event."""
        service, id = self.services[arn], str(self.services[arn].observation.rollout)
        before = len(service.revisions) - 1
        if before:
            service.revisions.append(service.revisions[-2])
        self._declare(arn)
        if before:  # ECS goes back to the very revision
            workload = service.observation.workload
            self.change(arn, workload=replace(workload, task_definition=f"{workload.name}:{before}"))
        self.rollouts[id] = replace(self.rollouts[id], status=RolloutStatus.ROLLED_BACK, reason="circuit breaker")
        self.change(arn, rollout_active=False, steady=True)
        if announced:
            self._announce(arn, "SERVICE_DEPLOYMENT_FAILED")

    def prepare(self, arn: str) -> None:
        """All of the running deployment is ready, and somebody must complete it."""
        id = str(self.services[arn].observation.rollout)
        self.rollouts[id] = replace(self.rollouts[id], status=RolloutStatus.READY)

    def end(self, arn: str, status: RolloutStatus) -> None:
        """The running deployment ends in a state, and the new tasks stay."""
        id = str(self.services[arn].observation.rollout)
        self.rollouts[id] = replace(self.rollouts[id], status=status)
        self.change(arn, rollout_active=False, running=self.rollouts[id].digests)

    def alarm(self, arn: str, *names: str) -> None:
        """Alarms of the newest deployment go off."""
        id = str(self.services[arn].observation.rollout)
        self.rollouts[id] = replace(self.rollouts[id], alarms=names)

    def running(self, arn: str, container: str = "app") -> Digest | None:
        """What one container runs."""
        return self.services[arn].observation.running.get(container)

    def declared(self, arn: str, container: str = "app") -> str:
        """What one container declares."""
        return self.services[arn].observation.workload.images[container]

    # -- the ports --------------------------------------------------------------------------------------------------

    def observe(self, arn: str) -> Observation:
        """What runs now."""
        self.observed.append(arn)
        if arn not in self.services:
            raise GoneError(f"{arn} does not exist")
        return self.services[arn].observation

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """Those of the workloads that exist."""
        return [self.services[arn].observation for arn in arns if arn in self.services]

    def unseen(self, arn: str) -> str:
        """What a test says that discovery cannot look into."""
        return self.hidden.get(arn, "")

    def arns(self) -> Iterable[str]:
        """Every active service with a policy."""
        found = {arn: service.observation for arn, service in self.services.items()}
        return sorted(arn for arn, seen in found.items() if POLICY_TAG in seen.workload.tags and seen.active)

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """Begins a deployment; answers its id."""
        if self.unable:
            raise self.unable
        service = self.services[plan.workload]
        self.applied.append(plan)
        if plan.action is Action.REVISE:
            images = {**observation.workload.images, **{c.container: c.image for c in plan.changes}}
            known = {c: tag for c, tag in observation.human_tags.items() if c not in plan.digests}
            tags = {**known, **{c.container: c.tag for c in plan.changes if "@" in c.image and c.tag}}
            if not (resumed and service.revisions[-1] == (images, tags)):
                service.revisions.append((images, tags))
            self._declare(plan.workload)
        return self._begin(plan.workload)

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The newest deployment begun since."""
        found = [id for id in self.services[arn].rollouts if id != other_than and self.created[id] >= since]
        return found[-1] if found else None

    def rollout(self, arn: str, id: str) -> Rollout:
        """How one deployment stands."""
        return self.rollouts.get(id, Rollout(id, RolloutStatus.GONE))

    def stop(self, arn: str, id: str) -> None:
        """Stops a running deployment; the platform begins to roll it back."""
        if id not in self.rollouts:
            raise GoneError(f"{id} does not exist")
        if not self.stoppable or self.rollouts[id].status is not RolloutStatus.RUNNING:
            raise ConflictError(f"{id} is {self.rollouts[id].status}")
        self.stopped.append(id)
        self.rollouts[id] = replace(self.rollouts[id], status=RolloutStatus.ROLLING_BACK)

    def complete(self, arn: str, id: str) -> None:
        """A deployment that was prepared goes on to its end."""
        self.completed.append(id)
        if self.rollouts[id].status is RolloutStatus.READY:
            self._settle(arn)

    # -- rollouts ---------------------------------------------------------------------------------------------------

    def _declare(self, arn: str) -> None:
        service = self.services[arn]
        images, tags = service.revisions[-1]
        workload = service.observation.workload
        definition = f"{workload.name}:{len(service.revisions)}"
        self.change(arn, workload=replace(workload, images=images, task_definition=definition), human_tags=tags)

    def _begin(self, arn: str) -> str:
        service = self.services[arn]
        before = service.observation.rollout
        if before and self.rollouts[before].status in ACTIVE:
            self.rollouts[before] = replace(self.rollouts[before], status=RolloutStatus.STOPPED, reason="replaced")
        id = f"{arn.replace(':service/', ':service-deployment/')}/{len(service.rollouts) + 1}"
        service.rollouts.append(id)
        digests = {name: self._registry.pull(declared) for name, declared in service.revisions[-1][0].items()}
        self.rollouts[id] = Rollout(id, RolloutStatus.RUNNING, digests=digests)
        self.created[id] = self._clock.now()
        self.change(arn, rollout=id, rollout_active=True, steady=False)
        self._announce(arn, "SERVICE_DEPLOYMENT_IN_PROGRESS")
        return id

    def _announce(self, arn: str, name: str) -> None:
        if not WorkloadId.parse(arn).platform.is_silent:
            self.changed(arn, name)

    def _settle(self, arn: str) -> None:
        id = str(self.services[arn].observation.rollout)
        self.rollouts[id] = replace(self.rollouts[id], status=RolloutStatus.SUCCEEDED)
        self.change(arn, rollout_active=False, steady=True, running=self.rollouts[id].digests)
