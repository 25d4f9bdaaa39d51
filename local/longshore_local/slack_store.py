"""A workspace as people see it: channels, messages with their edits, threads and files."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class File:
    """An uploaded file; `content` is None until it came, `title` is what people see of its name."""

    id: str
    name: str
    content: bytes | None = None
    title: str = ""


@dataclass(slots=True)
class Message:
    """One message; `edits` holds what it said before, oldest first."""

    channel: str
    ts: str
    at: datetime
    text: str
    blocks: list[Any]
    metadata: Mapping[str, Any]
    thread: str | None = None
    broadcast: bool = False
    by_webhook: bool = False
    files: list[File] = field(default_factory=list)
    edits: list[tuple[str, list[Any]]] = field(default_factory=list)
    replies: list["Message"] = field(default_factory=list)

    @property
    def idempotency(self) -> str:
        """The key that Longshore put into the metadata, or nothing."""
        return str((self.metadata.get("event_payload") or {}).get("idempotency", ""))


class Workspace:
    """All channels; safe to use from several threads."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._count = 0
        self.channels: dict[str, list[Message]] = {}
        self.archived: set[str] = set()
        self.uploads: dict[str, File] = {}

    def clear(self) -> None:
        """Forgets everything but how many messages there were: time stamps stay unique."""
        with self._lock:
            self.channels.clear()
            self.archived.clear()
            self.uploads.clear()

    def post(self, channel: str, said: Mapping[str, Any], *, by_webhook: bool = False) -> Message:
        """Adds a message, to a thread when `said` names one. Raises KeyError for a thread that is not there."""
        with self._lock:
            at, thread = self._now(), said.get("thread_ts")
            self._count += 1
            ts = f"{int(at.timestamp())}.{self._count:06d}"
            message = Message(
                channel,
                ts,
                at,
                str(said.get("text") or ""),
                list(said.get("blocks") or []),
                said.get("metadata") or {},
                thread,
                bool(said.get("reply_broadcast")),
                by_webhook,
            )
            place = self.find(channel, thread).replies if thread else self.channels.setdefault(channel, [])
            place.append(message)
            return message

    def edit(self, message: Message, said: Mapping[str, Any]) -> None:
        """Replaces what a message says; blocks that are not named stay (chat.update)."""
        with self._lock:
            message.edits.append((message.text, message.blocks))
            message.text = str(said.get("text") or message.text)
            message.blocks = list(said["blocks"] if said.get("blocks") is not None else message.blocks)

    def find(self, channel: str, ts: str | None) -> Message:
        """A message or reply by its time stamp; KeyError when there is none."""
        with self._lock:
            for root in self.channels.get(channel, []):
                for message in (root, *root.replies):
                    if message.ts == ts:
                        return message
        raise KeyError(ts)

    def delete(self, channel: str, ts: str) -> None:
        """As a person deletes a message, with its thread."""
        with self._lock:
            self.channels[channel] = [message for message in self.channels[channel] if message.ts != ts]

    def file(self, name: str) -> File:
        """A place for an upload."""
        with self._lock:
            self._count += 1
            file = File(f"F{self._count:08d}", name)
            self.uploads[file.id] = file
            return file
