"""Who starts a task again when it ends: decided before what befell it (recover 2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from longshore.recover.diagnosis import Owner
from longshore.tasks import ROOT_TAG, Task

_SERVICE_STARTED = "ecs-svc/"
_SCHEDULES = ("events-rule/", "chronos-schedule/")
_STEP_FUNCTIONS = "AWS Step Functions"
_BATCH_CLUSTER, _BATCH_TAG = "AWSBatch-", "aws:batch:"
_OF_DAEMONS = ":daemon-task-definition/"  # Managed Instances: ECS starts such tasks itself, and repairs their instances
_ORCHESTRATOR_TAGS = ("dagster/", "prefect.io/", "airflow/")
# Airflow's operator starts tasks as its owner, or as a UUID made from the task instance when it reattaches
_AIRFLOW = re.compile(r"airflow.*|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def owner_of(task: Task, service: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None) -> Owner:
    """The owner of a task.

    `service` is what DescribeServices says of the service that its group names: without it a daemon service and one
    with an external controller look like any other. `tags` are the task's: without them neither an orchestrator's
    tasks nor our own replacements are told from standalone ones.
    """
    known = tags if tags is not None else task.tags or {}
    if task.group.startswith("service:") or task.started_by.startswith(_SERVICE_STARTED):
        return owner_of_service(service)
    if _OF_DAEMONS in task.definition:
        return Owner.DAEMON
    if task.cluster_name.startswith(_BATCH_CLUSTER) or _tagged(known, (_BATCH_TAG,)):
        return Owner.BATCH
    if task.started_by == _STEP_FUNCTIONS:
        return Owner.STEP_FUNCTIONS
    if known.get(ROOT_TAG):
        return Owner.LONGSHORE
    if task.started_by.startswith(_SCHEDULES):
        return Owner.SCHEDULED
    if _tagged(known, _ORCHESTRATOR_TAGS) or _AIRFLOW.fullmatch(task.started_by):
        return Owner.ORCHESTRATOR
    return Owner.STANDALONE


def owner_of_service(service: Mapping[str, Any] | None) -> Owner:
    """The owner of a service's tasks, from what DescribeServices says of the service."""
    facts = service or {}
    controller = facts.get("deploymentController")
    kind = controller.get("type") if isinstance(controller, Mapping) else None
    if (kind or "ECS") != "ECS" or facts.get("taskSets"):
        return Owner.CONTROLLER
    return Owner.DAEMON if facts.get("schedulingStrategy") == "DAEMON" else Owner.SERVICE


def _tagged(tags: Mapping[str, str], prefixes: tuple[str, ...]) -> bool:
    return any(key.startswith(prefixes) for key in tags)
