"""ECS services: observe, apply, find, follow and stop deployments. The facts are those of aws.md B."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from longshore.aws.errors import aws_errors
from longshore.aws.tagging import opted_in
from longshore.decisions import Reason
from longshore.errors import GoneError
from longshore.workloads import (
    HUMAN_TAG,
    Action,
    Controller,
    Observation,
    Plan,
    Refusal,
    Rollout,
    RolloutStatus,
    Workload,
    WorkloadId,
)

_SERVICES = 10  # DescribeServices takes at most ten
_TAG_VALUE = 256  # characters of an AWS tag value
_REGISTERED = (
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "ephemeralStorage",
    "runtimePlatform",
    "enableFaultInjection",
    "trustedExecutionConfiguration",
)
"""What RegisterTaskDefinition takes; all else in a description is read-only."""

_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
_STATUSES = {
    "PENDING": RolloutStatus.RUNNING,
    "IN_PROGRESS": RolloutStatus.RUNNING,
    "SUCCESSFUL": RolloutStatus.SUCCEEDED,
    "STOP_REQUESTED": RolloutStatus.RUNNING,  # not stopped yet
    "STOPPED": RolloutStatus.STOPPED,
    "ROLLBACK_REQUESTED": RolloutStatus.ROLLING_BACK,
    "ROLLBACK_IN_PROGRESS": RolloutStatus.ROLLING_BACK,
    "ROLLBACK_SUCCESSFUL": RolloutStatus.ROLLED_BACK,
    "ROLLBACK_FAILED": RolloutStatus.ROLLBACK_FAILED,
}


_EXPRESS = Refusal(Reason.UNSUPPORTED_PLATFORM, "ECS Express Mode keeps this service's revisions")


class TaskDefinitions:
    """Task definitions by ARN; a revision never changes, so each is read once in the life of the process."""

    def __init__(self, ecs: Any, most: int = 512) -> None:
        self._ecs = ecs
        self._most = most
        self._known: dict[str, tuple[Mapping[str, Any], Mapping[str, str]]] = {}

    def get(self, arn: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """The revision and its tags."""
        if arn not in self._known:
            with aws_errors():
                answer = self._ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
            while len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[arn] = (answer["taskDefinition"], _tags(answer.get("tags")))
        return self._known[arn]


class EcsServices:
    """The platform and the discovery of ECS services."""

    def __init__(self, ecs: Any, tagging: Callable[[], Any], definitions: TaskDefinitions) -> None:
        self._ecs = ecs
        self._tagging = tagging  # built only for a sweep
        self._definitions = definitions

    def observe(self, arn: str) -> Observation:
        """DescribeServices, DescribeServiceRevisions and, once per revision, DescribeTaskDefinition."""
        service = WorkloadId.parse(arn)
        with aws_errors():
            answer = self._ecs.describe_services(cluster=service.cluster, services=[service.name], include=["TAGS"])
        found = self._observed(answer.get("services", []))
        if not found:
            raise GoneError(f"{arn} does not exist")
        return found[0]

    def unseen(self, arn: str) -> str:
        """Tags are all that there is to see."""
        return ""

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """DescribeServices for ten of a cluster at a time, DescribeServiceRevisions for as many."""
        clusters: dict[str, list[str]] = {}
        for arn in arns:
            service = WorkloadId.parse(arn)
            clusters.setdefault(service.cluster, []).append(service.name)
        found: list[Observation] = []
        for cluster, names in clusters.items():
            for start in range(0, len(names), _SERVICES):
                found += self._survey(cluster, names[start : start + _SERVICES])
        return found

    def _survey(self, cluster: str, names: Sequence[str]) -> list[Observation]:
        try:
            with aws_errors():
                answer = self._ecs.describe_services(cluster=cluster, services=list(names), include=["TAGS"])
        except GoneError:
            return []
        return self._observed(answer.get("services", []))

    def _observed(self, services: Sequence[Mapping[str, Any]]) -> list[Observation]:
        revisions = {str(s["serviceArn"]): revision for s in services if (revision := _revision(s))}
        digests = self._digests(list(revisions.values())) if revisions else {}
        return [self._observation(s, digests.get(revisions.get(str(s["serviceArn"]), ""), {})) for s in services]

    def _observation(self, service: Mapping[str, Any], running: Mapping[str, str]) -> Observation:
        workload, definition, tags = self._described(service)
        rolling = _rolling(service)
        return Observation(
            workload=workload,
            controller=Controller(service.get("deploymentController", {}).get("type", "ECS")),
            running=running,
            human_tags=_human_tags(definition, tags),
            platforms=_platforms(service, definition),
            roles=tuple(str(definition[k]) for k in ("taskRoleArn", "executionRoleArn") if definition.get(k)),
            rollout=service.get("currentServiceDeployment"),
            rollout_active=rolling,
            desired=int(service.get("desiredCount", 0)),
            steady=not rolling and not _failed(service) and service.get("runningCount") == service.get("desiredCount"),
            active=service.get("status") == "ACTIVE",
            refusal=_EXPRESS if service.get("resourceManagementType") == "ECS" else None,
        )

    def _digests(self, revisions: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """The digest of each container by service revision."""
        with aws_errors():
            answer = self._ecs.describe_service_revisions(serviceRevisionArns=list(revisions))
        return {
            found["serviceRevisionArn"]: {
                image["containerName"]: image["imageDigest"]
                for image in found.get("containerImages", [])
                if image.get("imageDigest")
            }
            for found in answer.get("serviceRevisions", [])
        }

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """UpdateService: a forced deployment of the same revision, or one of a revision whose images differ."""
        service = WorkloadId.parse(plan.workload)
        change: dict[str, Any] = {"forceNewDeployment": True}
        if plan.action is Action.REVISE:
            change["taskDefinition"] = self._revised(observation, plan, resumed)
        with aws_errors():
            answer = self._ecs.update_service(cluster=service.cluster, service=service.name, **change)
        current = answer["service"].get("currentServiceDeployment")
        return current if current != observation.rollout else None

    def _revised(self, observation: Observation, plan: Plan, resumed: bool) -> str:
        """The ARN of a revision with the plan's images; who died after registering it finds it again."""
        wanted, tags = self._wanted(observation, plan)
        if resumed:
            with aws_errors():
                latest = self._ecs.describe_task_definition(taskDefinition=wanted["family"])["taskDefinition"]
            if _registrable(latest) == wanted:
                return str(latest["taskDefinitionArn"])
        if tags:
            wanted["tags"] = [{"key": k, "value": v} for k, v in sorted(tags.items())]
        with aws_errors():
            answer = self._ecs.register_task_definition(**wanted)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def _wanted(self, observation: Observation, plan: Plan) -> tuple[dict[str, Any], dict[str, str]]:
        """The revision in use by the service, not the latest of its family, with other images (redeploy 8.8)."""
        definition, tags = self._definitions.get(observation.workload.task_definition)
        images = {change.container: change.image for change in plan.changes}
        wanted = _registrable(definition)
        wanted["containerDefinitions"] = [
            {**container, "image": images[container["name"]]} if container["name"] in images else container
            for container in definition["containerDefinitions"]
        ]
        carried = {k: v for k, v in tags.items() if not k.startswith("aws:") and k != HUMAN_TAG}
        human = human_tag(plan, observation)
        if 0 < len(human) <= _TAG_VALUE:  # what does not fit is found again by the tags of the digest
            carried[HUMAN_TAG] = human
        return wanted, carried

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The newest service deployment created since, with a second of grace for rounded times."""
        service = WorkloadId.parse(arn)
        with aws_errors():
            answer = self._ecs.list_service_deployments(
                cluster=service.cluster, service=service.name, createdAt={"after": since - timedelta(seconds=1)}
            )
        found = [
            d
            for d in answer.get("serviceDeployments", [])
            if d["serviceDeploymentArn"] != other_than and d["createdAt"] >= since - timedelta(seconds=1)
        ]
        found.sort(key=lambda d: d["createdAt"])
        return str(found[-1]["serviceDeploymentArn"]) if found else None

    def rollout(self, arn: str, id: str) -> Rollout:
        """DescribeServiceDeployments, and once it succeeded the digests of its target revision."""
        with aws_errors():
            answer = self._ecs.describe_service_deployments(serviceDeploymentArns=[id])
        found = answer.get("serviceDeployments", [])
        if not found:
            return Rollout(id, RolloutStatus.GONE, "the platform keeps no record of it")
        deployment = found[0]
        status = _STATUSES.get(deployment["status"], RolloutStatus.RUNNING)
        target = deployment.get("targetServiceRevision", {}).get("arn") if status is RolloutStatus.SUCCEEDED else None
        reasons = (deployment.get("statusReason"), deployment.get("rollback", {}).get("reason"))
        return Rollout(
            id,
            status,
            next((str(r) for r in reasons if r), ""),
            self._digests([target]).get(target, {}) if target else {},
            tuple(deployment.get("alarms", {}).get("triggeredAlarmNames", [])),
            tuple(_counted(deployment.get("deploymentCircuitBreaker", {}))),
        )

    def stop(self, arn: str, id: str) -> None:
        """StopServiceDeployment with rollback, which works even where the service has none configured."""
        with aws_errors():
            self._ecs.stop_service_deployment(serviceDeploymentArn=id, stopType="ROLLBACK")

    def complete(self, arn: str, id: str) -> None:
        """ECS completes its deployments by itself."""

    def arns(self) -> Iterable[str]:
        """GetResources by tag key, page after page; an ARN of before 2018 does not tell its cluster and is left out."""
        found = opted_in(self._tagging(), "ecs:service")
        return (arn for arn in found if WorkloadId.names(arn))

    def _described(self, service: Mapping[str, Any]) -> tuple[Workload, Mapping[str, Any], Mapping[str, str]]:
        arn = str(service["serviceArn"])
        id = WorkloadId.parse(arn)
        definition: Mapping[str, Any] = {}
        tags: Mapping[str, str] = {}
        if in_use := _task_definition(service):
            definition, tags = self._definitions.get(in_use)
        workload = Workload(
            arn=arn,
            platform=id.platform,
            account=id.account,
            region=id.region,
            cluster=id.cluster,
            name=id.label,
            tags=_tags(service.get("tags")),
            images={c["name"]: c["image"] for c in definition.get("containerDefinitions", []) if c.get("image")},
            task_definition=in_use,
        )
        return workload, definition, tags


def _task_definition(service: Mapping[str, Any]) -> str:
    """The service's own, or that of its primary task set where an EXTERNAL controller keeps it there."""
    primary = (s.get("taskDefinition") for s in service.get("taskSets") or [] if s.get("status") == "PRIMARY")
    return str(service.get("taskDefinition") or next(primary, None) or "")


