"""The Web API methods of the Slack stand-in, as far as a notifying app calls them."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from longshore_local.slack_limits import refusal
from longshore_local.slack_store import Message, Workspace

Arguments = Mapping[str, Any]
Answer = dict[str, Any]

_BOT = "U0LONGSHORE"


class SlackError(Exception):
    """What becomes `ok: false`; `details` are further members of the answer."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


class Methods:
    """Answers methods by name on one workspace."""

    def __init__(self, workspace: Workspace, scopes: Collection[str], channels: Collection[str] | None) -> None:
        """`channels` None: every id beginning with C, G or D exists."""
        self._workspace = workspace
        self._scopes = scopes
        self._channels = channels
        self._methods: Mapping[str, Callable[[Arguments], Answer]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._complete_upload,
        }

    def answer(self, method: str, arguments: Arguments) -> Answer:
        """The members beside `ok: true`. Raises SlackError."""
        if method not in self._methods:
            raise SlackError("unknown_method", req_method=method)
        return self._methods[method](arguments)

    def channel(self, arguments: Arguments, name: str = "channel") -> str:
        """The channel named by an argument. Raises SlackError when nothing may be posted there."""
        channel = str(arguments.get(name) or "")
        known = channel in self._channels if self._channels is not None else channel[:1] in ("C", "G", "D")
        if not channel or not known:
            raise SlackError("channel_not_found")
        if channel in self._workspace.archived:
            raise SlackError("is_archived")
        return channel

    def _auth_test(self, arguments: Arguments) -> Answer:
        return {"url": "https://longshore.slack.test/", "team": "Longshore", "user": "longshore", "user_id": _BOT}

    def _post(self, arguments: Arguments) -> Answer:
        self._need("chat:write")
        channel = self.channel(arguments)
        check(arguments)
        try:
            message = self._workspace.post(channel, arguments)
        except KeyError:
            raise SlackError("thread_not_found") from None
        return {"channel": channel, "ts": message.ts, "message": _shown(message, with_metadata=True)}

    def _update(self, arguments: Arguments) -> Answer:
        self._need("chat:write")
        channel = self.channel(arguments)
        check(arguments)
        try:
            message = self._workspace.find(channel, str(arguments.get("ts")))
        except KeyError:
            raise SlackError("message_not_found") from None
        if message.by_webhook:
            raise SlackError("cant_update_message")
        self._workspace.edit(message, arguments)
        return {"channel": channel, "ts": message.ts, "text": message.text}

    def _history(self, arguments: Arguments) -> Answer:
        channel = self._readable(arguments)
        roots = self._workspace.channels.get(channel, [])
        shown = [*roots, *(reply for root in roots for reply in root.replies if reply.broadcast)]
        return _page(sorted(shown, key=_order, reverse=True), arguments)

    def _replies(self, arguments: Arguments) -> Answer:
        channel = self._readable(arguments)
        try:
            root = self._workspace.find(channel, str(arguments.get("ts")))
        except KeyError:
            raise SlackError("thread_not_found") from None
        return _page([root, *root.replies], arguments, always=root.ts)

    def _upload_url(self, arguments: Arguments) -> Answer:
        self._need("files:write")
        if not arguments.get("filename") or int(arguments.get("length") or 0) < 1:
            raise SlackError("invalid_arguments")
        file = self._workspace.file(str(arguments["filename"]))
        return {"upload_url": f"/upload/v1/{file.id}", "file_id": file.id}

    def _complete_upload(self, arguments: Arguments) -> Answer:
        self._need("files:write")
        channel = self.channel(arguments, "channel_id")
        named = json.loads(str(arguments.get("files") or "[]"))
        files = [self._workspace.uploads.get(str(each.get("id"))) for each in named]
        whole = [file for file in files if file is not None and file.content is not None]
        if not named or len(whole) != len(files):
            raise SlackError("file_not_found")
        for file, said in zip(whole, named, strict=True):
            file.title = str(said.get("title") or file.name)
        try:
            message = self._workspace.post(channel, {"thread_ts": arguments.get("thread_ts")})
        except KeyError:
            raise SlackError("thread_not_found") from None
        message.files = whole
        return {"files": [{"id": file.id, "title": file.title} for file in whole]}

    def _readable(self, arguments: Arguments) -> str:
        channel = self.channel(arguments)
        self._need("groups:history" if channel.startswith("G") else "channels:history")
        return channel

    def _need(self, scope: str) -> None:
        if scope not in self._scopes:
            raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(self._scopes)))


def check(arguments: Arguments) -> None:
    """Raises SlackError for a message that Slack refuses."""
    if refused := refusal(arguments):
        code, problems = refused
        raise SlackError(code, response_metadata={"messages": [f"[ERROR] {problem}" for problem in problems]})


def _page(messages: list[Message], arguments: Arguments, always: str = "") -> Answer:
    oldest, limit = float(arguments.get("oldest") or 0), int(arguments.get("limit") or 100)
    begin = int(str(arguments.get("cursor") or "0"))
    chosen = [message for message in messages if _order(message) > oldest or message.ts == always]
    end = begin + limit
    with_metadata = str(arguments.get("include_all_metadata", "")) in ("1", "true", "True")
    return {
        "messages": [_shown(message, with_metadata=with_metadata) for message in chosen[begin:end]],
        "has_more": end < len(chosen),
        "response_metadata": {"next_cursor": str(end) if end < len(chosen) else ""},
    }


def _order(message: Message) -> float:
    return float(message.ts)


def _shown(message: Message, *, with_metadata: bool) -> Answer:
    shown: Answer = {"type": "message", "user": _BOT, "ts": message.ts, "text": message.text, "blocks": message.blocks}
    if message.thread:
        shown["thread_ts"] = message.thread
    if message.files:
        shown["files"] = [{"id": file.id, "name": file.name, "title": file.title} for file in message.files]
    if message.metadata:
        whole = with_metadata or "event_type" not in message.metadata
        shown["metadata"] = message.metadata if whole else {"event_type": message.metadata["event_type"]}
    return shown
