"""Task definitions as ECS returns them: what moto drops or gets wrong is put right after it registered one."""

import copy
from datetime import datetime
from typing import Any

from moto.ecs.models import TaskDefinition

from longshore_local.ecs import errors

_CONTAINER_DEFAULTS: dict[str, Any] = {
    "cpu": 0,
    "portMappings": [],
    "essential": True,
    "environment": [],
    "mountPoints": [],
    "volumesFrom": [],
    "systemControls": [],
}


def check(params: dict[str, Any]) -> None:
    """Refuses what ECS refuses for Fargate; raises ClientException."""
    if "FARGATE" not in (params.get("requiresCompatibilities") or []):
        return
    if params.get("networkMode") not in (None, "awsvpc"):
        raise errors.client("Fargate only supports network mode 'awsvpc'.")
    for name in ("cpu", "memory"):
        if not params.get(name):
            raise errors.client(f"Fargate requires that '{name}' be defined at the task level.")


def mend(definition: TaskDefinition, params: dict[str, Any], now: datetime, account: str) -> None:
    """Completes what moto registered with every member that was given, and with what ECS adds."""
    definition.container_definitions = [_container(given) for given in params.get("containerDefinitions") or []]
    required = params.get("requiresCompatibilities") or []
    definition.network_mode = params.get("networkMode") or ("awsvpc" if "FARGATE" in required else "bridge")
    definition.compatibilities = _compatibilities(definition.network_mode, params)
    kept: Any = definition
    kept.enable_fault_injection = bool(params.get("enableFaultInjection"))
    kept.registered_at = now
    kept.registered_by = f"arn:aws:iam::{account}:root"
    if params.get("trustedExecutionConfiguration"):
        kept.trusted_execution_configuration = params["trustedExecutionConfiguration"]


def view(definition: TaskDefinition) -> dict[str, Any]:
    """The task definition as `TaskDefinition` in the ECS API, members without a value left out."""
    held = vars(definition)
    members = {
        "taskDefinitionArn": definition.arn,
        "containerDefinitions": definition.container_definitions,
        "family": definition.family,
        "taskRoleArn": held.get("task_role_arn"),
        "executionRoleArn": held.get("execution_role_arn"),
        "networkMode": definition.network_mode,
        "revision": definition.revision,
        "volumes": definition.volumes,
        "status": definition.status,
        "placementConstraints": definition.placement_constraints,
        "compatibilities": definition.compatibilities,
        "runtimePlatform": definition.runtime_platform,
        "requiresCompatibilities": definition.requires_compatibilities,
        "cpu": definition.cpu,
        "memory": definition.memory,
        "inferenceAccelerators": definition.inference_accelerators,
        "pidMode": definition.pid_mode,
        "ipcMode": definition.ipc_mode,
        "proxyConfiguration": definition.proxy_configuration,
        "registeredAt": held.get("registered_at"),
        "deregisteredAt": held.get("deregistered_at"),
        "registeredBy": held.get("registered_by"),
        "ephemeralStorage": definition.ephemeral_storage,
        "enableFaultInjection": held.get("enable_fault_injection"),
        "trustedExecutionConfiguration": held.get("trusted_execution_configuration"),
    }
    return {name: value for name, value in members.items() if value is not None}


def _container(given: dict[str, Any]) -> dict[str, Any]:
    container = {**copy.deepcopy(_CONTAINER_DEFAULTS), **copy.deepcopy(given)}
    for mapping in container["portMappings"]:
        mapping.setdefault("protocol", "tcp")
        mapping.setdefault("hostPort", mapping.get("containerPort", 0))
    return container


def _compatibilities(network_mode: str, params: dict[str, Any]) -> list[str]:
    required = params.get("requiresCompatibilities") or []
    found = ["EC2"]
    if network_mode == "awsvpc" and params.get("cpu") and params.get("memory"):
        found.append("FARGATE")
    if network_mode in ("bridge", "host", "none"):
        found.append("EXTERNAL")
    if "MANAGED_INSTANCES" in required or network_mode in ("awsvpc", "host"):
        found.append("MANAGED_INSTANCES")
    return found
