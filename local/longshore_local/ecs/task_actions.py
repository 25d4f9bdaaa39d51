"""The task operations of the ECS API: every task of the simulator lives on the timeline."""

from typing import Any

from moto.ecs.models import Task as MotoTask

from longshore_local.ecs import errors
from longshore_local.ecs.calls import Call, page
from longshore_local.ecs.launching import Launcher
from longshore_local.ecs.orders import LaunchOrder
from longshore_local.ecs.scheduling import launch_type_of
from longshore_local.ecs.tasks import Task

_MOST_PER_RUN = 10
_MOST_PER_DESCRIBE = 100
_IDENTITY = (
    "taskDefinition",
    "count",
    "overrides",
    "launchType",
    "capacityProviderStrategy",
    "networkConfiguration",
    "group",
    "startedBy",
    "platformVersion",
)


class TaskActions:
    """RunTask, StartTask, StopTask, ListTasks, DescribeTasks."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._launched: dict[tuple[str, str, str, str], tuple[dict[str, Any], list[Task]]] = {}

    def run_task(self, call: Call) -> dict[str, Any]:
        """Starts up to ten tasks, once per client token."""
        started = self.launch(call)
        return {"tasks": [task.view(tags=True) for task in started], "failures": []}

    def launch(self, call: Call) -> list[Task]:
        """The tasks of a RunTask call: those of an earlier call with the same client token, or new ones."""
        params = call.params
        key = (call.account, call.region, call.cluster().name, str(params.get("clientToken") or ""))
        identity = {name: params.get(name) for name in _IDENTITY}
        if key[3] and key in self._launched:
            earlier, tasks = self._launched[key]
            if earlier != identity:
                raise errors.conflict("The client token was used before with other parameters.")
            return tasks
        count = int(params.get("count") or 1)
        if not 1 <= count <= _MOST_PER_RUN:
            raise errors.invalid_parameter(f"count must be between 1 and {_MOST_PER_RUN}, got {count}.")
        started = [self._launcher.launch(self._order(call)) for _ in range(count)]
        if key[3]:
            self._launched[key] = (identity, started)
        return started

    def start_task(self, call: Call) -> dict[str, Any]:
        """Starts one task on each of the container instances named."""
        names = call.params.get("containerInstances") or []
        if not names:
            raise errors.client("Container Instances cannot be empty.")
        held = call.backend.container_instances.get(call.cluster().name, {})
        started: list[dict[str, Any]] = []
        failures: list[dict[str, str]] = []
        for name in names:
            instance = held.get(str(name).rpartition("/")[2])
            if instance is None:
                failures.append({"arn": str(name), "reason": "MISSING"})
                continue
            order = self._order(call, instance.container_instance_arn)
            started.append(self._launcher.launch(order).view(tags=True))
        return {"tasks": started, "failures": failures}

    def stop_task(self, call: Call) -> dict[str, Any]:
        """Stops a task by ARN or id, for a stated reason."""
        cluster = call.cluster()
        wanted = str(call.params["task"]).rpartition("/")[2]
        task = next((held for held in _tasks(call, cluster.name) if held.id == wanted), None)
        if task is None:
            raise errors.invalid_parameter("The referenced task was not found.")
        self._launcher.stop(task, "UserInitiated", str(call.params.get("reason") or "Task stopped by user"))
        return {"task": task.view(tags=True)}

    def list_tasks(self, call: Call) -> dict[str, Any]:
        """ARNs of the tasks of a cluster, those meant to run unless told."""
        cluster = call.cluster()
        params = call.params
        service = params.get("serviceName")
        if service is not None and call.find_service(str(service)) is None:
            raise errors.service_not_found()
        wanted = {
            "desired_status": params.get("desiredStatus") or "RUNNING",
            "group": f"service:{str(service).rpartition('/')[2]}" if service else None,
            "started_by": params.get("startedBy"),
            "launch_type": params.get("launchType"),
        }
        family, instance = params.get("family"), params.get("containerInstance")
        arns = [
            task.task_arn
            for task in _tasks(call, cluster.name)
            if all(value is None or getattr(task, name) == value for name, value in wanted.items())
            and (family is None or task.definition.family == family)
            and (instance is None or str(task.container_instance_arn).endswith(str(instance)))
        ]
        return page(call, arns, default=100, key="taskArns")

    def describe_tasks(self, call: Call) -> dict[str, Any]:
        """Up to a hundred tasks by ARN or id; looking moves nothing."""
        cluster = call.cluster()
        asked = [str(name) for name in call.params.get("tasks") or []]
        if not 1 <= len(asked) <= _MOST_PER_DESCRIBE:
            raise errors.invalid_parameter("Tasks cannot be empty." if not asked else "At most 100 tasks.")
        held = {task.id: task for task in _tasks(call, cluster.name)}
        found = [held[name.rpartition("/")[2]] for name in asked if name.rpartition("/")[2] in held]
        missing = [name for name in asked if name.rpartition("/")[2] not in held]
        return {
            "tasks": [task.view(tags=call.with_tags) for task in found],
            "failures": [{"arn": name, "reason": "MISSING"} for name in missing],
        }

    @staticmethod
    def _order(call: Call, container_instance_arn: str | None = None) -> LaunchOrder:
        cluster = call.cluster()
        params = dict(call.params)
        if params.get("launchType") and params.get("capacityProviderStrategy"):
            raise errors.invalid_parameter("Specify either Launch Type or Capacity Provider Strategy, but not both.")
        if not params.get("launchType") and not params.get("capacityProviderStrategy"):
            params["capacityProviderStrategy"] = cluster.default_capacity_provider_strategy or []
        definition = call.active_definition(str(params["taskDefinition"]))
        if definition.network_mode == "awsvpc" and not params.get("networkConfiguration"):
            raise errors.invalid_parameter(
                "Network Configuration must be provided when networkMode 'awsvpc' is specified."
            )
        propagated = definition.tags if params.get("propagateTags") == "TASK_DEFINITION" else []
        return LaunchOrder(
            account=call.account,
            region=call.region,
            cluster_name=cluster.name,
            cluster_arn=cluster.arn,
            definition=definition,
            group=str(params.get("group") or f"family:{definition.family}"),
            launch_type=launch_type_of(params),
            settings=params,
            started_by=params.get("startedBy"),
            overrides=dict(params.get("overrides") or {}),
            tags=[*(params.get("tags") or []), *propagated],
            container_instance_arn=container_instance_arn,
        )


def _tasks(call: Call, cluster: str) -> list[Task]:
    held: dict[str, Any] = call.backend.tasks.get(cluster, {})
    return [task for task in held.values() if not isinstance(task, MotoTask)]
