"""ECS daemons: one task on each instance of their capacity providers, observed, updated and followed (aws.md B4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.ecs_definitions import ecs_tags
from longshore.aws.errors import aws_errors
from longshore.errors import ConflictError, GoneError, PermanentError, UnsupportedError
from longshore.workloads import HUMAN_TAG, POLICY_TAG, Observation, Rollout, RolloutStatus, Workload, WorkloadId

if TYPE_CHECKING:
    from longshore.aws.ecs_daemon_definitions import DaemonDefinitions
    from longshore.images import Digest
    from longshore.ports import Clock
    from longshore.workloads import Plan

_GONE = ("DaemonNotFoundException", "ResourceNotFoundException")
_UNKNOWN = {"UnknownOperationException": UnsupportedError}
"""How an endpoint of AWS's answers that knows no such operation."""

_STATUSES = {
    "PENDING": RolloutStatus.RUNNING,
    "IN_PROGRESS": RolloutStatus.RUNNING,
    "SUCCESSFUL": RolloutStatus.SUCCEEDED,
    "STOP_REQUESTED": RolloutStatus.ROLLING_BACK,  # it goes no further, and starts to roll back
    "STOPPED": RolloutStatus.STOPPED,
    "ROLLBACK_IN_PROGRESS": RolloutStatus.ROLLING_BACK,
    "ROLLBACK_SUCCESSFUL": RolloutStatus.ROLLED_BACK,
    "ROLLBACK_FAILED": RolloutStatus.ROLLBACK_FAILED,
}
_UNDER_WAY = (RolloutStatus.RUNNING, RolloutStatus.ROLLING_BACK)
_WELL = (RolloutStatus.SUCCEEDED, RolloutStatus.ROLLED_BACK)
_ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
_INSTANCES = 100  # DescribeContainerInstances takes at most a hundred
_REMEMBERED = 64
_REVISIONS = 512
_BELIEVED = timedelta(minutes=55)
"""How long the platforms of the instances are believed, for others may join: each hourly sweep asks again."""

_OF_REVISION = ("propagateTags", "enableECSManagedTags", "enableExecuteCommand", "critical")
"""What UpdateDaemon takes and a revision tells."""


