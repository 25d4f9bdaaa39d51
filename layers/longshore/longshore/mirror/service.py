"""Mirror: what each message leads to. Every path may be repeated: registries and ledger decide, not the message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from longshore.errors import PermanentError, ThrottledError, TransientError
from longshore.events import SweepDue
from longshore.images import Endpoint, ImageReference, is_artifact_tag
from longshore.mirror import telling
from longshore.mirror.again import LaterLooks, backed_off
from longshore.mirror.copying import Copying
from longshore.mirror.leases import Held
from longshore.mirror.messages import (
    BlobsDue,
    CopyDue,
    FindingsSeen,
    ImagePushed,
    Message,
    MirrorDue,
    Wanted,
    is_private,
    message,
    waiting,
)
from longshore.mirror.plan import Known
from longshore.mirror.reasons import Action, Reason
from longshore.mirror.survey import Survey, Surveyor
from longshore.mirror.telling import Teller
from longshore.mirror.troubles import DELETE, DESCRIBE, LOOK, Troubles

if TYPE_CHECKING:
    from longshore.mirror.carrier import Carrier
    from longshore.mirror.plan import Step
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.stores import Jobs, Leases, Memory, Places, Pulls
    from longshore.outcomes import Outcome
    from longshore.ports import Clock, Postponer, Publisher, Switches

_SLACK: Final = timedelta(minutes=10)
"""The sweep's own window: a mirror that is due within it is due now."""
_ACCUSED: Final = timedelta(minutes=1)
"""Findings of a repository come together: one look serves them."""
_PAUSED: Final = timedelta(minutes=15)
_BUSY: Final = timedelta(minutes=1)
_MOST: Final = 500
"""Tags in one order: a message holds 256 kB."""


_Looked: TypeAlias = "tuple[list[Outcome], list[CopyDue]]"
"""What was done and told at once, and what is to be copied."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All that mirror needs."""

    places: Places
    memory: Memory
    pulls: Pulls
    leases: Leases
    jobs: Jobs
    carrier: Carrier
    postponer: Postponer
    publisher: Publisher
    switches: Switches
    clock: Clock


