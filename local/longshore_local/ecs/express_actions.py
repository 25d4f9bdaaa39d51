"""The Express Mode operations of the ECS API: services whose task definitions, load balancer and rollout ECS keeps."""

import copy
from typing import Any

from moto.ecs.models import TaskDefinition

from longshore_local.ecs import errors, events, identifiers, task_definitions
from longshore_local.ecs.calls import Call
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.rollout import Rollouts
from longshore_local.ecs.service_actions import ServiceActions
from longshore_local.ecs.services import Service

MAIN = "Main"
DEFAULTS = {"cpu": "1024", "memory": "2048", "healthCheckPath": "/", "cpuArchitecture": "X86_64"}
ROLLOUT: dict[str, Any] = {
    "strategy": "CANARY",
    "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 3},
    "bakeTimeInMinutes": 3,
    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
}
"""How every Express service is rolled out, which no request changes (aws.md B4)."""
_SET = ("executionRoleArn", "taskRoleArn", "cpu", "memory", "cpuArchitecture", "healthCheckPath", "scalingTarget")
_OF_DEFINITION = ("primaryContainer", "executionRoleArn", "taskRoleArn", "cpu", "memory", "cpuArchitecture")
_NETWORK = {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}


class ExpressActions:
    """Create-, Describe-, Update- and DeleteExpressGatewayService, over services and their service deployments."""

    def __init__(self, engine: Engine, services: ServiceActions, rollouts: Rollouts) -> None:
        self._engine = engine
        self._services = services
        self._rollouts = rollouts

    def create_express_gateway_service(self, call: Call) -> dict[str, Any]:
        """A service of one task with a load balancer, and its first deployment."""
        params = call.params
        if not params.get("infrastructureRoleArn"):
            raise errors.invalid_parameter("infrastructureRoleArn is required.")
        if not params.get("taskDefinitionArn") and not params.get("executionRoleArn"):
            raise errors.invalid_parameter("executionRoleArn is required.")
        cluster = call.cluster()
        name = str(params.get("serviceName") or f"express-{identifiers.hexadecimal(8)}")
        settings = {**DEFAULTS, **{key: params[key] for key in _SET if params.get(key) is not None}}
        settings["infrastructureRoleArn"] = params["infrastructureRoleArn"]
        settings["networkConfiguration"] = params.get("networkConfiguration") or _NETWORK
        definition = self._definition(call, settings, f"{cluster.name}-{name}")
        service = self._services.build(Call(call.account, call.region, _request(call, name, definition)), cluster)
        service.express = settings
        held: Any = call.backend.services
        held[f"{cluster.name}:{service.name}"] = service
        if service.tags:
            tags = {tag["key"]: tag.get("value", "") for tag in service.tags}
            self._engine.send(events.tag_change(service.arn, list(tags), tags, 1, self._engine.now()))
        self._begin(service, definition)
        return {"service": _view(service)}

    def describe_express_gateway_service(self, call: Call) -> dict[str, Any]:
        """The service with the configuration of every revision in use."""
        return {"service": _view(_find(call), tags=call.with_tags)}

    def update_express_gateway_service(self, call: Call) -> dict[str, Any]:
        """A new revision, where anything differs from what is there."""
        service = _find(call, missing=errors.service_not_found())
        if service.status != "ACTIVE":
            raise errors.service_not_active()
        if call.params.get("taskDefinitionArn") and any(call.params.get(name) for name in _OF_DEFINITION):
            raise errors.invalid_parameter(f"taskDefinitionArn goes with none of {', '.join(_OF_DEFINITION)}.")
        kept = service.express or {}
        settings = {**kept, **{key: call.params[key] for key in _SET if call.params.get(key) is not None}}
        if call.params.get("networkConfiguration"):
            settings["networkConfiguration"] = call.params["networkConfiguration"]
        before = service.task_definition
        definition = self._definition(call, settings, f"{service.cluster_name}-{service.name}", service)
        service.express = settings
        if definition.arn != before or settings["networkConfiguration"] != kept["networkConfiguration"]:
            self._begin(service, definition)
        view = _view(service)
        (target, *_) = view.pop("activeConfigurations")
        return {"service": {**view, "targetConfiguration": target, "updatedAt": self._engine.now()}}

    def delete_express_gateway_service(self, call: Call) -> dict[str, Any]:
        """Drains the service."""
        service = _find(call, missing=errors.service_not_found())
        params = {"cluster": service.cluster_name, "service": service.name, "force": True}
        self._services.delete_service(Call(call.account, call.region, params))
        return {"service": _view(service)}

    def _begin(self, service: Service, definition: TaskDefinition) -> None:
        service.task_definition = definition.arn
        self._rollouts.begin(service, self._services.revise(service, definition))

    def _definition(
        self, call: Call, settings: dict[str, Any], family: str, service: Service | None = None
    ) -> TaskDefinition:
        """The caller's task definition, or the one that ECS writes from the primary container."""
        if arn := call.params.get("taskDefinitionArn"):
            own = call.active_definition(str(arn))
            if MAIN not in [each["name"] for each in own.container_definitions]:
                raise errors.invalid_parameter(f"The task definition must have a container named {MAIN}.")
            if "FARGATE" not in (own.requires_compatibilities or []):
                raise errors.invalid_parameter("The task definition must be compatible with FARGATE.")
            settings["primaryContainer"] = None
            return own
        primary = call.params.get("primaryContainer") or settings.get("primaryContainer")
        if service is not None and not primary:
            return call.active_definition(str(service.task_definition))
        if not primary or not primary.get("image"):
            raise errors.invalid_parameter("primaryContainer.image is required.")
        settings["primaryContainer"] = copy.deepcopy(primary)
        request = _registered(settings, family, call.region)
        held = call.definition(family)
        if held and service and held.arn == service.task_definition and _asked(held) == request:
            return held
        return self._register(call, family, request)

    def _register(self, call: Call, family: str, request: dict[str, Any]) -> TaskDefinition:
        task_definitions.check(request)
        made = call.backend.register_task_definition(
            family,
            request["containerDefinitions"],
            [],
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            cpu=request["cpu"],
            memory=request["memory"],
            task_role_arn=request.get("taskRoleArn"),
            execution_role_arn=request.get("executionRoleArn"),
            runtime_platform=request["runtimePlatform"],
        )
        task_definitions.mend(made, request, self._engine.now(), call.account)
        vars(made)["asked"] = copy.deepcopy(request)
        return made