class EcsDaemons:
    """The platform and the discovery of daemons. A deployment's id is the ARN of a daemon deployment."""

    def __init__(self, ecs: Any, definitions: DaemonDefinitions, clock: Clock) -> None:
        self._ecs = ecs
        self._definitions = definitions
        self._clock = clock
        self._unseen = ""
        self._known: dict[tuple[str, frozenset[str]], tuple[datetime, frozenset[str]]] = {}
        self._immutable: dict[str, Mapping[str, Any]] = {}

    def observe(self, arn: str) -> Observation:
        """DescribeDaemon, its newest deployment and the tags.

        Revisions and definitions are read once, the platforms of the instances that they run on about once an hour.
        """
        id = WorkloadId.parse(arn)
        with aws_errors(gone=_GONE):
            daemon = self._ecs.describe_daemon(daemonArn=arn)["daemon"]
            tags = ecs_tags(self._ecs.list_tags_for_resource(resourceArn=arn).get("tags"))
        deployment = self._deployment(daemon.get("deploymentArn"))
        current: Sequence[Mapping[str, Any]] = daemon.get("currentRevisions") or []
        served = max(current, key=lambda each: int(each.get("totalRunningCount", 0)), default={}).get("arn", "")
        newest = _declared(deployment) or served
        revisions = self._revisions([each for each in dict.fromkeys((served, newest)) if each])
        declared = revisions.get(newest, {})
        definition = str(declared.get("daemonTaskDefinitionArn") or "")
        images = {each["containerName"]: each["image"] for each in declared.get("containerImages", [])}
        written, kept = self._definitions.get(definition) if definition else ({}, {})
        status, settings = _status(deployment), _settings(current, deployment, declared)
        without = sum(int(each.get("totalWithoutDaemonCount", 0)) for each in current)
        return Observation(
            workload=Workload(
                arn, id.platform, id.account, id.region, id.cluster, id.label, tags, images, task_definition=definition
            ),
            running=_digests(revisions.get(served, {})),
            human_tags=_human_tags(images, kept),
            platforms=self._platforms(id, settings["capacityProviderArns"]),
            roles=tuple(str(written[k]) for k in ("taskRoleArn", "executionRoleArn") if written.get(k)),
            rollout=daemon.get("deploymentArn"),
            rollout_active=status in _UNDER_WAY,
            desired=without + sum(int(each.get("totalRunningCount", 0)) for each in current),
            steady=status in _WELL and len(current) <= 1 and not without,
            active=daemon.get("status") == "ACTIVE",
            refreshes=False,
            settings=settings,
        )

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """UpdateDaemon with a new revision of the definition in use, even where a tag is to be resolved anew.

        Nothing is documented that would have ECS look at the same definition again. All else is sent as it was.
        """
        definition = self._definitions.revised(observation, plan, resumed=resumed)
        with aws_errors(gone=_GONE):
            answer = self._ecs.update_daemon(
                daemonArn=plan.workload, daemonTaskDefinitionArn=definition, **observation.settings
            )
        begun = answer.get("deploymentArn")
        return begun if begun != observation.rollout else None

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The newest daemon deployment created since, with a second of grace for rounded times."""
        earliest = since - timedelta(seconds=1)
        with aws_errors(gone=_GONE):
            answer = self._ecs.list_daemon_deployments(daemonArn=arn, createdAt={"after": earliest})
        found = [
            each
            for each in answer.get("daemonDeployments", [])
            if each["daemonDeploymentArn"] != other_than and each["createdAt"] >= earliest
        ]
        return str(max(found, key=lambda each: each["createdAt"])["daemonDeploymentArn"]) if found else None

    def rollout(self, arn: str, id: str) -> Rollout:
        """DescribeDaemonDeployments, and once it succeeded the digests of its target revision."""
        deployment = self._deployment(id)
        if not deployment:
            return Rollout(id, RolloutStatus.GONE, "the platform keeps no record of it")
        status = _status(deployment)
        target = deployment.get("targetDaemonRevision", {}).get("arn") if status is RolloutStatus.SUCCEEDED else None
        reasons = (deployment.get("statusReason"), deployment.get("rollback", {}).get("reason"))
        return Rollout(
            id,
            status,
            next((str(reason) for reason in reasons if reason), ""),
            _digests(self._revisions([target]).get(target, {})) if target else {},
            tuple(deployment.get("alarms", {}).get("triggeredAlarmNames", [])),
            tuple(_counted(deployment.get("circuitBreaker", {}))),
        )

    def complete(self, arn: str, id: str) -> None:
        """ECS completes its deployments by itself."""

    def stop(self, arn: str, id: str) -> None:
        """Always raises ConflictError: ECS has no such call, only a new deployment takes the place of one."""
        raise ConflictError("a deployment of a daemon cannot be stopped")

    def arns(self) -> Iterable[str]:
        """Every daemon of every cluster whose tags opt in: that GetResources knows daemons is not documented."""
        self._unseen = ""
        try:
            for cluster in self._pages("list_clusters", "clusterArns"):
                for found in self._pages("list_daemons", "daemonSummariesList", clusterArn=cluster):
                    if self._opted_in(found["daemonArn"]):
                        yield found["daemonArn"]
        except PermanentError as error:  # a Region without daemons, a role or an organization that forbids to look
            self._unseen = str(error)

    def unseen(self, arn: str) -> str:
        """Why daemons could not be listed."""
        return self._unseen

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """ECS describes one daemon at a time."""
        found = []
        for arn in arns:
            try:
                found.append(self.observe(arn))
            except GoneError:
                continue
        return found

    def _platforms(self, id: WorkloadId, providers: Sequence[str]) -> frozenset[str]:
        """Those of the instances, for a daemon's definition names none: of a hundred instances, about once an hour."""
        names, now = frozenset(arn.rpartition("/")[2] for arn in providers), self._clock.now()
        asked, known = self._known.get((id.cluster, names), (None, frozenset()))
        if asked and now - asked < _BELIEVED:
            return known
        with aws_errors():
            listed = self._ecs.list_container_instances(cluster=id.cluster, status="ACTIVE", maxResults=_INSTANCES)
            arns = listed.get("containerInstanceArns", [])
            if not arns:
                return frozenset()
            answer = self._ecs.describe_container_instances(cluster=id.cluster, containerInstances=arns)
        ours = [each for each in answer["containerInstances"] if each.get("capacityProviderName") in names]
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[id.cluster, names] = (now, frozenset(filter(None, map(_platform, ours))))
        return self._known[id.cluster, names][1]

    def _opted_in(self, arn: str) -> bool:
        try:
            with aws_errors(gone=_GONE):
                tags = ecs_tags(self._ecs.list_tags_for_resource(resourceArn=arn).get("tags"))
        except GoneError:
            return False
        return POLICY_TAG in tags and WorkloadId.names(arn)

    def _pages(self, operation: str, members: str, **request: Any) -> Iterator[Any]:
        """Neither operation takes more than a page's token; a cluster that is gone meanwhile has nothing."""
        token: dict[str, str] = {}
        while True:
            try:
                with aws_errors(kinds=_UNKNOWN):
                    answer = getattr(self._ecs, operation)(**request, **token)
            except GoneError:
                return
            yield from answer.get(members, [])
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}

    def _deployment(self, arn: str | None) -> Mapping[str, Any]:
        if not arn:
            return {}
        with aws_errors():
            answer = self._ecs.describe_daemon_deployments(daemonDeploymentArns=[arn])
        return next(iter(answer.get("daemonDeployments", [])), {})

    def _revisions(self, arns: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Revisions by ARN; one never changes once each of its images has a digest."""
        unknown = [arn for arn in arns if arn not in self._immutable]
        found: dict[str, Mapping[str, Any]] = {}
        if unknown:
            with aws_errors():
                answer = self._ecs.describe_daemon_revisions(daemonRevisionArns=unknown)
            found = {each["daemonRevisionArn"]: each for each in answer.get("daemonRevisions", [])}
        found |= {arn: self._immutable[arn] for arn in arns if arn in self._immutable}
        for arn in unknown:
            images = found.get(arn, {}).get("containerImages")
            if images and all(each.get("imageDigest") for each in images):
                while len(self._immutable) >= _REVISIONS:
                    del self._immutable[next(iter(self._immutable))]
                self._immutable[arn] = found[arn]
        return found


def _platform(instance: Mapping[str, Any]) -> str | None:
    has = {each["name"]: each.get("value", "") for each in instance.get("attributes", [])}
    architecture = _ARCHITECTURES.get(has.get("ecs.cpu-architecture", ""))
    return f"{has.get('ecs.os-type', 'linux')}/{architecture}" if architecture else None


def _status(deployment: Mapping[str, Any]) -> RolloutStatus:
    """A daemon whose deployments are long forgotten rests."""
    return _STATUSES.get(deployment.get("status", "SUCCESSFUL"), RolloutStatus.RUNNING)


def _declared(deployment: Mapping[str, Any]) -> str:
    """The revision that the daemon is being kept at, or brought to."""
    back = deployment.get("rollback", {}).get("rollbackTargetDaemonRevisionArn")
    return str(back or deployment.get("targetDaemonRevision", {}).get("arn") or "")


def _digests(revision: Mapping[str, Any]) -> Mapping[str, Digest]:
    found = revision.get("containerImages", [])
    return {each["containerName"]: each["imageDigest"] for each in found if each.get("imageDigest")}


def _settings(
    current: Sequence[Mapping[str, Any]], deployment: Mapping[str, Any], revision: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What UpdateDaemon is sent again: it needs the capacity providers, what it does with other gaps nobody says."""
    providers = _providers(current, deployment)
    kept = {key: revision[key] for key in _OF_REVISION if revision.get(key) is not None}
    pace = deployment.get("deploymentConfiguration")
    return {
        "capacityProviderArns": providers,
        **({"deploymentConfiguration": pace} if pace else {}),
        **kept,
    }


def _providers(current: Sequence[Mapping[str, Any]], deployment: Mapping[str, Any]) -> list[str]:
    """Those of the revision that the daemon is kept at, or brought to; none that ECS took back with the rest."""
    declared, target = _declared(deployment), deployment.get("targetDaemonRevision") or {}
    kept = [each for each in current if each.get("arn") == declared] or current
    places = [target] if target.get("arn") == declared and target.get("capacityProviders") else kept
    return list(dict.fromkeys(each["arn"] for place in places for each in place.get("capacityProviders") or []))


def _counted(breaker: Mapping[str, Any]) -> Iterator[str]:
    failures, threshold = breaker.get("failureCount", 0), breaker.get("threshold", 0)
    if failures:
        of = f", the circuit breaker trips at {threshold}" if threshold else ""
        yield f"{failures} daemon {'task' if failures == 1 else 'tasks'} failed{of}"


def _human_tags(images: Mapping[str, str], tags: Mapping[str, str]) -> Mapping[str, str]:
    pairs = (entry.partition("=") for entry in tags.get(HUMAN_TAG, "").split())
    return {name: tag for name, _, tag in pairs if tag and "@" in images.get(name, "")}
