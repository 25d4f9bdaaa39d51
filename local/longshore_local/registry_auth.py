"""Who may do what in a registry: open, Basic as ECR has it, or bearer tokens from a realm as Docker Hub has it."""

import binascii
import hmac
import secrets
import threading
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

CATALOG_SCOPE = "registry:catalog:*"


@dataclass(frozen=True, slots=True)
class Auth:
    """How a registry authenticates.

    `users` maps names to passwords; None is ECR's way: the user AWS with any token. `anonymous_pull` and
    `token_seconds` concern the bearer scheme.
    """

    scheme: Literal["open", "basic", "bearer"] = "open"
    users: Mapping[str, str] | None = None
    anonymous_pull: bool = True
    token_seconds: int = 300


OPEN = Auth()


@dataclass(frozen=True, slots=True)
class _Token:
    expires: datetime
    scopes: frozenset[str]


class Authenticator:
    """Checks the Authorization header of requests and hands out bearer tokens."""

    def __init__(self, auth: Auth, now: Callable[[], datetime]) -> None:
        self._auth = auth
        self._now = now
        self._tokens: dict[str, _Token] = {}
        self._lock = threading.Lock()

    def challenge(self, authorization: str | None, scope: str | None, realm: str) -> str | None:
        """None when the request may go on, else the WWW-Authenticate header to refuse it with.

        `scope` is what it needs (`repository:team/web:pull`), None for the version check.
        """
        scheme, _, credentials = (authorization or "").partition(" ")
        match self._auth.scheme:
            case "open":
                return None
            case "basic":
                allowed = scheme.lower() == "basic" and self._knows(credentials)
                return None if allowed else 'Basic realm="ecr",service="ecr.amazonaws.com"'
            case "bearer":
                if scheme.lower() == "bearer" and self._holds(credentials, scope):
                    return None
                wanted = f',scope="{scope}"' if scope else ""
                return f'Bearer realm="{realm}",service="registry"{wanted}'

    def issue(self, authorization: str | None, scopes: Iterable[str]) -> dict[str, str | int] | None:
        """A token for those of `scopes` that the caller may have; None for wrong credentials."""
        _, _, credentials = (authorization or "").partition(" ")
        if authorization is not None and not self._knows(credentials):
            return None
        granted = _granted(scopes, push=authorization is not None, pull=self._auth.anonymous_pull)
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._forget_expired()
            expires = self._now() + timedelta(seconds=self._auth.token_seconds)
            self._tokens[token] = _Token(expires, frozenset(granted))
        return {
            "token": token,
            "access_token": token,
            "expires_in": self._auth.token_seconds,
            "issued_at": self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _knows(self, credentials: str) -> bool:
        try:
            user, _, password = b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        if self._auth.users is None:
            return user == "AWS" and bool(password)
        expected = self._auth.users.get(user)
        return expected is not None and hmac.compare_digest(expected.encode(), password.encode())

    def _holds(self, token: str, scope: str | None) -> bool:
        with self._lock:
            held = self._tokens.get(token)
        return held is not None and held.expires > self._now() and (scope is None or scope in held.scopes)

    def _forget_expired(self) -> None:
        self._tokens = {text: token for text, token in self._tokens.items() if token.expires > self._now()}


def _granted(scopes: Iterable[str], *, push: bool, pull: bool) -> Iterable[str]:
    for scope in (one for text in scopes for one in text.split()):
        resource, _, actions = scope.rpartition(":")
        if resource == CATALOG_SCOPE.rpartition(":")[0] and push:
            yield CATALOG_SCOPE
            continue
        for action in actions.split(","):
            if push or (pull and action == "pull"):
                yield f"{resource}:{action}"
