"""How a task comes up, lives, and meets the end that was ordered for it."""

from functools import partial
from typing import Any

from moto.ecs.models import ecs_backends

from longshore_local.ecs import identifiers, interfaces, placement
from longshore_local.ecs.endings import Ending
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.images import repository_of
from longshore_local.ecs.orders import LaunchOrder, new_task
from longshore_local.ecs.placement import LaunchRefusedError
from longshore_local.ecs.stopping import Stopper, TaskListener
from longshore_local.ecs.strategy import FARGATE_PROVIDERS
from longshore_local.ecs.tasks import Task

_PLACING_EVERY = 60  # seconds between two attempts to place a task of an Auto Scaling capacity provider
_PLACING_FOR = 1800  # seconds until ECS gives up (recover 0.7)


class Launcher:
    """Starts tasks and moves them through their statuses."""

    def __init__(self, engine: Engine, listener: TaskListener) -> None:
        self._engine = engine
        self._listener = listener
        self.stopper = Stopper(engine, listener)

    def launch(self, order: LaunchOrder) -> Task:
        """A new task, PROVISIONING; raises LaunchRefusedError."""
        task = new_task(order, self._engine.now())
        placement.pin(task)
        task.ending = self._engine.failures.take(task)
        ending = self._ending(task)
        if ending is not None and ending.moment == "request":
            raise LaunchRefusedError([{"arn": task.cluster_arn, "reason": ending.reason}])
        if task.unplaced and not _waits(task):
            self._place(task)
        self._hold(task)
        self.stopper.tell(task)
        self._engine.told_of(task)
        self._engine.after(self._engine.durations.provisioning, partial(self._provisioned, task))
        return task

    def create(self, order: LaunchOrder) -> Task:
        """A new task that moto lists and nothing moves yet."""
        task = new_task(order, self._engine.now())
        if task.unplaced:
            placement.place(task)
        self._hold(task)
        return task

    def settle(self, task: Task, digests: dict[str, str]) -> None:
        """Makes a created task RUNNING and healthy at once, without events."""
        now = self._engine.now()
        interfaces.attach(task)
        for container in task.containers:
            container.digest = digests.get(container.name)
            container.runtime_id = _runtime_id(task)
        task.version = 4
        task.moments |= {"connectivityAt": now, "pullStartedAt": now, "pullStoppedAt": now}
        self._mark_running(task)
        self._mark_healthy(task)

    def stop(self, task: Task, code: str, reason: str) -> None:
        """Asks a task to stop; harmless when it stops already."""
        self.stopper.stop(task, code, reason)

    @staticmethod
    def _hold(task: Task) -> None:
        held: Any = ecs_backends[task.account][task.region].tasks
        held.setdefault(task.cluster_name, {})[task.task_arn] = task

    @staticmethod
    def _place(task: Task) -> None:
        failures = placement.place(task)
        if failures and not _anywhere(task):
            raise LaunchRefusedError(failures)

    def _provisioned(self, task: Task) -> None:
        if not self.stopper.moves(task):
            return
        ending = self._ending(task)
        if ending is not None and (ending.moment == "provisioning" or ending.status == "PROVISIONING"):
            if ending.moment == "provisioning":
                self._engine.after(ending.after or 0, partial(self.stopper.end, task, ending))
            return
        if task.unplaced and _waits(task) and not _anywhere(task) and not self._placed_later(task):
            return
        interfaces.attach(task)
        self._pull(task)

    def _placed_later(self, task: Task) -> bool:
        failures = placement.place(task)
        if not failures:
            return True
        if (self._engine.now() - task.created_at).total_seconds() < _PLACING_FOR:
            self._engine.after(_PLACING_EVERY, partial(self._provisioned, task))
        else:
            reason = f"TaskFailedToStart: {failures[0]['reason']}"
            self.stopper.end(task, Ending("C2", "provisioning", reason=reason, empty=True))
        return False

    def _pull(self, task: Task) -> None:
        now = self._engine.now()
        task.last_status = "PENDING"
        task.moments |= {"connectivityAt": now, "pullStartedAt": now}
        self.stopper.tell(task)
        error = self._resolve(task) or self._log_error(task)
        if error is not None:
            self._engine.after(self._engine.durations.pulling, partial(self.stopper.fail_to_start, task, error))
            return
        ending = self._ending(task)
        if ending is not None and ending.moment == "pending":
            delay = self._engine.durations.pulling if ending.after is None else ending.after
            self._engine.after(delay, partial(self.stopper.end, task, ending))
            return
        self._engine.after(self._engine.durations.pulling, partial(self._pulled, task))

    def _pulled(self, task: Task) -> None:
        if not self.stopper.moves(task):
            return
        task.moments["pullStoppedAt"] = self._engine.now()
        ending = self._ending(task)
        if ending is not None and ending.status == "PENDING":
            return
        for container in task.containers:
            container.runtime_id = _runtime_id(task)
        self._engine.logs.started(task, self._engine.now())
        delay = self._engine.durations.starting
        if ending is not None and ending.moment == "starting":
            self._engine.after(delay if ending.after is None else ending.after, partial(self.stopper.end, task, ending))
        elif ending is not None and ending.status == "ACTIVATING":
            task.last_status = "ACTIVATING"
            self.stopper.tell(task)
        else:
            self._engine.after(delay, partial(self._running, task))

    def _running(self, task: Task) -> None:
        if not self.stopper.moves(task):
            return
        ending = self._ending(task)
        task.ending = task.ending or ending
        self._mark_running(task)
        self.stopper.tell(task)
        durations = self._engine.durations
        if ending is not None and ending.moment == "unhealthy":
            delay = durations.unhealthy if ending.after is None else ending.after
            self._engine.after(delay, partial(self.stopper.unhealthy, task))
            return
        if ending is not None and ending.moment == "running":
            delay = durations.crash if ending.after is None else ending.after
            self._engine.after(delay, partial(self.stopper.end, task, ending))
        if _checked(task):
            self._engine.after(durations.health, partial(self._healthy, task))
        else:
            self._healthy(task)

    def _healthy(self, task: Task) -> None:
        if self.stopper.moves(task):
            self._mark_healthy(task)
            if task.service is not None:
                self._listener.task_healthy(task)

    def _mark_running(self, task: Task) -> None:
        task.last_status = "RUNNING"
        task.moments["startedAt"] = self._engine.now()
        for container in task.containers:
            container.last_status = "RUNNING"
        self._engine.cloud_map.register(task)

    @staticmethod
    def _mark_healthy(task: Task) -> None:
        task.healthy = True
        for container in task.containers:
            container.health = "HEALTHY" if container.health_check else "UNKNOWN"

    def _resolve(self, task: Task) -> str | None:
        """Finds every container's digest; answers the error of the first that cannot be pulled.

        Where another controller rolls a service out, ECS fixes no digests: each task asks the tag.
        """
        fixed = task.service is None or task.service.controller == "ECS"
        revision = task.deployment.revision if task.deployment and fixed else None
        for container in task.containers:
            pinned = revision.digests.get(container.name) if revision else None
            wanted = f"{repository_of(container.image)}@{pinned}" if pinned else container.image
            container.digest = self._engine.images.resolve(wanted, task.account, task.region)
            if container.digest is None:
                return _NOT_FOUND.format(image=wanted)
            if revision and container.definition.get("versionConsistency", "enabled") == "enabled":
                revision.digests[container.name] = container.digest
        return None

    def _log_error(self, task: Task) -> str | None:
        group = self._engine.logs.missing_group(task)
        return None if group is None else _NO_LOG_GROUP.format(group=group)

    def _ending(self, task: Task) -> Ending | None:
        return task.ending or self._engine.failures.lasting(task)


_NOT_FOUND = (
    "CannotPullContainerError: pull image manifest has been retried 5 time(s): "
    "failed to resolve ref {image}: {image}: not found"
)
_NO_LOG_GROUP = (
    "ResourceInitializationError: failed to initialize logging driver: failed to create Cloudwatch log stream: "
    "ResourceNotFoundException: The specified log group does not exist. {group}"
)


def _waits(task: Task) -> bool:
    """Whether it waits for its capacity provider to bring an instance, where others are refused."""
    return task.capacity_provider_name is not None and task.capacity_provider_name not in FARGATE_PROVIDERS


def _anywhere(task: Task) -> bool:
    """Whether it runs on no instance in particular: a service's task where nobody made any instances."""
    return task.service is not None and not placement.instances_of(task.account, task.region, task.cluster_name)


def _runtime_id(task: Task) -> str:
    return f"{task.id}-{identifiers.number()[:10]}" if task.launch_type == "FARGATE" else identifiers.hexadecimal(64)


def _checked(task: Task) -> bool:
    behind = task.service is not None and bool(task.service.settings.get("loadBalancers"))
    return behind or any(container.health_check for container in task.containers)
