"""The transport beside redis-py and coredis: one small script call, by 1, 16, 64 and 256 callers at once.

All run on uvloop, over the same kind of connection. Beside them is redis-py's explicit pipeline, with as many calls in
it as there are callers elsewhere: what one gets who collects calls by hand. Each client runs in turn with ours.
`calls_per_s` and the CPU time that this process spends on a call are those of the best round; `ours_times` is ours over
this client. With one caller most of the time passes in waking up the other process; how long that takes depends on
whether both share a core, so there is a group for each case, and a blocking socket without any client shows how much
of it is the client's.
"""

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import coredis
import pytest
import redis.asyncio
import uvloop
from redis.backoff import NoBackoff
from redis.retry import Retry

from bench.harness import RawConnection, pack
from bench.target import Target, target
from croupier.transport import Transport

ROUNDS = 5
CALLERS: Final = {1: 1_000, 16: 4_096, 64: 6_400, 256: 7_680}
"""Callers at once, and calls in a round."""

KEY, VALUE = "{0}:key", b"v" * 100

Turn: TypeAlias = Callable[[int, int], Awaitable[object]]
"""Makes so many calls, so many at once."""
Client: TypeAlias = Callable[[str], AbstractAsyncContextManager[Turn]]


@dataclass(frozen=True)
class SmallScript:
    source: bytes = b"""#!lua
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
return {1, before, ARGV[2]}
"""

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.source, usedforsecurity=False).hexdigest()


SCRIPT = SmallScript()
SHA = SCRIPT.sha


def by_callers(call: Callable[[], Awaitable[object]]) -> Turn:
    """Each caller waits for its reply before it calls again."""

    async def turn(callers: int, calls: int) -> None:
        async def caller() -> None:
            for _ in range(calls // callers):
                await call()

        await asyncio.gather(*(caller() for _ in range(callers)))

    return turn


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Turn]:
    client = Transport(url)
    await client.open()
    yield by_callers(lambda: client.run(SCRIPT, (KEY,), (VALUE, 7)))
    await client.close()


@asynccontextmanager
async def redis_py(url: str) -> AsyncIterator[Turn]:
    most = max(CALLERS)
    async with redis.asyncio.Redis.from_url(url, retry=Retry(NoBackoff(), 0), max_connections=most) as client:
        pool: Any = client.connection_pool
        turn = by_callers(lambda: client.evalsha(SHA, 1, KEY, VALUE, "7"))
        opened = 0

        async def with_connections(callers: int, calls: int) -> None:
            nonlocal opened
            if opened < callers:
                # One after the other: of many at once a Unix socket turns some away, for which the client then waits.
                connections = [await pool.get_connection() for _ in range(callers)]
                for connection in connections:
                    await pool.release(connection)
                opened = callers
            await turn(callers, calls)

        yield with_connections


@asynccontextmanager
async def redis_py_pipeline(url: str) -> AsyncIterator[Turn]:
    async with redis.asyncio.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:

        async def turn(callers: int, calls: int) -> None:
            for _ in range(calls // callers):
                pipeline = client.pipeline(transaction=False)
                for _ in range(callers):
                    pipeline.evalsha(SHA, 1, KEY, VALUE, "7")
                await pipeline.execute()

        yield turn


@asynccontextmanager
async def core_redis(url: str) -> AsyncIterator[Turn]:
    async with coredis.Redis.from_url(url) as client:
        yield by_callers(lambda: client.evalsha(SHA, [KEY], [VALUE, 7]))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("redis"), appendonly=False) as found:
        with contextlib.closing(RawConnection(found.url)) as raw:
            raw.call("SCRIPT", "LOAD", SCRIPT.source)
        yield found


class Opened:
    """A client that one task enters and leaves, as anyio wants it, while others use it."""

    def __init__(self, context: AbstractAsyncContextManager[Turn]) -> None:
        self._context = context
        self._best_s = self._least_cpu_s = float("inf")

    async def open(self) -> None:
        self._opened: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._finished = asyncio.Event()
        self._task = asyncio.create_task(self._hold())
        self._turn = await self._opened

    async def close(self) -> None:
        self._finished.set()
        await self._task

    async def _hold(self) -> None:
        async with self._context as turn:
            self._opened.set_result(turn)
            await self._finished.wait()

    async def round(self, callers: int, calls: int) -> None:
        """One round, of which the best is kept."""
        began_s, cpu_s = time.perf_counter(), time.process_time()
        await self._turn(callers, calls)
        self._best_s = min(self._best_s, time.perf_counter() - began_s)
        self._least_cpu_s = min(self._least_cpu_s, time.process_time() - cpu_s)

    def figures(self, calls: int) -> dict[str, float]:
        return {
            "calls_per_s": round(calls / self._best_s),
            "cpu_us_per_call": round(self._least_cpu_s / calls * 1e6, 1),
        }


