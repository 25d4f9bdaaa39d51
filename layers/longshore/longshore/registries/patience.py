"""How often a request is tried, and what is waited for: seconds here, anything longer is put off (design 4)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.mirror.errors import PutOffError, UnfinishedError
from longshore.registries.timelimit import TimeLimit

if TYPE_CHECKING:
    from longshore.errors import ThrottledError
    from longshore.ports import Clock

_LONGEST_ASKED: Final = 86_400.0
_UNSAID: Final = 30.0
"""Seconds to stay away when a registry that throttles for good does not say for how long."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`longest_wait` is in seconds, for one wait: a few in a Lambda function, more for a person at a terminal."""

    clock: Clock
    tries: int = 4
    longest_wait: float = 5.0
    first_wait: float = 0.5
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    limit: TimeLimit = field(default_factory=TimeLimit)

    def before_retry(self, tried: int, asked: float | None, text: str) -> bool:
        """Waits before the next try and answers True, or answers False when there is to be none.

        `tried` counts from 1, `asked` is what the registry asked to wait. Raises PutOffError when that is too long, and
        UnfinishedError when the time is up before.
        """
        if asked is not None and asked > self.longest_wait:
            raise self.put_off(text, asked)
        if tried >= self.tries:
            return False
        backoff = min(self.first_wait * 2 ** (tried - 1), self.longest_wait)
        wait = max(backoff * self.random(), asked or 0.0)
        if wait >= self.limit.left:
            raise UnfinishedError(f"{text}: no time left for another try")
        self.sleep(wait)
        return True

    def put_off(self, text: str, seconds: float) -> PutOffError:
        """The error that sends the work away until later, at most for a day."""
        wait = min(max(seconds, 1.0), _LONGEST_ASKED)
        until = self.clock.now() + timedelta(seconds=wait)
        return PutOffError(f"{text}: not before {until:%Y-%m-%d %H:%M:%S} UTC", wait, until)

    def throttled(self, text: str, asked: float | None) -> ThrottledError:
        """The error for a registry that still throttles after the last try."""
        return self.put_off(text, max(asked or 0.0, _UNSAID))
