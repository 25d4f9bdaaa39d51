"""Delivery: what waits in one thread of one destination is told, in order, one call to the channel at a time.

Whatever crashes between two calls of a port, the next delivery finds the same state and goes on: what is about to be
done is written down before, what was done is written down after, and the channel is asked for what lies between.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from longshore.notify import outcomes, storm
from longshore.notify.claim import ChannelCallError, Claim
from longshore.notify.life import Life
from longshore.notify.render.dispatch import render
from longshore.notify.steps import Act, Step, next_step
from longshore.notify.threads import Call, chapter

if TYPE_CHECKING:
    from longshore.notify.fanout import Ports
    from longshore.notify.ports import Rendered
    from longshore.notify.routes import Destination
    from longshore.notify.telling import Teller
    from longshore.notify.threads import Thread, Waiting

_BUDGET: Final = timedelta(seconds=20)
"""No step begins later than this after the first; with the longest call it stays within the lease."""


class Delivery(Claim):
    """The notices of an incident: a message and what is told in its thread."""

    def run(self) -> datetime | None:
        """Tells all that may be told now; answers when to go on, None when nothing is left."""
        deadline = self._now() + _BUDGET
        for each in self._thread.waiting:
            if each.id in self._state.done:
                self._told(each)  # a delivery ended before it could clear its outbox
        self._give_up_what_is_overdue()
        while step := self._next():
            if self._now() >= deadline:
                self.why = "budget"
                return self._now()
            try:
                until = self._do(step)
            except ChannelCallError as error:
                until = self._failed(step, error.cause)
            if until is not None:
                return until
        return None

    def _next(self) -> Step | None:
        state, told = chapter(self._state, self._thread.waiting)
        self._thread = replace(self._thread, state=state)
        return next_step(state, told, edits=self._edits)

    def _do(self, step: Step) -> datetime | None:
        match step.act:
            case Act.PASS:
                self._finish(step.waiting)
                return None
            case Act.POST:
                return None if self._absorbed(step.waiting) else self._post(step)
            case Act.EDIT:
                return self._edit(step)
            case _:
                return self._answer(step)

    def _post(self, step: Step) -> datetime | None:
        waiting, rendered = step.waiting, self._rendered(step)
        if until := self._wait(Act.POST):
            return until
        name, state = self._destination.name, self._state
        key = f"{name}/{self._thread.name}/{state.roots}" if self._edits else f"{name}/{waiting.id}"
        since = self._about_to(key, waiting)
        message = self._ask(lambda channel: channel.post(rendered, idempotency=key, since=since))
        severity = waiting.notice.severity
        changes: dict[str, Any] = {
            "root": message,
            "posted": True,
            "roots": state.roots + 1,
            "first": waiting.id,
            "shown": max(state.shown or waiting.order, waiting.order),
            "gravest": state.gravest if state.gravest and state.gravest.at_least(severity) else severity,
            "digest": rendered.digest,
            "call": None,
        }
        if self._edits:
            self._save(**changes)
        else:
            self._finish(waiting, **changes)
        self._check_the_fallback(waiting)
        return None

    def _edit(self, step: Step) -> datetime | None:
        rendered = self._rendered(step)
        if rendered.digest != self._state.digest:
            if until := self._wait(Act.EDIT):
                return until
            message = self._state.root or ""
            self._ask(lambda channel: channel.update(message, rendered))
        self._save(shown=step.waiting.order, digest=rendered.digest)
        return None

    def _answer(self, step: Step) -> datetime | None:
        """Details to the thread, then the file, each a call of its own."""
        waiting, rendered, is_file = step.waiting, self._rendered(step), step.act is Act.FILE
        part = replace(rendered, reply=None) if is_file else replace(rendered, file=None)
        if part.reply or part.file:
            if until := self._wait(Act.POST):
                return until
            key, message = f"{waiting.id}/{step.act}", self._state.root or ""
            since = self._about_to(key, waiting)
            self._ask(lambda channel: channel.reply(message, part, idempotency=key, since=since))
            self._replace(call=None)
        if rendered.file and not is_file:
            self._save(done=(*self._state.done, f"{waiting.id}#reply"))
        else:
            self._finish(waiting)
        return None

    def _rendered(self, step: Step) -> Rendered:
        waiting, answers = step.waiting, step.act in (Act.REPLY, Act.FILE)
        new = waiting.id == self._state.first
        # What is new in the channel as a message needs not be shown there again from its thread.
        life = Life() if answers and new else step.life
        made = self._render(waiting, life)
        return replace(made, reply=made.body) if answers and waiting.child and not new else made

    def _render(self, waiting: Waiting, life: Life) -> Rendered:
        kind, language, notice = self._destination.type, self._destination.language, waiting.notice
        return self._ask(lambda _: render(notice, kind, language, mention=waiting.mention, life=life))

    def _finish(self, waiting: Waiting, **changes: Any) -> None:
        """Writes down that a notice is told, then takes it out of the outbox: in this order it is never told twice."""
        notice, state = waiting.notice, self._state
        changes |= {"done": (*state.done, waiting.id), "failures": 0}
        if not waiting.child:
            changes |= {"life": state.life.then(notice), "last_kind": notice.kind, "last_at": notice.occurred_at}
            if notice.phase.final:
                changes["closed"] = max(state.closed or waiting.order, waiting.order)
        self._save(**changes)
        self._told(waiting)

    def _told(self, waiting: Waiting) -> None:
        self._ports.threads.told(self._thread, waiting)
        self._forget([waiting])
        detail = {
            "destination": self._destination.name,
            "thread": self._thread.name,
            "kind": waiting.notice.kind.value,
            "seconds": round((self._now() - waiting.since).total_seconds(), 1),
        }
        self.said.append(outcomes.told(waiting.notice.correlation, "told", **detail))

    def _absorbed(self, waiting: Waiting) -> bool:
        """Whether the notice goes to the storm's summary instead of opening one more message."""
        window = self._storm(waiting)
        if not window:
            return False
        storm.absorb(self._ports, self._destination.name, window, waiting, self._now())
        self._finish(waiting, call=None)
        return True

    def _storm(self, waiting: Waiting) -> str:
        """The window whose summary takes the notice, or nothing. That it does is written down before it is done."""
        call, now = self._state.call, self._now()
        if call:
            return storm.absorbed_by(call.key)
        window = storm.window(now)
        if self._state.first or self._state.window == window:
            return ""
        if self._ports.switches.count(f"storm/{self._destination.name}/{window}", now, storm.LIMIT):
            self._replace(window=window)
            return ""
        self._save(call=Call(storm.absorbing(window), now, waiting.id))
        return window


