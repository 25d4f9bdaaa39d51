"""SNS: text for mail and everything else, Amazon Q Developer's custom notification for HTTPS, in one publish.

Amazon Q Developer in chat applications reads its topics through an HTTPS subscription and shows messages of its own
schema only (Amazon Q Developer in chat applications, "Custom notifications").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from longshore.channels.post_only import PostOnly

if TYPE_CHECKING:
    from longshore.notify.ports import Rendered

_SUBJECT_LENGTH: Final = 99  # SNS Publish: fewer than 100 characters, ASCII, one line
_SUBJECT: Final = "Longshore"


class Topic(Protocol):
    """Where notices are published."""

    def publish(self, subject: str, messages: Mapping[str, str], attributes: Mapping[str, str]) -> str:
        """Publishes a text for each protocol; answers the id of the message."""
        ...


class SnsChannel(PostOnly):
    """A topic with any subscribers: mail, Amazon Q Developer, queues, functions."""

    kind = "sns"

    def __init__(self, topic: Topic) -> None:
        self._topic = topic

    def post(self, rendered: Rendered, *, idempotency: str, since: datetime | None = None) -> None:
        """Publishes; the attributes severity, kind and team are there for filter policies."""
        messages = {"default": rendered.text, "email": rendered.text}
        if rendered.body:
            body = rendered.body
            messages["https"] = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        self._topic.publish(subject(rendered.subject), messages, rendered.attributes)


class AmazonQChannel(SnsChannel):
    """A topic that an Amazon Q Developer channel configuration reads."""

    kind = "amazonq"


def subject(title: str) -> str:
    """A title as SNS takes it: printable ASCII that does not begin with a space, cut to size."""
    printable = "".join(each if each.isascii() and each.isprintable() else " " for each in title)
    return " ".join(printable.split())[:_SUBJECT_LENGTH].rstrip() or _SUBJECT
