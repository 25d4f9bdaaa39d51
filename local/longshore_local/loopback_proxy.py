"""A TCP proxy on 127.0.0.1 that makes the way longer, narrower, or cuts it; it counts what passes."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Self

_PIECE = 256 * 1024
_IN_FLIGHT = 64  # pieces in a direction, so that a long way does not become a large memory
_RTT_AT_MOST = 1.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
Direction = Literal["up", "down"]


class LoopbackProxy:
    """Passes connections on `port` to `to_port`; a context manager.

    rtt: seconds added to each round trip, at most one. bytes_per_second: for each connection and direction. cuts: when
    a connection has carried so many bytes in the direction `cut`, both its ends are reset; each entry cuts once, in
    turn. `up`, `down` are the bytes that passed, `connections` how many came, `cuts_left` the cuts not made yet.
    """

    def __init__(
        self,
        to_port: int,
        *,
        rtt: float = 0.0,
        bytes_per_second: float | None = None,
        cuts: Sequence[int] = (),
        cut: Direction = "down",
    ) -> None:
        if not 0 <= rtt <= _RTT_AT_MOST:
            raise ValueError(f"rtt must be 0 to {_RTT_AT_MOST} seconds, not {rtt}")
        self.up = self.down = self.connections = 0
        self.cuts_left = list(cuts)
        self.port = 0
        self._to_port = to_port
        self._delay = rtt / 2
        self._rate = bytes_per_second
        self._cut = cut
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Listens from now on."""
        self._ready.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="loopback proxy")
        self._thread.start()
        self._ready.wait()
        return self

    def close(self) -> None:
        """Cuts what is open and waits; harmless when it does not run."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        open_ones: dict[asyncio.Task[None], socket.socket] = {}
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
            listening.setblocking(False)
            self.port = listening.getsockname()[1]
            # Not asyncio's own server: a connection that comes while that one closes is lost, and complained about.
            self._loop.add_reader(listening, self._accept, listening, open_ones)
            self._ready.set()
            await self._stop.wait()
            self._loop.remove_reader(listening)
        left = dict(open_ones)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # transports close their sockets
        for near in left.values():
            near.close()  # of a task that had not begun

    def _accept(self, listening: socket.socket, open_ones: dict[asyncio.Task[None], socket.socket]) -> None:
        with contextlib.suppress(OSError):  # who came may have gone again
            near, _ = listening.accept()
            self.connections += 1
            task = self._loop.create_task(self._connection(near))
            open_ones[task] = near
            task.add_done_callback(open_ones.pop)

    async def _connection(self, near: socket.socket) -> None:
        ends: list[asyncio.StreamWriter] = []
        with contextlib.suppress(OSError, _CutError, ExceptionGroup):
            try:
                reader, writer = await asyncio.open_connection(sock=near, limit=_PIECE)
                ends.append(writer)
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port, limit=_PIECE)
                ends.append(far_writer)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, far_writer, "up"))
                    group.create_task(self._pump(far_reader, writer, "down"))
            except BaseException:
                for end in ends:
                    _reset(end)
                raise
            finally:
                for end in ends:
                    end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(queue, writer))
            carried, free_at = 0, 0.0
            while piece := await reader.read(_PIECE):
                carried += len(piece)
                self._count(way, len(piece), carried)
                free_at = max(free_at, self._loop.time()) + (len(piece) / self._rate if self._rate else 0)
                await queue.put((free_at + self._delay, piece))
            await queue.put((self._loop.time() + self._delay, b""))

    async def _deliver(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, piece = await queue.get()
            if (left := due - self._loop.time()) > 0:
                await asyncio.sleep(left)
            if not piece:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            writer.write(piece)
            await writer.drain()

    def _count(self, way: Direction, size: int, carried: int) -> None:
        if way == "up":
            self.up += size
        else:
            self.down += size
        if way == self._cut and self.cuts_left and carried >= self.cuts_left[0]:
            self.cuts_left.pop(0)
            raise _CutError


class _CutError(Exception):
    """The connection is to be reset."""


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
