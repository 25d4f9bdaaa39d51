"""How a task comes up, fails and goes down: its life on the timeline."""

from functools import partial
from typing import Any, Protocol

from moto.ecs.models import ecs_backends

from longshore_local.ecs import events, identifiers
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.images import FailureMode, repository_of
from longshore_local.ecs.orders import LaunchOrder, new_task
from longshore_local.ecs.tasks import Container, Task


class TaskListener(Protocol):
    """Who is told how the tasks of services fare."""

    def task_healthy(self, task: Task) -> None:
        """The task is RUNNING and passes its checks."""
        ...

    def task_stopped(self, task: Task, *, failed: bool) -> None:
        """The task is STOPPED; `failed` when it never became healthy and nobody asked it to stop."""
        ...


class Launcher:
    """Starts and stops tasks and moves them through their statuses."""

    def __init__(self, engine: Engine, listener: TaskListener) -> None:
        self._engine = engine
        self._listener = listener

    def launch(self, order: LaunchOrder) -> Task:
        """A new task, PROVISIONING."""
        task = self.create(order)
        self._tell(task)
        self._engine.after(self._engine.durations.provisioning, partial(self._pull, task))
        return task

    def create(self, order: LaunchOrder) -> Task:
        """A new task that moto lists and nothing moves yet."""
        task = new_task(order, self._engine.now())
        held: Any = ecs_backends[order.account][order.region].tasks
        held.setdefault(order.cluster_name, {})[task.task_arn] = task
        return task

    def settle(self, task: Task, digests: dict[str, str]) -> None:
        """Makes a created task RUNNING and healthy at once, without events."""
        now = self._engine.now()
        for container in task.containers:
            container.digest = digests.get(container.name)
            container.runtime_id = _runtime_id(task)
        task.version = 4
        task.moments |= {"connectivityAt": now, "pullStartedAt": now, "pullStoppedAt": now}
        self._mark_running(task)
        self._mark_healthy(task)

    def stop(self, task: Task, code: str, reason: str) -> None:
        """Asks a task to stop; harmless when it stops already."""
        if task.stopping:
            return
        self._ask_to_stop(task, code, reason)
        was_running = task.last_status == "RUNNING"
        task.last_status = "DEACTIVATING" if was_running else "DEPROVISIONING"
        self._tell(task)
        delay = self._engine.durations.stopping if was_running else self._engine.durations.deprovisioning
        self._engine.after(delay, partial(self._stopped, task, exit_code=143 if was_running else None, failed=False))

    def _pull(self, task: Task) -> None:
        if not self._moves(task):
            return
        now = self._engine.now()
        task.last_status = "PENDING"
        task.moments |= {"connectivityAt": now, "pullStartedAt": now}
        self._tell(task)
        error = self._resolve(task)
        mode = self._failure(task)
        if error or mode in ("cannot-pull", "resource-init"):
            text = error or _START_ERRORS[mode or "cannot-pull"].format(image=task.containers[0].image)
            fail = partial(self._fail, task, "TaskFailedToStart", text)
            self._engine.after(self._engine.durations.pulling, fail)
            return
        self._engine.after(self._engine.durations.pulling, partial(self._pulled, task))

    def _pulled(self, task: Task) -> None:
        if not self._moves(task):
            return
        task.moments["pullStoppedAt"] = self._engine.now()
        mode = self._failure(task)
        if mode == "hang":
            return
        for container in task.containers:
            container.runtime_id = _runtime_id(task)
        if mode in ("exit-1", "oom"):
            self._engine.after(self._engine.durations.starting, partial(self._exit, task, mode))
        else:
            self._engine.after(self._engine.durations.starting, partial(self._running, task, mode))

    def _running(self, task: Task, mode: FailureMode | None) -> None:
        if not self._moves(task):
            return
        self._mark_running(task)
        self._tell(task)
        durations = self._engine.durations
        if mode == "unhealthy":
            self._engine.after(durations.unhealthy, partial(self._unhealthy, task))
            return
        if mode == "crash":
            self._engine.after(durations.crash, partial(self._exit, task, mode))
        if _checked(task):
            self._engine.after(durations.health, partial(self._healthy, task))
        else:
            self._healthy(task)

    def _healthy(self, task: Task) -> None:
        if self._moves(task):
            self._mark_healthy(task)
            if task.service is not None:
                self._listener.task_healthy(task)

    def _mark_running(self, task: Task) -> None:
        task.last_status = "RUNNING"
        task.moments["startedAt"] = self._engine.now()
        for container in task.containers:
            container.last_status = "RUNNING"

    @staticmethod
    def _mark_healthy(task: Task) -> None:
        task.healthy = True
        for container in task.containers:
            container.health = "HEALTHY" if container.health_check else "UNKNOWN"

    def _unhealthy(self, task: Task) -> None:
        if not self._moves(task):
            return
        for container in task.containers:
            container.health = "UNHEALTHY" if container.health_check else "UNKNOWN"
        self._ask_to_stop(task, "ServiceSchedulerInitiated", _unhealthy_reason(task))
        task.last_status = "DEACTIVATING"
        self._tell(task)
        stopped = partial(self._stopped, task, exit_code=143, failed=True)
        self._engine.after(self._engine.durations.stopping, stopped)

    def _exit(self, task: Task, mode: FailureMode) -> None:
        if not self._moves(task):
            return
        main = _essential(task)
        if mode == "oom":
            main.exit_code, main.reason = 137, "OutOfMemoryError: Container killed due to memory usage"
        else:
            main.exit_code = 1
        self._fail(task, "EssentialContainerExited", "Essential container in task exited")

    def _fail(self, task: Task, code: str, reason: str) -> None:
        if not self._moves(task):
            return
        failed = not task.healthy
        self._ask_to_stop(task, code, reason)
        task.last_status = "DEPROVISIONING"
        for container in task.containers:
            container.last_status = "STOPPED"
        self._tell(task)
        stopped = partial(self._stopped, task, exit_code=None, failed=failed)
        self._engine.after(self._engine.durations.deprovisioning, stopped)

    def _ask_to_stop(self, task: Task, code: str, reason: str) -> None:
        now = self._engine.now()
        task.desired_status = "STOPPED"
        task.stop_code = code
        task.stopped_reason = reason
        task.healthy = False
        task.moments |= {"stoppingAt": now, "executionStoppedAt": now}

    def _stopped(self, task: Task, *, exit_code: int | None, failed: bool) -> None:
        if not self._held(task):
            return
        task.last_status = "STOPPED"
        task.moments["stoppedAt"] = self._engine.now()
        for container in task.containers:
            container.last_status = "STOPPED"
            if container.exit_code is None and container.runtime_id is not None:
                container.exit_code = 143 if exit_code is None else exit_code
        self._tell(task)
        self._engine.after(self._engine.durations.retention, partial(_forget, task))
        if task.service is not None:
            self._listener.task_stopped(task, failed=failed)

    def _resolve(self, task: Task) -> str | None:
        for container, definition in zip(task.containers, task.definition.container_definitions, strict=True):
            container.digest = self._digest(task, definition)
            if container.digest is None:
                return _START_ERRORS["cannot-pull"].format(image=container.image)
        return None

    def _digest(self, task: Task, definition: dict[str, Any]) -> str | None:
        image, name = definition["image"], definition["name"]
        revision = task.deployment.revision if task.deployment else None
        pinned = revision.digests.get(name) if revision else None
        wanted = f"{repository_of(image)}@{pinned}" if pinned else image
        digest = self._engine.images.resolve(wanted, task.account, task.region)
        if digest and revision and definition.get("versionConsistency", "enabled") == "enabled":
            revision.digests[name] = digest
        return digest

    def _failure(self, task: Task) -> FailureMode | None:
        for container in task.containers:
            mode = self._engine.images.failure(container.image, container.digest)
            if mode is not None:
                return mode
        return None

    def _moves(self, task: Task) -> bool:
        return not task.stopping and self._held(task)

    @staticmethod
    def _held(task: Task) -> bool:
        return task.task_arn in _held_tasks(task)

    def _tell(self, task: Task) -> None:
        task.version += 1
        self._engine.send(events.task_state_change(task, self._engine.now()))


