"""Schedules that fire: EventBridge Scheduler's, and rules with a schedule expression."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from moto.events.models import Rule, events_backends
from moto.scheduler import models as scheduler_models
from moto.scheduler.models import Schedule, scheduler_backends

from longshore.recover.expressions import At, Expression, parse_expression
from longshore_local.bus import LocalBus, envelope
from longshore_local.deliveries import Deliveries, Delivery
from longshore_local.overriding import override
from longshore_local.timeline import Timeline


@dataclass(slots=True)
class _Clock:
    """How far one schedule has come; a changed expression starts a new one."""

    identity: object
    expression: Expression
    created: datetime
    due: datetime | None


class Schedules:
    """Fires what is due in one account and Region. moto keeps the schedules, this keeps their time."""

    def __init__(self, timeline: Timeline, bus: LocalBus, deliveries: Deliveries, account: str, region: str) -> None:
        self._timeline = timeline
        self._bus = bus
        self._deliveries = deliveries
        self._account = account
        self._region = region
        self._clocks: dict[str, _Clock] = {}

    def fire_due(self, *, recurring: bool = True) -> int:
        """Fires every schedule whose moment has come and says how many fired.

        Without `recurring`, moments of recurring schedules pass unheeded.
        """
        fired = 0
        now = self._timeline.now()
        for source in self._sources():
            clock = self._clock(source)
            while clock.due is not None and clock.due <= now:
                scheduled = clock.due
                clock.due = clock.expression.after(scheduled, clock.created)
                if recurring or isinstance(clock.expression, At):
                    self._fire(source, scheduled, last=clock.due is None)
                    fired += 1
        return fired

    def next_due(self, *, recurring: bool = True) -> datetime | None:
        """The earliest moment to come; without `recurring`, of one-time schedules only."""
        clocks = [self._clock(source) for source in self._sources()]
        moments = [clock.due for clock in clocks if clock.due and (recurring or isinstance(clock.expression, At))]
        return min(moments, default=None)

    def restart(self) -> None:
        """Counts every schedule from now, as if it had just been created."""
        self._clocks.clear()

    def _sources(self) -> list[Schedule | Rule]:
        groups = scheduler_backends[self._account][self._region].schedule_groups.values()
        schedules: list[Schedule | Rule] = [schedule for group in groups for schedule in group.schedules.values()]
        rules = events_backends[self._account][self._region].event_buses["default"].rules.values()
        schedules += [rule for rule in rules if rule.scheduled_expression]
        found = [source for source in schedules if source.state != "DISABLED"]
        self._forget({source.arn for source in found})
        return found

    def _forget(self, arns_present: set[str]) -> None:
        for arn in self._clocks.keys() - arns_present:
            del self._clocks[arn]

    def _clock(self, source: Schedule | Rule) -> _Clock:
        text, zone, identity = _timing(source)
        clock = self._clocks.get(source.arn)
        if clock is None or clock.identity != identity:
            now = self._timeline.now()
            expression = parse_expression(text, zone)
            clock = _Clock(identity, expression, now, expression.after(now, now))
            self._clocks[source.arn] = clock
        start, end = _bounds(source)
        while clock.due is not None and start is not None and clock.due < start:
            clock.due = clock.expression.after(clock.due, clock.created)
        if clock.due is not None and end is not None and clock.due > end:
            clock.due = None
        return clock

    def _fire(self, source: Schedule | Rule, scheduled: datetime, *, last: bool) -> None:
        if isinstance(source, Rule):
            self._bus.send(source, self._scheduled_event(source, scheduled))
            return
        if last and source.action_after_completion == "DELETE":
            scheduler_backends[self._account][self._region].delete_schedule(source.group_name, source.name)
        self._deliveries.start(_delivery(source, scheduled))

    def _scheduled_event(self, rule: Rule, scheduled: datetime) -> dict[str, Any]:
        return envelope(
            "aws.events",
            "Scheduled Event",
            {},
            account=self._account,
            region=self._region,
            moment=scheduled,
            resources=[rule.arn],
        )

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While open, moto's scheduler dates its schedules by the bundle's clock."""
        with ExitStack() as stack:
            now = self._timeline.now
            stack.enter_context(override(scheduler_models, "unix_time", lambda: now().timestamp()))
            stack.enter_context(override(scheduler_models, "utcnow", lambda: now().replace(tzinfo=None)))
            yield


def _timing(source: Schedule | Rule) -> tuple[str, str, object]:
    if isinstance(source, Rule):
        text = str(source.scheduled_expression)
        return text, "UTC", text
    text, zone = source.schedule_expression, source.schedule_expression_timezone
    return text, zone, (text, zone, source.creation_date, source.last_modified_date, source.start_date)


def _bounds(source: Schedule | Rule) -> tuple[datetime | None, datetime | None]:
    if isinstance(source, Rule):
        return None, None
    start, end = (None if value is None else _moment(value) for value in (source.start_date, source.end_date))
    return start, end


def _moment(value: str | float) -> datetime:
    """A date of the Scheduler API: seconds since the epoch, or ISO 8601 from a template."""
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except ValueError:
        moment = datetime.fromisoformat(str(value))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _delivery(schedule: Schedule, scheduled: datetime) -> Delivery:
    target = schedule.target
    retry = target.get("RetryPolicy", {})
    words = {
        "<aws.scheduler.schedule-arn>": schedule.arn,
        "<aws.scheduler.scheduled-time>": scheduled.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "<aws.scheduler.execution-id>": str(uuid4()),
        "<aws.scheduler.attempt-number>": "1",
    }
    body = target.get("Input") or "{}"
    for word, value in words.items():
        body = body.replace(word, value)
    return Delivery(
        sender=schedule.arn,
        service="scheduler.amazonaws.com",
        destination=target["Arn"],
        body=body,
        options=target,
        dead_letter_arn=target.get("DeadLetterConfig", {}).get("Arn"),
        attempts=int(retry.get("MaximumRetryAttempts", 185)),
        max_age=timedelta(seconds=int(retry.get("MaximumEventAgeInSeconds", 86400))),
    )
