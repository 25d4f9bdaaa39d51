"""Task sets, as the ECS API shows them."""

from typing import TYPE_CHECKING, Any

from longshore_local.ecs import identifiers
from longshore_local.ecs.deployments import Deployment, platform_of
from longshore_local.ecs.strategy import launch_type_of

if TYPE_CHECKING:
    from longshore_local.ecs.services import Service

_SHOWN = ("capacityProviderStrategy", "networkConfiguration", "loadBalancers", "serviceRegistries")


def task_set(service: "Service", entry: Deployment) -> dict[str, Any]:
    """The deployment as `TaskSet` in the ECS API."""
    resource = f"task-set/{service.cluster_name}/{service.name}/{entry.id}"
    settings = entry.revision.settings
    steady = entry.healthy == entry.desired and not entry.pending and len(entry.kept) == len(entry.tasks)
    shown: dict[str, Any] = {
        "id": entry.id,
        "taskSetArn": identifiers.arn(service.region, service.account, resource),
        "serviceArn": service.arn,
        "clusterArn": service.cluster_arn,
        "status": entry.status,
        "taskDefinition": entry.revision.definition.arn,
        "computedDesiredCount": entry.desired,
        "pendingCount": entry.pending,
        "runningCount": entry.running,
        "createdAt": entry.created_at,
        "updatedAt": entry.updated_at,
        "scale": {"value": 100.0, "unit": "PERCENT"},
        "stabilityStatus": "STEADY_STATE" if steady else "STABILIZING",
        "tags": [],
        **platform_of(settings),
        **{name: settings[name] for name in _SHOWN if settings.get(name)},
    }
    if not settings.get("capacityProviderStrategy"):
        shown["launchType"] = launch_type_of(settings)
    if entry.external_id:
        shown |= {"externalId": entry.external_id, "startedBy": "CODE_DEPLOY"}
    return shown
