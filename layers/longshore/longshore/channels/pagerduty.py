"""PagerDuty: alerts by Events API v2, deployments by change events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from longshore.channels.credentials import with_secret
from longshore.channels.post_only import PostOnly
from longshore.errors import DeliveryError

if TYPE_CHECKING:
    from longshore.channels.http import Answer, Http
    from longshore.notify.ports import Rendered, Secrets

_INVALID_KEY: Final = "invalid-routing-key"
_SHOWN: Final = 300


class PagerDutyChannel(PostOnly):
    """One integration of a service; its routing key is a secret."""

    kind = "pagerduty"

    def __init__(
        self, secrets: Secrets, routing_key_arn: str, http: Http, base_url: str = "https://events.pagerduty.com"
    ) -> None:
        self._secrets = secrets
        self._routing_key_arn = routing_key_arn
        self._http = http
        self._base_url = base_url.rstrip("/")

    def post(self, rendered: Rendered, *, idempotency: str, since: datetime | None = None) -> None:
        """Sends the alert, then the change: `dedup_key` makes the alert harmless to repeat, a change has none."""
        body = rendered.body if isinstance(rendered.body, Mapping) else {}
        events = (("/v2/enqueue", body.get("alert")), ("/v2/change/enqueue", body.get("change")))
        for path, event in events:
            if isinstance(event, Mapping):
                self._send(path, event)

    def _send(self, path: str, event: Mapping[str, Any]) -> None:
        def send(routing_key: str) -> None:
            body = json.dumps({**event, "routing_key": routing_key}, ensure_ascii=False).encode()
            self._judge(self._http.post(self._base_url + path, body, {"Content-Type": "application/json"}), routing_key)

        with_secret(self._secrets, self._routing_key_arn, send, {_INVALID_KEY})

    def _judge(self, answer: Answer, routing_key: str) -> None:
        if answer.status == 400:  # noqa: PLR2004
            said = answer.text.replace(routing_key, "***")[:_SHOWN]
            about_key = "routing_key" in said or "routing key" in said.lower()
            raise DeliveryError(_INVALID_KEY if about_key else "invalid-event", said)
        self._http.checked(answer)
