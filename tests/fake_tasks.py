"""ECS tasks in memory, with what moto lacks: client tokens, refusals, the loss of tags by StopTask (recover 8)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.validate import ParamValidator

from longshore.errors import ConflictError, GoneError
from longshore.recover.breaker import Breaker
from longshore.recover.ports import Launch, LaunchFailure
from longshore.recover.recipe import LaunchRecipe
from longshore.recover.recovery import Recovery, RecoveryState
from longshore.recover.sources import Interface
from longshore.tasks import Task

if TYPE_CHECKING:
    from longshore.ports import Clock
    from longshore.recover.firing import Timetable

ACCOUNT, REGION = "123456789012", "eu-west-1"
ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
CLUSTER = f"{ARN}:cluster/shop"

_RUN_TASK = botocore.session.get_session().get_service_model("ecs").operation_model("RunTask").input_shape


class FakeTasks:
    """The tasks of one account and Region. `changed` hears of every change of state, as EventBridge would."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: dict[str, dict[str, Any]] = {}
        self._definitions: dict[str, tuple[dict[str, Any], dict[str, str]]] = {}
        self._tokens: dict[tuple[str, str], tuple[str, str]] = {}
        self.network = FakeNetwork()
        self.requests: list[dict[str, Any]] = []
        self.launched: list[str] = []
        self.refusals: list[Launch | Exception] = []
        self.hosts: dict[str, str] = {}
        self.changed: Callable[[str], None] = lambda arn: None

    # -- the port ---------------------------------------------------------------------------------------------------

    def get(self, cluster: str, arn: str) -> Task | None:
        """See `ports.Tasks.get`."""
        return next(iter(self.survey(cluster, [arn])), None)

    def survey(self, cluster: str, arns: Sequence[str]) -> Sequence[Task]:
        """See `ports.Tasks.survey`; ECS takes ids of tasks as well."""
        ids = {arn.rpartition("/")[2]: arn for arn in self._tasks}
        found = [self._tasks[arn] for each in arns if (arn := ids.get(each, each)) in self._tasks]
        return [Task.read(copy.deepcopy(each)) for each in found if each["clusterArn"] == cluster]

    def of_family(self, cluster: str, family: str) -> Sequence[Task]:
        """See `ports.Tasks.of_family`."""
        return [each for each in self.survey(cluster, list(self._tasks)) if each.family == family]

    def host(self, cluster: str, container_instance: str) -> str:
        """See `ports.Tasks.host`."""
        return self.hosts.get(container_instance, "")

    def definition(self, arn: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """See `ports.Tasks.definition`."""
        if arn not in self._definitions:
            raise GoneError(f"{arn} does not exist")
        return self._definitions[arn]

    def launch(self, request: Mapping[str, Any]) -> Launch:
        """See `ports.Tasks.launch`: the same token and parameters are the same task, other parameters a conflict."""
        assert not ParamValidator().validate(request, _RUN_TASK).has_errors(), request
        assert not {"launchType", "capacityProviderStrategy"} <= request.keys(), "ECS takes one of the two"
        self.requests.append(copy.deepcopy(dict(request)))
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, Exception):
                raise refusal
            return refusal
        key, wanted = (request["cluster"], request["clientToken"]), json.dumps(request, sort_keys=True)
        if key in self._tokens:
            asked, arn = self._tokens[key]
            return Launch(arn, adopted=asked != wanted)
        arn = self._started(request)
        self._tokens[key] = (wanted, arn)
        self.launched.append(arn)
        self.changed(arn)
        return Launch(arn)

    def stop(self, cluster: str, arn: str, reason: str) -> None:
        """See `ports.Tasks.stop`."""
        if arn not in self._tasks:
            raise GoneError("The referenced task was not found.")
        ran = any("runtimeId" in each for each in self._tasks[arn]["containers"])  # what never ran has no exit code
        self.end(arn, code="UserInitiated", reason=reason, exit_code=143 if ran else None)

    # -- what happens in the account --------------------------------------------------------------------------------

    def define(self, family: str = "etl", tags: Mapping[str, str] | None = None, **members: Any) -> str:
        """Registers a task definition on Fargate with one container `app`."""
        revision = 1 + sum(arn.rpartition("/")[2].startswith(f"{family}:") for arn in self._definitions)
        arn = f"{ARN}:task-definition/{family}:{revision}"
        logs = {"awslogs-group": f"/ecs/{family}", "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"}
        definition = {
            "taskDefinitionArn": arn,
            "family": family,
            "status": "ACTIVE",
            "networkMode": "awsvpc",
            "cpu": "512",
            "memory": "1024",
            "containerDefinitions": [
                {
                    "name": "app",
                    "image": "shop/app:1",
                    "essential": True,
                    "logConfiguration": {"logDriver": "awslogs", "options": logs},
                }
            ],
            **members,
        }
        self._definitions[arn] = definition, dict(tags or {})
        return arn

    def retag(self, definition: str, tags: Mapping[str, str]) -> None:
        """Gives a task definition other tags."""
        self._definitions[definition] = self._definitions[definition][0], dict(tags)

    def run(self, definition: str, *, tags: Mapping[str, str] | None = None, **members: Any) -> str:
        """Somebody starts a task: it runs."""
        number = len(self._tasks) + 1
        arn = f"{ARN}:task/shop/{number:032x}"
        eni = f"eni-{number:017x}"
        self.network.interfaces[eni] = Interface("subnet-a", ("sg-1",), public=False)
        described, _ = self._definitions[definition]
        self._tasks[arn] = {
            "taskArn": arn,
            "clusterArn": CLUSTER,
            "taskDefinitionArn": definition,
            "group": f"family:{described['family']}",
            "lastStatus": "RUNNING",
            "desiredStatus": "RUNNING",
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "availabilityZone": "eu-west-1a",
            "cpu": described["cpu"],
            "memory": described["memory"],
            "enableExecuteCommand": False,
            "version": 3,
            "createdAt": self._clock.now(),
            "startedAt": self._clock.now(),
            "containers": [
                {"name": each["name"], "lastStatus": "RUNNING", "runtimeId": f"{number:032x}-1"}
                for each in described["containerDefinitions"]
            ],
            "attachments": [
                {
                    "type": "ElasticNetworkInterface",
                    "status": "ATTACHED",
                    "details": [
                        {"name": "subnetId", "value": "subnet-a"},
                        {"name": "networkInterfaceId", "value": eni},
                    ],
                }
            ],
            "overrides": {"containerOverrides": [{"name": each["name"]} for each in described["containerDefinitions"]]},
            "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
            **members,
        }
        self.changed(arn)
        return arn

    def end(
        self,
        arn: str,
        *,
        code: str = "EssentialContainerExited",
        reason: str = "Essential container in task exited",
        exit_code: int | None = 1,
        container_reason: str = "",
        started: bool = True,
    ) -> None:
        """A task stops; StopTask deletes its tags, and its network interface goes with every task."""
        task, now = self._tasks[arn], self._clock.now()
        ended = {"lastStatus": "STOPPED", **({"exitCode": exit_code} if exit_code is not None else {})}
        if container_reason:
            ended["reason"] = container_reason
        task.update(
            lastStatus="STOPPED",
            desiredStatus="STOPPED",
            stopCode=code,
            stoppedReason=reason,
            version=task["version"] + 3,
            stoppingAt=now,
            executionStoppedAt=now,
            stoppedAt=now,
            containers=[{**each, **ended} for each in task["containers"]],
        )
        if not started:
            task.pop("startedAt", None)
            task["containers"] = [{"name": each["name"], "lastStatus": "STOPPED"} for each in task["containers"]]
            if container_reason:
                task["containers"][0]["reason"] = container_reason
        if code == "UserInitiated":
            task["tags"] = []
        self._detach(task)
        self.changed(arn)

    def become(self, arn: str, **members: Any) -> None:
        """A task changes in any way."""
        self._tasks[arn].update(members, version=self._tasks[arn]["version"] + 1)
        self.changed(arn)

    def notice(self, arn: str) -> None:
        """AWS says that it is about to take a Spot task."""
        task = self._tasks[arn]
        task.update(
            desiredStatus="STOPPED",
            stopCode="SpotInterruption",
            stoppedReason="Your Spot Task was interrupted.",
            stoppingAt=self._clock.now(),
            version=task["version"] + 1,
        )
        self.changed(arn)

    def forget_tokens(self) -> None:
        """ECS keeps client tokens for a time that it does not tell."""
        self._tokens.clear()

    def lose_tags(self, arn: str) -> None:
        """Accounts with ARNs of the short form cannot tag tasks."""
        self._tasks[arn]["tags"] = []

    def forget(self, arn: str) -> None:
        """ECS remembers a stopped task for an hour or so."""
        del self._tasks[arn]

    def described(self, arn: str) -> dict[str, Any]:
        """A task as an event carries it: without tags and without health."""
        return {name: value for name, value in self._tasks[arn].items() if name not in ("tags", "healthStatus")}

    @property
    def arns(self) -> list[str]:
        """Every task, in the order in which they were started."""
        return list(self._tasks)

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a task."""
        return {each["key"]: each["value"] for each in self._tasks[arn]["tags"]}

    def _detach(self, task: Mapping[str, Any]) -> None:
        for attachment in task["attachments"]:
            for detail in attachment["details"]:
                self.network.interfaces.pop(detail["value"], None)

    def _started(self, request: Mapping[str, Any]) -> str:
        """What RunTask starts: it runs at once."""
        providers = request.get("capacityProviderStrategy")
        overrides = request.get("overrides") or {}
        members: dict[str, Any] = {
            "clusterArn": request["cluster"],
            "startedBy": request.get("startedBy", ""),
            "launchType": request.get("launchType") or "FARGATE",
            "overrides": overrides,
            **({"capacityProviderName": providers[0]["capacityProvider"]} if providers else {}),
            **({"group": request["group"]} if request.get("group") else {}),
            **{name: overrides[name] for name in ("cpu", "memory") if name in overrides},
        }
        tags = {each["key"]: each["value"] for each in request.get("tags", ())}
        quiet, self.changed = self.changed, lambda arn: None
        try:
            return self.run(str(request["taskDefinition"]), tags=tags, **members)
        finally:
            self.changed = quiet


class FakeNetwork:
    """Network interfaces by id."""

    def __init__(self) -> None:
        self.interfaces: dict[str, Interface] = {}

    def get(self, id: str) -> Interface | None:
        """See `ports.Network.get`."""
        return self.interfaces.get(id)


class FakeLaunchers:
    """Schedules and rules by name."""

    def __init__(self) -> None:
        self.of_schedules: dict[str, list[dict[str, Any]]] = {}
        self.of_rules: dict[str, list[dict[str, Any]]] = {}
        self.times: dict[str, Timetable] = {}
        self.asked_times = 0

    def schedules(self, name: str) -> Sequence[Mapping[str, Any]]:
        """See `ports.Launchers.schedules`."""
        return self.of_schedules.get(name, [])

    def rules(self, name: str) -> Sequence[Mapping[str, Any]]:
        """See `ports.Launchers.rules`."""
        return self.of_rules.get(name, [])

    def schedule_times(self, name: str) -> Sequence[Timetable]:
        """See `ports.Launchers.schedule_times`."""
        return self._timed(name, self.schedules(name))

    def rule_times(self, name: str) -> Sequence[Timetable]:
        """See `ports.Launchers.rule_times`."""
        return self._timed(name, self.rules(name))

    def _timed(self, name: str, targets: Sequence[Mapping[str, Any]]) -> Sequence[Timetable]:
        self.asked_times += 1
        return [self.times[name]._replace(targets=targets)] if name in self.times else []


class FakeLogs:
    """Lines by group and stream; `denied` groups may not be read."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], list[str]] = {}
        self.error: Exception | None = None

    def tail(self, group: str, stream: str, region: str, limit: int) -> Sequence[str]:
        """See `ports.Logs.tail`."""
        if self.error is not None:
            raise self.error
        if (group, stream) not in self.lines:
            raise GoneError(f"{group} has no stream {stream}")
        return self.lines[group, stream][-limit:]


