"""The task operations of the ECS API: every task of the simulator lives on the timeline."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from moto.ecs.exceptions import ECSException
from moto.ecs.models import Task as MotoTask
from moto.ecs.models import ecs_backends

from longshore_local.ecs import errors
from longshore_local.ecs.calls import Call, page
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.launching import Launcher
from longshore_local.ecs.placement import Failure, LaunchRefusedError
from longshore_local.ecs.run_requests import check_started_by, orders
from longshore_local.ecs.tasks import Task
from longshore_local.ecs.trail import run_task_call

_MOST_PER_DESCRIBE = 100
_TOKENS_LAST = timedelta(hours=24)  # and an hour after their tasks, when those are forgotten


@dataclass(frozen=True, slots=True)
class _Launch:
    """What an earlier request with a client token asked for and got."""

    request: dict[str, Any]
    tasks: list[Task]
    at: datetime


class TaskActions:
    """RunTask, StartTask, StopTask, ListTasks, DescribeTasks."""

    def __init__(self, engine: Engine, launcher: Launcher) -> None:
        self._engine = engine
        self._launcher = launcher
        self._launched: dict[tuple[str, str, str, str], _Launch] = {}
        self.trail = False

    def run_task(self, call: Call) -> dict[str, Any]:
        """Starts up to ten tasks, once per client token."""
        check_started_by(call.params)
        return self.answer(call)

    def answer(self, call: Call, invoked_by: str | None = None) -> dict[str, Any]:
        """What RunTask answers, to a caller or to an AWS service; the trail, if there is one, tells it."""
        try:
            tasks, failures = self.launch(call)
        except ECSException as error:
            self._trace(call, None, (str(error.code), str(error.message)), invoked_by)
            raise
        answer = {"tasks": [task.view(tags=True) for task in tasks], "failures": failures}
        self._trace(call, answer, None, invoked_by)
        return answer

    def _trace(
        self, call: Call, answer: dict[str, Any] | None, error: tuple[str, str] | None, invoked_by: str | None
    ) -> None:
        if self.trail:
            event = run_task_call(call, answer, error, invoked_by, self._engine.now())
            self._engine.after(self._engine.durations.trailing, partial(self._engine.send, event))

    def launch(self, call: Call) -> tuple[list[Task], list[Failure]]:
        """The tasks of a RunTask call: those of an earlier call with the same client token, or new ones."""
        token = str(call.params.get("clientToken") or "")
        key = (call.account, call.region, call.cluster().name, token)
        request = {name: value for name, value in call.params.items() if name != "clientToken"}
        earlier = self._earlier(key) if token else None
        if earlier is not None:
            if earlier.request != request:
                arns = [task.task_arn for task in earlier.tasks]
                raise errors.conflict("The client token was used before with other parameters.", arns)
            return earlier.tasks, []
        tasks: list[Task] = []
        failures: list[Failure] = []
        for order in list(orders(call)):
            try:
                tasks.append(self._launcher.launch(order))
            except LaunchRefusedError as refusal:
                failures += [failure for failure in refusal.failures if failure not in failures]
        if token and tasks:
            self._launched[key] = _Launch(request, tasks, self._engine.now())
        return tasks, failures

    def _earlier(self, key: tuple[str, str, str, str]) -> _Launch | None:
        """The launch that a token stands for, while it does (aws B2: a day at most)."""
        found = self._launched.get(key)
        if found is None or self._engine.now() - found.at >= _TOKENS_LAST:
            return None
        held = ecs_backends[key[0]][key[1]].tasks.get(key[2], {})
        return found if any(task.task_arn in held for task in found.tasks) else None

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
            for order in orders(call, instance.container_instance_arn):
                started.append(self._launcher.launch(order).view(tags=True))
        return {"tasks": started, "failures": failures}

    def stop_task(self, call: Call) -> dict[str, Any]:
        """Stops a task by ARN or id, for a stated reason."""
        wanted = str(call.params["task"]).rpartition("/")[2]
        task = next((held for held in tasks_of(call) if held.id == wanted), None)
        if task is None:
            raise errors.invalid_parameter("The referenced task was not found.")
        self._launcher.stop(task, "UserInitiated", str(call.params.get("reason") or "Task stopped by user"))
        answer = {"task": task.view(tags=True)}
        task.tags = []  # "Any tags associated with the task will be deleted" (recover 0.6)
        return answer

    def list_tasks(self, call: Call) -> dict[str, Any]:
        """ARNs of the tasks of a cluster, those meant to run unless told."""
        held = tasks_of(call)
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
            for task in held
            if all(value is None or getattr(task, name) == value for name, value in wanted.items())
            and (family is None or task.definition.family == family)
            and (instance is None or str(task.container_instance_arn).endswith(str(instance)))
        ]
        return page(call, arns, default=100, key="taskArns")

    def describe_tasks(self, call: Call) -> dict[str, Any]:
        """Up to a hundred tasks by ARN or id; looking moves nothing."""
        known = tasks_of(call)
        asked = [str(name) for name in call.params.get("tasks") or []]
        if not 1 <= len(asked) <= _MOST_PER_DESCRIBE:
            raise errors.invalid_parameter("Tasks cannot be empty." if not asked else "At most 100 tasks.")
        held = {task.id: task for task in known}
        found = [held[name.rpartition("/")[2]] for name in asked if name.rpartition("/")[2] in held]
        missing = [name for name in asked if name.rpartition("/")[2] not in held]
        return {
            "tasks": [task.view(tags=call.with_tags) for task in found],
            "failures": [{"arn": name, "reason": "MISSING"} for name in missing],
        }


def tasks_of(call: Call) -> list[Task]:
    """The tasks of the call's cluster. Raises ClusterNotFoundException."""
    held: dict[str, Any] = call.backend.tasks.get(call.cluster().name, {})
    return [task for task in held.values() if not isinstance(task, MotoTask)]


def find_task(arn: str) -> Task:
    """A task of the simulator by ARN; raises KeyError."""
    _, _, _, region, account, path = arn.split(":", 5)
    held: Any = ecs_backends[account][region].tasks.get(path.split("/")[1], {})
    task: Task = held[arn]
    return task
