"""ECS services as DescribeServices tells them: what recover has to know of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from longshore.recover.diagnosis import Owner
from longshore.recover.owner import owner_of_service
from longshore.tasks import RECOVER_TAG, pairs
from longshore.workload_ids import POLICY_TAG

if TYPE_CHECKING:
    from longshore.tasks import Task

_STANDING = ("PRIMARY", "ACTIVE")


@dataclass(frozen=True, slots=True)
class Service:
    """A service now. `deployment` is the id of its primary deployment or task set, `changed` when that began.

    `rolling` says that ECS still works on it, `breaker` that ECS's circuit breaker watches that.
    """

    arn: str
    name: str
    cluster: str
    active: bool
    desired: int
    running: int
    deployment: str
    changed: datetime | None
    rolling: bool
    breaker: bool
    definition: str
    tags: Mapping[str, str]
    described: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, described: Mapping[str, Any]) -> Service:
        """Reads a service of the API."""
        standing = [each for each in _objects(described, "deployments") if each.get("status") in _STANDING]
        sets = [each for each in _objects(described, "taskSets") if each.get("status") in _STANDING]
        primary = next((each for each in (*standing, *sets) if each.get("status") == "PRIMARY"), {})
        breaker = _object(_object(described, "deploymentConfiguration"), "deploymentCircuitBreaker")
        return cls(
            arn=str(described["serviceArn"]),
            name=str(described.get("serviceName", "")),
            cluster=str(described.get("clusterArn", "")),
            active=described.get("status") == "ACTIVE",
            desired=int(described.get("desiredCount") or 0),
            running=int(described.get("runningCount") or 0),
            deployment=str(primary.get("id", "")),
            changed=_utc(primary.get("createdAt")),
            rolling=any(each.get("rolloutState") == "IN_PROGRESS" for each in standing) or len(standing) > 1,
            breaker=breaker.get("enable") is True,
            definition=str(described.get("taskDefinition") or primary.get("taskDefinition") or ""),
            tags=pairs(described.get("tags")),
            described=described,
        )

    @property
    def owner(self) -> Owner:
        """Who starts its tasks again."""
        return owner_of_service(self.described)

    @property
    def wanted(self) -> bool:
        """Whether any task of it should run."""
        return self.active and (self.desired > 0 or self.owner is Owner.DAEMON)

    @property
    def steady(self) -> bool:
        """Whether it has what it wants, and nothing is under way."""
        return self.active and not self.rolling and self.running >= self.desired

    @property
    def left_to_breaker(self) -> bool:
        """Whether ECS's circuit breaker ends what is under way if it fails, and redeploy, following it, tells that."""
        return self.rolling and self.breaker and POLICY_TAG in self.tags

    @property
    def silenced(self) -> bool:
        """Whether its own tag says that recover leaves it alone."""
        return self.tags.get(RECOVER_TAG) == "off"


def service_arn(task: Task) -> str:
    """The ARN of the service that a task belongs to; nothing where it belongs to none."""
    return f"{task.cluster.replace(':cluster/', ':service/', 1)}/{task.service}" if task.service else ""


def cluster_of(service: str) -> str:
    """The ARN of a service's cluster. Raises ValueError for the short form, which does not tell it."""
    head, cluster, _ = service.split("/")
    return f"{head.removesuffix('service')}cluster/{cluster}"


def _object(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = holder.get(key)
    return value if isinstance(value, Mapping) else {}


def _objects(holder: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    value = holder.get(key)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def _utc(value: object) -> datetime | None:
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