class FakeRecipes:
    """Recipes as JSON, by task."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, task: str) -> LaunchRecipe | None:
        """See `ports.Recipes.get`."""
        return LaunchRecipe.read(json.loads(self.kept[task])) if task in self.kept else None

    def put(self, task: str, recipe: LaunchRecipe) -> None:
        """See `ports.Recipes.put`."""
        self.kept[task] = json.dumps(recipe.as_json())

    def forget(self, task: str) -> None:
        """See `ports.Recipes.forget`."""
        self.kept.pop(task, None)


class FakeRecoveries:
    """Recoveries as JSON, by root."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, int]] = {}
        self._roots: dict[str, str] = {}
        self._open: dict[str, datetime | None] = {}

    def get(self, root: str) -> Recovery | None:
        """See `ports.Recoveries.get`."""
        return Recovery.read(json.loads(self.kept[root][0]), self.kept[root][1]) if root in self.kept else None

    def root_of(self, task: str) -> str | None:
        """See `ports.Recoveries.root_of`."""
        return self._roots.get(task)

    def save(self, recovery: Recovery) -> Recovery:
        """See `ports.Recoveries.save`."""
        known = self.get(recovery.root)
        if (known.version if known else 0) != recovery.version:
            raise ConflictError(f"version {recovery.version} of {recovery.root} is outdated")
        self.kept[recovery.root] = json.dumps(recovery.as_json()), recovery.version + 1
        if recovery.last and recovery.last.task:
            self._roots[recovery.last.task] = recovery.root
        if recovery.state is RecoveryState.OPEN:
            self._open[recovery.root] = recovery.due
        else:
            self.close(recovery.root)
        saved = self.get(recovery.root)
        assert saved is not None
        return saved

    def open(self, now: datetime | None = None) -> Sequence[str]:
        """See `ports.Recoveries.open`."""
        return sorted(root for root, due in self._open.items() if not (now and due and now < due))

    def close(self, root: str) -> None:
        """See `ports.Recoveries.close`."""
        self._open.pop(root, None)


class FakeBreakers:
    """Breakers by cluster and family."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Breaker] = {}

    def get(self, cluster: str, family: str) -> Breaker:
        """See `ports.Breakers.get`."""
        return self._kept.get((cluster, family), Breaker())

    def save(self, cluster: str, family: str, breaker: Breaker) -> Breaker:
        """See `ports.Breakers.save`."""
        if self.get(cluster, family).version != breaker.version:
            raise ConflictError(f"version {breaker.version} of the breaker of {family} is outdated")
        saved = breaker._replace(version=breaker.version + 1)
        self._kept[cluster, family] = saved
        return saved


def refusal(reason: str, detail: str = "") -> Launch:
    """RunTask started nothing."""
    return Launch(failures=(LaunchFailure(reason, detail),))
