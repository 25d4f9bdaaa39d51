"""EventBridge Scheduler schedules that start ECS tasks: the target is moved, everything else stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.aws.scheduled_tasks import fingerprint
from longshore.aws.tagging import opted_in
from longshore.decisions import Reason
from longshore.errors import ConflictError, GoneError, UnsupportedError
from longshore.recover.expressions import At, Rate, ScheduleExpressionError, parse_expression
from longshore.workloads import Observation, Refusal, WorkloadId

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.aws.scheduled_tasks import ScheduledTasks
    from longshore.ports import Clock
    from longshore.workloads import Plan, Rollout

_GONE = ("ResourceNotFoundException",)
_UPDATED = (
    "GroupName",
    "Name",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "EndDate",
    "Description",
    "State",
    "KmsKeyArn",
    "Target",
    "FlexibleTimeWindow",
    "ActionAfterCompletion",
)
"""What UpdateSchedule takes, all of which it overwrites; what else GetSchedule answers is read-only."""
_RUN_TASK = ":aws-sdk:ecs:runTask"
_UNIVERSAL = Refusal(Reason.UNSUPPORTED_PLATFORM, "its target calls RunTask itself; an ECS target would be followed")


class Schedules:
    """The platform and the discovery of schedules. Only their group can carry tags: what it carries holds for all."""

    def __init__(
        self,
        scheduler: Callable[[], Any],
        tagging: Callable[[], Any],
        tasks: Callable[[], ScheduledTasks],
        clock: Clock,
    ) -> None:
        """`scheduler` answers Scheduler's boto3 client, `tagging` that of the tagging API; each built when needed."""
        self._scheduler = scheduler
        self._tagging = tagging
        self._tasks = tasks
        self._clock = clock

    def arns(self) -> Iterable[str]:
        """Every schedule of an opted-in group that starts ECS tasks; ListSchedules tells where to."""
        for group in opted_in(self._tagging(), "scheduler:schedule-group"):
            yield from self._of_group(group.rpartition("/")[2])

    def _of_group(self, group: str) -> Iterator[str]:
        try:
            with aws_errors(gone=_GONE):
                for page in self._scheduler().get_paginator("list_schedules").paginate(GroupName=group):
                    for each in page["Schedules"]:
                        if _starts_tasks(str(each["Target"]["Arn"])) and WorkloadId.names(each["Arn"]):
                            yield str(each["Arn"])
        except GoneError:
            return  # the group was deleted since

    def unseen(self, arn: str) -> str:
        """Tags are all that there is to see."""
        return ""

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """Scheduler describes one schedule at a time; the tags of a group are read once."""
        groups: dict[str, Mapping[str, str]] = {}
        found = []
        for arn in arns:
            id = WorkloadId.parse(arn)
            try:
                if id.namespace not in groups:
                    groups[id.namespace] = self._tags(id)
                found.append(self._observed(id, groups[id.namespace]))
            except GoneError:
                continue
        return found

    def observe(self, arn: str) -> Observation:
        """GetSchedule, ListTagsForResource of its group, and what ECS says of the target."""
        id = WorkloadId.parse(arn)
        return self._observed(id, self._tags(id))

    def _observed(self, id: WorkloadId, tags: Mapping[str, str]) -> Observation:
        schedule = self._schedule(id)
        seen = self._tasks().observe(id, _started_by(id), [schedule["Target"]], tags)
        universal = str(schedule["Target"]["Arn"]).endswith(_RUN_TASK)
        return replace(
            seen,
            active=not _over(schedule, self._clock.now()),
            refusal=_UNIVERSAL if universal else seen.refusal,
            revision=fingerprint(_written(schedule)),
        )

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """UpdateSchedule with all that was read right before but the target's revision, and read back.

        Scheduler compares nothing, and gives what is left out its default. Raises ConflictError where the schedule is
        not the one that was observed.
        """
        id = WorkloadId.parse(plan.workload)
        observed = _written(self._schedule(id))
        if fingerprint(observed) != observation.revision:
            raise ConflictError("the schedule has changed since it was observed")
        moved = self._tasks().revised(observation, plan, [observed["Target"]], resumed=resumed)
        wanted = {**observed, "Target": moved[0]} if moved else observed
        if wanted != observed:
            self._update(id, wanted, observed)
        return self._tasks().begun([wanted["Target"]])

    def _update(self, id: WorkloadId, wanted: Mapping[str, Any], observed: Mapping[str, Any]) -> None:
        if fingerprint(_written(self._schedule(id))) != fingerprint(observed):  # to register takes its time
            raise ConflictError("the schedule has changed since it was observed")
        wanted = self._written(wanted)
        found = self._schedule(id)
        if fingerprint({member: found.get(member) for member in wanted}) != fingerprint(wanted):
            raise ConflictError("the schedule is not as it was written: somebody else wrote as well")

    def _written(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was written: Scheduler takes no start that has passed, and what has begun begins where it goes on."""
        try:
            with aws_errors(gone=_GONE):
                self._scheduler().update_schedule(**wanted)
        except UnsupportedError as error:
            start = wanted.get("StartDate")
            if start is None or "StartDate" not in str(error):
                raise
            wanted = {**wanted, "StartDate": _goes_on(wanted, start, self._clock.now())}
            with aws_errors(gone=_GONE):
                self._scheduler().update_schedule(**wanted)
        return wanted

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The revision that was registered since, where the target names it."""
        return self._tasks().find([self._schedule(WorkloadId.parse(arn))["Target"]], since)

    def rollout(self, arn: str, id: str) -> Rollout:
        """How the first run went."""
        schedule = WorkloadId.parse(arn)
        return self._tasks().rollout(id, _started_by(schedule), [self._schedule(schedule)["Target"]])

    def complete(self, arn: str, id: str) -> None:
        """The next run completes it."""

    def stop(self, arn: str, id: str) -> None:
        """Always raises ConflictError, for what is declared is declared; GoneError without the schedule."""
        self._schedule(WorkloadId.parse(arn))
        raise ConflictError("what the next run takes cannot be stopped")

    def _schedule(self, id: WorkloadId) -> Mapping[str, Any]:
        with aws_errors(gone=_GONE):
            found: Mapping[str, Any] = self._scheduler().get_schedule(GroupName=id.namespace, Name=id.name)
        return found

    def _tags(self, id: WorkloadId) -> Mapping[str, str]:
        group = f"arn:{id.partition}:scheduler:{id.region}:{id.account}:schedule-group/{id.namespace}"
        with aws_errors(gone=_GONE):
            listed = self._scheduler().list_tags_for_resource(ResourceArn=group).get("Tags", [])
        return {str(tag["Key"]): str(tag["Value"]) for tag in listed}


def _starts_tasks(destination: str) -> bool:
    return ":ecs:" in destination and (":cluster/" in destination or destination.endswith(_RUN_TASK))


def _goes_on(schedule: Mapping[str, Any], start: datetime, now: datetime) -> datetime:
    """A start that changes no moment at which it fires: a rate counts from its start, all else goes by the clock."""
    expression = parse_expression(schedule["ScheduleExpression"])
    moment = expression.after(now, start) if isinstance(expression, Rate) else None
    return moment or now.replace(microsecond=0)


def _written(schedule: Mapping[str, Any]) -> dict[str, Any]:
    return {member: schedule[member] for member in _UPDATED if schedule.get(member) is not None}


def _over(schedule: Mapping[str, Any], now: datetime) -> bool:
    """Whether it starts nothing any more: its last moment, or its only one, has passed."""
    text, zone = schedule["ScheduleExpression"], schedule.get("ScheduleExpressionTimezone") or "UTC"
    try:
        expression = parse_expression(text, zone)
    except ScheduleExpressionError:
        return False
    if not isinstance(expression, At):
        ends: datetime | None = schedule.get("EndDate")
        return ends is not None and ends < now
    window = timedelta(minutes=(schedule.get("FlexibleTimeWindow") or {}).get("MaximumWindowInMinutes", 0))
    return expression.when + window < now


def _started_by(id: WorkloadId) -> str:
    """What ECS calls those who are started by a schedule (recover 2.1)."""
    return f"chronos-schedule/{id.name}"
