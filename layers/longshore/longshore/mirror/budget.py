"""The pulls that an upstream still allows: reserved before they are used, and never slept for (mirror 5.1, 7 P0.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from longshore.mirror.ports import RateLimit

_UNKNOWN_PLATFORMS = 8
"""What an index of unknown content is taken to list: official images have six to nine platforms."""
_WHEN_UNKNOWN = timedelta(hours=6)
_ASK_AGAIN = timedelta(hours=1)


class Promise(NamedTuple):
    """Pulls that whoever has the token may make, until an end that comes even if nobody settles it."""

    token: str
    pulls: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Budget:
    """What is known of one login, or address, at one registry; a limit of None means that it never told one."""

    limit: int | None = None
    remaining: int = 0
    """As the registry told it at `told`."""
    window: timedelta = _WHEN_UNKNOWN
    told: datetime | None = None
    promises: tuple[Promise, ...] = ()
    """Of copies that have not said yet what they used; one for each token."""
    version: int = 0

    def reserved(self, now: datetime) -> int:
        """The pulls that are promised: what ended unsettled counts until the registry has said what came of it."""
        return sum(each.pulls for each in self.promises if self._counts(each, now))

    def available(self, now: datetime, keep: int) -> int | None:
        """How many more pulls may be promised, `keep` left to others; None for as many as one likes."""
        if self.limit is None or self.told is None:
            return None
        left = self.limit if self._is_over(self.told, now) else self.remaining  # what was used has aged out
        return max(0, left - self.reserved(now) - keep)

    def refills(self, now: datetime) -> datetime:
        """When to ask again: the window slides, so that some pulls come back long before all of them do."""
        return now + min(self.window, _ASK_AGAIN)

    def reserve(self, promise: Promise, now: datetime, keep: int) -> Budget | None:
        """The budget after a promise, added to what its token has already; None when it lacks the pulls."""
        left = self.available(now, keep)
        if left is not None and self._least(promise, keep) > left:
            return None
        before = sum(each.pulls for each in self.promises if each.token == promise.token)
        others = (each for each in self.promises if each.token != promise.token and self._counts(each, now))
        promises = (*others, promise._replace(pulls=promise.pulls + before))
        if self.limit is not None and self.told is not None and self._is_over(self.told, now):
            return replace(self, remaining=self.limit, told=now, promises=promises)
        return replace(self, promises=promises)

    def planned(self, pulls: int, now: datetime, keep: int) -> Budget | None:
        """As `reserve`, for a plan: nobody is promised anything yet."""
        return self.reserve(Promise("", pulls, now + _ASK_AGAIN), now, keep)

    def settle(self, token: str, rate: RateLimit | None, now: datetime) -> Budget:
        """The budget after a copy is done: its promise ends, and what the registry said last is the truth.

        A registry that says nothing is taken to have counted all that was promised. What it said before it was heard
        by others is old: they were told of these pulls too. `token` is empty for what it said without a copy.
        """
        promised = sum(each.pulls for each in self.promises if each.token == token)
        others = tuple(each for each in self.promises if each.token != token)
        if rate is None:
            return replace(self, remaining=max(0, self.remaining - promised), promises=others)
        told = rate.at or now
        if self.told is not None and told < self.told:
            return replace(self, promises=others)
        window = timedelta(seconds=rate.window_seconds) if rate.window_seconds > 0 else self.window
        after = replace(self, limit=rate.limit, remaining=rate.remaining, window=window, told=told, promises=others)
        return replace(after, promises=tuple(each for each in others if after._counts(each, now)))

    def _least(self, promise: Promise, keep: int) -> int:
        """What has to be left for a promise. What no full budget could pay takes all, else it would wait for ever."""
        return promise.pulls if self.limit is None else min(promise.pulls, max(1, self.limit - keep))

    def _counts(self, promise: Promise, now: datetime) -> bool:
        """Whether it is live, or ended when the registry had not been heard again."""
        if promise.until > now:
            return True
        return self.told is not None and self.told < promise.until and not self._is_over(self.told, now)

    def _is_over(self, told: datetime, now: datetime) -> bool:
        return now >= told + self.window


def pulls_of(*, is_index: bool, platforms: int, known: int | None) -> int:
    """How many pulls a copy may cost: one for each manifest that is read (mirror 0.3).

    Each platform of an index may have an attestation beside its image. `platforms` is how many are wanted (0: all),
    `known` what a copy of the tag has cost: more where there are signatures.
    """
    estimate = 1 + 2 * (platforms or _UNKNOWN_PLATFORMS) if is_index else 1
    return max(estimate, known or 0)
