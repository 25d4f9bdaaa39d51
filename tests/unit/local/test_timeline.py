"""The bundle's clock."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore_local.timeline import VirtualTimeline, WallTimeline

START = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.lists(st.integers(0, 20), max_size=30))
def test_timers_run_in_time_order_and_ties_in_the_order_they_were_set(delays: list[int]) -> None:
    timeline = VirtualTimeline(START)
    ran: list[tuple[int, int]] = []
    for position, delay in enumerate(delays):
        timeline.at(START + timedelta(seconds=delay), lambda entry=(delay, position): ran.append(entry))  # type: ignore[misc]
    timeline.advance_to(START + timedelta(seconds=20))
    assert ran == sorted((delay, position) for position, delay in enumerate(delays))


def test_each_callback_sees_its_own_moment_and_may_set_timers_on_the_way() -> None:
    timeline = VirtualTimeline(START)
    seen: list[datetime] = []

    def again() -> None:
        seen.append(timeline.now())
        timeline.at(timeline.now() + timedelta(seconds=2), again)

    timeline.at(START + timedelta(seconds=1), again)
    timeline.advance_to(START + timedelta(seconds=6))
    assert [(when - START).total_seconds() for when in seen] == [1, 3, 5]
    assert timeline.now() == START + timedelta(seconds=6)
    assert timeline.next_due() == START + timedelta(seconds=7)


def test_a_cancelled_timer_never_runs_and_is_not_waited_for() -> None:
    timeline = VirtualTimeline(START)
    timeline.at(START, lambda: pytest.fail("cancelled")).cancel()
    assert timeline.next_due() is None
    assert timeline.run_due() == 0


def test_time_never_goes_back() -> None:
    timeline = VirtualTimeline(START)
    timeline.at(START - timedelta(hours=1), lambda: None)
    timeline.advance_to(START - timedelta(minutes=1))
    assert timeline.now() == START


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        VirtualTimeline().at(datetime(2026, 1, 1), lambda: None)


def test_the_wall_timeline_takes_timers_from_other_threads() -> None:
    timeline = WallTimeline()
    ran: list[int] = []
    threads = [threading.Thread(target=lambda: timeline.at(timeline.now(), lambda: ran.append(1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    timeline.at(timeline.now() + timedelta(hours=1), lambda: ran.append(2))
    assert timeline.run_due() == 8
    assert ran == [1] * 8