class Mirrorer:
    """The use case of mirror's queue."""

    def __init__(
        self,
        ports: Ports,
        mirrors: Mapping[str, Mirror],
        home: str,
        *,
        observe: bool = False,
        forgets: bool = False,
    ) -> None:
        """`home` is the host of this account's and Region's registry; `observe`: plan, and change nothing.

        `forgets`: nobody gets the messages for later, as of a command. Then none may be relied on.
        """
        self._ports = ports
        self._mirrors = mirrors
        self._home = home
        self._observe = observe
        self._surveyor = Surveyor(ports.places, ports.memory, ports.pulls, ports.clock)
        self._teller = Teller(ports.publisher)
        self._troubles = Troubles(ports.memory, self._teller)
        self._copying = Copying(ports, self._teller, self._troubles)
        self._later = LaterLooks(ports.leases, ports.postponer, forgets=forgets)

    def handle(self, received: Message, until: datetime) -> list[Outcome]:
        """Does what a message asks for, as far as it can be begun before `until`. Raises TransientError."""
        now = self._ports.clock.now()
        if received.not_before and now < received.not_before:
            self._ports.postponer.postpone(received.body, received.not_before)
            return []
        match received.work:
            case SweepDue():
                return self._sweep(received.correlation, now)
            case ImagePushed() as pushed:
                return self._pushed(received.correlation, pushed, now)
            case FindingsSeen() as seen:
                return self._accused(received.correlation, seen, now)
            case MirrorDue() | CopyDue() | BlobsDue() as work:
                return self._worked(received, work, until)
        return []

    def _worked(self, received: Message, work: MirrorDue | CopyDue | BlobsDue, until: datetime) -> list[Outcome]:
        """What asks registries: not while everything is paused. Then one look at each mirror waits, and orders do."""
        now = self._ports.clock.now()
        if self._ports.switches.paused() is not None:
            if isinstance(work, MirrorDue):
                self._later.put_off(received.correlation, work, now, now + _PAUSED)
            else:
                self._ports.postponer.postpone(received.body, now + _PAUSED)
            return []
        if isinstance(work, MirrorDue):
            return self._due(received, work, until)
        return self._carry(received, work, until)

    # -- what makes mirrors due -------------------------------------------------------------------------------------

    def _sweep(self, correlation: str, now: datetime) -> list[Outcome]:
        """A message for each mirror whose time has come: each has an invocation of its own.

        None for those that are looked at later anyway: whoever put them off had a reason to.
        """
        for mirror in self._mirrors.values():
            last = self._ports.leases.last(_lease_of(mirror))
            is_due = last is None or now >= last + mirror.every - _SLACK
            if is_due and self._later.pending(mirror.name, now) is None:
                self._ports.postponer.postpone(message(MirrorDue(mirror.name), correlation, now), now)
        return []

    def _pushed(self, correlation: str, pushed: ImagePushed, now: datetime) -> list[Outcome]:
        """Mirrors of the repository look at the tag; at everything when it is a signature's."""
        if pushed.repository is not None:
            upstream = Endpoint(self._home, pushed.repository.name)
        elif pushed.upstream is not None and not is_private(pushed.upstream):
            upstream = pushed.upstream
        else:
            return []  # ECR tells of its own pushes
        if pushed.tag is None:
            return []
        tags = () if is_artifact_tag(pushed.tag) else (pushed.tag,)
        for mirror in self._mirrors.values():
            if mirror.upstream == upstream:
                self._ports.postponer.postpone(message(MirrorDue(mirror.name, tags), correlation, now), now)
        return []

    def _accused(self, correlation: str, seen: FindingsSeen, now: datetime) -> list[Outcome]:
        """Mirrors that keep the repository look upstream now, whenever they are due: it may have been mended there."""
        for mirror in self._mirrors.values():
            kept = (ImageReference(each.endpoint.host, each.endpoint.name).repository for each in mirror.downstreams)
            if seen.repository in kept:
                self._later.put_off(correlation, MirrorDue(mirror.name), now, now + _ACCUSED)
        return []

    # -- one mirror --------------------------------------------------------------------------------------------------

    def _due(self, received: Message, due: MirrorDue, until: datetime) -> list[Outcome]:
        mirror, now = self._mirrors.get(due.mirror), self._ports.clock.now()
        if mirror is None:
            return []  # it was taken out of the configuration since
        held = Held.take(self._ports.leases, self._ports.clock, _lease_of(mirror))
        if held is None:
            self._ports.postponer.postpone(waiting(received.body, now + _BUSY), now + _BUSY)
            return [telling.put_off(received.correlation, mirror, "busy", now + _BUSY)]
        try:
            outcomes, orders = self._looked(received, _narrowed(mirror, due), due, held)
        finally:
            held.release()
        return outcomes + self._carry_out(received.correlation, mirror, orders, until)

    def _looked(self, received: Message, mirror: Mirror, due: MirrorDue, held: Held) -> _Looked:
        now = self._ports.clock.now()
        try:
            survey = self._surveyor.look(mirror, due.tags or None, beat=held.is_kept)
            _raise_if_nothing_is_listed(survey)
        except ThrottledError as error:
            return [self._throttled(received.correlation, mirror, due, error)], []
        except PermanentError as error:
            self._ports.leases.done(_lease_of(mirror), now)  # the next sweep that is due tries again
            return self._troubles.tell(received.correlation, mirror, None, LOOK, error), []
        for each in survey.listings:
            self._troubles.over(mirror, each, LOOK, survey.known.get(each, {}))
        if not due.tags and not due.downstreams:
            self._ports.leases.done(_lease_of(mirror), now)
        unlisted = self._unlisted(received.correlation, survey, due)
        outcomes, orders = self._act(received.correlation, survey, held)
        return unlisted + outcomes, orders

    def _throttled(self, correlation: str, mirror: Mirror, due: MirrorDue, error: ThrottledError) -> Outcome:
        """Put off, each time for longer: a look costs a registry that has too much to do many requests."""
        now = self._ports.clock.now()
        until = now + backed_off(due, error.retry_after)
        until = self._later.put_off(correlation, due._replace(tries=due.tries + 1), now, until)
        return telling.put_off(correlation, mirror, "throttled", until)

    def _unlisted(self, correlation: str, survey: Survey, due: MirrorDue) -> list[Outcome]:
        """Downstreams that could not be looked at: told, or looked at again by themselves; the others go on."""
        outcomes: list[Outcome] = []
        for downstream, error in survey.unlisted.items():
            if isinstance(error, PermanentError):
                outcomes += self._troubles.tell(correlation, survey.mirror, downstream, LOOK, error)
                continue
            wait = backed_off(due, error.retry_after) if isinstance(error, ThrottledError) else timedelta()
            again = due._replace(downstreams=(str(downstream.endpoint),), tries=due.tries + 1)
            until = self._later.put_off(correlation, again, survey.now, survey.now + wait)
            outcomes.append(telling.put_off(correlation, survey.mirror, "unlisted", until))
        return outcomes

    def _act(self, correlation: str, survey: Survey, held: Held) -> _Looked:
        plans = survey.plans()
        mirror = survey.mirror
        if self._observe:
            return self._teller.tell([telling.reported(correlation, mirror, plans, {}, 0, observe=True)]), []
        outcomes: list[Outcome] = []
        deleted: dict[Downstream, list[str]] = {}
        orders: list[CopyDue] = []
        for downstream, steps in plans.items():
            held.check()  # what was seen is no longer true when others have gone on with it
            known = survey.known.get(downstream, {})
            self._mark(mirror, downstream, steps, known, survey)
            if mirror.catalog and survey.listings[downstream].tags:
                outcomes += self._describe(correlation, mirror, downstream, known)
            deleted[downstream], told = self._delete(correlation, mirror, downstream, steps, known)
            outcomes += told
            outcomes += self._hold(correlation, mirror, downstream, steps, known)
            orders += self._orders(mirror, downstream, steps, survey.now)
        failing = sum(step.reason is Reason.UNREADABLE for steps in plans.values() for step in steps)
        outcomes += self._teller.tell([telling.reported(correlation, mirror, plans, deleted, failing)])
        return outcomes + self._wait_for_pulls(correlation, mirror, plans, survey.now), orders

    def _carry_out(self, correlation: str, mirror: Mirror, orders: list[CopyDue], until: datetime) -> list[Outcome]:
        """One order at once, several each in an invocation of its own. The mirror may be looked at meanwhile."""
        if len(orders) == 1:
            return self._copying.copy(correlation, mirror, orders[0], until)
        now = self._ports.clock.now()
        for order in orders:
            self._ports.postponer.postpone(message(order, correlation, now), now)
        return []

    def _orders(self, mirror: Mirror, downstream: Downstream, steps: tuple[Step, ...], now: datetime) -> list[CopyDue]:
        wanted = [
            Wanted(step.tag, step.digest, step.reason.value, step.pulls, step.previous, step.referrers)
            for step in steps
            if step.action is Action.COPY
        ]
        return [
            CopyDue(mirror.name, downstream.endpoint, tuple(wanted[start : start + _MOST]), now)
            for start in range(0, len(wanted), _MOST)
        ]

    def _mark(
        self,
        mirror: Mirror,
        downstream: Downstream,
        steps: tuple[Step, ...],
        known: Mapping[str, Known],
        survey: Survey,
    ) -> None:
        """Remembers since when upstream lacks a tag, and that it has it again."""
        if survey.upstream.tags is None:
            return
        gone = {step.tag for step in steps if step.reason in (Reason.GRACE, Reason.GONE, Reason.PRUNE_GUARD)}
        for tag, each in known.items():
            if tag in gone and each.gone is None:
                self._ports.memory.remember(mirror.name, downstream.endpoint, replace(each, gone=survey.now))
            elif each.gone is not None and tag in survey.upstream.tags:
                self._ports.memory.remember(mirror.name, downstream.endpoint, replace(each, gone=None))

    def _describe(
        self, correlation: str, mirror: Mirror, downstream: Downstream, known: Mapping[str, Known]
    ) -> list[Outcome]:
        try:
            self._ports.places.describe(mirror, downstream)
        except PermanentError as error:
            return self._troubles.tell(correlation, mirror, downstream, DESCRIBE, error)
        self._troubles.over(mirror, downstream, DESCRIBE, known)
        return []

    def _delete(
        self,
        correlation: str,
        mirror: Mirror,
        downstream: Downstream,
        steps: tuple[Step, ...],
        known: Mapping[str, Known],
    ) -> tuple[list[str], list[Outcome]]:
        """Those tags that were deleted, and what came in the way."""
        going = {step.tag: step.previous for step in steps if step.action is Action.DELETE}
        if not going:
            return [], []
        try:
            deleted = list(self._ports.places.delete(downstream, going))
        except PermanentError as error:
            return [], self._troubles.tell(correlation, mirror, downstream, DELETE, error)
        self._troubles.over(mirror, downstream, DELETE, known)
        for tag in deleted:
            self._ports.memory.forget(mirror.name, downstream.endpoint, tag)
        return deleted, []

    def _hold(
        self,
        correlation: str,
        mirror: Mirror,
        downstream: Downstream,
        steps: tuple[Step, ...],
        known: Mapping[str, Known],
    ) -> list[Outcome]:
        """Tells what is held, once for the same image."""
        outcomes = []
        for step in steps:
            if step.action is not Action.HOLD:
                continue
            each, told = known.get(step.tag, Known(step.tag)), f"{step.reason.value} {step.digest}"
            outcome = telling.held(correlation, mirror, downstream, step)
            if each.told == told:
                outcomes.append(replace(outcome, kind=None))
                continue
            outcomes += self._teller.tell([outcome])
            self._ports.memory.remember(mirror.name, downstream.endpoint, replace(each, told=told))
        return outcomes

    def _wait_for_pulls(
        self, correlation: str, mirror: Mirror, plans: Mapping[Downstream, tuple[Step, ...]], now: datetime
    ) -> list[Outcome]:
        """A later look for what the budget did not allow."""
        late = [step for steps in plans.values() for step in steps if step.reason is Reason.BUDGET]
        until = min((step.until for step in late if step.until), default=None)
        if until is None:
            return []
        until = self._later.put_off(correlation, MirrorDue(mirror.name), now, until)
        return [telling.put_off(correlation, mirror, Reason.BUDGET.value, until, len(late))]

    # -- carrying out ------------------------------------------------------------------------------------------------

    def _carry(self, received: Message, work: CopyDue | BlobsDue, until: datetime) -> list[Outcome]:
        order = work if isinstance(work, CopyDue) else work.then
        mirror = self._mirrors.get(order.mirror)
        if mirror is None or self._observe:
            return []
        if isinstance(work, CopyDue):
            return self._copying.copy(received.correlation, mirror, work, until)
        return self._copying.send(received.correlation, mirror, work, until)


def _narrowed(mirror: Mirror, due: MirrorDue) -> Mirror:
    """The mirror, of those of its downstreams that a message names, if it names any that it still has."""
    named = tuple(each for each in mirror.downstreams if str(each.endpoint) in due.downstreams)
    return replace(mirror, downstreams=named) if named else mirror


def _raise_if_nothing_is_listed(survey: Survey) -> None:
    """Raises what may pass when that is all there is: the queue tries it again."""
    errors = list(survey.unlisted.values())
    if not survey.listings and all(isinstance(error, TransientError) for error in errors):
        raise errors[0]


def _lease_of(mirror: Mirror) -> str:
    return f"mirror {mirror.name}"
