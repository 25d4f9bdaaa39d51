"""ECS services that ECS itself rolls out: UpdateService, service deployments and service revisions (aws.md B3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.workloads import Action, Observation, Plan, Rollout, RolloutStatus, WorkloadId

if TYPE_CHECKING:
    from longshore.aws.ecs_definitions import TaskDefinitions

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


class RollingServices:
    """The way of deploying to services under the ECS controller, whatever their strategy. Its id is an ARN."""

    def __init__(self, ecs: Any, definitions: TaskDefinitions) -> None:
        self._ecs = ecs
        self._definitions = definitions

    def observe(self, services: Sequence[tuple[Mapping[str, Any], Observation]]) -> list[Observation]:
        """DescribeServiceRevisions, once for all of them."""
        revisions = [_revision(service) for service, _ in services]
        digests = self._digests([revision for revision in revisions if revision])
        return [
            _seen(service, observation, digests.get(revision or "", {}))
            for (service, observation), revision in zip(services, revisions, strict=True)
        ]

    def _digests(self, revisions: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """The digest of each container by service revision."""
        if not revisions:
            return {}
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
            change["taskDefinition"] = self._definitions.revised(observation, plan, resumed=resumed)
        with aws_errors():
            answer = self._ecs.update_service(cluster=service.cluster, service=service.name, **change)
        current = answer["service"].get("currentServiceDeployment")
        return current if current != observation.rollout else None

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


def _seen(service: Mapping[str, Any], observation: Observation, running: Mapping[str, str]) -> Observation:
    rolling = _rolling(service)
    return replace(
        observation,
        running=running,
        rollout=service.get("currentServiceDeployment"),
        rollout_active=rolling,
        steady=not rolling and not _failed(service) and service.get("runningCount") == service.get("desiredCount"),
    )


def _counted(breaker: Mapping[str, Any]) -> Iterator[str]:
    """ServiceDeploymentCircuitBreaker of the ECS API: how many tasks failed, and how many it takes."""
    failures, threshold = breaker.get("failureCount", 0), breaker.get("threshold", 0)
    if failures:
        of = f", the deployment circuit breaker trips at {threshold}" if threshold else ""
        yield f"{failures} {'task' if failures == 1 else 'tasks'} failed{of}"


def _revision(service: Mapping[str, Any]) -> str | None:
    """The service revision with most tasks: what users are served by while a deployment runs."""
    revisions = service.get("currentServiceRevisions") or []
    return str(max(revisions, key=lambda r: int(r.get("runningTaskCount", 0)))["arn"]) if revisions else None


def _rolling(service: Mapping[str, Any]) -> bool:
    """Whether ECS still works on a deployment. A failed one that nobody rolled back stays PRIMARY, and rests."""
    standing = [d for d in service.get("deployments") or [] if d.get("status") in ("PRIMARY", "ACTIVE")]
    states = [d.get("rolloutState") for d in standing]
    return "IN_PROGRESS" in states or (len(states) > 1 and None in states)  # task sets have no rollout state


def _failed(service: Mapping[str, Any]) -> bool:
    deployments = service.get("deployments") or []
    return any(d.get("status") == "PRIMARY" and d.get("rolloutState") == "FAILED" for d in deployments)
