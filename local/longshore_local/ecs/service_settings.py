"""A service's settings: defaults, what may be changed, and which change starts a deployment."""

from typing import Any

from moto.ecs.models import Cluster, TaskDefinition

from longshore_local.ecs import errors
from longshore_local.ecs.deployments import REVISION_MEMBERS
from longshore_local.ecs.services import Service
from longshore_local.ecs.strategy import launch_type_of

SERVICE_MEMBERS = (
    *REVISION_MEMBERS,
    "deploymentConfiguration",
    "placementConstraints",
    "placementStrategy",
    "healthCheckGracePeriodSeconds",
    "schedulingStrategy",
    "deploymentController",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
    "availabilityZoneRebalancing",
)
"""Members that CreateService and UpdateService take over as they are."""

TRIGGERS = (
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
)
"""Members whose change starts a deployment, beside taskDefinition and forceNewDeployment (aws B3)."""

LAUNCH_TYPES = ("EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES")
CONTROLLERS = ("ECS", "CODE_DEPLOY", "EXTERNAL")

_DEPLOYMENT_DEFAULTS: dict[str, Any] = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}


def check_controller(service: Service, params: dict[str, Any]) -> None:
    """Refuses what a service without the ECS controller cannot be given; InvalidParameterException."""
    if service.controller == "ECS":
        return
    hint = " Use AWS CodeDeploy to trigger a new deployment." if service.controller == "CODE_DEPLOY" else ""
    kind = f"{'an' if service.controller == 'EXTERNAL' else 'a'} {service.controller} deployment controller."
    if params.get("taskDefinition"):
        raise errors.invalid_parameter(f"Unable to update task definition on services with {kind}{hint}")
    if params.get("forceNewDeployment"):
        raise errors.invalid_parameter(f"Cannot force a new deployment on services with {kind}{hint}")
    for name in TRIGGERS:
        if params.get(name) is not None and params[name] != service.settings.get(name):
            raise errors.invalid_parameter(f"Unable to update {name} on services with {kind}{hint}")


def changes(service: Service, params: dict[str, Any], definition: TaskDefinition | None) -> bool:
    """Whether these parameters of UpdateService start a deployment."""
    if params.get("forceNewDeployment"):
        return True
    if definition is not None and definition.arn != service.task_definition:
        return True
    return any(params.get(name) is not None and params[name] != service.settings.get(name) for name in TRIGGERS)


def merged(settings: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Settings with the given parameters put over them; deployment configurations are merged member by member."""
    given = {name: params[name] for name in SERVICE_MEMBERS if params.get(name) is not None}
    result = {**settings, **given}
    result["deploymentConfiguration"] = {
        **settings["deploymentConfiguration"],
        **given.get("deploymentConfiguration", {}),
    }
    if "capacityProviderStrategy" in given:
        result.pop("launchType", None)
    return result


def initial_settings(params: dict[str, Any], cluster: Cluster) -> dict[str, Any]:
    """The settings of a new service, AWS's defaults filled in; raises InvalidParameterException."""
    if params.get("launchType") and params.get("capacityProviderStrategy"):
        raise errors.invalid_parameter(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    base: dict[str, Any] = {
        "deploymentConfiguration": _DEPLOYMENT_DEFAULTS,
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "propagateTags": "NONE",
        "enableECSManagedTags": False,
        "enableExecuteCommand": False,
        "loadBalancers": [],
        "serviceRegistries": [],
        "placementConstraints": [],
        "placementStrategy": [],
        "availabilityZoneRebalancing": "DISABLED",
    }
    if not params.get("launchType") and not params.get("capacityProviderStrategy"):
        strategy = cluster.default_capacity_provider_strategy
        base |= {"capacityProviderStrategy": strategy} if strategy else {"launchType": "EC2"}
    settings = merged(base, params)
    _check_choice("launch type", settings.get("launchType"), LAUNCH_TYPES)
    _check_choice("deployment controller", settings["deploymentController"].get("type"), CONTROLLERS)
    if launch_type_of(settings) == "FARGATE":
        settings.setdefault("platformVersion", "LATEST")
    return settings


def _check_choice(what: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise errors.invalid_parameter(f"{what} should be one of [{','.join(choices)}]")


def check_platform(settings: dict[str, Any], definition: TaskDefinition | None) -> None:
    """Refuses a task definition that does not fit the launch type or the network."""
    if definition is None:
        return
    kind = launch_type_of(settings)
    if settings.get("launchType") and kind not in (definition.compatibilities or []):
        raise errors.invalid_parameter(f"Task definition does not support launch_type {kind}.")
    if definition.network_mode == "awsvpc" and not settings.get("networkConfiguration"):
        raise errors.invalid_parameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
