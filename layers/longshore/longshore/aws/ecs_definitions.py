"""Task definitions of ECS: read once each, and registered again with nothing but other images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.workloads import HUMAN_TAG

if TYPE_CHECKING:
    from longshore.workloads import Observation, Plan

_TAG_VALUE = 256  # characters of an AWS tag value
_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
_REGISTERED = (
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "ephemeralStorage",
    "runtimePlatform",
    "enableFaultInjection",
    "trustedExecutionConfiguration",
)
"""What RegisterTaskDefinition takes; all else in a description is read-only."""


class TaskDefinitions:
    """Task definitions by ARN; a revision never changes, so each is read once in the life of the process."""

    def __init__(self, ecs: Any, most: int = 512) -> None:
        self._ecs = ecs
        self._most = most
        self._known: dict[str, tuple[Mapping[str, Any], Mapping[str, str]]] = {}

    def get(self, arn: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """The revision and its tags."""
        if arn not in self._known:
            with aws_errors():
                answer = self._ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
            while len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[arn] = (answer["taskDefinition"], ecs_tags(answer.get("tags")))
        return self._known[arn]

    def revised(self, observation: Observation, plan: Plan, *, resumed: bool) -> str:
        """The ARN of a revision with the plan's images; who died after registering it finds it again."""
        wanted, tags = self._wanted(observation, plan)
        if resumed:
            with aws_errors():
                latest = self._ecs.describe_task_definition(taskDefinition=wanted["family"])["taskDefinition"]
            if _registrable(latest) == wanted:
                return str(latest["taskDefinitionArn"])
        if tags:
            wanted["tags"] = [{"key": k, "value": v} for k, v in sorted(tags.items())]
        with aws_errors():
            answer = self._ecs.register_task_definition(**wanted)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def _wanted(self, observation: Observation, plan: Plan) -> tuple[dict[str, Any], dict[str, str]]:
        """The revision in use by the service, not the latest of its family, with other images (redeploy 8.8)."""
        definition, tags = self.get(observation.workload.task_definition)
        images = {change.container: change.image for change in plan.changes}
        wanted = _registrable(definition)
        wanted["containerDefinitions"] = [
            {**container, "image": images[container["name"]]} if container["name"] in images else container
            for container in definition["containerDefinitions"]
        ]
        return wanted, carried(tags, plan, observation)


def carried(tags: Mapping[str, str], plan: Plan, observation: Observation) -> dict[str, str]:
    """The tags of the next revision: those of the last, and what people call the images that it writes by digest."""
    kept = {k: v for k, v in tags.items() if not k.startswith("aws:") and k != HUMAN_TAG}
    human = human_tag(plan, observation)
    if 0 < len(human) <= _TAG_VALUE:  # what does not fit is found again by the tags of the digest
        kept[HUMAN_TAG] = human
    return kept


def ecs_tags(tags: Sequence[Mapping[str, str]] | None) -> Mapping[str, str]:
    """Tags as ECS lists them, by key."""
    return {tag["key"]: tag.get("value", "") for tag in tags or []}


def human_tag(plan: Plan, observation: Observation) -> str:
    """The value of `longshore:tag`: ``container=tag`` for each container whose image is written by digest."""
    known = dict(observation.human_tags)
    for change in plan.changes:
        known.pop(change.container, None)
        if "@" in change.image and change.tag:
            known[change.container] = change.tag
    return " ".join(f"{container}={tag}" for container, tag in sorted(known.items()))


def human_tags(definition: Mapping[str, Any], tags: Mapping[str, str]) -> Mapping[str, str]:
    """The tags behind the images that a revision writes by digest, by the revision's own tags."""
    pairs = (entry.partition("=") for entry in tags.get(HUMAN_TAG, "").split())
    images = {c["name"]: c.get("image", "") for c in definition.get("containerDefinitions", [])}
    return {name: tag for name, _, tag in pairs if tag and "@" in images.get(name, "")}


def required_platforms(launch: Mapping[str, Any], definition: Mapping[str, Any]) -> frozenset[str]:
    """What an image must offer; nothing is required where instances of unknown kind run it.

    `launch` has the `launchType` and `capacityProviderStrategy` of whatever starts the tasks.
    """
    runtime = definition.get("runtimePlatform") or {}
    system = "windows" if str(runtime.get("operatingSystemFamily", "")).startswith("WINDOWS") else "linux"
    architecture = _ARCHITECTURES.get(runtime.get("cpuArchitecture", ""))
    if architecture is None and _fargate(launch):
        architecture = "amd64"  # Fargate's default
    return frozenset({f"{system}/{architecture}"}) if architecture else frozenset()


def _fargate(launch: Mapping[str, Any]) -> bool:
    providers = {p.get("capacityProvider") for p in launch.get("capacityProviderStrategy") or []}
    return launch.get("launchType") == "FARGATE" or bool(providers & {"FARGATE", "FARGATE_SPOT"})


def _registrable(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: definition[key] for key in _REGISTERED if definition.get(key) not in (None, "")}
