"""ECS services: who they are, and which way their deployments go. The facts are those of aws.md B."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from longshore.aws.ecs_definitions import TaskDefinitions, ecs_tags, required_platforms
from longshore.aws.ecs_express import MAIN, ExpressServices
from longshore.aws.ecs_rolling import RollingServices
from longshore.aws.errors import aws_errors
from longshore.aws.remembered import recalled
from longshore.aws.tagging import opted_in
from longshore.errors import GoneError
from longshore.workloads import (
    HUMAN_TAG,
    Controller,
    Observation,
    Workload,
    WorkloadId,
)

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.workloads import Plan, Rollout

_SERVICES = 10  # DescribeServices takes at most ten


class Way(Protocol):
    """How the deployments of some ECS services go; see `redeploy.ports.Platform`."""

    def observe(self, services: Sequence[tuple[Mapping[str, Any], Observation]]) -> list[Observation]:
        """Each service as DescribeServices answers it and what is known of it, with what runs and rolls out there."""
        ...

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """See the port."""
        ...

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """See the port."""
        ...

    def rollout(self, arn: str, id: str) -> Rollout:
        """See the port."""
        ...

    def complete(self, arn: str, id: str) -> None:
        """See the port."""
        ...

    def stop(self, arn: str, id: str) -> None:
        """See the port."""
        ...


class EcsServices:
    """The platform and the discovery of ECS services; a service's deployment controller decides the way."""

    def __init__(
        self,
        ecs: Any,
        tagging: Callable[[], Any],
        definitions: TaskDefinitions,
        code_deploy: Callable[[], Way],
    ) -> None:
        """`tagging` answers a client and `code_deploy` the way of its controller; both are made when first needed."""
        self._ecs = ecs
        self._tagging = tagging
        self._definitions = definitions
        self._make_code_deploy = code_deploy
        self._rolling = RollingServices(ecs, definitions)
        self._express = ExpressServices(ecs, definitions)

    @cached_property
    def _code_deploy(self) -> Way:
        return self._make_code_deploy()

    def _way(self, controller: Controller | None) -> Way:
        match controller:
            case Controller.CODE_DEPLOY:
                return self._code_deploy
            case Controller.EXPRESS:
                return self._express
        return self._rolling

    def _way_of(self, id: str) -> Way:
        """The id of a CodeDeploy deployment is no ARN."""
        return self._rolling if id.startswith("arn:") else self._code_deploy

    def observe(self, arn: str) -> Observation:
        """DescribeServices, once per revision DescribeTaskDefinition, and what the service's way adds."""
        service = WorkloadId.parse(arn)
        found = self._observed(self._described([service.name], service.cluster))
        if not found:
            raise GoneError(f"{arn} does not exist")
        return found[0]

    def unseen(self, arn: str) -> str:
        """Tags are all that there is to see."""
        return ""

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """DescribeServices for ten of a cluster at a time, DescribeServiceRevisions for as many."""
        clusters: dict[str, list[str]] = {}
        for arn in arns:
            service = WorkloadId.parse(arn)
            clusters.setdefault(service.cluster, []).append(service.name)
        found: list[Observation] = []
        for cluster, names in clusters.items():
            for start in range(0, len(names), _SERVICES):
                found += self._survey(cluster, names[start : start + _SERVICES])
        return found

    def _survey(self, cluster: str, names: Sequence[str]) -> list[Observation]:
        try:
            return self._observed(self._described(names, cluster))
        except GoneError:
            return []

    def _described(self, names: Sequence[str], cluster: str) -> Sequence[Mapping[str, Any]]:
        with aws_errors():
            answer = self._ecs.describe_services(cluster=cluster, services=list(names), include=["TAGS"])
        services: Sequence[Mapping[str, Any]] = answer.get("services", [])
        return services

    def _observed(self, services: Sequence[Mapping[str, Any]]) -> list[Observation]:
        known = [(service, self._known(service)) for service in services]
        shifted = [each for each in known if each[1].controller is Controller.CODE_DEPLOY]
        rolled = [each for each in known if each[1].controller is not Controller.CODE_DEPLOY]
        return [*self._rolling.observe(rolled), *(self._code_deploy.observe(shifted) if shifted else ())]

    def _known(self, service: Mapping[str, Any]) -> Observation:
        """All that is the same whichever way its deployments go."""
        arn = str(service["serviceArn"])
        id = WorkloadId.parse(arn)
        in_use = _task_definition(service)
        definition, tags = self._definitions.get(in_use) if in_use else ({}, {})
        workload = Workload(
            arn=arn,
            platform=id.platform,
            account=id.account,
            region=id.region,
            cluster=id.cluster,
            name=id.label,
            tags=ecs_tags(service.get("tags")),
            images={c["name"]: c["image"] for c in definition.get("containerDefinitions", []) if c.get("image")},
            task_definition=in_use,
        )
        return Observation(
            workload=workload,
            controller=_controller(service),
            human_tags=_human_tags(definition, tags, workload.tags),
            platforms=required_platforms(service, definition),
            roles=tuple(str(definition[k]) for k in ("taskRoleArn", "executionRoleArn") if definition.get(k)),
            desired=int(service.get("desiredCount", 0)),
            active=service.get("status") == "ACTIVE",
        )

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """See the port."""
        return self._way(observation.controller).apply(observation, plan, resumed=resumed)

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The deployment that began since, which the service's controller keeps."""
        service = WorkloadId.parse(arn)
        described = self._described([service.name], service.cluster)
        return self._way(next(map(_controller, described), None)).find(arn, since, other_than)

    def rollout(self, arn: str, id: str) -> Rollout:
        """See the port."""
        return self._way_of(id).rollout(arn, id)

    def stop(self, arn: str, id: str) -> None:
        """See the port."""
        self._way_of(id).stop(arn, id)

    def complete(self, arn: str, id: str) -> None:
        """See the port."""
        self._way_of(id).complete(arn, id)

    def arns(self) -> Iterable[str]:
        """GetResources by tag key, page after page; an ARN of before 2018 does not tell its cluster and is left out."""
        found = opted_in(self._tagging(), "ecs:service")
        return (arn for arn in found if WorkloadId.names(arn))


def _task_definition(service: Mapping[str, Any]) -> str:
    """That of the primary task set, where another controller than ECS keeps task sets; else the service's own.

    An Express service names none, but its deployments do.
    """
    return str(_primary(service, "taskSets") or service.get("taskDefinition") or _primary(service, "deployments") or "")


def _primary(service: Mapping[str, Any], among: str) -> str | None:
    found = (each.get("taskDefinition") for each in service.get(among) or [] if each.get("status") == "PRIMARY")
    return next(found, None)


def _controller(service: Mapping[str, Any]) -> Controller:
    if service.get("resourceManagementType") == "ECS":
        return Controller.EXPRESS
    return Controller(service.get("deploymentController", {}).get("type", "ECS"))


def _human_tags(
    definition: Mapping[str, Any], tags: Mapping[str, str], of_service: Mapping[str, str]
) -> Mapping[str, str]:
    """By the tags of the task definition; that of an Express service is ECS's own, so there by the service's."""
    pairs = [entry.partition("=") for entry in tags.get(HUMAN_TAG, "").split()]
    images = {c["name"]: c.get("image", "") for c in definition.get("containerDefinitions", [])}
    pairs.append((MAIN, "=", recalled(images.get(MAIN, ""), of_service)))
    return {name: tag for name, _, tag in pairs if tag and "@" in images.get(name, "")}
