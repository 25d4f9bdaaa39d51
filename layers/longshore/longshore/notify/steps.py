"""The next step of a delivery, decided from the thread alone: one call to the channel at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from longshore.notices import Severity
from longshore.notify.kinds import ENDS_ONLY

if TYPE_CHECKING:
    from longshore.notices import Notice
    from longshore.notify.life import Life
    from longshore.notify.threads import State, Waiting


class Act(StrEnum):
    """What may be done with a notice; also the name of the turn that it needs."""

    POST = "post"
    EDIT = "edit"
    REPLY = "reply"
    FILE = "file"
    PASS = "pass"  # nothing: it is told by another message


class Step(NamedTuple):
    """What to do next, with which notice, and what its thread told before it."""

    act: Act
    waiting: Waiting
    life: Life


def next_step(state: State, told: Sequence[Waiting], *, edits: bool) -> Step | None:
    """What to do next with what waits, in order; None when all of it is told."""
    if not told:
        return None
    act, waiting = _edited(state, told) if edits else _posted(state, told)
    life = _before(state, told, waiting)
    return Step(Act.PASS if act is Act.POST and _ends_nothing(waiting, life) else act, waiting, life)


def _ends_nothing(waiting: Waiting, life: Life) -> bool:
    """Whether it is good news of a trouble that nobody here was told of. What a person put back is told."""
    notice = waiting.notice
    return notice.kind in ENDS_ONLY and notice.severity is Severity.OK and not life.steps and not waiting.put_back


def _edited(state: State, told: Sequence[Waiting]) -> tuple[Act, Waiting]:
    """A message that always shows the newest notice, then the details of each in its thread."""
    newest = _newest(told)
    if state.root is None:
        return Act.POST, _under_way(state, told) or newest
    if not newest.child and (state.shown is None or newest.order > state.shown):
        return Act.EDIT, newest
    first = _under_way(state, told) or told[0]
    if _before(state, told, first).tells(first.notice):
        return Act.PASS, first
    return (Act.FILE if f"{first.id}#reply" in state.done else Act.REPLY), first


def _posted(state: State, told: Sequence[Waiting]) -> tuple[Act, Waiting]:
    """The first notice and the last, or one that is graver than any before: nothing can be taken back.

    A later stage of what a notice told is neither, nor is what says the same as the message before. What was put back
    from the dead letters is told whatever was told since.
    """
    staged = next((each for each in told if each.notice.stage), None)
    if staged:
        return Act.PASS, staged
    wanted = _under_way(state, told) or next((each for each in told if each.put_back), None)
    if wanted:
        return Act.POST, wanted
    newest = _newest(told)
    if not state.posted:
        return Act.POST, newest
    if newest.child or (state.shown is not None and newest.order <= state.shown):
        return Act.PASS, told[0]
    graver = state.gravest is None or not state.gravest.at_least(newest.notice.severity)
    if (newest.notice.phase.final or graver) and saying(newest.notice) != state.digest:
        return Act.POST, newest
    return Act.PASS, told[0]


def saying(notice: Notice) -> str:
    """A hash of what a notice says, whenever it says it: two events may tell of one end, and differ in their times."""
    headline = {name: text for name, text in notice.headline.args.items() if name != "duration"}
    facts = [(fact.label, fact.value) for fact in notice.facts if fact.label != "fact.duration"]
    said = [notice.kind, notice.severity, notice.headline.key, sorted(headline.items()), facts]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _newest(told: Sequence[Waiting]) -> Waiting:
    own = [each for each in told if not each.child]
    return own[-1] if own else told[-1]


def _under_way(state: State, told: Sequence[Waiting]) -> Waiting | None:
    """The notice whose post may have been accepted: only posting the same again is recognised."""
    if state.call is None:
        return None
    return next((each for each in told if each.id == state.call.notice), None)


def _before(state: State, told: Sequence[Waiting], waiting: Waiting) -> Life:
    life = state.life
    for each in told:
        if each.id != waiting.id and not each.child and each.order <= waiting.order:
            life = life.then(each.notice)
    return life
