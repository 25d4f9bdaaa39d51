"""The forms in which scanners write a time: boto3's, ISO 8601, Java's two, and HTTP's (notify 2.1)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from longshore.envelopes import parse_time
from longshore.errors import BadEventError

_LONGEST: Final = 64
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = r"(?P<month>[A-Za-z]{3})[a-z]*\.?"
_CLOCK: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
_ZONE: Final = r"(?:UTC|GMT|Z|[+-]00:?00)"
_FORMS: Final[Sequence[re.Pattern[str]]] = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        # Wed Sep 04 16:55:38.411 UTC 2024
        rf"(?:[a-z]{{3}},? )?{_MONTH} (?P<day>\d{{1,2}}) {_CLOCK} {_ZONE} (?P<year>\d{{4}})",
        # Oct 13, 2023, 9:43:50 AM
        rf"{_MONTH} (?P<day>\d{{1,2}}),? (?P<year>\d{{4}}),?(?: at)? {_CLOCK} ?(?P<half>[AP]M)?(?: {_ZONE})?",
        # Fri, 13 Oct 2023 09:43:50 GMT
        rf"(?:[a-z]{{3}},? )?(?P<day>\d{{1,2}}) {_MONTH} (?P<year>\d{{4}}),? {_CLOCK}(?: {_ZONE})?",
    )
)


def read_time(value: object, where: str) -> datetime:
    """A time as an aware UTC datetime; one without a zone is in UTC. Raises BadEventError.

    Java puts a narrow no-break space before AM and PM since JDK 20. Months are English whatever the locale.
    """
    if isinstance(value, datetime):
        return _aware(value, where)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_seconds(value, where)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise BadEventError(where, f"must be a time of at most {_LONGEST} characters")
    plain = " ".join(value.split())  # U+202F and U+00A0 are white space too
    for form in _FORMS:
        match = form.fullmatch(plain)
        if match is not None:
            return _written(match, where)
    return parse_time(plain, where)


def _aware(value: datetime, where: str) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise BadEventError(where, f"{value} is out of range") from None


def _of_seconds(value: float, where: str) -> datetime:
    """As in the JSON that AWS sends: seconds since 1970."""
    try:
        if math.isfinite(value):
            return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        pass
    raise BadEventError(where, f"{value!r:.64} is no time in seconds since 1970")


def _written(match: re.Match[str], where: str) -> datetime:
    parts = match.groupdict()
    month = parts["month"].lower()
    hour = int(parts["hour"])
    half = (parts.get("half") or "").upper()
    try:
        if half:
            hour = _of_half(hour, half)
        return datetime(
            int(parts["year"]),
            _MONTHS.index(month) + 1,
            int(parts["day"]),
            hour,
            int(parts["minute"]),
            int(parts["second"] or 0),
            int((parts["fraction"] or "0").ljust(6, "0")[:6]),
            tzinfo=UTC,
        )
    except ValueError:
        raise BadEventError(where, f"{match[0]!r} is not a time") from None


def _of_half(hour: int, half: str) -> int:
    if not 1 <= hour <= 12:  # noqa: PLR2004
        raise ValueError(half)
    return hour % 12 + (12 if half == "PM" else 0)
