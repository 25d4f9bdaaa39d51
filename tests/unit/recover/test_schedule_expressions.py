"""Schedule expressions: when they fire next."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.recover.expressions import ScheduleExpressionError, parse_expression

NOW = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("rate(1 hour)", "UTC", "2026-11-23T10:30:15"),
        ("rate(5 minutes)", "UTC", "2026-11-23T09:35:15"),
        ("at(2026-12-24T18:00:00)", "UTC", "2026-12-24T18:00:00"),
        ("at(2026-12-24T18:00:00)", "Europe/Berlin", "2026-12-24T17:00:00"),
        ("at(2020-01-01T00:00:00)", "UTC", "2020-01-01T00:00:00"),
        ("cron(0 10 * * ? *)", "UTC", "2026-11-23T10:00:00"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-11-23T09:45:00"),
        ("cron(0 8 * * ? *)", "Asia/Tokyo", "2026-11-23T23:00:00"),
        ("cron(15 10 ? * MON-FRI *)", "UTC", "2026-11-23T10:15:00"),
        ("cron(15 9 ? * MON-FRI *)", "UTC", "2026-11-24T09:15:00"),
        ("cron(0 0 L * ? *)", "UTC", "2026-11-30T00:00:00"),
        ("cron(0 0 LW 1 ? 2027)", "UTC", "2027-01-29T00:00:00"),
        ("cron(0 0 1W 8 ? 2027)", "UTC", "2027-08-02T00:00:00"),
        ("cron(0 0 ? * 6L *)", "UTC", "2026-11-27T00:00:00"),
        ("cron(0 0 ? * 2#1 *)", "UTC", "2026-12-07T00:00:00"),
        ("cron(0 0 ? * L *)", "UTC", "2026-11-28T00:00:00"),
        ("cron(0 0 1,15 DEC ? *)", "UTC", "2026-12-01T00:00:00"),
        ("cron(30 2 28 MAR ? 2027)", "Europe/Berlin", None),
    ],
)
def test_next_moment(expression: str, zone: str, expected: str | None) -> None:
    moment = parse_expression(expression, zone).after(NOW, NOW)
    assert moment == (datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None)


@pytest.mark.parametrize(
    "text",
    [
        "every hour",
        "rate(0 minutes)",
        "rate(1 hours)",
        "rate(2 hour)",
        "rate(5 seconds)",
        "cron(* * * * *)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(60 * * * ? *)",
        "cron(0 10 32 * ? *)",
        "cron(0 10 ? * NEVER *)",
        "at(tomorrow)",
    ],
)
def test_refuses_what_eventbridge_refuses(text: str) -> None:
    with pytest.raises(ScheduleExpressionError, match=r"is not|takes|fields|one of"):
        parse_expression(text)


@given(st.integers(0, 59), st.integers(0, 23), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
def test_a_daily_cron_fires_once_in_every_24_hours(minute: int, hour: int, moment: datetime) -> None:
    begun = moment.replace(tzinfo=UTC)
    daily = parse_expression(f"cron({minute} {hour} * * ? *)")
    first = daily.after(begun, begun)
    assert first is not None
    assert timedelta() < first - begun <= timedelta(days=1)
    assert daily.after(first, begun) == first + timedelta(days=1)


@pytest.mark.parametrize("zone", ["Nowhere/Else", "../etc/passwd", ""])
def test_a_time_zone_that_is_not_known(zone: str) -> None:
    with pytest.raises(ScheduleExpressionError, match="time zone"):
        parse_expression("cron(0 10 * * ? *)", zone)


def test_a_one_time_schedule_fires_once() -> None:
    once = parse_expression("at(2026-11-23T10:00:00)")
    first = once.after(NOW, NOW)
    assert first is not None
    assert once.after(first, NOW) is None