_START_ERRORS = {
    "cannot-pull": "CannotPullContainerError: pull image manifest has been retried 5 time(s): "
    "failed to resolve ref {image}: {image}: not found",
    "resource-init": "ResourceInitializationError: unable to pull secrets or registry auth: "
    "the task cannot pull registry authentication from Amazon ECR",
}


def _held_tasks(task: Task) -> dict[str, Any]:
    cluster = task.cluster_arn.rpartition("/")[2]
    held: dict[str, Any] = ecs_backends[task.account][task.region].tasks.get(cluster, {})
    return held


def _forget(task: Task) -> None:
    _held_tasks(task).pop(task.task_arn, None)


def _runtime_id(task: Task) -> str:
    return f"{task.id}-{identifiers.number()[:10]}" if task.launch_type == "FARGATE" else identifiers.hexadecimal(64)


def _checked(task: Task) -> bool:
    behind = task.service is not None and bool(task.service.settings.get("loadBalancers"))
    return behind or any(container.health_check for container in task.containers)


def _unhealthy_reason(task: Task) -> str:
    balancers = task.service.settings.get("loadBalancers") if task.service else None
    if balancers and "targetGroupArn" in balancers[0]:
        return f"Task failed ELB health checks in (target-group {balancers[0]['targetGroupArn']})"
    return "Task failed container health checks"


def _essential(task: Task) -> Container:
    for container, definition in zip(task.containers, task.definition.container_definitions, strict=True):
        if definition.get("essential", True):
            return container
    return task.containers[0]