def _counted(breaker: Mapping[str, Any]) -> Iterator[str]:
    """ServiceDeploymentCircuitBreaker of the ECS API: how many tasks failed, and how many it takes."""
    failures, threshold = breaker.get("failureCount", 0), breaker.get("threshold", 0)
    if failures:
        of = f", the deployment circuit breaker trips at {threshold}" if threshold else ""
        yield f"{failures} {'task' if failures == 1 else 'tasks'} failed{of}"


def _registrable(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: definition[key] for key in _REGISTERED if definition.get(key) not in (None, "")}


def _revision(service: Mapping[str, Any]) -> str | None:
    """The service revision with most tasks: what users are served by while a deployment runs."""
    revisions = service.get("currentServiceRevisions") or []
    return str(max(revisions, key=lambda r: int(r.get("runningTaskCount", 0)))["arn"]) if revisions else None


def human_tag(plan: Plan, observation: Observation) -> str:
    """The value of `longshore:tag`: ``container=tag`` for each container whose image is written by digest."""
    known = dict(observation.human_tags)
    for change in plan.changes:
        known.pop(change.container, None)
        if "@" in change.image and change.tag:
            known[change.container] = change.tag
    return " ".join(f"{container}={tag}" for container, tag in sorted(known.items()))


def _human_tags(definition: Mapping[str, Any], tags: Mapping[str, str]) -> Mapping[str, str]:
    pairs = (entry.partition("=") for entry in tags.get(HUMAN_TAG, "").split())
    images = {c["name"]: c.get("image", "") for c in definition.get("containerDefinitions", [])}
    return {name: tag for name, _, tag in pairs if tag and "@" in images.get(name, "")}