def _request(call: Call, name: str, definition: TaskDefinition) -> dict[str, Any]:
    scaling = call.params.get("scalingTarget") or {}
    return {
        "cluster": call.params.get("cluster"),
        "serviceName": name,
        "taskDefinition": definition.arn,
        "desiredCount": int(scaling.get("minTaskCount") or 1),
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": call.params.get("networkConfiguration") or _NETWORK},
        "deploymentConfiguration": ROLLOUT,
        "loadBalancers": [{"containerName": MAIN, "containerPort": 80, "targetGroupArn": "express"}],
        "propagateTags": "SERVICE",
        "enableECSManagedTags": True,
        "availabilityZoneRebalancing": "ENABLED",
        "tags": call.params.get("tags"),
    }


def _registered(settings: dict[str, Any], family: str, region: str) -> dict[str, Any]:
    """What ECS registers for a primary container."""
    primary = settings["primaryContainer"]
    port = {"containerPort": primary.get("containerPort") or 80, "name": "main", "protocol": "tcp"}
    logs = primary.get("awsLogsConfiguration")
    container: dict[str, Any] = {"name": MAIN, "image": primary["image"], "essential": True, "portMappings": [port]}
    if logs:
        options = {"awslogs-group": logs["logGroup"], "awslogs-stream-prefix": logs["logStreamPrefix"]}
        container["logConfiguration"] = {"logDriver": "awslogs", "options": options | {"awslogs-region": region}}
    for member in ("command", "environment", "secrets", "repositoryCredentials"):
        if primary.get(member):
            container[member] = primary[member]
    roles = {key: settings[key] for key in ("taskRoleArn", "executionRoleArn") if settings.get(key)}
    return {
        "family": family,
        "containerDefinitions": [container],
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": settings["cpu"],
        "memory": settings["memory"],
        "runtimePlatform": {"cpuArchitecture": settings["cpuArchitecture"], "operatingSystemFamily": "LINUX"},
        **roles,
    }


def _find(call: Call, missing: Exception | None = None) -> Service:
    arn = str(call.params["serviceArn"])
    parts = arn.split(":", 5)[-1].split("/")
    held: Any = call.backend.services
    service: Service | None = held.get(f"{parts[1]}:{parts[2]}") if len(parts) == 3 else None
    if service is None or service.arn != arn or service.express is None:
        raise missing or errors.resource_not_found(arn)
    return service


def _view(service: Service, *, tags: bool = False) -> dict[str, Any]:
    """The service as `ECSExpressGatewayService` in the ECS API."""
    revisions = [entry.revision for entry in service.deployments]
    view: dict[str, Any] = {
        "cluster": service.cluster_name,
        "serviceName": service.name,
        "serviceArn": service.arn,
        "infrastructureRoleArn": (service.express or {})["infrastructureRoleArn"],
        "status": {"statusCode": service.status},
        "activeConfigurations": [_configuration(service, revision) for revision in revisions],
        "createdAt": service.created_at,
    }
    if service.history:
        view["currentDeployment"] = service.history[-1].arn
    if tags:
        view["tags"] = service.tags
    return view


def _configuration(service: Service, revision: Any) -> dict[str, Any]:
    """A revision as `ExpressGatewayServiceConfiguration`; the container as the revision's task definition has it."""
    settings = service.express or {}
    shown = {key: settings[key] for key in (*_SET, "networkConfiguration") if settings.get(key) is not None}
    (main,) = [each for each in revision.definition.container_definitions if each["name"] == MAIN]
    return {
        **shown,
        "serviceRevisionArn": revision.arn,
        "taskDefinitionArn": revision.definition.arn,
        "createdAt": revision.created_at,
        **({"primaryContainer": _primary(main)} if _asked(revision.definition) else {}),
        "ingressPaths": [{"accessType": "PUBLIC", "endpoint": f"https://{service.name}.ecs.{service.region}.on.aws"}],
    }


def _asked(definition: TaskDefinition) -> dict[str, Any] | None:
    """What ECS registered for a primary container; None for a task definition of the customer's own."""
    asked: dict[str, Any] | None = vars(definition).get("asked")
    return asked


def _primary(container: dict[str, Any]) -> dict[str, Any]:
    """ExpressGatewayContainer as ECS reads it back from the task definition that it wrote."""
    kept = {name: container[name] for name in ("command", "secrets", "repositoryCredentials") if container.get(name)}
    shown = {"image": container["image"], "containerPort": container["portMappings"][0]["containerPort"], **kept}
    shown["environment"] = container.get("environment") or []
    if options := container.get("logConfiguration", {}).get("options"):
        names = {"logGroup": options["awslogs-group"], "logStreamPrefix": options["awslogs-stream-prefix"]}
        shown["awsLogsConfiguration"] = names
    return shown
