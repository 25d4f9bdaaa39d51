"""Faults of a registry: what can go wrong with one request, and the script that says with which."""

import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from longshore_local.loopback import Reply

Headers = dict[str, str]


class HangUpError(ConnectionError):
    """The registry ends the connection here: by a reset, or as if it were done."""

    def __init__(self, *, reset: bool = True) -> None:
        super().__init__("the registry hung up")
        self.reset = reset


class Fault:
    """What happens to one request. Each method is a place to interfere; by itself none of them does."""

    def instead(self, path: str) -> Reply | None:
        """An answer that the registry knows nothing of; None lets it answer."""
        return None

    def cut_request_after(self) -> int | None:
        """After how many bytes of the request's body the connection is reset; None for never."""
        return None

    def headers(self, headers: Headers, length: int | None) -> tuple[Headers, int | None]:
        """The headers and the Content-Length to tell; no length makes the body come in chunks."""
        return headers, length

    def head(self, block: bytes) -> Iterator[bytes]:
        """The status line and the headers as they go out; may raise HangUpError after some of them."""
        yield block

    def body(self, pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
        """The body as it goes out, of `length` bytes if nothing interfered; may raise HangUpError after some."""
        return pieces


class Rule(NamedTuple):
    """Which requests a fault strikes.

    `kind` is a pattern of kinds (`GET blob`, `* upload`), `path` a part of the path and query. The first `skip`
    requests that match are spared, the `times` after them struck; None strikes all others.
    """

    kind: str
    fault: Fault
    times: int | None = 1
    skip: int = 0
    path: str = ""


class Script:
    """The faults of one registry, in order; the first rule that has something left for a request strikes it.

    `struck` lists kind and path of the requests that were struck.
    """

    def __init__(self, *rules: Rule) -> None:
        self.struck: list[tuple[str, str]] = []
        self._rules = rules
        self._seen = [0] * len(rules)
        self._lock = threading.Lock()

    def take(self, kind: str, path: str) -> Fault | None:
        """The fault of this request."""
        with self._lock:
            for number, rule in enumerate(self._rules):
                if not fnmatchcase(kind, rule.kind) or rule.path not in path:
                    continue
                self._seen[number] += 1
                nth = self._seen[number] - rule.skip
                if nth > 0 and (rule.times is None or nth <= rule.times):
                    self.struck.append((kind, path))
                    return rule.fault
        return None

    @property
    def finished(self) -> bool:
        """Whether every rule with a number of times has struck as often."""
        left = zip(self._rules, self._seen, strict=True)
        return all(rule.times is None or seen >= rule.skip + rule.times for rule, seen in left)