def measure(benchmark: Any, url: str, client: Client, callers: int) -> None:
    """A client, in turn with ours where it is another's."""
    calls = CALLERS[callers]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measured, beside = Opened(client(url)), Opened(ours(url))
        for each in (measured, beside):
            runner.run(each.open())
        try:
            benchmark.pedantic(
                lambda: runner.run(measured.round(callers, calls)),
                setup=None if client is ours else lambda: runner.run(beside.round(callers, calls)),
                rounds=ROUNDS,
                iterations=1,
                warmup_rounds=1,
            )
        finally:
            for each in (measured, beside):
                runner.run(each.close())
    found = measured.figures(calls)
    benchmark.extra_info |= {"callers": callers} | found
    if client is not ours:
        reference = beside.figures(calls)
        benchmark.extra_info |= {
            "ours_times": round(reference["calls_per_s"] / found["calls_per_s"], 2),
            "cpu_times_ours": round(found["cpu_us_per_call"] / reference["cpu_us_per_call"], 1),
        }


CLIENTS: Final = [
    pytest.param(ours, id="ours"),
    pytest.param(redis_py, id="redis-py"),
    pytest.param(core_redis, id="coredis"),
    pytest.param(redis_py_pipeline, id="redis-py, explicit pipeline"),
]


@pytest.mark.parametrize(
    ("callers", "client"),
    [
        pytest.param(
            callers,
            *client.values,
            id=f"{callers}, {client.id}",
            marks=pytest.mark.benchmark(group=f"transport, callers at once: {callers}"),
        )
        for callers in CALLERS
        for client in CLIENTS
    ],
)
def test_callers(benchmark: Any, server: Target, client: Client, callers: int) -> None:
    measure(benchmark, server.url, client, callers)


needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system cannot tie a process to a core"
)


@contextmanager
def on_one_core(server: Target) -> Iterator[None]:
    """Keep this process and the server on one core. Skips where the server is not ours to move."""
    if server.pid is None:
        pytest.skip("the server is not ours to tie to a core")
    cores = os.sched_getaffinity(0)
    for pid in (0, server.pid):
        os.sched_setaffinity(pid, {min(cores)})
    try:
        yield
    finally:
        for pid in (0, server.pid):
            os.sched_setaffinity(pid, cores)


@needs_affinity
@pytest.mark.benchmark(group="transport, one caller, on the server's core")
@pytest.mark.parametrize("client", CLIENTS[:3])
def test_1_caller_on_the_servers_core(benchmark: Any, server: Target, client: Client) -> None:
    with on_one_core(server):
        measure(benchmark, server.url, client, callers=1)


@pytest.mark.benchmark(group="transport, callers at once: 1")
def test_blocking_socket(benchmark: Any, server: Target) -> None:
    blocking_socket(benchmark, server)


@needs_affinity
@pytest.mark.benchmark(group="transport, one caller, on the server's core")
def test_blocking_socket_on_the_servers_core(benchmark: Any, server: Target) -> None:
    with on_one_core(server):
        blocking_socket(benchmark, server)


def blocking_socket(benchmark: Any, server: Target) -> None:
    """The calls without any client."""
    calls, packed = CALLERS[1], pack("EVALSHA", SHA, 1, KEY, VALUE, 7)
    seconds: list[float] = []
    with contextlib.closing(RawConnection(server.url)) as raw:

        def one_round() -> None:
            began_s = time.perf_counter()
            for _ in range(calls):
                raw.batch(packed, 1)
            seconds.append(time.perf_counter() - began_s)

        benchmark.pedantic(one_round, rounds=ROUNDS, iterations=1, warmup_rounds=1)
    benchmark.extra_info |= {"callers": 1, "calls_per_s": round(calls / min(seconds))}
