"""The transport beside redis-py and coredis: one small script call, by one caller and by 64 at once.

All run on uvloop and over the same Unix socket. `extra_info` has calls per second and the CPU time that this process
spends on a call, each of the best round. With one caller most of the time passes in waking up the other process; how
long that takes depends on whether both share a core, so there is a group for each case, and a blocking socket without
any client shows how much of it is the client's.
"""

import asyncio
import hashlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import coredis
import hiredis
import pytest
import redis.asyncio
import uvloop
from redis.backoff import NoBackoff
from redis.retry import Retry

from bench.harness import RawConnection
from croupier.transport import Transport
from croupier_cli.embedded import Valkey

ROUNDS = 5
KEY, VALUE = "{0}:key", b"v" * 100

Call: TypeAlias = Callable[[], Awaitable[object]]
Client: TypeAlias = Callable[[Valkey], AbstractAsyncContextManager[Call]]


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


@asynccontextmanager
async def transport(valkey: Valkey) -> AsyncIterator[Call]:
    client = Transport(valkey.url)
    await client.open()
    yield lambda: client.run(SCRIPT, (KEY,), (VALUE, 7))
    await client.close()


@asynccontextmanager
async def redis_py(valkey: Valkey) -> AsyncIterator[Call]:
    async with redis.asyncio.Redis.from_url(valkey.url, retry=Retry(NoBackoff(), 0)) as client:
        yield lambda: client.evalsha(SHA, 1, KEY, VALUE, "7")


@asynccontextmanager
async def core_redis(valkey: Valkey) -> AsyncIterator[Call]:
    async with coredis.Redis(unix_socket_path=str(valkey.socket_path)) as client:
        yield lambda: client.evalsha(SHA, [KEY], [VALUE, 7])


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey.start(tmp_path_factory.mktemp("bench"), appendonly=False) as server:
        raw = RawConnection(server.socket_path)
        raw.call("SCRIPT", "LOAD", SCRIPT.source)
        raw.close()
        yield server


needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system cannot tie a process to a core"
)


@contextmanager
def on_one_core(valkey: Valkey, wanted: bool) -> Iterator[None]:
    """Keep this process and the server on one core, if wanted."""
    if not wanted:
        yield
        return
    cores = os.sched_getaffinity(0)
    for pid in (0, valkey.pid):
        os.sched_setaffinity(pid, {min(cores)})
    yield
    for pid in (0, valkey.pid):
        os.sched_setaffinity(pid, cores)


def measure(benchmark: Any, calls: int, one_round: Callable[[], object]) -> None:
    cpu_s: list[float] = []

    def timed_round() -> None:
        begin = time.process_time()
        one_round()
        cpu_s.append(time.process_time() - begin)

    benchmark.pedantic(timed_round, rounds=ROUNDS, iterations=1, warmup_rounds=1)
    benchmark.extra_info["calls_per_s"] = round(calls / benchmark.stats.stats.min)
    benchmark.extra_info["cpu_us_per_call"] = round(min(cpu_s) / calls * 1e6, 1)


async def make_calls(call: Call, callers: int, calls: int) -> None:
    async def caller() -> None:
        for _ in range(calls // callers):
            await call()

    await asyncio.gather(*(caller() for _ in range(callers)))


class HeldOpen:
    """An async context that one task enters and leaves, as anyio wants it, while others use it."""

    def __init__(self, context: AbstractAsyncContextManager[Call]) -> None:
        self._context = context

    async def open(self) -> Call:
        self._opened: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        self._finished = asyncio.Event()
        self._task = asyncio.create_task(self._hold())
        return await self._opened

    async def close(self) -> None:
        self._finished.set()
        await self._task

    async def _hold(self) -> None:
        async with self._context as call:
            self._opened.set_result(call)
            await self._finished.wait()


def measure_client(benchmark: Any, valkey: Valkey, client: Client, callers: int, calls: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        connection = HeldOpen(client(valkey))
        call = runner.run(connection.open())
        measure(benchmark, calls, lambda: runner.run(make_calls(call, callers, calls)))
        runner.run(connection.close())


@pytest.mark.benchmark(group="64 callers")
@pytest.mark.parametrize("client", [transport, redis_py, core_redis])
def test_64_callers(benchmark: Any, valkey: Valkey, client: Client) -> None:
    measure_client(benchmark, valkey, client, callers=64, calls=6_400)


@pytest.mark.benchmark(group="1 caller, cores as they come")
@pytest.mark.parametrize("client", [transport, redis_py, core_redis])
def test_1_caller(benchmark: Any, valkey: Valkey, client: Client) -> None:
    measure_client(benchmark, valkey, client, callers=1, calls=1_000)


@needs_affinity
@pytest.mark.benchmark(group="1 caller, on the server's core")
@pytest.mark.parametrize("client", [transport, redis_py, core_redis])
def test_1_caller_on_the_servers_core(benchmark: Any, valkey: Valkey, client: Client) -> None:
    with on_one_core(valkey, wanted=True):
        measure_client(benchmark, valkey, client, callers=1, calls=1_000)


@pytest.mark.parametrize(
    "one_core",
    [
        pytest.param(False, marks=pytest.mark.benchmark(group="1 caller, cores as they come")),
        pytest.param(
            True, marks=[needs_affinity, pytest.mark.benchmark(group="1 caller, on the server's core")]
        ),
    ],
)
def test_blocking_socket(benchmark: Any, valkey: Valkey, one_core: bool) -> None:
    packed = hiredis.pack_command(("EVALSHA", SHA, 1, KEY, VALUE, 7))  # type: ignore[arg-type]
    with socket.socket(socket.AF_UNIX) as connection, on_one_core(valkey, one_core):
        connection.connect(str(valkey.socket_path))

        def one_round() -> None:
            for _ in range(1_000):
                connection.sendall(packed)
                connection.recv(4_096)

        measure(benchmark, 1_000, one_round)
