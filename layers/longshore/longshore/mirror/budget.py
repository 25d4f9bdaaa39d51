"""The pulls that an upstream still allows: reserved before they are used, and never slept for (mirror 5.1, 7 P0.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.mirror.ports import RateLimit

_UNKNOWN_PLATFORMS = 8
"""What an index of unknown content is taken to list: official images have six to nine platforms."""
_WHEN_UNKNOWN = timedelta(hours=6)
_ASK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """What is known of one login at one registry; a limit of None means that it never told one."""

    limit: int | None = None
    remaining: int = 0
    """As the registry told it at `told`."""
    window: timedelta = _WHEN_UNKNOWN
    told: datetime | None = None
    reserved: int = 0
    """Pulls promised to copies that have not said yet what they used."""
    version: int = 0

    def available(self, now: datetime, keep: int) -> int | None:
        """How many more pulls may be promised, `keep` left to others; None for as many as one likes."""
        if self.limit is None or self.told is None:
            return None
        if now >= self.told + self.window:
            return max(0, self.limit - keep)  # whatever was used or promised has aged out of the window
        return max(0, self.remaining - self.reserved - keep)

    def refills(self, now: datetime) -> datetime:
        """When to ask again: the window slides, so that some pulls come back long before all of them do."""
        return now + min(self.window, _ASK_AGAIN)

    def reserve(self, pulls: int, now: datetime, keep: int) -> Budget | None:
        """The budget after promising so many pulls, or None when it does not have them."""
        left = self.available(now, keep)
        if left is None:
            return replace(self, reserved=self.reserved + pulls)
        if pulls > left:
            return None
        if self.told is not None and self.limit is not None and now >= self.told + self.window:
            return replace(self, remaining=self.limit, told=now, reserved=pulls)
        return replace(self, reserved=self.reserved + pulls)

    def settle(self, promised: int, rate: RateLimit | None, now: datetime) -> Budget:
        """The budget after a copy is done: its promise ends, and what the registry said last is the truth.

        A registry that says nothing is taken to have counted all that was promised.
        """
        reserved = max(0, self.reserved - promised)
        if rate is None:
            return replace(self, remaining=max(0, self.remaining - promised), reserved=reserved)
        window = timedelta(seconds=rate.window_seconds) if rate.window_seconds > 0 else self.window
        return replace(self, limit=rate.limit, remaining=rate.remaining, window=window, told=now, reserved=reserved)


def pulls_of(*, is_index: bool, platforms: int, known: int | None) -> int:
    """How many pulls a copy is likely to cost: one for each manifest that is read (mirror 0.3).

    `platforms` is how many of an index are wanted (0: all), `known` how many manifests the last copy had.
    """
    if known is not None:
        return known
    return 1 + (platforms or _UNKNOWN_PLATFORMS) if is_index else 1
