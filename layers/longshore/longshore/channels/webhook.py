"""Any HTTPS endpoint, signed as Standard Webhooks 1.0 says (standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

from longshore.channels.credentials import with_secret
from longshore.channels.post_only import PostOnly
from longshore.errors import ConfigurationError, DeliveryError

if TYPE_CHECKING:
    from longshore.channels.http import Http
    from longshore.notify.ports import Rendered, Secrets
    from longshore.ports import Clock

_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(24, 65)
_REFUSALS: Final = frozenset({"http-401", "http-403"})


class WebhookChannel(PostOnly):
    """Posts `{type, timestamp, data}`; the signing secret may hold several `whsec_` keys, so that they can rotate."""

    kind = "webhook"

    def __init__(self, url: str, secrets: Secrets, secret_arn: str, http: Http, clock: Clock) -> None:
        self._url = url
        self._secrets = secrets
        self._secret_arn = secret_arn
        self._http = http
        self._clock = clock

    def post(self, rendered: Rendered, *, idempotency: str, since: datetime | None = None) -> None:
        """Posts; `idempotency` is the message's `webhook-id`, by which the receiver knows a repetition."""
        text = rendered.body if isinstance(rendered.body, str) else json.dumps(rendered.body, ensure_ascii=False)
        body, message = text.encode(), idempotency.replace(".", "_")  # the signature's own separator

        def send(secret: str) -> None:
            timestamp = int(self._clock.now().timestamp())
            headers = {
                "Content-Type": "application/json",
                "webhook-id": message,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signatures(_keys(self._secret_arn, secret), message, timestamp, body),
            }
            answer = self._http.post(self._url, body, headers)
            if answer.status == 410:  # noqa: PLR2004
                raise DeliveryError("disabled", f"{answer.host} wants no more messages (410)")
            self._http.checked(answer)

        with_secret(self._secrets, self._secret_arn, send, _REFUSALS)


def signatures(keys: list[bytes], message: str, timestamp: int, body: bytes) -> str:
    """A signature by each key, separated by spaces."""
    signed = f"{message}.{timestamp}.".encode() + body
    macs = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)


def _keys(arn: str, secret: str) -> list[bytes]:
    keys = [_key(arn, each) for each in secret.split()]
    if not keys:
        raise ConfigurationError(arn, "is empty", "whsec_ and 24 to 64 random bytes in base64")
    return keys


def _key(arn: str, secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else b""
    except binascii.Error:
        key = b""
    if len(key) not in _KEY_BYTES:
        raise ConfigurationError(arn, "is no signing secret", "whsec_ and 24 to 64 random bytes in base64")
    return key
