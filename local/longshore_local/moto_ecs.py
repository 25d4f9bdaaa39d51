"""The ECS of the bundle: moto's, with services, tasks and deployments that live on the bundle's timeline."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from longshore_local import announcements, moto_ssm, moto_stacks, moto_tagging
from longshore_local.ecs import interfaces
from longshore_local.ecs.calls import Call
from longshore_local.ecs.cloudformation import StackResources
from longshore_local.ecs.daemon_actions import DaemonActions
from longshore_local.ecs.daemon_rollout import DaemonRollouts
from longshore_local.ecs.deployment_actions import DeploymentActions
from longshore_local.ecs.deployments import Deployment
from longshore_local.ecs.durations import Durations
from longshore_local.ecs.endings import FailureMode, ending_of
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.events import Event
from longshore_local.ecs.express_actions import ExpressActions
from longshore_local.ecs.failures import When
from longshore_local.ecs.fleet import Fleet
from longshore_local.ecs.hooks import HookInvoker
from longshore_local.ecs.images import ImageResolver, Images, resolve_in_ecr
from longshore_local.ecs.instance_actions import InstanceActions
from longshore_local.ecs.patches import Patches, patch_backend, patch_responses, patch_stacks
from longshore_local.ecs.protection import ProtectionActions
from longshore_local.ecs.rollout import Rollouts
from longshore_local.ecs.scheduling import Scheduler, order_of
from longshore_local.ecs.service_actions import ServiceActions
from longshore_local.ecs.services import Service
from longshore_local.ecs.tags import Tags
from longshore_local.ecs.task_actions import TaskActions, find_task
from longshore_local.ecs.task_sets import TaskSets
from longshore_local.ecs.tasks import Task
from longshore_local.hosts import Hosts
from longshore_local.moto_ec2 import StatusChecks
from longshore_local.moto_ssm import ManagedInstances
from longshore_local.timeline import Timeline

_installed: list["EcsSimulator"] = []


class EcsSimulator:
    """Handle on the installed simulator: images, how tasks end, what they say, and what AWS announces of them.

    `hosts` is the handle on container instances, `task_sets` what CodeDeploy does to services. Everything happens on
    the timeline, with the events that AWS sends.
    """

    def __init__(
        self, timeline: Timeline, emit: Callable[[Event], None], resolver: ImageResolver, durations: Durations
    ) -> None:
        self._images = Images(resolver)
        self._engine = Engine(timeline, emit, durations, self._images)
        self._scheduler = Scheduler(self._engine)
        self._rollouts = Rollouts(self._engine, self._scheduler)
        self.task_sets = TaskSets(self._engine, self._scheduler)
        self._services = ServiceActions(self._engine, self._scheduler, self._rollouts)
        self._patches = Patches()
        tags = Tags(self._engine)
        self._tasks = TaskActions(self._engine, self._scheduler.launcher)
        deployments = DeploymentActions(self._rollouts)
        fleet = Fleet(self._engine, self._scheduler.launcher.stopper)
        daemons = DaemonRollouts(self._engine, self._scheduler.launcher)
        fleet.on_register = daemons.join
        managed = ManagedInstances(timeline.now)
        checks = StatusChecks()
        self.hosts = Hosts(self._engine, fleet, managed, checks)
        protection = ProtectionActions(self._engine, partial(self._release, fleet))
        express = ExpressActions(self._engine, self._services, self._rollouts)
        groups: list[Any] = [self._services, deployments, self._tasks, InstanceActions(fleet), protection, express]
        groups.append(DaemonActions(self._engine, daemons))
        patch_responses(self._patches, self._engine, groups)
        patch_backend(self._patches, self._engine, self._tasks, tags)
        moto_ssm.plug_in(self._patches, managed)
        checks.plug_in(self._patches)
        moto_tagging.mend(self._patches)
        patch_stacks(self._patches, StackResources(self._engine, self._services))
        moto_stacks.plug_in(self._patches)

    def add_image(self, image: str, digest: str) -> None:
        """Makes an image of a registry beside ECR pullable; what is unknown fails as a pull does."""
        self._images.add(image, digest)

    def fail(self, where: str, mode: FailureMode, **when: Any) -> None:
        """Makes tasks end in this way until `mend`.

        `where` is a digest, an image reference or repository, a task definition family, `family:revision` or ARN, a
        task's group (`service:web`), or `*`. `mode` is a name or a class of `ecs/endings.py`, or `exit-N`. `when` may
        hold `below_memory` (tasks that may use so many MiB live), `provider` (only tasks of this capacity provider),
        `subnet` (only tasks in it) and `after` (seconds into the moment in which it strikes).
        Raises UnknownFailureModeError.
        """
        self._engine.failures.mark(where, mode, When(**when))

    def fail_next(self, where: str, mode: FailureMode, count: int = 1, **when: Any) -> None:
        """As `fail`, for the next so many launches only; orders are used up in turn."""
        self._engine.failures.mark(where, mode, When(**when), count)

    def mend(self, where: str) -> None:
        """Takes back `fail` and `fail_next`."""
        self._engine.failures.clear(where)

    def end(self, task_arn: str, mode: FailureMode) -> None:
        """Lets it befall a task now; harmless for one that stops already. KeyError for an unknown task."""
        with self._engine.step():
            self._scheduler.launcher.stopper.end(find_task(task_arn), ending_of(mode))

    def says(self, where: str, lines: list[str]) -> None:
        """Lets containers of this image or digest, or tasks of this family, log these lines when they start.

        They go to moto's CloudWatch Logs, in the group and stream of awslogs or of FireLens's CloudWatch outputs.
        """
        self._engine.logs.prepare(where, lines)

    def leave_registered(self, task_arn: str) -> None:
        """Leaves this task's instance in Cloud Map when it stops: a stale one (recover O6)."""
        self._engine.cloud_map.keep(task_arn)

    def run_task(self, account: str, region: str, *, invoked_by: str | None = None, **request: Any) -> dict[str, Any]:
        """RunTask as an AWS service calls it, which may put anything into startedBy (`AWS Step Functions`)."""
        with self._engine.step():
            return self._tasks.answer(Call(account, region, request), invoked_by)

    def use_trail(self, *, on: bool = True) -> None:
        """Whether there is a CloudTrail trail: then each RunTask call raises an event, refused ones too."""
        self._tasks.trail = on

    def announce_retirement(self, account: str, region: str, *resources: str, days: float = 7) -> None:
        """AWS Health announces that Fargate retires these: task ARNs, or `cluster | service` (recover O5)."""
        with self._engine.step():
            starts_in = timedelta(days=days)
            now = self._engine.now()
            self._engine.send(announcements.retirement(account, region, resources, now, starts_in=starts_in))

    def announce_pod_termination(self, account: str, region: str, cluster: str, pod: str) -> None:
        """EKS announces that it ends a pod on Fargate, which could not be evicted."""
        with self._engine.step():
            self._engine.send(announcements.pod_termination(account, region, cluster, pod, self._engine.now()))

    def invoke_hooks_with(self, invoker: HookInvoker) -> None:
        """Sets what runs the Lambda functions of lifecycle hooks; without it such hooks fail."""
        self._rollouts.hooks.invoker = invoker

    def add_steady_service(self, account: str, region: str, digests: dict[str, str], **request: Any) -> str:
        """Creates a service that is steady already, and returns its ARN.

        `request` is what CreateService takes; `digests` maps container names to the digests that run. Nothing is
        resolved and no event is sent.
        """
        with self._engine.step():
            call = Call(account, region, request)
            cluster = call.cluster()
            service = self._services.build(call, cluster)
            held: Any = call.backend.services
            held[f"{cluster.name}:{service.name}"] = service
            self._settle(service, call, digests)
        return service.arn

    def uninstall(self) -> None:
        """Gives moto its own ECS back; timers that still wait do nothing."""
        self._engine.stopped = True
        interfaces.forget()
        self._patches.undo()
        if self in _installed:
            _installed.remove(self)

    def _release(self, fleet: Fleet, task: Task) -> None:
        """What waited for a task's protection to end happens now, unless the task has ended."""
        if task.service is not None and not task.stopping:
            fleet.release(task)
            self._scheduler.reconcile(task.service)

    def _settle(self, service: Service, call: Call, digests: dict[str, str]) -> None:
        revision = self._services.revise(service, call.active_definition(str(service.task_definition)))
        revision.digests = dict(digests)
        deployment = self._rollouts.settled(service, revision)
        self._add_tasks(service, deployment, digests)

    def _add_tasks(self, service: Service, deployment: Deployment, digests: dict[str, str]) -> None:
        launcher = self._scheduler.launcher
        for _ in range(service.desired_count):
            task = launcher.create(order_of(service, deployment))
            launcher.settle(task, digests)
            deployment.tasks.append(task)


def install(
    timeline: Timeline,
    emit: Callable[[Event], None],
    *,
    image_resolver: ImageResolver | None = None,
    durations: Durations | None = None,
) -> EcsSimulator:
    """Puts the simulator into moto's ECS, in place of one installed before.

    `emit` receives complete EventBridge events. `image_resolver` says which digest a pull yields; without one, images
    are looked up in moto's ECR.
    """
    for earlier in list(_installed):
        earlier.uninstall()
    simulator = EcsSimulator(timeline, emit, image_resolver or resolve_in_ecr, durations or Durations())
    _installed.append(simulator)
    return simulator
