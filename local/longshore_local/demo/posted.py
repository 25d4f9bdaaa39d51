"""What people saw on Slack: each message with what it said before, and its thread."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from longshore_local.slack import Message, SlackStandIn
from longshore_local.slack_transcript import shown


@dataclass(frozen=True, slots=True)
class Posted:
    """A message as it stood at the end. `before` holds the first line of each of its earlier texts, oldest first."""

    channel: str
    at: datetime
    lines: tuple[str, ...]
    before: tuple[str, ...] = ()
    in_channel: bool = False
    thread: tuple["Posted", ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The members that `longshore demo --json` tells."""
        said: dict[str, Any] = {"at": self.at.isoformat(), "text": list(self.lines)}
        if self.thread or self.channel:
            thread = [{**each.to_json(), "in_channel": each.in_channel} for each in self.thread]
            said = {"channel": self.channel, **said, "edited": len(self.before), "before": list(self.before)}
            said["thread"] = thread
        return said


def posted(slack: SlackStandIn) -> tuple[Posted, ...]:
    """All messages of all channels, in the order in which they were posted."""
    return tuple(
        replace(_posted(message), channel=slack.name(channel), thread=tuple(map(_posted, message.replies)))
        for channel in slack.channels
        for message in slack.messages(channel)
    )


def transcript(messages: tuple[Posted, ...]) -> Iterator[str]:
    """The messages as lines for people, threads indented."""
    channel = ""
    for message in messages:
        if message.channel != channel:
            channel = message.channel
            yield f"#{channel} on Slack"
        yield from _lines(message, "  ")
        for reply in message.thread:
            yield from _lines(reply, "    │ ")


def _posted(message: Message) -> Posted:
    before = (shown(replace(message, text=text, blocks=blocks, files=[])) for text, blocks in message.edits)
    return Posted(
        "", message.at, tuple(shown(message)), tuple(next(iter(each), "") for each in before), message.broadcast
    )


def _lines(message: Posted, margin: str) -> Iterator[str]:
    time = f"{message.at:%H:%M:%S}  "
    for index, line in enumerate(message.lines or ("",)):
        yield f"{margin}{' ' * len(time) if index else time}{line}".rstrip()
    if message.before:
        times = "once" if len(message.before) == 1 else f"{len(message.before)} times"
        yield f"{margin}{' ' * len(time)}(edited {times}; before: {' → '.join(message.before)})"
    if message.in_channel:
        yield f"{margin}{' ' * len(time)}(also sent to the channel)"
