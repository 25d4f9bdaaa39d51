"""Launching again: what RunTask is asked for, and what must be known before it can be (recover 3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.recover.reasons import Reason
from longshore.recover.recipe import Provider
from longshore.recover.sources import own_tags
from longshore.tasks import ATTEMPT_TAG, CLASS_TAG, PARENT_TAG, ROOT_TAG, Task

if TYPE_CHECKING:
    from longshore.recover.changes import Changes
    from longshore.recover.recipe import LaunchRecipe, Network

_STARTED_BY = re.compile(r"[A-Za-z0-9/_-]{1,128}", re.ASCII)
_MOST_TAGS = 50
_FARGATE = "FARGATE"


class Lineage(NamedTuple):
    """What a replacement says of itself by its tags."""

    root: str
    parent: str
    attempt: int
    cls: str

    def tags(self) -> dict[str, str]:
        """The tags, the most telling first."""
        return {ROOT_TAG: self.root, ATTEMPT_TAG: str(self.attempt), PARENT_TAG: self.parent, CLASS_TAG: self.cls}


def on_fargate(task: Task) -> bool:
    """Whether AWS runs it on Fargate, Spot or not."""
    return _FARGATE in (task.launch_type, task.capacity_provider) or task.capacity_provider == "FARGATE_SPOT"


def missing(task: Task, recipe: LaunchRecipe, definition: Mapping[str, Any]) -> Reason | None:
    """Why the task cannot be launched again as it was, or None; `definition` is of DescribeTaskDefinition.

    Placement and propagation that are not known are no reason: the first is about where and not about what, and what
    was propagated is among the tags.
    """
    if not definition or definition.get("status", "ACTIVE") != "ACTIVE":
        return Reason.DEFINITION_INACTIVE
    if task.service:
        return Reason.GROUP_RESERVED
    if recipe.strategy is None and recipe.launch_type is None and not (task.capacity_provider or task.launch_type):
        return Reason.CAPACITY_UNKNOWN
    if definition.get("networkMode") == "awsvpc" and recipe.network is None:
        return Reason.NETWORK_UNKNOWN
    if any(each.get("configuredAtLaunch") for each in definition.get("volumes", ())) and not recipe.volumes:
        return Reason.VOLUMES_UNKNOWN
    return None


def unpassable_roles(task: Task, definition: Mapping[str, Any], patterns: Iterable[str]) -> tuple[str, ...]:
    """The roles that a launch passes and `PassableRoleArns` does not name."""
    names = ("taskRoleArn", "executionRoleArn")
    roles = {role for name in names if (role := task.overrides.get(name) or definition.get(name))}
    allowed = [each.strip().replace("[", "[[]") for each in patterns]
    return tuple(sorted(role for role in roles if not any(fnmatchcase(role, each) for each in allowed)))


def run_task_request(
    task: Task, recipe: LaunchRecipe, changes: Changes, token: str, lineage: Lineage | None
) -> dict[str, Any]:
    """The parameters of RunTask that launch a task again: as it was, but for `changes` and the lineage's tags.

    Overrides are the task's own, so that it must have been read from DescribeTasks. Without `lineage` no tag is sent,
    for accounts whose ARNs are too old to be tagged.
    """
    request: dict[str, Any] = {
        "cluster": task.cluster,
        "taskDefinition": task.definition,
        "count": 1,
        "clientToken": token,
        **_capacity(task, recipe, changes),
        "networkConfiguration": _network(recipe.network, changes),
        "platformVersion": _platform_version(task, recipe),
        "overrides": _overrides(task.overrides, changes),
        "group": task.group or recipe.group,
        "startedBy": _started_by(task.started_by or recipe.started_by or ""),
        "tags": _tags(task, recipe, lineage) if lineage else [],
        "propagateTags": recipe.propagate_tags,
        "enableECSManagedTags": recipe.managed_tags,
        "enableExecuteCommand": task.enable_execute_command or recipe.execute_command,
        "placementConstraints": _constraints(recipe, changes),
        "placementStrategy": [dict(each) for each in recipe.placement_strategy or ()],
        "volumeConfigurations": [dict(each) for each in recipe.volumes or ()],
    }
    return {name: value for name, value in request.items() if value not in (None, "", [], {}, False)}


def _capacity(task: Task, recipe: LaunchRecipe, changes: Changes) -> dict[str, Any]:
    """A launch type or a strategy, never both: ECS refuses that.

    Tasks of the launch type FARGATE name a provider FARGATE as well (events/ecs/), though the cluster need not have
    one; where no more is known of the strategy, the launch type says the same and is always taken.
    """
    strategy = recipe.strategy or ((Provider(task.capacity_provider),) if task.capacity_provider else ())
    if changes.on_demand or strategy == (Provider(_FARGATE),):
        return {"launchType": _FARGATE}
    if recipe.strategy or (recipe.launch_type is None and strategy):
        return {"capacityProviderStrategy": [each.as_json() for each in strategy]}
    return {"launchType": task.launch_type if recipe.launch_type is None else recipe.launch_type}


def _network(network: Network | None, changes: Changes) -> dict[str, Any]:
    if network is None:
        return {}
    asked: dict[str, Any] = {"subnets": list(changes.subnets or network.subnets)}
    if network.security_groups:
        asked["securityGroups"] = list(network.security_groups)
    if network.public_ip is not None:
        asked["assignPublicIp"] = "ENABLED" if network.public_ip else "DISABLED"
    return {"awsvpcConfiguration": asked}


def _platform_version(task: Task, recipe: LaunchRecipe) -> str:
    """What was asked for, where that is known: LATEST is not what it became. Only Fargate has one."""
    if not on_fargate(task):
        return ""
    return task.platform_version if recipe.platform_version is None else recipe.platform_version


def _started_by(text: str) -> str:
    """Kept, so that who lists by it finds the replacement; what AWS alone may write is left out."""
    return text if _STARTED_BY.fullmatch(text) else ""


def _tags(task: Task, recipe: LaunchRecipe, lineage: Lineage) -> list[dict[str, str]]:
    """The task's own and the lineage's, as far as there is room: the ledger knows the lineage too."""
    ours = lineage.tags()
    own = own_tags(task.tags or recipe.tags or {})
    kept = {key: value for key, value in own.items() if key not in ours}
    room = max(0, _MOST_TAGS - len(kept))
    tags = {**kept, **dict(list(ours.items())[:room])}
    return [{"key": key, "value": value} for key, value in tags.items()]


def _constraints(recipe: LaunchRecipe, changes: Changes) -> list[dict[str, Any]]:
    asked = [dict(each) for each in recipe.placement_constraints or ()]
    if changes.avoid:
        asked.append({"type": "memberOf", "expression": f"ec2InstanceId not_in [{', '.join(changes.avoid)}]"})
    return asked


def _overrides(own: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The task's own, less the empty ones that DescribeTasks adds, with what the remedy raises."""
    overrides = {name: value for name, value in own.items() if value and name != "containerOverrides"}
    containers = {each["name"]: dict(each) for each in own.get("containerOverrides", ()) if each.get("name")}
    for name, limit in changes.containers.items():
        containers[name] = {"name": name, **containers.get(name, {}), "memory": limit}
    kept = [filled for each in containers.values() if len(filled := _filled(each)) > 1]
    raised = {
        "containerOverrides": kept,
        "cpu": str(changes.cpu or ""),
        "memory": str(changes.memory or ""),
        "ephemeralStorage": {"sizeInGiB": changes.storage} if changes.storage else {},
    }
    return overrides | {name: value for name, value in raised.items() if value}


def _filled(override: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in override.items() if value not in (None, "", [], {})}
