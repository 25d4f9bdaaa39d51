"""The service deployment and service revision operations of the ECS API."""

from datetime import UTC, datetime
from typing import Any

from longshore_local.ecs import errors
from longshore_local.ecs.calls import Call, page
from longshore_local.ecs.deployments import ServiceDeployment
from longshore_local.ecs.rollout import Rollouts

_MOST = 20
_STOPPABLE = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


class DeploymentActions:
    """List-, Describe-, Stop- and ContinueServiceDeployment(s), DescribeServiceRevisions."""

    def __init__(self, rollouts: Rollouts) -> None:
        self._rollouts = rollouts

    def list_service_deployments(self, call: Call) -> dict[str, Any]:
        """The deployments of one service, newest first."""
        service = call.service()
        statuses = call.params.get("status") or []
        created = call.params.get("createdAt") or {}
        briefs = [
            deployment.brief()
            for deployment in reversed(service.history)
            if (not statuses or deployment.status in statuses) and within(deployment.created_at, created)
        ]
        return page(call, briefs, default=_MOST, key="serviceDeployments")

    def describe_service_deployments(self, call: Call) -> dict[str, Any]:
        """Up to twenty service deployments by ARN."""
        arns = _arns(call, "serviceDeploymentArns")
        found = {arn: _find(call, arn) for arn in arns}
        return {
            "serviceDeployments": [deployment.view() for deployment in found.values() if deployment],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn, deployment in found.items() if not deployment],
        }

    def describe_service_revisions(self, call: Call) -> dict[str, Any]:
        """Up to twenty service revisions by ARN."""
        revisions: list[dict[str, Any]] = []
        failures: list[dict[str, str]] = []
        for arn in _arns(call, "serviceRevisionArns"):
            service = call.service_of(arn)
            if service is not None and arn in service.revisions:
                revisions.append(service.revisions[arn].view())
            else:
                failures.append({"arn": arn, "reason": "MISSING"})
        return {"serviceRevisions": revisions, "failures": failures}

    def stop_service_deployment(self, call: Call) -> dict[str, Any]:
        """Rolls the deployment back, or aborts it where it stands."""
        deployment = _named(call)
        stop_type = str(call.params.get("stopType") or "ROLLBACK")
        if stop_type not in ("ROLLBACK", "ABORT"):
            raise errors.invalid_parameter("stopType should be one of [ABORT,ROLLBACK]")
        if deployment.status not in _STOPPABLE:
            raise errors.conflict(f"The service deployment cannot be stopped in status {deployment.status}.")
        if stop_type == "ROLLBACK" and deployment.service.last_completed is None:
            raise errors.conflict("No rollback candidate was found to run the rollback.")
        if deployment is deployment.service.history[-1] and deployment.status != "STOP_REQUESTED":
            self._rollouts.stop(deployment, stop_type)
        return {"serviceDeploymentArn": deployment.arn}

    def continue_service_deployment(self, call: Call) -> dict[str, Any]:
        """Answers a PAUSE hook that waits."""
        deployment = _named(call)
        wanted = str(call.params["hookId"])
        hook = next((entry for entry in deployment.hooks if entry.id == wanted), None)
        action = str(call.params.get("action") or "CONTINUE")
        if action not in ("CONTINUE", "ROLLBACK"):
            raise errors.invalid_parameter("action should be one of [CONTINUE,ROLLBACK]")
        if hook is None or hook.status != "AWAITING_ACTION":
            raise errors.invalid_parameter(f"The hook {wanted} does not await an action.")
        self._rollouts.hooks.answer(deployment, hook, action)
        return {"serviceDeploymentArn": deployment.arn}


def _arns(call: Call, name: str) -> list[str]:
    arns = [str(arn) for arn in call.params.get(name) or []]
    if not 1 <= len(arns) <= _MOST:
        raise errors.invalid_parameter(f"{name} must have 1 to {_MOST} members, got {len(arns)}.")
    return arns


def _find(call: Call, arn: str) -> ServiceDeployment | None:
    service = call.service_of(arn)
    history = service.history if service else []
    return next((deployment for deployment in history if deployment.arn == arn), None)


def _named(call: Call) -> ServiceDeployment:
    deployment = _find(call, str(call.params["serviceDeploymentArn"]))
    if deployment is None:
        raise errors.service_deployment_not_found()
    return deployment


def within(moment: datetime, bounds: dict[str, Any]) -> bool:
    after, before = _moment(bounds.get("after")), _moment(bounds.get("before"))
    return (after is None or moment > after) and (before is None or moment < before)


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromtimestamp(float(value), UTC)
