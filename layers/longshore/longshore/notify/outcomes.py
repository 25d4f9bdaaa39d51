"""What came of a notice: a log line and a metric of notify's own."""

from __future__ import annotations

from dataclasses import dataclass

from longshore.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class NoticeOutcome(Outcome):
    """An outcome that is counted under its own name: ``NoticeTold``, ``NoticeDeferred``, ``NoticeFailed``."""

    name: str = "NoticeTold"

    @property
    def metric(self) -> str:
        """The name of the metric that counts it."""
        return self.name


def told(correlation: str, reason: str, **detail: object) -> Outcome:
    """A notice reached its channel, or is told by another message."""
    return NoticeOutcome("told", reason, correlation, detail=detail, name="NoticeTold")


def routed(correlation: str, reason: str, **detail: object) -> Outcome:
    """A notice is in the outbox of each of its destinations, if it has any."""
    return NoticeOutcome("routed", reason, correlation, detail=detail, name="NoticeRouted")


def deferred(correlation: str, reason: str, **detail: object) -> Outcome:
    """A thread waits."""
    return NoticeOutcome("deferred", reason, correlation, detail=detail, name="NoticeDeferred")


def failed(correlation: str, reason: str, **detail: object) -> Outcome:
    """A notice did not reach its channel, and never will."""
    return NoticeOutcome("failed", reason, correlation, detail=detail, name="NoticeFailed")


def unheard(correlation: str, **detail: object) -> Outcome:
    """A notice went to the fallback, where nobody listens."""
    return NoticeOutcome("told", "fallback-without-subscriber", correlation, detail=detail, name="FallbackUnheard")


def observed(correlation: str, **detail: object) -> Outcome:
    """What would be told, in the mode observe."""
    return NoticeOutcome("skip", "observe-only", correlation, detail=detail, name="NoticeObserved")
