"""What the tasks of a task set run: ECS fixes no digests for services that another controller rolls out (aws.md B2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors

if TYPE_CHECKING:
    from longshore.aws.code_deploy_groups import Served
    from longshore.images import Digest
    from longshore.workloads import Observation

_REMEMBERED = 512


class TaskSetImages:
    """The digests that the task sets of services run."""

    def __init__(self, ecs: Any) -> None:
        self._ecs = ecs
        self._witnesses: dict[str, str] = {}

    def running(self, observation: Observation, served: Served, task_set: str) -> Mapping[str, Digest]:
        """The digests that are written; where a tag is, what a task of the task set that serves has resolved."""
        written = _written(observation)
        if observation.workload.followed.keys() <= written.keys():
            return written
        return self._witnessed(served, task_set) or self._oldest(served, task_set) or written

    def _witnessed(self, served: Served, task_set: str) -> Mapping[str, Digest]:
        """Of the task that was the oldest before, which it stays for as long as it runs."""
        witness = self._witnesses.pop(task_set, "")
        if not witness:
            return {}
        with aws_errors():
            tasks = self._ecs.describe_tasks(cluster=served.cluster, tasks=[witness]).get("tasks", [])
        found = next((_digests(task) for task in tasks if task.get("desiredStatus") == "RUNNING"), {})
        if found:
            self._witnesses[task_set] = witness
        return found

    def _oldest(self, served: Served, task_set: str) -> Mapping[str, Digest]:
        """The digests of the oldest task, among a hundred of the service; ECS fixes none for such services.

        Where a tag moved while tasks were replaced they differ, and the newest image is not everywhere.
        """
        pages = self._ecs.get_paginator("list_tasks").paginate(cluster=served.cluster, serviceName=served.service)
        with aws_errors():
            for page in pages:
                arns = page.get("taskArns")
                tasks = self._ecs.describe_tasks(cluster=served.cluster, tasks=arns).get("tasks", []) if arns else []
                mine = [task for task in tasks if task.get("startedBy") == task_set]
                for task in sorted(mine, key=lambda task: (task["createdAt"], task["taskArn"])):
                    if found := _digests(task):
                        while len(self._witnesses) >= _REMEMBERED:
                            del self._witnesses[next(iter(self._witnesses))]
                        self._witnesses[task_set] = str(task["taskArn"])
                        return found
        return {}


def _written(observation: Observation) -> Mapping[str, Digest]:
    """The digests that a task definition declares: what would run, where nothing does."""
    images = ((name, image.partition("@")[2]) for name, image in observation.workload.images.items())
    return {name: digest for name, digest in images if digest} if observation.desired else {}


def _digests(task: Mapping[str, Any]) -> Mapping[str, Digest]:
    return {each["name"]: each["imageDigest"] for each in task["containers"] if each.get("imageDigest")}
