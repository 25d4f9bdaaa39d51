"""Where launch recipes come from: the living task, its schedule or rule, and CloudTrail's record (recover 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.recover.recipe import LaunchRecipe, Network, Provider

if TYPE_CHECKING:
    from longshore.recover.ports import Launchers
    from longshore.tasks import Task

RULE, SCHEDULE = "events-rule/", "chronos-schedule/"
"""What `startedBy` begins with, before the name of the rule or schedule (recover 2.1)."""

_OF_AWS = "aws:"
_MANAGED = "aws:ecs:"


class Interface(NamedTuple):
    """A task's network interface, as EC2 tells it while the task lives; it is deleted with the task."""

    subnet: str
    security_groups: tuple[str, ...]
    public: bool


def recipe_of(task: Task, interface: Interface | None) -> LaunchRecipe:
    """What a living task tells, as DescribeTasks(include TAGS) answers it, and its network interface.

    Of subnets and of a capacity provider strategy it tells what ECS chose, of the platform version what it became.
    """
    tags = task.tags or None  # StopTask deletes them: none may mean that there were some
    return LaunchRecipe(
        source="task",
        launch_type=None if task.capacity_provider else task.launch_type or None,
        strategy=(Provider(task.capacity_provider),) if task.capacity_provider else None,
        network=_of_interface(interface),
        group=task.group,
        started_by=task.started_by,
        tags=None if tags is None else own_tags(tags),
        managed_tags=None if tags is None else any(key.startswith(_MANAGED) for key in tags),
        execute_command=task.enable_execute_command,
    )


def _of_interface(interface: Interface | None) -> Network | None:
    if interface is None:
        return None
    return Network((interface.subnet,), interface.security_groups, interface.public, chosen=True)


def recipe_from_launcher(parameters: Mapping[str, Any], source: str) -> LaunchRecipe:
    """What the `EcsParameters` of an EventBridge rule's target or of a Scheduler schedule ask for.

    `source` is ``rule`` or ``schedule``. What they leave out is known to be left out; volumes they cannot have.
    """
    network = parameters.get("NetworkConfiguration", {}).get("awsvpcConfiguration")
    providers = parameters.get("CapacityProviderStrategy")
    return LaunchRecipe(
        source=source,
        launch_type=None if providers else parameters.get("LaunchType", ""),
        strategy=_providers(providers),
        network=_network(network, "Subnets", "SecurityGroups", "AssignPublicIp"),
        platform_version=parameters.get("PlatformVersion", ""),
        group=parameters.get("Group"),
        tags=own_tags(_launcher_tags(parameters.get("Tags", ()))),
        propagate_tags=parameters.get("PropagateTags", ""),
        managed_tags=bool(parameters.get("EnableECSManagedTags")),
        execute_command=bool(parameters.get("EnableExecuteCommand")),
        placement_constraints=tuple(parameters.get("PlacementConstraints", ())),
        placement_strategy=tuple(parameters.get("PlacementStrategy", ())),
        volumes=(),
    )


def recipe_from_request(request: Mapping[str, Any]) -> LaunchRecipe:
    """What the `requestParameters` of CloudTrail's record of a RunTask say; its overrides are left alone."""
    network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    providers = request.get("capacityProviderStrategy")
    return LaunchRecipe(
        source="request",
        launch_type=None if providers else request.get("launchType") or "",
        strategy=_providers(providers),
        network=_network(network, "subnets", "securityGroups", "assignPublicIp"),
        platform_version=request.get("platformVersion") or "",
        group=request.get("group"),
        started_by=request.get("startedBy") or "",
        tags=own_tags({each["key"]: each.get("value", "") for each in request.get("tags") or () if each.get("key")}),
        propagate_tags=request.get("propagateTags") or "",
        managed_tags=bool(request.get("enableECSManagedTags")),
        execute_command=bool(request.get("enableExecuteCommand")),
        placement_constraints=tuple(request.get("placementConstraints") or ()),
        placement_strategy=tuple(request.get("placementStrategy") or ()),
        volumes=tuple(request.get("volumeConfigurations") or ()),
    )


def targets_of(launchers: Launchers, started_by: str) -> Sequence[Mapping[str, Any]]:
    """The ECS targets of the schedule or rule that `startedBy` names, as they are now."""
    if started_by.startswith(SCHEDULE):
        return launchers.schedules(started_by.removeprefix(SCHEDULE))
    if started_by.startswith(RULE):
        return launchers.rules(started_by.removeprefix(RULE))
    return ()


def starts(target: Mapping[str, Any], cluster: str, family: str) -> bool:
    """Whether a target of a rule or schedule starts tasks of a family in a cluster."""
    named = family_of(str(target.get("EcsParameters", {}).get("TaskDefinitionArn", "")))
    return target.get("Arn") == cluster and named == family


def family_of(definition: str) -> str:
    """The family of a task definition, named in any way."""
    return definition.rpartition("/")[2].partition(":")[0]


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags without those that AWS set, which nobody else may set."""
    return {key: value for key, value in tags.items() if not key.lower().startswith(_OF_AWS)}


def _providers(items: Iterable[Mapping[str, Any]] | None) -> tuple[Provider, ...] | None:
    return tuple(Provider.read(each) for each in items) if items else None


def _network(raw: Mapping[str, Any] | None, subnets: str, groups: str, public: str) -> Network | None:
    if not raw or not raw.get(subnets):
        return None
    asked = raw.get(public)
    return Network(tuple(raw[subnets]), tuple(raw.get(groups) or ()), None if asked is None else asked == "ENABLED")


def _launcher_tags(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """EventBridge's items are `Key` and `Value`, Scheduler's free mappings that hold the same."""
    found = {}
    for each in tags:
        lower = {key.lower(): value for key, value in each.items()}
        if lower.get("key"):
            found[str(lower["key"])] = str(lower.get("value", ""))
    return found
