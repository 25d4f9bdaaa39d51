"""How tasks go down: asked to, by themselves, or because what they stand on is gone."""

from functools import partial
from typing import Protocol

from moto.ecs.models import ecs_backends

from longshore_local.ecs import events, identifiers, interfaces
from longshore_local.ecs.endings import NOT_STARTED, Ending
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.tasks import Container, Task, essential


class TaskListener(Protocol):
    """Who is told how the tasks of services fare."""

    def task_healthy(self, task: Task) -> None:
        """The task is RUNNING and passes its checks."""
        ...

    def task_stopped(self, task: Task, *, failed: bool) -> None:
        """The task is STOPPED; `failed` when it never became healthy and nobody asked it to stop."""
        ...


class Stopper:
    """Takes tasks from whatever status to STOPPED."""

    def __init__(self, engine: Engine, listener: TaskListener) -> None:
        self._engine = engine
        self._listener = listener

    def stop(self, task: Task, code: str, reason: str) -> None:
        """Asks a task to stop; harmless when it stops already. Nobody hears on an instance that is cut off."""
        if task.stopping:
            return
        self._ask(task, code, reason)
        if task.cut_off:
            self.tell(task)
            return
        self.wind_down(task)

    def wind_down(self, task: Task, *, failed: bool = False) -> None:
        """Brings a task that was asked to stop to its end."""
        was_running = task.last_status == "RUNNING"
        task.last_status = "DEACTIVATING" if was_running else "DEPROVISIONING"
        self.tell(task)
        ending = task.ending
        if ending is not None and ending.status in ("STOPPING", "DEPROVISIONING"):
            task.last_status = ending.status
            self.tell(task)
            return
        code = 143 if was_running else None
        if ending is not None and ending.moment == "stopping" and was_running:
            code = ending.exit_code
        durations = self._engine.durations
        delay = durations.stopping if was_running else durations.deprovisioning
        self._engine.after(delay, partial(self._stopped, task, exit_code=code, failed=failed))

    def end(self, task: Task, ending: Ending) -> None:
        """Lets it befall the task now; what comes with a notice tells it first."""
        if not self.moves(task):
            return
        if ending.notice:
            self._ask(task, ending.code, self._text(task, ending.reason))
            self.tell(task)
            self._engine.after(ending.notice, partial(self._reclaim, task, ending))
            return
        self._strike(task, ending)
        code, reason = ending.code, self._text(task, ending.reason)
        if ending.by_agent and task.launch_type != "FARGATE":
            essential(task).reason, reason = reason, "Task failed to start"
        self._fail(task, code, reason, lost=ending.lost or code == NOT_STARTED)

    def fail_to_start(self, task: Task, reason: str) -> None:
        """Ends a task none of whose code ran."""
        self.end(task, Ending("", "pending", reason=reason.replace("{", "{{").replace("}", "}}"), by_agent=True))

    def unhealthy(self, task: Task) -> None:
        """The health check failed: ECS stops a task of a service, and lets others be (recover 0.2)."""
        if not self.moves(task):
            return
        for container in task.containers:
            container.health = "UNHEALTHY" if container.health_check else "UNKNOWN"
        task.healthy = False
        if task.service is not None:
            self._ask(task, "ServiceSchedulerInitiated", _unhealthy_reason(task))
            self.wind_down(task, failed=True)

    def moves(self, task: Task) -> bool:
        """Whether the task still lives its own life."""
        return not task.stopping and not task.cut_off and self._held(task)

    def tell(self, task: Task) -> None:
        """Sends the task's state, one version on."""
        task.version += 1
        self._engine.send(events.task_state_change(task, self._engine.now()))

    def _reclaim(self, task: Task, ending: Ending) -> None:
        if not self._held(task) or task.last_status == "STOPPED":
            return
        self._strike(task, ending)
        task.last_status = "DEPROVISIONING"
        self.tell(task)
        stopped = partial(self._stopped, task, exit_code=ending.exit_code, failed=False)
        self._engine.after(self._engine.durations.deprovisioning, stopped)

    def _strike(self, task: Task, ending: Ending) -> None:
        """Marks the containers with what befell them."""
        if ending.empty:
            task.containers = []
        if ending.attachment:
            failed = [{"name": "volumeName", "value": "data"}, {"name": "statusReason", "value": "CLIENT_ERROR"}]
            entry = {"id": identifiers.uuid(), "type": ending.attachment, "status": "FAILED", "details": failed}
            task.attachments.append(entry)
        if ending.culprit == "dependency":  # what waited for it never ran
            essential(task).runtime_id = None
        struck = culprits(task, ending) if ending.exit_code is not None or ending.container_reason else []
        for container in struck:
            container.exit_code = ending.exit_code
            container.reason = self._text(task, ending.container_reason) or None
            self._engine.logs.exited(task, container, self._engine.now())

    def _fail(self, task: Task, code: str, reason: str, *, lost: bool) -> None:
        failed = not task.healthy
        self._ask(task, code, reason)
        task.last_status = "DEPROVISIONING"
        for container in task.containers:
            container.last_status = "STOPPED"
        self.tell(task)
        if task.ending is not None and task.ending.status == "DEPROVISIONING":
            return
        stopped = partial(self._stopped, task, exit_code=None if lost else 143, failed=failed)
        self._engine.after(self._engine.durations.deprovisioning, stopped)

    def _ask(self, task: Task, code: str, reason: str) -> None:
        task.desired_status = "STOPPED"
        task.stop_code = code
        task.stopped_reason = reason
        task.healthy = False
        task.moments["stoppingAt"] = self._engine.now()

    def _stopped(self, task: Task, *, exit_code: int | None, failed: bool) -> None:
        if not self._held(task) or task.last_status == "STOPPED":
            return
        task.last_status = "STOPPED"
        task.moments["stoppedAt"] = self._engine.now()
        task.moments.setdefault("executionStoppedAt", self._engine.now())
        for container in task.containers:
            container.last_status = "STOPPED"
            if container.exit_code is None and container.runtime_id is not None:
                container.exit_code = exit_code
        interfaces.detach(task)
        self._engine.cloud_map.deregister(task)
        self.tell(task)
        self._engine.told_of(task)
        self._engine.after(self._engine.durations.retention, partial(_forget, task))
        if task.service is not None:
            self._listener.task_stopped(task, failed=failed)

    def _held(self, task: Task) -> bool:
        return task.task_arn in ecs_backends[task.account][task.region].tasks.get(task.cluster_name, {})

    @staticmethod
    def _text(task: Task, text: str) -> str:
        main = essential(task) if task.containers else None
        return text.format(
            image=main.image if main else "",
            repository=main.image.partition("@")[0].rpartition(":")[0] if main else "",
            task=task.id,
            instance=str(task.host or "i-0123456789abcdef0"),
            region=task.region,
            subnet=task.subnet,
        )


