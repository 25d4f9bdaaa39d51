"""Slack's error codes as Longshore's errors. `ok: false` comes with HTTP 200 (docs.slack.dev, Web API)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from longshore.errors import DeliveryError, LongshoreError, MessageGoneError, ThrottledError, UpstreamError

REVOKED: Final = frozenset({"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"})
"""The token is no longer valid: it may have been replaced."""
UNREADABLE: Final = frozenset(
    {"missing_scope", "channel_not_found", "not_in_channel", "no_permission", "not_allowed_token_type"}
)
"""The app may post, but not read back what it posted."""
NO_FILES: Final = UNREADABLE | {"file_uploads_disabled", "file_uploads_except_images_disabled"}
"""The app may post, but not upload: files want a member of the channel, whatever chat:write.public allows."""
_THROTTLED: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_PASSING: Final = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
_GONE: Final = frozenset(
    {"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "is_inactive"}
)
_CODE: Final = re.compile(r"[a-z0-9_]{1,80}")
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
_SHOWN: Final = 500


def slack_error(method: str, status: int, data: Mapping[str, Any], retry_after: float) -> LongshoreError:
    """What an answer other than `ok: true` amounts to."""
    code = str(data.get("error", ""))
    text = f"{method}: {status} {code}"[:_SHOWN]
    if status == _TOO_MANY or code in _THROTTLED:
        return ThrottledError(text, retry_after)
    if status >= _SERVER_ERROR or code in _PASSING:
        return UpstreamError(text)
    if not _CODE.fullmatch(code):
        return UpstreamError(f"{method}: {status} without an error code")
    if code in _GONE:
        return MessageGoneError(text)
    return DeliveryError(code, f"{method}{_details(data)}")


def _details(data: Mapping[str, Any]) -> str:
    told = [str(data[name]) for name in ("needed",) if data.get(name)]
    metadata = data.get("response_metadata")
    if isinstance(metadata, Mapping):
        told += [str(message) for message in metadata.get("messages") or ()]
    return f": {'; '.join(told)}"[:_SHOWN] if told else ""
