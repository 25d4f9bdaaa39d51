"""Updates of moto's CloudFormation stacks as they are in AWS: dependents follow, and the service role stays."""

from graphlib import TopologicalSorter
from typing import Any

from moto.cloudformation.models import Stack
from moto.cloudformation.parsing import ResourceMap

from longshore_local.ecs.patches import Patches


def plug_in(patches: Patches) -> None:
    """Mends what moto leaves out."""
    diff, update = ResourceMap.build_resource_diff, Stack.update

    def build_resource_diff(
        self: ResourceMap, other_template: dict[str, Any], parameters: Any = None
    ) -> dict[str, Any]:
        found = diff(self, other_template, parameters)
        return {**found, "Modify": _with_dependents(found["Modify"], other_template["Resources"], found["Add"])}

    def update_keeping_the_role(
        self: Stack, template: str, role_arn: str | None = None, parameters: Any = None, tags: Any = None
    ) -> None:
        update(self, template, role_arn or self.role_arn, parameters, tags)

    patches.put(ResourceMap, "build_resource_diff", build_resource_diff)
    patches.put(Stack, "update", update_keeping_the_role)


def _with_dependents(changed: list[str], resources: dict[str, Any], added: list[str]) -> list[str]:
    """What changes with what it refers to, after it: a service gets the new revision of its task definition."""
    found = set(changed)
    while more := {n for n in resources if n not in found and n not in added and _any(resources[n], found)}:
        found |= more
    graph = {name: {other for other in found if other != name and _refers(resources[name], other)} for name in found}
    return list(TopologicalSorter(graph).static_order())


def _any(resource: Any, names: set[str]) -> bool:
    return any(_refers(resource, name) for name in names)


def _refers(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        attribute = value.get("Fn::GetAtt")
        named = attribute[0] if isinstance(attribute, list) else str(attribute or "").partition(".")[0]
        return value.get("Ref") == name or named == name or any(_refers(each, name) for each in value.values())
    return any(_refers(each, name) for each in value) if isinstance(value, list) else False
