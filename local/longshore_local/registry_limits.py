"""How much a registry puts up with: rates, Docker Hub's budget of pulls, bodies in flight."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from longshore_local.registry_manners import Manners


class Limits:
    """Counts what `manners` limit, on the clock that it is given."""

    def __init__(self, manners: Callable[[], Manners], now: Callable[[], datetime]) -> None:
        self._manners = manners
        self._now = now
        self._lock = threading.Lock()
        self._seconds: dict[str, tuple[datetime, int]] = {}
        self._windows: dict[str, datetime] = {}
        self._spent: Counter[str] = Counter()
        self._bodies = 0

    def within_rate(self, kind: str) -> bool:
        """Counts a request; False when its kind has had its share of this second."""
        rate = self._manners().rates.get(kind)
        if rate is None:
            return True
        second = self._now().replace(microsecond=0)
        with self._lock:
            since, count = self._seconds.get(kind, (second, 0))
            count = count + 1 if since == second else 1
            self._seconds[kind] = (second, count)
        return count <= rate

    def within_minute(self) -> bool:
        """Counts a request of any kind; False past Docker Hub's overall limit."""
        limit = self._manners().requests_per_minute
        return limit is None or self._spend("minute", limit, 60)[0]

    def spend_pull(self, *, free: bool) -> tuple[bool, dict[str, str]]:
        """Counts a manifest GET (`free` looks only); whether it is within the budget, and the headers that tell."""
        manners = self._manners()
        limit = manners.manifest_gets
        if limit is None:
            return True, {}
        within, left = self._spend("pulls", limit, manners.window_seconds, free=free)
        window = f";w={manners.window_seconds}"
        headers = {"ratelimit-limit": f"{limit}{window}", "ratelimit-remaining": f"{left}{window}"}
        if manners.budget_source is not None:
            headers["docker-ratelimit-source"] = manners.budget_source
        return within or free, headers

    @contextmanager
    def body(self) -> Iterator[bool]:
        """For the time of an upload's body; False when there are too many already."""
        limit = self._manners().parallel_uploads
        with self._lock:
            self._bodies += 1
            allowed = limit is None or self._bodies <= limit
        try:
            yield allowed
        finally:
            with self._lock:
                self._bodies -= 1

    def _spend(self, what: str, limit: int, seconds: int, *, free: bool = False) -> tuple[bool, int]:
        now = self._now()
        with self._lock:
            if what not in self._windows or now >= self._windows[what] + timedelta(seconds=seconds):
                self._windows[what], self._spent[what] = now, 0
            within = self._spent[what] < limit
            self._spent[what] += within and not free
            return within, limit - self._spent[what]
