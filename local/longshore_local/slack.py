"""A Slack on this machine: takes what a notifying app sends, keeps it readable, refuses what Slack refuses.

No account, no people: one bot token, any number of channels, the Web API methods of slack_methods and incoming
webhooks. What the real one does on a bad day is scripted (slack_faults).
"""

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from longshore_local.loopback import LoopbackServer, Reply, Request
from longshore_local.slack_faults import Fault, Script
from longshore_local.slack_methods import Methods, SlackError, check
from longshore_local.slack_store import Message, Workspace
from longshore_local.slack_transcript import transcript

__all__ = ["SCOPES", "Call", "Fault", "Message", "SlackStandIn"]

SCOPES = frozenset({"chat:write", "files:write", "channels:history", "groups:history"})
_JSON = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that came in; `outcome` is `ok`, Slack's code or what the script did to it."""

    at: datetime
    method: str
    channel: str
    outcome: str


class SlackStandIn(LoopbackServer):
    """`api_url` is the base for slack_sdk, `token` its bot token; a context manager, or `start` and `close`.

    `calls` and `requests` hold what came in, in order: the record of each and its arguments.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        token: str = "xoxb-local",
        scopes: Collection[str] = SCOPES,
        channels: Mapping[str, str] | None = None,
    ) -> None:
        """`channels` maps the ids that exist to their names; None: every id exists."""
        super().__init__(self._take, port, "slack")
        self.token = token
        self.calls: list[Call] = []
        self.requests: list[Mapping[str, Any]] = []
        self._now = now
        self._names = channels or {}
        self._script = Script()
        self._workspace = Workspace(now)
        self._methods = Methods(self._workspace, scopes, None if channels is None else channels.keys())
        self._lock = threading.Lock()

    @property
    def api_url(self) -> str:
        """The base of the Web API."""
        return f"{self.url}/api/"

    def webhook_url(self, channel: str) -> str:
        """The incoming webhook of a channel."""
        return f"{self.url}/services/T0/{channel}/secret"

    def script(self, faults: Iterable[Fault | None]) -> None:
        """What will happen to the next requests, in order; None lets one pass."""
        self._script.extend(faults)

    @property
    def faults_left(self) -> int:
        """How many scripted faults did not strike yet."""
        return len(self._script)

    @property
    def channels(self) -> list[str]:
        """The ids of the channels in which something was said."""
        return sorted(self._workspace.channels)

    def name(self, channel: str) -> str:
        """What people call a channel; its id when it has no name here."""
        return self._names.get(channel, channel)

    def messages(self, channel: str) -> list[Message]:
        """The messages of a channel, oldest first, threads inside them."""
        return list(self._workspace.channels.get(channel, []))

    def delete(self, channel: str, ts: str) -> None:
        """As a person deletes a message."""
        self._workspace.delete(channel, ts)

    def archive(self, channel: str) -> None:
        """As a person archives a channel."""
        self._workspace.archived.add(channel)

    def clear(self) -> None:
        """Forgets all that was said and scripted."""
        with self._lock:
            self._workspace.clear()
            self._script.clear()
            self.calls.clear()
            self.requests.clear()

    def transcript(self, channel: str | None = None) -> str:
        """One channel, or all of them, as people see them."""
        chosen = [channel] if channel else self.channels
        return "\n\n".join(transcript(self.name(each), self.messages(each)) for each in chosen)

    def busiest(self, method: str, within: timedelta, channel: str | None = None) -> int:
        """The most calls of a method (to a channel) in any span of that length, answered well or not."""
        times = sorted(call.at for call in self.calls if call.method == method and channel in (None, call.channel))
        first = most = 0
        for index, at in enumerate(times):
            while at - times[first] >= within:
                first += 1
            most = max(most, index - first + 1)
        return most

    def _take(self, request: Request) -> Reply:
        path = request.path.partition("?")[0]
        if path.startswith("/upload/v1/"):
            return self._upload(path.rpartition("/")[2], request.body)
        if path.startswith("/services/"):
            parts = path.strip("/").split("/")
            return self._answer("webhook", request, {**_arguments(request), "channel": parts[2]})
        return self._answer(path.removeprefix("/api/"), request, _arguments(request))

    def _answer(self, method: str, request: Request, arguments: Mapping[str, Any]) -> Reply:
        fault = self._script.strike(method)
        if fault is None or fault.accepted:
            reply, outcome = self._act(method, request, arguments)
        if fault is not None:
            reply, outcome = _struck(fault, method), fault.code or fault.kind
        channel = str(arguments.get("channel") or arguments.get("channel_id") or "")
        with self._lock:
            self.calls.append(Call(self._now(), method, channel, outcome))
            self.requests.append(arguments)
        return reply

    def _act(self, method: str, request: Request, arguments: Mapping[str, Any]) -> tuple[Reply, str]:
        try:
            if method == "webhook":
                self._post_by_webhook(arguments)
                return Reply(200, b"ok", {"Content-Type": "text/html"}), "ok"
            if request.headers.get("authorization") != f"Bearer {self.token}":
                raise SlackError("invalid_auth")
            answer = {"ok": True, **self._methods.answer(method, arguments)}
            if "upload_url" in answer:
                answer["upload_url"] = self.url + answer["upload_url"]
            return Reply(200, json.dumps(answer).encode(), _JSON), "ok"
        except SlackError as error:
            return _refused(method, error.code, error.details), error.code

    def _post_by_webhook(self, arguments: Mapping[str, Any]) -> None:
        channel = self._methods.channel(arguments)
        check(arguments)
        self._workspace.post(channel, arguments, by_webhook=True)

    def _upload(self, id: str, content: bytes) -> Reply:
        file = self._workspace.uploads.get(id)
        if file is None:
            return Reply(404)
        file.content = content
        return Reply(200, f"OK - {len(content)}".encode())


def _arguments(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            parsed = json.loads(request.body or b"{}")
        except ValueError:
            parsed = None
        return parsed if isinstance(parsed, dict) else {}
    return dict(parse_qsl(request.body.decode()))


def _refused(method: str, code: str, details: Mapping[str, Any]) -> Reply:
    if method != "webhook":
        return Reply(200, json.dumps({"ok": False, "error": code, **details}).encode(), _JSON)
    text = {"is_archived": "channel_is_archived", "channel_not_found": "no_service"}.get(code, code)
    status = {"channel_is_archived": 410, "no_service": 404, "action_prohibited": 403}.get(text, 400)
    return Reply(status, text.encode(), {"Content-Type": "text/html"})


def _struck(fault: Fault, method: str) -> Reply:
    match fault.kind:
        case "hang" | "reset":
            return Reply(fate=fault.kind)
        case "throttle":
            after = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            body = b"rate_limited" if method == "webhook" else b'{"ok": false, "error": "ratelimited"}'
            return Reply(429, body, {**_JSON, **after})
        case "status":
            return Reply(fault.status, b"<html>Sorry!</html>", {"Content-Type": "text/html"})
        case _:
            return _refused(method, fault.code, {})
