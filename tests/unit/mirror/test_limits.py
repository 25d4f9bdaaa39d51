"""Deadline, pace and retries, by a clock that moves when told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from longshore.errors import UpstreamError
from longshore.mirror.errors import UnfinishedError
from longshore.mirror.limits import Deadline, Pace, Retries
from tests.fakes import FakeClock

MB = 1_000_000


class TestDeadline:
    def test_without_one_everything_is_allowed(self) -> None:
        assert Deadline(FakeClock()).allows(1 << 60)

    @pytest.mark.parametrize(("seconds", "size", "allowed"), [(20, 0, True), (19.9, 0, False), (30, 100 * MB, True)])
    def test_the_margin_is_kept_and_sizes_count(self, seconds: float, size: int, allowed: bool) -> None:
        clock = FakeClock()
        deadline = Deadline(clock, clock.now() + timedelta(seconds=seconds))
        assert deadline.allows(size) is allowed
        assert deadline.allows(size + 1_000 * MB) is False

    def test_it_learns_how_fast_blobs_go(self) -> None:
        clock = FakeClock()
        deadline = Deadline(clock, clock.now() + timedelta(seconds=30))
        assert not deadline.allows(200 * MB)
        for _ in range(9):
            deadline.sent(100 * MB, 1.0)
        assert deadline.allows(900 * MB)
        deadline.sent(10, 100.0)  # too little to learn from
        assert deadline.allows(900 * MB)

    def test_a_halt_lets_manifests_through_and_a_stop_does_not(self) -> None:
        deadline = Deadline(FakeClock())
        deadline.halt(UpstreamError("throttled"))
        with pytest.raises(UpstreamError):
            deadline.check()
        deadline.check_put()
        deadline.stop(UnfinishedError("stopped"))
        with pytest.raises(UnfinishedError):
            deadline.check_put()


def test_a_pace_of_ten_a_second() -> None:
    clock = FakeClock()
    begun = clock.now()

    def sleep(seconds: float) -> None:
        clock.advance(seconds)

    pace = Pace(10, clock, sleep)
    for _ in range(31):
        pace.wait()
    assert clock.now() - begun == timedelta(seconds=3)


class TestRetries:
    def test_progress_counts_anew(self) -> None:
        waits: list[float] = []
        retries = Retries(3, waits.append, lambda: 1.0)
        assert [retries.again(offset) for offset in (0, 10, 10, 20, 20)] == [True] * 5
        assert retries.again(20) is False
        assert waits == [0.5, 0.5, 1.0, 0.5, 1.0]

    def test_a_long_wait_is_none_of_its_business(self) -> None:
        waits: list[float] = []
        retries = Retries(3, waits.append, longest_wait=5.0)
        assert retries.after(5.0, 0)
        assert not retries.after(5.1, 0)
        assert waits == [5.0]


class TestManifests:
    def test_they_have_the_margin_but_for_its_last_seconds(self) -> None:
        clock = FakeClock()
        deadline = Deadline(clock, clock.now() + timedelta(seconds=19))
        with pytest.raises(UnfinishedError):
            deadline.check()
        deadline.check_put()
        clock.advance(12)
        with pytest.raises(UnfinishedError, match="manifests"):
            deadline.check_put()

    @pytest.mark.parametrize(("left", "seconds", "margin"), [(600, 100, 120), (120, 100, 60), (30, 100, 20)])
    def test_what_they_need_is_kept_for_them(self, left: float, seconds: float, margin: float) -> None:
        clock = FakeClock()
        deadline = Deadline(clock, clock.now() + timedelta(seconds=left))
        deadline.reserve(seconds)
        clock.advance(left - margin)
        assert deadline.allows(0)
        clock.advance(0.1)
        assert not deadline.allows(0)
        deadline.reserve(0)
        assert deadline.allows(0) is (margin > 20)
