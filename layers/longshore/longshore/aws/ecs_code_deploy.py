"""ECS services that CodeDeploy rolls out: blue/green by task sets (redeploy 8.8, aws.md B2 and B3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from longshore.aws.app_specs import UnreadableAppSpecError, app_spec, read_app_spec
from longshore.aws.code_deploy_groups import NO_DEPLOYMENT, NO_GROUP, Served
from longshore.aws.ecs_definitions import ecs_tags
from longshore.aws.errors import aws_errors
from longshore.aws.task_set_images import TaskSetImages
from longshore.decisions import Reason
from longshore.errors import ConflictError, GoneError, UnsupportedError
from longshore.workloads import POLICY_TAG, Action, Observation, Refusal, Rollout, RolloutStatus, WorkloadId

if TYPE_CHECKING:
    from longshore.aws.code_deploy_groups import DeploymentGroups, Group
    from longshore.aws.ecs_definitions import TaskDefinitions
    from longshore.ports import Clock
    from longshore.workloads import Plan

_OURS = "Longshore: "
"""How the description of every deployment begins that Longshore creates."""

_DESCRIPTION = 256
_ROLLBACK_EVENTS = ("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM")
_ROLLBACK_BEGINS = timedelta(minutes=2)
"""How long after its end a deployment may still be given its rollback."""

_FIRST_START = timedelta(minutes=10)
"""How long after it was made a task set may be without any task whose image is known."""

_BACK = {
    RolloutStatus.SUCCEEDED: RolloutStatus.ROLLED_BACK,
    RolloutStatus.FAILED: RolloutStatus.ROLLBACK_FAILED,
    RolloutStatus.STOPPED: RolloutStatus.ROLLBACK_FAILED,
}
_NOT_READY = ("DeploymentIsNotInReadyStateException", "DeploymentAlreadyCompletedException")
_REMEMBERED = 512


class CodeDeployServices:
    """The way of deploying to services under the CODE_DEPLOY controller. Its id is that of a CodeDeploy deployment."""

    def __init__(
        self, ecs: Any, code_deploy: Any, definitions: TaskDefinitions, groups: DeploymentGroups, clock: Clock
    ) -> None:
        self._ecs = ecs
        self._code_deploy = code_deploy
        self._definitions = definitions
        self._groups = groups
        self._clock = clock
        self._spec_of = lru_cache(maxsize=_REMEMBERED)(self._read_spec)
        self._images = TaskSetImages(ecs)

    def observe(self, services: Sequence[tuple[Mapping[str, Any], Observation]]) -> list[Observation]:
        """BatchGetDeploymentGroups for each, DescribeTasks where a tag is declared, and a few calls more when new."""
        return [self._seen(observation, _primary(service)) for service, observation in services]

    def _seen(self, observation: Observation, primary: Mapping[str, Any]) -> Observation:
        served = _served(observation.workload.arn)
        running = self._images.running(observation, served, str(primary.get("id", "")))
        starting = (not running or not primary.get("runningCount", 1)) and self._begins(primary)
        seen = replace(observation, running=running)
        group = self._groups.of(served, str(primary.get("externalId", "")))
        if isinstance(group, Refusal):
            return replace(seen, steady=_steady(primary), refusal=seen.refusal or group)
        spec = self._spec_before(primary)
        ending = group.under_way and group.latest is not None and _serves(self._info(group.latest))
        return replace(
            seen,
            rollout=group.latest,
            rollout_active=group.under_way or starting,
            steady=_steady(primary) and (ending or not group.under_way),
            refusal=seen.refusal or (spec if isinstance(spec, Refusal) else None),
        )

    def _begins(self, primary: Mapping[str, Any]) -> bool:
        """Whether a task set is so new that nothing of it need run yet."""
        made = primary.get("createdAt")
        return made is not None and not _steady(primary) and self._clock.now() - made < _FIRST_START

    def _spec_before(self, primary: Mapping[str, Any]) -> Mapping[str, Any] | Refusal:
        """The AppSpec of the deployment that made a task set, so that its hooks stay; read once."""
        deployment = str(primary.get("externalId", ""))
        try:
            return self._spec_of(deployment) if deployment else {}
        except GoneError:
            return {}

    def _read_spec(self, deployment: str) -> Mapping[str, Any] | Refusal:
        """GetDeployment never tells the content of an AppSpec; GetApplicationRevision does, by its hash."""
        made = self._groups.made(deployment)
        if not made.revision:
            return {}
        if made.revision.get("revisionType") != "AppSpecContent":
            where = made.revision.get("revisionType")
            return _held(f"the AppSpec of its last deployment lies in {where}, where hooks that it has cannot be seen")
        sha256 = (made.revision.get("appSpecContent") or {}).get("sha256")
        wanted = {"revisionType": "AppSpecContent", "appSpecContent": {"sha256": sha256}}
        with aws_errors():
            found = self._code_deploy.get_application_revision(applicationName=made.application, revision=wanted)
        try:
            return read_app_spec(str((found["revision"].get("appSpecContent") or {}).get("content") or ""))
        except UnreadableAppSpecError as error:
            return _held(str(error))

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """CreateDeployment, of the same task definition or of one whose images differ.

        No condition of IAM tells an application's services apart by their tags, so the opt-in is read here once more.
        Raises ConflictError when somebody deployed since it was observed.
        """
        served = _served(plan.workload)
        primary = _primary(self._opted_in(served))
        if primary.get("taskDefinition") != observation.workload.task_definition:
            raise ConflictError(f"another task set serves {plan.workload} by now")
        group = self._groups.known(served) or self._groups.of(served, str(primary.get("externalId", "")))
        spec = self._spec_before(primary)
        for refusal in (group, spec):
            if isinstance(refusal, Refusal):
                raise UnsupportedError(refusal.why)
        assert not isinstance(group, Refusal)
        assert not isinstance(spec, Refusal)
        definition = observation.workload.task_definition
        if plan.action is Action.REVISE:
            definition = self._definitions.revised(observation, plan, resumed=resumed)
        return self._create(group, app_spec(spec, primary, definition), plan)

    def _create(self, group: Group, content: str, plan: Plan) -> str:
        events = list(dict.fromkeys((*_ROLLBACK_EVENTS, *group.rollback_events)))
        with aws_errors():
            answer = self._code_deploy.create_deployment(
                applicationName=group.application,
                deploymentGroupName=group.name,
                revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
                description=f"{_OURS}{plan.reason} {plan.correlation}"[:_DESCRIPTION],
                autoRollbackConfiguration={"enabled": True, "events": events},
            )
        return str(answer["deploymentId"])

    def _opted_in(self, served: Served) -> Mapping[str, Any]:
        with aws_errors():
            answer = self._ecs.describe_services(cluster=served.cluster, services=[served.service], include=["TAGS"])
        for service in answer.get("services", []):
            if POLICY_TAG not in ecs_tags(service.get("tags")):
                raise UnsupportedError(f"{served.service} carries no {POLICY_TAG} any more")
            found: Mapping[str, Any] = service
            return found
        raise GoneError(f"{served.cluster}/{served.service} does not exist")

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The newest deployment of the service's group that Longshore created since, with a second of grace."""
        group = self._groups.known(_served(arn)) or self._found(arn)
        if isinstance(group, Refusal):
            return None
        moment = since - timedelta(seconds=1)
        try:
            found = self._since(group, moment)
        except GoneError:
            return None
        ours = [info for info in found if _is_ours(info) and info["deploymentId"] != other_than]
        return str(max(ours, key=lambda info: info["createTime"])["deploymentId"]) if ours else None

    def _since(self, group: Group, moment: datetime) -> list[Mapping[str, Any]]:
        """The deployments of a group that were created since. Raises GoneError when there is no such group."""
        with aws_errors(gone=NO_GROUP):
            ids = self._code_deploy.list_deployments(
                applicationName=group.application, deploymentGroupName=group.name, createTimeRange={"start": moment}
            ).get("deployments", [])
            answer = self._code_deploy.batch_get_deployments(deploymentIds=ids[:25]) if ids else {}
        return [info for info in answer.get("deploymentsInfo", []) if info["createTime"] >= moment]

    def _found(self, arn: str) -> Group | Refusal:
        served = _served(arn)
        return self._groups.of(served, str(_primary(self._opted_in(served)).get("externalId", "")))

    def rollout(self, arn: str, id: str) -> Rollout:
        """GetDeployment, and that of its rollback where it has one."""
        info = self._info(id)
        if not info:
            return Rollout(id, RolloutStatus.GONE, "CodeDeploy keeps no record of it")
        status, back = _status(info), info.get("rollbackInfo") or {}
        error = info.get("errorInformation") or {}
        reasons = (error.get("message"), back.get("rollbackMessage"))
        if status in (RolloutStatus.FAILED, RolloutStatus.STOPPED):
            status = self._way_back(info, status, str(back.get("rollbackDeploymentId") or ""))
        evidence = (str(error["code"]),) if error.get("code") else ()
        return Rollout(id, status, next((str(r) for r in reasons if r), ""), evidence=evidence)

    def _way_back(self, info: Mapping[str, Any], status: RolloutStatus, rollback: str) -> RolloutStatus:
        """Where the rollback of a deployment stands; right after its end it may not have begun."""
        if rollback:
            return _BACK.get(_status(self._info(rollback)), RolloutStatus.ROLLING_BACK)
        ended = info.get("completeTime")
        begins = ended is not None and self._clock.now() - ended < _ROLLBACK_BEGINS
        return RolloutStatus.ROLLING_BACK if begins else status

    def complete(self, arn: str, id: str) -> None:
        """ContinueDeployment: the traffic of a deployment of Longshore's moves now, where it waits to be told."""
        self._ours(id)
        try:
            with aws_errors(gone=_NOT_READY):
                self._code_deploy.continue_deployment(deploymentId=id, deploymentWaitType="READY_WAIT")
        except GoneError:
            return  # it goes on already

    def stop(self, arn: str, id: str) -> None:
        """StopDeployment with rollback. Raises ConflictError when it is over."""
        self._ours(id)
        with aws_errors(gone=NO_DEPLOYMENT):
            self._code_deploy.stop_deployment(deploymentId=id, autoRollbackEnabled=True)

    def _ours(self, id: str) -> None:
        """Raises ConflictError for somebody else's deployment, which the role could stop as well."""
        info = self._info(id)
        if not info:
            raise GoneError(f"CodeDeploy keeps no record of {id}")
        if not _is_ours(info):
            raise ConflictError(f"{id} is not a deployment of Longshore's")

    def _info(self, id: str) -> Mapping[str, Any]:
        """A deployment; empty where CodeDeploy knows none."""
        try:
            with aws_errors(gone=NO_DEPLOYMENT):
                info: Mapping[str, Any] = self._code_deploy.get_deployment(deploymentId=id)["deploymentInfo"]
        except GoneError:
            return {}
        return info


