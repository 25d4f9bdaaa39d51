"""RunTask's parameters: what ECS refuses, what it fills in, and the orders that come of them."""

import json
import re
from collections.abc import Iterator
from typing import Any

from moto.ecs.models import Cluster, TaskDefinition

from longshore_local.ecs import errors, fargate_sizes
from longshore_local.ecs.calls import Call
from longshore_local.ecs.orders import LaunchOrder
from longshore_local.ecs.strategy import FARGATE_PROVIDERS, launch_type_of, next_provider
from longshore_local.ecs.tags import MOST_TAGS, managed_tags

MOST_PER_RUN = 10
_STARTED_BY = re.compile(r"[A-Za-z0-9_/-]{1,128}", re.ASCII)
_LONGEST_OVERRIDES = 8192
_LAUNCH_TYPES = ("EC2", "FARGATE", "EXTERNAL")
_PLATFORM_VERSIONS = ("LATEST", "1.4.0", "1.3.0")
_MOST_SUBNETS, _MOST_GROUPS = 16, 5


def orders(call: Call, instance_arn: str | None = None) -> Iterator[LaunchOrder]:
    """One order for each task that is asked for; raises what ECS answers to a request that it does not take."""
    params, cluster = _completed(call), call.cluster()
    definition = call.active_definition(str(params["taskDefinition"]))
    kind = launch_type_of(params)
    _check_strategy(params, cluster)
    _check_platform(params, definition, kind)
    _check_network(params, definition, kind)
    _check_overrides(params, definition, kind)
    _check_volumes(params, definition)
    tags = _tags(params, definition, cluster.name)
    taken: list[str | None] = []
    for _ in range(_count(params)):
        taken.append(next_provider(params.get("capacityProviderStrategy") or [], taken))
        yield LaunchOrder(
            account=call.account,
            region=call.region,
            cluster_name=cluster.name,
            cluster_arn=cluster.arn,
            definition=definition,
            group=str(params.get("group") or f"family:{definition.family}"),
            launch_type=kind,
            settings=params,
            started_by=params.get("startedBy"),
            overrides=dict(params.get("overrides") or {}),
            tags=list(tags),
            container_instance_arn=instance_arn,
            capacity_provider=taken[-1],
        )


def check_started_by(params: dict[str, Any]) -> None:
    """What callers may put into startedBy; AWS's own services may put in more."""
    stated = params.get("startedBy")
    if stated is not None and _STARTED_BY.fullmatch(str(stated)) is None:
        raise errors.invalid_parameter("startedBy takes up to 128 letters, digits, hyphens, slashes and underscores.")


def _completed(call: Call) -> dict[str, Any]:
    params = dict(call.params)
    if params.get("launchType") and params.get("capacityProviderStrategy"):
        raise errors.invalid_parameter("Specify either Launch Type or Capacity Provider Strategy, but not both.")
    if params.get("launchType") and params["launchType"] not in _LAUNCH_TYPES:
        raise errors.invalid_parameter(f"launch type should be one of [{','.join(_LAUNCH_TYPES)}]")
    if not params.get("launchType") and not params.get("capacityProviderStrategy"):
        params["capacityProviderStrategy"] = call.cluster().default_capacity_provider_strategy or []
    return params


def _count(params: dict[str, Any]) -> int:
    count = int(params.get("count") or 1)
    if not 1 <= count <= MOST_PER_RUN:
        raise errors.invalid_parameter(f"count must be between 1 and {MOST_PER_RUN}, got {count}.")
    return count


def _check_strategy(params: dict[str, Any], cluster: Cluster) -> None:
    names = [item["capacityProvider"] for item in params.get("capacityProviderStrategy") or []]
    unknown = [name for name in names if name not in (cluster.capacity_providers or [])]
    if unknown:
        raise errors.invalid_parameter(
            f"The specified capacity provider strategy contains {unknown[0]}, which is not associated with the cluster."
        )
    if 0 < sum(name in FARGATE_PROVIDERS for name in names) < len(names):
        raise errors.invalid_parameter("A strategy cannot mix Fargate and Auto Scaling group capacity providers.")