def _tags(tags: Sequence[Mapping[str, str]] | None) -> Mapping[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in tags or []}


def _platforms(service: Mapping[str, Any], definition: Mapping[str, Any]) -> frozenset[str]:
    """What an image must offer; nothing is required where instances of unknown kind run it."""
    runtime = definition.get("runtimePlatform") or {}
    system = "windows" if str(runtime.get("operatingSystemFamily", "")).startswith("WINDOWS") else "linux"
    architecture = _ARCHITECTURES.get(runtime.get("cpuArchitecture", ""))
    if architecture is None and _fargate(service):
        architecture = "amd64"  # Fargate's default
    return frozenset({f"{system}/{architecture}"}) if architecture else frozenset()


def _fargate(service: Mapping[str, Any]) -> bool:
    providers = {p.get("capacityProvider") for p in service.get("capacityProviderStrategy") or []}
    return service.get("launchType") == "FARGATE" or bool(providers & {"FARGATE", "FARGATE_SPOT"})


def _rolling(service: Mapping[str, Any]) -> bool:
    """Whether ECS still works on a deployment. A failed one that nobody rolled back stays PRIMARY, and rests."""
    standing = [d for d in service.get("deployments") or [] if d.get("status") in ("PRIMARY", "ACTIVE")]
    states = [d.get("rolloutState") for d in standing]
    return "IN_PROGRESS" in states or (len(states) > 1 and None in states)  # task sets have no rollout state


def _failed(service: Mapping[str, Any]) -> bool:
    deployments = service.get("deployments") or []
    return any(d.get("status") == "PRIMARY" and d.get("rolloutState") == "FAILED" for d in deployments)
