"""A load generator for WebSockets in a process of its own: raw sockets, frames masked in advance.

It takes a `Load` and numbers of commands on standard input, as `bench.http_load` does, and answers likewise. Once all
replies to a frame are there, the next socket sends one. Replies are counted by their status, and not decoded.
"""

import asyncio
import os
import sys
import time
from collections import deque
from functools import partial
from typing import cast

import msgspec
import uvloop

from bench.http_load import Result

_ACCEPTED = b"HTTP/1.1 101 "
_MASK = b"\x00\x00\x00\x00"
_PONG = b"\x8a\x80" + _MASK


class Load(msgspec.Struct):
    """What to send: frames with `commands` commands `name` with `arguments`, on one socket per token in turn.

    `in_flight` frames wait for their replies at once, each on another socket.
    """

    port: int
    name: str
    arguments: dict[str, object]
    tokens: list[str]
    commands: int = 1
    protocol: str = "croupier.msgpack"
    in_flight: int = 32


def masked(payload: bytes, opcode: int) -> bytes:
    """A frame of a client. The mask is zero, which the server has to apply like any other."""
    size = len(payload)
    head = (
        bytes((0x80 | opcode, 0x80 | size))
        if size < 126
        else bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    )
    return head + _MASK + payload


def frame_of(load: Load) -> bytes:
    """The frame that each socket sends again and again. Ids may be used again once they were answered."""
    calls = [(number, load.name, load.arguments) for number in range(load.commands)]
    message = calls if load.commands > 1 else calls[0]
    if load.protocol == "croupier.json":
        return masked(msgspec.json.encode(message), 1)
    return masked(msgspec.msgpack.encode(message), 2)


class Round:
    """Counts the commands of one round down. `idle` are the sockets whose turn comes next, first the first."""

    def __init__(self, commands: int, idle: "deque[Connection]") -> None:
        self.idle = idle
        self.left_to_send = commands
        self.left_to_answer = commands
        self.statuses: dict[str, int] = {}
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Connection(asyncio.Protocol):
    """One socket. `events` counts the pushes."""

    def __init__(self, load: Load, token: str, frame: bytes) -> None:
        self._frame = frame
        self._commands = load.commands
        self._answered_200 = (
            b",200," if load.protocol == "croupier.json" else b"\xcc\xc8\x88"
        )  # and the body of a pull, which has 8 members
        self._request = (
            f"GET /api/games/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: {load.protocol}\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        self._received = b""
        self._missing = 0
        self._round: Round | None = None
        self.events = 0
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def send(self, round_: Round) -> None:
        """Send a frame, if the round has any left."""
        if round_.left_to_send > 0:
            self._round = round_
            round_.left_to_send -= self._commands
            self._missing = self._commands
            self._transport.write(self._frame)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        if not self.is_open.done():
            end = received.find(b"\r\n\r\n")
            if end < 0:
                self._received = received
                return
            if not received.startswith(_ACCEPTED):
                self.is_open.set_exception(ConnectionError(received[:200].decode()))
                return
            self.is_open.set_result(None)
            received = received[end + 4 :]
        place, size = 0, len(received)
        while size - place >= 2:
            length, start = received[place + 1], place + 2
            if length == 126:
                length, start = int.from_bytes(received[start : start + 2], "big"), start + 2
            elif length == 127:
                length, start = int.from_bytes(received[start : start + 8], "big"), start + 8
            if size < start + length:
                break
            self._take(received, place, start, start + length)
            place = start + length
        self._received = received[place:]

    def _take(self, received: bytes, head: int, start: int, end: int) -> None:
        if (opcode := received[head] & 0x0F) > 2:
            if opcode == 9:  # between rounds a socket is silent for so long that the server asks
                self._transport.write(_PONG)
            return
        first = received[start]
        if first & 0xF0 == 0x80 or first == 0x7B or first in (0xDE, 0xDF):  # a map: a push
            self.events += 1
            return
        round_ = self._round
        if round_ is None:
            return
        answered = received.count(self._answered_200, start, end)
        if answered == 0:
            round_.done.set_exception(ConnectionError(repr(received[start:end][:300])))
            return
        answered = min(answered, self._missing)
        self._missing -= answered
        round_.statuses["200"] = round_.statuses.get("200", 0) + answered
        round_.left_to_answer -= answered
        if self._missing:
            return
        round_.idle.append(self)
        if round_.left_to_answer > 0:
            round_.idle.popleft().send(round_)
        elif not round_.done.done():
            round_.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._round is not None and not self._round.done.done():
            self._round.done.set_exception(ConnectionError(f"the server closed a socket: {exc}"))


async def main() -> None:
    loop = asyncio.get_running_loop()
    load = msgspec.json.decode(sys.stdin.readline(), type=Load)
    frame = frame_of(load)
    connections = []
    for token in load.tokens:
        _, connection = await loop.create_connection(
            partial(Connection, load, token, frame), "127.0.0.1", load.port
        )
        connections.append(connection)
    await asyncio.gather(*(connection.is_open for connection in connections))
    idle = deque(connections)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        round_ = Round(int(line), idle)
        started = time.perf_counter()
        for _ in range(load.in_flight):
            idle.popleft().send(round_)
        await round_.done
        result = Result(time.perf_counter() - started, round_.statuses)
        print(msgspec.json.encode(result).decode(), flush=True)
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(main())
