"""What is remembered of an image between looks at it: what was told, what was accepted, and figures for the digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.scan.compare import Material
from longshore.scan.sla import Pause

if TYPE_CHECKING:
    from longshore.scan.ports import Reported

MOST: Final = 4000
"""Findings that are remembered, the gravest first: an item of the ledger holds 400 kB."""


class Overdue(NamedTuple):
    """A finding that should have been mended by now."""

    id: str
    package: str
    priority: str
    due: str


@dataclass(frozen=True, slots=True)
class Memory:
    """All of it.

    `findings` are those that were worth telling, by short key, as they were told; `pauses` the acceptances. `ran`: it
    was seen running; `opened` is since when something of it is told and not mended. `runners` are name and team of some
    that run it, `teams` those of all, `behind` the newer image that has fewer of its findings. `scanned` is the state
    of its scan.
    """

    findings: Mapping[str, Material] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    ran: bool = False
    runs: bool = False
    opened: datetime | None = None
    scanned: str = ""
    why: str = ""
    tags: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    suppressed: int = 0
    overdue: int = 0
    worst: tuple[Overdue, ...] = ()
    runners: tuple[tuple[str, str], ...] = ()
    teams: tuple[str, ...] = ()
    behind: Mapping[str, Any] | None = None
    images: tuple[str, ...] = ()
    """Those of an index that were looked at."""
    observed: str = ""
    """What was logged last in the mode observe, in which nobody is told; nothing else of it counts as told."""

    def as_json(self) -> dict[str, Any]:
        """For the ledger."""
        return {
            "findings": {key: material.text for key, material in self.findings.items()},
            "pauses": {key: _pause(pause) for key, pause in self.pauses.items()},
            "ran": self.ran,
            "runs": self.runs,
            "opened": self.opened.isoformat() if self.opened else None,
            "scanned": self.scanned,
            "why": self.why,
            "tags": list(self.tags),
            "counts": dict(self.counts),
            "suppressed": self.suppressed,
            "overdue": self.overdue,
            "worst": [list(each) for each in self.worst],
            "runners": [list(each) for each in self.runners],
            "teams": list(self.teams),
            "behind": dict(self.behind) if self.behind else None,
            "images": list(self.images),
            "observed": self.observed,
        }

    @classmethod
    def of(cls, reported: Reported | None) -> Memory | None:
        """What the ledger has; members of a version before are as good as none."""
        if reported is None:
            return None
        raw = reported.summary
        return cls(
            findings={key: Material.parse(text) for key, text in raw.get("findings", {}).items()},
            pauses={key: _read_pause(pause) for key, pause in raw.get("pauses", {}).items()},
            ran=raw.get("ran", False),
            runs=raw.get("runs", False),
            opened=datetime.fromisoformat(raw["opened"]) if raw.get("opened") else None,
            scanned=raw.get("scanned", ""),
            why=raw.get("why", ""),
            tags=tuple(raw.get("tags", ())),
            counts=raw.get("counts", {}),
            suppressed=raw.get("suppressed", 0),
            overdue=raw.get("overdue", 0),
            worst=tuple(Overdue(*each) for each in raw.get("worst", ())),
            runners=tuple((name, team) for name, team in raw.get("runners", ())),
            teams=tuple(raw.get("teams", ())),
            behind=raw.get("behind"),
            images=tuple(raw.get("images", ())),
            observed=str(raw.get("observed") or ""),
        )


def _pause(pause: Pause) -> list[int]:
    since, ended = (int(each.timestamp()) if each else 0 for each in (pause.since, pause.ended))
    return [since, int(pause.before.total_seconds()), ended]


def _read_pause(raw: list[int]) -> Pause:
    since, before, ended = raw
    return Pause(_time(since), timedelta(seconds=before), _time(ended))


def _time(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
