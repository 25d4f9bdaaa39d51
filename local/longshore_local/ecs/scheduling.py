"""The service scheduler: keeps every deployment of a service at the number of tasks that it should have."""

from functools import partial
from math import ceil
from typing import Protocol

from longshore_local.ecs import events, identifiers
from longshore_local.ecs.deployments import Deployment
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.launching import Launcher
from longshore_local.ecs.orders import LaunchOrder
from longshore_local.ecs.placement import LaunchRefusedError
from longshore_local.ecs.services import Service
from longshore_local.ecs.strategy import launch_type_of, next_provider
from longshore_local.ecs.tags import managed_tags
from longshore_local.ecs.tasks import Task

START_FAILURES_BEFORE_THROTTLING = 3


class RolloutListener(Protocol):
    """Who follows the deployments of services."""

    def task_failed(self, service: Service, entry: Deployment) -> None:
        """A task of this deployment failed before it was healthy."""
        ...

    def task_passed(self, service: Service, entry: Deployment) -> None:
        """A task of this deployment is healthy."""
        ...

    def counts_changed(self, service: Service) -> None:
        """The scheduler has done what it can for now."""
        ...


class Scheduler:
    """Launches and stops the tasks of services (aws B3: minimum and maximum percent)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._launcher = Launcher(engine, self)
        self._rollouts: RolloutListener | None = None

    @property
    def launcher(self) -> Launcher:
        """What starts and stops single tasks."""
        return self._launcher

    def follow(self, rollouts: RolloutListener) -> None:
        """Names the listener; the two need each other."""
        self._rollouts = rollouts

    def reconcile(self, service: Service) -> None:
        """Brings the tasks of a service nearer to what is wanted; called after every change."""
        service.deployments = [
            entry for entry in service.deployments if entry.status == "PRIMARY" or entry.tasks or entry.launching
        ]
        primary = service.primary
        if service.status != "ACTIVE" or primary is None:
            self._drain(service)
            return
        primary.desired = service.desired_count
        if service.controller == "CODE_DEPLOY":
            self._keep_task_sets(service)
            return
        sources = [entry for entry in service.deployments if entry is not primary]
        if _side_by_side(service):
            self._fill(service, primary, service.desired_count)
            for entry in sources:
                self._keep_source(service, entry, service.desired_count)
        else:
            self._roll(service, primary, sources)
        if self._rollouts is not None:
            self._rollouts.counts_changed(service)

    def _keep_task_sets(self, service: Service) -> None:
        """Each task set that CodeDeploy wants is kept whole; the others are drained."""
        for entry in list(service.deployments):
            entry.desired = service.desired_count if entry.launching else 0
            self._fill(service, entry, entry.desired)

    def task_healthy(self, task: Task) -> None:
        """A service's task has become healthy."""
        service, entry = task.service, task.deployment
        if service is None or entry is None:
            return
        entry.failed = 0
        entry.impaired = False
        if self._rollouts is not None:
            self._rollouts.task_passed(service, entry)
        self.reconcile(service)

    def task_stopped(self, task: Task, *, failed: bool) -> None:
        """A service's task has stopped, and may have to be replaced."""
        service, entry = task.service, task.deployment
        if service is None or entry is None:
            return
        entry.tasks.remove(task)
        service.steady = False
        if failed:
            self._count_failure(service, entry)
        self.reconcile(service)

    def stop_pending(self, service: Service, entry: Deployment) -> None:
        """Stops the tasks of a deployment that are not healthy yet."""
        for task in entry.kept:
            if not task.healthy:
                self._stop(service, task)

    def _count_failure(self, service: Service, entry: Deployment) -> None:
        entry.failed += 1
        if entry.failed >= START_FAILURES_BEFORE_THROTTLING and entry.launching:
            self._throttle(service, entry)
        if self._rollouts is not None:
            self._rollouts.task_failed(service, entry)

    def _throttle(self, service: Service, entry: Deployment) -> None:
        now = self._engine.now()
        if not entry.impaired:
            entry.impaired = True
            service.tell("is unable to consistently start tasks successfully.", now, identifiers.uuid())
            name = "SERVICE_TASK_START_IMPAIRED"
            self._engine.send(events.service_action(service.arn, service.cluster_arn, name, now))
        if entry.launch_timer is None:
            durations = self._engine.durations
            doublings = min(entry.failed - START_FAILURES_BEFORE_THROTTLING, 16)
            pause = min(durations.restart * 2**doublings, durations.restart_limit)
            entry.launch_timer = self._engine.after(pause, partial(self._launch_again, service, entry))

    def _launch_again(self, service: Service, entry: Deployment) -> None:
        entry.launch_timer = None
        self.reconcile(service)

    def _roll(self, service: Service, primary: Deployment, sources: list[Deployment]) -> None:
        desired = service.desired_count
        configuration = service.settings["deploymentConfiguration"]
        least = ceil(desired * configuration["minimumHealthyPercent"] / 100)
        most = desired * configuration["maximumPercent"] // 100
        missing = desired - len(primary.kept) if primary.launching else 0
        room = most - sum(len(entry.kept) for entry in service.deployments)
        if missing > 0 and room < missing:
            healthy = sum(entry.healthy for entry in service.deployments)
            freed = self._stop_some(service, sources, min(healthy - least, missing - max(room, 0)))
            room += freed
        self._fill(service, primary, min(desired, len(primary.kept) + max(room, 0)))
        self._retire(service, sources, keep=max(0, desired - primary.healthy), refill=not primary.launching)

    def _retire(self, service: Service, sources: list[Deployment], *, keep: int, refill: bool) -> None:
        for entry in sources:
            if refill:
                self._keep_source(service, entry, keep)
        surplus = sum(len(entry.kept) for entry in sources) - keep
        self._stop_some(service, sources, surplus)
        for entry in sources:
            entry.desired = len(entry.kept)

    def _keep_source(self, service: Service, entry: Deployment, count: int) -> None:
        """Only a deployment that has been completed is worth new tasks while another one is under way."""
        if entry.rollout_state == "COMPLETED":
            entry.desired = count
            self._fill(service, entry, count)

    def _fill(self, service: Service, entry: Deployment, count: int) -> None:
        kept = entry.kept
        if len(kept) > entry.desired:
            for task in _expendable(kept)[: len(kept) - entry.desired]:
                self._stop(service, task)
            return
        if entry.launch_timer is not None or not (entry.launching or entry.rollout_state == "COMPLETED"):
            return
        launched: list[Task] = []
        for _ in range(count - len(kept)):
            try:
                launched.append(self._launcher.launch(order_of(service, entry)))
            except LaunchRefusedError as refusal:
                self._not_placed(service, entry, refusal)
                break
            entry.tasks.append(launched[-1])
        if launched:
            started = ", ".join(f"(task {task.id})" for task in launched)
            service.steady = False
            service.tell(f"has started {len(launched)} tasks: {started}.", self._engine.now(), identifiers.uuid())

    def _not_placed(self, service: Service, entry: Deployment, refusal: LaunchRefusedError) -> None:
        """Tells it, and tries again later."""
        now = self._engine.now()
        order = order_of(service, entry)
        fargate = order.launch_type == "FARGATE"
        text = "RESOURCE:FARGATE" if fargate else refusal.failures[0]["reason"]
        members: dict[str, object] = {"reason": text}
        if order.capacity_provider is not None:
            path = f"capacity-provider/{order.capacity_provider}"
            members["capacityProviderArns"] = [identifiers.arn(service.region, service.account, path)]
        name = "SERVICE_TASK_PLACEMENT_FAILURE"
        self._engine.send(events.service_action(service.arn, service.cluster_arn, name, now, **members))
        service.tell(f"was unable to place a task. Reason: {refusal}.", now, identifiers.uuid())
        pause = self._engine.durations.placing
        entry.launch_timer = self._engine.after(pause, partial(self._launch_again, service, entry))

    def _stop_some(self, service: Service, entries: list[Deployment], count: int) -> int:
        kept = _expendable([task for entry in entries for task in entry.kept])
        chosen = kept[: max(count, 0)]
        for task in chosen:
            self._stop(service, task)
        return len(chosen)

    def _stop(self, service: Service, task: Task) -> None:
        entry = service.primary or task.deployment
        reason = f"Scaling activity initiated by (deployment {entry.id if entry else task.started_by})"
        self._launcher.stop(task, "ServiceSchedulerInitiated", reason)

    def _drain(self, service: Service) -> None:
        for entry in service.deployments:
            entry.desired = 0
            for task in entry.kept:
                self._stop(service, task)
        if service.status == "DRAINING" and not any(entry.tasks for entry in service.deployments):
            service.status = "INACTIVE"
            service.deployments = []
            service.tags = []


