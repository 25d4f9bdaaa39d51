"""Leases that are kept while work goes on: who is killed holds nobody up for long, and who was too slow stops."""

from __future__ import annotations

import contextlib
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from longshore.errors import ConflictError, TransientError
from longshore.mirror.errors import LeaseLostError
from longshore.mirror.limits import Deadline

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.mirror.stores import Lease, Leases
    from longshore.ports import Clock

LENGTH: Final = timedelta(minutes=11)
"""Shorter than SQS waits before it hands out the message of an invocation that was killed (16 minutes)."""
RENEWED: Final = timedelta(minutes=1)
"""After so long. What is left then is the longest silence of a registry that is waited for: 10 minutes, while it checks
the digest of a large blob (`registries.uploads`)."""


class Held:
    """A lease that whoever works under it renews by asking whether it is kept. Thread-safe.

    It is renewed after a minute, so that a short piece of work costs no renewal.
    """

    def __init__(self, leases: Leases, clock: Clock, lease: Lease) -> None:
        self._leases = leases
        self._clock = clock
        self._lease: Lease | None = lease
        self._until = lease.until
        self._lock = threading.Lock()
        self.what = lease.what

    @classmethod
    def take(cls, leases: Leases, clock: Clock, what: str) -> Self | None:
        """None while somebody else has it."""
        now = clock.now()
        lease = leases.take(what, now, now + LENGTH)
        return cls(leases, clock, lease) if lease is not None else None

    def is_kept(self) -> bool:
        """Whether it is still ours; renewed where it is time to.

        A ledger that does not answer takes nothing away before the lease is over.
        """
        with self._lock:
            now = self._clock.now()
            if self._lease is not None and self._until - now <= LENGTH - RENEWED:
                self._renew(self._lease, now)
            return self._lease is not None

    def check(self) -> None:
        """Raises LeaseLostError when it is ours no more."""
        if not self.is_kept():
            raise LeaseLostError(f"the lease of {self.what!r} went to somebody else: what is left is theirs to do")

    def release(self) -> None:
        """Gives it back; what cannot be given back now ends by itself."""
        with self._lock, contextlib.suppress(TransientError):
            if self._lease is not None:
                self._leases.release(self._lease)
                self._lease = None

    def _renew(self, lease: Lease, now: datetime) -> None:
        try:
            self._lease = self._leases.renew(lease, now + LENGTH)
        except TransientError as error:
            if isinstance(error, ConflictError) or now >= self._until:
                self._lease = None
            return
        self._until = now + LENGTH


class WhileHeld(Deadline):
    """A deadline that comes at once when a lease is lost. `until` as there."""

    def __init__(self, clock: Clock, until: datetime, held: Held) -> None:
        super().__init__(clock, until)
        self._held = held

    def check(self, size: int = 0) -> None:
        """See `Deadline`; raises LeaseLostError as well."""
        self._look()
        super().check(size)

    def check_put(self) -> None:
        """See `Deadline`; raises LeaseLostError as well."""
        self._look()
        super().check_put()

    def _look(self) -> None:
        try:
            self._held.check()
        except LeaseLostError as error:
            self.stop(error)
