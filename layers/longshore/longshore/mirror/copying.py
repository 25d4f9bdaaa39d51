"""Carrying out what was planned: within an invocation where it fits, by others where it does not (mirror 7)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError, PermanentError, ThrottledError, TransientError
from longshore.mirror import telling
from longshore.mirror.budget import Promise
from longshore.mirror.carrier import Part, Sent, TooLargeError, packs
from longshore.mirror.concluding import Concluding
from longshore.mirror.errors import BusyError, PutOffError, RepositoryGoneError, UnfinishedError
from longshore.mirror.leases import Held
from longshore.mirror.messages import BlobsDue, CopyDue, Wanted, message, waiting
from longshore.mirror.orders import Item, TagLists
from longshore.mirror.plan import Known
from longshore.mirror.reasons import Reason
from longshore.mirror.survey import whose
from longshore.mirror.troubles import COPY

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.manifests import Descriptor
    from longshore.mirror.ports import RateLimit
    from longshore.mirror.report import Report
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.service import Ports
    from longshore.mirror.telling import Teller
    from longshore.mirror.troubles import Troubles
    from longshore.outcomes import Outcome

_BUSY: Final = timedelta(minutes=1)
_MARGIN: Final = timedelta(minutes=1)
_PROMISED: Final = timedelta(hours=1)
"""Manifests are read first: pulls that are promised are made by then, however long the blobs take."""
_MOST_TRIES: Final = 5
_MOST_FANNED: Final = 2
_FIRST_WAIT: Final = timedelta(minutes=1)
_ENOUGH: Final = timedelta(minutes=2)
"""What is left of an invocation in which more is begun."""
CHUNK: Final = 25
"""Tags that are copied at once: so many share their blobs, and an invocation that dies repeats no more."""


class Copying:
    """Orders of tags, and of blobs that go ahead of them."""

    def __init__(self, ports: Ports, teller: Teller, troubles: Troubles) -> None:
        self._ports = ports
        self._teller = teller
        self._troubles = troubles

    def copy(self, correlation: str, mirror: Mirror, order: CopyDue, until: datetime) -> list[Outcome]:
        """Copies tags to one downstream; what is left of it goes on in later messages."""
        downstream = _downstream(mirror, order)
        if downstream is None:
            return []  # taken out of the configuration since
        held = Held.take(self._ports.leases, self._ports.clock, f"copy {downstream.endpoint}")
        if held is None:
            now = self._ports.clock.now()
            self._later(correlation, order, now + _BUSY)
            return [telling.put_off(correlation, mirror, "busy", now + _BUSY, len(order.wanted))]
        try:
            order = self._current(mirror, downstream, order)
            return self._in_parts(correlation, mirror, downstream, order, until, held)
        finally:
            held.release()

    def _in_parts(
        self, correlation: str, mirror: Mirror, downstream: Downstream, order: CopyDue, until: datetime, held: Held
    ) -> list[Outcome]:
        """A few tags at a time, while there is time; what is left goes on in another invocation.

        What no part can be copied for ends it: it is told once, and the next look at the mirror tries again.
        """
        outcomes: list[Outcome] = []
        lists = TagLists()
        for start in range(0, len(order.wanted), CHUNK):
            now = self._ports.clock.now()
            if start and now + _ENOUGH > until:
                late = replace(order, wanted=order.wanted[start:])
                self._later(correlation, late, now)
                return [*outcomes, telling.put_off(correlation, mirror, "unfinished", now, len(late.wanted))]
            part = replace(order, wanted=order.wanted[start : start + CHUNK])
            try:
                outcomes += self._copied(correlation, mirror, downstream, part, until, held, lists)
            except PermanentError as error:
                return outcomes + self._troubles.tell(correlation, mirror, downstream, COPY, error)
        return outcomes

    def _current(self, mirror: Mirror, downstream: Downstream, order: CopyDue) -> CopyDue:
        """Without what was copied since the order was given: an old order must not bring an old image back."""
        known = self._ports.memory.known(mirror.name).get(downstream.endpoint, {})

        def is_current(each: Wanted) -> bool:
            copied = known.get(each.tag, Known(each.tag)).copied
            return copied is None or copied <= order.planned

        return replace(order, wanted=tuple(each for each in order.wanted if is_current(each)))

    def _copied(
        self,
        correlation: str,
        mirror: Mirror,
        downstream: Downstream,
        order: CopyDue,
        until: datetime,
        held: Held,
        lists: TagLists,
    ) -> list[Outcome]:
        now = self._ports.clock.now()
        outcomes: list[Outcome] = []
        promise = Promise(f"{downstream.endpoint} {now.isoformat()}", 0, min(until + _MARGIN, now + _PROMISED))
        before = self._ports.carrier.rate(mirror, ask=order.wanted[0].digest if order.wanted else "")
        try:
            order, outcomes = self._affordable(correlation, mirror, order, promise, whose(mirror, before))
            if not order.wanted:
                return outcomes
            report = self._run(mirror, downstream, order, until, held, lists)
        except TooLargeError as error:
            return outcomes + self._fan_out(correlation, mirror, order, error.blobs)
        finally:
            if order.wanted:
                self._settle(mirror, promise, before)
        held.check()  # what came of it is no longer known when others go on with it
        return outcomes + self._concluded(correlation, mirror, downstream, order, report)

    def _settle(self, mirror: Mirror, promise: Promise, before: RateLimit | None) -> None:
        """Ends the promise, and keeps what upstream says now: of another address, if we have got another one."""
        now, rate = self._ports.clock.now(), self._ports.carrier.rate(mirror)
        promised, told = whose(mirror, before), whose(mirror, rate)
        if promised != told:
            self._ports.pulls.settle(promised, promise.token, before, now)
        self._ports.pulls.settle(told, promise.token, rate, now)

    def _affordable(
        self, correlation: str, mirror: Mirror, order: CopyDue, promise: Promise, budget: str
    ) -> tuple[CopyDue, list[Outcome]]:
        """What upstream's pulls allow, promised; the rest waits until there are more.

        What was fanned out has been read: its manifests are on the shelf, and cost nothing now.
        """
        now = self._ports.clock.now()
        for place, each in enumerate(order.wanted):
            if order.fanned and self._ports.carrier.shelved(mirror, each.digest):
                continue
            more = promise._replace(pulls=each.pulls)
            if self._ports.pulls.reserve(budget, more, now, mirror.keep_pulls) is None:
                until = self._ports.pulls.budget(budget).refills(now)
                late = replace(order, wanted=order.wanted[place:])
                self._later(correlation, late, until)
                waits = telling.put_off(correlation, mirror, "budget", until, len(late.wanted))
                return replace(order, wanted=order.wanted[:place]), [waits]
        return order, []

    def _run(
        self, mirror: Mirror, downstream: Downstream, order: CopyDue, until: datetime, held: Held, lists: TagLists
    ) -> Report:
        """The engine; once more when the repository was missing and has been created."""
        items = [Item(each.digest, each.tag) for each in order.wanted]
        whole = order.fanned >= _MOST_FANNED
        creatable = downstream.creatable and mirror.template.create
        if creatable and all(each.reason == "new" for each in order.wanted):
            self._ports.places.create(mirror, downstream)
        complete = self._complete(mirror, downstream, order)
        part = Part(mirror, downstream, items, until, whole, complete, held, lists)
        report = self._ports.carrier.copy(part)
        gone = any(isinstance(f.error, RepositoryGoneError) and f.side == "destination" for f in report.failures)
        if gone and creatable and self._ports.places.create(mirror, downstream):
            return self._ports.carrier.copy(replace(part, complete=()))
        return report

    def _complete(self, mirror: Mirror, downstream: Downstream, order: CopyDue) -> Collection[Digest]:
        """Images that were copied there on the terms of now: with all that these want. Not what is to be repaired."""
        known = self._ports.memory.known(mirror.name).get(downstream.endpoint, {})
        repaired = {each.digest for each in order.wanted if each.reason == Reason.REPAIR}
        return {each.source for each in known.values() if each.copied and each.terms == mirror.terms} - repaired

    # -- what came of it ---------------------------------------------------------------------------------------------

    def _concluded(
        self, correlation: str, mirror: Mirror, downstream: Downstream, order: CopyDue, report: Report
    ) -> list[Outcome]:
        """Each tag by itself: what is downstream is remembered, what failed is told, or tried again."""
        known = self._ports.memory.known(mirror.name).get(downstream.endpoint, {})
        outcomes = [telling.noted(correlation, mirror, downstream, note) for note in report.notes]
        again: list[tuple[Wanted, LongshoreError]] = []
        self._troubles.over(mirror, downstream, COPY, known)
        tags = Concluding(self._ports, self._teller, correlation, mirror, downstream, order, report)
        pulled = _pulled(order, report)
        for each in order.wanted:
            cost = max(each.pulls, pulled.get(each.digest, 0))
            now, left, failure, told = tags.placed(each, known.get(each.tag, Known(each.tag)), cost)
            outcomes += told
            if failure is not None and _is_worth_another(failure.error, order, report):
                again.append((left, failure.error))
            elif failure is not None:
                outcomes += tags.gave_up(left, now, failure)
        if again:
            outcomes += self._once_more(correlation, mirror, order, again, report)
        return outcomes

    def _once_more(
        self,
        correlation: str,
        mirror: Mirror,
        order: CopyDue,
        again: Sequence[tuple[Wanted, LongshoreError]],
        report: Report,
    ) -> list[Outcome]:
        """At once while each run comes further, soon while others are at it; else it was a try.

        It is planned anew: what this run has copied itself is no reason to leave out what is left of it.
        """
        now = self._ports.clock.now()
        order = replace(order, planned=now)
        wanted, errors = tuple(each for each, _ in again), [error for _, error in again]
        if all(_is_no_try(error, progressed=report.progressed) for error in errors):
            until = max(_until(error, now) for error in errors)
            self._later(correlation, replace(order, wanted=wanted), until)
            return [telling.put_off(correlation, mirror, _passing(errors), until, len(wanted))]
        until = now + _FIRST_WAIT * 2**order.tries
        until = max([until, *(_until(error, now) for error in errors)])
        self._later(correlation, order.again(wanted), until)
        return [telling.put_off(correlation, mirror, "failed", until, len(wanted))]

    def _later(self, correlation: str, work: CopyDue | BlobsDue, until: datetime) -> None:
        now = self._ports.clock.now()
        body = message(work, correlation, now)
        self._ports.postponer.postpone(waiting(body, until) if until > now else body, until)

    # -- blobs that go ahead -----------------------------------------------------------------------------------------

    def _fan_out(self, correlation: str, mirror: Mirror, order: CopyDue, blobs: Sequence[Descriptor]) -> list[Outcome]:
        """Every parcel of blobs has an invocation of its own; who sends the last one has the manifests stored."""
        now = self._ports.clock.now()
        then = replace(order, fanned=order.fanned + 1)
        job = _job(then, blobs)
        self._ports.jobs.begin(job, [blob.digest for blob in blobs], now)
        parcels = packs(blobs)
        for parcel in parcels:
            self._later(correlation, BlobsDue(job, tuple(parcel), then), now)
        return [telling.put_off(correlation, mirror, "fanned-out", now, len(parcels))]

    def send(self, correlation: str, mirror: Mirror, work: BlobsDue, until: datetime) -> list[Outcome]:
        """Sends a parcel. What will not arrive so is left to the copy, which tells whom it concerns."""
        downstream = _downstream(mirror, work.then)
        if downstream is None:
            return []
        sent = self._sent(mirror, downstream, work, until)
        over = {blob.digest: error for blob, error in sent.failed}
        is_try = not sent.progressed and not all(isinstance(error, BusyError) for error in over.values())
        tried = replace(work, tries=work.tries + 1) if is_try else work
        stuck = tried.tries > _MOST_TRIES
        left = [b for b in work.blobs if _is_late(over.get(b.digest), stuck=stuck)]
        settled = [b.digest for b in work.blobs if b not in left]
        self._arrived(correlation, work, settled)
        return self._rest(correlation, mirror, replace(tried, blobs=tuple(left)), [over[b.digest] for b in left])

    def _sent(self, mirror: Mirror, downstream: Downstream, work: BlobsDue, until: datetime) -> Sent:
        try:
            return self._ports.carrier.send(mirror, downstream, work.blobs, until)
        except PermanentError as error:
            return Sent((), tuple((blob, error) for blob in work.blobs))

    def _arrived(self, correlation: str, work: BlobsDue, blobs: Sequence[Digest]) -> None:
        left = self._ports.jobs.arrived(work.job, blobs)
        if left == 0:
            self._later(correlation, work.then, self._ports.clock.now())
            self._ports.jobs.end(work.job)

    def _rest(
        self, correlation: str, mirror: Mirror, work: BlobsDue, errors: Sequence[LongshoreError]
    ) -> list[Outcome]:
        """What the deadline cut off goes on at once; anything else is tried again by the queue, and dead-lettered."""
        now = self._ports.clock.now()
        if not work.blobs:
            return []
        waits = [_until(error, now) for error in errors]
        hard = [e for e in errors if not isinstance(e, UnfinishedError | ThrottledError | BusyError)]
        if hard:
            raise hard[0]
        until = max([*waits, now + _FIRST_WAIT * 2 ** (work.tries - 1) if work.tries else now])
        self._later(correlation, work, until)
        return [telling.put_off(correlation, mirror, _passing(errors), until, len(work.blobs))]


def _downstream(mirror: Mirror, order: CopyDue) -> Downstream | None:
    return next((each for each in mirror.downstreams if each.endpoint == order.downstream), None)


def _pulled(order: CopyDue, report: Report) -> dict[Digest, int]:
    """What each image has cost: of what all of them did, its share; nothing if not all was read."""
    if report.pulls is None or report.failures or report.in_sync:
        return {}
    promised = {each.digest: max(1, each.pulls) for each in order.wanted}
    total = sum(promised.values())
    return {digest: ceil(report.pulls * pulls / total) for digest, pulls in promised.items()}


def _until(error: LongshoreError, now: datetime) -> datetime:
    """When what failed may be tried again."""
    if isinstance(error, PutOffError):
        return error.until
    if isinstance(error, BusyError):
        return now + _BUSY
    return now + timedelta(seconds=error.retry_after) if isinstance(error, ThrottledError) else now


def _is_no_try(error: LongshoreError, *, progressed: bool) -> bool:
    """Whether it tells nothing of how well it goes: the time was up on the way, or others are at it."""
    return isinstance(error, BusyError) or (progressed and isinstance(error, UnfinishedError))


def _passing(errors: Sequence[LongshoreError]) -> str:
    """The reason to wait for what is no failure."""
    return "busy" if any(isinstance(error, BusyError) for error in errors) else "unfinished"


def _is_worth_another(error: LongshoreError, order: CopyDue, report: Report) -> bool:
    """Whether it may go better; what the time was too short for, as long as there was anything to show for it."""
    if _is_no_try(error, progressed=report.progressed):
        return True
    return isinstance(error, TransientError) and order.tries < _MOST_TRIES


def _is_late(error: LongshoreError | None, *, stuck: bool) -> bool:
    """Whether a blob may go ahead another time; where nothing moves (`stuck`), only what has another reason for it."""
    if isinstance(error, UnfinishedError | ThrottledError) and stuck:
        return False
    return isinstance(error, TransientError)


def _job(order: CopyDue, blobs: Sequence[Descriptor]) -> str:
    """The same name for the same work, so that a repeated message begins no second job."""
    tags = ",".join(f"{each.tag}@{each.digest}" for each in order.wanted)
    text = f"{order.downstream} {order.planned.isoformat()} {order.fanned} {tags}"
    return sha256(f"{text} {len(blobs)}".encode()).hexdigest()[:32]
