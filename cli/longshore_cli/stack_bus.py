"""The bus of a deployed stack, for commands that do what its functions do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from longshore.aws.bus import Bus
from longshore.errors import LongshoreError
from longshore_cli.output import note

if TYPE_CHECKING:
    from longshore.events import Announcement
    from longshore.ports import Clock


class StackBus:
    """See `ports.Publisher`: redeploy and people hear of it. What cannot be told is noted, once."""

    def __init__(self, events: Callable[[], Any], name: str, clock: Clock) -> None:
        """`events` answers the boto3 client, `name` is the bus's name or ARN."""
        self._bus = Bus(events, name, clock)
        self._noted = False

    def publish(self, announcements: Sequence[Announcement]) -> None:
        """See the port."""
        try:
            self._bus.publish(announcements)
        except LongshoreError as error:
            if not self._noted:
                note(f"The stack is not told of it, so that what runs on ECR Public follows at its next sweep: {error}")
            self._noted = True
