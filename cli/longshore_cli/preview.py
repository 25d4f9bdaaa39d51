"""What a channel gets for events of Longshore's own: the body as it is sent, and as people read it. No AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from longshore.channels.sns import SnsChannel
from longshore.notify.life import Life
from longshore.notify.reading import read
from longshore.notify.render.dispatch import render
from longshore_cli.output import FailedError, WrongError

if TYPE_CHECKING:
    from longshore.notices import Notice
    from longshore.notify.ports import Rendered
    from longshore.notify.routes import Destination

_SLACK = ("slack", "slack-webhook")


@dataclass(frozen=True, slots=True)
class Preview:
    """A message for one type of channel."""

    type: str
    rendered: Rendered

    def body(self) -> Mapping[str, Any]:
        """What is sent, without addresses and keys: for a topic the arguments of Publish, else the request's body."""
        if self.type == "sns":
            return _published(self.rendered)
        body = self.rendered.body
        return body if isinstance(body, Mapping) else {"text": body}

    def lines(self) -> Iterator[str]:
        """The message as people read it; the body itself where machines do."""
        if self.type in _SLACK:
            yield from _slack(self.rendered)
        elif self.type in _READABLE:
            yield from _READABLE[self.type](self.body())
        else:
            yield json.dumps(self.body(), indent=2, ensure_ascii=False)


def preview(events: Mapping[str, Mapping[str, Any]], destination: Destination, mention: Mapping[str, str]) -> Preview:
    """The message that a thread's events, each by the name of its file, leave in a destination.

    `mention` is whom the routes have each event mention. Raises WrongError for what is no event of Longshore's or
    belongs to another thread, FailedError for one that nobody is told.
    """
    notices = sorted((notice_of(name, event) for name, event in events.items()), key=lambda notice: notice.order)
    if len({notice.thread for notice in notices}) > 1:
        threads = ", ".join(sorted({notice.thread for notice in notices}))
        raise WrongError(f"these events make several messages, one for each of {threads}")
    life = Life()
    for notice in notices[:-1]:
        life = life.then(notice)
    last = notices[-1]
    made = render(last, destination.type, destination.language, mention=mention.get(last.id, ""), life=life)
    return Preview(destination.type, made)


def notice_of(name: str, event: Mapping[str, Any]) -> Notice:
    """The notice of a file's event. Raises WrongError or FailedError as `preview` does."""
    notice = read(event)
    if notice is not None:
        return notice
    if event["source"] != "longshore":
        raise WrongError(f"{name}: {event['detail-type']} of {event['source']} is no event of Longshore's own")
    raise FailedError(f"{name}: nobody is told of {event['detail-type']}")


class _Recorder:
    """A topic that only shows what would be published."""

    def __init__(self) -> None:
        self.published: dict[str, Any] = {}

    def publish(self, subject: str, messages: Mapping[str, str], attributes: Mapping[str, str]) -> str:
        self.published = {"Subject": subject, "Message": dict(messages), "MessageAttributes": dict(attributes)}
        return ""


def _published(rendered: Rendered) -> Mapping[str, Any]:
    topic = _Recorder()
    SnsChannel(topic).post(rendered, idempotency="")
    return topic.published


# -- for people ---------------------------------------------------------------------------------------------------


def _slack(rendered: Rendered) -> Iterator[str]:
    yield from _said(rendered.body)
    if rendered.reply:
        shown = rendered.reply
        broadcast = isinstance(shown, Mapping) and shown.get("reply_broadcast")
        yield "in its thread, and to the channel as well:" if broadcast else "in its thread:"
        yield from (f"  │ {line}" for line in _said(shown))
    if rendered.file:
        name, content = rendered.file
        yield f"{name}, in its thread:"
        yield from (f"  │ {line}" for line in content.splitlines())


def _said(body: object) -> list[str]:
    from longshore_local.slack_store import Message
    from longshore_local.slack_transcript import shown

    said: Mapping[str, Any] = body if isinstance(body, Mapping) else {"text": body}
    text, blocks = str(said.get("text", "")), list(said.get("blocks") or [])
    return shown(Message("", "", datetime.now(UTC), text, blocks, {}))


def _mail(body: Mapping[str, Any]) -> Iterator[str]:
    yield f"Subject: {body['Subject']}"
    yield ""
    yield from str(body["Message"]["email"]).splitlines()


def _amazonq(body: Mapping[str, Any]) -> Iterator[str]:
    content = body["content"]
    yield str(content["title"])
    yield from str(content["description"]).splitlines()
    yield from content["nextSteps"]


def _card(body: Mapping[str, Any]) -> Iterator[str]:
    (attachment,) = body["attachments"]
    card = attachment["content"]
    for element in card["body"]:
        yield from _element(element)
    if card["actions"]:
        yield " ".join(f"[{action['title']}]" for action in card["actions"])


def _element(element: Mapping[str, Any]) -> Sequence[str]:
    if element["type"] == "FactSet":
        return [f"{fact['title']}: {fact['value']}" for fact in element["facts"]]
    return str(element["text"]).splitlines()


_READABLE: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "sns": _mail,
    "amazonq": _amazonq,
    "teams": _card,
}