class SummaryDelivery(Delivery):
    """The one message that stands for a storm: edited with every notice, or posted at its beginning and its end."""

    def _next(self) -> Step | None:
        pending = self._thread.waiting
        if not pending:
            return None
        act = Act.EDIT if self._edits and self._state.root else Act.POST
        return Step(act, pending[-1], Life())

    def _do(self, step: Step) -> datetime | None:
        pending = self._thread.waiting
        record = storm.folded(self._state.storm, pending)
        rendered = self._summed(record, step.waiting)
        if step.act is Act.EDIT:
            return self._edit_summary(rendered, record)
        over = storm.ends(self._thread.name)
        if self._state.posted and self._now() < over:
            self.why, self._turn = "storm", ""
            return over
        if until := self._wait(Act.POST):
            return until
        key = f"{self._destination.name}/{self._thread.name}/{self._state.roots}"
        since = self._about_to(key, step.waiting)
        message = self._ask(lambda channel: channel.post(rendered, idempotency=key, since=since))
        self._replace(root=message, posted=True, roots=self._state.roots + 1, call=None)
        if self._edits:  # what an earlier try posted may say less: then the edit that follows is not left out
            self._save(digest=rendered.digest if since is None else "")
        else:
            self._finish_all(record)
        return None

    def _edit_summary(self, rendered: Rendered, record: dict[str, Any]) -> datetime | None:
        if rendered.digest != self._state.digest:
            if until := self._wait(Act.EDIT):
                return until
            message = self._state.root or ""
            self._ask(lambda channel: channel.update(message, rendered))
        self._replace(digest=rendered.digest)
        self._finish_all(record)
        return None

    def _summed(self, record: dict[str, Any], newest: Waiting) -> Rendered:
        notice = storm.summary(record, newest.notice, self._destination.language)
        kind, language = self._destination.type, self._destination.language
        made = self._ask(lambda _: render(notice, kind, language, mention=newest.mention))
        return replace(made, reply=None, file=None)

    def _finish_all(self, record: dict[str, Any]) -> None:
        pending = self._thread.waiting
        self._save(storm=record, done=tuple(each.id for each in self._thread.waiting), failures=0)
        for each in pending:
            self._told(each)


def delivery(ports: Ports, teller: Teller, destination: Destination, thread: Thread, waited: str) -> Delivery:
    """The delivery of a thread that is claimed; `waited` is the turn that it has waited for."""
    kind = SummaryDelivery if storm.is_summary(thread.name) else Delivery
    return kind(ports, teller, destination, thread, waited)
