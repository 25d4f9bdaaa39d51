"""Checks of what an event carries: each answers a usable value or names the field (BadEventError)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from longshore.envelopes import Envelope, text
from longshore.errors import BadEventError

MOST = 1000
"""Things that one event may name."""
LONGEST_NAME = 600
"""Characters of a name or ARN."""


def _arn(kind: str) -> re.Pattern[str]:
    return re.compile(rf"arn:aws[a-z-]*:ecs:[a-z0-9-]{{4,32}}:\d{{12}}:{kind}/[A-Za-z0-9_/-]{{1,600}}", re.ASCII)


TASK, CLUSTER, SERVICE, CONTAINER_INSTANCE, DAEMON = map(
    _arn, ("task", "cluster", "service", "container-instance", "daemon")
)


def named(container: Mapping[str, Any], key: str, pattern: re.Pattern[str], what: str, where: str = "detail") -> str:
    """A text of a pattern; `what` says what it must be. Raises BadEventError."""
    value = text(container, key, where=where)
    if pattern.fullmatch(value) is None:
        raise BadEventError(f"{where}.{key}", f"{value[:128]!r} is not {what}")
    return value


def cluster_arn(detail: Mapping[str, Any]) -> str:
    """The cluster that a detail names. Raises BadEventError."""
    return named(detail, "clusterArn", CLUSTER, "the ARN of an ECS cluster")


def resource(envelope: Envelope, pattern: re.Pattern[str], what: str) -> str:
    """The thing that the event is about. Raises BadEventError."""
    if not envelope.resources or pattern.fullmatch(envelope.resources[0]) is None:
        raise BadEventError("resources[0]" if envelope.resources else "resources", f"must be the ARN of {what}")
    return envelope.resources[0]


def number(detail: Mapping[str, Any], key: str, most: int = 2**53) -> int:
    """A number from 0; 0 where it is missing. Raises BadEventError."""
    value = detail.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadEventError(f"detail.{key}", f"must be a number from 0 to {most}")
    return value


def free_text(detail: Mapping[str, Any], key: str, limit: int = 1024) -> str:
    """A text for people: what it holds is of no consequence, so that it is cut and cleaned instead of refused."""
    value = detail.get(key)
    return "".join(c if c.isprintable() else " " for c in value[:limit]) if isinstance(value, str) else ""


def texts(detail: Mapping[str, Any], key: str, pattern: re.Pattern[str] | None = None) -> tuple[str, ...]:
    """A list of texts, each of a pattern. Raises BadEventError."""
    values = detail.get(key) or []
    if not isinstance(values, list) or len(values) > MOST or not all(isinstance(v, str) for v in values):
        raise BadEventError(f"detail.{key}", f"must be a list of at most {MOST} strings")
    for value in values:
        if pattern is not None and pattern.fullmatch(value) is None:
            raise BadEventError(f"detail.{key}", f"{value[:128]!r} is not an ARN of its kind")
    return tuple(values)


def container_instance_arn(detail: Mapping[str, Any]) -> str:
    """The container instance that a detail names. Raises BadEventError."""
    return named(detail, "containerInstanceArn", CONTAINER_INSTANCE, "the ARN of a container instance")
