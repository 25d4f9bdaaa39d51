"""Firings: when what started a task starts it again by itself, so that a replacement may come too late (recover 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.recover.expressions import Rate, ScheduleExpressionError, parse_expression
from longshore.recover.sources import RULE, SCHEDULE, starts

if TYPE_CHECKING:
    from longshore.recover.ports import Ports
    from longshore.tasks import Task


class Timetable(NamedTuple):
    """When a schedule or rule starts its tasks. `targets` are its ECS targets, `window` how much later it may be."""

    targets: Sequence[Mapping[str, Any]]
    expression: str
    zone: str = "UTC"
    enabled: bool = True
    window: timedelta = timedelta()
    starts: datetime | None = None
    ends: datetime | None = None

    def next(self, fired: datetime, now: datetime) -> datetime | None:
        """The moment by which it will have fired again; None where that is not known, or it fires no more.

        `fired` is when it is known to have fired: rates are counted from there, for AWS does not tell from when it
        counts them.
        """
        if not self.enabled:
            return None
        try:
            expression = parse_expression(self.expression, self.zone)
        except ScheduleExpressionError:  # of a kind that is not known here
            return None
        begun = self.starts is None or self.starts <= now
        if isinstance(expression, Rate):
            found = expression.after(now + self.window, fired) if begun else None
        else:
            found = expression.after(max(now, self.starts or now), fired)
        if found is None or found <= now or (self.ends is not None and found > self.ends):
            return None
        return found + self.window


class Firings:
    """Asks the schedule or rule that started a task when it does so again."""

    def __init__(self, ports: Ports) -> None:
        self._tasks = ports.tasks
        self._launchers = ports.launchers
        self._clock = ports.clock

    def next(self, task: Task, root: str) -> datetime | None:
        """By when a task like this, or like its root, is started again; None where nothing is known to do so."""
        times = [each for each in self._timetables(task) if _of(each, task)]
        first = task if task.arn == root else self._tasks.get(task.cluster, root)
        if len(times) != 1 or first is None or first.created is None:
            return None
        return times[0].next(first.created, self._clock.now())

    def _timetables(self, task: Task) -> Sequence[Timetable]:
        if task.started_by.startswith(SCHEDULE):
            return self._launchers.schedule_times(task.started_by.removeprefix(SCHEDULE))
        if task.started_by.startswith(RULE):
            return self._launchers.rule_times(task.started_by.removeprefix(RULE))
        return ()


def _of(timetable: Timetable, task: Task) -> bool:
    return any(starts(each, task.cluster, task.family) for each in timetable.targets)
