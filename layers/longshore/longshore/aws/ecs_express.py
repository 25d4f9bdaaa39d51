"""ECS Express Mode: services whose task definitions and rollout ECS keeps itself (aws.md B4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longshore.aws.ecs_rolling import RollingServices
from longshore.aws.errors import aws_errors
from longshore.aws.remembered import remembered
from longshore.workloads import HUMAN_TAG, Action, WorkloadId

if TYPE_CHECKING:
    from longshore.workloads import Observation, Plan

MAIN = "Main"
"""The name of the container that an Express service's load balancer reaches (UpdateExpressGatewayService)."""

_SAID = frozenset(
    {
        "name",
        "image",
        "cpu",
        "memory",
        "memoryReservation",
        "essential",
        "portMappings",
        "logConfiguration",
        "repositoryCredentials",
        "command",
        "environment",
        "secrets",
    }
)
"""What ECS writes into a container definition from the members of ExpressGatewayContainer."""


class ExpressServices(RollingServices):
    """The way of Express services: their rollouts are service deployments too, only a new image is asked for otherwise.

    The same tag anew is a forced deployment, as of any service: nothing then drifts. Another image goes through
    UpdateExpressGatewayService, whose primary container is sent whole, for nobody says what ECS does with what is left
    out.
    """

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """UpdateExpressGatewayService, which answers no deployment: DescribeServices tells it."""
        if plan.action is not Action.REVISE:
            return super().apply(observation, plan, resumed=resumed)
        with aws_errors(gone=("ResourceNotFoundException",)):
            answer = self._ecs.describe_express_gateway_service(serviceArn=plan.workload)
        settings = _settings(answer["service"], observation.workload.task_definition)
        definition, _ = self._definitions.get(observation.workload.task_definition)
        if _is_of_ecs(definition) and settings.get("primaryContainer"):
            self._replace_image(observation, plan, settings["primaryContainer"])
        else:
            revision = self._definitions.revised(observation, plan, resumed=resumed)
            with aws_errors():
                self._ecs.update_express_gateway_service(serviceArn=plan.workload, taskDefinitionArn=revision)
        return self._begun(observation)

    def _replace_image(self, observation: Observation, plan: Plan, container: Mapping[str, Any]) -> None:
        """Remembers by a tag on the service what people call an image that is written by digest, then asks for it."""
        (change,) = plan.changes
        before = observation.workload.tags.get(HUMAN_TAG, "")
        known = remembered(change.image, change.tag, before)
        with aws_errors():
            if known is not None and known != before:
                self._ecs.tag_resource(resourceArn=plan.workload, tags=[{"key": HUMAN_TAG, "value": known}])
            self._ecs.update_express_gateway_service(
                serviceArn=plan.workload, primaryContainer={**container, "image": change.image}
            )

    def _begun(self, observation: Observation) -> str | None:
        service = WorkloadId.parse(observation.workload.arn)
        with aws_errors():
            answer = self._ecs.describe_services(cluster=service.cluster, services=[service.name])
        current = next((each.get("currentServiceDeployment") for each in answer.get("services", [])), None)
        return current if current != observation.rollout else None


def _settings(service: Mapping[str, Any], definition: str) -> Mapping[str, Any]:
    """Of the configurations that are in use, that of the task definition that was observed; else the newest."""
    found: list[Mapping[str, Any]] = service.get("activeConfigurations", [])
    same = [each for each in found if each.get("taskDefinitionArn") == definition]
    return max(same or found, key=lambda each: str(each.get("createdAt", "")), default={})


def _is_of_ecs(definition: Mapping[str, Any]) -> bool:
    """Whether ECS itself may have written the task definition; one that says more is its owner's, sidecars and all."""
    containers = definition.get("containerDefinitions", [])
    if [each.get("name") for each in containers] != [MAIN] or definition.get("volumes"):
        return False
    return {key for key, value in containers[0].items() if value} <= _SAID
