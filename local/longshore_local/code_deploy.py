"""CodeDeploy for ECS: blue/green deployments that shift, fail, wait, stop and roll back on the bundle's timeline."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from moto.ecs.models import TaskDefinition, ecs_backends

from longshore_local.ecs import identifiers
from longshore_local.ecs.deployments import Deployment as TaskSet
from longshore_local.ecs.events import Event, envelope
from longshore_local.ecs.services import Service
from longshore_local.ecs.task_sets import TaskSets
from longshore_local.ecs.traffic import alarms_in_alarm
from longshore_local.timeline import Timeline, Timer

START = timedelta(seconds=2)
LOOK = timedelta(seconds=5)
ALARMS = timedelta(seconds=30)
"""How often it looks at a replacement task set, and at the alarms while it only waits."""

ROLLBACK = timedelta(seconds=20)
PATIENCE = timedelta(minutes=60)
"""How long a replacement task set may take until it is steady."""

HOOKS = ("BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic")
ACTIVE = ("Created", "Queued", "InProgress", "Baking", "Ready")
_SHIFT = re.compile(r"ECS(?P<kind>Canary|Linear)(?P<percent>\d+)Percent(?:Every)?(?P<minutes>\d+)Minutes?")
_STATES = {"Succeeded": "SUCCESS", "Failed": "FAILURE", "Stopped": "STOP", "Ready": "READY", "InProgress": "START"}


class RefusedError(Exception):
    """CodeDeploy refuses a request, with this error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Place:
    """Where a deployment goes: its account, Region, application and group, and what the group says."""

    account: str
    region: str
    application: str
    group: str
    settings: Any

    def arn(self, resource: str) -> str:
        """Of something of CodeDeploy's."""
        return f"arn:aws:codedeploy:{self.region}:{self.account}:{resource}"


@dataclass(slots=True, eq=False)
class Deployment:
    """One deployment of an ECS service."""

    id: str
    place: Place
    service: Service
    definition: TaskDefinition
    settings: dict[str, Any]
    request: dict[str, Any]
    sha256: str
    created: datetime
    creator: str = "user"
    status: str = "Created"
    terminating: bool = False
    started: datetime | None = None
    completed: datetime | None = None
    error: dict[str, str] = field(default_factory=dict)
    rollback: dict[str, str] = field(default_factory=dict)
    blue: TaskSet | None = None
    green: TaskSet | None = None
    timer: Timer | None = None

    @property
    def under_way(self) -> bool:
        """Whether it is not over."""
        return self.status in ACTIVE


