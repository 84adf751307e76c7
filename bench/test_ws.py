"""Pulls over WebSockets beside pulls over HTTP, of the same worker in the same run, and beside their script alone.

The server under test has one core; the generators, of which one runs at a time, share the other one with Redis. The
players play by themselves: every one has a socket of its own. The script alone is the same pull by other players in the
same Redis, recorded and sent at pipeline depth 32 by a client that shares its core as the generators do: what Redis
could do if nothing stood before it.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.commands import PULL_AGAIN
from bench.harness import RawConnection, Timed
from bench.http_load import Load as HttpLoad
from bench.recording import PLAYERS, record
from bench.serving import Generator, Worker, pin, serving, tokens
from bench.target import Target
from bench.ws_load import Load as WsLoad

COMMANDS = 8_192
ROUNDS = 10
PULL = {"count": 1, "banner": "standard"}
UNLIMITED = {
    "CROUPIER_WS_FRAMES_PER_SECOND": "0",
    "CROUPIER_WS_COMMANDS_PER_SECOND": "0",
    "CROUPIER_WS_SOCKETS_PER_PLAYER": "0",
}


@pytest.fixture
def worker(redis_target: Target, tmp_path: Path) -> Iterator[Worker]:
    with serving(redis_target, tmp_path, 1, **UNLIMITED) as running:
        pin(redis_target.pid, 1)
        yield running


def over_http(worker: Worker) -> Generator:
    load = HttpLoad(worker.port, "/api/games/gacha/pull", '{"count":1,"banner":"standard"}', tokens(PLAYERS))
    return Generator("bench.http_load", load, worker.pid, COMMANDS)


def over_ws(worker: Worker, commands: int, protocol: str) -> Generator:
    load = WsLoad(worker.port, "gacha.pull", PULL, tokens(PLAYERS), commands, protocol)
    return Generator("bench.ws_load", load, worker.pid, COMMANDS)


class ScriptAlone:
    """The pulls of as many other players, without a worker."""

    def __init__(self, worker: Worker) -> None:
        others = range(PLAYERS + 1, 2 * PLAYERS + 1)
        recording = record(worker.redis_url, PULL_AGAIN, uids=others, master_keys=worker.master_keys)
        self._recorded = asyncio.run(recording)
        self._raw = RawConnection(worker.redis_url)
        self._recorded.must_succeed(self._raw)
        self._timed = Timed(lambda: self._recorded.run(self._raw))

    def run(self) -> None:
        """As many pulls as a round of the others has."""
        with on_core(1):
            for _ in range(COMMANDS // PLAYERS):
                self._recorded.begin_again(self._raw)
                self._timed()

    @property
    def per_s(self) -> float:
        return PLAYERS / self._timed.median_s

    def close(self) -> None:
        self._raw.close()


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keep this process on one core meanwhile."""
    before = os.sched_getaffinity(0)
    pin(os.getpid(), core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.benchmark(
    group=f"WebSocket beside HTTP and the script alone, one worker, rounds of {COMMANDS:,} pulls"
)
@pytest.mark.parametrize(
    ("commands", "protocol"),
    [(1, "msgpack"), (8, "msgpack"), (32, "msgpack"), (8, "json")],
    ids=["1 a frame, msgpack", "8 a frame, msgpack", "32 a frame, msgpack", "8 a frame, JSON"],
)
def test_pulls_over_websockets(benchmark: Any, worker: Worker, commands: int, protocol: str) -> None:
    with (
        contextlib.closing(over_http(worker)) as http,
        contextlib.closing(over_ws(worker, commands, f"croupier.{protocol}")) as ws,
        contextlib.closing(ScriptAlone(worker)) as script,
    ):
        http.warm_up()
        ws.warm_up()

        def others() -> None:
            http.run()
            script.run()

        benchmark.pedantic(ws.run, setup=others, rounds=ROUNDS, iterations=1)

        benchmark.extra_info |= {
            "commands_per_frame": commands,
            "per_s": round(ws.per_s),
            "http_per_s": round(http.per_s),
            "script_per_s": round(script.per_s),
            "of_http": round(ws.per_s / http.per_s, 2),
            "of_script": round(ws.per_s / script.per_s, 2),
            "cpu_us_per_pull": round(ws.cpu_us, 1),
            "http_cpu_us_per_pull": round(http.cpu_us, 1),
            "of_http_by_cpu": round(http.cpu_us / ws.cpu_us, 2),
        }
