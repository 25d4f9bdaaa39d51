"""RunTask as EventBridge rules and Scheduler schedules call it: their target's members in ECS's own spelling."""

import json
from collections.abc import Mapping
from typing import Any

_SAME = {
    "TaskDefinitionArn": "taskDefinition",
    "TaskCount": "count",
    "LaunchType": "launchType",
    "PlatformVersion": "platformVersion",
    "Group": "group",
    "EnableECSManagedTags": "enableECSManagedTags",
    "EnableExecuteCommand": "enableExecuteCommand",
    "PropagateTags": "propagateTags",
    "ReferenceId": "referenceId",
}
_NETWORK = {"Subnets": "subnets", "SecurityGroups": "securityGroups", "AssignPublicIp": "assignPublicIp"}
_OVERRIDES = frozenset(
    {"containerOverrides", "cpu", "memory", "executionRoleArn", "taskRoleArn", "ephemeralStorage",
     "inferenceAcceleratorOverrides"}
)  # fmt: skip


def request(cluster: str, target: Mapping[str, Any], body: str, started_by: str) -> dict[str, Any]:
    """RunTask's parameters for a target with EcsParameters; of its input only overrides count."""
    stated: Mapping[str, Any] = target["EcsParameters"]
    params: dict[str, Any] = {ours: stated[theirs] for theirs, ours in _SAME.items() if stated.get(theirs) is not None}
    params |= {"cluster": cluster, "startedBy": started_by}
    network = (stated.get("NetworkConfiguration") or {}).get("awsvpcConfiguration")
    if network:
        given = {ours: network[theirs] for theirs, ours in _NETWORK.items() if network.get(theirs) is not None}
        params["networkConfiguration"] = {"awsvpcConfiguration": given}
    for theirs, ours in (("CapacityProviderStrategy", "capacityProviderStrategy"),
                         ("PlacementConstraints", "placementConstraints"),
                         ("PlacementStrategy", "placementStrategy"), ("Tags", "tags")):  # fmt: skip
        if stated.get(theirs):
            params[ours] = [_lowered(entry) for entry in stated[theirs]]
    overrides = {name: value for name, value in _input(body).items() if name in _OVERRIDES}
    if overrides:
        params["overrides"] = overrides
    return params


def _lowered(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name[:1].lower() + name[1:]: value for name, value in entry.items()}


def _input(body: str) -> dict[str, Any]:
    try:
        stated = json.loads(body)
    except ValueError:
        return {}
    return stated if isinstance(stated, dict) else {}
