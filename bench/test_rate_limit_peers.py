"""Our sliding window beside those of others: what a decision costs, what a player's log takes, how exact it is.

Ours runs in the smallest script that its stage fits in; in the script of a game it costs less, because the record is
read and written there anyway (see `test_scripts.py`). Calls per second are those of limiter and client together, by 32
callers at a time. The server's CPU time per decision holds its work on the client's connections too, of which we have
one and the others a pool; the time in the script is the limiter's alone.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop
from redis import Redis

from bench.peers.rate_limits import PEERS, Limiter, open_limiter
from bench.target import OPEN_TO_ALL, unrestricted
from croupier_cli.embedded import Valkey

CALLERS = 32
PLAYERS = range(1, 17)
LIMIT = 600
WINDOW_S = 60
CALLS_BEFORE = 200
CALLS_IN_A_ROUND = 16
ROUNDS = 20
BURST = 300


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey.start(tmp_path_factory.mktemp("valkey"), extra=OPEN_TO_ALL) as server:
        server.url = unrestricted(server.url)
        yield server


@pytest.fixture
def redis(valkey: Valkey) -> Iterator[Redis]:
    """For looking into the server; it begins empty."""
    with Redis.from_url(valkey.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


class Measured:
    """A limiter, its calls timed, and what they took of the server."""

    def __init__(self, limiter: Limiter, loop: asyncio.Runner, redis: Any) -> None:
        self._limiter = limiter
        self._loop = loop
        self._redis = redis
        self._seconds: list[float] = []
        self._server_us: list[float] = []
        self._script_us: list[float] = []

    def run(self) -> None:
        """One round, in which every call is let through."""
        server_us, script_us = spent_us(self._redis)
        started_s = time.perf_counter()
        passed = self._loop.run(calls(self._limiter, len(PLAYERS) * CALLS_IN_A_ROUND, PLAYERS))
        self._seconds.append(time.perf_counter() - started_s)
        server_us_after, script_us_after = spent_us(self._redis)
        self._server_us.append(server_us_after - server_us)
        self._script_us.append(script_us_after - script_us)
        assert len(passed) == len(PLAYERS) * CALLS_IN_A_ROUND

    @property
    def per_s(self) -> float:
        return 1 / self._per_call(self._seconds)

    @property
    def server_us(self) -> float:
        """CPU time of the server per call."""
        return self._per_call(self._server_us)

    @property
    def script_us(self) -> float:
        """Time of the script per call."""
        return self._per_call(self._script_us)

    @staticmethod
    def _per_call(rounds: list[float]) -> float:
        return statistics.median(rounds) / (len(PLAYERS) * CALLS_IN_A_ROUND)


@pytest.mark.benchmark(group="a sliding window of 600 calls a minute, 200 to 536 of them made")
@pytest.mark.parametrize("name", PEERS)
def test_decision_beside_ours(
    benchmark: Any, name: str, valkey: Valkey, redis: Any, loop: asyncio.Runner, tmp_path: Path
) -> None:
    both = [loop.run(open_limiter(each, valkey.url, LIMIT, WINDOW_S, tmp_path)) for each in ("ours", name)]
    for limiter in both:
        loop.run(calls(limiter, len(PLAYERS) * CALLS_BEFORE, PLAYERS))
    ours, theirs = (Measured(limiter, loop, redis) for limiter in both)

    benchmark.pedantic(theirs.run, setup=ours.run, rounds=ROUNDS, iterations=1, warmup_rounds=1)

    benchmark.extra_info |= {
        "times_slower_than_ours": round(ours.per_s / theirs.per_s, 2),
        "times_our_server_cpu": round(theirs.server_us / ours.server_us, 2),
        "per_s": round(theirs.per_s),
        "our_per_s": round(ours.per_s),
        "server_us_per_decision": round(theirs.server_us, 1),
        "our_server_us_per_decision": round(ours.server_us, 1),
        "script_us": round(theirs.script_us, 1),
        "our_script_us": round(ours.script_us, 1),
    }
    for limiter in both:
        loop.run(limiter.close())


@pytest.mark.benchmark(
    group="700 calls at once where 600 a minute are allowed, and bursts of 300 where 300 a second are"
)
@pytest.mark.parametrize("name", ["ours", *PEERS])
def test_exactness_and_memory(
    benchmark: Any, name: str, valkey: Valkey, redis: Any, loop: asyncio.Runner, tmp_path: Path
) -> None:
    limiter = loop.run(open_limiter(name, valkey.url, LIMIT, WINDOW_S, tmp_path))
    passed = benchmark.pedantic(lambda: loop.run(calls(limiter, 700, PLAYERS[:1])), rounds=1, iterations=1)
    memory_bytes = sum(redis.memory_usage(key, samples=0) for key in redis.keys("*"))
    loop.run(limiter.close())

    redis.flushall()
    limiter = loop.run(open_limiter(name, valkey.url, BURST, 1, tmp_path))
    most, late = loop.run(bursts(limiter))
    loop.run(limiter.close())

    benchmark.extra_info |= {
        "passed_of_700": len(passed),
        "most_in_any_second_of_300": most,
        "passed_of_300_after_a_free_second": late,
        "bytes_per_player": memory_bytes,
    }
    assert len(passed) == LIMIT


async def calls(limiter: Limiter, count: int, uids: Sequence[int]) -> list[float]:
    """So many calls, of these players in turn, by `CALLERS` at a time; when each of those that passed was answered."""
    left = iter(range(count))
    passed: list[float] = []

    async def caller() -> None:
        passed.extend([time.monotonic() for number in left if await limiter.hit(uids[number % len(uids)])])

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return sorted(passed)


async def bursts(limiter: Limiter) -> tuple[int, int]:
    """Bursts about the edge of a window of a second: how many calls passed in any second at most, and how many passed
    of a burst in whose last second there was no call.

    A counter's window begins with its first call. The other calls come at its end, where the counter that follows
    weighs them as if they had come all the time. The second burst comes early in the window after its first.
    """
    began_s, one = time.monotonic(), [1]
    passed = await calls(limiter, 1, one)
    await asyncio.sleep(began_s + 0.85 - time.monotonic())
    passed += await calls(limiter, BURST - 1, one)
    await asyncio.sleep(began_s + 1.6 - time.monotonic())
    passed += await calls(limiter, BURST, one)
    most = max(sum(first <= each < first + 1 for each in passed) for first in passed)

    began_s, another = time.monotonic(), [2]
    await calls(limiter, BURST, another)
    await asyncio.sleep(began_s + 1.3 - time.monotonic())
    return most, len(await calls(limiter, BURST, another))


def spent_us(redis: Any) -> tuple[float, float]:
    """CPU time of the server's main thread, and time in scripts, in microseconds since it began."""
    cpu, commands = redis.info("cpu"), redis.info("commandstats")
    cpu_s = float(cpu["used_cpu_user_main_thread"]) + float(cpu["used_cpu_sys_main_thread"])
    return cpu_s * 1e6, float(commands["cmdstat_evalsha"]["usec"])
