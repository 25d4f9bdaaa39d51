"""How long the wire is waited on, whatever the other end does: by a clock that moves only while somebody waits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, cast

import pytest

from longshore.addresses import Reach
from longshore.errors import UpstreamError
from longshore.mirror.errors import UnfinishedError
from longshore.registries.patience import Patience
from longshore.registries.timelimit import TimeLimit
from longshore.registries.turns import Turns
from longshore.registries.wire import CONNECT_SECONDS, SILENCE_SECONDS, Connection, Connections, Origin, Wire
from tests.fakes import FakeClock

if TYPE_CHECKING:
    import socket

NEVER = float("inf")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


@dataclass
class Peer:
    """A socket whose other end sends pieces after so many seconds each, and takes `taken` bytes every `slow` seconds.

    Waiting moves `now`.
    """

    pieces: Iterator[tuple[float, bytes]] = field(default_factory=lambda: iter(()))
    taken: int = 1 << 20
    slow: float = 0.0
    now: float = 1000.0
    timeout: float | None = None

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0
        self.timeout = seconds

    def recv_into(self, buffer: Any) -> int:
        delay, piece = next(self.pieces, (NEVER, b""))
        self._wait(delay)
        buffer[: len(piece)] = piece
        return len(piece)

    def send(self, data: memoryview) -> int:
        self._wait(self.slow)
        return min(len(data), self.taken)

    def close(self) -> None:
        """Nothing is left open."""

    def monotonic(self) -> float:
        return self.now

    def _wait(self, seconds: float) -> None:
        assert self.timeout is not None
        self.now += min(seconds, self.timeout)
        if seconds > self.timeout:
            raise TimeoutError("timed out")

    def wire(self, limit: TimeLimit | None = None) -> Wire:
        return Wire(cast("socket.socket", self), "registry.example", self.monotonic, limit)

    def limit(self, seconds: float) -> TimeLimit:
        limit = TimeLimit(self.monotonic)
        limit.begin(seconds)
        return limit


def drip(seconds: float, content: bytes | None = None) -> Iterator[tuple[float, bytes]]:
    """One byte at a time: of a content, or of a header without end."""
    letters: Iterable[int] = content if content is not None else itertools.chain(b"HTTP/1.1 200 OK\r\nX: ", forever())
    return ((seconds, bytes([letter])) for letter in letters)


def forever() -> Iterator[int]:
    return itertools.repeat(ord("x"))


def read_head(wire: Wire, patience: float) -> int:
    """As http.client does."""
    connection = Connection(Origin("http", "registry.example", 80), wire)
    wire.wait_for_head(patience)
    response = HTTPResponse(cast("socket.socket", wire), method="GET")
    try:
        response.begin()
    finally:
        response.close()
        connection.close()
    return response.status


class TestHeads:
    @pytest.mark.parametrize("seconds", [0.5, 10.0, 59.0, 500.0, NEVER])
    @pytest.mark.parametrize("patience", [60.0, 600.0])
    def test_silence_and_drips_end_in_wall_time(self, seconds: float, patience: float) -> None:
        peer = Peer(drip(seconds))
        with pytest.raises(TimeoutError, match="no end of the answer"):
            read_head(peer.wire(), patience)
        assert peer.now - 1000 <= (patience if seconds == NEVER else patience + 30)

    def test_interim_answers_do_not_help(self) -> None:
        peer = Peer(itertools.repeat((20.0, b"HTTP/1.1 100 Continue\r\n\r\n")))
        with pytest.raises(TimeoutError):
            read_head(peer.wire(), 60.0)
        assert peer.now - 1000 == 90

    def test_who_has_to_think_has_its_time(self) -> None:
        peer = Peer(iter([(590.0, HEAD)]))
        assert read_head(peer.wire(), 600.0) == 200

    @pytest.mark.parametrize("seconds", [1.0, NEVER])
    def test_the_invocation_s_end_comes_first(self, seconds: float) -> None:
        peer = Peer(drip(seconds))
        with pytest.raises(UnfinishedError, match=r"no time left to wait for registry\.example"):
            read_head(peer.wire(peer.limit(45.0)), 600.0)
        assert peer.now - 1000 <= 46


class TestBodies:
    def _read(self, wire: Wire, size: int = 10) -> None:
        buffer = memoryview(bytearray(64))
        for _ in range(size):
            wire.receive_into(buffer)

    def test_silence(self) -> None:
        peer = Peer()
        with pytest.raises(TimeoutError, match="no answer"):
            self._read(peer.wire())
        assert peer.now - 1000 == SILENCE_SECONDS

    def test_a_drip_is_as_good_as_silence(self) -> None:
        peer = Peer(drip(5.0))
        with pytest.raises(TimeoutError, match="bytes in 35 s"):
            self._read(peer.wire())

    def test_a_small_answer_is_read_in_its_time_or_not_at_all(self) -> None:
        peer = Peer(itertools.repeat((1.0, b"x" * 64)))
        wire = peer.wire()
        wire.wait_for_all(120.0)
        with pytest.raises(TimeoutError):
            self._read(wire, 1000)
        assert peer.now - 1000 == 120

    @pytest.mark.parametrize("left", [3.0, 59.0])
    def test_silence_does_not_outlast_the_invocation(self, left: float) -> None:
        peer = Peer()
        with pytest.raises(UnfinishedError):
            self._read(peer.wire(peer.limit(left)))
        assert peer.now - 1000 == left

    def test_nothing_is_waited_for_after_it(self) -> None:
        peer = Peer(iter([(0.0, b"x")]))
        with pytest.raises(UnfinishedError):
            self._read(peer.wire(peer.limit(-1.0)))

    def test_the_next_invocation_begins_anew(self) -> None:
        peer = Peer(iter([(0.0, b"x"), (20.0, b"y")]))
        limit = peer.limit(0.0)
        wire = peer.wire(limit)
        with pytest.raises(UnfinishedError):
            self._read(wire, 1)
        limit.begin(900.0)
        self._read(wire, 2)


class TestSending:
    @pytest.mark.parametrize(("taken", "slow"), [(1, 1.0), (16_384, 10.0), (1, 59.0), (1, NEVER)])
    def test_who_takes_it_slowly(self, taken: int, slow: float) -> None:
        peer = Peer(taken=taken, slow=slow)
        with pytest.raises(TimeoutError):
            peer.wire().sendall(b"x" * 262_144)
        assert peer.now - 1000 <= SILENCE_SECONDS

    def test_no_longer_than_the_invocation(self) -> None:
        peer = Peer(taken=1, slow=1.0)
        with pytest.raises(UnfinishedError):
            peer.wire(peer.limit(5.0)).sendall(b"x" * 262_144)
        assert peer.now - 1000 <= 6

    def test_all_of_it_goes(self) -> None:
        peer = Peer(taken=16_384, slow=0.01)
        peer.wire().sendall(memoryview(bytearray(262_144)))
        assert peer.now - 1000 == pytest.approx(0.16)


class TestConnecting:
    def _open(self, monkeypatch: pytest.MonkeyPatch, limit: TimeLimit | None, moved: Callable[[float], None]) -> int:
        tried: list[float] = []

        def create(address: tuple[str, int], timeout: float) -> Any:
            tried.append(timeout)
            moved(timeout)
            raise TimeoutError("timed out")

        monkeypatch.setattr("socket.create_connection", create)
        connections = Connections(Reach(), resolve=lambda host, port: [f"8.8.8.{n}" for n in range(250)], limit=limit)
        with pytest.raises((UpstreamError, UnfinishedError)):
            connections.take(Origin("https", "registry.example", 443))
        assert max(tried) <= CONNECT_SECONDS
        return len(tried)

    def test_a_name_of_many_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self._open(monkeypatch, None, lambda seconds: None) == 4

    def test_no_longer_than_the_invocation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        peer = Peer()

        def moved(seconds: float) -> None:
            peer.now += seconds

        assert self._open(monkeypatch, peer.limit(15.0), moved) == 2
        assert peer.now - 1000 == 15


class TestPatience:
    def test_no_try_is_waited_for_that_comes_too_late(self) -> None:
        peer, waits = Peer(), list[float]()
        patience = Patience(FakeClock(), sleep=waits.append, random=lambda: 1.0, limit=peer.limit(2.0))
        assert patience.before_retry(1, 1.5, "x")
        with pytest.raises(UnfinishedError, match="no time left for another try"):
            patience.before_retry(1, 2.5, "x")
        assert waits == [1.5]

    def test_nor_a_turn(self) -> None:
        limit = TimeLimit()
        turns = Turns(limit)
        turns.take()
        limit.begin(0.01)
        with pytest.raises(UnfinishedError):
            turns.take()
