"""Microsoft Teams through a Workflows webhook ("When a Teams webhook request is received")."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

from longshore.channels.credentials import with_secret
from longshore.channels.post_only import PostOnly

if TYPE_CHECKING:
    from longshore.channels.http import Http
    from longshore.notify.ports import Rendered, Secrets

_REVOKED: Final = frozenset({"http-401", "http-403", "http-404", "http-410"})


class TeamsChannel(PostOnly):
    """The address carries its own signature (`sig=`), so it is a secret.

    202 says that the flow took the card, not that it was shown; a flow dies with the account of its owner.
    """

    kind = "teams"

    def __init__(self, secrets: Secrets, address_arn: str, http: Http) -> None:
        self._secrets = secrets
        self._address_arn = address_arn
        self._http = http

    def post(self, rendered: Rendered, *, idempotency: str, since: datetime | None = None) -> None:
        """Posts the message with its Adaptive Card."""
        body = json.dumps(rendered.body, ensure_ascii=False).encode()

        def send(address: str) -> None:
            self._http.checked(self._http.post(address, body, {"Content-Type": "application/json"}))

        with_secret(self._secrets, self._address_arn, send, _REVOKED)