def order_of(service: Service, entry: Deployment) -> LaunchOrder:
    """What a task of this deployment is started from."""
    revision = entry.revision
    propagated = {"SERVICE": service.tags, "TASK_DEFINITION": revision.definition.tags}
    stated = ("enableExecuteCommand", "placementConstraints", "placementStrategy")
    settings = {**revision.settings, **{name: service.settings.get(name) for name in stated}}
    tags = list(propagated.get(service.propagate_tags, []))
    if service.settings.get("enableECSManagedTags"):
        tags += managed_tags(service.cluster_name, service.name)
    return LaunchOrder(
        account=service.account,
        region=service.region,
        cluster_name=service.cluster_name,
        cluster_arn=service.cluster_arn,
        definition=revision.definition,
        group=f"service:{service.name}",
        launch_type=launch_type_of(settings),
        settings=settings,
        started_by=entry.id,
        tags=tags,
        capacity_provider=next_provider(
            settings.get("capacityProviderStrategy") or [], [task.capacity_provider_name for task in entry.kept]
        ),
        service=service,
        deployment=entry,
    )


def _side_by_side(service: Service) -> bool:
    ongoing = service.ongoing
    if ongoing is None or ongoing.strategy == "ROLLING" or ongoing.rolling_back:
        return False
    return ongoing.stage != "CLEAN_UP"


def _expendable(tasks: list[Task]) -> list[Task]:
    """Tasks as they are stopped, none protected: those that are not healthy first, then the oldest."""
    free = (task for task in tasks if task.protected_until is None)
    return sorted(free, key=lambda task: (task.healthy, task.created_at))
