"""Task sets of services that CodeDeploy rolls out: one deployment of the simulator each, whole or drained."""

from typing import Any

from moto.ecs.models import TaskDefinition

from longshore_local.ecs import identifiers
from longshore_local.ecs.deployments import Deployment, ServiceRevision
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.scheduling import Scheduler
from longshore_local.ecs.services import Service


class TaskSets:
    """What CodeDeploy does to a service; every method is a step of its own."""

    def __init__(self, engine: Engine, scheduler: Scheduler) -> None:
        self._engine = engine
        self._scheduler = scheduler

    def create(
        self, service: Service, definition: TaskDefinition, settings: dict[str, Any], external_id: str
    ) -> Deployment:
        """CreateTaskSet: a replacement beside the one that serves; `settings` differ from the service's."""
        with self._engine.step():
            now = self._engine.now()
            resource = f"service-revision/{service.cluster_name}/{service.name}/{identifiers.number()}"
            revision = ServiceRevision(
                arn=identifiers.arn(service.region, service.account, resource),
                service_arn=service.arn,
                cluster_arn=service.cluster_arn,
                definition=definition,
                settings={**_settings(service), **settings},
                created_at=now,
            )
            entry = Deployment(f"ecs-svc/{identifiers.number()}", revision, now, now, status="ACTIVE")
            entry.launching, entry.rollout_state, entry.external_id = True, "COMPLETED", external_id
            service.deployments.append(entry)
            self._scheduler.reconcile(service)
        return entry

    def make_primary(self, service: Service, entry: Deployment) -> None:
        """UpdateServicePrimaryTaskSet: production traffic goes there."""
        with self._engine.step():
            for each in service.deployments:
                each.status = "PRIMARY" if each is entry else "ACTIVE"
            service.task_definition = entry.revision.definition.arn
            self._scheduler.reconcile(service)

    def drain(self, service: Service, entry: Deployment) -> None:
        """DeleteTaskSet: its tasks are stopped."""
        with self._engine.step():
            entry.launching = False
            entry.status = "DRAINING"
            self._scheduler.reconcile(service)


def _settings(service: Service) -> dict[str, Any]:
    """Those of the task set that serves."""
    return dict(service.primary.revision.settings) if service.primary else {}
