"""Incidents: what notices of several threads have in common, who heard of one, and when it was over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from longshore.events import Kind
from longshore.notices import Notice, Phase, Severity

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from longshore.notify.routes import Destination, Routed, Routing
    from longshore.notify.threads import Threads

_REMEMBERED: Final = timedelta(days=90)
"""How long it is remembered who heard of a trouble, and when it was over: as long as its thread is."""
_DEPLOYMENT: Final = "Deployment "
_PAGER: Final = "pagerduty"


def failed(notice: Notice) -> bool:
    """Whether somebody may have to be called: errors, and nothing less."""
    return notice.phase is not Phase.RESOLVED and notice.severity.at_least(Severity.ERROR)


def recovered(notice: Notice) -> bool:
    """Whether what failed is well again. That a deployment was superseded says nothing of the one before."""
    return notice.phase is Phase.RESOLVED and notice.kind is not Kind.DEPLOYMENT_SUPERSEDED


def incident(notice: Notice) -> str:
    """What alert and recovery have in common: a deployment's workload, for the next good push has another thread."""
    detail = notice.event.get("detail")
    workload = detail.get("workload") if isinstance(detail, Mapping) else None
    if notice.kind.value.startswith(_DEPLOYMENT) and isinstance(workload, str) and workload:
        return f"deployment/{workload}"
    return notice.thread


class Hearers:
    """Who heard of a trouble hears of its end, whatever the routes say of good news.

    Only routes that ask what kind a notice is, or how grave, can part the two: where none does, nothing is remembered.
    """

    def __init__(self, threads: Threads, routing: Routing) -> None:
        self._threads = threads
        self._routing = routing

    def of(self, notice: Notice, routed: Routed, now: datetime) -> AbstractSet[str]:
        """The destinations that heard of what a notice ends; none where a route mutes it."""
        if notice.phase is not Phase.RESOLVED or routed.muted or not self._routing.selective:
            return frozenset()
        names = dict.fromkeys((notice.thread, *((incident(notice),) if recovered(notice) else ())))
        return {each for name in names for each in self._threads.opened(name, now)} & set(self._routing.destinations)

    def remember(self, notice: Notice, name: str, now: datetime) -> None:
        """A destination is told of a trouble."""
        destination = self._routing.destinations.get(name)
        if destination and self._routing.selective and _heard(notice, destination):
            known_as = _known_as(notice, destination)
            self._threads.open(known_as, name, known_as, now + _REMEMBERED)

    def forget(self, notice: Notice, name: str) -> None:
        """It is told of its end as well."""
        known_as = _known_as(notice, self._routing.destinations[name])
        self._threads.close(known_as, name, known_as)


def _known_as(notice: Notice, destination: Destination) -> str:
    return incident(notice) if destination.type == _PAGER else notice.thread


def _heard(notice: Notice, destination: Destination) -> bool:
    return failed(notice) if destination.type == _PAGER else notice.phase is not Phase.RESOLVED


class Recoveries:
    """When incidents of several threads were over, for a destination: threads wait for nobody but themselves."""

    def __init__(self, threads: Threads, destination: Destination) -> None:
        self._threads = threads
        self._destination = destination

    def remember(self, notice: Notice, now: datetime) -> None:
        """A recovery is about to be told; the latest one stays."""
        at = _at(notice)
        if self._several(notice) and recovered(notice) and at > self._last(notice, now):
            self._threads.open(_over(notice), self._destination.name, at, now + _REMEMBERED)

    def overtook(self, notice: Notice, now: datetime) -> bool:
        """Whether a later recovery was told already, so that an alert would stay open with nothing to resolve it."""
        return self._several(notice) and failed(notice) and self._last(notice, now) > _at(notice)

    def _several(self, notice: Notice) -> bool:
        return self._destination.type == _PAGER and incident(notice) != notice.thread

    def _last(self, notice: Notice, now: datetime) -> str:
        return self._threads.opened(_over(notice), now).get(self._destination.name, "")


def _over(notice: Notice) -> str:
    return f"over/{incident(notice)}"


def _at(notice: Notice) -> str:
    at, rank = notice.order
    return f"{at}#{rank:03}"
