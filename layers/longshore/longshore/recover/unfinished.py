"""Open recoveries that no event goes on with: every sweep looks at those that are due, a few with each message."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from longshore.recover.isolation import each_apart
from longshore.recover.reading import SWEEP_DUE

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.replacing import Replacer

_AT_ONCE = 10
"""Each takes a DescribeTasks and at most a DescribeTaskDefinition, of which ECS allows twenty a second."""
_PAUSE = timedelta(seconds=5)


class Unfinished:
    """Goes on with recoveries whose events were missed, or whose message failed."""

    def __init__(self, ports: Ports, replacer: Replacer) -> None:
        self._recoveries = ports.recoveries
        self._postponer = ports.postponer
        self._clock = ports.clock
        self._replacer = replacer

    def review(self, message: Message) -> list[Outcome]:
        """A page of them, after the one that the message names; the next page comes with a message of its own."""
        now, after = self._clock.now(), _after(message)
        due = [root for root in sorted(self._recoveries.open(now)) if root > after]
        page = due[:_AT_ONCE]
        outcomes = each_apart(message, [(root, partial(self._replacer.resume, message, root)) for root in page])
        if len(due) > len(page):
            detail = {"unfinished": True, "after": page[-1]}
            self._postponer.postpone(message.message(SWEEP_DUE, detail, now), now + _PAUSE)
        return outcomes


def _after(message: Message) -> str:
    after = message.detail.get("after") if pages(message) else ""
    return after if isinstance(after, str) else ""


def pages(message: Message) -> bool:
    """Whether a message asks for nothing but a later page of open recoveries."""
    return message.detail.get("unfinished") is True
