"""Requests of one registry: signed, tried again, throttled, and every error told with its place."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from longshore.errors import AccessDeniedError, LongshoreError, ThrottledError, UpstreamError
from longshore.images import is_name
from longshore.manifests import ManifestError
from longshore.mirror.errors import AddressError, IntegrityError, ProtocolError, RefusedError
from longshore.registries.answers import Refusal, Where, refused
from longshore.registries.auth import Authorizer, Logins
from longshore.registries.headers import challenges, rate_limit, retry_after, warnings
from longshore.registries.turns import Turns
from longshore.registries.wire import Origin

if TYPE_CHECKING:
    from longshore.mirror.ports import RateLimit, Side, Usage
    from longshore.registries.patience import Patience
    from longshore.registries.transport import Answer, Request, Transport

_TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_SPENT_SECONDS: Final = 900.0
"""How long to stay away when a pull budget is used up: its window slides, and nothing says when (mirror 5.1)."""
_MOST_WARNINGS: Final = 20
_MOST_CHALLENGES: Final = 2


class Caller:
    """What all of a registry's operations share. Thread-safe."""

    def __init__(
        self,
        base: str,
        side: Side,
        transport: Transport,
        patience: Patience,
        *,
        logins: Logins | None = None,
        eager: bool = False,
    ) -> None:
        """`base` is the registry's URL without a path."""
        self.origin = Origin.of(base)
        self._base = base.rstrip("/")
        self._side: Side = side
        self._transport = transport
        self._patience = patience
        self._authorizer = Authorizer(self._ask_token, patience.clock, logins, eager=eager)
        self._rate: RateLimit | None = None
        self._long_lists = Turns(patience.limit)
        self._locations: dict[str, str] = {}
        self._warnings: dict[str, None] = {}
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """See the port."""
        return str(self.origin)

    @property
    def side(self) -> Side:
        """See the port."""
        return self._side

    @property
    def usage(self) -> Usage:
        """See the port."""
        return self._transport.usage

    @property
    def rate(self) -> RateLimit | None:
        """See the port."""
        return self._rate

    @property
    def warnings(self) -> Sequence[str]:
        """See the port."""
        with self._lock:
            return tuple(self._warnings)

    def close(self) -> None:
        """See the port."""
        self._transport.close()

    def count_received(self, count: int) -> None:
        """So many bytes of content came."""
        self._transport.count_received(count)

    def where(self, repository: str, reference: str = "") -> Where:
        """What an error is about."""
        return Where(self._side, self.host, repository, reference)

    def refusal(self, repository: str, reference: str, what: str, refusal: Refusal) -> LongshoreError:
        """The error for an answer that is no success."""
        return refused(self.where(repository, reference), what, refusal)

    @contextmanager
    def telling(self, repository: str, reference: str, what: str) -> Iterator[None]:
        """Errors of the layers below are raised with their place."""
        try:
            yield
        except (AccessDeniedError, AddressError, IntegrityError, ManifestError, ProtocolError, UpstreamError) as error:
            place = f"{self.where(repository, reference)}: "
            if str(error).startswith(place):
                raise
            raise type(error)(f"{place}{what}: {error}") from None

    def url(self, repository: str, path: str) -> str:
        """The address of something in a repository. Raises RefusedError for what cannot be a repository's name."""
        if not is_name(repository):
            raise RefusedError(f"{self.where('')}: {repository[:200]!r} is no repository name", codes=("NAME_INVALID",))
        return f"{self._base}/v2/{repository}/{path}"

    def ask(self, repository: str, reference: str, request: Request, also: Sequence[str] = ()) -> Answer:
        """The answer to a request, of whatever status but those that are worth another try.

        `reference` is for errors only; `also` are further scopes. Raises PutOffError, ThrottledError, UpstreamError,
        AddressError, ProtocolError, and what the token server led to.
        """
        actions = "pull" if self._side == "source" else "pull,push"
        scopes = (f"repository:{repository}:{actions}", *also)
        with self.telling(repository, reference, f"{request.method} {request.kind}"):
            return self._patiently(request, scopes, self.where(repository, reference))

    def _patiently(self, request: Request, scopes: Sequence[str], where: Where) -> Answer:
        tried = 0
        while True:
            tried += 1
            text = f"{where}: {request.method} {request.kind}"
            try:
                answer = self._authorized(request, scopes)
                if answer.status not in _TRY_AGAIN:
                    return self._read(request, answer)
            except UpstreamError as error:
                if not request.is_repeatable or not self._patience.before_retry(tried, None, f"{text}: {error}"):
                    raise
                continue
            self._try_again_or_raise(request, answer, tried, where)

    def _read(self, request: Request, answer: Answer) -> Answer:
        if request.limit is not None and answer.status == 200:  # noqa: PLR2004
            answer.small(request.limit)
        return answer

    def _try_again_or_raise(self, request: Request, answer: Answer, tried: int, where: Where) -> None:
        refusal = Refusal.of(answer)
        what = f"{request.method} {request.kind}"
        text = f"{where}: {what}: {refusal.text}"
        asked = retry_after(answer.headers.get("retry-after"), refusal.message, self._patience.clock.now())
        throttled = answer.status == 429 or asked is not None  # noqa: PLR2004
        if throttled and request.kind == "manifest" and self._rate is not None and not self._rate.remaining:
            raise self._patience.put_off(text, max(asked or 0.0, _SPENT_SECONDS))
        if request.is_repeatable and self._patience.before_retry(tried, asked, text):
            return
        if throttled and asked is not None and not request.is_repeatable:
            raise self._patience.put_off(text, asked)  # whoever can read the source again may try again that soon
        if throttled and asked is None and request.kind == "upload":
            raise ThrottledError(text)  # too many at once, perhaps: it says nothing of others, or of when
        raise self._patience.throttled(text, asked) if throttled else refused(where, what, refusal)

    def _authorized(self, request: Request, scopes: Sequence[str]) -> Answer:
        """Once, and again while a challenge is answered by something new: a login, then a fresh one, a wider token."""
        if Origin.of(request.url) != self.origin:
            return self._sent(request)  # an upload's or a blob's address elsewhere carries what it needs
        header = self._authorizer.header(scopes)
        answer = self._sent(_with(request, header))
        for _ in range(_MOST_CHALLENGES):
            if answer.status != 401 or answer.origin != self.origin:  # noqa: PLR2004
                break
            another = self._learned(answer, request, scopes, header)
            if another is None:
                break
            answer.discard()
            if not request.is_repeatable:
                raise UpstreamError("the credentials expired in the middle of an upload")
            header = another
            answer = self._sent(_with(request, header))
        return answer

    def _learned(self, answer: Answer, request: Request, scopes: Sequence[str], header: str | None) -> str | None:
        offered = list(challenges(answer.every("www-authenticate")))
        try:
            return self._authorizer.learn(offered, scopes, request.url, header)
        except BaseException:
            answer.close()
            raise

    def _sent(self, request: Request) -> Answer:
        answer = self._transport.send(request)
        rate = rate_limit(answer.headers)
        told = list(warnings(answer.every("warning")))
        if rate or told:
            with self._lock:
                self._rate = rate._replace(at=self._patience.clock.now()) if rate else self._rate
                for text in told[: _MOST_WARNINGS - len(self._warnings)]:
                    self._warnings[text] = None
        return answer

    def _ask_token(self, request: Request) -> Answer:
        """A token server's success. Raises what its refusal means, with its host."""
        # Not tried again here: the request that needs the token is.
        where = Where(self._side, str(Origin.of(request.url)))
        try:
            answer = self._transport.send(request)
        except UpstreamError as error:
            raise UpstreamError(f"{where}: GET token: {error}") from None
        if answer.status == 200:  # noqa: PLR2004
            return answer
        refusal = Refusal.of(answer)
        asked = retry_after(answer.headers.get("retry-after"), refusal.message, self._patience.clock.now())
        if asked is not None and asked > self._patience.longest_wait:
            raise self._patience.put_off(f"{where}: GET token: {refusal.text}", asked)
        if answer.status in _TRY_AGAIN:
            raise UpstreamError(f"{where}: GET token: {refusal.text}")
        raise refused(where, "GET token", refusal)


def _with(request: Request, authorization: str | None) -> Request:
    if authorization is None:
        return request
    return replace(request, headers={**request.headers, "Authorization": authorization})
