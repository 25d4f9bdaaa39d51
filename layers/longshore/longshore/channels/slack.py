"""Slack with a bot token: one message edited in place, details in its thread, the log's tail as a file.

Importing this module imports slack_sdk, so only what builds a Slack channel does it, and when it does.

Slack does not promise to recognise a repeated chat.postMessage: `client_msg_id` is undocumented and meant for its own
clients. So each message carries its idempotency key as message metadata, and a second try first reads back what was
posted since the first: conversations.history for a message, conversations.replies for its thread. That needs the scope
`channels:history` (`groups:history` for private channels) and a member of the channel, which chat:write.public does not
make the app. Without either a lost answer may show as a second message; a message is never lost.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from longshore.channels.credentials import with_secret
from longshore.channels.slack_client import SlackClient
from longshore.channels.slack_errors import NO_FILES, REVOKED, UNREADABLE
from longshore.errors import DeliveryError

if TYPE_CHECKING:
    from slack_sdk.web import SlackResponse

    from longshore.channels.http import Http
    from longshore.notify.ports import Body, Rendered, Secrets

Done = TypeVar("Done")

BASE_URL: Final = "https://slack.com/api/"
SCOPES: Final = ("chat:write", "files:write", "channels:history", "groups:history")
"""What the Slack app needs; the last two so that a lost answer makes no second message, where it is a member."""
_EVENT_TYPE: Final = "longshore_notice"
_HISTORY: Final = "conversations.history"
_UNREAD: Final = (
    "what was posted cannot be read back, so a lost answer may show as a second message: invite the app to the "
    "channel, and give it the scope channels:history (groups:history for a private channel)"
)
_FILELESS: Final = "a log's tail is told as text, not as a file: give the app the scope files:write"
_SKEW: Final = timedelta(minutes=2)
"""How far Slack's clock may be behind ours."""
_PAGE: Final = 200
_PAGES: Final = 5
_EXCERPT: Final = 2_800
"""A log's tail as text, where files may not be uploaded: within a section's 3,000 characters."""


