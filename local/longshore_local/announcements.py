"""What AWS Health, EC2 and EKS announce about tasks, instances and pods (samples under events/)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from longshore_local.ecs import identifiers
from longshore_local.ecs.events import Event, envelope

_RETIREMENT = "AWS_ECS_TASK_PATCHING_RETIREMENT"


def retirement(
    account: str, region: str, resources: Sequence[str], now: datetime, *, starts_in: timedelta = timedelta(days=7)
) -> Event:
    """`AWS Health Event`: Fargate will retire these, task ARNs or `cluster | service` (recover O5)."""
    said = format_datetime(now.astimezone(UTC), usegmt=True)
    starts, ends = now + starts_in, now + starts_in + timedelta(days=2)
    identifier = identifiers.hexadecimal()
    detail: dict[str, Any] = {
        "eventArn": f"arn:aws:health:{region}::event/ECS/{_RETIREMENT}/{_RETIREMENT}_{identifier}",
        "service": "ECS",
        "eventScopeCode": "ACCOUNT_SPECIFIC",
        "communicationId": f"{identifiers.hexadecimal(64)}-1",
        "lastUpdatedTime": said,
        "statusCode": "upcoming",
        "eventRegion": region,
        "eventTypeCode": _RETIREMENT,
        "eventTypeCategory": "scheduledChange",
        "startTime": format_datetime(starts.astimezone(UTC), usegmt=True),
        "endTime": format_datetime(ends.astimezone(UTC), usegmt=True),
        "eventDescription": [{"language": "en_US", "latestDescription": "A software update was deployed to Fargate."}],
        "affectedEntities": [
            {"entityValue": resource, "status": "PENDING", "lastUpdatedTime": said} for resource in resources
        ],
        "page": "1",
        "totalPages": "1",
        "backupEvent": "false",
        "affectedAccount": account,
        "personas": ["OPERATIONS"],
        "actionability": "ACTION_REQUIRED",
    }
    return _event("aws.health", "AWS Health Event", (account, region), resources, now, detail)


def spot_interruption(account: str, region: str, instance_id: str, now: datetime, action: str = "terminate") -> Event:
    """`EC2 Spot Instance Interruption Warning`, two minutes before it."""
    detail = {"instance-id": instance_id, "instance-action": action}
    kind = "EC2 Spot Instance Interruption Warning"
    return _event("aws.ec2", kind, (account, region), [_instance(account, region, instance_id)], now, detail)


def rebalance(account: str, region: str, instance_id: str, now: datetime) -> Event:
    """`EC2 Instance Rebalance Recommendation`: the risk of an interruption has grown."""
    kind = "EC2 Instance Rebalance Recommendation"
    where = [_instance(account, region, instance_id)]
    return _event("aws.ec2", kind, (account, region), where, now, {"instance-id": instance_id})


def pod_termination(
    account: str, region: str, cluster: str, pod: str, now: datetime, *, namespace: str = "default"
) -> Event:
    """`EKS Fargate Pod Scheduled Termination`: the pod could not be evicted and will be ended, in three days."""
    when = (now + timedelta(days=3)).astimezone(UTC)
    detail = {
        "clusterName": cluster,
        "fargateProfileName": "default",
        "podName": pod,
        "podNamespace": namespace,
        "evictErrorMessage": "Cannot evict pod as it would violate the pod's disruption budget",
        "scheduledTerminationTime": f"{when.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}[UTC]",
    }
    kind = "EKS Fargate Pod Scheduled Termination"
    return _event("aws.eks", kind, (account, region), [f"{namespace}/{pod}"], now, detail)


def _instance(account: str, region: str, instance_id: str) -> str:
    return f"arn:aws:ec2:{region}:{account}:instance/{instance_id}"


def _event(
    source: str, kind: str, where: tuple[str, str], resources: Sequence[str], now: datetime, detail: dict[str, Any]
) -> Event:
    place = identifiers.arn(where[1], where[0], "cluster/none")
    return envelope(source, kind, place, now, detail) | {"resources": list(resources)}
