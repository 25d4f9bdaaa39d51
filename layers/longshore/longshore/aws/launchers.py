"""What starts tasks at set times: EventBridge Scheduler and EventBridge rules (recover 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError
from longshore.recover.firing import Timetable

_GONE = ("ResourceNotFoundException",)


class Launchers:
    """Schedules and rules whose target is RunTask; clients are built when one is first looked for."""

    def __init__(self, scheduler: Callable[[], Any], events: Callable[[], Any]) -> None:
        self._scheduler = scheduler
        self._events = events

    def schedules(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The targets of every schedule of this name: a name is unique only within its group."""
        return [each["Target"] for each in self._found(name)]

    def schedule_times(self, name: str) -> Sequence[Timetable]:
        """When each of them fires."""
        return [_timetable(each) for each in self._found(name)]

    def _found(self, name: str) -> Iterator[Mapping[str, Any]]:
        scheduler = self._scheduler()
        groups = []
        with aws_errors():
            for page in scheduler.get_paginator("list_schedules").paginate(NamePrefix=name):
                groups += [each["GroupName"] for each in page["Schedules"] if each["Name"] == name]
        for group in groups:
            try:
                with aws_errors(gone=_GONE):
                    found: Mapping[str, Any] = scheduler.get_schedule(GroupName=group, Name=name)
            except GoneError:
                continue
            if "EcsParameters" in found["Target"]:
                yield found

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

    def rule_times(self, name: str) -> Sequence[Timetable]:
        """When the rule fires, if it does so by the clock; schedule expressions of rules are in UTC."""
        try:
            with aws_errors(gone=_GONE):
                rule = self._events().describe_rule(Name=name)
        except GoneError:
            return []
        if not rule.get("ScheduleExpression"):
            return []
        enabled = rule.get("State", "ENABLED") != "DISABLED"
        return [Timetable(self.rules(name), rule["ScheduleExpression"], enabled=enabled)]


def _timetable(schedule: Mapping[str, Any]) -> Timetable:
    window = schedule.get("FlexibleTimeWindow") or {}
    flexible = window.get("Mode") == "FLEXIBLE"
    return Timetable(
        targets=[schedule["Target"]],
        expression=schedule["ScheduleExpression"],
        zone=schedule.get("ScheduleExpressionTimezone") or "UTC",
        enabled=schedule.get("State", "ENABLED") != "DISABLED",
        window=timedelta(minutes=window.get("MaximumWindowInMinutes", 0) if flexible else 0),
        starts=schedule.get("StartDate"),
        ends=schedule.get("EndDate"),
    )
