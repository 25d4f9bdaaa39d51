"""Credentials for one registry: none, a password, ECR's token, or bearer tokens from the realm that it names."""

from __future__ import annotations

import binascii
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from longshore.errors import AccessDeniedError, LongshoreError
from longshore.mirror.errors import ProtocolError
from longshore.registries.headers import Challenge, number
from longshore.registries.transport import Answer, Request, joined

if TYPE_CHECKING:
    from longshore.ports import Clock

_LARGEST_ANSWER: Final = 1024 * 1024
_LONGEST_TOKEN: Final = 16_384
"""No server takes a longer header."""
_DEFAULT_SECONDS: Final = 60
"""How long a token is good that does not say (distribution, token.md)."""
_MARGIN_SECONDS: Final = 60
_LONGEST_SECONDS: Final = 43_200
_MOST_TOKENS: Final = 250
_FORGET: Final = timedelta(minutes=1)
"""How often a refused login or token is asked for anew: not for every tag of a mirror whose password is wrong."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user's name and secret; `expires` for those that do, as ECR's after 12 hours."""

    username: str
    password: str = field(repr=False)
    expires: datetime | None = None

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()

    @classmethod
    def ecr(cls, token: str, expires: datetime) -> Login:
        """From `authorizationToken` of ECR's and ECR Public's GetAuthorizationToken. Raises ValueError."""
        try:
            username, _, password = binascii.a2b_base64(token).decode().partition(":")
        except ValueError:
            raise ValueError("an ECR authorization token is base64 of a user and a password") from None
        return cls(username, password, expires)


Logins = Callable[[], Login]
"""Asks for a login: of Secrets Manager, of ECR. Called again when half of its time has passed, or it was refused."""


class _Bearer(NamedTuple):
    token: str
    until: datetime
    asked: datetime
    scopes: tuple[str, ...]


