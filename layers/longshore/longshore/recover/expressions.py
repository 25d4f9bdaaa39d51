"""Schedule expressions of EventBridge and its Scheduler: `at(...)`, `rate(...)`, `cron(...)`; when they fire next."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(_DAY_NAMES, 1)}
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_FIELDS = ("minutes", "hours", "day of month", "month", "day of week", "year")
_LAST_YEAR = 2199


class ScheduleExpressionError(ValueError):
    """An expression that EventBridge would refuse."""


@dataclass(frozen=True, slots=True)
class At:
    """One moment."""

    when: datetime

    def after(self, moment: datetime, created: datetime) -> datetime | None:
        """The moment itself, even when it has passed already: such a schedule fires at once."""
        return self.when if moment < self.when or moment <= created else None


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so often, counted from the schedule's creation."""

    every: timedelta

    def after(self, moment: datetime, created: datetime) -> datetime | None:
        """The first one after a moment, never at the creation itself."""
        return created + self.every * max((moment - created) // self.every + 1, 1)


@dataclass(frozen=True, slots=True)
class Cron:
    """Six fields (minutes hours day-of-month month day-of-week year) in a time zone."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    day_of_month: str
    months: frozenset[int]
    day_of_week: str
    years: frozenset[int]
    zone: ZoneInfo

    def after(self, moment: datetime, _created: datetime) -> datetime | None:
        """The first one after a moment, or None when there is none until the year 2199."""
        local = moment.astimezone(self.zone)
        for day in self._days(local.date()):
            for hour in self.hours:
                for minute in self.minutes:
                    candidate = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone).astimezone(UTC)
                    exists = candidate.astimezone(self.zone).hour == hour  # skipped by a change to summer time
                    if exists and candidate > moment:
                        return candidate
        return None

    def _days(self, first: date) -> Iterator[date]:
        for year in range(first.year, _LAST_YEAR + 1):
            if year not in self.years:
                continue
            for month in sorted(self.months):
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self._matches(day):
                        yield day

    def _matches(self, day: date) -> bool:
        if self.day_of_month != "?":
            return _matches_day_of_month(self.day_of_month, day)
        return _matches_day_of_week(self.day_of_week, day)


Expression = At | Rate | Cron


def parse_expression(text: str, zone: str = "UTC") -> Expression:
    """Reads an expression. Raises ScheduleExpressionError, also for a time zone that is not known."""
    match = re.fullmatch(r"(at|rate|cron)\((.+)\)", text.strip())
    if match is None:
        raise ScheduleExpressionError(f"{text!r} is not at(...), rate(...) or cron(...)")
    kind, inner = match.groups()
    if kind == "rate":
        return _rate(text, inner)
    return At(_at(text, inner, _zone(zone))) if kind == "at" else _cron(text, inner, _zone(zone))


def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  10 ms, which only scheduled tasks pay

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ScheduleExpressionError(f"{name!r} is not a known time zone") from error


def _at(text: str, inner: str, zone: ZoneInfo) -> datetime:
    try:
        return datetime.strptime(inner.strip(), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).astimezone(UTC)
    except ValueError as error:
        raise ScheduleExpressionError(f"{text!r}: at() takes yyyy-mm-ddThh:mm:ss") from error


def _rate(text: str, inner: str) -> Rate:
    match = re.fullmatch(r"(\d+) (minute|hour|day)(s?)", inner.strip())
    if match is None or int(match[1]) < 1 or (int(match[1]) == 1) == bool(match[3]):
        raise ScheduleExpressionError(f"{text!r}: rate() takes a number and minute(s), hour(s) or day(s)")
    return Rate(timedelta(seconds=int(match[1]) * _UNITS[match[2]]))


def _cron(text: str, inner: str, zone: ZoneInfo) -> Cron:
    fields = inner.upper().split()
    if len(fields) != len(_FIELDS):
        raise ScheduleExpressionError(f"{text!r}: cron() has {len(_FIELDS)} fields, got {len(fields)}")
    minutes, hours, day_of_month, months, day_of_week, years = fields
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ScheduleExpressionError(f"{text!r}: one of day-of-month and day-of-week, and only one, is ?")
    try:
        cron = Cron(
            tuple(sorted(_numbers(minutes, 0, 59))),
            tuple(sorted(_numbers(hours, 0, 23))),
            day_of_month,
            frozenset(_numbers(months, 1, 12, _MONTHS)),
            day_of_week,
            frozenset(_numbers(years, 1970, _LAST_YEAR)),
            zone,
        )
        cron._matches(date(2024, 2, 29))  # reads the day fields once, so that a wrong one is told now
    except ValueError as error:
        raise ScheduleExpressionError(f"{text!r}: {error}") from error
    return cron


def _numbers(field: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = _number(first, names)
            end = _number(last, names) if last else (high if step else start)
        if not low <= start <= end <= high:
            raise ValueError(f"{part!r} is not within {low}-{high}")
        found.update(range(start, end + 1, int(step or 1)))
    return found


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a number" + (f" or one of {', '.join(names)}" if names else ""))
    return int(text)


def _matches_day_of_month(field: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if field == "L":
        return day.day == last
    if field == "LW":
        return day == _nearest_weekday(day.replace(day=last))
    if field.endswith("W"):
        return day == _nearest_weekday(day.replace(day=min(int(field[:-1]), last)))
    return day.day in _numbers(field, 1, 31)


def _nearest_weekday(day: date) -> date:
    """The working day nearest to a day, within its month."""
    shift = {5: -1, 6: 1}.get(day.weekday(), 0)
    moved = day + timedelta(days=shift)
    return moved if moved.month == day.month else day + timedelta(days=2 if shift < 0 else -2)


def _matches_day_of_week(field: str, day: date) -> bool:
    number = day.isoweekday() % 7 + 1  # Sunday is 1
    if "#" in field:
        name, _, nth = field.partition("#")
        return number == _number(name, _DAYS) and (day.day - 1) // 7 + 1 == int(nth)
    if field == "L":
        return number == _DAYS["SAT"]
    if field.endswith("L"):
        last_week = day.day > calendar.monthrange(day.year, day.month)[1] - 7
        return number == _number(field[:-1], _DAYS) and last_week
    return number in _numbers(field, 1, 7, _DAYS)
