"""From an event, through Postgres and the daemon, to the push at another player's socket."""

import asyncio
import contextlib
import datetime
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.casino import casino
from bench.harness import sized
from bench.serving import tokens, until_ready

WATCHED = 50
PUSHES = 500
PULL = {"count": 1, "banner": "standard"}


async def push_latencies_ms(port: int, pushes: int) -> list[float]:
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
        for number in range(pushes):
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
    pushes = sized(benchmark, PUSHES, 20)
    with casino(tmp_path) as servers, servers.daemon(), servers.worker() as (port, _):
        until_ready(port)
        latencies = benchmark.pedantic(
            lambda: asyncio.run(push_latencies_ms(port, pushes)), rounds=1, iterations=1
        )
    benchmark.extra_info |= {
        "pushes": len(latencies),
        "p50_ms": round(latencies[len(latencies) // 2], 1),
        "p99_ms": round(latencies[len(latencies) * 99 // 100], 1),
    }
