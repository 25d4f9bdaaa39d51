"""The ECS of the bundle: moto's, with services, tasks and deployments that live on the bundle's timeline."""

from collections.abc import Callable
from typing import Any

from longshore_local import moto_tagging
from longshore_local.ecs.calls import Call
from longshore_local.ecs.cloudformation import StackResources
from longshore_local.ecs.deployment_actions import DeploymentActions
from longshore_local.ecs.deployments import Deployment
from longshore_local.ecs.durations import Durations
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.events import Event
from longshore_local.ecs.hooks import HookInvoker
from longshore_local.ecs.images import FailureMode, ImageResolver, Images, resolve_in_ecr
from longshore_local.ecs.patches import Patches, patch_backend, patch_responses, patch_stacks
from longshore_local.ecs.rollout import Rollouts
from longshore_local.ecs.scheduling import Scheduler, order_of
from longshore_local.ecs.service_actions import ServiceActions
from longshore_local.ecs.services import Service
from longshore_local.ecs.tags import Tags
from longshore_local.ecs.task_actions import TaskActions
from longshore_local.timeline import Timeline

_installed: list["EcsSimulator"] = []


class EcsSimulator:
    """Handle on the installed simulator: which images there are, which are bad, and services made at once."""

    def __init__(
        self, timeline: Timeline, emit: Callable[[Event], None], resolver: ImageResolver, durations: Durations
    ) -> None:
        self._images = Images(resolver)
        self._engine = Engine(timeline, emit, durations, self._images)
        self._scheduler = Scheduler(self._engine)
        self._rollouts = Rollouts(self._engine, self._scheduler)
        self._services = ServiceActions(self._engine, self._scheduler, self._rollouts)
        self._patches = Patches()
        tags = Tags(self._engine)
        tasks = TaskActions(self._scheduler.launcher)
        deployments = DeploymentActions(self._rollouts)
        patch_responses(self._patches, self._engine, [self._services, deployments, tasks])
        patch_backend(self._patches, self._engine, tasks, tags)
        moto_tagging.mend(self._patches)
        patch_stacks(self._patches, StackResources(self._engine, self._services))

    def add_image(self, image: str, digest: str) -> None:
        """Makes an image of a registry beside ECR pullable; what is unknown fails as a pull does."""
        self._images.add(image, digest)

    def fail(self, image: str, mode: FailureMode) -> None:
        """Makes new tasks of this digest or reference fail; see `FailureMode`."""
        self._images.fail(image, mode)

    def mend(self, image: str) -> None:
        """Takes back `fail`."""
        self._images.mend(image)

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
        self._patches.undo()
        if self in _installed:
            _installed.remove(self)

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
