"""A team's digest: figures of what it runs, from what the ledger remembers of each image (notify 2.2, N13). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.scan.findings import ScanState

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.images import Digest, Repository
    from longshore.scan.memory import Memory
    from longshore.scan.suppressions import Suppression

_MOST: Final = 10


class Kept(NamedTuple):
    """An image and what is remembered of it."""

    repository: Repository
    digest: Digest
    memory: Memory


@dataclass(frozen=True, slots=True)
class TeamDigest:
    """What a team is to know. `team` is empty for what belongs to none; the lists are the worst of what is counted."""

    team: str
    due: datetime
    images: int
    repositories: int
    counts: Mapping[str, int]
    trend: Mapping[str, int] | None
    overdue: int
    worst: tuple[Mapping[str, Any], ...]
    unscanned: tuple[Mapping[str, Any], ...]
    unscanned_count: int
    behind: tuple[Mapping[str, Any], ...]
    behind_count: int
    expiring: tuple[Suppression, ...]
    suppressed: int

    @property
    def figures(self) -> dict[str, Any]:
        """What the next digest is compared with."""
        return {"due": self.due.isoformat(), "counts": dict(self.counts)}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that anybody should do, and nothing changed."""
        return not (self.counts or self.unscanned_count or self.behind_count or self.expiring or self.trend)


def teams_of(kept: Iterable[Kept]) -> frozenset[str]:
    """Whose images run."""
    return frozenset(team for each in kept if each.memory.runs for team in each.memory.teams)


def team_digest(
    team: str,
    due: datetime,
    kept: Sequence[Kept],
    expiring: Sequence[Suppression],
    last: Mapping[str, Any] | None,
) -> TeamDigest:
    """The digest of one team: of what runs for it now. `last` are the figures of the one before."""
    ours = [each for each in kept if each.memory.runs and team in each.memory.teams]
    counts: Counter[str] = Counter()
    for each in ours:
        counts.update(each.memory.counts)
    late = sorted(
        ((worst.due, worst, each) for each in ours for worst in each.memory.worst),
        key=lambda found: (found[1].priority, found[0], found[1].id, found[2].digest),
    )
    unscanned = [each for each in ours if each.memory.scanned != ScanState.COMPLETE.value]
    behind = [each for each in ours if each.memory.behind]
    return TeamDigest(
        team=team,
        due=due,
        images=len(ours),
        repositories=len({each.repository for each in ours}),
        counts={name: count for name, count in sorted(counts.items()) if count},
        trend=_trend(counts, last),
        overdue=sum(each.memory.overdue for each in ours),
        worst=tuple({**worst._asdict(), **_named(each)} for _, worst, each in late[:_MOST]),
        unscanned=tuple(
            {**_named(each), "state": each.memory.scanned, "why": each.memory.why[:200] or None}
            for each in unscanned[:_MOST]
        ),
        unscanned_count=len(unscanned),
        behind=tuple({**_named(each), "clean": each.memory.behind} for each in behind[:_MOST]),
        behind_count=len(behind),
        expiring=_of_team(team, expiring, ours),
        suppressed=sum(each.memory.suppressed for each in ours),
    )


def _trend(counts: Mapping[str, int], last: Mapping[str, Any] | None) -> Mapping[str, int] | None:
    """How much each count grew; None for the first digest."""
    if last is None:
        return None
    before: Mapping[str, int] = last.get("counts", {})
    grown = {name: counts.get(name, 0) - before.get(name, 0) for name in sorted({*counts, *before})}
    return {name: by for name, by in grown.items() if by}


def _named(each: Kept) -> dict[str, Any]:
    return {
        "repository": each.repository.name,
        "digest": each.digest,
        "tag": next(iter(each.memory.tags), None),
        "running": [name for name, _ in each.memory.runners[:3]],
    }


def _of_team(team: str, expiring: Sequence[Suppression], ours: Sequence[Kept]) -> tuple[Suppression, ...]:
    """Acceptances that the team owns, or that are about what it runs; those of every repository are everybody's."""
    return tuple(
        each
        for each in expiring
        if (team and each.owner == team)
        or any(each.covers_image(kept.repository, kept.digest, kept.memory.images) for kept in ours)
    )