def _check_platform(params: dict[str, Any], definition: TaskDefinition, kind: str) -> None:
    if params.get("launchType") and kind not in (definition.compatibilities or []):
        raise errors.invalid_parameter(f"Task definition does not support launch_type {kind}.")
    stated = params.get("platformVersion")
    if stated and kind != "FARGATE":
        raise errors.invalid_parameter("The platform version must be null when specifying an EC2 launch type.")
    if stated and stated not in _PLATFORM_VERSIONS:
        raise errors.platform_unknown()
    role = (params.get("overrides") or {}).get("taskRoleArn") or vars(definition).get("task_role_arn")
    if params.get("enableExecuteCommand") and not role:
        raise errors.invalid_parameter("ECS Exec needs a task role, and the task definition states no taskRoleArn.")


def _check_network(params: dict[str, Any], definition: TaskDefinition, kind: str) -> None:
    network = (params.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if definition.network_mode != "awsvpc":
        if network:
            raise errors.invalid_parameter(
                "Network Configuration is not valid for the given networkMode of this task definition."
            )
        return
    if not network:
        raise errors.invalid_parameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if not 1 <= len(network.get("subnets") or []) <= _MOST_SUBNETS:
        raise errors.invalid_parameter(f"subnets can have 1 to {_MOST_SUBNETS} members.")
    if len(network.get("securityGroups") or []) > _MOST_GROUPS:
        raise errors.invalid_parameter(f"securityGroups can have at most {_MOST_GROUPS} members.")
    if network.get("assignPublicIp") == "ENABLED" and kind != "FARGATE":
        raise errors.invalid_parameter("Assign public IP is not supported for this launch type.")


def _check_overrides(params: dict[str, Any], definition: TaskDefinition, kind: str) -> None:
    overrides: dict[str, Any] = params.get("overrides") or {}
    if len(json.dumps(overrides)) > _LONGEST_OVERRIDES:
        raise errors.invalid_parameter(f"Container Overrides length must be at most {_LONGEST_OVERRIDES}")
    known = {container["name"] for container in definition.container_definitions}
    for each in overrides.get("containerOverrides") or []:
        if each.get("name") not in known:
            raise errors.invalid_parameter(
                f"Override for container named {each.get('name')} is not a container in the TaskDefinition."
            )
    cpu, memory = overrides.get("cpu") or definition.cpu, overrides.get("memory") or definition.memory
    if kind == "FARGATE" and not fargate_sizes.exists(cpu, memory):
        raise errors.client(f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory.")


def _check_volumes(params: dict[str, Any], definition: TaskDefinition) -> None:
    needed = {volume["name"] for volume in definition.volumes or [] if volume.get("configuredAtLaunch")}
    given = {str(volume.get("name")) for volume in params.get("volumeConfigurations") or []}
    if needed != given:
        text = f"the task definition wants {sorted(needed)}, the request configures {sorted(given)}"
        raise errors.invalid_parameter(f"volumeConfigurations must name the volumes configured at launch: {text}.")


def _tags(params: dict[str, Any], definition: TaskDefinition, cluster: str) -> list[dict[str, str]]:
    propagate = params.get("propagateTags")
    if propagate == "SERVICE":
        raise errors.invalid_parameter("propagateTags SERVICE is not valid for RunTask.")
    given = {str(tag["key"]): str(tag.get("value", "")) for tag in params.get("tags") or []}
    if any(key.lower().startswith("aws:") for key in given):
        raise errors.invalid_parameter("aws: prefixed tag key names are not allowed for external use.")
    inherited = {tag["key"]: tag.get("value", "") for tag in definition.tags or []}
    tags = (inherited if propagate == "TASK_DEFINITION" else {}) | given
    if len(tags) > MOST_TAGS:
        raise errors.invalid_parameter(f"A resource can have at most {MOST_TAGS} tags, asked for {len(tags)}.")
    kept = [{"key": key, "value": value} for key, value in tags.items()]
    return kept + (managed_tags(cluster) if params.get("enableECSManagedTags") else [])