def culprits(task: Task, ending: Ending) -> list[Container]:
    """The containers that an ending strikes; the main one where the task has none of that kind."""
    main = essential(task)
    match ending.culprit:
        case "all":
            return task.containers
        case "log-router":
            found = [each for each in task.containers if each.definition.get("firelensConfiguration")]
        case "proxy":
            proxy = (task.definition.proxy_configuration or {}).get("containerName")
            found = [each for each in task.containers if each.name == proxy]
        case "dependency":
            wanted = {each.get("containerName") for each in main.definition.get("dependsOn") or []}
            found = [each for each in task.containers if each.name in wanted]
        case "service-connect":
            name = f"ecs-service-connect-{identifiers.token()[:5]}"
            found = [Container(f"{main.arn}-sc", task.task_arn, name, "", "0", None, None, health_check=True)]
            task.containers += found
        case _:
            found = []
    return found or [main]


def _forget(task: Task) -> None:
    ecs_backends[task.account][task.region].tasks.get(task.cluster_name, {}).pop(task.task_arn, None)


def _unhealthy_reason(task: Task) -> str:
    balancers = task.service.settings.get("loadBalancers") if task.service else None
    if balancers and "targetGroupArn" in balancers[0]:
        return f"Task failed ELB health checks in (target-group {balancers[0]['targetGroupArn']})"
    return "Task failed container health checks"
