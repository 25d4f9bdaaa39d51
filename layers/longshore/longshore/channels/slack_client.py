"""slack_sdk's client on Longshore's one HTTP room, so that its habits cannot surprise.

By itself it follows redirects with the token, has a time-out per read but none in all, takes proxies from the
environment, formats every message for a debug log even when there is none, and does not tell a request that never
left from one whose answer was lost. Only its transport is replaced: how methods are called stays its own business.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from longshore.channels.slack_errors import slack_error
from longshore.errors import UpstreamError

if TYPE_CHECKING:
    from urllib.request import Request

    from slack_sdk.web import SlackResponse

    from longshore.channels.http import Http

Called = TypeVar("Called")

_silent = logging.getLogger("longshore.channels.slack_sdk")
_silent.setLevel(logging.CRITICAL + 1)


class SlackClient(WebClient):
    """One token; no call of it outlasts the deadline of the delivery that it belongs to."""

    def __init__(
        self,
        token: str,
        base_url: str,
        http: Http,
        deadline: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`deadline` is in seconds of `monotonic`."""
        super().__init__(token=token, base_url=base_url, retry_handlers=[], logger=_silent)
        self._http = http
        self._monotonic = monotonic
        self._deadline = deadline

    def call(self, method: str, call: Callable[..., SlackResponse], **arguments: Any) -> Mapping[str, Any]:
        """Calls a method. Raises Longshore's errors only."""
        try:
            response = call(**arguments)
        except SlackApiError as error:
            response = error.response
            data = response.data if isinstance(response.data, Mapping) else {}
            retry_after = self._http.retry_after(response.headers)
            raise slack_error(method, response.status_code, data, retry_after) from None
        return response.data if isinstance(response.data, Mapping) else {}

    def upload(self, address: str, content: bytes) -> None:
        """Posts a file's content to the address that Slack gave for it."""
        headers = {"Content-Type": "application/octet-stream"}
        self._http.checked(self._http.post(address, content, headers, self._left()))

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        body = req.data if isinstance(req.data, bytes) else b""
        answer = self._http.post(url, body, dict(req.header_items()), self._left())
        return {"status": answer.status, "headers": answer.headers, "body": answer.text}

    def _left(self) -> float:
        left = self._deadline - self._monotonic()
        if left <= 0:
            raise UpstreamError("slack: the time for this delivery is used up")
        return left
