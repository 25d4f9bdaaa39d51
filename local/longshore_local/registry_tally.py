"""What arrived at a registry and what left it: requests, body bytes and pulls."""

import threading
from collections import Counter, deque
from dataclasses import dataclass

from longshore_local.registry_routes import kind_of


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that was answered, or cut (status 0). `scheme` is that of its Authorization header, "" without one."""

    method: str
    path: str
    status: int
    scheme: str = ""

    @property
    def kind(self) -> str:
        """What it is counted as, `PUT manifest`."""
        return kind_of(self.method, self.path)


class Tally:
    """Counts since the start or the last `clear`. Bytes are counted as they come, kept or not, cut requests included.

    `requests`, `received` (request bodies) and `sent` (answers' bodies) are by kind; `pulls` are the manifest GETs that
    were answered with one, which is what Docker Hub counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Starts at zero."""
        with self._lock:
            self.requests: Counter[str] = Counter()
            self.received: Counter[str] = Counter()
            self.sent: Counter[str] = Counter()
            self.pulls = 0
            self.records: deque[RequestRecord] = deque(maxlen=10_000)

    @property
    def uploaded(self) -> int:
        """Bytes of blobs that arrived, those that were refused or cut included."""
        return sum(self.received[f"{method} upload"] for method in ("POST", "PATCH", "PUT"))

    @property
    def downloaded(self) -> int:
        """Bytes of blobs that left, from the registry and from its signed URLs."""
        return self.sent["GET blob"] + self.sent["GET layer"]

    def answered(self, record: RequestRecord) -> None:
        """Notes a request; before its answer goes out, so that a client that has the answer finds it here."""
        kind = record.kind
        with self._lock:
            self.records.append(record)
            self.requests[kind] += 1
            self.pulls += kind == "GET manifest" and record.status == 200

    def receive(self, kind: str, size: int) -> None:
        """Notes body bytes that came."""
        with self._lock:
            self.received[kind] += size

    def send(self, kind: str, size: int) -> None:
        """Notes body bytes that are about to go."""
        with self._lock:
            self.sent[kind] += size
