"""When a channel will not take a notice: a dead letter with the reason, the fallback, and word of the failure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from longshore.errors import AmbiguousError, ConfigurationError, DeliveryError, LongshoreError
from longshore.notify import outcomes
from longshore.notify.fanout import fall_back
from longshore.notify.messages import DESTINATION
from longshore.notify.routes import FALLBACK
from longshore.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.notify.fanout import Ports
    from longshore.notify.telling import Teller
    from longshore.notify.threads import Thread, Waiting
    from longshore.outcomes import Outcome

_WORD = re.compile(r"(?<!^)(?=[A-Z])")
_SHOWN = 200


def give_up(
    ports: Ports, teller: Teller, thread: Thread, waiting: Sequence[Waiting], reason: str, why: str, kind: str
) -> list[Outcome]:
    """Leaves the notices to the dead-letter queue and to the fallback, and says so. Doing it again does no harm."""
    said: list[Outcome] = []
    name, now = thread.destination, ports.clock.now()
    for each in waiting:
        correlation = each.notice.correlation
        attributes = {"reason": reason, "destination": name, "correlation": correlation}
        ports.dead_letters.put({**each.event, DESTINATION: name}, attributes)
        if name != FALLBACK:
            fall_back(ports, each, now)
        detail = {"destination": name, "thread": thread.name, "why": why[:_SHOWN], "notice": each.id}
        said.append(outcomes.failed(correlation, reason, **detail))
    if waiting:
        said += teller.failed(name, kind, reason, why, waiting[-1].notice.correlation)
    for each in waiting:
        ports.threads.drop(thread, each)  # last: whoever crashes before it begins again
    return said


def why_of(error: Exception) -> str:
    """What may be told of an error: of one that is not ours its name alone, for a library may quote a secret."""
    if isinstance(error, ConfigurationError):
        return str(error)  # names a secret, never its value
    return redact(str(error)).text if isinstance(error, LongshoreError) else type(error).__name__


def reason_of(error: Exception) -> str:
    """A short code: the channel's own, else the name of the error: ``access-denied``."""
    if isinstance(error, DeliveryError):
        return error.reason
    if isinstance(error, AmbiguousError):
        return "no-answer"
    if isinstance(error, LongshoreError):
        return _WORD.sub("-", type(error).__name__.removesuffix("Error")).lower()
    return "error"
