"""ECS tasks: one reading for what DescribeTasks answers and what `ECS Task State Change` carries (recover 2.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

ROOT_TAG = "longshore:root-task"
PARENT_TAG = "longshore:parent-task"
ATTEMPT_TAG = "longshore:attempt"
CLASS_TAG = "longshore:class"
RECOVER_TAG = "longshore:recover"
"""On a task definition: `auto` opts its family in, `off` silences it, anything else is as if it were not there."""
RETRY_TAG = "longshore:retry"
"""On a task definition: `idempotent` allows that what ran is run again."""

_ARN = re.compile(r"arn:aws[a-z-]*:ecs:[a-z0-9-]{4,32}:\d{12}:[a-z-]+/\S+", re.ASCII)

OWN_STOP = "longshore:"
"""How the reason of every StopTask of ours begins; such a stop is gone on with from the ledger, not from its event."""


class Container(NamedTuple):
    """One container of a task. `exit_code` is None when it never ran or was lost."""

    name: str
    image: str = ""
    digest: str = ""
    status: str = ""
    exit_code: int | None = None
    reason: str = ""
    runtime_id: str = ""
    health: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as ECS tells it. What an event does not carry (health, tags) is empty; `tags` is None when not asked for.

    `overrides` may hold secrets: it is not shown, not logged and never kept (design 4).
    """

    arn: str
    cluster: str
    account: str
    region: str
    definition: str
    group: str = ""
    started_by: str = ""
    last_status: str = ""
    desired_status: str = ""
    stop_code: str = ""
    stopped_reason: str = ""
    launch_type: str = ""
    capacity_provider: str = ""
    platform_version: str = ""
    zone: str = ""
    container_instance: str = ""
    connectivity: str = ""
    health: str = ""
    cpu: str = ""
    memory: str = ""
    ephemeral_storage: int | None = None
    enable_execute_command: bool = False
    version: int = 0
    created: datetime | None = None
    started: datetime | None = None
    stopping: datetime | None = None
    execution_stopped: datetime | None = None
    stopped: datetime | None = None
    containers: tuple[Container, ...] = ()
    attachments: tuple[Mapping[str, Any], ...] = ()
    tags: Mapping[str, str] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, detail: Mapping[str, Any]) -> Task:
        """Reads a task of the API or of an event; members that are missing, unknown or of another type are tolerated.

        Raises ValueError naming the member when it does not tell which task, cluster or task definition it is.
        """
        arn, cluster, definition = (_named(detail, key) for key in ("taskArn", "clusterArn", "taskDefinitionArn"))
        parts = arn.split(":")
        storage = detail.get("ephemeralStorage")
        size = storage.get("sizeInGiB") if isinstance(storage, Mapping) else None
        tags = detail.get("tags")
        return cls(
            arn=arn,
            cluster=cluster,
            account=parts[4],
            region=parts[3],
            definition=definition,
            group=_text(detail, "group"),
            started_by=_text(detail, "startedBy"),
            last_status=_text(detail, "lastStatus"),
            desired_status=_text(detail, "desiredStatus"),
            stop_code=_text(detail, "stopCode"),
            stopped_reason=_text(detail, "stoppedReason"),
            launch_type=_text(detail, "launchType"),
            capacity_provider=_text(detail, "capacityProviderName"),
            platform_version=_text(detail, "platformVersion"),
            zone=_text(detail, "availabilityZone"),
            container_instance=_text(detail, "containerInstanceArn"),
            connectivity=_text(detail, "connectivity"),
            health=_text(detail, "healthStatus"),
            cpu=_text(detail, "cpu"),
            memory=_text(detail, "memory"),
            ephemeral_storage=size if isinstance(size, int) else None,
            enable_execute_command=detail.get("enableExecuteCommand") is True,
            version=_number(detail.get("version")) or 0,
            created=_moment(detail, "createdAt"),
            started=_moment(detail, "startedAt"),
            stopping=_moment(detail, "stoppingAt"),
            execution_stopped=_moment(detail, "executionStoppedAt"),
            stopped=_moment(detail, "stoppedAt"),
            containers=tuple(_container(each) for each in _objects(detail.get("containers"))),
            attachments=tuple(_objects(detail.get("attachments"))),
            tags=None if tags is None else pairs(tags),
            overrides=detail["overrides"] if isinstance(detail.get("overrides"), Mapping) else {},
        )

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def cluster_name(self) -> str:
        """The cluster without its ARN."""
        return self.cluster.rpartition("/")[2]

    @property
    def family(self) -> str:
        """The family of the task definition, without revision."""
        return self.definition.rpartition("/")[2].rpartition(":")[0] or self.definition.rpartition("/")[2]

    @property
    def service(self) -> str:
        """The name of the service that it belongs to, or nothing."""
        return self.group.removeprefix("service:") if self.group.startswith("service:") else ""

    @property
    def final(self) -> bool:
        """Whether it is over: only STOPPED is (recover 2.1)."""
        return self.last_status == "STOPPED"

    @property
    def never_started(self) -> bool:
        """Whether none of its code ran, so that to run it again repeats nothing (recover 2.1, the line of safety)."""
        ran = any(each.runtime_id or each.exit_code is not None for each in self.containers)
        return self.started is None and not ran

    @property
    def ran_for(self) -> float | None:
        """Seconds from its start to its end, None when either is unknown."""
        end = self.execution_stopped or self.stopping or self.stopped
        return (end - self.started).total_seconds() if end and self.started else None


def pairs(tags: object) -> dict[str, str]:
    """A list of ``{"key", "value"}`` as a mapping; malformed members are left out."""
    found = {}
    for each in _objects(tags):
        key, value = each.get("key", each.get("Key")), each.get("value", each.get("Value"))
        if isinstance(key, str):
            found[key] = value if isinstance(value, str) else ""
    return found


def _container(detail: Mapping[str, Any]) -> Container:
    code = detail.get("exitCode")
    return Container(
        name=_text(detail, "name"),
        image=_text(detail, "image"),
        digest=_text(detail, "imageDigest"),
        status=_text(detail, "lastStatus"),
        exit_code=_number(code),
        reason=_text(detail, "reason"),
        runtime_id=_text(detail, "runtimeId"),
        health=_text(detail, "healthStatus"),
    )


def _named(detail: Mapping[str, Any], key: str) -> str:
    text = _text(detail, key)
    if _ARN.match(text) is None:
        raise ValueError(f"{key} must be an ARN of ECS")
    return text


def _text(detail: Mapping[str, Any], key: str) -> str:
    value = detail.get(key)
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _moment(detail: Mapping[str, Any], key: str) -> datetime | None:
    value = detail.get(key)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []
