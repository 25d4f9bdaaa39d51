"""The CodeDeploy of the bundle: moto's applications and groups, with deployments of ECS services that go on."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.codedeploy import responses
from moto.codedeploy.exceptions import CodeDeployException, DeploymentDoesNotExistException
from moto.codedeploy.models import codedeploy_backends
from moto.codedeploy.responses import CodeDeployResponse
from moto.core.responses import ActionResult, EmptyResult

from longshore_local.code_deploy import ACTIVE, CodeDeploy, Deployment, Place, RefusedError
from longshore_local.ecs.events import Event
from longshore_local.ecs.patches import Patches
from longshore_local.ecs.task_sets import TaskSets
from longshore_local.timeline import Timeline


class CodeDeploySimulator(CodeDeploy):
    """Handle on the installed simulator."""

    def __init__(self, timeline: Timeline, emit: Callable[[Event], None], task_sets: Callable[[], TaskSets]) -> None:
        super().__init__(timeline, emit, task_sets)
        self._patches = Patches()
        operations = {
            "create_deployment": self._create,
            "get_deployment": self._get,
            "batch_get_deployments": self._batch_get,
            "list_deployments": self._list,
            "stop_deployment": self._stop,
            "continue_deployment": self._continue,
            "get_application_revision": self._revision,
            "batch_get_deployment_groups": self._groups,
        }
        for name, operation in operations.items():
            self._patches.put(CodeDeployResponse, name, _operation(operation))

    def close(self) -> None:
        """Gives CodeDeploy back to moto."""
        self.clear()
        self._patches.undo()

    def _create(self, call: CodeDeployResponse, params: dict[str, Any]) -> dict[str, Any]:
        place = _place(call, params["applicationName"], params.get("deploymentGroupName") or "")
        return {"deploymentId": self.create(place, params).id}

    def _get(self, call: CodeDeployResponse, params: dict[str, Any]) -> dict[str, Any]:
        return {"deploymentInfo": _info(self._named(call, params))}

    def _batch_get(self, call: CodeDeployResponse, params: dict[str, Any]) -> dict[str, Any]:
        named = params["deploymentIds"]
        if len(named) > 25:
            raise RefusedError("BatchLimitExceededException", "The maximum number of names or IDs is 25.")
        found = (self.deployments[id] for id in named if id in self.deployments)
        return {"deploymentsInfo": [_info(each) for each in found if _is_here(call, each)]}

    def _list(self, call: CodeDeployResponse, params: dict[str, Any]) -> dict[str, Any]:
        place = _place(call, params["applicationName"], params.get("deploymentGroupName") or "")
        wanted, times = params.get("includeOnlyStatuses"), params.get("createTimeRange") or {}
        start, end = _moment(times.get("start")), _moment(times.get("end"))
        return {
            "deployments": [
                each.id
                for each in self.of(place)
                if (not wanted or each.status in wanted)
                and (start is None or each.created >= start)
                and (end is None or each.created <= end)
            ]
        }

    def _stop(self, call: CodeDeployResponse, params: dict[str, Any]) -> dict[str, Any]:
        self.stop(self._named(call, params), roll_back=bool(params.get("autoRollbackEnabled")))
        return {"status": "Succeeded", "statusMessage": "No more commands will be scheduled for execution."}

    def _continue(self, call: CodeDeployResponse, params: dict[str, Any]) -> None:
        self.go_on(self._named(call, params))

    def _revision(self, call: CodeDeployResponse, params: dict[str, Any]) -> dict[str, Any]:
        application, revision = params["applicationName"], params["revision"]
        content = self.revisions.get((application, (revision.get("appSpecContent") or {}).get("sha256") or ""))
        if content is None:
            raise RefusedError("RevisionDoesNotExistException", "The named revision does not exist.")
        told = {**revision, "appSpecContent": {**revision["appSpecContent"], "content": content}}
        return {"applicationName": application, "revision": told, "revisionInfo": {}}

    def _groups(self, call: CodeDeployResponse, params: dict[str, Any]) -> dict[str, Any]:
        application, names = params["applicationName"], params["deploymentGroupNames"]
        backend = codedeploy_backends[call.current_account][call.region]
        backend.get_application(application)
        held = backend.deployment_groups.get(application, {})
        found = [self._group(_place(call, application, name)) for name in names if name in held]
        missing = [name for name in names if name not in held]
        problem = {"errorMessage": f"No Deployment Group found for names: {', '.join(missing)}"} if missing else {}
        return {"deploymentGroupsInfo": found, **problem}

    def _group(self, place: Place) -> dict[str, Any]:
        described = responses._deployment_group_info(place.settings)
        deployments = self.of(place)
        good = [each for each in deployments if each.status == "Succeeded"]
        for member, last in (("lastAttemptedDeployment", deployments[:1]), ("lastSuccessfulDeployment", good[:1])):
            described[member] = _brief(last[0]) if last else None
        return {name: value for name, value in described.items() if value not in (None, {}, [])}

    def _named(self, call: CodeDeployResponse, params: dict[str, Any]) -> Deployment:
        id = str(params.get("deploymentId") or "")
        deployment = self.deployments.get(id)
        if deployment is None or not _is_here(call, deployment):
            raise DeploymentDoesNotExistException(f"The deployment {id} could not be found")
        return deployment


def install(
    timeline: Timeline, emit: Callable[[Event], None], task_sets: Callable[[], TaskSets]
) -> CodeDeploySimulator:
    """Puts it into moto; `task_sets` answers those of the ECS simulator."""
    return CodeDeploySimulator(timeline, emit, task_sets)


def _operation(method: Callable[[CodeDeployResponse, dict[str, Any]], dict[str, Any] | None]) -> Callable[..., Any]:
    def operation(response: CodeDeployResponse) -> ActionResult:
        try:
            answer = method(response, dict(response._get_params()))
        except RefusedError as refusal:
            raise CodeDeployException(refusal.code, str(refusal)) from None
        return EmptyResult() if answer is None else ActionResult(answer)

    return operation


def _place(call: CodeDeployResponse, application: str, group: str) -> Place:
    backend = codedeploy_backends[call.current_account][call.region]
    return Place(
        call.current_account, call.region, application, group, backend.get_deployment_group(application, group)
    )


def _is_here(call: CodeDeployResponse, deployment: Deployment) -> bool:
    return (deployment.place.account, deployment.place.region) == (call.current_account, call.region)


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromtimestamp(float(value), UTC)


def _brief(deployment: Deployment) -> dict[str, Any]:
    brief = {"deploymentId": deployment.id, "status": deployment.status, "createTime": deployment.created}
    return brief if deployment.status in ACTIVE else {**brief, "endTime": deployment.completed}


def _info(deployment: Deployment) -> dict[str, Any]:
    """`DeploymentInfo`, which never tells the content of an AppSpec."""
    request, group = deployment.request, deployment.place.settings
    info: dict[str, Any] = {
        "applicationName": deployment.place.application,
        "deploymentGroupName": deployment.place.group,
        "deploymentConfigName": str(request.get("deploymentConfigName") or group.deployment_config_name),
        "deploymentId": deployment.id,
        "revision": {"revisionType": "AppSpecContent", "appSpecContent": {"sha256": deployment.sha256}},
        "status": deployment.status,
        "errorInformation": deployment.error or None,
        "createTime": deployment.created,
        "startTime": deployment.started,
        "completeTime": deployment.completed,
        "description": request.get("description"),
        "creator": deployment.creator,
        "autoRollbackConfiguration": request.get("autoRollbackConfiguration") or group.auto_rollback_configuration,
        "rollbackInfo": deployment.rollback or None,
        "deploymentStyle": group.deployment_style or None,
        "instanceTerminationWaitTimeStarted": deployment.terminating,
        "blueGreenDeploymentConfiguration": group.blue_green_deployment_configuration or None,
        "loadBalancerInfo": group.load_balancer_info or None,
        "computePlatform": "ECS",
    }
    return {name: value for name, value in info.items() if value is not None}
