"""A burst of events in any order, more than once each, while APIs fail: nothing is lost, nothing deployed twice."""

from __future__ import annotations

from tests.benchmarks import burst


def test_a_burst_loses_nothing_and_repeats_nothing() -> None:
    result = burst.run(100, repositories=2)
    assert result.struck > 50, "APIs failed"
    assert result.wrong == (), "every workload ends on the newest image"
    assert result.twice == (), "one deployment for a workload and a digest"
    assert result.updates.total() <= result.pairs + 2 * burst.EACH, (
        "what was deployed before the burst counts once each"
    )
