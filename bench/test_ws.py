"""Pulls over WebSockets beside pulls over HTTP, of the same worker in the same run.

The server under test has one core; the generators, of which one runs at a time, share the other one with Valkey. The
players play by themselves: every one has a socket of its own.
"""

import asyncio
import contextlib
import datetime
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.casino import casino
from bench.http_load import Load as HttpLoad
from bench.serving import Generator, Worker, one_worker, tokens
from bench.ws_load import Load as WsLoad

PLAYERS = 1_024
COMMANDS = 8_192
ROUNDS = 10
WATCHED = 50
PUSHES = 500
PULL = {"count": 1, "banner": "standard"}
UNLIMITED = {
    "CROUPIER_WS_FRAMES_PER_SECOND": "0",
    "CROUPIER_WS_COMMANDS_PER_SECOND": "0",
    "CROUPIER_WS_SOCKETS_PER_PLAYER": "0",
}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with one_worker(tmp_path, **UNLIMITED) as running:
        yield running


def over_http(worker: Worker) -> Generator:
    load = HttpLoad(worker.port, "/api/games/gacha/pull", '{"count":1,"banner":"standard"}', tokens(PLAYERS))
    return Generator("bench.http_load", load, worker.pid, COMMANDS)


def over_ws(worker: Worker, commands: int, protocol: str) -> Generator:
    load = WsLoad(worker.port, "gacha.pull", PULL, tokens(PLAYERS), commands, protocol)
    return Generator("bench.ws_load", load, worker.pid, COMMANDS)


@pytest.mark.benchmark(group=f"WebSocket beside HTTP, one worker, rounds of {COMMANDS:,} pulls")
@pytest.mark.parametrize(("commands", "protocol"), [(8, "msgpack"), (1, "msgpack"), (8, "json")])
def test_pulls_over_websockets_beside_http(
    benchmark: Any, worker: Worker, commands: int, protocol: str
) -> None:
    with (
        contextlib.closing(over_http(worker)) as http,
        contextlib.closing(over_ws(worker, commands, f"croupier.{protocol}")) as ws,
    ):
        http.run()  # the players' first pulls, which need their seeds
        ws.run()
        http.seconds.clear()
        http.cpu_seconds.clear()
        ws.seconds.clear()
        ws.cpu_seconds.clear()

        benchmark.pedantic(ws.run, setup=http.run, rounds=ROUNDS, iterations=1)

        benchmark.extra_info |= {
            "commands_per_frame": commands,
            "pulls_per_s": round(ws.per_s),
            "http_pulls_per_s": round(http.per_s),
            "of_http": round(ws.per_s / http.per_s, 2),
            "cpu_us_per_pull": round(ws.cpu_us, 1),
            "http_cpu_us_per_pull": round(http.cpu_us, 1),
            "of_http_by_cpu": round(http.cpu_us / ws.cpu_us, 2),
        }


async def push_latencies_ms(port: int) -> list[float]:
    """From an event, by the clock of Redis, to the arrival of its push, while commands come one by one."""
    latencies: list[float] = []
    async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as opened:
        base, arrived = f"http://127.0.0.1:{port}", asyncio.Event()
        sockets = []
        for token in tokens(WATCHED):
            headers = {"Authorization": f"Bearer {token}"}
            ws = await opened.enter_async_context(session.ws_connect(f"{base}/api/games/ws", headers=headers))
            assert (await ws.receive_json())["type"] == "hello"
            sockets.append((ws, headers))

        async def watch(ws: aiohttp.ClientWebSocketResponse) -> None:
            async for message in ws:
                push = json.loads(message.data)
                if push["type"] == "game_event":
                    created = datetime.datetime.fromisoformat(push["event"]["created_at"])
                    latencies.append(time.time() * 1000 - created.timestamp() * 1000)
                    arrived.set()

        watching = [asyncio.create_task(watch(ws)) for ws, _ in sockets]
        for number in range(PUSHES):
            _, headers = sockets[number % WATCHED]
            arrived.clear()
            async with session.post(f"{base}/api/games/gacha/pull", json=PULL, headers=headers) as reply:
                assert reply.status == 200
            await asyncio.wait_for(arrived.wait(), 30)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    return sorted(latencies)


@pytest.mark.benchmark(group="from an event to its push, with Postgres and the daemon")
def test_fan_out_latency(benchmark: Any, tmp_path: Path) -> None:
    with casino(tmp_path) as servers, servers.daemon(), servers.worker() as (port, _):
        until_ready(port)
        latencies = benchmark.pedantic(lambda: asyncio.run(push_latencies_ms(port)), rounds=1, iterations=1)
    benchmark.extra_info |= {
        "pushes": len(latencies),
        "p50_ms": round(latencies[len(latencies) // 2], 1),
        "p99_ms": round(latencies[len(latencies) * 99 // 100], 1),
    }


def until_ready(port: int) -> None:
    """Wait until a pull would succeed."""
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ready"):
            return
        time.sleep(0.1)
