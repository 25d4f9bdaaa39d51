"""ECS tasks that EventBridge rules and schedules start: what their targets pin, and how the first run of it ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.aws.ecs_definitions import human_tags, required_platforms
from longshore.aws.errors import aws_errors
from longshore.decisions import Reason
from longshore.errors import GoneError, UnsupportedError
from longshore.workloads import Action, Observation, Refusal, Rollout, RolloutStatus, Workload, WorkloadId

if TYPE_CHECKING:
    from longshore.aws.ecs_definitions import TaskDefinitions
    from longshore.images import Digest
    from longshore.ports import Clock
    from longshore.workloads import Plan

Target = Mapping[str, Any]
"""A target of a rule or a schedule as its service describes it: both spell `Arn`, `RoleArn` and `EcsParameters`."""

_TASKS = 100  # DescribeTasks takes at most a hundred
_CUT = 36
"""A `startedBy` of exactly this length may be cut off: that was once the longest."""
_NOTHING = Refusal(Reason.UNSUPPORTED_PLATFORM, "none of its targets starts an ECS task")
_UNPINNED = Refusal(
    Reason.REVISION_NOT_PINNED, "its target names a family, so that each run takes the newest revision by itself"
)
_IMAGES_FAULT = ("CannotPullContainer", "CannotStartContainer", "CannotCreateContainer", "CannotInspectContainer")
"""Errors of tasks that never started which the image is to blame for (aws B1); networks and secrets are not."""


class Pinned(NamedTuple):
    """A revision that targets pin. `prefix` tells its containers from those of other revisions, if there are any."""

    definition: str
    prefix: str
    targets: tuple[Target, ...]

    @property
    def revision(self) -> str:
        """``family:revision``."""
        return self.definition.rpartition("/")[2]


class ScheduledTasks:
    """What is the same whoever starts the tasks. The id of a deployment is ``<revisions>@<when, in epoch seconds>``."""

    def __init__(
        self,
        ecs: Any,
        definitions: TaskDefinitions,
        clock: Clock,
        recall: Callable[[Observation], Observation] | None = None,
    ) -> None:
        """`recall` adds to an observation what the ledger knows of it, where no run tells what a tag stood for."""
        self._ecs = ecs
        self._definitions = definitions
        self._clock = clock
        self._recall = recall or (lambda observation: observation)

    def observe(
        self, id: WorkloadId, started_by: str, targets: Sequence[Target], tags: Mapping[str, str]
    ) -> Observation:
        """DescribeTaskDefinition once per revision; what a tag stood for, only the tasks of the last hour tell."""
        pinned = pinned_by(targets)
        images: dict[str, str] = {}
        called: dict[str, str] = {}
        platforms: set[str] = set()
        roles = dict.fromkeys(str(t["RoleArn"]) for each in pinned for t in each.targets if t.get("RoleArn"))
        made: list[datetime] = []
        for each in pinned:
            definition, its_tags = self._definitions.get(each.definition)
            containers = definition["containerDefinitions"]
            images |= {each.prefix + c["name"]: c["image"] for c in containers if c.get("image")}
            called |= {each.prefix + name: tag for name, tag in human_tags(definition, its_tags).items()}
            for target in each.targets:
                platforms |= required_platforms(_launch(target), definition)
            roles |= {str(definition[k]): None for k in ("taskRoleArn", "executionRoleArn") if definition.get(k)}
            made.append(definition["registeredAt"])
        workload = Workload(
            arn=id.arn,
            platform=id.platform,
            account=id.account,
            region=id.region,
            cluster=_cluster(pinned),
            name=id.label,
            tags=tags,
            images=images,
            task_definition=" ".join(each.definition for each in pinned),
        )
        seen = Observation(
            workload=workload,
            running=self._running(workload, started_by, pinned),
            human_tags=called,
            platforms=frozenset(platforms),
            roles=tuple(roles),
            desired=1,
            steady=True,
            refusal=None if pinned else (_UNPINNED if any(map(_family, targets)) else _NOTHING),
            revision=fingerprint(targets),
            since=max(made, default=None),
        )
        return self._recall(seen)

    def _running(self, workload: Workload, started_by: str, pinned: Sequence[Pinned]) -> Mapping[str, Digest]:
        """The digests that are written, and for tags those of the newest run."""
        written = {name: image.partition("@")[2] for name, image in workload.images.items() if "@" in image}
        if workload.followed.keys() <= written.keys():
            return written
        seen: dict[str, Digest] = {}
        for each, run in self._runs(started_by, pinned):
            seen |= _digests(each, run)
        return {**seen, **written}

    def revised(
        self, observation: Observation, plan: Plan, targets: Sequence[Target], *, resumed: bool
    ) -> list[dict[str, Any]]:
        """The targets that a plan moves, each with nothing but another revision; none where tags are resolved anew.

        A run takes up what its tag names by then, so that a refresh has nothing to write.
        """
        if not plan.changes:
            raise UnsupportedError("each run is started anew, so there is nothing to deploy again")
        if plan.action is Action.REFRESH:
            return []
        moved: list[dict[str, Any]] = []
        for each in pinned_by(targets):
            changes = tuple(
                replace(change, container=change.container.removeprefix(each.prefix))
                for change in plan.changes
                if change.container.startswith(each.prefix)
            )
            if changes:
                workload = replace(observation.workload, task_definition=each.definition)
                called = {
                    name.removeprefix(each.prefix): tag
                    for name, tag in observation.human_tags.items()
                    if name.startswith(each.prefix)
                }
                base = replace(observation, workload=workload, human_tags=called)
                revision = self._definitions.revised(base, replace(plan, changes=changes), resumed=resumed)
                moved += [with_definition(target, revision) for target in each.targets]
        return moved

    def begun(self, targets: Sequence[Target]) -> str:
        """The id of the deployment that these targets are from now on."""
        return _id(pinned_by(targets), self._clock.now())

    def find(self, targets: Sequence[Target], since: datetime) -> str | None:
        """The deployment of a revision that was registered since, with a second of grace for rounded times."""
        pinned = pinned_by(targets)
        made = [self._definitions.get(each.definition)[0]["registeredAt"] for each in pinned]
        recent = made and max(made) >= since - timedelta(seconds=1)
        return _id(pinned, since) if recent else None

    def rollout(self, id: str, started_by: str, targets: Sequence[Target]) -> Rollout:
        """How the first run of each revision ended."""
        pinned = pinned_by(targets)
        revisions, _, began = id.partition("@")
        if not began.isdecimal():
            return Rollout(id, RolloutStatus.GONE, "no deployment has such an id")
        if revisions != _revisions(pinned):
            return Rollout(id, RolloutStatus.REPLACED, "its target names another revision")
        since = datetime.fromtimestamp(int(began), UTC)
        runs = [(each, run) for each, run in self._runs(started_by, pinned) if run["createdAt"] >= since]
        proven: dict[str, Digest] = {}
        waiting = {each.definition for each in pinned}
        for each, run in runs:
            if each.definition in waiting and (why := _failure(run)) is not None:
                if why:
                    return Rollout(id, RolloutStatus.FAILED, why)
                waiting.discard(each.definition)
                proven |= _digests(each, run)
        if waiting:
            why = "no run of it has ended yet" if runs else "nothing has started it yet"
            return Rollout(id, RolloutStatus.WAITING, why)
        return Rollout(id, RolloutStatus.SUCCEEDED, digests=proven)

    def _runs(self, started_by: str, pinned: Sequence[Pinned]) -> list[tuple[Pinned, Mapping[str, Any]]]:
        """The tasks that were started so of these revisions, the oldest first; ECS keeps a stopped one for an hour."""
        by_definition = {each.definition: each for each in pinned}
        places = {(str(t["Arn"]), each.revision.partition(":")[0]) for each in pinned for t in each.targets}
        found = []
        for cluster, family in sorted(places):
            for task in self._tasks(cluster, family):
                each = by_definition.get(task["taskDefinitionArn"])
                if each and _is(started_by, task.get("startedBy", "")):
                    found.append((each, task))
        return sorted(found, key=lambda run: run[1]["createdAt"])

    def _tasks(self, cluster: str, family: str) -> Sequence[Mapping[str, Any]]:
        """Those of one family; where the cluster was deleted none are started, and whoever names it is still there."""
        lister = self._ecs.get_paginator("list_tasks")
        arns: list[str] = []
        found: list[Mapping[str, Any]] = []
        try:
            with aws_errors(gone=("ClusterNotFoundException",)):
                for status in ("RUNNING", "STOPPED"):
                    for page in lister.paginate(cluster=cluster, family=family, desiredStatus=status):
                        arns += page["taskArns"]
                for some in _slices(arns, _TASKS):
                    found += self._ecs.describe_tasks(cluster=cluster, tasks=some)["tasks"]
        except GoneError:
            return []
        return found


def pinned_by(targets: Iterable[Target]) -> list[Pinned]:
    """The revisions that targets pin, in the order of their ARNs."""
    by_definition: dict[str, list[Target]] = {}
    for target in targets:
        definition = str((target.get("EcsParameters") or {}).get("TaskDefinitionArn", ""))
        if definition.rpartition("/")[2].partition(":")[2].isdecimal():
            by_definition.setdefault(definition, []).append(target)
    several = len(by_definition) > 1
    return [
        Pinned(definition, f"{min(str(t.get('Id', '')) for t in those)}/" if several else "", tuple(those))
        for definition, those in sorted(by_definition.items())
    ]


def with_definition(target: Target, definition: str) -> dict[str, Any]:
    """The same target for another revision, and nothing else."""
    return {**target, "EcsParameters": {**target["EcsParameters"], "TaskDefinitionArn": definition}}


def fingerprint(described: Any) -> str:
    """What is compared right before a write, and after it: neither service has conditional writes."""
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


def _family(target: Target) -> bool:
    return bool((target.get("EcsParameters") or {}).get("TaskDefinitionArn"))


def _cluster(pinned: Iterable[Pinned]) -> str:
    names = {str(target["Arn"]).rpartition("/")[2] for each in pinned for target in each.targets}
    return names.pop() if len(names) == 1 else ""


def _launch(target: Target) -> Mapping[str, Any]:
    """Where a target's tasks run, in the members of a service."""
    stated = target["EcsParameters"]
    return {
        "launchType": stated.get("LaunchType"),
        "capacityProviderStrategy": stated.get("CapacityProviderStrategy"),
    }