def _served(arn: str) -> Served:
    id = WorkloadId.parse(arn)
    return Served(id.cluster, id.name)


def _primary(service: Mapping[str, Any]) -> Mapping[str, Any]:
    """The task set that serves production traffic."""
    return next((s for s in service.get("taskSets") or [] if s.get("status") == "PRIMARY"), {})


def _steady(primary: Mapping[str, Any]) -> bool:
    return primary.get("stabilityStatus") == "STEADY_STATE"


def _serves(info: Mapping[str, Any]) -> bool:
    """Whether all that a deployment still does is to wait before it ends the tasks that it replaced."""
    return bool(info.get("instanceTerminationWaitTimeStarted"))


def _status(info: Mapping[str, Any]) -> RolloutStatus:
    match info.get("status"):
        case "Ready":
            return RolloutStatus.READY
        case "Succeeded":
            return RolloutStatus.SUCCEEDED
        case "Failed":
            return RolloutStatus.FAILED
        case "Stopped":
            return RolloutStatus.STOPPED
    return RolloutStatus.SUCCEEDED if _serves(info) else RolloutStatus.RUNNING


def _is_ours(info: Mapping[str, Any]) -> bool:
    return str(info.get("description") or "").startswith(_OURS)


def _held(why: str) -> Refusal:
    return Refusal(Reason.CONTROLLER_CODE_DEPLOY, f"{why}; deploy once with an AppSpec in JSON as AppSpecContent")
