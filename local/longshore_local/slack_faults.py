"""Slack's bad days, in the order in which they are to come."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request. `method` limits it to one Web API method (`webhook`: the incoming webhook)."""

    kind: Literal["throttle", "status", "hang", "refuse", "reset"]
    method: str | None = None
    status: int = 200
    code: str = ""
    retry_after: str | None = None
    accepted: bool = False
    """Whether the request takes effect all the same."""

    @classmethod
    def throttle(cls, retry_after: int | str | None = None, method: str | None = None) -> Self:
        """429, with or without Retry-After."""
        return cls("throttle", method, 429, "ratelimited", None if retry_after is None else str(retry_after))

    @classmethod
    def server_error(cls, status: int = 503, method: str | None = None, *, accepted: bool = False) -> Self:
        """A page of HTML with a status of 5xx."""
        return cls("status", method, status, accepted=accepted)

    @classmethod
    def refuse(cls, code: str, method: str | None = None) -> Self:
        """`ok: false` with a code and HTTP 200; on the webhook the code as text and HTTP 4xx."""
        return cls("refuse", method, code=code)

    @classmethod
    def hang(cls, method: str | None = None, *, accepted: bool = False) -> Self:
        """No answer until the client gives up."""
        return cls("hang", method, accepted=accepted)

    @classmethod
    def reset(cls, method: str | None = None, *, accepted: bool = True) -> Self:
        """The connection is reset after the request came in whole."""
        return cls("reset", method, accepted=accepted)


class Script:
    """Faults to come; each strikes the first request that it concerns. None lets one request of any method pass."""

    def __init__(self) -> None:
        self._faults: list[Fault | None] = []
        self._lock = threading.Lock()

    def extend(self, faults: Iterable[Fault | None]) -> None:
        """Adds to the end."""
        with self._lock:
            self._faults.extend(faults)

    def strike(self, method: str) -> Fault | None:
        """The fault for this request, which is then used up."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault is None or fault.method in (None, method):
                    return self._faults.pop(index)
        return None

    def clear(self) -> None:
        """Nothing is to happen any more."""
        with self._lock:
            self._faults.clear()

    def __len__(self) -> int:
        return len(self._faults)
