"""Delivery: what waits in one thread of one destination is told, in order, one call to the channel at a time.

Whatever crashes between two calls of a port, the next delivery finds the same state and goes on: what is about to be
done is written down before, what was done is written down after, and the channel is asked for what lies between.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from longshore.notices import Severity
from longshore.notify import outcomes, storm
from longshore.notify.claim import ChannelCallError, Claim
from longshore.notify.incidents import Recoveries
from longshore.notify.life import Life
from longshore.notify.render.dispatch import render
from longshore.notify.steps import Act, Step, next_step, saying
from longshore.notify.threads import Call, chapter

if TYPE_CHECKING:
    from collections.abc import Sequence

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
                return None if self._absorbed(step.waiting) or self._overtaken(step.waiting) else self._post(step)
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
        self._recoveries().remember(waiting.notice, self._now())
        message = self._ask(lambda channel: channel.post(rendered, idempotency=key, since=since))
        severity = waiting.notice.severity
        changes: dict[str, Any] = {
            "root": message,
            "posted": True,
            "roots": state.roots + 1,
            "first": waiting.id,
            "shown": max(state.shown or waiting.order, waiting.order),
            "gravest": state.gravest if state.gravest and state.gravest.at_least(severity) else severity,
            "digest": rendered.digest if self._edits else saying(waiting.notice),
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
        if answers and waiting.child and not new:  # it has no part in the life of the thread that it is told in
            inline = self._render("slack-webhook", replace(waiting, mention=""), Life())
            return replace(inline, reply=inline.body)
        # What is new in the channel as a message needs not be shown there again from its thread.
        return self._render(self._destination.type, waiting, Life() if answers and new else step.life)

    def _render(self, kind: str, waiting: Waiting, life: Life) -> Rendered:
        language, notice = self._destination.language, waiting.notice
        return self._ask(lambda _: render(notice, kind, language, mention=waiting.mention, life=life))

    def _finish(self, waiting: Waiting, **changes: Any) -> None:
        """Writes down that a notice is told, then takes it out of the outbox: in this order it is never told twice."""
        self._thread = replace(self._thread, state=self._state.after(waiting))
        self._save(**changes, done=(*self._state.done, waiting.id), failures=0)
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

    def _overtaken(self, waiting: Waiting) -> bool:
        """Whether an alert comes too late: a good push after it was told before. What a person put back is told."""
        if waiting.put_back or not self._recoveries().overtook(waiting.notice, self._now()):
            return False
        self._finish(waiting, call=None)
        return True

    def _recoveries(self) -> Recoveries:
        return Recoveries(self._ports.threads, self._destination)

    def _storm(self, waiting: Waiting) -> str:
        """The window whose summary takes the notice, or nothing. That it does is written down before it is done.

        Failures are never summed up, and pages are no messages: each is an incident that its recovery has to find.
        """
        call, now = self._state.call, self._now()
        if call:
            return storm.absorbed_by(call.key)
        window = storm.window(now)
        if self._state.first or self._state.window == window or self._destination.type == "pagerduty":
            return ""
        counted = self._ports.switches.count(f"storm/{self._destination.name}/{window}", now, storm.LIMIT)
        if counted or any(each.notice.severity.at_least(Severity.ERROR) for each in self._thread.waiting):
            self._replace(window=window)
            return ""
        self._save(call=Call(storm.absorbing(window), now, waiting.id))
        return window


class SummaryDelivery(Delivery):
    """The one message that stands for a storm: its thread names all of it, an edit at a time with a few lines.

    Where there are no threads it is posted at the storm's beginning and at its end, each with what came until then.
    """

    def _next(self) -> Step | None:
        batch = self._batch()
        if not batch:
            return None
        if not self._edits or self._state.root is None:
            return Step(Act.POST, batch[-1], Life())
        return Step(Act.REPLY if _shown(batch) in self._state.done else Act.EDIT, batch[-1], Life())

    def _batch(self) -> tuple[Waiting, ...]:
        pending = self._thread.waiting
        return storm.together(self._state.storm, pending, storm.TOGETHER if self._edits else len(pending))

    def _do(self, step: Step) -> datetime | None:
        batch = self._batch()
        record = storm.folded(self._state.storm, batch)
        if until := self._quiet(step.act, batch) or self._wait(Act.EDIT if step.act is Act.EDIT else Act.POST):
            return until
        rendered = self._summed(record, batch)
        if step.act is Act.EDIT:
            message = self._state.root or ""
            self._ask(lambda channel: channel.update(message, rendered))
            self._save(**self._begun(batch), digest=rendered.digest)
        elif step.act is Act.REPLY:
            self._reply_with(rendered, batch)
            self._finish_all(record, batch)
        else:
            self._post_summary(rendered, record, batch)
        return None

    def _quiet(self, act: Act, batch: Sequence[Waiting]) -> datetime | None:
        """When to tell more: a message that cannot be edited is not followed by another before the storm is over."""
        now = self._now()
        over = storm.ends(self._thread.name)
        if not self._edits and self._state.posted and now < over:
            self.why, self._turn = "storm", ""
            return over
        ready = min(each.since for each in batch) + storm.COMPANY
        if act is Act.EDIT and len(batch) < storm.TOGETHER and now < ready:
            self.why, self._turn = "storm", ""
            return ready
        return None

    def _post_summary(self, rendered: Rendered, record: dict[str, Any], batch: Sequence[Waiting]) -> None:
        key = f"{self._destination.name}/{self._thread.name}/{self._state.roots}"
        self._replace(**self._begun(batch))
        since = self._about_to(key, batch[-1])
        message = self._ask(lambda channel: channel.post(rendered, idempotency=key, since=since))
        self._replace(root=message, posted=True, roots=self._state.roots + 1, call=None)
        if self._edits:
            self._save(digest=rendered.digest)
        else:
            self._finish_all(record, batch)

    def _reply_with(self, rendered: Rendered, batch: Sequence[Waiting]) -> None:
        key, message = f"{batch[0].id}/lines", self._state.root or ""
        since = self._about_to(key, batch[-1])
        self._ask(lambda channel: channel.reply(message, rendered, idempotency=key, since=since))
        self._replace(call=None)

    def _begun(self, batch: Sequence[Waiting]) -> dict[str, Any]:
        """What is told together stays together: whoever tries again tells the same."""
        telling = [each.id for each in batch]
        return {"storm": {**self._state.storm, "telling": telling}, "done": (*self._state.done, _shown(batch))}

    def _summed(self, record: dict[str, Any], batch: Sequence[Waiting]) -> Rendered:
        notice = storm.summary(record, batch, self._thread.name, self._destination.language, threaded=self._edits)
        kind, language = self._destination.type, self._destination.language
        return self._ask(lambda _: render(notice, kind, language, mention=batch[-1].mention))

    def _finish_all(self, record: dict[str, Any], batch: Sequence[Waiting]) -> None:
        self._save(storm=record, done=tuple(each.id for each in batch), failures=0)
        for each in batch:
            self._told(each)


def _shown(batch: Sequence[Waiting]) -> str:
    return f"{batch[-1].id}#shown"


def delivery(ports: Ports, teller: Teller, destination: Destination, thread: Thread, waited: str) -> Delivery:
    """The delivery of a thread that is claimed; `waited` is the turn that it has waited for."""
    kind = SummaryDelivery if storm.is_summary(thread.name) else Delivery
    return kind(ports, teller, destination, thread, waited)
