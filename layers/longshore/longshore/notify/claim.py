"""A claim of one thread: its state, written under a fencing token, and what every delivery does with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from longshore.errors import MessageGoneError, PermanentError, ThrottledError
from longshore.notify import outcomes
from longshore.notify.failing import give_up, reason_of, why_of
from longshore.notify.pacing import PATIENCE, backoff, gate
from longshore.notify.routes import FALLBACK
from longshore.notify.steps import Act
from longshore.notify.telling import UNHEARD
from longshore.notify.threads import Call, Thread, Waiting

if TYPE_CHECKING:
    from longshore.notify.fanout import Ports
    from longshore.notify.ports import Channel
    from longshore.notify.routes import Destination
    from longshore.notify.steps import Step
    from longshore.notify.telling import Teller
    from longshore.notify.threads import State
    from longshore.outcomes import Outcome

Answered = TypeVar("Answered")


class ChannelCallError(Exception):
    """A call to a channel failed, in whatever way: its cause tells."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(type(cause).__name__)
        self.cause = cause


class Claim:
    """One thread while it is ours. `said` is what came of it, `why` what it waits for."""

    def __init__(self, ports: Ports, teller: Teller, destination: Destination, thread: Thread, waited: str) -> None:
        """`waited` is the turn that the thread has waited for."""
        self._ports = ports
        self._teller = teller
        self._destination = destination
        self._edits = destination.type == "slack"
        self._thread = thread
        self._waited = waited
        self._turn = ""
        self._repeats = False
        self._channel_made: Channel | None = None
        self.said: list[Outcome] = []
        self.why = ""

    def release(self, until: datetime | None) -> None:
        """Lets others go on; `until` is when a copy of the message arrives."""
        self._save(lease=None, wake=until, turn=self._turn if until else "")

    # -- state --------------------------------------------------------------------------------------------------------

    @property
    def _state(self) -> State:
        return self._thread.state

    def _now(self) -> datetime:
        return self._ports.clock.now()

    def _replace(self, **changes: Any) -> None:
        self._thread = replace(self._thread, state=replace(self._state, **changes))

    def _save(self, **changes: Any) -> None:
        self._replace(**changes)
        there = {each.id for each in self._thread.waiting}
        self._replace(done=tuple(each for each in self._state.done if each.partition("#")[0] in there))
        self._thread = self._ports.threads.save(self._thread)

    def _forget(self, gone: Sequence[Waiting]) -> None:
        ids = {each.id for each in gone}
        self._thread = replace(self._thread, waiting=tuple(each for each in self._thread.waiting if each.id not in ids))

    # -- the channel --------------------------------------------------------------------------------------------------

    def _ask(self, call: Callable[[Channel], Answered]) -> Answered:
        """Calls the channel, which is made when first needed: a broken one fails here, as its own failure."""
        try:
            if self._channel_made is None:
                self._channel_made = self._ports.channels(self._destination)
            return call(self._channel_made)
        except Exception as error:
            raise ChannelCallError(error) from error

    def _wait(self, act: Act) -> datetime | None:
        """Takes a turn; answers when to come back if it is not ours yet."""
        name, every = gate(self._destination, act)
        if not every:
            return None
        waited, self._waited = self._waited == act, ""
        self.why, self._turn = "pace", act
        return self._ports.turns.take(name, every, self._now(), waited=waited)

    def _about_to(self, key: str, waiting: Waiting) -> datetime | None:
        """Writes down the call that comes next; answers since when it was tried before, if it was."""
        call = self._state.call
        self._repeats = call is not None and call.key == key
        if call and self._repeats:
            return call.since
        self._save(call=Call(key, self._now(), waiting.id))
        return None

    # -- failure ------------------------------------------------------------------------------------------------------

    def _failed(self, step: Step, error: Exception) -> datetime | None:
        """What a failed call means for the thread; answers when to go on, None: at once."""
        if isinstance(error, ThrottledError):
            return self._throttled(Act.EDIT if step.act is Act.EDIT else Act.POST, error.retry_after)
        if isinstance(error, PermanentError) and not isinstance(error, MessageGoneError):
            self._give_up([step.waiting], reason_of(error), why_of(error))
            return None
        self._replace(failures=self._state.failures + 1)
        wait = backoff(self._state.failures)
        if wait is None:
            self._give_up(self._thread.waiting, "unreachable", why_of(error))
            return None
        if isinstance(error, MessageGoneError):
            self._save(root=None, posted=False, shown=None, digest="", call=None)
            return None
        self.why, self._turn = reason_of(error), ""
        return self._now() + wait

    def _throttled(self, act: Act, seconds: float) -> datetime:
        until = self._now() + timedelta(seconds=seconds)
        self._ports.turns.shut(gate(self._destination, act)[0], until)
        self.why, self._turn = "throttled", act
        if act is Act.POST and not self._repeats:  # it was surely not accepted; of an earlier try nobody knows
            self._replace(call=None)
        return until

    def _give_up_what_is_overdue(self) -> None:
        overdue = [each for each in self._thread.waiting if self._now() - each.since > PATIENCE]
        if overdue:
            self._give_up(overdue, "overdue", f"it could not be told for {PATIENCE}")

    def _give_up(self, waiting: Sequence[Waiting], reason: str, why: str) -> None:
        self.said += give_up(self._ports, self._teller, self._thread, waiting, reason, why, self._destination.type)
        self._forget(waiting)
        self._save(call=None, failures=0)

    def _check_the_fallback(self, waiting: Waiting) -> None:
        if self._destination.name == FALLBACK and not self._ports.subscribers():
            correlation = waiting.notice.correlation
            self.said.append(outcomes.unheard(correlation, thread=self._thread.name))
            why = "nobody has confirmed a subscription to the topic"
            self.said += self._teller.failed(FALLBACK, self._destination.type, UNHEARD, why, correlation)
