"""Every form in which scanners were seen to write a time is read, whatever the locale; all else names the field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import BadEventError
from longshore.scan.times import read_time

WHEN = datetime(2023, 10, 13, 9, 43, 50, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 31), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Oct 13, 2023, 9:43:50 AM", WHEN),
        ("Oct 13, 2023, 9:43:50\u202fAM", WHEN),
        ("Oct 13, 2023, 9:43:50\u00a0am", WHEN),
        ("October 13, 2023 at 9:43:50 AM UTC", WHEN),
        ("Oct 13, 2023, 09:43:50", WHEN),
        ("Fri Oct 13 09:43:50 UTC 2023", WHEN),
        ("Fri Oct 13 09:43:50.000 GMT 2023", WHEN),
        ("Wed Sep 04 16:55:38.411 UTC 2024", datetime(2024, 9, 4, 16, 55, 38, 411000, UTC)),
        ("Fri, 13 Oct 2023 09:43:50 GMT", WHEN),
        ("2023-10-13T09:43:50Z", WHEN),
        ("2023-10-13T11:43:50+02:00", WHEN),
        ("2023-10-13 09:43:50", WHEN),
        ("2023-01-20T22:51:35.665501Z", datetime(2023, 1, 20, 22, 51, 35, 665501, UTC)),
        (1697190230, WHEN),
        (1697190230.0, WHEN),
        (WHEN, WHEN),
        (WHEN.replace(tzinfo=None), WHEN),
        (WHEN.astimezone(timezone(timedelta(hours=9))), WHEN),
        ("Oct 13, 2023, 12:00:00 AM", datetime(2023, 10, 13, tzinfo=UTC)),
        ("Oct 13, 2023, 12:00:00 PM", datetime(2023, 10, 13, 12, tzinfo=UTC)),
        ("Oct 13, 2023, 1:05 PM", datetime(2023, 10, 13, 13, 5, tzinfo=UTC)),
    ],
)
def test_every_form_is_read(written: object, meant: datetime) -> None:
    read = read_time(written, "x")
    assert read == meant
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "yesterday",
        "Oct 32, 2023, 9:43:50 AM",
        "Okt 13, 2023, 9:43:50 AM",
        "Oct 13, 2023, 13:43:50 PM",
        "Oct 13, 2023, 0:43:50 AM",
        "Wed Sep 04 16:55:38.411 CEST 2024",
        "Wed Sep 31 16:55:38.411 UTC 2024",
        "2" * 65,
        "9" * 400,
        None,
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        1e300,
        -1e300,
        10**400,
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_anything_else_names_the_field(written: Any) -> None:
    with pytest.raises(BadEventError) as caught:
        read_time(written, "findings[0].updatedAt")
    assert caught.value.field == "findings[0].updatedAt"


@given(INSTANTS, st.sampled_from((" ", "\u202f", "\u00a0")))
def test_what_java_writes_is_read_back(when: datetime, gap: str) -> None:
    second = when.replace(microsecond=0)
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[when.month - 1]
    hour, half = when.hour % 12 or 12, "AM" if when.hour < 12 else "PM"
    clock = f"{when.minute:02}:{when.second:02}"
    assert read_time(f"{month} {when.day}, {when.year}, {hour}:{clock}{gap}{half}", "x") == second
    milli = second.replace(microsecond=when.microsecond // 1000 * 1000)
    written = f"Mon {month} {when.day:02} {when.hour:02}:{clock}.{when.microsecond // 1000:03} UTC {when.year}"
    assert read_time(written, "x") == milli


@given(st.text() | st.integers() | st.floats() | st.binary() | st.datetimes())
def test_nothing_but_a_time_or_a_refusal_comes_out(written: object) -> None:
    try:
        assert read_time(written, "x").tzinfo is UTC
    except BadEventError as error:
        assert error.field == "x"
