"""The `scan` section of the compiled configuration: what is told, by when it is to be mended, and who has a digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from longshore.errors import ConfigurationError
from longshore.scan.findings import Severity
from longshore.scan.priority import Priority

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SLA: Final = {Priority.P1: 7, Priority.P2: 30, Priority.P3: 90, Priority.P4: 120}
_LONGEST: Final = 10 * 366 * 86400
_Choice = TypeVar("_Choice", bound=StrEnum)


class AttachedVex(StrEnum):
    """For what OpenVEX statements count that are attached to an image, which whoever may push it may do."""

    NONE = "none"
    REPORTS = "reports"
    GATES = "gates"
    """For reports and for gates."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a team has its digest: at a wall-clock time of a zone, on some days of the week (0 is Monday)."""

    at: time
    days: frozenset[int]
    zone: str

    def last(self, now: datetime) -> datetime | None:
        """The latest moment at or before `now`, within a week and a day, on which it was due; None without days."""
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        for back in range(9):
            day = today - timedelta(days=back)
            due = datetime.combine(day, self.at, zone)
            if day.weekday() in self.days and due <= now:
                return due.astimezone(now.tzinfo)
        return None


@dataclass(frozen=True, slots=True)
class ScanPolicy:
    """How findings are judged and told.

    `report` is the least priority that is told at once; the rest is in the digest. `unknown_as` is the severity of
    findings that have none, `epss` the probability from which one is likely. `sla`: how long each priority may stay.
    `restart_on_reopen`: an acceptance that ended starts the clock anew, else the clock stood still. `schedules` are
    those of teams; `schedule` is everybody else's, None: no digest. `suppressions` and `vex` are as compiled;
    `attached_vex` says for what statements count that are attached to images.
    """

    report: Priority = Priority.P3
    unknown_as: Severity = Severity.MEDIUM
    epss: float = 0.1
    sla: Mapping[Priority, timedelta] = field(
        default_factory=lambda: {priority: timedelta(days=days) for priority, days in _SLA.items()}
    )
    restart_on_reopen: bool = False
    suppressions: tuple[Mapping[str, Any], ...] = ()
    vex: tuple[Mapping[str, Any], ...] = ()
    attached_vex: AttachedVex = AttachedVex.REPORTS
    schedule: Schedule | None = None
    schedules: Mapping[str, Schedule] = field(default_factory=dict)

    def schedule_of(self, team: str) -> Schedule | None:
        """When a team has its digest, or None for never."""
        return self.schedules.get(team, self.schedule)


def read_scan_policy(raw: object) -> ScanPolicy:
    """Reads the compiled `scan` section; nothing is everything's default. Raises ConfigurationError."""
    section = _mapping("scan", raw if raw is not None else {})
    digest = section.get("digest")
    schedule = _schedule("scan.digest", digest, None) if digest is not None else None
    teams = _mapping("scan.digest.teams", (digest or {}).get("teams") or {})
    return ScanPolicy(
        report=_choice("scan.report", section.get("report", Priority.P3), Priority),
        unknown_as=_severity(section.get("unknown_as", "medium")),
        epss=_probability(section.get("epss", 0.1)),
        sla=_sla(section.get("sla") or {}),
        restart_on_reopen=_flag("scan.restart_on_reopen", section.get("restart_on_reopen", False)),
        suppressions=_objects("scan.suppressions", section.get("suppressions") or []),
        vex=_objects("scan.vex", section.get("vex") or []),
        attached_vex=_choice("scan.attached_vex", section.get("attached_vex", AttachedVex.REPORTS), AttachedVex),
        schedule=schedule,
        schedules={str(team): _schedule(f"scan.digest.teams.{team}", own, schedule) for team, own in teams.items()},
    )


def _schedule(key: str, raw: object, default: Schedule | None) -> Schedule:
    section = _mapping(key, raw)
    at = section.get("at", default.at.strftime("%H:%M") if default else "09:00")
    on = section.get("on", [DAYS[day] for day in sorted(default.days)] if default else list(DAYS[:5]))
    zone = section.get("zone", default.zone if default else "UTC")
    if not isinstance(on, list) or not on or any(day not in DAYS for day in on):
        raise ConfigurationError(f"{key}.on", f"is {str(on)[:60]!r}", "write a list of " + ", ".join(DAYS))
    return Schedule(_time(f"{key}.at", at), frozenset(DAYS.index(day) for day in on), _zone(f"{key}.zone", zone))


def _time(key: str, value: object) -> time:
    try:
        hour, minute = str(value).split(":")
        return time(int(hour), int(minute))
    except ValueError:
        raise ConfigurationError(key, f"is {str(value)[:40]!r}", 'write a time such as "09:00"') from None


def _zone(key: str, value: object) -> str:
    try:
        return ZoneInfo(str(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        fix = "write an IANA zone such as Europe/Berlin"
        raise ConfigurationError(key, f"is {str(value)[:40]!r}", fix) from None


def _sla(raw: object) -> Mapping[Priority, timedelta]:
    section = _mapping("scan.sla", raw)
    found = {priority: timedelta(days=days) for priority, days in _SLA.items()}
    for name, seconds in section.items():
        priority = _choice("scan.sla", name, Priority)
        if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds <= _LONGEST:
            raise ConfigurationError(f"scan.sla.{name}", f"is {str(seconds)[:40]!r}", "write a time such as 30d")
        found[priority] = timedelta(seconds=seconds)
    return found


def _severity(value: object) -> Severity:
    name = str(value).upper()
    if name not in Severity.__members__:
        known = ", ".join(each.lower() for each in Severity.__members__)
        raise ConfigurationError("scan.unknown_as", f"is {str(value)[:40]!r}", f"write one of {known}")
    return Severity[name]


def _probability(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigurationError("scan.epss", f"is {str(value)[:40]!r}", "write a probability from 0 to 1")
    return float(value)


def _choice(key: str, value: object, choices: type[_Choice]) -> _Choice:
    if value not in list(choices):
        raise ConfigurationError(key, f"is {str(value)[:40]!r}", "write one of " + ", ".join(choices))
    return choices(str(value))


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(key, f"is {str(value)[:40]!r}", "write true or false")
    return value


def _objects(key: str, value: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list):
        raise ConfigurationError(key, f"is {str(value)[:40]!r}", "write a list")
    return tuple(_mapping(f"{key}[{place}]", each) for place, each in enumerate(value))


def _mapping(key: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(key, f"is {str(value)[:40]!r}", "write keys with values below it")
    return value
