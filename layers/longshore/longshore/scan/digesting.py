"""Digests: which team's is due, what it says, once; and acceptances that end are announced, once each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from longshore.scan import telling
from longshore.scan.memory import Memory
from longshore.scan.team_digest import Kept, team_digest, teams_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.outcomes import Outcome
    from longshore.scan.looking import Looker
    from longshore.scan.ports import Ports
    from longshore.scan.rules import ScanPolicy, Schedule
    from longshore.scan.telling import Teller

_LATE: Final = timedelta(hours=6)
"""A digest that nobody sent for so long is left out: the next one says the same."""
_KEEP: Final = timedelta(days=30)


class Digester:
    """The use case of the hourly tick. It reads what looks at images left in the ledger, and asks no scanner."""

    def __init__(self, ports: Ports, policy: ScanPolicy, looker: Looker, teller: Teller) -> None:
        self._ports = ports
        self._policy = policy
        self._looker = looker
        self._teller = teller

    def due(self, correlation: str) -> list[Outcome]:
        """The digests of all teams whose moment has come; told before that is recorded."""
        now = self._ports.clock.now()
        moments = self._moments(now)
        if not moments:
            return []
        kept = self._kept()
        outcomes: list[Outcome] = []
        for team in sorted(teams_of(kept) | (self._policy.schedules.keys() & moments.keys())):
            moment = moments.get(team) if team in self._policy.schedules else moments.get(None)
            if moment is not None:
                outcomes += self._digest(team, moment, kept, correlation, now)
        for name, moment in moments.items():
            self._ports.reports.once(_marker(name, moment), now, now + _KEEP)
        return outcomes

    def _moments(self, now: datetime) -> Mapping[str | None, datetime]:
        """When each schedule came due that was not served yet; None is that of teams without one of their own."""
        schedules: dict[str | None, Schedule] = dict(self._policy.schedules.items())
        if self._policy.schedule:
            schedules[None] = self._policy.schedule
        found = {name: schedule.last(now) for name, schedule in schedules.items()}
        return {
            name: moment
            for name, moment in found.items()
            if moment and now - moment < _LATE and not self._ports.reports.done(_marker(name, moment), now)
        }

    def _kept(self) -> Sequence[Kept]:
        """Every image that runs, as it was remembered at the last look."""
        return [
            Kept(repository, told.digest, memory)
            for repository in self._ports.runners.repositories()
            for told in self._ports.reports.of(repository)
            if (memory := Memory.of(told)) and memory.runs
        ]

    def _digest(
        self, team: str, moment: datetime, kept: Sequence[Kept], correlation: str, now: datetime
    ) -> list[Outcome]:
        last = self._ports.reports.digest(team)
        if last and last["due"] == moment.isoformat():
            return []
        found = team_digest(team, moment, kept, self._looker.suppressions().expiring(now), last)
        outcomes = [] if found.is_empty else self._teller.tell([telling.digest(correlation, found, now)])
        self._ports.reports.keep_digest(team, found.figures, now)
        return outcomes

    def announce_expiring(self, correlation: str) -> list[Outcome]:
        """Acceptances that end within a week and were not announced yet."""
        now = self._ports.clock.now()
        found = self._looker.suppressions().expiring(now)
        news = [each for each in found if not self._ports.reports.done(_end(each.id, each.expires), now)]
        if not news:
            return []
        outcomes: list[Outcome] = []
        for at in range(0, len(news), telling.NAMED):
            page = news[at : at + telling.NAMED]
            told = self._teller.tell([telling.expiring(correlation, page, now)])
            outcomes += told
            for each in page if told[0].kind else ():  # what was only observed is news once people are told
                self._ports.reports.once(_end(each.id, each.expires), now, now + _KEEP)
        return outcomes


def _marker(name: str | None, moment: datetime) -> str:
    return f"digests {'of others' if name is None else f'of team {name}'} {moment.isoformat()}"


def _end(identity: str, expires: datetime | None) -> str:
    return f"expiring {identity[:512]} {expires.isoformat() if expires else ''}"
