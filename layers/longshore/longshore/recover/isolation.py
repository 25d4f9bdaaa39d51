"""Isolation: parts of a message that are nobody else's fault; what fails is told, and keeps no other from its turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from longshore.outcomes import Outcome
from longshore.redaction import redact

if TYPE_CHECKING:
    from longshore.recover.reading import Message

Part = tuple[str, Callable[[], "list[Outcome]"]]
"""What is looked at, and what does so."""

FAILED = "fail"
"""The verdict of a part that failed: logged, and counted as `DecisionFail`."""

_TEXT = 500


def each_apart(message: Message, parts: Iterable[Part]) -> list[Outcome]:
    """Does all parts. Errors become outcomes: the message is not tried again for them, for its sequel may be sent."""
    outcomes: list[Outcome] = []
    for subject, part in parts:
        try:
            outcomes += part()
        except Exception as error:  # whatever it was, the other parts are not to blame
            outcomes.append(told(message, subject, error))
    return outcomes


def told(message: Message, subject: str, error: Exception) -> Outcome:
    """An error as an outcome; `reason` is its class: ``access-denied``, ``throttled``."""
    name = type(error).__name__.removesuffix("Error") or "error"
    reason = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
    text = redact(str(error)).text[:_TEXT]
    return Outcome(FAILED, reason, message.correlation, detail={"subject": subject, "error": text})
