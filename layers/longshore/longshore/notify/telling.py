"""What notify tells about itself, once for as long as it stays true: a failed channel, a rejected configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.events import Kind
from longshore.outcomes import Outcome, announcements
from longshore.redaction import redact

if TYPE_CHECKING:
    from longshore.errors import ConfigurationError
    from longshore.notify.threads import Threads
    from longshore.ports import Clock, Publisher

_CHANNEL = timedelta(hours=1)
_CONFIGURATION = timedelta(days=1)
_SHOWN = 1000

UNHEARD = "fallback-without-subscriber"


class Teller:
    """Publishes what concerns notify itself. A crash on the way may say it twice, never not at all."""

    def __init__(self, threads: Threads, publisher: Publisher, clock: Clock) -> None:
        self._threads = threads
        self._publisher = publisher
        self._clock = clock

    def failed(self, destination: str, kind: str, reason: str, why: str, correlation: str) -> list[Outcome]:
        """A channel will not take notices: once an hour for each reason."""
        detail = {"destination": destination, "channel_type": kind, "why": why[:_SHOWN]}
        outcome = Outcome("hold", reason, correlation, kind=Kind.CHANNEL_FAILED, detail=detail)
        span = _CONFIGURATION if reason == UNHEARD else _CHANNEL
        return [self._once(f"channel/{destination}/{reason}", outcome, span)]

    def reject(self, problems: Sequence[ConfigurationError], correlation: str) -> list[Outcome]:
        """The configuration names what there is not: once a day for each problem."""
        said = []
        for problem in dict.fromkeys(problems):
            wrong = redact(problem.problem).text
            detail = {"key": problem.key, "problem": wrong[:_SHOWN], "fix": problem.fix[:_SHOWN]}
            outcome = Outcome("hold", "invalid", correlation, kind=Kind.CONFIGURATION_REJECTED, detail=detail)
            what = hashlib.sha256(str(problem).encode()).hexdigest()[:32]
            said.append(self._once(f"configuration/{what}", outcome, _CONFIGURATION))
        return said

    def _once(self, what: str, outcome: Outcome, span: timedelta) -> Outcome:
        now = self._clock.now()
        if self._threads.said(what, now):
            return replace(outcome, kind=None)
        self._publisher.publish(announcements([outcome]))
        self._threads.say(what, now + span)
        return outcome
