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
_WIDE_SCOPE = "aws"
_TOKEN_MEMBERS = frozenset({"token", "access_token", "expires_in", "issued_at"})


@dataclass(frozen=True, slots=True)
class Auth:
    """How a registry authenticates.

    `users` maps names to passwords; None is ECR's way: the user AWS with any token. A mutable mapping may change while
    the registry runs: a password that is gone is an ECR token that has expired. The rest concerns the bearer scheme:
    `registry_wide`: one scope, `aws`, for everything, as on ECR Public; anonymous tokens pull, others push as well.
    `token_members`: what the token is called in the answer, and which of `expires_in` and `issued_at` come with it.
    """

    scheme: Literal["open", "basic", "bearer"] = "open"
    users: Mapping[str, str] | None = None
    anonymous_pull: bool = True
    token_seconds: int = 300
    registry_wide: bool = False
    service: str = "registry"
    token_members: frozenset[str] = _TOKEN_MEMBERS


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
                held = self._held(credentials) if scheme.lower() == "bearer" else None
                if held is not None and _covers(held.scopes, scope):
                    return None
                return f'Bearer realm="{realm}",service="{self._auth.service}"{self._wanted(scope)}{_why(scheme, held)}'

    def issue(self, authorization: str | None, scopes: Iterable[str]) -> dict[str, str | int] | None:
        """A token for those of `scopes` that the caller may have; None for wrong credentials."""
        _, _, credentials = (authorization or "").partition(" ")
        if authorization is not None and not self._knows(credentials):
            return None
        push, pull = authorization is not None, self._auth.anonymous_pull
        granted = _granted(scopes, push=push, pull=pull)
        if self._auth.registry_wide:
            granted = [f"{_WIDE_SCOPE}:{action}" for action, held in (("pull", pull or push), ("push", push)) if held]
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._forget_expired()
            expires = self._now() + timedelta(seconds=self._auth.token_seconds)
            self._tokens[token] = _Token(expires, frozenset(granted))
        answer: dict[str, str | int] = {
            "token": token,
            "access_token": token,
            "expires_in": self._auth.token_seconds,
            "issued_at": self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return {name: value for name, value in answer.items() if name in self._auth.token_members}

    def _wanted(self, scope: str | None) -> str:
        if self._auth.registry_wide:
            return f',scope="{_WIDE_SCOPE}"'
        return f',scope="{scope}"' if scope else ""

    def _knows(self, credentials: str) -> bool:
        try:
            user, _, password = b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        if self._auth.users is None:
            return user == "AWS" and bool(password)
        expected = self._auth.users.get(user)
        return expected is not None and hmac.compare_digest(expected.encode(), password.encode())

    def _held(self, token: str) -> _Token | None:
        with self._lock:
            held = self._tokens.get(token)
        return held if held is not None and held.expires > self._now() else None

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


def _covers(scopes: frozenset[str], wanted: str | None) -> bool:
    if wanted is None or wanted in scopes:
        return True
    return f"{_WIDE_SCOPE}:{wanted.rpartition(':')[2]}" in scopes


def _why(scheme: str, held: _Token | None) -> str:
    """What was wrong with the token that came, if one came (RFC 6750 3.1)."""
    if scheme.lower() != "bearer":
        return ""
    return ',error="invalid_token"' if held is None else ',error="insufficient_scope"'
