"""What starts tasks at set times: EventBridge Scheduler and EventBridge rules (recover 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError

_GONE = ("ResourceNotFoundException",)


class Launchers:
    """Schedules and rules whose target is RunTask; clients are built when one is first looked for."""

    def __init__(self, scheduler: Callable[[], Any], events: Callable[[], Any]) -> None:
        self._scheduler = scheduler
        self._events = events

    def schedules(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The targets of every schedule of this name: a name is unique only within its group."""
        scheduler = self._scheduler()
        found = []
        with aws_errors():
            for page in scheduler.get_paginator("list_schedules").paginate(NamePrefix=name):
                found += [each["GroupName"] for each in page["Schedules"] if each["Name"] == name]
        return [t for group in found if (t := self._schedule(scheduler, group, name)) is not None]

    def _schedule(self, scheduler: Any, group: str, name: str) -> Mapping[str, Any] | None:
        try:
            with aws_errors(gone=_GONE):
                target: Mapping[str, Any] = scheduler.get_schedule(GroupName=group, Name=name)["Target"]
        except GoneError:
            return None
        return target if "EcsParameters" in target else None

    def rules(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The targets of a rule of the default bus, where schedules live, that start tasks."""
        found: list[Mapping[str, Any]] = []
        request: dict[str, Any] = {"Rule": name}
        try:
            while True:
                with aws_errors(gone=_GONE):
                    answer = self._events().list_targets_by_rule(**request)
                found += [each for each in answer.get("Targets", []) if "EcsParameters" in each]
                if not answer.get("NextToken"):
                    return found
                request["NextToken"] = answer["NextToken"]
        except GoneError:
            return []
