"""WebSocket clients of the tests, and a house with a daemon."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import msgspec
import redis.asyncio

from croupier.live import RESTARTED
from croupier.transport import Transport
from croupier_schemas import keys
from croupier_sync.migrations import migrate
from tests.http.support import DEADLINE_S, Client, running, settings_for, token
from tests.sync.support import PARTITION, Casino

WS = "/api/games/ws"
MONITOR = "/api/games/ws/monitor"
JSON, MSGPACK = "croupier.json", "croupier.msgpack"
UNLIMITED = {"ws_frames_per_second": 0, "ws_commands_per_second": 0}
"""Settings of a worker for tests that say much at once."""


class Socket:
    """A WebSocket: what was pushed and what was answered, each in a list of its own."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.pushes: list[dict[str, Any]] = []
        self.replies: list[list[Any]] = []
        self._next_id = 0

    async def send(self, frame: Any) -> None:
        """One frame, packed as the subprotocol has it."""
        if self.ws.protocol == MSGPACK:
            await self.ws.send_bytes(msgspec.msgpack.encode(frame))
        else:
            await self.ws.send_str(json.dumps(frame))

    async def receive(self) -> None:
        """Take one frame in. Fails the test where the socket is closed, or nothing comes."""
        message = await self.ws.receive(timeout=DEADLINE_S)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        is_text = message.type is aiohttp.WSMsgType.TEXT
        assert is_text is (self.ws.protocol != MSGPACK)
        frame = json.loads(message.data) if is_text else msgspec.msgpack.decode(message.data)
        if isinstance(frame, dict):
            self.pushes.append(frame)
        elif isinstance(frame[0], list):
            self.replies.extend(frame)
        else:
            self.replies.append(frame)

    async def push(self, kind: str, number: int = 1) -> dict[str, Any]:
        """The push of that type with that number, from 1; waits for it."""
        while len(found := [push for push in self.pushes if push["type"] == kind]) < number:
            await self.receive()
        return found[number - 1]

    async def ask(self, *calls: list[Any]) -> list[list[Any]]:
        """Send commands in one frame; their replies in the order of the commands."""
        ids = [call[0] for call in calls]
        await self.send(calls[0] if len(calls) == 1 else list(calls))
        while not all(any(reply[0] == each for reply in self.replies) for each in ids):
            await self.receive()
        found = {reply[0]: reply for reply in self.replies}
        self.replies = [reply for reply in self.replies if reply[0] not in ids]
        return [found[each] for each in ids]

    async def command(self, name: str, arguments: Any = None, *key: str) -> list[Any]:
        """One command, and its reply."""
        self._next_id += 1
        return (await self.ask([self._next_id, name, {} if arguments is None else arguments, *key]))[0]

    async def closed(self) -> int:
        """Take in what comes until the socket is closed; the close code."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self.ws.receive()
                if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                    return self.ws.close_code or 0
                if message.type is aiohttp.WSMsgType.ERROR:
                    raise AssertionError(message)
                if message.type is aiohttp.WSMsgType.TEXT:
                    frame = json.loads(message.data)
                    if isinstance(frame, dict):
                        self.pushes.append(frame)


@contextlib.asynccontextmanager
async def connected(
    client: Client, path: str = WS, *, bearer: str | None = None, protocol: str | None = JSON, **options: Any
) -> AsyncIterator[Socket]:
    """An open socket; an empty `bearer` sends no header."""
    bearer = token() if bearer is None else bearer
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    headers |= options.pop("headers", {})
    protocols = (protocol,) if protocol else ()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(client.url + path, headers=headers, protocols=protocols, **options) as ws,
    ):
        yield Socket(ws)


async def refused(client: Client, path: str = WS, **options: Any) -> int:
    """The HTTP status of a handshake that is refused."""
    try:
        async with connected(client, path, **options):
            raise AssertionError("the socket was opened")
    except aiohttp.WSServerHandshakeError as error:
        return error.status


@dataclass
class House:
    """A worker, its Redis and Postgres, and the daemon, which `casino` can start again."""

    client: Client
    casino: Casino
    redis_url: str
    database_url: str

    @contextlib.asynccontextmanager
    async def another_worker(self) -> AsyncIterator[Client]:
        """A second worker, on a port of its own."""
        async with running(settings_for(self.redis_url, database_url=self.database_url)) as client:
            yield client


@contextlib.asynccontextmanager
async def migrated(redis_url: str, database_url: str) -> AsyncIterator[Casino]:
    """Redis and Postgres, without a daemon."""
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    transport = Transport(redis_url)
    await transport.open()
    try:
        yield Casino.of(redis_url, database_url, transport, connection)
    finally:
        await transport.close()
        await connection.close()


@contextlib.asynccontextmanager
async def telling(casino: Casino) -> AsyncIterator[None]:
    """A daemon that has said that it begins to tell events: no greeting takes the place of one of them any more."""
    async with redis.asyncio.from_url(casino.redis_url) as client, client.pubsub() as listener:
        await listener.subscribe(keys.live(PARTITION))
        async with casino.daemon():
            async with asyncio.timeout(DEADLINE_S):
                async for message in listener.listen():
                    if message["data"] == RESTARTED:
                        break
            yield


@contextlib.asynccontextmanager
async def open_house(redis_url: str, database_url: str, **settings: Any) -> AsyncIterator[House]:
    """A house that is ready."""
    async with (
        migrated(redis_url, database_url) as casino,
        telling(casino),
        running(settings_for(redis_url, database_url=database_url, **settings)) as client,
    ):
        yield House(client, casino, redis_url, database_url)