class Authorizer:
    """The Authorization header for one registry's requests. Thread-safe.

    `eager` sends the login with the first request, as ECR wants it; otherwise nothing is sent to who did not ask.
    """

    def __init__(
        self, send: Callable[[Request], Answer], clock: Clock, logins: Logins | None = None, *, eager: bool = False
    ) -> None:
        """`send` answers with a success or raises; redirects of a token request lose its credentials."""
        self._send = send
        self._clock = clock
        self._logins = logins
        self._basic = eager and logins is not None
        self._login: tuple[Login, datetime | None] | None = None
        self._challenge: Challenge | None = None
        self._realm = ""
        self._forgot: datetime | None = None
        self._tokens: dict[tuple[str, ...], _Bearer] = {}
        self._lock = threading.RLock()

    def header(self, scopes: Sequence[str]) -> str | None:
        """What to send along with a request that needs `scopes`; None until somebody asked for something."""
        with self._lock:
            if self._basic:
                return self._current().basic
            if self._challenge is None:
                return None
            return f"Bearer {self._token(self._fitting(scopes))}"

    def learn(self, offered: Sequence[Challenge], scopes: Sequence[str], base: str, sent: str | None) -> str | None:
        """What to try once more after a 401, or None. `sent` is what was refused, `base` the URL that refused it."""
        with self._lock:
            bearer = next((each for each in offered if each.scheme == "bearer" and each.parameters.get("realm")), None)
            if bearer is not None:
                return self._learn_bearer(bearer, scopes, base, sent)
            if any(each.scheme == "basic" for each in offered) and self._logins:
                refused = self._basic and sent == self._current().basic
                if refused and not self._forget():
                    return None
                self._basic = True
                header = self._current().basic
                return None if header == sent else header
            return None

    def _learn_bearer(self, bearer: Challenge, scopes: Sequence[str], base: str, sent: str | None) -> str | None:
        self._basic = False
        self._challenge = bearer
        self._realm = joined(base, bearer.parameters["realm"])
        wanted = self._fitting(scopes)
        known = self._tokens.get(wanted)
        if known is not None and sent != f"Bearer {known.token}":
            return f"Bearer {known.token}"  # another thread was faster
        asked = tuple(bearer.parameters.get("scope", "").split())
        if sent is not None and asked:
            # Not enough: what the registry names goes first (mirror 4, beyond the spec).
            wanted = tuple(dict.fromkeys((*asked, *wanted)))
        if known is not None and known.scopes == wanted and self._clock.now() < known.asked + _FORGET:
            return None  # another like it would be refused too
        return f"Bearer {self._kept(self._fitting(scopes), wanted).token}"

    def _fitting(self, scopes: Sequence[str]) -> tuple[str, ...]:
        """What to ask for: a registry whose scope is no resource, as ECR Public's `aws`, has one for everything."""
        told = self._challenge.parameters.get("scope", "") if self._challenge else ""
        return (told,) if told and ":" not in told else tuple(scopes)

    def _token(self, scopes: tuple[str, ...]) -> str:
        known = self._tokens.get(scopes)
        if known is None or known.until <= self._clock.now():
            known = self._kept(scopes, scopes)
        return known.token

    def _kept(self, needed: tuple[str, ...], asked: tuple[str, ...]) -> _Bearer:
        """A new token for what is needed, by what is to be asked for."""
        token = self._fetch(asked)
        if len(self._tokens) >= _MOST_TOKENS:
            self._tokens.clear()
        self._tokens[needed] = token
        return token

    def _fetch(self, scopes: tuple[str, ...]) -> _Bearer:
        service = self._challenge.parameters.get("service") if self._challenge else None
        query = urlencode([*([("service", service)] if service else []), *(("scope", scope) for scope in scopes)])
        url = f"{self._realm}{'&' if '?' in self._realm else '?'}{query}"
        headers = {"Accept": "application/json"}
        if self._logins:
            headers["Authorization"] = self._current().basic
        asked = self._clock.now()
        try:
            answer = self._send(Request("GET", url, "token", headers))
        except AccessDeniedError:
            refused = headers.get("Authorization")
            if refused is None or not self._forget():
                raise
            headers["Authorization"] = self._current().basic
            if headers["Authorization"] == refused:
                raise
            answer = self._send(Request("GET", url, "token", headers))
        try:
            return _bearer(answer.small(_LARGEST_ANSWER), asked, scopes)
        finally:
            answer.forget()

    def _forget(self) -> bool:
        """Drops a login that was refused, as one whose password was changed; at most once a minute."""
        now = self._clock.now()
        if self._forgot is not None and now < self._forgot + _FORGET:
            return False
        self._forgot, self._login = now, None
        return True

    def _current(self) -> Login:
        """The login in use; one that expires is renewed at half of its life, and kept when that fails."""
        if self._logins is None:
            raise AccessDeniedError("no credentials are configured")
        now = self._clock.now()
        if self._login is not None and (self._login[1] is None or now < self._login[1]):
            return self._login[0]
        try:
            login = self._logins()
        except LongshoreError:
            if self._login is not None and self._login[0].expires is not None and self._login[0].expires > now:
                return self._login[0]
            raise
        self._login = login, now + (login.expires - now) / 2 if login.expires else None
        return login


def _bearer(content: bytes, asked: datetime, scopes: tuple[str, ...]) -> _Bearer:
    try:
        document = json.loads(content)
        token = document.get("token") or document.get("access_token")
        seconds = document.get("expires_in")
    except (ValueError, AttributeError, RecursionError):
        raise ProtocolError("the token server's answer is no token") from None
    if not isinstance(token, str) or not 0 < len(token) <= _LONGEST_TOKEN or not _is_header_text(token):
        raise ProtocolError("the token server's answer has no usable token")
    told = number(str(seconds)) if not isinstance(seconds, bool) else None
    life = min(max(told or _DEFAULT_SECONDS, _DEFAULT_SECONDS), _LONGEST_SECONDS)
    until = asked + timedelta(seconds=max(life - _MARGIN_SECONDS, life // 2))
    return _Bearer(token, until, asked, scopes)


def _is_header_text(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token
