"""What delivering needs of a channel, and the form in which a notice reaches it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

Body = Mapping[str, object] | str
"""What a channel's API takes, without secrets and addresses: the channel adds those.

slack, slack-webhook: arguments of chat.postMessage (`blocks`, `reply_broadcast`). sns, amazonq: Amazon Q Developer's
custom notification. teams: the message with its Adaptive Card. webhook: `{type, timestamp, data}`.
pagerduty: `{alert, change}`, an event of Events API v2 and a change event, either of which may be missing.
"""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A notice as one channel shows it."""

    body: Body
    text: str
    """Plain text: the fallback of a rich message, the text of a mail."""
    reply: Body | None = None
    """Details for the thread; only channels that edit have threads."""
    file: tuple[str, str] | None = None
    """Name and content of a file for the thread: the log's tail."""
    title: str = ""
    """One line: the subject of a mail. `text`'s first line when empty."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What subscriptions filter by: severity, kind, team."""
    digest: str = ""
    """Hash of what people see of the message itself; filled in when empty."""

    def __post_init__(self) -> None:
        if not self.digest:
            seen = json.dumps([self.body, self.text, self.title], sort_keys=True, default=str)
            object.__setattr__(self, "digest", hashlib.sha256(seen.encode()).hexdigest())

    @property
    def subject(self) -> str:
        """The title, or the first line of the text."""
        return self.title or next(iter(self.text.splitlines()), "")


class Channel(Protocol):
    """A place where people are told.

    Every method raises ThrottledError (come back after `retry_after` seconds), AmbiguousError (it may have been
    accepted), UpstreamError (try again), DeliveryError (trying again cannot help) or MessageGoneError (post anew).
    """

    @property
    def kind(self) -> str:
        """The type of `longshore.yaml`'s `channels`: slack, slack-webhook, sns, teams, amazonq, pagerduty, webhook."""
        ...

    @property
    def edits(self) -> bool:
        """Whether a message can be changed and answered in its thread; else only `post` may be called."""
        ...

    def post(self, rendered: Rendered, *, idempotency: str, since: datetime | None = None) -> str | None:
        """Posts a message; answers its opaque id, or None where there is none.

        `since` is when the first try with this `idempotency` began, None for that first try itself. A channel that can
        then looks whether the message is there already, so that a lost answer never makes a second one.
        """
        ...

    def update(self, message: str, rendered: Rendered) -> None:
        """Makes the message say `body` instead."""
        ...

    def reply(self, message: str, rendered: Rendered, *, idempotency: str = "", since: datetime | None = None) -> None:
        """Puts `reply` and `file` into the message's thread; `idempotency` (default: the content) as in `post`."""
        ...


class Secrets(Protocol):
    """Tokens, addresses and signing keys by ARN."""

    def get(self, arn: str) -> str:
        """The value. Raises ConfigurationError when there is none, AccessDeniedError when it may not be read."""
        ...

    def forget(self, arn: str) -> None:
        """Has the next `get` read it anew: it was refused, so that it may have been rotated."""
        ...
