"""ECS tasks: DescribeTasks, ListTasks, RunTask and StopTask (recover 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from longshore.aws.errors import aws_errors
from longshore.errors import ConflictError, GoneError, UnsupportedError
from longshore.recover.ports import Launch, LaunchFailure
from longshore.tasks import Task, pairs

if TYPE_CHECKING:
    from longshore.ports import Clock

_DESCRIBED = 100  # DescribeTasks takes at most a hundred
_MOST_OF_FAMILY = 1000
_DEFINITIONS = 512
_DEFINITION_AGE = timedelta(minutes=1)
"""A revision never changes, but its tags and its status do, and who opts out expects to be heard."""
_TAGGING = ("tags", "propagateTags", "enableECSManagedTags")


class EcsTasks:
    """The tasks of an account and Region, and the definitions that they follow."""

    def __init__(self, ecs: Any, clock: Clock) -> None:
        self._ecs = ecs
        self._clock = clock
        self._definitions: dict[str, tuple[datetime, Mapping[str, Any], Mapping[str, str]]] = {}

    def get(self, cluster: str, arn: str) -> Task | None:
        """One task, or None."""
        return next(iter(self.survey(cluster, [arn])), None)

    def survey(self, cluster: str, arns: Sequence[str]) -> Sequence[Task]:
        """DescribeTasks for a hundred at a time, with tags."""
        found: list[Task] = []
        for start in range(0, len(arns), _DESCRIBED):
            try:
                with aws_errors():
                    answer = self._ecs.describe_tasks(
                        cluster=cluster, tasks=list(arns[start : start + _DESCRIBED]), include=["TAGS"]
                    )
            except GoneError:
                return []  # without its cluster
            found += [Task.read({"tags": [], **each}) for each in answer.get("tasks", [])]
        return found

    def of_family(self, cluster: str, family: str) -> Sequence[Task]:
        """ListTasks of those that run and those that stopped within the hour or so that ECS remembers them."""
        arns: list[str] = []
        try:
            for status in ("RUNNING", "STOPPED"):
                pages = self._ecs.get_paginator("list_tasks").paginate(
                    cluster=cluster, family=family, desiredStatus=status, PaginationConfig={"MaxItems": _MOST_OF_FAMILY}
                )
                with aws_errors():
                    arns += [arn for page in pages for arn in page.get("taskArns", [])]
        except GoneError:
            return []
        return self.survey(cluster, list(dict.fromkeys(arns)))

    def host(self, cluster: str, container_instance: str) -> str:
        """DescribeContainerInstances."""
        try:
            with aws_errors():
                answer = self._ecs.describe_container_instances(
                    cluster=cluster, containerInstances=[container_instance]
                )
        except GoneError:
            return ""
        return next((str(each.get("ec2InstanceId", "")) for each in answer.get("containerInstances", [])), "")

    def definition(self, arn: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """DescribeTaskDefinition, at most once a minute."""
        now = self._clock.now()
        known = self._definitions.get(arn)
        if known is None or now - known[0] > _DEFINITION_AGE:
            known = now, *self._described(arn)
            if len(self._definitions) >= _DEFINITIONS:
                self._definitions.clear()
            self._definitions[arn] = known
        return known[1], known[2]

    def _described(self, arn: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        try:
            with aws_errors():
                answer = self._ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        except UnsupportedError as error:
            if "Unable to describe task definition" in str(error):  # ClientException: it was deleted
                raise GoneError(str(error)) from error
            raise
        return answer["taskDefinition"], pairs(answer.get("tags"))

    def launch(self, request: Mapping[str, Any]) -> Launch:
        """RunTask; without tags where the account's ARNs are of the short form, which takes none (recover 3.2)."""
        try:
            return self._launch(request)
        except UnsupportedError as error:
            if "arn format" not in str(error).lower() or not any(key in request for key in _TAGGING):
                raise
        return self._launch({key: value for key, value in request.items() if key not in _TAGGING})

    def _launch(self, request: Mapping[str, Any]) -> Launch:
        try:
            with aws_errors():
                answer = self._ecs.run_task(**request)
        except ConflictError as error:
            earlier = _resource_ids(error.__cause__)
            if not earlier:
                raise
            return Launch(earlier[0], adopted=True)
        started = answer.get("tasks") or []
        failures = tuple(
            LaunchFailure(str(each.get("reason", "")), str(each.get("detail", "")), str(each.get("arn", "")))
            for each in answer.get("failures") or []
        )
        return Launch(str(started[0]["taskArn"]) if started else "", failures)

    def stop(self, cluster: str, arn: str, reason: str) -> None:
        """StopTask; the first 255 characters of the reason are kept by ECS."""
        try:
            with aws_errors():
                self._ecs.stop_task(cluster=cluster, task=arn, reason=reason[:255])
        except UnsupportedError as error:
            if "not found" in str(error):  # InvalidParameterException: The referenced task was not found.
                raise GoneError(str(error)) from error
            raise


def _resource_ids(error: BaseException | None) -> list[str]:
    """The tasks that an earlier request with the same client token and other parameters started."""
    if not isinstance(error, ClientError):
        return []
    body: Mapping[str, Any] = error.response
    return [str(each) for each in body.get("resourceIds") or []]