def _revisions(pinned: Iterable[Pinned]) -> str:
    return ",".join(each.revision for each in pinned)


def _id(pinned: Iterable[Pinned], when: datetime) -> str:
    return f"{_revisions(pinned)}@{int(when.timestamp())}"


def _is(started_by: str, found: str) -> bool:
    return found == started_by or (len(found) == _CUT and started_by.startswith(found))


def _digests(each: Pinned, task: Mapping[str, Any]) -> Mapping[str, Digest]:
    containers = (c for c in task.get("containers", ()) if c.get("imageDigest"))
    return {each.prefix + c["name"]: c["imageDigest"] for c in containers}


def _failure(task: Mapping[str, Any]) -> str | None:
    """Why a run failed if the image may be to blame; empty when it ended well, None when it says nothing (yet)."""
    if task.get("lastStatus") != "STOPPED":
        return None
    stopped, reason = task.get("stopCode"), str(task.get("stoppedReason", ""))
    said = [reason, *(str(c.get("reason", "")) for c in task.get("containers", ()))]
    if stopped == "TaskFailedToStart":
        return next((text for text in said if text.startswith(_IMAGES_FAULT)), None)
    if stopped != "EssentialContainerExited":
        return None
    codes = {c["name"]: c["exitCode"] for c in task.get("containers", ()) if c.get("exitCode")}
    return ", ".join(f"container {name} exited with {code}" for name, code in sorted(codes.items()))


def _slices(items: Collection[str], size: int) -> Iterator[list[str]]:
    listed = list(items)
    return (listed[start : start + size] for start in range(0, len(listed), size))
