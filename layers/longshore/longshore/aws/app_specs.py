"""AppSpec files for ECS: made from the task set that serves, with all that the file before said besides."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_HOOKS = re.compile(r"""^(?!\s*#)(?:.*[{,\s])?["']?hooks["']?\s*:""", re.IGNORECASE | re.MULTILINE)
"""Anywhere but in a comment: YAML has more ways to write a key than one."""


class UnreadableAppSpecError(Exception):
    """An AppSpec that may ask for more than a task set shows, such as hooks, and cannot be read."""


def read_app_spec(content: str) -> Mapping[str, Any]:
    """An AppSpec in JSON. One in YAML is read as empty where it has no hooks; else UnreadableAppSpecError."""
    try:
        spec = json.loads(content.removeprefix("\ufeff"))
    except ValueError:
        if _HOOKS.search(content):
            raise UnreadableAppSpecError("the AppSpec of its last deployment is YAML and has hooks") from None
        return {}
    return spec if isinstance(spec, dict) else {}


def app_spec(before: Mapping[str, Any], task_set: Mapping[str, Any], task_definition: str) -> str:
    """The AppSpec that deploys a task definition in place of a task set, whose settings it keeps.

    `before` is the AppSpec that made the task set, empty where there was none. All that it says stays, hooks too: a
    task set tells the platform version that LATEST was resolved to, not that it was LATEST.

    Names are those of the CodeDeploy User Guide, AppSpec file structure for ECS.
    """
    known = {**_settings(task_set), **_properties(before), "TaskDefinition": task_definition}
    resource = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": known}}
    return json.dumps({**before, "version": 0.0, "Resources": [resource]}, sort_keys=True)


def _properties(before: Mapping[str, Any]) -> dict[str, Any]:
    """What the AppSpec before said of the service."""
    resources = before.get("Resources")
    for resource in resources if isinstance(resources, list) else ():
        for named in resource.values() if isinstance(resource, dict) else ():
            properties = named.get("Properties") if isinstance(named, dict) else None
            if isinstance(properties, dict):
                return properties
    return {}


def _settings(task_set: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for balancer in (task_set.get("loadBalancers") or [])[:1]:
        settings["LoadBalancerInfo"] = {
            "ContainerName": balancer["containerName"],
            "ContainerPort": balancer["containerPort"],
        }
    if task_set.get("platformVersion"):
        settings["PlatformVersion"] = task_set["platformVersion"]
    if network := (task_set.get("networkConfiguration") or {}).get("awsvpcConfiguration"):
        settings["NetworkConfiguration"] = {"AwsvpcConfiguration": _capitalised(network)}
    if strategy := task_set.get("capacityProviderStrategy"):
        settings["CapacityProviderStrategy"] = [_capitalised(each) for each in strategy]
    return settings


def _capitalised(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an ECS structure as an AppSpec spells them."""
    return {f"{key[:1].upper()}{key[1:]}": value for key, value in members.items()}