class CodeDeploy:
    """Every deployment, and how images fail.

    `broken_rollbacks`: what fails cannot be rolled back, as where the original task set is gone.
    """

    def __init__(self, timeline: Timeline, emit: Callable[[Event], None], task_sets: Callable[[], TaskSets]) -> None:
        self._timeline = timeline
        self._emit = emit
        self._task_sets = task_sets
        self.deployments: dict[str, Deployment] = {}
        self.revisions: dict[tuple[str, str], str] = {}
        self.broken_rollbacks = False
        self._failing: dict[str, str] = {}

    def fail(self, digest: str, hook: str = "AfterAllowTestTraffic") -> None:
        """Lets the Lambda function of a lifecycle hook refuse an image, until `mend`."""
        if hook not in HOOKS:
            raise ValueError(f"{hook} is none of {', '.join(HOOKS)}")
        self._failing[digest] = hook

    def mend(self, digest: str) -> None:
        """Takes back `fail`."""
        self._failing.pop(digest, None)

    def clear(self) -> None:
        """Forgets everything."""
        for deployment in self.deployments.values():
            self._halt(deployment)
        self.deployments.clear()
        self.revisions.clear()
        self._failing.clear()
        self.broken_rollbacks = False

    def of(self, place: Place) -> list[Deployment]:
        """The deployments of a group, the newest first."""
        mine = (place.account, place.region, place.application, place.group)
        wheres = ((each, each.place) for each in reversed(self.deployments.values()))
        return [each for each, where in wheres if (where.account, where.region, where.application, where.group) == mine]

    # -- what is asked of it ----------------------------------------------------------------------------------------

    def create(self, place: Place, request: dict[str, Any]) -> Deployment:
        """CreateDeployment. Raises RefusedError."""
        if running := next((each for each in self.of(place) if each.under_way), None):
            text = f"The Deployment Group '{place.group}' already has an active Deployment '{running.id}'"
            raise RefusedError("DeploymentLimitExceededException", text)
        content = str(((request.get("revision") or {}).get("appSpecContent") or {}).get("content") or "")
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        service, definition, settings = self._read(place, content)
        self.revisions[place.application, sha256] = content
        deployment = Deployment(
            f"d-{identifiers.hexadecimal(9).upper()}",
            place,
            service,
            definition,
            settings,
            request,
            sha256,
            self._timeline.now(),
        )
        self.deployments[deployment.id] = deployment
        self._after(deployment, START, partial(self._start, deployment))
        return deployment

    def go_on(self, deployment: Deployment) -> None:
        """ContinueDeployment of one that waits before its traffic moves. Raises RefusedError."""
        if not deployment.under_way:
            raise RefusedError("DeploymentAlreadyCompletedException", f"{deployment.id} is over")
        if deployment.status != "Ready":
            raise RefusedError("DeploymentIsNotInReadyStateException", f"{deployment.id} does not wait")
        deployment.status = "InProgress"
        self._shift(deployment)

    def stop(self, deployment: Deployment, *, roll_back: bool) -> None:
        """StopDeployment. Raises RefusedError."""
        if not deployment.under_way:
            raise RefusedError("DeploymentAlreadyCompletedException", f"{deployment.id} is over")
        self._end(deployment, "Stopped", "MANUAL_STOP", "The deployment was stopped by a request.", roll_back=roll_back)

    # -- how it goes ------------------------------------------------------------------------------------------------

    def _start(self, deployment: Deployment) -> None:
        service, sets = deployment.service, self._task_sets()
        deployment.status, deployment.started, deployment.blue = "InProgress", self._timeline.now(), service.primary
        self._tell(deployment)
        for left in [each for each in service.deployments if each is not deployment.blue]:
            sets.drain(service, left)  # of a deployment that could not be rolled back
        deployment.green = sets.create(service, deployment.definition, deployment.settings, deployment.id)
        self._after(deployment, LOOK, partial(self._installing, deployment))

    def _installing(self, deployment: Deployment) -> None:
        green, service = deployment.green, deployment.service
        if self._alarmed(deployment) or green is None or deployment.started is None:
            return
        if green.healthy >= service.desired_count:
            self._installed(deployment)
        elif self._timeline.now() - deployment.started >= PATIENCE:
            text = "The ECS service cannot reach a steady state: the replacement task set is not healthy."
            self._end(deployment, "Failed", "ECS_UPDATE_ERROR", text)
        else:
            self._after(deployment, LOOK, partial(self._installing, deployment))

    def _installed(self, deployment: Deployment) -> None:
        if self._refused(deployment, HOOKS[:-1]):
            return
        option = _option(deployment.place.settings, "deploymentReadyOption")
        if option.get("actionOnTimeout") != "STOP_DEPLOYMENT":
            self._shift(deployment)
            return
        deployment.status = "Ready"
        self._tell(deployment)
        wait = timedelta(minutes=int(option.get("waitTimeInMinutes") or 0))
        text = "The deployment timed out while it waited for somebody to move the traffic."
        self._after(deployment, wait, partial(self._end, deployment, "Stopped", "TIMEOUT", text))

    def _shift(self, deployment: Deployment) -> None:
        """Canary and linear configurations take their time; all at once takes none."""
        name = str(deployment.request.get("deploymentConfigName") or deployment.place.settings.deployment_config_name)
        match = _SHIFT.search(name)
        minutes = 0
        if match:
            steps = 1 if match["kind"] == "Canary" else 100 // int(match["percent"]) - 1
            minutes = steps * int(match["minutes"])
        until = self._timeline.now() + timedelta(minutes=minutes)
        self._after(deployment, min(LOOK, timedelta(minutes=minutes)), partial(self._shifting, deployment, until))

    def _shifting(self, deployment: Deployment, until: datetime) -> None:
        if self._alarmed(deployment) or deployment.green is None:
            return
        left = until - self._timeline.now()
        if left > timedelta(0):
            self._after(deployment, min(ALARMS, left), partial(self._shifting, deployment, until))
            return
        self._task_sets().make_primary(deployment.service, deployment.green)
        if self._refused(deployment, HOOKS[-1:]):
            return
        deployment.terminating = True
        option = _option(deployment.place.settings, "terminateBlueInstancesOnDeploymentSuccess")
        ends = self._timeline.now() + timedelta(minutes=int(option.get("terminationWaitTimeInMinutes") or 0))
        self._after(deployment, timedelta(seconds=1), partial(self._terminating, deployment, ends))

    def _terminating(self, deployment: Deployment, ends: datetime) -> None:
        if self._alarmed(deployment):
            return
        left = ends - self._timeline.now()
        if left > timedelta(0):
            self._after(deployment, min(ALARMS, left), partial(self._terminating, deployment, ends))
            return
        if deployment.blue is not None:
            self._task_sets().drain(deployment.service, deployment.blue)
        self._over(deployment, "Succeeded")

    def _refused(self, deployment: Deployment, hooks: tuple[str, ...]) -> bool:
        digests = {c.digest for task in (deployment.green.tasks if deployment.green else ()) for c in task.containers}
        hook = next((self._failing[digest] for digest in digests if digest in self._failing), None)
        if hook not in hooks:
            return False
        self._end(deployment, "Failed", "HOOK_EXECUTION_FAILURE", f"The function of the hook {hook} answered Failed.")
        return True

    def _alarmed(self, deployment: Deployment) -> bool:
        alarms: dict[str, Any] = deployment.place.settings.alarm_configuration or {}
        names = [each["name"] for each in alarms.get("alarms") or []] if alarms.get("enabled") else []
        raised = alarms_in_alarm(deployment.place.account, deployment.place.region, names)
        if raised:
            text = f"One or more alarms have been activated: {', '.join(raised)}"
            self._end(deployment, "Stopped", "ALARM_ACTIVE", text)
        return bool(raised)

    def _end(self, deployment: Deployment, status: str, code: str, text: str, *, roll_back: bool = False) -> None:
        """The end that nobody wanted, and the rollback where it is configured or was asked for."""
        deployment.error = {"code": code, "message": text}
        events = {"ALARM_ACTIVE": "DEPLOYMENT_STOP_ON_ALARM", "MANUAL_STOP": "DEPLOYMENT_STOP_ON_REQUEST"}
        stated = deployment.request.get("autoRollbackConfiguration")
        auto = stated or deployment.place.settings.auto_rollback_configuration or {}
        wanted = auto.get("enabled") and events.get(code, "DEPLOYMENT_FAILURE") in (auto.get("events") or ())
        self._over(deployment, status)
        if not (wanted or roll_back):
            return
        if self.broken_rollbacks:
            deployment.rollback = {"rollbackMessage": "The deployment cannot be rolled back: no original task set."}
            return
        self._timeline.at(self._timeline.now() + timedelta(seconds=3), partial(self._roll_back, deployment))

    def _roll_back(self, failed: Deployment) -> None:
        if failed.id not in self.deployments:
            return
        back = Deployment(
            f"d-{identifiers.hexadecimal(9).upper()}",
            failed.place,
            failed.service,
            failed.blue.revision.definition if failed.blue else failed.definition,
            {},
            {"revision": failed.request.get("revision")},
            failed.sha256,
            self._timeline.now(),
            creator="codeDeployRollback",
            status="InProgress",
            started=self._timeline.now(),
        )
        back.rollback = {"rollbackTriggeringDeploymentId": failed.id}
        failed.rollback = {
            "rollbackDeploymentId": back.id,
            "rollbackMessage": f"Deployment {failed.id} is rolled back by deployment {back.id}.",
        }
        self.deployments[back.id] = back
        self._after(back, ROLLBACK, partial(self._rolled_back, back, failed))

    def _rolled_back(self, back: Deployment, failed: Deployment) -> None:
        sets, service = self._task_sets(), failed.service
        if failed.blue is not None:
            sets.make_primary(service, failed.blue)
        if failed.green is not None:
            sets.drain(service, failed.green)
        self._over(back, "Succeeded")

    def _over(self, deployment: Deployment, status: str) -> None:
        self._halt(deployment)
        deployment.status, deployment.completed, deployment.terminating = status, self._timeline.now(), False
        self._tell(deployment)

    def _tell(self, deployment: Deployment) -> None:
        """CodeDeploy Deployment State-change Notification (events/codedeploy)."""
        place = deployment.place
        application = place.arn(f"application:{place.application}")
        detail = {
            "instanceGroupId": identifiers.uuid(),
            "region": place.region,
            "application": place.application,
            "deploymentId": deployment.id,
            "state": _STATES[deployment.status],
            "deploymentGroup": place.group,
        }
        kind = "CodeDeploy Deployment State-change Notification"
        event = envelope("aws.codedeploy", kind, application, self._timeline.now(), detail)
        event["resources"].append(place.arn(f"deploymentgroup:{place.application}/{place.group}"))
        self._emit(event)

    def _after(self, deployment: Deployment, delay: timedelta, callback: Callable[[], None]) -> None:
        self._halt(deployment)
        deployment.timer = self._timeline.at(self._timeline.now() + delay, callback)

    def _halt(self, deployment: Deployment) -> None:
        if deployment.timer is not None:
            deployment.timer.cancel()
            deployment.timer = None

    def _read(self, place: Place, content: str) -> tuple[Service, TaskDefinition, dict[str, Any]]:
        """What an AppSpec says of the group's only service."""
        try:
            spec = json.loads(content)
            properties = spec["Resources"][0]["TargetService"]["Properties"]
            name = str(properties["TaskDefinition"])
            balancer = properties["LoadBalancerInfo"]
            port = {"containerName": balancer["ContainerName"], "containerPort": int(balancer["ContainerPort"])}
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise RefusedError("InvalidRevisionException", f"The AppSpec file is not valid: {error!r}") from None
        named = place.settings.ecs_services[0]
        backend: Any = ecs_backends[place.account][place.region]
        service = backend.services.get(f"{named['clusterName']}:{named['serviceName']}")
        family, _, revision = name.rpartition("/")[2].partition(":")
        definition = backend.task_definitions.get(family, {}).get(int(revision or 0))
        if service is None or definition is None:
            raise RefusedError("InvalidRevisionException", f"There is no service {named} or no task definition {name}.")
        settings: dict[str, Any] = {}
        before = (service.primary.revision.settings if service.primary else {}).get("loadBalancers") or [{}]
        settings["loadBalancers"] = [{**before[0], **port}]
        if network := properties.get("NetworkConfiguration", {}).get("AwsvpcConfiguration"):
            settings["networkConfiguration"] = {"awsvpcConfiguration": _uncapitalised(network)}
        if strategy := properties.get("CapacityProviderStrategy"):
            settings["capacityProviderStrategy"] = [_uncapitalised(each) for each in strategy]
        if version := properties.get("PlatformVersion"):
            settings["platformVersion"] = version
        return service, definition, settings


def _option(group: Any, name: str) -> dict[str, Any]:
    option: dict[str, Any] = (group.blue_green_deployment_configuration or {}).get(name) or {}
    return option


def _uncapitalised(members: dict[str, Any]) -> dict[str, Any]:
    return {f"{key[:1].lower()}{key[1:]}": value for key, value in members.items()}
