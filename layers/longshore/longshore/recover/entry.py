"""What an entry of the catalogue of failures is, and the questions that entries ask of a case (recover 2.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from longshore.recover.case import Case

if TYPE_CHECKING:
    from longshore.recover.diagnosis import Remedy
    from longshore.recover.grounds import Ground


class Found(NamedTuple):
    """That a question is answered with yes: by which fields and texts, and which container they are about."""

    evidence: tuple[str, ...]
    container: str = ""


_LONGEST = 4_000
"""Characters of a reason that are read; AWS's are shorter."""

Question = Callable[[Case], Found | None]


class Entry(NamedTuple):
    """One class of failure, or one variant of it: several entries may share an id.

    `alone` is the remedy for what nobody else starts again, `service` the one for what ECS does; `ground` says why,
    where the remedy does not say it by itself. `asks` is None for what no stopped task shows.
    """

    cls: str
    name: str
    alone: Remedy
    service: Remedy
    hint: str
    asks: Question | None = None
    ground: Ground | None = None


def says(pattern: str, also: str = "", unless: str = "") -> Question:
    """Whether a reason, of the task or of a container, has text of a pattern; `also` and `unless` narrow it down."""

    def ask(case: Case) -> Found | None:
        for said in case.said:
            if has(pattern, said.text) and _narrow(also, unless, said.text):
                return Found((said.line,), said.container)
        return None

    return ask


_PULL = r"CannotPull\w*Error|(?:pull|inspect)(?: \w+){0,2} has been retried \d+ time"


def pull(pattern: str, also: str = "", unless: str = "") -> Question:
    """Whether a pull failed with text of a pattern. The names of images are no part of that text."""

    def ask(case: Case) -> Found | None:
        for said in case.said:
            text = _without_images(case, said.text)
            if has(_PULL, text) and has(pattern, text) and has(also, said.text) and _narrow("", unless, text):
                return Found((said.line,), said.container or _of_image(case, said.text))
        return None

    return ask


def stopped_as(*codes: str, unless: str = "") -> Question:
    """Whether the stop code is one of these."""

    def ask(case: Case) -> Found | None:
        task = case.task
        if task.stop_code not in codes or (unless and has(unless, task.stopped_reason)):
            return None
        return Found((f"stopCode: {task.stop_code}", *(said.line for said in case.said if not said.container)))

    return ask


def exited(*codes: int | range) -> Question:
    """Whether the container that ended the task ended with one of these codes."""
    wanted = {code for each in codes for code in (each if isinstance(each, range) else (each,))}

    def ask(case: Case) -> Found | None:
        culprit = case.culprit
        return Found((culprit.line,), culprit.name) if culprit and culprit.code in wanted else None

    return ask


def all_of(*questions: Question) -> Question:
    """Whether every question is answered with yes; the evidence is everything that they found."""

    def ask(case: Case) -> Found | None:
        lines: list[str] = []
        container = ""
        for question in questions:
            found = question(case)
            if found is None:
                return None
            lines += [line for line in found.evidence if line not in lines]
            container = container or found.container
        return Found(tuple(lines), container)

    return ask


def any_of(*questions: Question) -> Question:
    """The first question that is answered with yes."""

    def ask(case: Case) -> Found | None:
        return next((found for question in questions if (found := question(case)) is not None), None)

    return ask


def in_state(final: bool) -> Question:
    """Whether it is over, or ECS is about to end it."""

    def ask(case: Case) -> Found | None:
        task = case.task
        if task.final is not final or (not final and task.desired_status != "STOPPED"):
            return None
        return Found((f"lastStatus: {task.last_status}",))

    return ask


def has(pattern: str, text: str) -> bool:
    """Whether text has a pattern, whatever the case of its letters."""
    return re.search(pattern, text[:_LONGEST], re.IGNORECASE) is not None


def _narrow(also: str, unless: str, text: str) -> bool:
    return (not also or has(also, text)) and not (unless and has(unless, text))


def _without_images(case: Case, text: str) -> str:
    images = {each.image for each in case.task.containers if each.image}
    for image in sorted(images, key=lambda each: (-len(each), each)):
        text = text.replace(image, "IMAGE").replace(image.partition("@")[0], "IMAGE")
    return text


def _of_image(case: Case, text: str) -> str:
    """The container whose image a text names, where it is one alone."""
    found = {each.name for each in case.task.containers if each.image and each.image in text}
    return found.pop() if len(found) == 1 else ""
