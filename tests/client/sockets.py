"""Servers whose sockets say what a test wants, and looks at streams."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from croupier_client import Stream
from tests.client.support import answering
from tests.http.support import DEADLINE_S, PULL, token
from tests.http.support import Client as Http
from tests.http.test_pages import samples
from tests.ws.support import House

HELLO = {
    "type": "hello", "player_id": 42, "balances": {"tokens": 1, "gems": 0}, "active_bet": None,
    "last_event_id": None, "worker_time_ms": 1, "live": True,
}  # fmt: skip
SPUN = {
    "reels": [["a"]], "lines": [], "payout": 0, "balance": 1,
    "receipt": {"event_id": "0-1-1", "seq": 1, "economy": "", "nonce": 1, "commitment": ""},
}  # fmt: skip

Talk = Callable[[web.WebSocketResponse, int], Awaitable[None]]


@contextlib.asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """A server whose sockets (of the JSON subprotocol) say what the test wants; it is told the socket's number."""
    count = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal count
        socket = web.WebSocketResponse(protocols=("croupier.json",), timeout=0.1)
        await socket.prepare(request)
        count += 1
        await talk(socket, count)
        return socket

    async with answering(handle) as url:
        yield url


def stream(url: str, **options: Any) -> Stream:
    return Stream(url, "t", protocol="json", **options)


async def frames(house: Http) -> float:
    """Frames that the worker has received on players' sockets."""
    counted = samples((await house.get("/metrics", bearer="")).body)
    return counted.get('websocket_frames_total{direction="in",kind="player"}', 0.0)


async def daemon_begins(house: House) -> None:
    """Wait until the daemon has told all who listen that it begins.

    They are told the newest state then, and no more of the events that are in it: who opened a socket before may look
    for a push in vain. The daemon says it at the latest with the first of two batches.
    """
    for _ in range(2):
        await house.client.post(PULL, bearer=token(7))
        await house.casino.until_caught_up()


async def next_of(events: Stream, kind: type[Any]) -> Any:
    """The next push of that type."""
    async with asyncio.timeout(DEADLINE_S):
        async for push in events:
            if isinstance(push, kind):
                return push
    raise AssertionError("the stream has ended")


async def holds(condition: Callable[[], bool]) -> bool:
    return condition()


async def numbers(socket: web.WebSocketResponse) -> AsyncIterator[int]:
    async for message in socket:
        yield json.loads(message.data)[0]
