"""Slack's incoming webhook: posts to its one channel, never edits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from longshore.channels.credentials import with_secret
from longshore.channels.post_only import PostOnly
from longshore.errors import DeliveryError, ThrottledError, UpstreamError

if TYPE_CHECKING:
    from longshore.channels.http import Answer, Http
    from longshore.notify.ports import Rendered, Secrets

_REVOKED: Final = frozenset(
    {"no_service", "no_service_id", "no_team", "no_active_hooks", "invalid_token", "team_disabled", "http-404"}
)
"""The address is no longer valid: it may have been replaced."""
_REFUSED: Final = _REVOKED | {
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_attachments",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_payload",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "posting_to_general_channel_denied",
    "too_many_attachments",
    "user_not_found",
}
_THROTTLED: Final = frozenset({"rate_limited", "ratelimited"})


class SlackWebhookChannel(PostOnly):
    """The address is a secret; Slack answers a post that it took with the text `ok`."""

    kind = "slack-webhook"

    def __init__(self, secrets: Secrets, address_arn: str, http: Http) -> None:
        self._secrets = secrets
        self._address_arn = address_arn
        self._http = http

    def post(self, rendered: Rendered, *, idempotency: str, since: datetime | None = None) -> None:
        """Posts; a lost answer may lead to a second message, which this API cannot prevent."""
        members = rendered.body if isinstance(rendered.body, Mapping) else {}
        body = json.dumps({"text": rendered.text, **members, "unfurl_links": False, "unfurl_media": False}).encode()

        def send(address: str) -> None:
            self._judge(self._http.post(address, body, {"Content-Type": "application/json; charset=utf-8"}))

        with_secret(self._secrets, self._address_arn, send, _REVOKED)

    def _judge(self, answer: Answer) -> None:
        code = answer.text.strip()
        if answer.status == 200 and code == "ok":  # noqa: PLR2004
            return
        if code in _THROTTLED:
            raise ThrottledError(f"slack: {code}", self._http.retry_after(answer.headers))
        if code in _REFUSED:
            raise DeliveryError(code, "the incoming webhook refuses the message")
        self._http.checked(answer)
        raise UpstreamError(f"{answer.host} answered {answer.status} without the text ok")
