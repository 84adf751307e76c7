"""What telling events costs the sync daemon: CPU of the fan-out alone, with events of real pulls."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from bench.serving import PLAYERS, one_worker, pulls
from croupier.partition import read_head
from croupier.transport import Transport
from croupier_schemas import keys
from croupier_schemas.events import Event, decode_entry
from croupier_sync.fanout import FanOut
from croupier_sync.server import Server

EVENTS = 4_000
PER_BATCH = 500
ROUNDS = 5

WATCHING = {
    "nobody": [],
    "50 of 1,024 players": [keys.live(0), *(keys.player_events(0, uid) for uid in range(1, 51))],
    "every player": [keys.live(0), *(keys.player_events(0, uid) for uid in range(1, PLAYERS + 1))],
    "a monitor": [keys.live(0), keys.monitor(0)],
    "every player and a monitor": [
        keys.live(0),
        keys.monitor(0),
        *(keys.player_events(0, uid) for uid in range(1, PLAYERS + 1)),
    ],
}


@contextlib.contextmanager
def listening(redis_url: str, channels: list[str]) -> Iterator[None]:
    """Somebody who listens, and reads what is said, in a thread of its own."""
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as subscription:
        over = threading.Event()
        if channels:
            subscription.subscribe(*channels)
            for _ in channels:
                subscription.get_message(timeout=5)

        def read() -> None:
            while not over.is_set():
                if channels:
                    subscription.get_message(timeout=0.1)
                else:
                    over.wait()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            over.set()
            reader.join()


@contextlib.asynccontextmanager
async def connection_to(redis_url: str) -> AsyncIterator[Transport]:
    transport = Transport(redis_url)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


async def last_events(transport: Transport) -> list[Event]:
    """The last events in Redis' log."""
    head = await read_head(transport, 0)
    assert head is not None
    entries: Any = await transport.call("XREVRANGE", keys.outbox(0, head.fence), "+", "-", "COUNT", EVENTS)
    return [decode_entry(0, entry_id, fields) for entry_id, fields in reversed(entries)]


async def cpu_us_per_event(redis_url: str) -> float:
    """CPU of this thread, in microseconds, to publish all events, in batches as the daemon has them under load."""
    async with connection_to(redis_url) as transport:
        events = await last_events(transport)
        assert len(events) == EVENTS
        fan_out = FanOut(Server(transport), 0)
        await fan_out.publish([])
        before = time.thread_time()
        for _ in range(ROUNDS):
            for first in range(0, EVENTS, PER_BATCH):
                await fan_out.publish(events[first : first + PER_BATCH])
        return (time.thread_time() - before) / ROUNDS / EVENTS * 1e6


@pytest.mark.benchmark(group=f"fan-out by the sync daemon, batches of {PER_BATCH} events")
@pytest.mark.parametrize("who", WATCHING)
def test_fan_out(benchmark: Any, tmp_path: Path, who: str) -> None:
    with one_worker(tmp_path) as worker:
        with contextlib.closing(pulls(worker.port, worker.pid)) as generator:
            generator.run()
        with listening(worker.redis_url, WATCHING[who]):
            cpu_us = benchmark.pedantic(
                lambda: asyncio.run(cpu_us_per_event(worker.redis_url)), rounds=1, iterations=1
            )
    benchmark.extra_info |= {"watching": who, "cpu_us_per_event": round(cpu_us, 2)}
