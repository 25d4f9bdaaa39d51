"""A stand-in for Teams, PagerDuty and webhook receivers: keeps what was posted, answers as it is told."""

from collections import deque
from collections.abc import Iterable

from longshore_local.loopback import LoopbackServer, Reply, Request


class Inbox(LoopbackServer):
    """Answers 202 unless `script` says otherwise; `requests` holds what came, in order."""

    def __init__(self, port: int = 0, usual: Reply = Reply(202)) -> None:  # noqa: B008 - immutable
        super().__init__(self._take, port, "inbox")
        self.requests: list[Request] = []
        self._usual = usual
        self._script: deque[Reply] = deque()

    def script(self, replies: Iterable[Reply]) -> None:
        """The answers to the next requests, one each."""
        self._script.extend(replies)

    def _take(self, request: Request) -> Reply:
        self.requests.append(request)
        return self._script.popleft() if self._script else self._usual
