"""A load generator in a process of its own: raw sockets, one request at a time on each of its connections.

The first line of standard input describes the load (`Load`, in JSON); each further line is a number of requests. For
each of those a line of JSON comes back: the seconds it took, and how often each status was answered.
"""

import asyncio
import sys
import time
from functools import partial
from itertools import cycle
from typing import cast

import msgspec
import uvloop


class Load(msgspec.Struct):
    """What to send: POST `body` to `path`, with each of `tokens` in turn, over `connections` connections."""

    port: int
    path: str
    body: str
    tokens: list[str]
    connections: int = 32


class Result(msgspec.Struct):
    """What came back."""

    seconds: float
    statuses: dict[str, int]


class Round:
    """Counts the requests of one round down."""

    def __init__(self, requests: int) -> None:
        self.left_to_send = requests
        self.left_to_answer = requests
        self.statuses: dict[str, int] = {}
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Connection(asyncio.Protocol):
    """One connection: sends, waits for the whole reply, sends the next."""

    def __init__(self, requests: list[bytes]) -> None:
        self._next = cycle(requests).__next__
        self._received = b""
        self._round: Round | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def begin(self, round_: Round) -> None:
        self._round = round_
        self._send(round_)

    def _send(self, round_: Round) -> None:
        if round_.left_to_send > 0:
            round_.left_to_send -= 1
            self._transport.write(self._next())

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length_at = received.index(b"Content-Length: ", 0, head_end) + 16
        length = int(received[length_at : received.index(b"\r\n", length_at)])
        if len(received) < head_end + 4 + length:
            return
        self._received = b""
        round_ = self._round
        assert round_ is not None
        status = received[9:12].decode()
        round_.statuses[status] = round_.statuses.get(status, 0) + 1
        round_.left_to_answer -= 1
        if round_.left_to_answer == 0:
            round_.done.set_result(None)
        else:
            self._send(round_)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._round is not None and not self._round.done.done():
            self._round.done.set_exception(ConnectionError(f"the server closed a connection: {exc}"))


def requests_of(load: Load) -> list[bytes]:
    """One request per token."""
    return [
        (
            f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(load.body)}\r\n\r\n{load.body}"
        ).encode()
        for token in load.tokens
    ]


async def main() -> None:
    loop = asyncio.get_running_loop()
    load = msgspec.json.decode(sys.stdin.readline(), type=Load)
    requests = requests_of(load)
    connections = []
    for number in range(load.connections):
        mine = partial(Connection, requests[number :: load.connections])
        _, connection = await loop.create_connection(mine, "127.0.0.1", load.port)
        connections.append(connection)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        round_ = Round(int(line))
        started = time.perf_counter()
        for connection in connections:
            connection.begin(round_)
        await round_.done
        print(
            msgspec.json.encode(Result(time.perf_counter() - started, round_.statuses)).decode(), flush=True
        )


if __name__ == "__main__":
    uvloop.run(main())
