"""Daemon task definitions of ECS: read once each, and registered again with nothing but other images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longshore.aws.ecs_definitions import carried, ecs_tags
from longshore.aws.errors import aws_errors

if TYPE_CHECKING:
    from longshore.workloads import Observation, Plan

_REGISTERED = (
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "containerDefinitions",
    "volumes",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
)
"""What RegisterDaemonTaskDefinition takes; all else in a description is read-only."""


class DaemonDefinitions:
    """Daemon task definitions by ARN; a revision never changes, so each is read once in the life of the process."""

    def __init__(self, ecs: Any, most: int = 128) -> None:
        self._ecs = ecs
        self._most = most
        self._known: dict[str, tuple[Mapping[str, Any], Mapping[str, str]]] = {}

    def get(self, arn: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """The revision, and its tags, which its description leaves out."""
        if arn not in self._known:
            definition = self._described(arn)
            with aws_errors():
                tags = self._ecs.list_tags_for_resource(resourceArn=arn).get("tags")
            while len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[arn] = (definition, ecs_tags(tags))
        return self._known[arn]

    def revised(self, observation: Observation, plan: Plan, *, resumed: bool) -> str:
        """The ARN of a new revision with the plan's images; who died after registering it finds it again."""
        in_use = observation.workload.task_definition
        definition, tags = self.get(in_use)
        images = {change.container: change.image for change in plan.changes}
        wanted = _registrable(definition)
        wanted["containerDefinitions"] = [
            {**each, "image": images[each["name"]]} if each.get("name") in images else each
            for each in definition["containerDefinitions"]
        ]
        if resumed:
            latest = self._described(wanted["family"])
            if latest["daemonTaskDefinitionArn"] != in_use and _registrable(latest) == wanted:
                return str(latest["daemonTaskDefinitionArn"])
        if own := carried(tags, plan, observation):
            wanted["tags"] = [{"key": key, "value": value} for key, value in sorted(own.items())]
        with aws_errors():
            answer = self._ecs.register_daemon_task_definition(**wanted)
        return str(answer["daemonTaskDefinitionArn"])

    def _described(self, name: str) -> Mapping[str, Any]:
        with aws_errors():
            answer = self._ecs.describe_daemon_task_definition(daemonTaskDefinition=name)
        found: Mapping[str, Any] = answer["daemonTaskDefinition"]
        return found


def _registrable(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: definition[key] for key in _REGISTERED if definition.get(key) not in (None, "")}
