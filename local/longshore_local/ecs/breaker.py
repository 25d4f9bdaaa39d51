"""The deployment circuit breaker's arithmetic (aws B3)."""

from math import ceil
from typing import Any

DEFAULT_PERCENT = 50
BOUNDS = (3, 200)


def breaker_of(configuration: dict[str, Any]) -> dict[str, Any]:
    """The breaker's settings in a deployment configuration, empty when it is off."""
    breaker: dict[str, Any] = configuration.get("deploymentCircuitBreaker") or {}
    return breaker if breaker.get("enable") else {}


def failure_threshold(breaker: dict[str, Any], desired_count: int) -> int:
    """How many failed tasks trip the breaker, at least one.

    COUNT takes the value itself; the percentages are of the desired count, rounded up, and BOUNDED_PERCENT
    (the default, 50) is kept within 3 and 200.
    """
    threshold = breaker.get("thresholdConfiguration") or {}
    value = int(threshold.get("value", DEFAULT_PERCENT))
    kind = threshold.get("type", "BOUNDED_PERCENT")
    if kind == "COUNT":
        return max(1, value)
    share = ceil(desired_count * value / 100)
    if kind == "UNBOUNDED_PERCENT":
        return max(1, share)
    low, high = BOUNDS
    return min(max(share, low), high)
