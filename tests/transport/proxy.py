"""A TCP proxy in front of Valkey that disturbs the stream at one chosen byte."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

import hiredis

from tests.redis_server import login

# Turns of the event loop after which what was written to a loopback socket has been read at its other end.
_TURNS_TO_ARRIVE = 3


class Direction(Enum):
    REQUESTS = "requests"
    REPLIES = "replies"


class Kind(Enum):
    SPLIT = "split"  # what follows arrives in a segment of its own
    HOLD = "hold"  # what follows arrives only after `release`
    CUT = "cut"  # what follows never arrives; both connections are closed


@dataclass
class Disturbance:
    """Something that happens once, when `bytes_left` more bytes have passed in its direction.

    Nothing counts before a request that holds `asked` has passed, if there is to be one.
    """

    direction: Direction
    kind: Kind
    bytes_left: int
    asked: bytes = b""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        self.released.set()


@dataclass
class _Pair:
    """A client's connection and the connection to the server that belongs to it."""

    client_reader: asyncio.StreamReader
    client_writer: asyncio.StreamWriter
    server_reader: asyncio.StreamReader
    server_writer: asyncio.StreamWriter
    requests: bytearray = field(default_factory=bytearray)
    replied_bytes: int = 0
    cut: bool = False


class Proxy:
    """Forwards every connection to the server's Unix socket. Use as an async context manager.

    Bytes are counted from the call of `disturb`, or from when what it waits for was asked, over all connections.
    """

    def __init__(self, server_socket_path: str, tls: ssl.SSLContext | None = None) -> None:
        self._server_socket_path = server_socket_path
        self._tls = tls
        self._listener: asyncio.Server | None = None
        self._disturbance: Disturbance | None = None
        self.held: Disturbance | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pairs: list[_Pair] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=self._tls)
        self.url = login(self._listener.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        if self.held is not None:
            self.held.release()
        self.drop_connections()
        await asyncio.gather(*self._tasks)
        await self._listener.wait_closed()

    def disturb(
        self, direction: Direction, kind: Kind, after_bytes: int, *, asked: bytes = b""
    ) -> Disturbance:
        self._disturbance = Disturbance(direction, kind, after_bytes, asked)
        return self._disturbance

    def requests(self, connection: int) -> list[list[bytes]]:
        """Return the commands that were received on the n-th connection, counted from 0."""
        reader = hiredis.Reader(notEnoughData=None)
        reader.feed(bytes(self._pairs[connection].requests))
        return list(iter(reader.gets, None))

    def replied_bytes(self, connection: int) -> int:
        """Return how many bytes the server sent on the n-th connection."""
        return self._pairs[connection].replied_bytes

    def drop_connections(self) -> None:
        """Close every connection at once, in both directions, with whatever is on its way."""
        for pair in self._pairs:
            pair.cut = True
            pair.client_writer.transport.abort()
            pair.server_writer.transport.abort()

    async def server_has_read_all(self) -> None:
        """Wait until the server has closed every cut connection, having run all that reached it."""
        while any(pair.cut and not pair.server_reader.at_eof() for pair in self._pairs):
            await asyncio.sleep(0)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            pair = _Pair(reader, writer, *await asyncio.open_unix_connection(self._server_socket_path))
            ends.append(pair.server_writer)
            self._pairs.append(pair)
            await asyncio.gather(self._pump(pair, Direction.REQUESTS), self._pump(pair, Direction.REPLIES))
        except OSError:
            pass  # the server is away: the client sees its connection closed
        for end in ends:
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def _pump(self, pair: _Pair, direction: Direction) -> None:
        """Forward one direction until its source ends, then tell the destination so."""
        reader, writer = pair.client_reader, pair.server_writer
        if direction is Direction.REPLIES:
            reader, writer = pair.server_reader, pair.client_writer
        with contextlib.suppress(ConnectionError):
            while (data := await reader.read(65_536)) and not writer.is_closing():
                if direction is Direction.REQUESTS:
                    pair.requests += data
                else:
                    pair.replied_bytes += len(data)
                if not pair.cut:
                    await self._forward(pair, direction, data, writer)
            if not writer.is_closing() and writer.can_write_eof():
                writer.write_eof()

    async def _forward(
        self, pair: _Pair, direction: Direction, data: bytes, writer: asyncio.StreamWriter
    ) -> None:
        disturbance = self._disturbance
        if disturbance is None or disturbance.direction is not direction or disturbance.asked:
            if disturbance is not None and direction is Direction.REQUESTS and disturbance.asked in data:
                disturbance.asked = b""
            writer.write(data)
            await writer.drain()
            return
        before, after = data[: disturbance.bytes_left], data[disturbance.bytes_left :]
        disturbance.bytes_left -= len(before)
        writer.write(before)
        await writer.drain()
        if disturbance.bytes_left > 0:
            return
        self._disturbance = None
        disturbance.reached.set()
        if disturbance.kind is Kind.CUT:
            pair.cut = True
            pair.client_writer.close()
            pair.server_writer.write_eof()
            return
        if disturbance.kind is Kind.HOLD:
            self.held = disturbance
            await disturbance.released.wait()
        else:
            for _ in range(_TURNS_TO_ARRIVE):
                await asyncio.sleep(0)
        if not pair.cut:
            writer.write(after)
            await writer.drain()
