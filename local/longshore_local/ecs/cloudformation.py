"""ECS services and task definitions of moto's CloudFormation stacks, made by the simulator with every property."""

import functools
from typing import Any

import botocore.session
from botocore.model import Shape, StructureShape
from moto.ecs.models import EC2ContainerServiceBackend, TaskDefinition
from moto.ecs.models import Service as MotoService

from longshore_local.ecs import task_definitions
from longshore_local.ecs.calls import Call
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.service_actions import ServiceActions

_REGISTERED = {
    "volumes": "volumes",
    "networkMode": "network_mode",
    "tags": "tags",
    "placementConstraints": "placement_constraints",
    "requiresCompatibilities": "requires_compatibilities",
    "cpu": "cpu",
    "memory": "memory",
    "taskRoleArn": "task_role_arn",
    "executionRoleArn": "execution_role_arn",
    "proxyConfiguration": "proxy_configuration",
    "inferenceAccelerators": "inference_accelerators",
    "runtimePlatform": "runtime_platform",
    "ipcMode": "ipc_mode",
    "pidMode": "pid_mode",
    "ephemeralStorage": "ephemeral_storage",
}


class ServiceResource(MotoService):
    """A stack's handle on a service; moto recognises it as its own kind of resource."""

    def __init__(self, arn: str) -> None:
        self._arn = arn
        self.name = arn.rpartition("/")[2]

    @property
    def arn(self) -> str:
        """The service's ARN, which is also the physical id."""
        return self._arn


class StackResources:
    """Creates, changes and deletes what stacks describe."""

    def __init__(self, engine: Engine, services: ServiceActions) -> None:
        self._engine = engine
        self._services = services

    def create_service(
        self, name: str, stated: dict[str, Any], account: str, region: str, stack: Any
    ) -> ServiceResource:
        """A service, tagged as CloudFormation tags what it owns."""
        params = request("CreateService", _plain(stated["Properties"]))
        params.setdefault("serviceName", name)
        params.setdefault("desiredCount", 1)
        owned = {"stack-id": stack.get("StackId"), "logical-id": stack.get("LogicalId")}
        owned["stack-name"] = str(stack.get("StackId") or "").rpartition(":stack/")[2].partition("/")[0]
        system = [{"key": f"aws:cloudformation:{key}", "value": value} for key, value in owned.items() if value]
        params["tags"] = [*(params.get("tags") or []), *system]
        with self._engine.step():
            answer = self._services.create_service(Call(account, region, params))
        return ServiceResource(answer["service"]["serviceArn"])  # type: ignore[abstract]  # like moto's own

    def update_service(
        self, resource: ServiceResource, stated: dict[str, Any], account: str, region: str
    ) -> ServiceResource:
        """Changes the service in place."""
        params = request("UpdateService", _plain(stated["Properties"])) | {"service": resource.name}
        force = stated["Properties"].get("ForceNewDeployment") or {}
        params["forceNewDeployment"] = str(force.get("EnableForceNewDeployment", "false")).lower() == "true"
        with self._engine.step():
            self._services.update_service(Call(account, region, params))
        return resource

    def delete_service(self, arn: str, account: str, region: str) -> None:
        """Drains the service; harmless when it is gone."""
        parts = arn.split("/")
        call = Call(account, region, {"cluster": parts[-2], "service": arn, "force": True})
        with self._engine.step():
            held = call.find_service(arn)
            if held is not None and held.status == "ACTIVE":
                self._services.delete_service(call)

    def register(self, name: str, stated: dict[str, Any], backend: EC2ContainerServiceBackend) -> TaskDefinition:
        """A task definition with all of its properties."""
        params = request("RegisterTaskDefinition", _plain(stated["Properties"]))
        task_definitions.check(params)
        definition = backend.register_task_definition(
            str(params.get("family") or name),
            params.get("containerDefinitions") or [],
            **{keyword: params[member] for member, keyword in _REGISTERED.items() if member in params},
        )
        task_definitions.mend(definition, params, self._engine.now(), backend.account_id)
        return definition


def request(operation: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Properties of a resource as the parameters of an ECS operation, guided by botocore's model."""
    converted: dict[str, Any] = _convert(_input_shape(operation), properties)
    return converted


@functools.cache
def _input_shape(operation: str) -> StructureShape:
    model = botocore.session.get_session().get_service_model("ecs")
    return model.operation_model(operation).input_shape


def _convert(shape: Shape, value: Any) -> Any:
    if shape.type_name == "structure":
        named = {name[0].upper() + name[1:]: (name, member) for name, member in shape.members.items()}
        given = {named[key]: held for key, held in value.items() if key in named}
        return {name: _convert(member, held) for (name, member), held in given.items()}
    if shape.type_name == "list":
        return [_convert(shape.member, held) for held in value]
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    return value if shape.type_name == "map" else str(value)


def _plain(value: Any) -> Any:
    """References that moto has resolved to its own objects become their physical ids."""
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return getattr(value, "physical_resource_id", value)
