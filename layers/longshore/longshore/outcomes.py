"""Outcomes: what came of an event for one workload. One object becomes the log line, the metric and the event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from longshore.events import Announcement, Kind


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, or why nothing did.

    `kind` is None for what is only logged. `verdict` and `reason` are those of the decision behind it; `detail` holds
    what a reader needs besides: container, digests, tags, times.
    """

    verdict: str
    reason: str
    correlation: str
    workload: str = ""
    kind: Kind | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The name of the metric that counts it: ``DeploymentStarted``, ``DecisionSkip``."""
        return self.kind.value.replace(" ", "") if self.kind else f"Decision{self.verdict.capitalize()}"

    @property
    def count(self) -> int:
        """How much the metric grows by it: by each event that was missed, else by one."""
        return int(self.detail.get("count", 1)) if self.kind is Kind.EVENTS_MISSED else 1

    def to_log(self) -> dict[str, Any]:
        """The members of its log line."""
        return {
            "workload": self.workload,
            "verdict": self.verdict,
            "reason": self.reason,
            "detail": dict(self.detail),
            "correlation": self.correlation,
        }

    def to_announcement(self) -> Announcement | None:
        """The event to publish, or None when it concerns nobody."""
        if self.kind is None:
            return None
        detail = {"workload": self.workload, "verdict": self.verdict, "reason": self.reason, **self.detail}
        return Announcement(self.kind, detail, (self.workload,) if self.workload else (), self.correlation)


def announcements(outcomes: list[Outcome]) -> list[Announcement]:
    """The events of several outcomes, in order."""
    return [a for outcome in outcomes if (a := outcome.to_announcement())]
