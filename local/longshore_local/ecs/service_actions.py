"""The service operations of the ECS API on the simulator's services."""

import re
from typing import Any

from moto.ecs.models import Cluster, TaskDefinition

from longshore_local.ecs import errors, events, identifiers
from longshore_local.ecs.calls import Call, page
from longshore_local.ecs.deployments import REVISION_MEMBERS, Deployment, ServiceRevision
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.rollout import Rollouts
from longshore_local.ecs.scheduling import Scheduler
from longshore_local.ecs.service_settings import changes, check_controller, check_platform, initial_settings, merged
from longshore_local.ecs.services import Service

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


class ServiceActions:
    """CreateService, UpdateService, DeleteService, DescribeServices, ListServices, ListServicesByNamespace."""

    def __init__(self, engine: Engine, scheduler: Scheduler, rollouts: Rollouts) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self._rollouts = rollouts

    def create_service(self, call: Call) -> dict[str, Any]:
        """Creates a service and starts its first deployment."""
        cluster = call.cluster()
        service = self.build(call, cluster)
        held: Any = call.backend.services
        held[f"{cluster.name}:{service.name}"] = service
        if service.tags:
            tags = {tag["key"]: tag.get("value", "") for tag in service.tags}
            self._engine.send(events.tag_change(service.arn, list(tags), tags, 1, self._engine.now()))
        if service.task_definition is not None and service.controller != "EXTERNAL":
            self._deploy(service, call.active_definition(service.task_definition))
        return {"service": service.view(tags=True)}

    def update_service(self, call: Call) -> dict[str, Any]:
        """Changes a service; starts a deployment where the change needs one."""
        service = call.service()
        if service.status != "ACTIVE":
            raise errors.service_not_active()
        params = call.params
        if service.express is not None and (params.get("loadBalancers") or params.get("deploymentConfiguration")):
            raise errors.invalid_parameter("Express Mode keeps the load balancers and the deployment configuration.")
        check_controller(service, params)
        wanted = params.get("taskDefinition")
        definition = call.active_definition(wanted) if wanted else None
        changed = changes(service, params, definition)
        settings = merged(service.settings, params)
        check_platform(settings, definition or _definition(call, service))
        service.settings = settings
        if params.get("desiredCount") is not None:
            service.desired_count = int(params["desiredCount"])
            service.steady = False
        if definition is not None:
            service.task_definition = definition.arn
        if changed and service.task_definition:
            self._deploy(service, call.active_definition(service.task_definition))
        self._scheduler.reconcile(service)
        return {"service": service.view(tags=True)}

    def delete_service(self, call: Call) -> dict[str, Any]:
        """Drains a service; it is INACTIVE when its tasks have stopped."""
        service = call.service()
        if service.status == "INACTIVE":
            raise errors.service_not_found()
        if service.desired_count > 0 and service.scheduling_strategy == "REPLICA" and not call.params.get("force"):
            raise errors.invalid_parameter("The service cannot be stopped while it is scaled above 0.")
        service.status, service.desired_count = "DRAINING", 0
        self._scheduler.reconcile(service)
        return {"service": service.view(tags=True)}

    def describe_services(self, call: Call) -> dict[str, Any]:
        """Up to ten services of a cluster by name or ARN."""
        asked = call.params.get("services") or []
        if not 1 <= len(asked) <= 10:
            raise errors.invalid_parameter(
                "Services cannot be empty." if not asked else "Too many services: at most 10."
            )
        call.cluster()
        found: list[dict[str, Any]] = []
        failures: list[dict[str, str]] = []
        for name in asked:
            service = call.find_service(name)
            if service is not None:
                found.append(service.view(tags=call.with_tags))
            else:
                missing = name if name.startswith("arn:") else _arn(call, name)
                failures.append({"arn": missing, "reason": "MISSING"})
        return {"services": found, "failures": failures}

    def list_services(self, call: Call) -> dict[str, Any]:
        """ARNs of the services of a cluster, in order, ten a page unless told."""
        prefix = call.cluster().arn
        wanted = {
            "launch_type": call.params.get("launchType"),
            "scheduling_strategy": call.params.get("schedulingStrategy"),
        }
        managed = call.params.get("resourceManagementType", "CUSTOMER")
        arns = [
            service.arn
            for service in call.services()
            if service.cluster_arn == prefix
            and service.status != "INACTIVE"
            and managed == ("CUSTOMER" if service.express is None else "ECS")
            and all(value is None or getattr(service, name) == value for name, value in wanted.items())
        ]
        return page(call, sorted(arns), default=10, key="serviceArns")

    def list_services_by_namespace(self, call: Call) -> dict[str, Any]:
        """ARNs of the services whose Service Connect configuration names the namespace."""
        wanted = str(call.params["namespace"]).rpartition("/")[2]
        arns = [
            service.arn
            for service in call.services()
            if service.status != "INACTIVE"
            and str(service.settings.get("serviceConnectConfiguration", {}).get("namespace", "")).rpartition("/")[2]
            == wanted
        ]
        return page(call, sorted(arns), default=10, key="serviceArns")

    def build(self, call: Call, cluster: Cluster) -> Service:
        """A service from the parameters of CreateService, checked and not yet deployed."""
        params = call.params
        name = str(params.get("serviceName") or "")
        if not _NAME.fullmatch(name):
            raise errors.invalid_parameter("Name must be 1 to 255 letters, digits, underscores and hyphens.")
        existing = call.find_service(name)
        if existing is not None and existing.status != "INACTIVE":
            raise errors.invalid_parameter("Creation of service was not idempotent.")
        settings = initial_settings(params, cluster)
        definition = call.active_definition(params["taskDefinition"]) if params.get("taskDefinition") else None
        if settings["deploymentController"]["type"] != "EXTERNAL" and definition is None:
            raise errors.invalid_parameter("TaskDefinition can not be blank.")
        check_platform(settings, definition)
        return Service(
            arn=identifiers.arn(call.region, call.account, f"service/{cluster.name}/{name}"),
            name=name,
            account=call.account,
            region=call.region,
            cluster_name=cluster.name,
            cluster_arn=cluster.arn,
            created_at=self._engine.now(),
            created_by=f"arn:aws:iam::{call.account}:root",
            settings=settings,
            desired_count=_desired_count(call, cluster, settings),
            tags=list(params.get("tags") or []),
            task_definition=definition.arn if definition else None,
        )

    def revise(self, service: Service, definition: TaskDefinition) -> ServiceRevision:
        """A new revision of what the service is set to run."""
        resource = f"service-revision/{service.cluster_name}/{service.name}/{identifiers.number()}"
        revision = ServiceRevision(
            arn=identifiers.arn(service.region, service.account, resource),
            service_arn=service.arn,
            cluster_arn=service.cluster_arn,
            definition=definition,
            settings={name: service.settings[name] for name in REVISION_MEMBERS if name in service.settings},
            created_at=self._engine.now(),
        )
        service.revisions[revision.arn] = revision
        return revision

    def _deploy(self, service: Service, definition: TaskDefinition) -> None:
        revision = self.revise(service, definition)
        if service.controller == "ECS":
            self._rollouts.begin(service, revision)
            return
        now = self._engine.now()
        entry = Deployment(f"ecs-svc/{identifiers.number()}", revision, now, now, desired=service.desired_count)
        entry.launching, entry.rollout_state = True, "COMPLETED"
        service.deployments = [entry]
        self._scheduler.reconcile(service)


def _definition(call: Call, service: Service) -> TaskDefinition | None:
    return call.definition(service.task_definition) if service.task_definition else None


def _desired_count(call: Call, cluster: Cluster, settings: dict[str, Any]) -> int:
    if settings["schedulingStrategy"] == "DAEMON":
        return len(call.backend.container_instances.get(cluster.name, {}))
    count = call.params.get("desiredCount")
    if count is None and settings["deploymentController"]["type"] != "EXTERNAL":
        raise errors.invalid_parameter("desiredCount must be specified when the scheduling strategy is REPLICA.")
    return int(count or 0)


def _arn(call: Call, name: str) -> str:
    return identifiers.arn(call.region, call.account, f"service/{call.cluster().name}/{name}")
