"""A whole server under fire: what must be true of it meanwhile and afterwards."""

import asyncio
import contextlib
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import psutil

from croupier_sync.server import Server as SyncServer
from croupier_sync.verification import verify
from tests.chaos.invariants import all_held, gapless, in_order, log_of, once_per_key, read_events
from tests.chaos.load import PLAY, PULL, ROTATE, SPIN, Answer, Request
from tests.http.served import Server, serving
from tests.http.support import Client, settings_for, token, until
from tests.sync.support import Casino
from tests.ws.support import Socket, connected, migrated, telling

EXAMPLES: Final = int(os.environ.get("CROUPIER_TEST_FUZZ_EXAMPLES") or 32)
"""How many inputs of each kind: `make soak` has many more."""
SEED: Final = int(os.environ.get("CROUPIER_TEST_FUZZ_SEED") or 20_260_801)
"""Where all choices come from."""

PLAYER: Final = 4_242
"""Whom the inputs play for; the healthy client is another one."""
HEALTHY: Final = 77
_MIB: Final = 2**20
GROWTH_MAX: Final = 96 * _MIB
"""What a worker may have more at the end: buffers of some hundred connections, and what the allocator keeps."""
_OWN_CONNECTIONS: Final = 3
"""At most, of the healthy client: one for HTTP, one for the WebSocket, and one of the probe before them."""
_POSTGRES_CONNECTIONS_MAX: Final = 8
_UNLIMITED: Final = {
    "CROUPIER_STRANGER_RATE_PER_SECOND": "0",
    "CROUPIER_STRANGER_RATE_PER_MINUTE": "0",
    "CROUPIER_WS_FRAMES_PER_SECOND": "0",
    "CROUPIER_WS_COMMANDS_PER_SECOND": "0",
    "CROUPIER_WS_SOCKETS_PER_PLAYER": "0",
}
_ASKED: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (PULL, {"count": 1}),
    (SPIN, {"bet_amount": 100}),
    (PLAY, {"player_move": "ROCK", "bet_amount": 100}),
    (ROTATE, {}),
)


@dataclass
class Healthy:
    """A client beside the inputs: whatever they do, each of its requests is answered with 200."""

    client: Client
    socket: Socket
    answers: list[Answer] = field(default_factory=list)
    served: int = 0
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    async def go_on(self) -> None:
        """Ask one thing after the other, over HTTP and over a WebSocket. Never returns; raises AssertionError."""
        for number in itertools.count():
            path, body = _ASKED[number % len(_ASKED)]
            await self._ask(Request(HEALTHY, path, body, f"healthy-{number}"))
            assert (await self.socket.command("ping"))[1] == 200
            self.served += 1
            await asyncio.sleep(0.02)  # not to be the load itself

    async def _ask(self, request: Request) -> None:
        asked = next(self._order)
        reply = await self.client.post(request.path, request.body, key=request.key, bearer=token(HEALTHY))
        assert reply.status == 200, reply
        self.answers.append(
            Answer(
                request, asked, next(self._order), time.monotonic(), reply.status,
                "Idempotent-Replayed" in reply.headers, reply.body, reply.headers["Op-Id"],
            )
        )  # fmt: skip


@dataclass
class Fire:
    """The server, and the healthy client beside the inputs."""

    server: Server
    client: Client
    casino: Casino
    healthy: Healthy
    worker: psutil.Process
    health: "asyncio.Task[None]"
    _memory_before: int = 0
    _files_before: int = 0

    @property
    def port(self) -> int:
        return self.client.port

    async def remember(self) -> None:
        """Take what the worker holds now for what it may hold in the end."""
        await self.go_on()
        self._memory_before = self.worker.memory_info().rss
        self._files_before = self.worker.num_fds()

    async def go_on(self, times: int = 5) -> None:
        """See the healthy client served so many times from now on."""
        before = self.healthy.served

        async def was_served() -> bool:
            self.require_alive()
            return self.healthy.served >= before + times

        await until(was_served, f"the healthy client to be served; the log: {self.server.lines[-20:]}")

    async def run(self, inputs: Callable[[], None]) -> None:
        """Run what sends inputs in a thread; its AssertionError, or the healthy client's, is raised."""
        running = asyncio.create_task(asyncio.to_thread(inputs))
        await asyncio.wait([running, self.health], return_when=asyncio.FIRST_COMPLETED)
        self.require_alive()
        await running
        await self.go_on()

    def require_alive(self) -> None:
        """The worker is the one that was started, and has reported nothing unforeseen."""
        if self.health.done():
            self.health.result()
        assert self.worker.is_running()
        assert self.server.process.returncode is None
        for line in self.server.lines:
            assert "Traceback" not in line, line
            event = json.loads(line)
            assert event["level"] in ("info", "warning", "debug"), line
            assert "exception" not in event, line

    def _connections(self) -> int:
        """Those of clients."""
        return sum(
            each.laddr.port == self.port and bool(each.raddr) for each in self.worker.net_connections("tcp")
        )

    async def require_released(self) -> None:
        """Connections, files and memory that inputs took are given back."""
        assert self._files_before, "remember() comes first"

        async def are_gone() -> bool:
            return self._connections() <= _OWN_CONNECTIONS

        await until(are_gone, "the end of all connections but the healthy client's")
        assert self.worker.num_fds() <= self._files_before + _POSTGRES_CONNECTIONS_MAX
        grown = self.worker.memory_info().rss - self._memory_before
        assert grown < GROWTH_MAX, f"{grown / _MIB:.0f} MiB more"

    async def require_sound(self) -> None:
        """What players got is in the log once, and everything follows from the log."""
        self.health.cancel()
        await asyncio.gather(self.health, return_exceptions=True)
        await self.casino.until_caught_up()
        verdict = await verify(self.casino.connection, SyncServer(self.casino.transport))
        assert verdict.sound, verdict.problems
        assert verdict.redis == "equal", verdict
        await self.casino.require_ledger_adds_up()
        log = log_of(await read_events(self.casino.connection))
        answers = self.healthy.answers
        problems = gapless(log) + once_per_key(log) + all_held(log, answers) + in_order(log, answers)
        assert not problems, problems


@contextlib.asynccontextmanager
async def under_fire(redis_url: str, database_url: str) -> AsyncIterator[Fire]:
    """A server with one worker, Postgres and a daemon, and a healthy client; all must be well at the end."""
    print(f"CROUPIER_TEST_FUZZ_SEED={SEED} CROUPIER_TEST_FUZZ_EXAMPLES={EXAMPLES}")
    settings = settings_for(redis_url, database_url=database_url)
    async with (
        migrated(redis_url, database_url) as casino,
        telling(casino),
        serving(settings, **_UNLIMITED) as (server, other),
        aiohttp.ClientSession() as session,
    ):
        client = Client(other.url, session)
        await until(lambda: _is_ready(client), "/ready")
        worker = psutil.Process((await server.event("worker started"))["worker_pid"])
        async with connected(client, bearer=token(HEALTHY)) as socket:
            healthy = Healthy(client, socket)
            health = asyncio.create_task(healthy.go_on())
            fire = Fire(server, client, casino, healthy, worker, health)
            await fire.remember()
            try:
                yield fire
                await fire.go_on()
                await fire.require_released()
                await fire.require_sound()
                fire.health = asyncio.create_task(asyncio.sleep(0))
                fire.require_alive()
            finally:
                health.cancel()
                await asyncio.gather(health, return_exceptions=True)


async def _is_ready(client: Client) -> bool:
    return (await client.get("/ready")).status == 200