class SlackChannel:
    """One channel of a workspace, by its id; its bot token is a secret."""

    kind = "slack"
    edits = True

    def __init__(
        self,
        channel: str,
        secrets: Secrets,
        token_arn: str,
        http: Http,
        *,
        base_url: str = BASE_URL,
        budget: float = 20.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`budget` is in seconds, for all that one post, update or reply has to call, with however many tokens."""
        self._channel = channel
        self._secrets = secrets
        self._token_arn = token_arn
        self._http = http
        self._base_url = base_url
        self._budget = budget
        self._monotonic = monotonic

    def shortcomings(self) -> list[str]:
        """What the app may not do in this channel besides posting, with what follows and the fix; shows nothing there.

        Raises for anything else that goes wrong.
        """

        def probe(slack: SlackClient) -> list[str]:
            history = {"channel": self._channel, "limit": 1}
            return [
                _lacking(lambda: slack.call(_HISTORY, slack.conversations_history, **history), UNREADABLE, _UNREAD),
                _lacking(lambda: _place(slack, "longshore-test.txt", 1), NO_FILES, _FILELESS),
            ]

        return [text for text in self._with_token(probe) if text]

    def post(self, rendered: Rendered, *, idempotency: str, since: datetime | None = None) -> str:
        """Posts, unless a try since `since` did; answers `CHANNEL/TS`."""

        def post(slack: SlackClient) -> str:
            if since is not None:
                for message in self._since(slack, self._channel, "", since):
                    if _key(message) == idempotency:
                        return _id(self._channel, message)
            answer = self._post(slack, self._channel, rendered.body, rendered.text, idempotency)
            return _id(str(answer["channel"]), answer)

        return self._with_token(post)

    def update(self, message: str, rendered: Rendered) -> None:
        """Edits; repeating it changes nothing."""
        channel, _, ts = message.partition("/")
        arguments = {**_arguments(rendered.body, rendered.text), "channel": channel, "ts": ts}
        self._with_token(lambda slack: slack.call("chat.update", slack.chat_update, **arguments))

    def reply(self, message: str, rendered: Rendered, *, idempotency: str = "", since: datetime | None = None) -> None:
        """Answers in the thread, then uploads the file to it, each unless a try since `since` did."""
        channel, _, ts = message.partition("/")
        key = idempotency or _digest(rendered)

        def reply(slack: SlackClient) -> None:
            there = list(self._since(slack, channel, ts, since)) if since is not None else []
            if rendered.reply and not any(_key(each) == key for each in there):
                self._post(slack, channel, rendered.reply, rendered.text, key, ts)
            if rendered.file and rendered.file[1] and not any(_has_file(each, rendered.file[0], key) for each in there):
                self._attach(slack, channel, ts, rendered.file, key)

        self._with_token(reply)

    def _with_token(self, use: Callable[[SlackClient], Done]) -> Done:
        deadline = self._monotonic() + self._budget  # the second token, if there is one, gets no more time

        def with_client(token: str) -> Done:
            return use(SlackClient(token, self._base_url, self._http, deadline, self._monotonic))

        return with_secret(self._secrets, self._token_arn, with_client, REVOKED)

    def _post(
        self, slack: SlackClient, channel: str, body: Body, text: str, key: str, thread: str = ""
    ) -> Mapping[str, Any]:
        arguments = _arguments(body, text)
        arguments |= {"channel": channel, "unfurl_links": False, "unfurl_media": False}
        arguments["metadata"] = {"event_type": _EVENT_TYPE, "event_payload": {"idempotency": key}}
        if thread:
            arguments["thread_ts"] = thread
        return slack.call("chat.postMessage", slack.chat_postMessage, **arguments)

    def _attach(self, slack: SlackClient, channel: str, ts: str, file: tuple[str, str], key: str) -> None:
        name, content = file
        try:
            self._upload(slack, channel, ts, name, content.encode(), key)
        except DeliveryError as error:
            if error.reason not in NO_FILES:
                raise
            tail = _escaped(content[-_EXCERPT:]).replace("```", "'''")
            self._post(slack, channel, f"{name}\n```{tail}```", "", _file_key(key, name), ts)

    def _upload(self, slack: SlackClient, channel: str, ts: str, name: str, content: bytes, key: str) -> None:
        place = _place(slack, _unique(name, key), len(content))
        slack.upload(str(place["upload_url"]), content)
        slack.call(
            "files.completeUploadExternal",
            slack.files_completeUploadExternal,
            files=[{"id": str(place["file_id"]), "title": name}],
            channel_id=channel,
            thread_ts=ts,
        )

    def _since(self, slack: SlackClient, channel: str, thread: str, since: datetime) -> Iterator[Mapping[str, Any]]:
        """What was posted to the channel, or to a thread of it; nothing where the app may not read."""
        arguments: dict[str, Any] = {
            "channel": channel,
            "oldest": f"{(since - _SKEW).timestamp():.6f}",
            "limit": _PAGE,
            "include_all_metadata": True,
        }
        method = _HISTORY
        call: Callable[..., SlackResponse] = slack.conversations_history
        if thread:
            method, call, arguments["ts"] = "conversations.replies", slack.conversations_replies, thread
        for _ in range(_PAGES):
            try:
                answer = slack.call(method, call, **arguments)
            except DeliveryError as error:
                if error.reason in UNREADABLE:
                    return
                raise
            yield from answer.get("messages") or ()
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
            arguments["cursor"] = cursor


def _lacking(call: Callable[[], object], codes: Collection[str], consequence: str) -> str:
    try:
        call()
    except DeliveryError as error:
        if error.reason not in codes:
            raise
        return f"{consequence} ({error.reason})"
    return ""


def _arguments(body: Body, text: str) -> dict[str, Any]:
    return {"text": body} if isinstance(body, str) else {"text": text, **body}


def _id(channel: str, message: Mapping[str, Any]) -> str:
    return f"{channel}/{message['ts']}"


def _key(message: Mapping[str, Any]) -> str:
    metadata = message.get("metadata") or {}
    return str((metadata.get("event_payload") or {}).get("idempotency", ""))


def _has_file(message: Mapping[str, Any], name: str, key: str) -> bool:
    """Whether it carries the file that is told under this key, or its text; the thread may hold others of that name."""
    shown = any(file.get("name") == _unique(name, key) for file in message.get("files") or ())
    return shown or _key(message) == _file_key(key, name)


def _file_key(key: str, name: str) -> str:
    return f"{key}/{name}"


def _unique(name: str, key: str) -> str:
    """The file's own name, which people see only when they download it: they read its title."""
    return f"{hashlib.sha256(key.encode()).hexdigest()[:12]}-{name}"


def _place(slack: SlackClient, name: str, length: int) -> Mapping[str, Any]:
    """A place for a file; it is nowhere to be seen until its upload is completed."""
    return slack.call("files.getUploadURLExternal", slack.files_getUploadURLExternal, filename=name, length=length)


def _digest(rendered: Rendered) -> str:
    seen = json.dumps([rendered.reply, rendered.file], sort_keys=True, default=str)
    return hashlib.sha256(seen.encode()).hexdigest()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
